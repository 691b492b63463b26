core_src += ndp/packet.c ndp/frame.c
shell_src += ndp/socket.c ndp/groups.c
