/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: the guard's side
 *
 *                       pidfd readable                    removed, told
 *   hello -> watching ------------------> daemon-died  --------------------> end
 *               |       counter stands                    removed, killed, dead, removed, told
 *               +-----------------------> daemon-hung  ---------------------> end
 *               |       dismissed, and the daemon dead or the socket closed
 *               +------------------------------------------------------------> end
 *
 * A dead daemon adds nothing more: what it had asked of the kernel was carried out within its own system call. A daemon that hangs may
 * wake up at any time, so its addresses are removed at once, it is killed, and they are removed once more when it is dead. Nobody is
 * told before the kernel has confirmed the last of them: a peer takes over on that word without looking.
 *
 * A guard that was stopped itself (SIGSTOP, a frozen cgroup, a paused virtual machine) sees a counter that stands still, and cannot
 * know for whose fault. So a look that comes too late only begins a new measurement.
 *
 * The daemon's socket being closed means nothing by itself: it is closed a moment before the daemon is dead.
 */
#include "daemon/guard_process.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "daemon/guard_act.h"
#include "daemon/log.h"
#include "daemon/notify.h"
#include "daemon/privileges.h"
#include "daemon/syscall_filter.h"

/* Above everything that is not real-time; it sleeps but for the milliseconds that count. */
#define PRIORITY 20

/* How long whoever connects may take for its hello. */
#define HELLO_MS 1000

/* The counter is looked at so often within the limit, and a look that is later than one interval does not count. */
#define LOOKS_PER_HANG 8
#define LOOK_MIN_MS 5

/* A daemon that got SIGKILL is dead at once, unless it is stuck in the kernel. Said once after this time; waited for without end. */
#define DEATH_MS 1000

#define LISTEN_MAX 4

/* The daemon that is watched. */
static struct watched {
	int socket_fd; /* -1: closed by it */
	int pidfd;
	pid_t pid;
	const struct guard_shared *shared; /* mapping of our own; NULL: none */
	/* hang */
	struct span look; /* interval; 0: never */
	struct instant next;
	struct instant since; /* when the counter had this value first */
	uint64_t progress;    /* 0: the daemon's loop does not turn yet */
} watched;

static int listen_fd = -1;
static volatile sig_atomic_t stop_asked;

/* ---- acting ---- */

static bool is_dismissed(void)
{
	return atomic_load_explicit(&watched.shared->dismissed, memory_order_acquire) != 0;
}

static bool readable(int fd, int timeout_ms)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return poll(&poll_fd, 1, timeout_ms) > 0;
}

static void report(const char *reason, const struct guard_removal *removal, struct span took, size_t told)
{
	if (removal->failed == 0)
		log_warning("guard-acted reason=%s removed=%zu us=%lld told=%zu pid=%d", reason, removal->removed,
			    (long long)took.us, told, (int)watched.pid);
	else
		log_error("guard-failed reason=%s removed=%zu count=%zu error=\"%s\" pid=%d hint=\"this host may still "
			  "answer "
			  "for these addresses; the peers were not told\"",
			  reason, removal->removed, removal->failed, strerror(-removal->error), (int)watched.pid);
}

static void act_on_death(struct instant seen)
{
	struct guard_removal removal = { 0 };
	struct span took;
	size_t told = 0;

	guard_act_remove(watched.shared, &removal);
	took = instant_since(clock_now(), seen);
	if (removal.failed == 0)
		told = guard_act_tell(watched.shared);
	report("daemon-died", &removal, took, told);
}

static void act_on_hang(struct instant seen)
{
	struct guard_removal removal = { 0 };
	struct span took;
	size_t told = 0;

	guard_act_remove(watched.shared, &removal);
	took = instant_since(clock_now(), seen);
	if (syscall(SYS_pidfd_send_signal, watched.pidfd, SIGKILL, NULL, 0) != 0)
		log_error("guard-kill pid=%d error=\"%s\"", (int)watched.pid, strerror(errno));
	if (!readable(watched.pidfd, DEATH_MS)) {
		log_error("guard-waits pid=%d removed=%zu reason=\"the daemon hangs and does not die\"",
			  (int)watched.pid, removal.removed);
		while (!readable(watched.pidfd, -1))
			;
	}
	guard_act_remove(watched.shared, &removal);
	if (removal.failed == 0)
		told = guard_act_tell(watched.shared);
	report("daemon-hung", &removal, took, told);
}

/* ---- watching ---- */

static void measure_anew(struct instant now)
{
	watched.progress = atomic_load_explicit(&watched.shared->progress, memory_order_relaxed);
	watched.since = now;
}

/* Look at the counter, if it is time. Has it stood still for too long? */
static bool hangs(struct instant now)
{
	struct span late = instant_since(now, watched.next);
	uint64_t progress = atomic_load_explicit(&watched.shared->progress, memory_order_relaxed);

	if (watched.look.us == 0 || late.us < 0)
		return false;
	watched.next = instant_add(now, watched.look);
	if (late.us > watched.look.us || progress != watched.progress || progress == 0)
		measure_anew(now);
	return instant_since(now, watched.since).us > watched.shared->hang_us;
}

static int look_timeout_ms(struct instant now)
{
	int64_t us = instant_since(watched.next, now).us;

	if (watched.look.us == 0)
		return -1;
	return us > 0 ? (int)((us + 999) / 1000) : 0;
}

static void answer(int fd, int error)
{
	const struct guard_answer message = { GUARD_MAGIC, error };

	(void)send(fd, &message, sizeof(message), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static int peer_of(int fd, struct ucred *peer)
{
	socklen_t len = sizeof(*peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, peer, &len) != 0 ? -errno : 0;
}

/* The socket of somebody who may be watched, or -1. */
static int accept_one(struct ucred *peer)
{
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return -1;
	if (peer_of(fd, peer) == 0 && (peer->uid == 0 || peer->uid == geteuid()))
		return fd;
	answer(fd, -EPERM);
	close(fd);
	return -1;
}

/* Somebody connects while we watch. The same daemon, whose other connection is gone, is served anew: returns its socket, or -1. */
static int newcomer(void)
{
	struct ucred peer;
	int fd = accept_one(&peer);

	if (fd < 0 || (watched.socket_fd < 0 && peer.pid == watched.pid))
		return fd;
	answer(fd, -EBUSY);
	close(fd);
	return -1;
}

/* Was something said, which nobody has to? Then nothing. Is it closed? */
static bool is_closed(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, sizeof(byte), MSG_DONTWAIT);

	return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

/* Until there is nothing more to watch. Returns the next socket to serve, or -1. */
static int watch(void)
{
	measure_anew(clock_now());
	watched.next = instant_add(watched.since, watched.look);
	for (;;) {
		struct pollfd fds[3] = { { .fd = watched.pidfd, .events = POLLIN },
					 { .fd = watched.socket_fd, .events = POLLIN },
					 { .fd = listen_fd, .events = POLLIN } };
		int n = poll(fds, 3, look_timeout_ms(clock_now()));
		struct instant now = clock_now();

		if (n > 0 && fds[0].revents != 0) {
			if (!is_dismissed())
				act_on_death(now);
			return -1;
		}
		if (n > 0 && fds[1].revents != 0 && is_closed(watched.socket_fd)) {
			close(watched.socket_fd);
			watched.socket_fd = -1;
		}
		if (is_dismissed() && watched.socket_fd < 0)
			return -1;
		if (n > 0 && fds[2].revents != 0) {
			int fd = newcomer();

			if (fd >= 0)
				return fd;
		}
		if (hangs(now) && !is_dismissed()) {
			act_on_hang(now);
			return -1;
		}
	}
}

/* ---- the daemon's hello ---- */

/* The two descriptors of the hello into fds, which are -1 before. 0 or a negative errno with none of them open. */
static int receive_hello(int fd, int fds[GUARD_HELLO_FD_N])
{
	struct guard_hello hello = { 0 };
	union {
		struct cmsghdr header;
		uint8_t bytes[CMSG_SPACE(GUARD_HELLO_FD_N * sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec iov = { &hello, sizeof(hello) };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};
	bool right;
	ssize_t n;

	if (!readable(fd, HELLO_MS))
		return -ETIMEDOUT;
	n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (n <= 0)
		return n < 0 ? -errno : -EPIPE;
	right = n == sizeof(hello) && hello.magic == GUARD_MAGIC && hello.version == GUARD_SHARED_VERSION;
	if (message.msg_controllen < sizeof(control.header) || control.header.cmsg_type != SCM_RIGHTS)
		return -EPROTO;
	/* more than there was room for cannot be; with one it is no daemon of ours, and that one is closed with the rest below */
	memcpy(fds, CMSG_DATA(&control.header), control.header.cmsg_len - CMSG_LEN(0));
	if (right && fds[1] >= 0)
		return 0;
	close(fds[0]);
	if (fds[1] >= 0)
		close(fds[1]);
	return -EPROTO;
}

/* Is this memory of the same version of mlbd, and of this network namespace? */
static int check_shared(const struct guard_shared *shared)
{
	struct stat netns;

	if (shared->version != GUARD_SHARED_VERSION || shared->len != sizeof(*shared))
		return -EPROTO;
	if (stat("/proc/self/ns/net", &netns) != 0)
		return -errno;
	return shared->netns_device == netns.st_dev && shared->netns_inode == netns.st_ino ? 0 : -EXDEV;
}

/* Map it read-only. It must be sealed, or whoever made it could cut it off under us. 0 or a negative errno. */
static int map_shared(int memory_fd)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW;
	struct stat st;
	void *memory;
	int error;

	if ((fcntl(memory_fd, F_GET_SEALS) & seals) != seals || fstat(memory_fd, &st) != 0 ||
	    st.st_size != sizeof(struct guard_shared))
		return -EPROTO;
	memory = mmap(NULL, sizeof(struct guard_shared), PROT_READ, MAP_SHARED, memory_fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	error = check_shared(memory);
	if (error != 0) {
		(void)munmap(memory, sizeof(struct guard_shared));
		return error;
	}
	(void)madvise(memory, sizeof(struct guard_shared), MADV_DONTDUMP);
	(void)mlock2(memory, sizeof(struct guard_shared), MLOCK_ONFAULT);
	watched.shared = memory;
	return 0;
}

/* Take on the daemon at the other end of the socket, and tell it so. 0 or a negative errno. */
static int attach(int fd, int act_error)
{
	struct ucred peer = { 0 };
	int fds[GUARD_HELLO_FD_N] = { -1, -1 };
	int error = receive_hello(fd, fds);

	if (error != 0)
		return error;
	error = act_error != 0 ? act_error : map_shared(fds[0]);
	close(fds[0]);
	if (error != 0) {
		close(fds[1]);
		return error;
	}
	assert(watched.shared != NULL);
	(void)peer_of(fd, &peer);
	watched.socket_fd = fd;
	watched.pidfd = fds[1];
	watched.pid = peer.pid;
	watched.look.us = watched.shared->hang_us / LOOKS_PER_HANG;
	if (watched.look.us != 0 && watched.look.us < LOOK_MIN_MS * 1000)
		watched.look = span_ms(LOOK_MIN_MS);
	answer(fd, 0);
	return 0;
}

static void detach(void)
{
	if (watched.socket_fd >= 0)
		close(watched.socket_fd);
	close(watched.pidfd);
	(void)munmap((void *)(uintptr_t)watched.shared, sizeof(*watched.shared));
	watched = (struct watched){ .socket_fd = -1, .pidfd = -1 };
}

/* Watch whoever is at the other end of the socket, and those who come instead of it. Takes the socket. 0 or a negative errno. */
static int serve(int fd, int act_error)
{
	int error = 0;

	while (fd >= 0) {
		error = attach(fd, act_error);
		if (error != 0) {
			log_warning("guard-refused error=\"%s\"", strerror(-error));
			answer(fd, error);
			close(fd);
			return error;
		}
		fd = watch();
		detach();
	}
	return error;
}

/* ---- the process ---- */

/* The linker's names for where our code begins and ends, libraries not included: ld(1), end(3). */
extern const char program_begin[] __asm__("__executable_start");
extern const char program_end[] __asm__("etext");

/* None is required, and the daemon has said already what is missing. */
static void harden(void)
{
	const struct sched_param param = { .sched_priority = PRIORITY };
	const __rlimit_resource_t limits[] = { RLIMIT_MEMLOCK, RLIMIT_RTTIME };
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		ssize_t n = write(fd, "-1000", 5);

		(void)n;
		close(fd);
	}
	/* the daemon's fuse against spinning (daemon/process.h) is inherited: here long work is right, see SIGXCPU */
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct rlimit limit;

		if (getrlimit(limits[i], &limit) == 0) {
			limit.rlim_cur = limit.rlim_max;
			(void)setrlimit(limits[i], &limit);
		}
	}
	(void)sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &param);
	/* what was used stays, and guard_act_open has used it all; of the rest our own code, but not that of twenty libraries */
	(void)mlock(program_begin, (size_t)(program_end - program_begin));
	(void)mlockall(MCL_CURRENT | MCL_ONFAULT);
}

/* When everything is open, before anybody is listened to. */
static void give_up(void)
{
	int error = privileges_drop(PRIVILEGES_GUARD);

	if (error != 0)
		log_warning("guard-privileges result=kept error=\"%s\" reason=\"it has more rights than it needs\"",
			    strerror(-error));
	error = syscall_filter_enter(PRIVILEGES_GUARD);
	if (error != 0)
		log_warning("guard-syscall-filter result=refused error=\"%s\"", strerror(-error));
}

/* Nothing of the daemon's stays open but the socket; standard error for the log. */
static void close_inherited(int keep)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null >= 0) {
		(void)dup2(null, STDIN_FILENO);
		(void)dup2(null, STDOUT_FILENO);
	}
	if (keep > STDERR_FILENO + 1)
		(void)close_range(STDERR_FILENO + 1, (unsigned int)keep - 1, 0);
	(void)close_range((unsigned int)keep + 1, UINT_MAX, 0);
}

static void ignore_signals(void)
{
	static const int numbers[] = { SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM, SIGXCPU };

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		(void)signal(numbers[i], SIG_IGN);
}

static int prepare(void)
{
	int error;

	(void)prctl(PR_SET_NAME, "mlbd-guard");
	ignore_signals();
	log_init(LOG_LEVEL_INFO);
	if (sodium_init() < 0)
		return -EIO;
	error = guard_act_open();
	harden();
	return error;
}

static int run_own(const char *fd_text)
{
	char *end;
	long fd = strtol(fd_text, &end, 10);
	int act_error;

	if (*fd_text == '\0' || *end != '\0' || fd <= STDERR_FILENO || fd >= INT_MAX) {
		fputs("mlbd: --guard is for mlbd itself\n", stderr);
		return 2;
	}
	close_inherited((int)fd);
	(void)fcntl((int)fd, F_SETFD, FD_CLOEXEC);
	act_error = prepare();
	give_up();
	return serve((int)fd, act_error) == 0 ? 0 : 1;
}

/* ---- a unit of its own ---- */

static void on_stop(int signum)
{
	(void)signum;
	stop_asked = 1;
}

/* SIGTERM and SIGINT come only while nobody is watched: *waiting is the mask for that. */
static void hold_stop_signals(sigset_t *waiting)
{
	const struct sigaction action = { .sa_handler = on_stop };
	sigset_t stop;

	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &stop, waiting);
	sigdelset(waiting, SIGTERM);
	sigdelset(waiting, SIGINT);
	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGINT, &action, NULL);
}

/* Is there a socket at this path that nobody listens on any more? */
static bool is_stale(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool stale = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 &&
		     errno == ECONNREFUSED;

	if (fd >= 0)
		close(fd);
	return stale;
}

/* 0 or a negative errno. */
static int listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const struct sockaddr *at = (const struct sockaddr *)&address;
	int bound;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listen_fd < 0)
		return -errno;
	(void)umask(0177);
	bound = bind(listen_fd, at, sizeof(address));
	if (bound != 0 && errno == EADDRINUSE && is_stale(&address) && unlink(path) == 0)
		bound = bind(listen_fd, at, sizeof(address));
	return bound != 0 || listen(listen_fd, LISTEN_MAX) != 0 ? -errno : 0;
}

static int run_listening(const char *path)
{
	sigset_t waiting;
	int error = prepare();

	if (error == 0)
		error = listen_at(path);
	if (error != 0) {
		log_error("guard-start file=%s error=\"%s\"", path, strerror(-error));
		return 1;
	}
	hold_stop_signals(&waiting);
	/* Whoever connects from now on waits until he is taken. The filter has no socket(2), which telling the service manager takes. */
	(void)notify_ready();
	give_up();
	log_info("guard-ready file=%s", path);
	while (!stop_asked) {
		struct pollfd poll_fd = { .fd = listen_fd, .events = POLLIN };
		struct ucred peer;
		int fd = ppoll(&poll_fd, 1, NULL, &waiting) > 0 ? accept_one(&peer) : -1;

		if (fd >= 0)
			(void)serve(fd, 0);
	}
	(void)unlink(path);
	return 0;
}

bool guard_main_wanted(int argc, char **argv)
{
	return argc == 3 && (strcmp(argv[1], "--guard") == 0 || strcmp(argv[1], "--guard-listen") == 0);
}

int guard_main(int argc, char **argv)
{
	(void)argc;
	return strcmp(argv[1], "--guard") == 0 ? run_own(argv[2]) : run_listening(argv[2]);
}
