# Self-checking programs, one per group of kernel features; `make test` runs them natively and moved.
WORKLOAD_SOURCES := $(wildcard tests/workloads/*.c)
WORKLOADS := $(patsubst tests/workloads/%.c,$(OUT)/tests/workloads/%,$(WORKLOAD_SOURCES))

$(OUT)/tests/workloads/%: tests/workloads/%.c $(wildcard tests/workloads/*.h)
	@mkdir -p $(@D)
	@# Bad pointers are given on purpose.
	@$(CC) $(CFLAGS) -Wno-stringop-overread -Wno-stringop-overflow -Wno-nonnull -pthread -o $@ $< -lutil -lm

NATIVE_TESTS += $(WORKLOADS)
