/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: the daemon's side of the guard
 *
 * Three parties: this file, which tells; the memory of daemon/guard_shared.h, which lasts; and the process of
 * daemon/guard_process.c, which acts. The memory belongs to this side and outlives guards: one that is started anew finds
 * in it what its predecessor was told. A guard is either our child (`mlbd --guard`) or one that the service manager runs
 * (`mlbd --guard-listen`), which a kill of our whole cgroup does not reach. Both are spoken to in the same way: one message to it
 * with the memory and a pidfd of ours, one answer, then silence until one of us is gone.
 *
 * Everything of the first start is waited for; a restart happens while the loop is at work, so that its answer comes by the
 * loop. The socket keeps its number for as long as there is a guard, for libuv wants the same one in a handle all its life: a
 * new connection is moved to it (dup2), and a dead one stays there until then.
 */
#include "daemon/guard.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rng.h"
#include "daemon/guard_shared.h"
#include "daemon/log.h"

/* Heads of the chains of slots by address: two for each address at the most. */
#define CHAIN_N (2 * ADDRESS_MAX)
#define NO_SLOT UINT16_MAX
_Static_assert(ADDRESS_MAX < NO_SLOT, "slots are numbered with 16 bits");

/* The socket's number in the guard that we start. */
#define GUARD_FD 3
#define GUARD_FD_TEXT "3"

/* Children that have ended or will at once; more of them than this are left to whoever inherits them from us. */
#define STALE_MAX 8

struct guard {
	uv_loop_t *loop; /* borrowed */
	struct guard_config config;
	struct guard_handler handler;
	struct guard_shared *shared; /* owned mapping */
	int memory_fd;
	int fd;	   /* to the guard; the same number from the first start on */
	pid_t pid; /* of the guard at the other end; 0: none */
	bool own;  /* it is our child */
	bool ready;
	bool handles; /* the two below are initialised */
	unsigned int closing_n;
	uv_poll_t poll;
	uv_timer_t timer; /* until it is ready, or until the next start */
	struct instant started;
	size_t stale_n;
	pid_t stale[STALE_MAX]; /* children to be reaped */
	uint16_t free;		/* chain of slots that were used before */
	uint16_t chains[CHAIN_N];
	uint16_t next[ADDRESS_MAX]; /* slot -> the next one of its chain */
};

/* ---- what is told ---- */

static uint16_t *chain_of(struct guard *g, struct ip ip)
{
	return &g->chains[hash_bytes(0, ip.bytes, sizeof(ip.bytes)) % CHAIN_N];
}

/* A slot for one more, or NO_SLOT. It is in no chain. */
static uint16_t take_slot(struct guard *g)
{
	uint32_t slot_n = atomic_load_explicit(&g->shared->slot_n, memory_order_relaxed);
	uint16_t slot = g->free;

	if (slot != NO_SLOT) {
		g->free = g->next[slot];
		return slot;
	}
	if (slot_n == ADDRESS_MAX)
		return NO_SLOT;
	atomic_store_explicit(&g->shared->slot_n, slot_n + 1, memory_order_release);
	return (uint16_t)slot_n;
}

int guard_hold(struct guard *g, struct ip ip, uint32_t ifindex, bool route)
{
	uint8_t kind = route ? GUARD_SLOT_ROUTE : GUARD_SLOT_ADDRESS;
	uint16_t *chain = chain_of(g, ip);
	struct guard_slot *slot;
	uint16_t at;

	assert(ip.family == IP_V4 || ip.family == IP_V6);
	if (route)
		ifindex = 0; /* it goes by way of lo (netlink/message.h) */
	for (at = *chain; at != NO_SLOT; at = g->next[at]) {
		slot = &g->shared->slots[at];
		if (ip_equal(slot->ip, ip) && slot->ifindex == ifindex && slot->kind == kind)
			return 0;
	}
	at = take_slot(g);
	if (at == NO_SLOT)
		return -ENOSPC;
	slot = &g->shared->slots[at];
	slot->ip = ip;
	slot->ifindex = ifindex;
	slot->kind = kind;
	atomic_store_explicit(&slot->state, GUARD_SLOT_HELD, memory_order_release);
	g->next[at] = *chain;
	*chain = at;
	return 0;
}

void guard_unhold(struct guard *g, struct ip ip)
{
	uint16_t *link = chain_of(g, ip);

	while (*link != NO_SLOT) {
		uint16_t at = *link;
		struct guard_slot *slot = &g->shared->slots[at];

		if (!ip_equal(slot->ip, ip)) {
			link = &g->next[at];
			continue;
		}
		atomic_store_explicit(&slot->state, GUARD_SLOT_FREE, memory_order_release);
		*link = g->next[at];
		g->next[at] = g->free;
		g->free = at;
	}
}

/* A copy of the book that counts, to be changed and then made the one that counts. */
static struct guard_book *book_begin(struct guard *g)
{
	uint32_t book = atomic_load_explicit(&g->shared->book, memory_order_relaxed);
	struct guard_book *other = &g->shared->books[book ^ 1];

	*other = g->shared->books[book];
	return other;
}

static void book_end(struct guard *g)
{
	uint32_t book = atomic_load_explicit(&g->shared->book, memory_order_relaxed);

	atomic_store_explicit(&g->shared->book, book ^ 1, memory_order_release);
}

void guard_peers(struct guard *g, const struct guard_peer *peers, size_t n)
{
	struct guard_book *book = book_begin(g);

	book->peer_n = n < GUARD_PEER_MAX ? n : GUARD_PEER_MAX;
	for (size_t i = 0; i < book->peer_n; i++) {
		assert(peers[i].endpoint_n <= PATH_MAX_N);
		book->peers[i] = peers[i];
	}
	book_end(g);
}

void guard_identity(struct guard *g, uint64_t instance, const struct endpoint *own, size_t own_n,
		    const struct seal_ring *ring)
{
	struct guard_book *book = book_begin(g);

	assert(own_n <= PATH_MAX_N);
	book->instance = instance;
	book->ring = *ring;
	book->own_n = own_n;
	for (size_t i = 0; i < own_n; i++)
		book->own[i] = own[i];
	book_end(g);
}

void guard_progress(struct guard *g)
{
	(void)atomic_fetch_add_explicit(&g->shared->progress, 1, memory_order_relaxed);
}

void guard_counter(struct guard *g, uint64_t counter)
{
	atomic_store_explicit(&g->shared->counter, counter, memory_order_relaxed);
}

void guard_dismiss(struct guard *g)
{
	atomic_store_explicit(&g->shared->dismissed, 1, memory_order_release);
}

pid_t guard_pid(const struct guard *g)
{
	return g->ready ? g->pid : 0;
}

/* ---- memory ---- */

static int memory_new(struct guard *g)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	struct stat netns;
	void *memory;

	g->memory_fd = memfd_create("mlbd-guard", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (g->memory_fd < 0)
		return -errno;
	/* sealed: a guard that reads it can trust that it stays that long */
	if (ftruncate(g->memory_fd, sizeof(struct guard_shared)) != 0 || fcntl(g->memory_fd, F_ADD_SEALS, seals) != 0)
		return -errno;
	memory = mmap(NULL, sizeof(struct guard_shared), PROT_READ | PROT_WRITE, MAP_SHARED, g->memory_fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	(void)madvise(memory, sizeof(struct guard_shared), MADV_DONTDUMP); /* it has the keys */
	g->shared = memory;
	g->shared->version = GUARD_SHARED_VERSION;
	g->shared->len = sizeof(struct guard_shared);
	g->shared->hang_us = g->config.hang.us;
	if (stat("/proc/self/ns/net", &netns) != 0)
		return -errno;
	g->shared->netns_device = netns.st_dev;
	g->shared->netns_inode = netns.st_ino;
	return 0;
}

/* ---- one guard ---- */

/* Children end when they want to; nobody waits for them. */
static void reap(struct guard *g)
{
	size_t kept = 0;

	for (size_t i = 0; i < g->stale_n; i++) {
		if (waitpid(g->stale[i], NULL, WNOHANG) == 0)
			g->stale[kept++] = g->stale[i];
	}
	g->stale_n = kept;
}

static void reap_later(struct guard *g, pid_t pid)
{
	if (g->stale_n < STALE_MAX)
		g->stale[g->stale_n++] = pid;
}

/* `mlbd --guard 3` with that end of a socket pair, in a session of its own: no terminal's signal reaches it. 0 or negative errno. */
static int spawn_with(int socket_fd, pid_t *ret)
{
	static char name[] = "mlbd-guard", option[] = "--guard", fd_text[] = GUARD_FD_TEXT;
	char *const argv[] = { name, option, fd_text, NULL };
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
	error = posix_spawn_file_actions_adddup2(&actions, socket_fd, GUARD_FD);
	/* the file that we run, whatever stands at its path since an upgrade */
	if (error == 0)
		error = posix_spawn(ret, "/proc/self/exe", &actions, &attributes, argv, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return -error;
}

/* The socket to a new child, or a negative errno. */
static int spawn(struct guard *g)
{
	int fds[2];
	int error;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0)
		return -errno;
	error = spawn_with(fds[1], &g->pid);
	close(fds[1]);
	if (error != 0) {
		g->pid = 0;
		close(fds[0]);
		return error;
	}
	g->own = true;
	return fds[0];
}

/* Root's or ours: nobody else gets our keys. */
static int check_peer(int fd, pid_t *ret)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
		return -errno;
	if (peer.uid != 0 && peer.uid != geteuid())
		return -EPERM;
	*ret = peer.pid;
	return 0;
}

/* The socket to the service manager's guard, or a negative errno. */
static int connect_to(struct guard *g)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int error;
	int fd;

	if (strlen(g->config.socket) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, g->config.socket);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	error = connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ? -errno : check_peer(fd, &g->pid);
	if (error != 0) {
		close(fd);
		return error;
	}
	g->own = false;
	return fd;
}

/* 0 or a negative errno. */
static int send_hello(const struct guard *g, int fd)
{
	struct guard_hello hello = { GUARD_MAGIC, GUARD_SHARED_VERSION };
	int fds[GUARD_HELLO_FD_N] = { g->memory_fd, (int)syscall(SYS_pidfd_open, getpid(), 0) };
	union {
		struct cmsghdr header;
		uint8_t bytes[CMSG_SPACE(sizeof(fds))];
	} control = { .bytes = { 0 } };
	struct iovec iov = { &hello, sizeof(hello) };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};
	int error = 0;

	if (fds[1] < 0)
		return -errno;
	control.header = (struct cmsghdr){ CMSG_LEN(sizeof(fds)), SOL_SOCKET, SCM_RIGHTS };
	memcpy(CMSG_DATA(&control.header), fds, sizeof(fds));
	if (sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		error = -errno;
	close(fds[1]);
	return error;
}

/* Nobody is to watch at the other end, if anybody does. */
static void let_go(struct guard *g)
{
	g->ready = false;
	if (g->fd >= 0)
		(void)shutdown(g->fd, SHUT_RDWR); /* and keep the number, see DOC */
	if (g->pid != 0 && g->own) {
		(void)kill(g->pid, SIGKILL);
		reap_later(g, g->pid);
	}
	g->pid = 0;
	reap(g);
}

/* Begin with a new guard; its answer comes later. 0 or a negative errno. */
static int start(struct guard *g)
{
	int error = 0;
	int fd;

	reap(g);
	g->started = clock_now();
	fd = g->config.socket != NULL ? connect_to(g) : spawn(g);
	if (fd < 0)
		return fd;
	if (g->fd < 0) {
		g->fd = fd;
	} else {
		if (dup3(fd, g->fd, O_CLOEXEC) < 0)
			error = -errno;
		close(fd);
	}
	if (error == 0)
		error = send_hello(g, g->fd);
	if (error == -EPIPE)
		error = 0; /* it has hung up already: its answer says why */
	if (error != 0)
		let_go(g);
	return error;
}

/* 0: it watches. -EAGAIN: nothing came yet. Another negative errno: it does not and will not. */
static int read_answer(const struct guard *g)
{
	struct guard_answer answer = { 0 };
	ssize_t n = recv(g->fd, &answer, sizeof(answer), MSG_DONTWAIT);

	/* a guard that refuses before it has read the hello: the kernel tells that first, once, and then gives the answer */
	if (n < 0 && errno == ECONNRESET)
		n = recv(g->fd, &answer, sizeof(answer), MSG_DONTWAIT);
	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (n == 0)
		return -EPIPE;
	if (n != sizeof(answer) || answer.magic != GUARD_MAGIC || answer.error > 0)
		return -EPROTO;
	return answer.error;
}

/* As read_answer, but -ETIMEDOUT when nothing comes. */
static int wait_answer(const struct guard *g)
{
	struct instant until = instant_add(g->started, span_ms(GUARD_READY_MS));
	int error = -EAGAIN;

	while (error == -EAGAIN) {
		struct pollfd poll_fd = { .fd = g->fd, .events = POLLIN };
		int64_t left_ms = instant_since(until, clock_now()).us / 1000;

		if (left_ms <= 0)
			return -ETIMEDOUT;
		if (poll(&poll_fd, 1, (int)left_ms) > 0)
			error = read_answer(g);
	}
	return error;
}

/* ---- in the loop ---- */

static void on_readable(uv_poll_t *poll, int status, int events);
static void on_timer(uv_timer_t *timer);

static void lost(struct guard *g, int error)
{
	log_warning("guard-lost pid=%d error=\"%s\"", (int)g->pid, strerror(-error));
	(void)uv_poll_stop(&g->poll);
	(void)uv_timer_stop(&g->timer);
	let_go(g);
	g->handler.died(g->handler.arg);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct guard *g = poll->data;
	int error = read_answer(g);

	(void)status;
	(void)events;
	if (error == -EAGAIN)
		return;
	if (error == 0 && g->ready)
		error = -EPROTO; /* it has said all that it has to say */
	if (error != 0) {
		lost(g, error);
		return;
	}
	g->ready = true;
	(void)uv_timer_stop(&g->timer);
	reap(g); /* the one before has ended by now */
}

/* Start, and have its answer come by the loop, within its time. */
static int start_in_loop(struct guard *g)
{
	int error = start(g);

	if (error == 0)
		error = uv_poll_start(&g->poll, UV_READABLE | UV_DISCONNECT, on_readable);
	if (error == 0)
		error = uv_timer_start(&g->timer, on_timer, GUARD_READY_MS, 0);
	if (error != 0)
		let_go(g);
	return error;
}

/* Either the answer did not come, or it is time for a start that was put off. */
static void on_timer(uv_timer_t *timer)
{
	struct guard *g = timer->data;
	int error = g->pid != 0 ? -ETIMEDOUT : start_in_loop(g);

	if (error != 0)
		lost(g, error);
}

int guard_restart(struct guard *g)
{
	int64_t age_ms = instant_since(clock_now(), g->started).us / 1000;

	assert(g->pid == 0);
	if (age_ms >= GUARD_READY_MS)
		return start_in_loop(g);
	return uv_timer_start(&g->timer, on_timer, (uint64_t)(GUARD_READY_MS - age_ms), 0);
}

/* ---- begin and end ---- */

static void guard_free(struct guard *g)
{
	if (g->shared != NULL)
		(void)munmap(g->shared, sizeof(*g->shared));
	if (g->memory_fd >= 0)
		close(g->memory_fd);
	if (g->fd >= 0)
		close(g->fd);
	free(g);
}

static int start_handles(struct guard *g)
{
	int error = uv_poll_init(g->loop, &g->poll, g->fd);

	if (error != 0)
		return error;
	(void)uv_timer_init(g->loop, &g->timer); /* cannot fail */
	g->poll.data = g;
	g->timer.data = g;
	g->handles = true;
	return uv_poll_start(&g->poll, UV_READABLE | UV_DISCONNECT, on_readable);
}

int guard_open(uv_loop_t *loop, const struct guard_config *config, const struct guard_handler *handler,
	       struct guard **ret)
{
	struct guard *g = calloc(1, sizeof(*g));
	int error;

	if (g == NULL)
		return -ENOMEM;
	g->loop = loop;
	g->config = *config;
	g->handler = *handler;
	g->fd = -1;
	g->free = NO_SLOT;
	for (size_t i = 0; i < CHAIN_N; i++)
		g->chains[i] = NO_SLOT;
	error = memory_new(g);
	if (error == 0)
		error = start(g);
	if (error == 0)
		error = wait_answer(g);
	if (error == 0)
		error = start_handles(g);
	if (error != 0) {
		let_go(g);
		guard_close(g);
		return error;
	}
	g->ready = true;
	*ret = g;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct guard *g = handle->data;

	if (--g->closing_n == 0)
		guard_free(g);
}

void guard_close(struct guard *g)
{
	if (g == NULL)
		return;
	if (!g->handles) {
		guard_free(g);
		return;
	}
	g->closing_n = 2;
	uv_close((uv_handle_t *)&g->poll, on_closed);
	uv_close((uv_handle_t *)&g->timer, on_closed);
	(void)shutdown(g->fd, SHUT_RDWR); /* now, whenever the loop gets there: a dismissed guard ends */
	reap(g);
}
