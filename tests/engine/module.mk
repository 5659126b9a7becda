# Native tests of libomengine: real processes, real seccomp, real TLS on loopback. tests/OmCheckpoint.Tests runs them one by one.
ENGINE_TEST_DIR := tests/engine
ENGINE_TEST_OBJECTS := $(patsubst $(ENGINE_TEST_DIR)/%.c,$(OBJ)/engine_test/%.o,$(wildcard $(ENGINE_TEST_DIR)/*.c))

$(OBJ)/engine_test/%.o: $(ENGINE_TEST_DIR)/%.c $(wildcard $(ENGINE_TEST_DIR)/*.h) $(wildcard $(NATIVE)/*.h) $(wildcard $(NATIVE)/engine/*.h) $(OUT)/gen/syscalls.stamp
	@mkdir -p $(@D)
	$(CC) $(ENGINE_CFLAGS) -c $< -o $@

$(OUT)/tests/om_engine_test: $(ENGINE_TEST_OBJECTS) $(ENGINE_OBJECTS) $(LIB)/om_agent.bin
	@mkdir -p $(@D)
	$(CC) -pthread $(ENGINE_TEST_OBJECTS) $(ENGINE_OBJECTS) -o $@ -lssl -lcrypto

NATIVE_TESTS += $(OUT)/tests/om_engine_test

.PHONY: engine-tests
engine-tests: $(OUT)/tests/om_engine_test
