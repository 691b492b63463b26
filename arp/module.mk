core_src += arp/packet.c
shell_src += arp/socket.c
