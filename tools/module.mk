shell_src += tools/client.c tools/render.c tools/table.c tools/mlbctl_command.c
prog_src += tools/mlbctl.c
