# libomengine.so: links, forwarding, home's and the hosting side, for omwarden (P/Invoke). Only om_engine.h's names leave it.
COMMA := ,
ENGINE_DIR := $(NATIVE)/engine
ENGINE_SOURCES := $(wildcard $(ENGINE_DIR)/*.c)
ENGINE_OBJECTS := $(patsubst $(ENGINE_DIR)/%.c,$(OBJ)/engine/%.o,$(ENGINE_SOURCES))
ENGINE_CFLAGS := $(CFLAGS) -D_GNU_SOURCE= -fPIC -pthread -fvisibility=hidden -I$(NATIVE) -I$(OUT)/gen

$(OBJ)/engine/%.o: $(ENGINE_DIR)/%.c $(wildcard $(ENGINE_DIR)/*.h) $(wildcard $(NATIVE)/*.h)
	@mkdir -p $(@D)
	$(CC) $(ENGINE_CFLAGS) -c $< -o $@

$(OBJ)/engine/om_syscalls.o: $(OUT)/gen/syscalls.stamp

$(LIB)/libomengine.so: $(ENGINE_OBJECTS)
	@mkdir -p $(@D)
	$(CC) -shared -pthread $(if $(wildcard $(ENGINE_DIR)/om_marshal.c),-Wl$(COMMA)-z$(COMMA)defs) -Wl,-soname,libomengine.so $(ENGINE_OBJECTS) -o $@ -lssl -lcrypto

NATIVE_TARGETS += $(LIB)/libomengine.so

.PHONY: engine
engine: $(LIB)/libomengine.so
