shell_src += tools/client.c tools/render.c tools/table.c tools/command.c tools/completion.c tools/mlbctl_command.c \
	tools/change.c tools/watch.c tools/diagnose.c tools/service.c tools/bundle.c
prog_src += tools/mlbctl.c
