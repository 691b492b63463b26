/* SPDX-License-Identifier: Apache-2.0 */
/*
 * daemon/guard*.c against the kernel: children play the daemon and are killed, stopped, or end as planned, each with a real guard,
 * which is this very program when it is started with --guard. Every test runs in a network namespace of its own, on a veth pair
 * v0 - v1. Needs root and ip(8); without them it is skipped (exit status 77).
 */
#include "daemon/guard.h"

#include <check.h>
#include <errno.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/sockaddr.h"
#include "daemon/guard_process.h"
#include "gossip/lastword.h"
#include "netlink/netlink.h"
#include "tests/unit/test_guard_memory.h"
#include "tests/unit/test_run.h"

/* The exit status that means "skipped". */
#define EXIT_SKIPPED 77

#define WAIT_MS 20000
/* Nothing happens for so long: it was not going to. */
#define QUIET_MS 400
#define TURN_MS 10

#define DAEMON_INSTANCE UINT64_C(0x1122334455667788)
#define PEER_INSTANCE UINT64_C(0xa000000000000000)
#define PEER_N 3
#define COUNTER 5000

enum command { COMMAND_NONE, COMMAND_DISMISS, COMMAND_DISMISS_STAY, COMMAND_DISMISS_EXIT, COMMAND_EXIT, COMMAND_ABORT };

/* What the daemon that a child plays is to do. */
struct plan {
	int64_t hang_ms;
	const char *socket;
	uint32_t address_n; /* IPv4 addresses 10.1.x.y beyond the usual ones */
	bool still;	    /* the loop never tells its progress */
	bool torn;	    /* leave the shared memory as a kill in the middle of a write does */
};

/* Between a test and its children. */
static struct shared {
	_Atomic int ready; /* 1, or a negative errno of guard_open */
	_Atomic int guard_pid;
	_Atomic int died_n;
	_Atomic int command; /* enum command */
	_Atomic int dismissed;
} * shared;

static uint32_t v0;
static struct seal_ring ring;
static int peers[PEER_N + 1]; /* sockets; the last is the second path of the first peer */
static const char *const peer_texts[PEER_N + 1] = { "192.0.2.2:7001", "192.0.2.2:7002", "[2001:db8::2]:7003",
						    "198.51.100.2:7001" };
static const char *const own_texts[2] = { "192.0.2.1:7000", "198.51.100.1:7000" };

/* Held in every test: in the kernel as an address or as a local route. */
static const struct {
	const char *ip;
	bool route;
} usual[] = {
	{ "192.0.2.10", false }, { "2001:db8::10", false }, { "203.0.113.10", true }, { "2001:db8:1::10", true }
};
#define USUAL_N (sizeof(usual) / sizeof(usual[0]))

static struct ip ip_of(const char *text)
{
	struct ip ip;

	ck_assert_int_eq(ip_parse(text, &ip), 0);
	return ip;
}

static struct endpoint endpoint_of(const char *text)
{
	struct endpoint endpoint;

	ck_assert_int_eq(endpoint_parse(text, 0, &endpoint), 0);
	return endpoint;
}

static struct ip nth_ip(uint32_t i)
{
	const uint8_t bytes[4] = { 10, 1, (uint8_t)(i >> 8), (uint8_t)i };

	return ip_from_v4(bytes);
}

/* ---- the daemon ---- */

struct player {
	const struct plan *plan;
	struct guard *guard;
};

/* As after a kill within guard_hold, before its last instruction, and within guard_peers. */
static void tear(void)
{
	struct guard_shared *memory = memory_of_guard();
	struct guard_slot *slot;

	if (memory == NULL)
		_exit(9);
	slot = &memory->slots[memory->slot_n++];
	slot->ip = ip_of("192.0.2.99");
	slot->ifindex = v0;
	memset(&memory->books[memory->book ^ 1], 0xff, sizeof(memory->books[0]));
}

static void on_died(void *arg)
{
	struct player *player = arg;

	shared->guard_pid = 0;
	if (guard_restart(player->guard) != 0)
		_exit(8);
	shared->died_n++;
}

static void on_turn(uv_timer_t *timer)
{
	struct player *player = timer->data;

	if (!player->plan->still)
		guard_progress(player->guard);
	shared->guard_pid = guard_pid(player->guard);
	switch ((enum command)shared->command) {
	case COMMAND_NONE:
		return;
	case COMMAND_DISMISS:
		guard_dismiss(player->guard);
		guard_close(player->guard);
		uv_timer_stop(timer); /* the guard is gone with the next turn */
		uv_stop(timer->loop);
		return;
	case COMMAND_DISMISS_STAY:
		guard_dismiss(player->guard);
		shared->dismissed = 1;
		return;
	case COMMAND_DISMISS_EXIT:
		guard_dismiss(player->guard);
		_exit(0);
	case COMMAND_EXIT:
		guard_close(player->guard);
		_exit(0);
	case COMMAND_ABORT:
		signal(SIGABRT, SIG_DFL);
		abort();
	}
}

static void tell(struct guard *g, const struct plan *plan)
{
	struct guard_peer told[PEER_N] = { 0 };
	struct endpoint own[2];

	for (size_t i = 0; i < PEER_N; i++) {
		told[i].instance = PEER_INSTANCE + i;
		told[i].endpoints[told[i].endpoint_n++] = endpoint_of(peer_texts[i]);
	}
	told[0].endpoints[told[0].endpoint_n++] = endpoint_of(peer_texts[PEER_N]);
	for (size_t i = 0; i < 2; i++)
		own[i] = endpoint_of(own_texts[i]);
	guard_peers(g, told, 1);
	guard_identity(g, DAEMON_INSTANCE, own, 2, &ring);
	guard_peers(g, told, PEER_N);
	guard_counter(g, COUNTER);
	ck_assert_int_eq(guard_hold(g, ip_of("192.0.2.77"), v0, false), 0); /* and let go of: not to be removed */
	for (size_t i = 0; i < USUAL_N; i++)
		ck_assert_int_eq(guard_hold(g, ip_of(usual[i].ip), v0, usual[i].route), 0);
	for (uint32_t i = 0; i < plan->address_n; i++)
		ck_assert_int_eq(guard_hold(g, nth_ip(i), v0, false), 0);
	guard_unhold(g, ip_of("192.0.2.77"));
	if (plan->torn)
		tear();
}

/* Never returns. */
static void play(const struct plan *plan)
{
	const struct guard_config config = { plan->socket, span_ms(plan->hang_ms) };
	struct player player = { .plan = plan };
	const struct guard_handler handler = { on_died, &player };
	uv_timer_t timer;
	uv_loop_t loop;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	uv_loop_init(&loop);
	shared->ready = guard_open(&loop, &config, &handler, &player.guard);
	if (shared->ready != 0)
		_exit(7);
	tell(player.guard, plan);
	uv_timer_init(&loop, &timer);
	timer.data = &player;
	uv_timer_start(&timer, on_turn, 0, TURN_MS);
	shared->guard_pid = guard_pid(player.guard);
	shared->ready = 1;
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_run(&loop, UV_RUN_NOWAIT);
	_exit(0);
}

#define WAIT_UNTIL(condition)                                                                            \
	do {                                                                                             \
		struct instant until = instant_add(clock_now(), span_ms(WAIT_MS));                       \
		while (!(condition)) {                                                                   \
			ck_assert_msg(instant_before(clock_now(), until), "never came: %s", #condition); \
			usleep(1000);                                                                    \
		}                                                                                        \
	} while (0)

/* Put in the kernel what the daemon has told its guard of. */
static void fill_kernel(const struct plan *plan)
{
	FILE *ip = popen("ip -batch -", "we");

	ck_assert_ptr_nonnull(ip);
	for (size_t i = 0; i < USUAL_N; i++) {
		if (usual[i].route)
			fprintf(ip, "route add local %s dev lo table local proto %d metric %d\n", usual[i].ip,
				NETLINK_ROUTE_PROTOCOL, NETLINK_ROUTE_METRIC);
		else
			fprintf(ip, "addr add %s dev v0\n", usual[i].ip);
	}
	for (uint32_t i = 0; i < plan->address_n; i++) {
		char text[IP_TEXT_MAX];

		fprintf(ip, "addr add %s/32 dev v0\n", ip_format(nth_ip(i), text));
	}
	/* not told of: another's route to the same address, and two addresses */
	fputs("route add local 203.0.113.10 dev v0 table local\n", ip);
	fputs("addr add 192.0.2.77 dev v0\naddr add 192.0.2.99 dev v0\n", ip);
	ck_assert_int_eq(pclose(ip), 0);
}

static pid_t start_daemon(const struct plan *plan)
{
	pid_t pid;

	shared->ready = 0;
	shared->command = COMMAND_NONE;
	shared->dismissed = 0;
	shared->died_n = 0;
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		play(plan);
	WAIT_UNTIL(shared->ready != 0);
	return pid;
}

static pid_t start_filled(const struct plan *plan)
{
	pid_t pid = start_daemon(plan);

	ck_assert_int_eq(shared->ready, 1);
	ck_assert_int_gt(shared->guard_pid, 0);
	fill_kernel(plan);
	return pid;
}

/* ---- what came of it ---- */

static bool prints(const char *command, const char *text)
{
	FILE *pipe = popen(command, "re");
	char line[1024];
	bool found = false;

	ck_assert_ptr_nonnull(pipe);
	while (fgets(line, sizeof(line), pipe) != NULL)
		found = found || strstr(line, text) != NULL;
	pclose(pipe);
	return found;
}

static void on_nothing(void *arg)
{
	(void)arg;
}

/* How many of those that are told to the guard the kernel has. */
static size_t held_n(const struct plan *plan)
{
	const struct netlink_handler handler = { .changed = on_nothing };
	struct netlink *n;
	size_t held = 0;
	size_t foreign = 0;

	ck_assert_int_eq(netlink_open(&handler, &n), 0);
	for (uint32_t i = 0; i < plan->address_n; i++)
		held += netlink_table_has_address(netlink_table(n), v0, nth_ip(i));
	for (size_t i = 0; i < USUAL_N; i++)
		held += !usual[i].route && netlink_table_has_address(netlink_table(n), v0, ip_of(usual[i].ip));
	foreign += netlink_table_has_address(netlink_table(n), v0, ip_of("192.0.2.1"));
	foreign += netlink_table_has_address(netlink_table(n), v0, ip_of("192.0.2.77"));
	foreign += netlink_table_has_address(netlink_table(n), v0, ip_of("192.0.2.99"));
	ck_assert_uint_eq(foreign, 3);
	netlink_close(n);
	return held;
}

static size_t route_n(void)
{
	ck_assert(prints("ip -4 route show table local dev v0", "local 203.0.113.10 "));
	return (size_t)prints("ip -4 route show table local dev lo", "local 203.0.113.10 ") +
	       (size_t)prints("ip -6 route show table local dev lo", "local 2001:db8:1::10 ");
}

/* The next datagram for a peer, or 0 after `ms`. */
static size_t next_datagram(int fd, int64_t ms, uint8_t data[PACKET_LEN_MAX], struct endpoint *from)
{
	const struct timeval limit = { ms / 1000, ms % 1000 * 1000 };
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);
	ssize_t n;

	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
	n = recvfrom(fd, data, PACKET_LEN_MAX, 0, (struct sockaddr *)&address, &len);
	if (n <= 0)
		return 0;
	*from = sockaddr_to_endpoint(&address);
	return (size_t)n;
}

/* The counters of the words must differ by peer. Returns this one's. */
static uint64_t check_word(size_t i, const uint8_t *data, size_t len)
{
	uint64_t me = PEER_INSTANCE + (i < PEER_N ? i : 0);
	uint8_t body[PACKET_LEN_MAX], expected[LAST_WORD_LEN];
	struct seal_header header;
	size_t body_len;

	ck_assert_int_eq(seal_open(&ring, me, data, len, &header, body, sizeof(body), &body_len), GOSSIP_DROP_NONE);
	ck_assert_uint_eq(header.sender, DAEMON_INSTANCE);
	ck_assert_uint_eq(header.receiver, me);
	ck_assert_uint_ge(header.counter, COUNTER + LAST_WORD_COUNTER_AHEAD);
	last_word_body(DAEMON_INSTANCE, expected);
	ck_assert_uint_eq(body_len, sizeof(expected));
	ck_assert_mem_eq(body, expected, sizeof(expected));
	return header.counter;
}

/* Each socket gets one word three times, from the address of its path; with the first of them everything is off. */
static void check_words(const struct plan *plan, struct instant began, const char *what)
{
	uint8_t data[PACKET_LEN_MAX], again[PACKET_LEN_MAX];
	struct endpoint from;
	uint64_t counters[PEER_N + 1];

	for (size_t i = 0; i <= PEER_N; i++) {
		size_t len = next_datagram(peers[i], WAIT_MS, data, &from);

		if (i == 0) {
			int64_t us = instant_since(clock_now(), began).us;

			ck_assert_uint_eq(held_n(plan), 0);
			ck_assert_uint_eq(route_n(), 0);
			printf("%s: %zu held, first word after %lld us\n", what, plan->address_n + USUAL_N,
			       (long long)us);
		}
		ck_assert_uint_gt(len, 0);
		counters[i] = check_word(i, data, len);
		if (i != 2)
			ck_assert(ip_equal(from.ip, endpoint_of(own_texts[i == PEER_N]).ip));
		for (int round = 1; round < 3; round++) {
			ck_assert_uint_eq(next_datagram(peers[i], WAIT_MS, again, &from), len);
			ck_assert_mem_eq(again, data, len);
		}
		ck_assert_uint_eq(next_datagram(peers[i], 30, again, &from), 0);
	}
	ck_assert_uint_eq(counters[PEER_N], counters[0]);
	for (size_t i = 1; i < PEER_N; i++)
		ck_assert_uint_eq(counters[i], counters[0] + i);
}

static void check_untouched(const struct plan *plan)
{
	uint8_t data[PACKET_LEN_MAX];
	struct endpoint from;

	ck_assert_uint_eq(next_datagram(peers[0], QUIET_MS, data, &from), 0);
	ck_assert_uint_eq(held_n(plan), plan->address_n + 2);
	ck_assert_uint_eq(route_n(), 2);
}

/* It ends, and so (of an orphan we are the parent). */
static int status_of(pid_t pid)
{
	int status = 0;

	WAIT_UNTIL(waitpid(pid, &status, WNOHANG) == pid);
	return status;
}

static bool is_alive(pid_t pid)
{
	int status;

	return waitpid(pid, &status, WNOHANG) == 0;
}

static bool has_status(int status, int wanted)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == wanted;
}

static bool was_killed(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

/* ---- tests ---- */

static void set_up(void)
{
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	run("ip link set lo up && ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up");
	run("ip addr add 192.0.2.1/24 dev v0 && ip addr add 192.0.2.2/24 dev v1");
	run("ip addr add 198.51.100.1/24 dev v0 && ip addr add 198.51.100.2/24 dev v1");
	run("ip addr add 2001:db8::1/64 dev v0 nodad && ip addr add 2001:db8::2/64 dev v1 nodad");
	v0 = if_nametoindex("v0");
	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	seal_ring_insecure(&ring);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(shared, MAP_FAILED);
	for (size_t i = 0; i <= PEER_N; i++) {
		struct endpoint at = endpoint_of(peer_texts[i]);
		struct sockaddr_storage address;
		socklen_t len = sockaddr_from_endpoint(at, &address);

		peers[i] = socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		ck_assert_int_ge(peers[i], 0);
		ck_assert_int_eq(bind(peers[i], (const struct sockaddr *)&address, len), 0);
	}
}

static const struct {
	const char *what;
	int signum; /* 0: the command */
	enum command command;
	uint32_t address_n;
	bool torn;
} deaths[] = {
	{ "killed", SIGKILL, COMMAND_NONE, 0, false },
	{ "killed with many", SIGKILL, COMMAND_NONE, 1000, false },
	{ "killed while writing", SIGKILL, COMMAND_NONE, 0, true },
	{ "exited", 0, COMMAND_EXIT, 0, false },
	{ "aborted", 0, COMMAND_ABORT, 300, false },
};

START_TEST(death_removes_then_tells)
{
	const struct plan plan = { .hang_ms = 2000, .address_n = deaths[_i].address_n, .torn = deaths[_i].torn };
	pid_t pid = start_filled(&plan);
	pid_t guard = shared->guard_pid;
	struct instant began = clock_now();

	if (deaths[_i].signum != 0)
		kill(pid, deaths[_i].signum);
	else
		shared->command = (int)deaths[_i].command;
	check_words(&plan, began, deaths[_i].what);
	(void)status_of(pid);
	ck_assert(has_status(status_of(guard), 0));
}
END_TEST

START_TEST(hang_removes_kills_tells)
{
	const struct plan plan = { .hang_ms = 300 };
	pid_t pid = start_filled(&plan);
	pid_t guard = shared->guard_pid;
	struct instant began;

	usleep(500 * 1000);
	ck_assert(is_alive(pid)); /* it makes progress */
	began = clock_now();
	kill(pid, SIGSTOP);
	check_words(&plan, began, "stopped, hang 300 ms");
	ck_assert_int_ge(instant_since(clock_now(), began).us, 250000);
	ck_assert(was_killed(status_of(pid)));
	ck_assert(has_status(status_of(guard), 0));
}
END_TEST

START_TEST(hang_limit_0_is_none)
{
	const struct plan plan = { .hang_ms = 0 };
	pid_t pid = start_filled(&plan);

	kill(pid, SIGSTOP);
	check_untouched(&plan);
	ck_assert(is_alive(pid));
	kill(pid, SIGKILL);
	check_words(&plan, clock_now(), "killed, no hang limit");
}
END_TEST

START_TEST(no_hang_before_the_loop_turns)
{
	const struct plan plan = { .hang_ms = 100, .still = true };
	pid_t pid = start_filled(&plan);

	check_untouched(&plan);
	ck_assert(is_alive(pid));
	kill(pid, SIGKILL);
	check_words(&plan, clock_now(), "killed at its start");
}
END_TEST

START_TEST(dismissed_does_nothing)
{
	const struct plan plan = { .hang_ms = 300 };
	pid_t pid = start_filled(&plan);
	pid_t guard = shared->guard_pid;

	shared->command = COMMAND_DISMISS;
	ck_assert(has_status(status_of(pid), 0));
	ck_assert(has_status(status_of(guard), 0));
	check_untouched(&plan);
}
END_TEST

/* The guard learns of the death and of the closed socket at once. */
START_TEST(dismissed_does_nothing_late)
{
	const struct plan plan = { .hang_ms = 300 };
	pid_t pid = start_filled(&plan);
	pid_t guard = shared->guard_pid;

	kill(guard, SIGSTOP);
	shared->command = COMMAND_DISMISS_EXIT;
	ck_assert(has_status(status_of(pid), 0));
	kill(guard, SIGCONT);
	ck_assert(has_status(status_of(guard), 0));
	check_untouched(&plan);
}
END_TEST

START_TEST(dismissed_lets_it_hang)
{
	const struct plan plan = { .hang_ms = 300 };
	pid_t pid = start_filled(&plan);

	shared->command = COMMAND_DISMISS_STAY;
	WAIT_UNTIL(shared->dismissed == 1);
	kill(pid, SIGSTOP);
	check_untouched(&plan);
	ck_assert(is_alive(pid));
}
END_TEST

/* A terminal's signals, and a manager's that reach all of a group, are not for the guard. */
START_TEST(guard_outlives_signals)
{
	const struct plan plan = { .hang_ms = 2000 };
	pid_t pid = start_filled(&plan);
	pid_t guard = shared->guard_pid;
	static const int numbers[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE, SIGXCPU };

	ck_assert_int_eq(getsid(guard), guard);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		kill(guard, numbers[i]);
	usleep(50 * 1000);
	ck_assert_int_eq(shared->died_n, 0);
	kill(pid, SIGKILL);
	check_words(&plan, clock_now(), "killed after signals");
}
END_TEST

START_TEST(guard_that_died_is_replaced)
{
	const struct plan plan = { .hang_ms = 2000 };
	pid_t pid = start_filled(&plan);
	pid_t guards[3] = { shared->guard_pid };
	struct instant began;

	for (int i = 0; i < 2; i++) {
		began = clock_now();
		kill(guards[i], SIGKILL);
		WAIT_UNTIL(shared->died_n == i + 1 && shared->guard_pid != 0);
		printf("guard killed: the next one watches after %lld us\n",
		       (long long)instant_since(clock_now(), began).us);
		guards[i + 1] = shared->guard_pid;
		ck_assert_int_ne(guards[i + 1], guards[i]);
		ck_assert(is_alive(pid));
	}
	/* the daemon reaps what it started */
	ck_assert_int_ne(kill(guards[0], 0), 0);
	check_untouched(&plan);
	began = clock_now();
	kill(pid, SIGKILL);
	check_words(&plan, began, "killed under its third guard");
}
END_TEST

static const struct {
	bool daemon; /* too */
} pauses[] = { { false }, { true } };

/* A virtual machine, or a cgroup, that was paused; the guard is the first to be back. */
START_TEST(paused_guard_measures_anew)
{
	const struct plan plan = { .hang_ms = 300 };
	pid_t pid = start_filled(&plan);
	pid_t guard = shared->guard_pid;

	if (pauses[_i].daemon) {
		kill(pid, SIGSTOP);
		usleep(100 * 1000); /* long enough that the guard has seen that it makes no progress */
	}
	kill(guard, SIGSTOP);
	usleep(1000 * 1000);
	kill(guard, SIGCONT);
	usleep(50 * 1000);
	kill(pid, SIGCONT);
	check_untouched(&plan);
	ck_assert(is_alive(pid));
	kill(pid, SIGKILL);
	check_words(&plan, clock_now(), "killed after a pause");
}
END_TEST

/* Both killed: nobody acts, and nothing pretends to. */
START_TEST(both_killed_leaves_it)
{
	const struct plan plan = { .hang_ms = 300 };
	pid_t pid = start_filled(&plan);

	kill(pid, SIGSTOP);
	kill(shared->guard_pid, SIGKILL);
	kill(pid, SIGKILL);
	check_untouched(&plan);
}
END_TEST

/* A guard that may not remove anything is none. */
START_TEST(no_rights_no_guard)
{
	const struct plan plan = { .hang_ms = 300 };

	ck_assert_int_eq(prctl(PR_CAPBSET_DROP, CAP_NET_ADMIN), 0); /* for what is executed from here on */
	(void)start_daemon(&plan);
	ck_assert_int_eq(shared->ready, -EPERM);
}
END_TEST

/* ---- a guard of the service manager's ---- */

static char socket_path[64];

static pid_t start_listening(void)
{
	pid_t pid;

	snprintf(socket_path, sizeof(socket_path), "/tmp/test-guard-%d.sock", (int)getpid());
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl("/proc/self/exe", "mlbd-guard", "--guard-listen", socket_path, NULL);
		_exit(6);
	}
	WAIT_UNTIL(access(socket_path, F_OK) == 0);
	usleep(20 * 1000); /* bound, and listening */
	return pid;
}

START_TEST(listening_guard_serves_one_after_the_other)
{
	const struct plan plan = { .hang_ms = 300, .socket = socket_path };
	pid_t guard = start_listening();
	struct instant began;
	pid_t pid = start_filled(&plan);

	ck_assert_int_eq(shared->guard_pid, guard);
	began = clock_now();
	kill(pid, SIGKILL);
	check_words(&plan, began, "killed, guard of its own unit");

	(void)status_of(pid);
	run("ip addr del 192.0.2.77/32 dev v0 && ip addr del 192.0.2.99/32 dev v0");
	run("ip route del local 203.0.113.10 dev v0 table local");
	pid = start_filled(&plan);
	shared->command = COMMAND_DISMISS;
	ck_assert(has_status(status_of(pid), 0));
	check_untouched(&plan);

	/* one at a time; the first one's guard is not disturbed, and SIGTERM waits until it is done */
	pid = start_daemon(&plan);
	ck_assert_int_eq(shared->ready, 1);
	(void)start_daemon(&plan);
	ck_assert_int_eq(shared->ready, -EBUSY);
	kill(guard, SIGTERM);
	usleep(50 * 1000);
	ck_assert(is_alive(guard));
	began = clock_now();
	kill(pid, SIGSTOP);
	check_words(&plan, began, "stopped, guard of its own unit");
	ck_assert(was_killed(status_of(pid)));
	ck_assert(has_status(status_of(guard), 0));
	ck_assert_int_ne(access(socket_path, F_OK), 0);
}
END_TEST

START_TEST(listening_guard_that_died_is_found_again)
{
	const struct plan plan = { .hang_ms = 2000, .socket = socket_path };
	pid_t guard = start_listening();
	pid_t pid = start_filled(&plan);

	kill(guard, SIGKILL); /* its socket stays in the file system */
	(void)status_of(guard);
	WAIT_UNTIL(shared->died_n > 0);
	guard = start_listening();
	WAIT_UNTIL(shared->guard_pid == guard);
	kill(pid, SIGKILL);
	check_words(&plan, clock_now(), "killed, guard of its own unit restarted");
	kill(guard, SIGTERM);
	ck_assert(has_status(status_of(guard), 0));
}
END_TEST

START_TEST(listening_guard_of_another_namespace_refuses)
{
	const struct plan plan = { .hang_ms = 2000, .socket = socket_path };
	pid_t guard = start_listening();

	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	(void)start_daemon(&plan);
	ck_assert_int_eq(shared->ready, -EXDEV);
	kill(guard, SIGTERM);
	ck_assert(has_status(status_of(guard), 0));
}
END_TEST

static Suite *suite_of_all(void)
{
	Suite *suite = suite_create("guard");
	TCase *tcase = tcase_create("guard");

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_loop_test(tcase, death_removes_then_tells, 0, sizeof(deaths) / sizeof(deaths[0]));
	tcase_add_test(tcase, hang_removes_kills_tells);
	tcase_add_test(tcase, hang_limit_0_is_none);
	tcase_add_test(tcase, no_hang_before_the_loop_turns);
	tcase_add_test(tcase, dismissed_does_nothing);
	tcase_add_test(tcase, dismissed_does_nothing_late);
	tcase_add_test(tcase, dismissed_lets_it_hang);
	tcase_add_test(tcase, guard_outlives_signals);
	tcase_add_test(tcase, guard_that_died_is_replaced);
	tcase_add_loop_test(tcase, paused_guard_measures_anew, 0, sizeof(pauses) / sizeof(pauses[0]));
	tcase_add_test(tcase, both_killed_leaves_it);
	tcase_add_test(tcase, no_rights_no_guard);
	tcase_add_test(tcase, listening_guard_serves_one_after_the_other);
	tcase_add_test(tcase, listening_guard_that_died_is_found_again);
	tcase_add_test(tcase, listening_guard_of_another_namespace_refuses);
	return suite;
}

int main(int argc, char **argv)
{
	SRunner *runner;
	int failed;

	if (guard_main_wanted(argc, argv))
		return guard_main(argc, argv);
	if (geteuid() != 0 || system("ip -V >/dev/null 2>&1") != 0) {
		puts("test_guard: needs root and ip(8): skipped");
		return EXIT_SKIPPED;
	}
	/* Each test makes its own; this tells whether that is allowed, and keeps a CK_FORK=no run off the host. */
	if (unshare(CLONE_NEWNET) != 0 || sodium_init() < 0) {
		printf("test_guard: no network namespace (%s): skipped\n", strerror(errno));
		return EXIT_SKIPPED;
	}
	runner = srunner_create(suite_of_all());
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
