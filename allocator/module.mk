core_src += $(wildcard allocator/*.c)
