/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP over TCP for `control.listen`: GET (and HEAD) of /metrics, /healthz and /readyz, nothing else. By libmicrohttpd driven from
 * our own event loop (daemon/http_loop.h). Bounded: connections, bytes of a request, silence.
 */
#ifndef MLB_DAEMON_METRICS_LISTEN_H
#define MLB_DAEMON_METRICS_LISTEN_H

#include <stddef.h>
#include <uv.h>

#include "base/addr.h"

struct metrics_listen; /* opaque */

struct metrics_reply {
	unsigned int status;
	char *text; /* owned by whoever gets it: free(); NULL: no memory */
	size_t len;
};

/* Called from the loop, with what is behind the '/': "metrics", "healthz", "readyz". */
struct metrics_listen_handler {
	void (*reply)(void *arg, const char *what, struct metrics_reply *ret);
	void *arg;
};

/* -EADDRINUSE, -EADDRNOTAVAIL, or another negative errno; 0 and *ret. */
int metrics_listen_open(uv_loop_t *loop, struct endpoint at, const struct metrics_listen_handler *handler,
			struct metrics_listen **ret);
/* The memory goes with the next turn of the loop. Not from within a handler. NULL is fine. */
void metrics_listen_close(struct metrics_listen *m);

#endif
