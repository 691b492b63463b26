core_src += $(wildcard gossip/*.c)
