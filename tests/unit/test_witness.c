/* SPDX-License-Identifier: Apache-2.0 */
/*
 * daemon/witness and netlink/gateway against the kernel, each test in a network namespace of its own that ends with its
 * process. Needs root and ip(8); without them it is skipped (exit status 77).
 */
#include "daemon/witness.h"

#include <check.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "netlink/gateway.h"
#include "tests/unit/test_run.h"

#define EXIT_SKIPPED 77
#define NOBODY 65534
#define WAIT_MS 20000
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static const struct ip no_ip;

static struct ip ip_of(const char *text)
{
	struct ip ip;

	ck_assert_int_eq(ip_parse(text, &ip), 0);
	return ip;
}

static struct witness *open_witness(struct ip ip, enum ip_family family)
{
	struct witness *w = NULL;

	ck_assert_int_eq(witness_open(ip, family, &w), 0);
	ck_assert_int_ge(witness_fd(w), 0);
	return w;
}

static bool readable(const struct witness *w, int timeout_ms)
{
	struct pollfd poll_fd = { .fd = witness_fd(w), .events = POLLIN };

	return poll(&poll_fd, 1, timeout_ms) == 1;
}

/* Ask again and again, as gossip does, until there is an answer. */
static bool answers(struct witness *w, int tries)
{
	for (int i = 0; i < tries; i++) {
		(void)witness_ask(w, clock_now());
		if (readable(w, 20) && witness_read(w, clock_now()))
			return true;
	}
	return false;
}

static void set_up(void)
{
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	run("ip link set lo up");
}

static const char *const loopbacks[] = { "127.0.0.1", "::1" };

START_TEST(answered)
{
	struct witness *w = open_witness(ip_of(loopbacks[_i]), IP_V4);
	struct instant now = clock_now();

	ck_assert_int_eq(witness_address(w).family, IP_NONE);
	ck_assert(!witness_read(w, now));
	ck_assert_int_eq(witness_ask(w, now), 0);
	ck_assert(ip_equal(witness_address(w), ip_of(loopbacks[_i])));
	ck_assert(readable(w, WAIT_MS));
	ck_assert(witness_read(w, now));
	/* once, and nothing is left */
	ck_assert(!witness_read(w, now));
	ck_assert(!readable(w, 0));
	/* three questions, read together */
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(witness_ask(w, now), 0);
	ck_assert(readable(w, WAIT_MS));
	ck_assert(witness_read(w, now));
	witness_close(w);
	witness_close(NULL);
}
END_TEST

START_TEST(fresh_only)
{
	struct witness *w = open_witness(ip_of(loopbacks[_i]), IP_V4);
	struct instant now = clock_now();

	ck_assert_int_eq(witness_ask(w, now), 0);
	ck_assert(readable(w, WAIT_MS));
	ck_assert(!witness_read(w, instant_add(now, span_us(WITNESS_FRESH_MS * 1000 + 1))));
	ck_assert_int_eq(witness_ask(w, now), 0);
	ck_assert(readable(w, WAIT_MS));
	ck_assert(witness_read(w, instant_add(now, span_ms(WITNESS_FRESH_MS))));
	witness_close(w);
}
END_TEST

/* The answers to somebody else who asks the same host are not ours. */
START_TEST(others)
{
	struct witness *w = open_witness(ip_of(loopbacks[_i]), IP_V4);
	struct witness *other = open_witness(ip_of(loopbacks[_i]), IP_V4);
	struct witness *elsewhere = open_witness(ip_of("127.0.0.2"), IP_V4);
	struct instant now = clock_now();

	ck_assert_int_eq(witness_ask(w, now), 0);
	ck_assert(readable(w, WAIT_MS));
	ck_assert(witness_read(w, now));
	for (int i = 0; i < 70; i++)
		ck_assert_int_eq(witness_ask(other, now), 0);
	ck_assert(readable(w, WAIT_MS));
	ck_assert(!witness_read(w, now));
	ck_assert(witness_read(other, now));
	/* and those of another host do not even wake us */
	while (readable(w, 0))
		ck_assert(!witness_read(w, now));
	ck_assert_int_eq(witness_ask(elsewhere, now), 0);
	ck_assert(readable(elsewhere, WAIT_MS));
	ck_assert(!readable(w, 0));
	witness_close(w);
	witness_close(other);
	witness_close(elsewhere);
}
END_TEST

/* Routes, and the gateway that they give. All routes of a case are added in a fresh namespace with d0 and d1. */
static const struct {
	const char *routes[4]; /* arguments of ip */
	enum ip_family family;
	const char *gateway; /* NULL: none */
	const char *iface;
} gateways[] = {
	{ { NULL }, IP_V4, NULL, NULL },
	{ { NULL }, IP_V6, NULL, NULL },
	{ { "-4 route add default via 10.9.0.254" }, IP_V4, "10.9.0.254", "d0" },
	{ { "-4 route add default via 10.9.0.254" }, IP_V6, NULL, NULL },
	{ { "-6 route add default via fd09::fe" }, IP_V6, "fd09::fe", "d0" },
	{ { "-6 route add default via fe80::1 dev d1" }, IP_V6, "fe80::1", "d1" },
	/* the lowest metric, in either order */
	{ { "-4 route add default via 10.9.0.253 metric 200", "-4 route add default via 10.9.1.254 metric 100" },
	  IP_V4,
	  "10.9.1.254",
	  "d1" },
	{ { "-6 route add default via fd09::1 metric 100", "-6 route add default via fd09::2 metric 200" },
	  IP_V6,
	  "fd09::1",
	  "d0" },
	/* not those of other tables, other lengths, without a router, or that refuse */
	{ { "-4 route add default via 10.9.0.253 table 77", "-4 route add 10.0.0.0/8 via 10.9.0.254",
	    "-4 route add 0.0.0.0/1 via 10.9.0.254" },
	  IP_V4,
	  NULL,
	  NULL },
	{ { "-4 route add default dev d0 metric 1", "-4 route add unreachable default metric 2",
	    "-4 route add default via 10.9.0.254 metric 3" },
	  IP_V4,
	  "10.9.0.254",
	  "d0" },
	{ { "-6 route add unreachable default metric 2", "-6 route add default via fd09::fe metric 3" },
	  IP_V6,
	  "fd09::fe",
	  "d0" },
	/* several at once; a router of the other family */
	{ { "-4 route add default nexthop via 10.9.1.7 dev d1 nexthop via 10.9.0.7 dev d0" }, IP_V4, "10.9.1.7", "d1" },
	{ { "-6 route add default nexthop via fd09::7 dev d0 nexthop via fe80::7 dev d1" }, IP_V6, "fd09::7", "d0" },
	{ { "-4 route add default via inet6 fe80::9 dev d1" }, IP_V4, "fe80::9", "d1" },
};

START_TEST(gateway)
{
	struct gateway found = { .index = 99 };
	int error;

	run("for d in 0 1; do ip link add d$d type veth peer name p$d && ip link set d$d up && ip link set p$d up && "
	    "ip addr add 10.9.$d.1/24 dev d$d; done; ip addr add fd09::a/64 dev d0 nodad");
	for (size_t i = 0; i < ARRAY_LEN(gateways[_i].routes) && gateways[_i].routes[i] != NULL; i++)
		run("ip %s", gateways[_i].routes[i]);
	error = gateway_of_default_route(gateways[_i].family, &found);
	if (gateways[_i].gateway == NULL) {
		ck_assert_int_eq(error, -ENOENT);
		ck_assert_uint_eq(found.index, 99);
		return;
	}
	ck_assert_int_eq(error, 0);
	ck_assert(ip_equal(found.ip, ip_of(gateways[_i].gateway)));
	ck_assert_uint_eq(found.index, if_nametoindex(gateways[_i].iface));
}
END_TEST

/* A default route is found among many others, however many parts the answer has. */
START_TEST(gateway_of_many_routes)
{
	struct gateway found;

	run("ip link add d0 type veth peer name p0 && ip link set d0 up && ip link set p0 up && ip addr add "
	    "10.9.0.1/24 dev d0");
	run("for i in $(seq 0 9999); do echo route add 10.$((100 + i / 250)).$((i %% 250)).0/24 via 10.9.0.7; done | "
	    "ip -batch -");
	ck_assert_int_eq(gateway_of_default_route(IP_V4, &found), -ENOENT);
	run("ip route add default via 10.9.0.254");
	ck_assert_int_eq(gateway_of_default_route(IP_V4, &found), 0);
	ck_assert(ip_equal(found.ip, ip_of("10.9.0.254")));
}
END_TEST

/* A process in a network namespace of its own: the router. */
static pid_t start_router(void)
{
	int ready[2];
	char byte;
	pid_t pid;

	ck_assert_int_eq(pipe(ready), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		if (unshare(CLONE_NEWNET) != 0 || write(ready[1], "r", 1) != 1)
			_exit(1);
		(void)close(ready[1]);
		(void)alarm(60);
		(void)pause();
		_exit(0);
	}
	(void)close(ready[1]);
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	(void)close(ready[0]);
	return pid;
}

START_TEST(through_a_router)
{
	static const char *const routes[] = { "-4 route add default via 10.9.0.254",
					      "-6 route add default via fd09::fe",
					      "-6 route add default via fe80::fe dev v0" };
	static const char *const routers[] = { "10.9.0.254", "fd09::fe", "fe80::fe" };
	const pid_t router = start_router();
	struct witness *w = open_witness(no_ip, IP_V4);

	run("ip link add v0 type veth peer name v1 netns %d && ip link set v0 up && ip addr add 10.9.0.1/24 dev v0 && "
	    "ip addr add fd09::1/64 dev v0 nodad",
	    (int)router);
	run("nsenter -t %d -n sh -c 'ip link set v1 up && ip addr add 10.9.0.254/24 dev v1 && "
	    "ip addr add fd09::fe/64 dev v1 nodad && ip addr add fe80::fe/64 dev v1 nodad'",
	    (int)router);
	ck_assert_int_eq(witness_ask(w, clock_now()), -ENOENT);
	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		run("ip %s", routes[i]);
		ck_assert_msg(answers(w, WAIT_MS / 20), "%s", routers[i]);
		ck_assert(ip_equal(witness_address(w), ip_of(routers[i])));
		run("ip %s route flush default", i == 0 ? "-4" : "-6");
	}
	/* Cut off: it may be asked, but it does not answer. */
	run("ip %s", routes[0]);
	run("nsenter -t %d -n ip link set v1 down", (int)router);
	while (readable(w, 100))
		(void)witness_read(w, clock_now());
	ck_assert(!answers(w, 25));
	run("nsenter -t %d -n ip link set v1 up", (int)router);
	ck_assert(answers(w, WAIT_MS / 20));
	witness_close(w);
	ck_assert_int_eq(kill(router, SIGKILL), 0);
	ck_assert_int_eq(waitpid(router, NULL, 0), router);
}
END_TEST

START_TEST(no_right)
{
	struct witness *w = NULL;

	ck_assert_int_eq(setuid(NOBODY), 0);
	ck_assert_int_eq(witness_open(ip_of("127.0.0.1"), IP_V4, &w), -EPERM);
	ck_assert_ptr_null(w);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("witness");
	TCase *tcase = tcase_create("witness");
	SRunner *runner;
	int failed;

	if (getuid() != 0 || system("ip link show lo >/dev/null 2>&1") != 0) {
		puts("skipped: needs root and ip(8)");
		return EXIT_SKIPPED;
	}
	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_loop_test(tcase, answered, 0, 2);
	tcase_add_loop_test(tcase, fresh_only, 0, 2);
	tcase_add_loop_test(tcase, others, 0, 2);
	tcase_add_loop_test(tcase, gateway, 0, ARRAY_LEN(gateways));
	tcase_add_test(tcase, gateway_of_many_routes);
	tcase_add_test(tcase, through_a_router);
	tcase_add_test(tcase, no_right);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_set_fork_status(runner, CK_FORK);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
