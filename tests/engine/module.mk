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

# The same under sanitizers, by hand: `make engine-tests-sanitized SANITIZE=thread`, then out/sanitized/tests/om_engine_test. Under `thread` the
# sanitizer delays the body's handlers and has a thread in the deputy, which tests of signals and of the number of threads do not bear.
SANITIZE ?= address,undefined
.PHONY: engine-tests-sanitized
engine-tests-sanitized: $(LIB)/om_agent.bin $(OUT)/gen/syscalls.stamp
	@mkdir -p $(OUT)/sanitized/tests $(OUT)/sanitized/lib
	cp $(LIB)/om_agent.bin $(OUT)/sanitized/lib/
	$(CC) $(ENGINE_CFLAGS) -O1 -fsanitize=$(SANITIZE) $(wildcard $(ENGINE_TEST_DIR)/*.c) $(ENGINE_SOURCES) -o $(OUT)/sanitized/tests/om_engine_test -lssl -lcrypto

.PHONY: engine-tests
engine-tests: $(OUT)/tests/om_engine_test
