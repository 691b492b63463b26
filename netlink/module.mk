netlink_core := netlink/message.c netlink/table.c
core_src += $(netlink_core)
shell_src += $(filter-out $(netlink_core),$(wildcard netlink/*.c))
