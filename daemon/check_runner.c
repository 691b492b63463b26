/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One process for each run, in a session and process group of its own, so that its end (or its timeout) is that of its children,
 * too. A run is reported once, and its slot is free when the kernel has given the process back: one that not even SIGKILL ends,
 * because it waits for a disk, keeps its slot, and the next run of its check fails at once.
 *
 * A timeout that is noticed late says that this host was paused or too busy, and nothing about the service: CHECK_LATE.
 */
#include "daemon/check_runner.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "daemon/check_job.h"
#include "daemon/check_message.h"

/* Those that are on, and as many that cannot be ended. */
#define RUN_N ((size_t)2 * CHECK_RUN_MAX)

/* A timeout that is noticed later than this was missed. */
#define LATE_MS 100

/* A process that has not ended so long after it was killed waits for something that does not come. */
#define STUCK_MS 1000

/* Turns of 5 ms in which what was killed at the end may end. */
#define END_TURN_N 100

/* Of one pipe, signal or socket in one turn. */
#define TURN_MAX 64

struct run {
	bool used;
	bool reported;
	uint32_t check_id, run_id;
	enum check_kind kind;
	pid_t pid; /* also its group */
	int error_fd;
	struct span timeout;
	struct instant deadline;
	char tail[CHECK_TAIL_MAX];
	size_t tail_len;
};

static struct run runs[RUN_N];
static int signal_fd;
static struct check_job job; /* being read */

/* ---- telling ---- */

static void send_result(const struct check_result *result)
{
	uint8_t data[CHECK_TEXT_MAX + 16];
	int len = check_result_encode(result, data, sizeof(data));

	/* the socket holds more than there can be runs; a daemon that misses one takes it for late */
	if (len > 0)
		(void)send(CHECK_RUNNER_FD, data, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void refuse(enum check_outcome outcome, const char *text)
{
	struct check_result result = { .run_id = job.run_id, .outcome = outcome };

	snprintf(result.text, sizeof(result.text), "%s", text);
	send_result(&result);
}

static void report(struct run *run, enum check_outcome outcome, const char *what)
{
	struct check_result result = { .run_id = run->run_id, .outcome = outcome };
	const char *between;

	if (run->reported)
		return;
	run->reported = true;
	while (run->tail_len > 0 && run->tail[run->tail_len - 1] == ' ')
		run->tail_len--;
	between = *what != '\0' && run->tail_len > 0 ? ": " : "";
	if (outcome == CHECK_FAILED)
		snprintf(result.text, sizeof(result.text), "%s%s%.*s", what, between, (int)run->tail_len, run->tail);
	else
		snprintf(result.text, sizeof(result.text), "%s", what);
	send_result(&result);
}

/* ---- what a run says ---- */

/* Keep the end, as one line of ASCII that can stand in quotes. */
static void append(struct run *run, const char *text, size_t len)
{
	for (size_t i = len > sizeof(run->tail) ? len - sizeof(run->tail) : 0; i < len; i++) {
		char c = text[i] == '\n' || text[i] == '\t' ? ' ' : text[i];

		if (c == '"')
			c = '\'';
		if (run->tail_len == sizeof(run->tail))
			memmove(run->tail, run->tail + 1, --run->tail_len);
		run->tail[run->tail_len++] = c >= ' ' && c <= '~' ? c : '?';
	}
}

static void close_error(struct run *run)
{
	if (run->error_fd >= 0)
		close(run->error_fd);
	run->error_fd = -1;
}

static void read_error(struct run *run)
{
	char text[1024];

	for (int i = 0; i < TURN_MAX && run->error_fd >= 0; i++) {
		ssize_t len = read(run->error_fd, text, sizeof(text));

		if (len > 0)
			append(run, text, (size_t)len);
		else if (len < 0 && errno == EAGAIN)
			return;
		else
			close_error(run);
	}
}

/* ---- the end of a run ---- */

/* Only while the process is there, dead or alive, is its number not somebody else's. */
static void kill_group(const struct run *run)
{
	(void)kill(-run->pid, SIGKILL);
	(void)kill(run->pid, SIGKILL); /* it may not have come to its setsid(2) */
}

static void end_run(struct run *run)
{
	char what[40] = "";
	int status = 0;

	kill_group(run);
	read_error(run);
	close_error(run);
	if (waitpid(run->pid, &status, 0) != run->pid)
		status = -1;
	if (WIFSIGNALED(status))
		snprintf(what, sizeof(what), "killed by signal %d", WTERMSIG(status));
	else if (run->kind == CHECK_COMMAND && status != 0)
		snprintf(what, sizeof(what), "exit status %d", WEXITSTATUS(status));
	report(run, status == 0 ? CHECK_PASSED : CHECK_FAILED, what);
	run->used = false;
}

static struct run *find_pid(pid_t pid)
{
	for (size_t i = 0; i < RUN_N; i++) {
		if (runs[i].used && runs[i].pid == pid)
			return &runs[i];
	}
	return NULL;
}

/* Whoever ended: runs, and orphans of theirs that came to us. */
static void reap(void)
{
	struct signalfd_siginfo signals[8];
	ssize_t n = read(signal_fd, signals, sizeof(signals));

	(void)n;
	for (int i = 0; i < TURN_MAX; i++) {
		siginfo_t info = { 0 };
		struct run *run;

		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
			return;
		run = find_pid(info.si_pid);
		if (run != NULL)
			end_run(run);
		else
			(void)waitpid(info.si_pid, NULL, WNOHANG);
	}
	(void)raise(SIGCHLD); /* more are left */
}

static void expire(struct run *run, struct instant now)
{
	char what[40];

	if (!run->used || run->reported || !instant_reached(run->deadline, now))
		return;
	read_error(run);
	if (instant_since(now, run->deadline).us > span_ms(LATE_MS).us) {
		report(run, CHECK_LATE, "this host was too busy or paused");
	} else {
		snprintf(what, sizeof(what), "not done after %lld ms", (long long)(run->timeout.us / 1000));
		report(run, CHECK_FAILED, what);
	}
	kill_group(run);
}

static void expire_all(struct instant now)
{
	for (size_t i = 0; i < RUN_N; i++)
		expire(&runs[i], now);
}

/* ---- the beginning ---- */

static struct run *find_check(uint32_t check_id)
{
	for (size_t i = 0; i < RUN_N; i++) {
		if (runs[i].used && runs[i].check_id == check_id)
			return &runs[i];
	}
	return NULL;
}

static struct run *find_free(void)
{
	for (size_t i = 0; i < RUN_N; i++) {
		if (!runs[i].used)
			return &runs[i];
	}
	return NULL;
}

static void start(struct run *run)
{
	pid_t self = getpid();
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) != 0) {
		refuse(CHECK_LATE, strerror(errno));
		return;
	}
	pid = fork();
	if (pid == 0)
		check_job_run(&job, fds[1], self);
	close(fds[1]);
	if (pid < 0) {
		refuse(CHECK_LATE, strerror(errno));
		close(fds[0]);
		return;
	}
	(void)fcntl(fds[0], F_SETFL, O_NONBLOCK);
	*run = (struct run){ .used = true,
			     .check_id = job.check_id,
			     .run_id = job.run_id,
			     .kind = job.kind,
			     .pid = pid,
			     .error_fd = fds[0],
			     .timeout = job.timeout,
			     .deadline = instant_add(clock_now(), job.timeout) };
}

static void handle_run(void)
{
	static bool prepared;
	struct run *former = find_check(job.check_id);
	struct run *run = find_free();

	if (former != NULL && former->reported &&
	    instant_since(clock_now(), former->deadline).us > span_ms(STUCK_MS).us) {
		refuse(CHECK_FAILED, "the run before cannot be ended");
	} else if (former != NULL || run == NULL) {
		refuse(CHECK_LATE, "no room for another run");
	} else {
		if (job.kind == CHECK_HTTP && !prepared)
			check_job_prepare();
		prepared = prepared || job.kind == CHECK_HTTP;
		start(run);
	}
}

static void handle_stop(void)
{
	struct run *run = find_check(job.check_id);

	if (run == NULL)
		return;
	run->reported = true; /* nobody wants to know */
	kill_group(run);
}

/* False: the daemon is gone. */
static bool read_orders(void)
{
	uint8_t data[CHECK_MESSAGE_MAX];

	for (int i = 0; i < TURN_MAX; i++) {
		ssize_t len = recv(CHECK_RUNNER_FD, data, sizeof(data), MSG_DONTWAIT);

		if (len < 0)
			return errno == EAGAIN || errno == EINTR;
		if (len == 0)
			return false;
		if (check_job_decode(data, (size_t)len, &job) != 0)
			continue;
		if (job.order == CHECK_ORDER_RUN)
			handle_run();
		else
			handle_stop();
	}
	return true;
}

/* ---- the process ---- */

/* Milliseconds to the next timeout, rounded up. */
static int wait_ms(void)
{
	struct instant deadline = INSTANT_NEVER;
	int64_t us;

	for (size_t i = 0; i < RUN_N; i++) {
		if (runs[i].used && !runs[i].reported)
			deadline = instant_min(deadline, runs[i].deadline);
	}
	if (deadline.us == INSTANT_NEVER.us)
		return -1;
	us = instant_since(deadline, clock_now()).us;
	return us > 0 ? (int)((us + 999) / 1000) : 0;
}

/* One turn. False: the daemon is gone. */
static bool turn(void)
{
	struct pollfd fds[2 + RUN_N] = { { .fd = CHECK_RUNNER_FD, .events = POLLIN },
					 { .fd = signal_fd, .events = POLLIN } };

	for (size_t i = 0; i < RUN_N; i++)
		fds[2 + i] = (struct pollfd){ .fd = runs[i].used ? runs[i].error_fd : -1, .events = POLLIN };
	if (poll(fds, 2 + RUN_N, wait_ms()) < 0)
		return errno == EINTR;
	for (size_t i = 0; i < RUN_N; i++) {
		if (fds[2 + i].revents != 0)
			read_error(&runs[i]);
	}
	/* what ended in time counts, even when this process is late to see it */
	if (fds[1].revents != 0)
		reap();
	expire_all(clock_now());
	return fds[0].revents == 0 || read_orders();
}

static void prepare(void)
{
	const struct sched_param none = { 0 };
	sigset_t children;

	(void)prctl(PR_SET_NAME, "mlbd-check");
	/* orphans of a check come to us, and not to a process 1 that may be the daemon and knows nothing of them */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	(void)sched_setscheduler(0, SCHED_OTHER, &none);
	if (getpriority(PRIO_PROCESS, 0) < 0)
		(void)setpriority(PRIO_PROCESS, 0, 0);
	(void)fcntl(CHECK_RUNNER_FD, F_SETFD, FD_CLOEXEC);
	(void)close_range(CHECK_RUNNER_FD + 1, UINT_MAX, 0);
	(void)signal(SIGPIPE, SIG_IGN);
	sigemptyset(&children);
	sigaddset(&children, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &children, NULL);
	signal_fd = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Leave nothing behind, not even zombies to whoever comes after us; but do not wait for what cannot be ended. */
static void end_all(void)
{
	const struct timespec pause = { .tv_nsec = 5000000 };

	for (size_t i = 0; i < RUN_N; i++) {
		if (runs[i].used)
			kill_group(&runs[i]);
	}
	for (int i = 0; i < END_TURN_N && waitpid(-1, NULL, WNOHANG) >= 0; i++)
		(void)nanosleep(&pause, NULL);
}

bool check_runner_wanted(int argc, char **argv)
{
	return argc == 2 && strcmp(argv[1], "--check-runner") == 0;
}

int check_runner_main(void)
{
	prepare();
	if (signal_fd < 0)
		return EXIT_FAILURE;
	while (turn())
		;
	end_all();
	return EXIT_SUCCESS;
}
