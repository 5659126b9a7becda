# What is measured of a program that only computes.
$(OUT)/tests/compute: tests/OmBench/native/compute.c
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) -o $@ $<

NATIVE_TESTS += $(OUT)/tests/compute
