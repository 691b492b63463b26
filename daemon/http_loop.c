/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/http_loop.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

static void on_timer(uv_timer_t *timer);

static unsigned int connection_n(const struct http_loop *http)
{
	return MHD_get_daemon_info(http->mhd, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)->num_connections;
}

static struct http_connection *connection_find(struct http_loop *http, const struct MHD_Connection *connection)
{
	for (size_t i = 0; i < HTTP_CONNECTION_MAX; i++) {
		if (http->connections[i].connection == connection)
			return &http->connections[i];
	}
	return NULL;
}

void http_loop_on_connection(void *arg, struct MHD_Connection *connection, void **context,
			     enum MHD_ConnectionNotificationCode code)
{
	struct http_loop *http = arg;
	bool begins = code == MHD_CONNECTION_NOTIFY_STARTED;
	struct http_connection *slot = connection_find(http, begins ? NULL : connection);
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	(void)context;
	assert(slot && info); /* the limit of connections is no greater than the table */
	*slot = (struct http_connection){ 0 };
	if (begins)
		*slot = (struct http_connection){ connection, info->connect_fd, clock_now() };
}

void http_loop_request_done(struct http_loop *http, const struct MHD_Connection *connection)
{
	struct http_connection *slot = connection_find(http, connection);

	if (slot)
		slot->since = clock_now();
}

/*
 * libmicrohttpd knows a limit for silence only. No timer is needed: who is not silent wakes us. It owns the descriptors, so we
 * only end the conversation, which it then finds out.
 */
static void slow_end(struct http_loop *http)
{
	struct instant now = clock_now();

	for (size_t i = 0; i < HTTP_CONNECTION_MAX; i++) {
		const struct http_connection *slot = &http->connections[i];

		if (slot->connection && instant_since(now, slot->since).us > http->request_max.us)
			(void)shutdown(slot->fd, SHUT_RDWR);
	}
}

/* Let libmicrohttpd do what it can without waiting, and come back when it asks for it. */
static void run(struct http_loop *http)
{
	MHD_UNSIGNED_LONG_LONG timeout_ms;
	unsigned int before = connection_n(http);

	slow_end(http);
	MHD_run(http->mhd);
	/*
	 * With all slots taken it does not watch the listening socket, and begins to watch it again at the start of a run
	 * only: where the last clients timed out in this one, nothing would ever wake it.
	 */
	if (connection_n(http) < before)
		uv_timer_start(&http->timer, on_timer, 0, 0);
	else if (MHD_get_timeout(http->mhd, &timeout_ms) == MHD_YES)
		uv_timer_start(&http->timer, on_timer, timeout_ms, 0);
	else
		uv_timer_stop(&http->timer);
}

static void on_timer(uv_timer_t *timer)
{
	run(timer->data);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	(void)status; /* an epoll descriptor has no error of its own */
	(void)events;
	run(poll->data);
}

static void on_closed(uv_handle_t *handle)
{
	struct http_loop *http = handle->data;

	if (--http->handle_n == 0)
		http->closed(http);
}

int http_loop_open(struct http_loop *http, uv_loop_t *loop, struct MHD_Daemon *mhd, int fd, struct span request_max,
		   void (*closed)(struct http_loop *http))
{
	const union MHD_DaemonInfo *info;
	int error;

	http->mhd = mhd;
	http->request_max = request_max;
	http->closed = closed;
	if (mhd == NULL) {
		if (fcntl(fd, F_GETFD) >= 0)
			close(fd); /* whether MHD_start_daemon closed it depends on how far it came */
		return -ENOMEM;
	}
	info = MHD_get_daemon_info(mhd, MHD_DAEMON_INFO_EPOLL_FD);
	assert(info);
	error = uv_timer_init(loop, &http->timer);
	if (error == 0) {
		http->timer.data = http;
		http->handle_n++;
		error = uv_poll_init(loop, &http->poll, info->epoll_fd);
	}
	if (error == 0) {
		http->poll.data = http;
		http->handle_n++;
		error = uv_poll_start(&http->poll, UV_READABLE, on_poll);
	}
	return error;
}

void http_loop_close(struct http_loop *http)
{
	/* The handles first: the poll handle watches a descriptor that MHD_stop_daemon closes. */
	if (http->handle_n > 1)
		uv_close((uv_handle_t *)&http->poll, on_closed);
	if (http->handle_n > 0)
		uv_close((uv_handle_t *)&http->timer, on_closed);
	if (http->mhd != NULL)
		MHD_stop_daemon(http->mhd);
	if (http->handle_n == 0)
		http->closed(http);
}
