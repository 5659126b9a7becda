# omlab-init: a node's pid 1, and the switch between the nodes. omlab-enter: a command inside a node.
LAB_NATIVE := tests/Lab/native
LAB_INIT   := omlab-init loop control init_services init_store init_notify init_mounts switch nft
LAB_ENTER  := omlab-enter enter_terminal

$(OBJ)/lab/%.o: $(LAB_NATIVE)/%.c $(wildcard $(LAB_NATIVE)/*.h)
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) -c -o $@ $<

$(LIB)/omlab-init: $(LAB_INIT:%=$(OBJ)/lab/%.o)
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) -o $@ $^

$(LIB)/omlab-enter: $(LAB_ENTER:%=$(OBJ)/lab/%.o)
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) -o $@ $^

NATIVE_TARGETS += $(LIB)/omlab-init $(LIB)/omlab-enter
