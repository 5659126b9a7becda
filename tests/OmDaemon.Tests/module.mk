# A process with memory to ship, for the tests and benchmarks of Ship.
$(OUT)/tests/memory_child: tests/OmDaemon.Tests/native/memory_child.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -o $@ $<

NATIVE_TESTS += $(OUT)/tests/memory_child
