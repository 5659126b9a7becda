# A stand-in for the two daemons, for the tests of the lab itself: says READY and keeps a counter in the fd store.
STUB := $(OUT)/tests/stub

$(STUB)/omwarden: tests/OmLab.Tests/stub/stub.c
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) -o $@ $<

$(STUB)/openmosixd $(STUB)/omctl: $(STUB)/omwarden
	@ln -sfn omwarden $@

# Counts a program's instructions.
$(OUT)/tests/steps: tests/OmLab.Tests/stub/steps.c
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) -o $@ $<

NATIVE_TESTS += $(OUT)/tests/steps $(STUB)/omwarden $(STUB)/openmosixd $(STUB)/omctl

# hostile: harms whatever node it is moved to. witness: stands there and notices.
HOSTILE := $(OUT)/tests/hostile

$(HOSTILE)/hostile: $(wildcard tests/OmLab.Tests/hostile/hostile*.c) tests/OmLab.Tests/hostile/hostile.h $(NATIVE)/om_abi.h
	@mkdir -p $(@D)
	@# Bad pointers are given on purpose.
	@$(CC) $(CFLAGS) -Wno-stringop-overflow -Wno-array-bounds -I$(NATIVE) -o $@ $(filter %.c,$^)

$(HOSTILE)/witness: tests/OmLab.Tests/hostile/witness.c
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) -o $@ $<

NATIVE_TESTS += $(HOSTILE)/hostile $(HOSTILE)/witness

$(OUT)/tests/bomb: tests/OmLab.Tests/bomb/bomb.c
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) -o $@ $<

NATIVE_TESTS += $(OUT)/tests/bomb
