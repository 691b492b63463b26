/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/check_link.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/check_runner.h"

/* Results of one turn: all that there can be. */
#define READ_MAX (2 * CHECK_RUN_MAX)

struct check_link {
	struct check_link_handler handler;
	uv_poll_t socket;
	uv_poll_t end; /* of the process */
	uv_timer_t patience;
	int fd;
	int pidfd;
	pid_t pid;
	bool closed;
	unsigned int handles; /* open, of the three */
};

/* ---- starting ---- */

/* As daemon/guard.c starts the guard, and with an environment of nothing. */
static int spawn_with(int socket_fd, pid_t *ret)
{
	static char name[] = "mlbd-check", option[] = "--check-runner";
	char *const argv[] = { name, option, NULL };
	char *const environment[] = { NULL };
	const short flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t all, none;
	int error;

	sigfillset(&all);
	sigemptyset(&none);
	error = posix_spawn_file_actions_init(&actions);
	if (error != 0)
		return -error;
	error = posix_spawnattr_init(&attributes);
	if (error != 0) {
		posix_spawn_file_actions_destroy(&actions);
		return -error;
	}
	(void)posix_spawnattr_setflags(&attributes, flags);
	(void)posix_spawnattr_setsigdefault(&attributes, &all);
	(void)posix_spawnattr_setsigmask(&attributes, &none);
	error = posix_spawn_file_actions_adddup2(&actions, socket_fd, CHECK_RUNNER_FD);
	if (error == 0)
		error = posix_spawn(ret, "/proc/self/exe", &actions, &attributes, argv, environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return -error;
}

/* Fills fd, pid and pidfd. 0 or a negative errno. */
static int spawn(struct check_link *link)
{
	int fds[2];
	int error;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0)
		return -errno;
	error = spawn_with(fds[1], &link->pid);
	close(fds[1]);
	if (error == 0) {
		link->pidfd = (int)syscall(SYS_pidfd_open, link->pid, 0);
		error = link->pidfd < 0 ? -errno : 0;
		if (error != 0) {
			(void)kill(link->pid, SIGKILL);
			(void)waitpid(link->pid, NULL, 0);
		}
	}
	if (error != 0)
		close(fds[0]);
	else
		link->fd = fds[0];
	return error;
}

/* ---- ending ---- */

static void on_handle_closed(uv_handle_t *handle)
{
	struct check_link *link = handle->data;

	if (--link->handles == 0)
		free(link);
}

static void close_handle(uv_handle_t *handle)
{
	if (!uv_is_closing(handle))
		uv_close(handle, on_handle_closed);
}

static void on_end(uv_poll_t *poll, int status, int events)
{
	struct check_link *link = poll->data;

	(void)status;
	(void)events;
	if (waitpid(link->pid, NULL, WNOHANG) == 0)
		return;
	if (!link->closed)
		link->handler.gone(link->handler.arg);
	assert(link->closed);
	close_handle((uv_handle_t *)&link->end);
	close_handle((uv_handle_t *)&link->patience);
	close(link->pidfd);
}

static void on_patience(uv_timer_t *timer)
{
	struct check_link *link = timer->data;

	(void)kill(link->pid, SIGKILL);
}

void check_link_close(struct check_link *link, bool hangs)
{
	link->closed = true;
	close_handle((uv_handle_t *)&link->socket);
	close(link->fd);
	if (hangs)
		(void)kill(link->pid, SIGKILL);
	(void)uv_timer_start(&link->patience, on_patience, CHECK_LINK_END_MS, 0);
}

/* ---- speaking ---- */

bool check_link_read(struct check_link *link)
{
	for (int i = 0; i < READ_MAX && !link->closed; i++) {
		uint8_t data[CHECK_TEXT_MAX + 16];
		struct check_result result;
		ssize_t len = recv(link->fd, data, sizeof(data), MSG_DONTWAIT);

		if (len < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (len <= 0)
			link->handler.gone(link->handler.arg);
		else if (check_result_decode(data, (size_t)len, &result) == 0)
			link->handler.result(link->handler.arg, &result);
	}
	return !link->closed;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	(void)check_link_read(poll->data);
}

int check_link_send(struct check_link *link, const uint8_t *data, size_t len)
{
	return send(link->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len ? 0 : -errno;
}

pid_t check_link_pid(const struct check_link *link)
{
	return link->pid;
}

int check_link_open(uv_loop_t *loop, const struct check_link_handler *handler, struct check_link **ret)
{
	struct check_link *link = calloc(1, sizeof(*link));
	int error = link != NULL ? spawn(link) : -ENOMEM;

	if (error != 0) {
		free(link);
		return error;
	}
	link->handler = *handler;
	link->handles = 3;
	link->socket.data = link->end.data = link->patience.data = link;
	/* these cannot fail: the descriptors are new and can be polled */
	(void)uv_poll_init(loop, &link->socket, link->fd);
	(void)uv_poll_init(loop, &link->end, link->pidfd);
	(void)uv_timer_init(loop, &link->patience);
	(void)uv_poll_start(&link->socket, UV_READABLE, on_readable);
	(void)uv_poll_start(&link->end, UV_READABLE, on_end);
	*ret = link;
	return 0;
}
