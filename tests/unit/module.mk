unit_src += $(wildcard tests/unit/test_*.c)
