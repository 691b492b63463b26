/* SPDX-License-Identifier: Apache-2.0 */
/* Shell: the guard process itself (daemon/guard.h says what it is for). */
#ifndef MLB_DAEMON_GUARD_PROCESS_H
#define MLB_DAEMON_GUARD_PROCESS_H

#include <stdbool.h>

/* Is this the command line of a guard? Ask before anything else is done: whoever runs /proc/self/exe must answer to it. */
bool guard_main_wanted(int argc, char **argv);
/*
 * `--guard FD`: watch the daemon at the other end of that socket, and end after it. `--guard-listen PATH`: a unit of its own, which
 * watches one daemon after the other of this network namespace, until SIGTERM. Returns the exit status.
 */
int guard_main(int argc, char **argv);

#endif
