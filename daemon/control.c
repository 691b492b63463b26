/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: control API
 *
 * HTTP/1.1 with JSON bodies over one Unix socket. libmicrohttpd parses HTTP and never owns a thread (daemon/http_loop.h). Each
 * wake-up handles what is there and returns; a client that sends or reads slowly costs a connection slot and nothing else.
 *
 *	daemon/http_loop.c -> on_request -> control_request_handle -> the daemon's handler
 *
 * Everything from outside is bounded: connections (CONTROL_CONNECTION_MAX, further ones wait in the backlog), header memory
 * per connection, body (CONTROL_BODY_MAX, beyond it 413), silence (idle_timeout_s), the time of a request (REQUEST_MAX_TIMEOUTS). What a request means is
 * daemon/control_request.c; this file has the socket and the body's bytes.
 *
 * Access is the socket's file mode: 0660, so root and the group of the daemon.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/limits.h"
#include "daemon/control.h"
#include "daemon/control_request.h"
#include "daemon/http_loop.h"
#include "daemon/log.h"

#define IDLE_TIMEOUT_S 10
/* A request may take so many times that. */
#define REQUEST_MAX_TIMEOUTS 3
#define SOCKET_MODE 0660
#define BACKLOG 64

/* Header, URL and reply header of one connection; libmicrohttpd answers 431 or 414 beyond it. */
#define CONNECTION_MEMORY_MAX 16384

/* A body beyond the limit is read and forgotten up to so many bytes, for the sake of the answer; then we no longer wait for its end. */
#define BODY_DISCARD_MAX (16 * CONTROL_BODY_MAX)

struct control {
	struct http_loop http; /* the first member */
	struct control_handler handler;
	struct sockaddr_un address;
	dev_t dev; /* of our socket file, to know it again */
	ino_t ino;
};

/* One request while its body arrives. */
struct body {
	char *bytes; /* owned, CONTROL_BODY_MAX; NULL before the first byte */
	size_t len;  /* seen, which may be more than bytes holds */
};

/*
 * Who did it. The kernel has let everybody through whom the file's mode lets through, so this is for those who look for the
 * cause of a change later. What a client wrote is not in the line.
 */
static void change_log(struct MHD_Connection *connection, const char *change, unsigned int status)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (info && getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0)
		log_info("control command=%s uid=%u gid=%u pid=%d status=%u", change, peer.uid, peer.gid, (int)peer.pid,
			 status);
	else
		log_warning("control command=%s uid=unknown status=%u", change, status);
}

static enum MHD_Result reply(struct MHD_Connection *connection, const struct control_request *request,
			     const struct control_handler *handler)
{
	struct control_response answer;
	struct MHD_Response *response;
	enum MHD_Result result;

	control_request_handle(request, handler, &answer);
	if (answer.change)
		change_log(connection, answer.change, answer.status);
	if (!answer.text)
		return MHD_NO; /* no memory: the connection is closed */
	response = MHD_create_response_from_buffer(answer.len, answer.text, MHD_RESPMEM_MUST_FREE);
	if (!response) {
		free(answer.text);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
	if (answer.allow)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, answer.allow);
	result = MHD_queue_response(connection, answer.status, response);
	MHD_destroy_response(response);
	return result;
}

/*
 * Does the header announce a body that is refused before it is sent? Only where the client waits for our word, or where it
 * would be more than we read and forget: a connection that is closed with unread bytes loses our answer (unix(7), ECONNRESET),
 * and a client that is sending still would never see the 413.
 */
static bool announced_too_long(struct MHD_Connection *connection)
{
	const char *text = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
	const char *expect = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_EXPECT);

	/* libmicrohttpd has refused what is no number; ULLONG_MAX for one that is too great is too long as well. */
	return text && strtoull(text, NULL, 10) > (expect ? CONTROL_BODY_MAX : BODY_DISCARD_MAX);
}

static enum MHD_Result body_append(struct body *body, const char *data, size_t len)
{
	if (!body->bytes)
		body->bytes = malloc(CONTROL_BODY_MAX);
	if (!body->bytes || body->len + len > BODY_DISCARD_MAX)
		return MHD_NO;
	if (body->len + len <= CONTROL_BODY_MAX)
		memcpy(body->bytes + body->len, data, len);
	body->len += len;
	return MHD_YES;
}

/* MHD_AccessHandlerCallback: once with the header, once for each piece of the body, once more at its end. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
				  const char *version, const char *data, size_t *len, void **state)
{
	struct control *control = arg;
	struct control_request request = { .method = method, .path = url };
	struct body *body = *state;

	(void)version;
	if (!body) {
		*state = calloc(1, sizeof(struct body));
		if (!*state)
			return MHD_NO;
		request.body_too_long = announced_too_long(connection);
		return request.body_too_long ? reply(connection, &request, &control->handler) : MHD_YES;
	}
	if (*len > 0) {
		enum MHD_Result result = body_append(body, data, *len);

		*len = 0;
		return result;
	}
	request.since = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "since");
	request.body_too_long = body->len > CONTROL_BODY_MAX;
	if (!request.body_too_long) {
		request.body = body->bytes;
		request.body_len = body->len;
	}
	return reply(connection, &request, &control->handler);
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **state,
			 enum MHD_RequestTerminationCode code)
{
	struct body *body = *state;

	(void)code;
	http_loop_request_done(arg, connection);
	if (body && body->bytes)
		explicit_bzero(body->bytes, CONTROL_BODY_MAX); /* there may have been a key in it */
	if (body)
		free(body->bytes);
	free(body);
	*state = NULL;
}

static void on_closed(struct http_loop *http)
{
	free((struct control *)http);
}

/* 0: nobody is at that path now; a socket file without a listener is removed. */
static int stale_remove(const struct sockaddr_un *address)
{
	struct stat st;
	int fd, error;

	if (lstat(address->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	/* connect() says ECONNREFUSED for a plain file too; somebody's file is not ours to remove. */
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	error = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? errno : 0;
	close(fd);
	switch (error) {
	case 0:
	case EAGAIN:	 /* listening, its backlog is full */
	case EPROTOTYPE: /* alive, of another socket type */
		return -EADDRINUSE;
	case ENOENT:
		return 0;
	case ECONNREFUSED:
		return unlink(address->sun_path) < 0 && errno != ENOENT ? -errno : 0;
	}
	return -error;
}

static int parent_create(const char *path)
{
	char parent[sizeof(((struct sockaddr_un *)0)->sun_path)];
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;

	if (len == 0)
		return 0;
	memcpy(parent, path, len);
	parent[len] = '\0';
	return mkdir(parent, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

static int listen_bound(int fd, const struct sockaddr_un *address)
{
	/*
	 * unix(7) leaves it open, but Linux creates the file with the mode of the socket's own inode: so it is never wider
	 * than SOCKET_MODE, not even before chmod, which undoes the umask.
	 */
	if (fchmod(fd, SOCKET_MODE) < 0 || bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		return -errno;
	if (chmod(address->sun_path, SOCKET_MODE) < 0 || listen(fd, BACKLOG) < 0) {
		int error = errno;

		unlink(address->sun_path);
		return -error;
	}
	return 0;
}

/* The listening socket, or negative errno. */
static int socket_listen(const struct sockaddr_un *address)
{
	int fd, error;

	error = parent_create(address->sun_path);
	if (error == 0)
		error = stale_remove(address);
	if (error < 0)
		return error;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	error = listen_bound(fd, address);
	if (error < 0) {
		close(fd);
		return error;
	}
	return fd;
}

static unsigned int idle_s(const struct control *control)
{
	return control->handler.idle_timeout_s > 0 ? control->handler.idle_timeout_s : IDLE_TIMEOUT_S;
}

/* Start libmicrohttpd on the listening socket, which it owns from then on. NULL: it cannot. */
static struct MHD_Daemon *mhd_start(struct control *control, int fd)
{
	return MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, control, MHD_OPTION_LISTEN_SOCKET, fd,
				MHD_OPTION_CONNECTION_LIMIT, (unsigned int)CONTROL_CONNECTION_MAX,
				MHD_OPTION_CONNECTION_TIMEOUT, idle_s(control), MHD_OPTION_CONNECTION_MEMORY_LIMIT,
				(size_t)CONNECTION_MEMORY_MAX, MHD_OPTION_NOTIFY_COMPLETED, on_completed, control,
				MHD_OPTION_NOTIFY_CONNECTION, http_loop_on_connection, control, MHD_OPTION_END);
}

static int address_set(struct sockaddr_un *address, const char *path)
{
	size_t len = strlen(path);

	if (len == 0)
		return -EINVAL;
	if (len >= sizeof(address->sun_path))
		return -ENAMETOOLONG;
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path, path, len + 1);
	return 0;
}

int control_open(uv_loop_t *loop, const char *path, const struct control_handler *handler, struct control **ret)
{
	struct control *control = calloc(1, sizeof(*control));
	struct stat st;
	int error, fd;

	if (!control)
		return -ENOMEM;
	control->handler = *handler;
	error = address_set(&control->address, path);
	fd = error < 0 ? error : socket_listen(&control->address);
	if (fd < 0) {
		free(control);
		return fd;
	}
	if (lstat(path, &st) == 0) {
		control->dev = st.st_dev;
		control->ino = st.st_ino;
	}
	error = http_loop_open(&control->http, loop, mhd_start(control, fd), fd,
			       span_s(REQUEST_MAX_TIMEOUTS * (int64_t)idle_s(control)), on_closed);
	if (error < 0) {
		control_close(control);
		return error;
	}
	*ret = control;
	return 0;
}

void control_close(struct control *control)
{
	struct stat st;

	if (!control)
		return;
	/* Another daemon may have taken the path meanwhile, having found ours gone. */
	if (lstat(control->address.sun_path, &st) == 0 && st.st_dev == control->dev && st.st_ino == control->ino)
		unlink(control->address.sun_path);
	http_loop_close(&control->http);
}
