core_src += netlink/message.c netlink/table.c
shell_src += netlink/netlink.c netlink/gateway.c
