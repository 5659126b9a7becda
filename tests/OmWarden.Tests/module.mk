NATIVE_TESTS += $(OUT)/tests/traveller $(OUT)/tests/prisoner

$(OUT)/tests/traveller: tests/OmWarden.Tests/native/traveller.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -o $@ $<

$(OUT)/tests/prisoner: tests/OmWarden.Tests/native/prisoner.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -static -o $@ $<
