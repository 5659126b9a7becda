# Native tests of the system-call table: marshal -> place -> execute -> reply against the native call, hostile messages under
# ASan and UBSan, the filter installed. SyscallNativeTests runs them.
SYSCALL_TEST_DIR := tests/OmProtocol.Tests/native
SYSCALL_TEST_ENGINE := $(addprefix $(NATIVE)/engine/,om_argument.c om_body.c om_syscalls.c) $(wildcard $(NATIVE)/engine/om_marshal*.c) \
	$(wildcard $(NATIVE)/engine/om_place*.c)
SYSCALL_TEST_HEADERS := $(wildcard $(NATIVE)/*.h) $(wildcard $(NATIVE)/engine/*.h) $(wildcard $(SYSCALL_TEST_DIR)/*.h) $(OUT)/gen/syscalls.stamp
# Bad pointers are given on purpose.
SYSCALL_TEST_CFLAGS := $(CFLAGS) -D_GNU_SOURCE -I$(NATIVE) -I$(OUT)/gen -fsanitize=address,undefined -fno-sanitize-recover=undefined \
	-Wno-nonnull -Wno-stringop-overread -Wno-stringop-overflow -Wno-missing-field-initializers
SYSCALL_TESTS := $(addprefix $(OUT)/tests/,syscalls_compared syscalls_hostile syscalls_interrupted syscalls_filter syscalls_sizes)
SYSCALL_SCENARIOS := $(addprefix $(SYSCALL_TEST_DIR)/,harness.c files.c sockets.c waits.c devices.c pointers.c pieces.c others.c)

$(OUT)/tests/syscalls_compared: $(SYSCALL_SCENARIOS) $(SYSCALL_TEST_ENGINE) $(SYSCALL_TEST_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(SYSCALL_TEST_CFLAGS) -o $@ $(SYSCALL_SCENARIOS) $(SYSCALL_TEST_ENGINE)

$(OUT)/tests/syscalls_%: $(SYSCALL_TEST_DIR)/%.c $(SYSCALL_TEST_ENGINE) $(SYSCALL_TEST_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(SYSCALL_TEST_CFLAGS) -o $@ $< $(SYSCALL_TEST_ENGINE)

NATIVE_TESTS += $(SYSCALL_TESTS)
