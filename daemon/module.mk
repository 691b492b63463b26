daemon_core := daemon/node.c daemon/announcer.c daemon/steady.c daemon/conflict.c daemon/conflict_table.c daemon/conflict_record.c \
	daemon/check_state.c daemon/path.c daemon/log_limit.c \
	daemon/diagnose_finding.c daemon/diagnose_rules.c
core_src += $(daemon_core)
shell_src += $(filter-out daemon/mlbd.c $(daemon_core),$(wildcard daemon/*.c))
prog_src += daemon/mlbd.c
