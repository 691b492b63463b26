/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shell: which system calls this process and what it starts may still make (seccomp(2), ADR 0012). The guard, which starts nothing,
 * keeps the few that it uses. The daemon keeps what itself and ordinary programs use, for commands of health checks inherit its
 * filter; what widens the kernel's surface or leads out of the process (mount, namespaces, BPF, modules, keys, tracing, io_uring) is
 * refused. A refused call answers ENOSYS, as an older kernel would, and goes to the audit log.
 *
 * With MLB_SYSCALLS=trap in the environment, as the tests have it, a refused call ends the process with a line that has its number.
 */
#ifndef MLB_DAEMON_SYSCALL_FILTER_H
#define MLB_DAEMON_SYSCALL_FILTER_H

#include "daemon/privileges.h"

/* Exit status of a process that is ended for a refused call: as of a signal in a shell. */
#define SYSCALL_FILTER_EXIT 159

/*
 * For this thread and all that it starts, for good; call after privileges_drop. 0 or a negative errno: nothing is filtered then.
 * Sanitizers make calls of their own: in builds that have one this does nothing.
 */
int syscall_filter_enter(enum privileges_role role);
/* The names of the calls that a role may make whatever their arguments, each followed by a space; static storage. */
const char *syscall_filter_names(enum privileges_role role);

#endif
