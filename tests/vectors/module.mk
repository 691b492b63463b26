vectors_src += $(wildcard tests/vectors/*.c)
