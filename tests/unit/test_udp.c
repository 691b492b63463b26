/* SPDX-License-Identifier: Apache-2.0 */
/* gossip/udp: real sockets on the loopback. Nothing here depends on how fast the machine is but the generous limits. */
#include "gossip/udp.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"

#define WAIT_MS 10000
#define TAKEN_MAX 256

static const char *const loopbacks[] = { "127.0.0.1", "::1" };

/* What the handler was called with. */
struct taken {
	size_t datagram_n;
	struct endpoint from[TAKEN_MAX];
	struct instant received[TAKEN_MAX];
	size_t len[TAKEN_MAX];
	uint8_t first[TAKEN_MAX]; /* byte of each */
	size_t refused_n;
	struct endpoint refused[TAKEN_MAX];
};

static void take_datagram(void *arg, const struct udp_datagram *datagram)
{
	struct taken *taken = arg;

	ck_assert_uint_lt(taken->datagram_n, TAKEN_MAX);
	taken->from[taken->datagram_n] = datagram->from;
	taken->received[taken->datagram_n] = datagram->received;
	taken->len[taken->datagram_n] = datagram->len;
	taken->first[taken->datagram_n] = datagram->len > 0 ? datagram->data[0] : 0;
	taken->datagram_n++;
}

static void take_refusal(void *arg, struct endpoint peer)
{
	struct taken *taken = arg;

	ck_assert_uint_lt(taken->refused_n, TAKEN_MAX);
	taken->refused[taken->refused_n++] = peer;
}

static struct udp_handler handler_of(struct taken *taken)
{
	return (struct udp_handler){ take_datagram, take_refusal, taken };
}

/* A socket on a free port of loopback number i (0: IPv4, 1: IPv6), and where it is. */
static struct udp open_on(int i, struct endpoint *ret)
{
	struct sockaddr_storage address = { 0 };
	socklen_t len = sizeof(address);
	struct endpoint endpoint = { 0 };
	struct udp udp;

	ck_assert_int_eq(ip_parse(loopbacks[i], &endpoint.ip), 0);
	ck_assert_int_eq(udp_open(&udp, endpoint), 0);
	ck_assert_int_ge(udp.fd, 0);
	ck_assert_int_eq(getsockname(udp.fd, (struct sockaddr *)&address, &len), 0);
	/* sin_port and sin6_port are at the same place */
	memcpy(&endpoint.port, (uint8_t *)&address + 2, sizeof(endpoint.port));
	endpoint.port = (uint16_t)(endpoint.port >> 8 | endpoint.port << 8);
	*ret = endpoint;
	return udp;
}

static bool wait_for(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN | POLLPRI };

	return poll(&poll_fd, 1, WAIT_MS) == 1;
}

/* Read until so many datagrams are there, or nothing more comes. */
static void read_until(struct udp *udp, struct taken *taken, size_t n)
{
	const struct udp_handler handler = handler_of(taken);

	while (taken->datagram_n < n && wait_for(udp->fd)) {
		udp_read_refusals(udp, &handler);
		ck_assert_int_ge(udp_read(udp, &handler), 0);
	}
	ck_assert_uint_eq(taken->datagram_n, n);
}

START_TEST(carries)
{
	struct endpoint a_at, b_at;
	struct udp a = open_on(_i, &a_at);
	struct udp b = open_on(_i, &b_at);
	struct taken taken = { 0 };
	static uint8_t longest[PACKET_LEN_MAX + 2] = { 7 };
	const struct udp_handler handler = handler_of(&taken);

	ck_assert_int_eq(udp_send(a.fd, b_at, longest, 3), 0);
	ck_assert_int_eq(udp_send(a.fd, b_at, longest, 0), 0);
	ck_assert_int_eq(udp_send(a.fd, b_at, longest, PACKET_LEN_MAX), 0);
	ck_assert_int_eq(udp_send(a.fd, b_at, longest, PACKET_LEN_MAX + 2), 0);
	read_until(&b, &taken, 4);
	ck_assert_int_eq(endpoint_compare(taken.from[0], a_at), 0);
	ck_assert_uint_eq(taken.first[0], 7);
	ck_assert_uint_eq(taken.len[0], 3);
	ck_assert_uint_eq(taken.len[1], 0);
	ck_assert_uint_eq(taken.len[2], PACKET_LEN_MAX);
	ck_assert_uint_eq(taken.len[3], PACKET_LEN_MAX + 1); /* cut, but seen to be too long */
	ck_assert_int_eq(udp_read(&b, &handler), 0);
	udp_close(&a);
	udp_close(&b);
	ck_assert_int_eq(a.fd, -1);
	udp_close(&a);
}
END_TEST

/* The time is the kernel's, not that of reading: what waited 50 ms is 50 ms old. */
START_TEST(receive_time)
{
	struct endpoint a_at, b_at;
	struct udp a = open_on(_i, &a_at);
	struct udp b = open_on(_i, &b_at);
	struct taken taken = { 0 };
	struct instant first, second;

	first = clock_now();
	ck_assert_int_eq(udp_send(a.fd, b_at, (const uint8_t *)"1", 1), 0);
	(void)usleep(50000);
	second = clock_now();
	ck_assert_int_eq(udp_send(a.fd, b_at, (const uint8_t *)"2", 1), 0);
	(void)usleep(50000);
	read_until(&b, &taken, 2);
	/* 1 ms: the two clocks are not read at once, and the wall clock may be slewed */
	ck_assert_int_ge(taken.received[0].us, first.us - 1000);
	ck_assert_int_lt(taken.received[0].us, second.us);
	ck_assert_int_ge(taken.received[1].us, second.us - 1000);
	ck_assert_int_le(taken.received[1].us, clock_now().us - 49000);
	udp_close(&a);
	udp_close(&b);
}
END_TEST

/* A wall clock that was set forward makes ages long; they end at the time when the queue was seen empty. */
START_TEST(receive_time_is_bounded)
{
	struct endpoint a_at, b_at;
	struct udp a = open_on(_i, &a_at);
	struct udp b = open_on(_i, &b_at);
	struct taken taken = { 0 };
	const struct udp_handler handler = handler_of(&taken);
	struct instant drained;

	ck_assert_int_eq(udp_send(a.fd, b_at, (const uint8_t *)"1", 1), 0);
	ck_assert(wait_for(b.fd));
	(void)usleep(20000);
	/* The same by its effect: the socket claims to have been empty after the datagram came. */
	drained = b.drained = clock_now();
	(void)usleep(1000);
	ck_assert_int_eq(udp_read(&b, &handler), 1);
	ck_assert_int_ge(taken.received[0].us, drained.us);
	ck_assert_int_gt(b.drained.us, drained.us);
	udp_close(&a);
	udp_close(&b);
}
END_TEST

/* A queue that is longer than a batch has not been empty, so its rest keeps its age. */
START_TEST(batches)
{
	struct endpoint a_at, b_at;
	struct udp a = open_on(_i, &a_at);
	struct udp b = open_on(_i, &b_at);
	struct udp_message messages[2 * UDP_BATCH_MAX + 6];
	const size_t n = sizeof(messages) / sizeof(messages[0]);
	uint8_t data[sizeof(messages) / sizeof(messages[0])];
	struct taken taken = { 0 };
	const struct udp_handler handler = handler_of(&taken);
	struct instant sent, drained = b.drained;

	for (size_t i = 0; i < n; i++) {
		data[i] = (uint8_t)i;
		messages[i] = (struct udp_message){ b_at, &data[i], 1, 1 };
	}
	ck_assert_uint_eq(udp_send_batch(a.fd, messages, n), n);
	sent = clock_now();
	(void)usleep(20000);
	ck_assert_int_eq(udp_read(&b, &handler), UDP_BATCH_MAX);
	ck_assert_int_eq(b.drained.us, drained.us);
	(void)usleep(20000);
	ck_assert_int_eq(udp_read(&b, &handler), UDP_BATCH_MAX);
	ck_assert_int_eq(udp_read(&b, &handler), 6);
	ck_assert_int_gt(b.drained.us, sent.us + 20000);
	for (size_t i = 0; i < n; i++) {
		ck_assert_int_eq(messages[i].error, 0);
		ck_assert_uint_eq(taken.first[i], (uint8_t)i);
		ck_assert_int_le(taken.received[i].us, sent.us + 1000);
	}
	udp_close(&a);
	udp_close(&b);
}
END_TEST

/* The address of a socket that was there and is closed: nobody listens. */
static struct endpoint nobody(int i)
{
	struct endpoint at;
	struct udp udp = open_on(i, &at);

	udp_close(&udp);
	return at;
}

START_TEST(refusals)
{
	struct endpoint a_at, b_at, dead_at = nobody(_i);
	struct udp a = open_on(_i, &a_at);
	struct udp b = open_on(_i, &b_at);
	struct taken taken = { 0 };
	const struct udp_handler handler = handler_of(&taken);
	const struct udp_handler deaf = { take_datagram, NULL, &taken };
	struct pollfd poll_fd = { .fd = a.fd, .events = POLLIN | POLLPRI };

	ck_assert_int_eq(udp_send(a.fd, dead_at, (const uint8_t *)"1", 1), 0);
	ck_assert_int_eq(poll(&poll_fd, 1, WAIT_MS), 1);
	ck_assert(poll_fd.revents & POLLPRI);
	/* The error that waits hurts neither the next datagram to another peer nor one from there. */
	ck_assert_int_eq(udp_send(a.fd, b_at, (const uint8_t *)"2", 1), 0);
	ck_assert_int_eq(udp_send(b.fd, a_at, (const uint8_t *)"3", 1), 0);
	read_until(&a, &taken, 1);
	ck_assert_uint_eq(taken.refused_n, 1);
	ck_assert_int_eq(endpoint_compare(taken.refused[0], dead_at), 0);
	read_until(&b, &taken, 2);
	/* Told once; and the queue is empty, so that poll does not spin. */
	ck_assert_int_eq(udp_read(&a, &handler), 0);
	ck_assert_uint_eq(taken.refused_n, 1);
	ck_assert_int_eq(poll(&poll_fd, 1, 0), 0);
	/* Reading with the error still on the socket, and nobody who wants to know. */
	ck_assert_int_eq(udp_send(a.fd, dead_at, (const uint8_t *)"1", 1), 0);
	ck_assert_int_eq(poll(&poll_fd, 1, WAIT_MS), 1);
	ck_assert_int_eq(udp_send(b.fd, a_at, (const uint8_t *)"4", 1), 0);
	udp_read_refusals(&a, &deaf);
	ck_assert_int_eq(udp_read(&a, &deaf), 1);
	ck_assert_int_eq(poll(&poll_fd, 1, 0), 0);
	udp_close(&a);
	udp_close(&b);
}
END_TEST

/* One dead peer and one impossible address in a batch: everybody else gets theirs. */
START_TEST(batch_with_failures)
{
	struct endpoint a_at, b_at, dead_at = nobody(_i);
	struct udp a = open_on(_i, &a_at);
	struct udp b = open_on(_i, &b_at);
	struct udp_message messages[40];
	const size_t n = sizeof(messages) / sizeof(messages[0]);
	static const uint8_t data[70000];
	struct taken taken = { 0 }, of_a = { 0 };
	const struct udp_handler handler = handler_of(&of_a);
	size_t dead_n = 0, long_n = 0;

	for (size_t i = 0; i < n; i++) {
		bool dead = i % 5 == 0;
		bool too_long = i % 7 == 1;

		messages[i] = (struct udp_message){ dead ? dead_at : b_at, data, too_long ? sizeof(data) : 1, 1 };
		dead_n += dead && !too_long;
		long_n += too_long;
	}
	ck_assert_uint_eq(udp_send_batch(a.fd, messages, n), n - long_n);
	for (size_t i = 0; i < n; i++)
		ck_assert_int_eq(messages[i].error, messages[i].len > 1 ? -EMSGSIZE : 0);
	read_until(&b, &taken, n - long_n - dead_n);
	udp_read_refusals(&a, &handler);
	ck_assert_int_eq(udp_read(&a, &handler), 0);
	ck_assert_uint_ge(of_a.refused_n, 1); /* the kernel limits how many it answers */
	ck_assert_uint_eq(udp_send_batch(a.fd, messages, 0), 0);
	udp_close(&a);
	udp_close(&b);
}
END_TEST

START_TEST(open_fails)
{
	struct endpoint at, elsewhere = { 0 };
	struct udp udp, first = open_on(_i, &at);

	ck_assert_int_eq(udp_open(&udp, at), -EADDRINUSE);
	ck_assert_int_eq(udp.fd, -1);
	/* RFC 5737, RFC 3849: documentation, no host has them */
	ck_assert_int_eq(ip_parse(_i == 0 ? "192.0.2.1" : "2001:db8::1", &elsewhere.ip), 0);
	ck_assert_int_eq(udp_open(&udp, elsewhere), -EADDRNOTAVAIL);
	udp_close(&first);
}
END_TEST

START_TEST(source)
{
	struct endpoint peer = { .port = 7946 };
	struct ip source_ip;

	ck_assert_int_eq(ip_parse(loopbacks[_i], &peer.ip), 0);
	ck_assert_int_eq(udp_source_for(peer, &source_ip), 0);
	ck_assert(ip_equal(source_ip, peer.ip));
}
END_TEST

/* Is there an IPv6 loopback? Containers often have none. */
static int families(void)
{
	struct endpoint endpoint = { 0 };
	struct udp udp;
	int n;

	if (ip_parse(loopbacks[1], &endpoint.ip) != 0)
		return 1;
	n = udp_open(&udp, endpoint) == 0 ? 2 : 1;
	udp_close(&udp);
	return n;
}

/*
 * The kernel begins to stamp a little after the first socket of the host asked for it (net_enable_timestamp() leaves that to
 * a worker). Wait for it, and leave the socket open, so that it does not end.
 */
static void begin_stamps(void)
{
	struct endpoint at;
	struct udp udp = open_on(0, &at);
	struct taken taken = { 0 };
	const struct udp_handler handler = handler_of(&taken);
	struct instant end = instant_add(clock_now(), span_ms(WAIT_MS));
	struct instant sent = { INT64_MIN };

	while (taken.datagram_n == 0 || taken.received[0].us > sent.us + 2000) {
		ck_assert(instant_before(clock_now(), end));
		taken.datagram_n = 0;
		sent = clock_now();
		ck_assert_int_eq(udp_send(udp.fd, at, (const uint8_t *)"1", 1), 0);
		(void)usleep(5000);
		ck_assert_int_ge(udp_read(&udp, &handler), 0);
	}
}

int main(void)
{
	Suite *suite = suite_create("udp");
	TCase *tcase = tcase_create("loopback");
	int n = families();
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_unchecked_fixture(tcase, begin_stamps, NULL);
	tcase_add_loop_test(tcase, carries, 0, n);
	tcase_add_loop_test(tcase, receive_time, 0, n);
	tcase_add_loop_test(tcase, receive_time_is_bounded, 0, n);
	tcase_add_loop_test(tcase, batches, 0, n);
	tcase_add_loop_test(tcase, refusals, 0, n);
	tcase_add_loop_test(tcase, batch_with_failures, 0, n);
	tcase_add_loop_test(tcase, open_fails, 0, n);
	tcase_add_loop_test(tcase, source, 0, n);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
