/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shell: one run of a health check, in a process of its own that the runner has made for it and that may be killed at any time: a
 * command, an HTTP request or a TCP connection.
 */
#ifndef MLB_DAEMON_CHECK_JOB_H
#define MLB_DAEMON_CHECK_JOB_H

#include <sys/types.h>

#include "daemon/check_message.h"

/* What a command may use: room for a runtime such as Java's or Python's, and an end for one that leaks. */
#define CHECK_DATA_MAX \
	(512ul << 20)	   /* bytes of RLIMIT_DATA; address space is free, as Go and others reserve it in bulk */
#define CHECK_FILE_MAX 256 /* open at once */
/*
 * Processes and threads of its user: the kernel counts all that the host has, so it is far above what containers that run as nobody
 * may have, and still below what a fork bomb needs to hurt until its timeout. Root is not counted.
 */
#define CHECK_PROCESS_MAX 4096

/* What libcurl does once for all, so that the children need not: call before the first fork for an HTTP job. */
void check_job_prepare(void);
/*
 * In the child, with the end of a pipe for what is said about a failure, and the process that must live. Does the job and ends:
 * status 0 is success, as of a command.
 */
_Noreturn void check_job_run(const struct check_job *job, int error_fd, pid_t runner);

#endif
