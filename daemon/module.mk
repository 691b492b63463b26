core_src += daemon/node.c daemon/announcer.c
shell_src += $(filter-out daemon/mlbd.c daemon/node.c daemon/announcer.c,$(wildcard daemon/*.c))
prog_src += daemon/mlbd.c
