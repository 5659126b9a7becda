NATIVE_TESTS += $(OUT)/tests/traveller

$(OUT)/tests/traveller: tests/OmWarden.Tests/native/traveller.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -o $@ $<
