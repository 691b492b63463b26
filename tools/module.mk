prog_src += tools/mlbctl.c
