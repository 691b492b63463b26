core_src += $(wildcard election/*.c)
