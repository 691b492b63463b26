/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shell: the process that runs health checks, the same program started by daemon/check.c with --check-runner. Making a process can
 * block for long (a program on a file system that hangs), and so can whatever a check does; here that holds up nothing but checks.
 */
#ifndef MLB_DAEMON_CHECK_RUNNER_H
#define MLB_DAEMON_CHECK_RUNNER_H

#include <stdbool.h>

/* Where the runner has the socket to the daemon. */
#define CHECK_RUNNER_FD 3

/* Is this how a daemon starts its runner? For the first lines of main(). */
bool check_runner_wanted(int argc, char **argv);
/* Then this is the program. Returns its exit status, when the daemon is gone and nothing that it started runs. */
int check_runner_main(void);

#endif
