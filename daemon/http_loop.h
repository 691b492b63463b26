/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libmicrohttpd in epoll mode without a thread of its own, driven by a libuv loop: its epoll descriptor is watched, and the time
 * that it wants to be called again is a timer. Shared by the control API and the metrics; part of their structs.
 */
#ifndef MLB_DAEMON_HTTP_LOOP_H
#define MLB_DAEMON_HTTP_LOOP_H

#include <microhttpd.h>
#include <uv.h>

#include "base/limits.h"
#include "base/time.h"

/* The socket with the most. */
#define HTTP_CONNECTION_MAX CONTROL_CONNECTION_MAX

/* A connection, free where there is none in it. */
struct http_connection {
	struct MHD_Connection *connection; /* borrowed */
	int fd;
	struct instant since; /* of the request that it is in, or that it has not begun yet */
};

struct http_loop {
	uv_poll_t poll;
	uv_timer_t timer;
	unsigned int handle_n; /* of the two above, not closed yet */
	struct MHD_Daemon *mhd;
	void (*closed)(struct http_loop *http);
	struct span request_max;
	struct http_connection connections[HTTP_CONNECTION_MAX];
};

/*
 * http is zeroed. mhd: what MHD_start_daemon (MHD_USE_EPOLL) made of the listening socket fd, NULL on failure, which is -ENOMEM here; it is
 * owned from then on, and so is fd. A request that is not done after request_max loses its connection: a client that sends or reads
 * a byte now and then is never silent, and would keep its slot for ever. `closed` frees what http is part of. 0 or negative errno; http_loop_close is due in both cases.
 */
int http_loop_open(struct http_loop *http, uv_loop_t *loop, struct MHD_Daemon *mhd, int fd, struct span request_max,
		   void (*closed)(struct http_loop *http));
/* Stops listening; `closed` comes with the next turn of the loop, or at once where nothing was begun. Not from within a request. */
void http_loop_close(struct http_loop *http);
/* MHD_NotifyConnectionCallback; arg is the struct http_loop. */
void http_loop_on_connection(void *arg, struct MHD_Connection *connection, void **context,
			     enum MHD_ConnectionNotificationCode code);
/* To be called when a request has ended: the time of the next one on that connection begins. */
void http_loop_request_done(struct http_loop *http, const struct MHD_Connection *connection);

#endif
