# omrun: static, so that the dynamic linker's work is done once, for the command, and not twice.
$(BIN)/omrun: src/OmTools/omrun/omrun.c src/OmTools/omrun/omrun_wire.h
	@mkdir -p $(BIN)
	$(CC) $(CFLAGS) -D_GNU_SOURCE -static -o $@ $<

NATIVE_TARGETS += $(BIN)/omrun
