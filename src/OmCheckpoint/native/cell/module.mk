# omcell: static, because it is started with nothing around it and its pages are what a blank child begins with.
NATIVE_TARGETS += $(LIB)/omcell

$(LIB)/omcell: $(NATIVE)/cell/omcell.c $(NATIVE)/cell/cell_namespaces.c $(NATIVE)/cell/cell_child.c $(NATIVE)/cell/cell_tids.c \
		$(NATIVE)/cell/cell.h $(NATIVE)/cell/om_cell.h
	@mkdir -p $(LIB)
	$(CC) $(CFLAGS) -static -o $@ $(filter %.c,$^)
