# libomprobe.so: what `omctl doctor` asks the kernel.
PROBE_DIR := src/OmTools/omctl/native

$(LIB)/libomprobe.so: $(wildcard $(PROBE_DIR)/*.c $(PROBE_DIR)/*.h)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -D_GNU_SOURCE -fPIC -shared -fvisibility=hidden -Wl,-soname,libomprobe.so $(filter %.c,$^) -o $@

NATIVE_TARGETS += $(LIB)/libomprobe.so
