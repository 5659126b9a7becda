# The agent: a flat, freestanding, position-independent blob. No libc, no writable data of its own.
AGENT_DIR := $(NATIVE)/agent
AGENT_SOURCES := $(wildcard $(AGENT_DIR)/*.c) $(wildcard $(AGENT_DIR)/*.S)
AGENT_OBJECTS := $(patsubst $(AGENT_DIR)/%,$(OBJ)/agent/%.o,$(AGENT_SOURCES))
# General registers only: a batch must not touch the vector state of the thread that executes it.
AGENT_CFLAGS := -std=gnu17 -O2 -g0 -Wall -Wextra -Wshadow -Wmissing-prototypes -Wno-unused-parameter -Werror \
	-ffreestanding -fpie -fvisibility=hidden -fno-stack-protector -fno-asynchronous-unwind-tables -fcf-protection=none \
	-fno-tree-loop-distribute-patterns -mgeneral-regs-only -I$(NATIVE)

$(OBJ)/agent/%.o: $(AGENT_DIR)/% $(NATIVE)/om_abi.h $(wildcard $(AGENT_DIR)/*.h)
	@mkdir -p $(@D)
	$(CC) $(AGENT_CFLAGS) -c $< -o $@

$(OBJ)/agent/om_agent.elf: $(AGENT_OBJECTS) $(AGENT_DIR)/agent.ld
	$(CC) -nostdlib -static -Wl,-T,$(AGENT_DIR)/agent.ld -Wl,--build-id=none -Wl,--no-warn-rwx-segments -Wl,-z,noexecstack \
		$(AGENT_OBJECTS) -o $@

$(LIB)/om_agent.bin: $(OBJ)/agent/om_agent.elf
	@mkdir -p $(@D)
	objcopy -O binary -j .agent $< $@

NATIVE_TARGETS += $(LIB)/om_agent.bin

.PHONY: agent
agent: $(LIB)/om_agent.bin
