fuzz_src += $(wildcard tests/fuzz/fuzz_*.c)
