sim_src += $(wildcard tests/sim/*.c)
