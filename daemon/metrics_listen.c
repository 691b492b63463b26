/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/metrics_listen.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/sockaddr.h"
#include "daemon/http_loop.h"

/* A scrape and two probes at a time, and as many again for people; one address may not take all. */
#define CONNECTION_MAX 16
#define CONNECTION_PER_IP_MAX 8
#define BACKLOG 16

/* A client that neither sends nor reads for so long is dropped. */
#define IDLE_TIMEOUT_S 5

/* One that does either a byte at a time is dropped after so long. */
#define REQUEST_MAX_S 15

/* Header, URL and reply header of one connection; libmicrohttpd answers 431 or 414 beyond it. */
#define CONNECTION_MEMORY_MAX 8192

struct metrics_listen {
	struct http_loop http; /* the first member */
	struct metrics_listen_handler handler;
};

static enum MHD_Result send_reply(struct MHD_Connection *connection, const struct metrics_reply *reply,
				  const char *type, const char *allow)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(reply->len, reply->text, MHD_RESPMEM_MUST_FREE);
	enum MHD_Result result;

	if (response == NULL) {
		free(reply->text);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (allow != NULL)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, allow);
	result = MHD_queue_response(connection, reply->status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned int status, const char *why)
{
	struct metrics_reply reply = { status, strdup(why), strlen(why) };

	return reply.text != NULL ? send_reply(connection, &reply, "text/plain", status == 405 ? "GET, HEAD" : NULL)
				  : MHD_NO;
}

/* MHD_AccessHandlerCallback: once with the header, again for each piece of a body, once more at its end. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
				  const char *version, const char *data, size_t *len, void **state)
{
	static const char *const known[] = { "/metrics", "/healthz", "/readyz" };
	static int seen;
	struct metrics_listen *m = arg;
	struct metrics_reply reply = { 0 };
	size_t i = 0;

	(void)version;
	(void)data;
	if (*state == NULL) {
		*state = &seen;
		return MHD_YES;
	}
	if (*len > 0)
		return MHD_NO; /* nobody who asks for these sends a body: the connection ends */
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return refuse(connection, 405, "only GET and HEAD\n");
	while (i < sizeof(known) / sizeof(known[0]) && strcmp(url, known[i]) != 0)
		i++;
	if (i == sizeof(known) / sizeof(known[0]))
		return refuse(connection, 404, "there are /metrics, /healthz and /readyz\n");
	m->handler.reply(m->handler.arg, known[i] + 1, &reply);
	if (reply.text == NULL)
		return MHD_NO;
	return send_reply(connection, &reply, i == 0 ? "text/plain; version=0.0.4; charset=utf-8" : "text/plain", NULL);
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **state,
			 enum MHD_RequestTerminationCode code)
{
	(void)state;
	(void)code;
	http_loop_request_done(arg, connection);
}

static void on_closed(struct http_loop *http)
{
	free((struct metrics_listen *)http);
}

/* The listening socket, or negative errno. */
static int socket_listen(struct endpoint at)
{
	struct sockaddr_storage address;
	socklen_t len = sockaddr_from_endpoint(at, &address);
	int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int one = 1;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
	    bind(fd, (const struct sockaddr *)&address, len) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	one = errno;
	close(fd);
	return -one;
}

int metrics_listen_open(uv_loop_t *loop, struct endpoint at, const struct metrics_listen_handler *handler,
			struct metrics_listen **ret)
{
	struct metrics_listen *m = calloc(1, sizeof(*m));
	int fd = m != NULL ? socket_listen(at) : -ENOMEM;
	struct MHD_Daemon *mhd;
	int error;

	if (fd < 0) {
		free(m);
		return fd;
	}
	m->handler = *handler;
	mhd = MHD_start_daemon(
		MHD_USE_EPOLL, 0, NULL, NULL, on_request, m, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned int)CONNECTION_MAX, MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned int)CONNECTION_PER_IP_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)IDLE_TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)CONNECTION_MEMORY_MAX, MHD_OPTION_NOTIFY_COMPLETED, on_completed, m,
		MHD_OPTION_NOTIFY_CONNECTION, http_loop_on_connection, m, MHD_OPTION_END);
	error = http_loop_open(&m->http, loop, mhd, fd, span_s(REQUEST_MAX_S), on_closed);
	if (error < 0) {
		metrics_listen_close(m);
		return error;
	}
	*ret = m;
	return 0;
}

void metrics_listen_close(struct metrics_listen *m)
{
	if (m != NULL)
		http_loop_close(&m->http);
}
