scale_src += $(wildcard tests/scale/*.c)
