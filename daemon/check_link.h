/* SPDX-License-Identifier: Apache-2.0 */
/* Shell: the daemon's end of one runner (check_runner.h): it is started, spoken to, and reaped when it has ended. */
#ifndef MLB_DAEMON_CHECK_LINK_H
#define MLB_DAEMON_CHECK_LINK_H

#include <uv.h>

#include "daemon/check_message.h"

/* A runner ends by itself when we close the socket, and is killed when it takes longer than this. */
#define CHECK_LINK_END_MS 1000

/* From the loop, and from within check_link_read. Both may close the link. */
struct check_link_handler {
	void (*result)(void *arg, const struct check_result *result);
	void (*gone)(void *arg); /* the runner closed its end; close the link */
	void *arg;
};

struct check_link; /* opaque */

/* Start a runner: our own program again, from /proc/self/exe. 0 or a negative errno. */
int check_link_open(uv_loop_t *loop, const struct check_link_handler *handler, struct check_link **ret);
/* 0 or a negative errno. Never waits. */
int check_link_send(struct check_link *link, const uint8_t *data, size_t len);
/* Take in what is there already. False: the link was closed meanwhile. */
bool check_link_read(struct check_link *link);
/* The process that runs checks. */
pid_t check_link_pid(const struct check_link *link);
/* Nothing is told any more. `hangs`: kill it at once. It is freed when the process has ended; the loop must turn until then. */
void check_link_close(struct check_link *link, bool hangs);

#endif
