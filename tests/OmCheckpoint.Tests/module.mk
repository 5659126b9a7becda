# Programs that the tests of OmCheckpoint freeze, move and rebuild.
CHECKPOINT_TESTS := $(patsubst tests/OmCheckpoint.Tests/native/%.c,$(OUT)/tests/checkpoint/%,$(wildcard tests/OmCheckpoint.Tests/native/*.c))

$(OUT)/tests/checkpoint/%: tests/OmCheckpoint.Tests/native/%.c $(NATIVE)/om_abi.h
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -I$(NATIVE) $(if $(filter blank,$*),-static) $< -o $@

NATIVE_TESTS += $(CHECKPOINT_TESTS)

.PHONY: checkpoint-tests
checkpoint-tests: $(CHECKPOINT_TESTS) $(LIB)/omcell
