core_src += ndp/packet.c
shell_src += ndp/socket.c
