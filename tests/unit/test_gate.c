/* SPDX-License-Identifier: Apache-2.0 */
/* netlink/gate.c against the kernel. Needs root and ip(8); without them it is skipped (exit status 77). */
#include "netlink/gate.h"

#include "tests/unit/test_gate_peer.h"

#include <dirent.h>
#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "netlink/gate_socket.h"

/* The exit status that means "skipped". */
#define EXIT_SKIPPED 77

static const struct gate_config config = { .life = { 200000 }, .renew = { 50000 } };

static struct gate *gate;

static void guard_vips(struct gate *g)
{
	const struct ip ips[] = { ip_of(vip4), ip_of(vip6) };

	ck_assert_int_eq(gate_guard(g, ips, 2, span_s(5)), 0);
}

static void set_up(void)
{
	set_up_network();
	ck_assert_int_eq(gate_open(&config, &gate), 0);
	guard_vips(gate);
}

static void tear_down(void)
{
	gate_close(gate, true);
}

static struct gate_stats stats_of(const struct gate *g)
{
	struct gate_stats stats;

	gate_stats_read(g, &stats);
	return stats;
}

/* Wait for a condition; fail after some seconds. */
#define WAIT_FOR(condition, ms)                                                                          \
	do {                                                                                             \
		const struct instant wait_until = instant_add(clock_now(), span_ms(ms));                 \
		while (!(condition)) {                                                                   \
			ck_assert_msg(instant_before(clock_now(), wait_until), "never: %s", #condition); \
			usleep(500);                                                                     \
		}                                                                                        \
	} while (0)

static void allow_for(struct gate *g, int64_t ms)
{
	gate_allow(g, instant_add(clock_now(), span_ms(ms)));
}

static void open_for_ever(void)
{
	gate_allow(gate, INSTANT_NEVER);
	WAIT_FOR(stats_of(gate).open, 2000);
}

/* Ask each 2 ms until nothing comes back; the times of the last question with an answer and of the first without. */
static void ask_until_silent(struct instant *answered, struct instant *silent)
{
	const struct instant until = instant_add(clock_now(), span_s(5));

	while (arp_answers(vip4, silent)) {
		*answered = *silent;
		ck_assert(instant_before(*answered, until));
		usleep(2000);
	}
}

/* --- tests --- */

START_TEST(nothing_unguarded_is_touched)
{
	ck_assert(arp_answers_now(host4));
	ck_assert(ndp_answers(host6));
}
END_TEST

/* Everything that the gate stands before, in both positions and then again. */
START_TEST(shut_open_shut)
{
	int host[2], i, n;

	host[0] = udp_socket(vip4);
	host[1] = udp_socket(vip6);
	for (i = 0; i < 4; i++) {
		const bool open = i % 2 == 1;

		if (open)
			open_for_ever();
		else
			gate_shut(gate, span_s(2));
		ck_assert_int_eq(stats_of(gate).open, open);
		ck_assert_int_eq(arp_answers_now(vip4), open);
		ck_assert_int_eq(ndp_answers(vip6), open);
		for (n = 0; n < 2; n++) {
			const char *vip = n == 0 ? vip4 : vip6, *peer = n == 0 ? peer4 : peer6;
			const int peer_fd = n == 0 ? peer_udp4 : peer_udp6;

			ck_assert_msg(udp_passes(peer_fd, vip, host[n]) == open, "to %s, open=%d", vip, open);
			ck_assert_msg(udp_passes(host[n], peer, peer_fd) == open, "from %s, open=%d", vip, open);
		}
	}
	ck_assert_uint_eq(stats_of(gate).failures_n, 0);
	close(host[0]);
	close(host[1]);
}
END_TEST

START_TEST(loopback_is_exempt)
{
	int fd = udp_socket(vip4);

	ck_assert(udp_passes(fd, vip4, fd));
	close(fd);
	fd = udp_socket(vip6);
	ck_assert(udp_passes(fd, vip6, fd));
	close(fd);
}
END_TEST

/* Asking the segment for an address that we do not hold, from our link-local one, is allowed; from the address it is not. */
START_TEST(neighbour_discovery_by_hand)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };
	const unsigned int index = if_nametoindex("v0");
	struct sockaddr_storage address;
	int fd = icmp_socket(), bound = icmp_socket();
	const socklen_t len = address_of(vip6, 0, &address);
	struct sockaddr_in6 local = { .sin6_family = AF_INET6, .sin6_scope_id = index };

	/* veth's link-local address by EUI-64 of its MAC. */
	local.sin6_addr = (struct in6_addr){ { { 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0, 1 } } };
	WAIT_FOR(bind(fd, (struct sockaddr *)&local, sizeof(local)) == 0, 5000);
	ck_assert_int_eq(bind(bound, (struct sockaddr *)&address, len), 0);
	for (int open = 0; open < 2; open++) {
		const int gated = open == 1 ? 0 : -EPERM;

		if (open == 1)
			open_for_ever();
		ck_assert_int_eq(send_nd(fd, index, ND_NEIGHBOR_SOLICIT, vip6, mac), 0);
		ck_assert_int_eq(send_nd(fd, index, ND_NEIGHBOR_ADVERT, host6, mac), 0);
		/* The kernel advertises an address from itself; others may do it from another one (proxies). */
		ck_assert_int_eq(send_nd(fd, index, ND_NEIGHBOR_ADVERT, vip6, mac), gated);
		ck_assert_int_eq(send_nd(bound, index, ND_NEIGHBOR_SOLICIT, peer6, mac), gated);
	}
	close(fd);
	close(bound);
}
END_TEST

/* Nobody shuts it: it ends by itself at `until`, not after it, and not much before. */
START_TEST(ends_at_until)
{
	static const int64_t lengths_ms[] = { 300, 120, 40 };

	for (size_t i = 0; i < sizeof(lengths_ms) / sizeof(lengths_ms[0]); i++) {
		const struct instant until = instant_add(clock_now(), span_ms(lengths_ms[i]));
		struct instant answered = { 0 }, silent = { 0 };

		gate_allow(gate, until);
		WAIT_FOR(stats_of(gate).open, 1000);
		ask_until_silent(&answered, &silent);
		printf("until in %d ms: last answer %.1f ms before, first silence %.1f ms before\n", (int)lengths_ms[i],
		       (double)instant_since(until, answered).us / 1000,
		       (double)instant_since(until, silent).us / 1000);
		ck_assert_msg(instant_before(answered, until), "answered %d us after until",
			      (int)instant_since(answered, until).us);
		ck_assert_msg(instant_since(until, silent).us < 25000, "silent %d us before until",
			      (int)instant_since(until, silent).us);
		WAIT_FOR(!stats_of(gate).open, 1000);
	}
	ck_assert_uint_eq(stats_of(gate).failures_n, 0);
}
END_TEST

/* The right moves along, far ahead of now or less than the element's life; then it is cut short. */
static const struct {
	int64_t ahead_ms, step_ms, renew_ms;
} moves[] = { { 400, 10, 50 }, { 200, 10, 50 }, { 100, 10, 50 }, { 150, 90, 50 }, { 120, 60, 180 } };

START_TEST(moving_and_shortened)
{
	const struct gate_config moving = { .life = { 200000 }, .renew = span_ms(moves[_i].renew_ms) };
	const struct instant start = clock_now();
	struct instant answered = { 0 }, silent = { 0 }, until;
	struct gate_stats stats;

	gate_close(gate, true);
	gate = NULL;
	ck_assert_int_eq(gate_open(&moving, &gate), 0);
	guard_vips(gate);
	allow_for(gate, moves[_i].ahead_ms);
	WAIT_FOR(stats_of(gate).open, 50);
	while (instant_since(clock_now(), start).us < 600000) {
		allow_for(gate, moves[_i].ahead_ms);
		usleep((useconds_t)moves[_i].step_ms * 1000);
		ck_assert_msg(arp_answers_now(vip4), "%d ms ahead", (int)moves[_i].ahead_ms);
	}
	stats = stats_of(gate);
	ck_assert_uint_ge(stats.renewals_n, 4);
	ck_assert_uint_le(stats.renewals_n, 20);
	ck_assert_uint_eq(stats.expired_n + stats.failures_n, 0);
	until = instant_add(clock_now(), span_ms(60));
	gate_allow(gate, until);
	ask_until_silent(&answered, &silent);
	ck_assert(instant_before(answered, until));
}
END_TEST

/* Long before the thread's next turn. */
START_TEST(allow_acts_at_once)
{
	static const struct gate_config slow = { .life = { 20000000 }, .renew = { 10000000 } };

	gate_close(gate, true);
	gate = NULL;
	ck_assert_int_eq(gate_open(&slow, &gate), 0);
	guard_vips(gate);
	/* Past the first turns, which end with a check of the tables. */
	usleep(100000);
	for (int i = 0; i < 3; i++) {
		gate_allow(gate, INSTANT_NEVER);
		WAIT_FOR(stats_of(gate).open, 300);
		ck_assert(arp_answers_now(vip4));
		if (i == 0)
			gate_allow(gate, (struct instant){ clock_now().us - 1 });
		else if (i == 1)
			gate_shut(gate, span_s(5));
		else
			allow_for(gate, 30);
		WAIT_FOR(!stats_of(gate).open, 300);
		ck_assert(!arp_answers_now(vip4));
	}
	/* Too little to open for. */
	allow_for(gate, 5);
	usleep(2000);
	ck_assert(!stats_of(gate).open);
	ck_assert_uint_eq(stats_of(gate).failures_n, 0);
}
END_TEST

/* A process with a gate of its own that can be stopped; at its end it tells how it went. */
struct child {
	pid_t pid;
	struct instant until;
	int commands, results;
};

static struct child child_start(int64_t allow_ms)
{
	struct child c;
	int commands[2], results[2];
	char byte;

	ck_assert(pipe2(commands, O_CLOEXEC) == 0 && pipe2(results, O_CLOEXEC) == 0);
	gate_close(gate, true);
	gate = NULL;
	c = (struct child){ fork(), INSTANT_NEVER, commands[1], results[0] };
	ck_assert_int_ge(c.pid, 0);
	if (c.pid == 0) {
		struct gate *g = NULL;
		struct gate_stats stats;

		close(commands[1]);
		if (gate_open(&config, &g) != 0)
			_exit(1);
		guard_vips(g);
		if (allow_ms != 0)
			c.until = instant_add(clock_now(), span_ms(allow_ms));
		gate_allow(g, c.until);
		do
			gate_stats_read(g, &stats);
		while (!stats.open);
		(void)!write(results[1], &c.until, sizeof(c.until));
		(void)!read(commands[0], &byte, 1);
		gate_stats_read(g, &stats);
		(void)!write(results[1], &stats, sizeof(stats));
		gate_close(g, false);
		_exit(0);
	}
	close(commands[0]);
	close(results[1]);
	ck_assert_int_eq(read(c.results, &c.until, sizeof(c.until)), sizeof(c.until));
	return c;
}

static void child_stop(const struct child *c)
{
	int status;

	ck_assert_int_eq(kill(c->pid, SIGSTOP), 0);
	ck_assert_int_eq(waitpid(c->pid, &status, WUNTRACED), c->pid);
	ck_assert(WIFSTOPPED(status));
}

static struct gate_stats child_end(const struct child *c)
{
	struct gate_stats stats;
	int status;

	close(c->commands);
	ck_assert_int_eq(read(c->results, &stats, sizeof(stats)), sizeof(stats));
	ck_assert_int_eq(waitpid(c->pid, &status, 0), c->pid);
	ck_assert_int_eq(status, 0);
	close(c->results);
	return stats;
}

/* A hang: silent within `life` of the last moment that the process ran; and back when it goes on with its right. */
START_TEST(stopped_process_lets_go)
{
	const struct child c = child_start(0);
	struct instant stopped, answered = { 0 }, silent = { 0 };

	usleep(100000);
	ck_assert(arp_answers_now(vip4));
	child_stop(&c);
	stopped = clock_now();
	ask_until_silent(&answered, &silent);
	printf("stopped: last answer %.1f ms later\n", (double)instant_since(answered, stopped).us / 1000);
	ck_assert_int_le(instant_since(answered, stopped).us, config.life.us);
	ck_assert(!ndp_answers(vip6));
	kill(c.pid, SIGCONT);
	WAIT_FOR(arp_answers_now(vip4), 1000);
	ck_assert_uint_ge(child_end(&c).expired_n, 1);
	/* What it left is shut. */
	ck_assert(!arp_answers_now(vip4));
}
END_TEST

/* The kernel alone ends it at `until`; the process wakes later and must not open, not even for a moment. */
START_TEST(late_process_stays_shut)
{
	const struct child c = child_start(120);
	struct instant answered = { 0 }, silent = { 0 };

	child_stop(&c);
	ask_until_silent(&answered, &silent);
	ck_assert_msg(instant_before(answered, c.until), "answered %d us after until",
		      (int)instant_since(answered, c.until).us);
	while (!instant_reached(c.until, clock_now()))
		usleep(1000);
	kill(c.pid, SIGCONT);
	for (int i = 0; i < 10; i++)
		ck_assert(!arp_answers_now(vip4));
	ck_assert(!child_end(&c).open);
}
END_TEST

START_TEST(killed_process_lets_go)
{
	const struct child c = child_start(0);
	struct instant killed, answered = { 0 }, silent = { 0 };

	usleep(100000);
	ck_assert_int_eq(kill(c.pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(c.pid, NULL, 0), c.pid);
	killed = clock_now();
	ask_until_silent(&answered, &silent);
	printf("killed: last answer %.1f ms later\n", (double)instant_since(answered, killed).us / 1000);
	ck_assert_int_le(instant_since(answered, killed).us, config.life.us);
	ck_assert(!ndp_answers(vip6));
	close(c.commands);
	close(c.results);
}
END_TEST

/* --- another program at our tables --- */

static struct gate_batch batch;
static struct gate_socket other;

/* One message of another program; what it names besides the table is attribute 2, of a chain or a set. */
static void interfere(uint16_t type, uint16_t family, const char *name)
{
	_Alignas(8) static uint8_t bytes[65536];
	struct nlmsghdr *nlh;

	batch.bytes = bytes;
	gate_batch_begin(&batch, ++other.seq);
	nlh = nftnl_nlmsg_build_hdr((char *)bytes + batch.len, type, family,
				    type == NFT_MSG_NEWTABLE ? NLM_F_CREATE : 0, batch.seq);
	if (family != NFPROTO_UNSPEC)
		mnl_attr_put_strz(nlh, 1, GATE_TABLE);
	if (type == NFT_MSG_NEWTABLE)
		mnl_attr_put_u32(nlh, NFTA_TABLE_FLAGS, htonl(NFT_TABLE_F_DORMANT));
	else if (name != NULL)
		mnl_attr_put_strz(nlh, 2, name);
	batch.len += nlh->nlmsg_len;
	gate_batch_end(&batch);
	ck_assert_int_eq(gate_socket_commit(&other, &batch), 0);
}

static const struct {
	const char *what;
	uint16_t type, family;
	const char *name;
} interferences[] = {
	{ "everything", NFT_MSG_DELTABLE, NFPROTO_UNSPEC, NULL },
	{ "arp table", NFT_MSG_DELTABLE, NFPROTO_ARP, NULL },
	{ "inet table", NFT_MSG_DELTABLE, NFPROTO_INET, NULL },
	{ "arp rules", NFT_MSG_DELRULE, NFPROTO_ARP, "output" },
	{ "input rules", NFT_MSG_DELRULE, NFPROTO_INET, "input" },
	{ "all inet rules", NFT_MSG_DELRULE, NFPROTO_INET, NULL },
	{ "arp addresses", NFT_MSG_DELSETELEM, NFPROTO_ARP, GATE_SET_VIPS4 },
	{ "IPv4 addresses", NFT_MSG_DELSETELEM, NFPROTO_INET, GATE_SET_VIPS4 },
	{ "IPv6 addresses", NFT_MSG_DELSETELEM, NFPROTO_INET, GATE_SET_VIPS6 },
	{ "arp hooks", NFT_MSG_NEWTABLE, NFPROTO_ARP, NULL },
	{ "inet hooks", NFT_MSG_NEWTABLE, NFPROTO_INET, NULL },
};

/* Shut or open, it comes back as it was, and within a second. */
START_TEST(interference_is_made_good)
{
	int host = udp_socket(vip6);

	ck_assert_int_eq(gate_socket_open(&other), 0);
	for (int turn = 0; turn < 2; turn++) {
		const struct gate_stats before = stats_of(gate);
		struct gate_stats after;

		interfere(interferences[_i].type, interferences[_i].family, interferences[_i].name);
		WAIT_FOR((after = stats_of(gate)).flushes_n > before.flushes_n && after.state == GATE_UP, 1000);
		if (turn == 1)
			WAIT_FOR(stats_of(gate).open, 500);
		ck_assert_msg(arp_answers_now(vip4) == (turn == 1), "%s", interferences[_i].what);
		ck_assert_msg(ndp_answers(vip6) == (turn == 1), "%s", interferences[_i].what);
		ck_assert_msg(udp_passes(peer_udp6, vip6, host) == (turn == 1), "%s", interferences[_i].what);
		ck_assert_uint_eq(after.flushes_n, before.flushes_n + 1);
		ck_assert_int_gt(after.absent.us, before.absent.us);
		if (turn == 0)
			printf("%s gone: %.1f ms\n", interferences[_i].what, (double)after.absent.us / 1000);
		open_for_ever();
	}
	gate_shut(gate, span_s(2));
	ck_assert(!arp_answers_now(vip4) && !ndp_answers(vip6) && !udp_passes(peer_udp6, vip6, host));
	ck_assert_uint_eq(stats_of(gate).failures_n, 0);
	gate_socket_close(&other);
	close(host);
}
END_TEST

/* The process sleeps through so many events of others that the kernel drops those about its own tables. */
START_TEST(interference_in_lost_events)
{
	const struct child c = child_start(0);
	struct gate_stats stats;

	if (system("nft -v >/dev/null 2>&1") != 0) {
		puts("interference_in_lost_events: needs nft(8): skipped");
		kill(c.pid, SIGKILL);
		waitpid(c.pid, NULL, 0);
		return;
	}
	child_stop(&c);
	run("nft add table inet other && nft add set inet other s '{ type ipv4_addr; }'");
	run("{ echo -n 'add element inet other s { 10.0.0.1';"
	    " for i in $(seq 60000); do echo -n \", 10.1.$((i/250)).$((i%%250))\"; done; echo ' }'; }"
	    " | nft -f - 2>/dev/null");
	ck_assert_int_eq(gate_socket_open(&other), 0);
	interfere(NFT_MSG_DELSETELEM, NFPROTO_ARP, GATE_SET_VIPS4);
	gate_socket_close(&other);
	ck_assert_msg(arp_answers_now(vip4), "the address still stands behind the gate");
	kill(c.pid, SIGCONT);
	usleep(1500000);
	stats = child_end(&c);
	ck_assert_uint_eq(stats.flushes_n, 1);
	ck_assert(!arp_answers_now(vip4));
}
END_TEST

/* Other tables are none of our business. */
START_TEST(others_are_left_alone)
{
	if (system("nft -v >/dev/null 2>&1") != 0) {
		puts("others_are_left_alone: needs nft(8): skipped");
		return;
	}
	open_for_ever();
	run("for i in 1 2 3; do nft add table ip mlbd; nft add table inet mlbd2; nft delete table ip mlbd; done");
	usleep(100000);
	ck_assert_uint_eq(stats_of(gate).flushes_n, 0);
	gate_close(gate, true);
	gate = NULL;
	run("nft list table inet mlbd2 >/dev/null");
}
END_TEST

/* --- addresses --- */

START_TEST(guarded_list_is_replaced)
{
	const struct ip both[] = { ip_of(vip6), ip_of(vip4), ip_of(host4), ip_of(vip4) };
	const struct ip strange = { 0 };
	static struct ip many[ADDRESS_MAX + 1];

	ck_assert_int_eq(gate_guard(gate, both, 1, span_s(5)), 0);
	ck_assert(arp_answers_now(vip4) && arp_answers_now(host4) && !ndp_answers(vip6));
	ck_assert_int_eq(gate_guard(gate, both, 4, span_s(5)), 0);
	ck_assert(!arp_answers_now(vip4) && !arp_answers_now(host4) && !ndp_answers(vip6));
	ck_assert_int_eq(gate_guard(gate, both + 1, 1, span_s(5)), 0);
	ck_assert(!arp_answers_now(vip4) && arp_answers_now(host4) && ndp_answers(vip6));
	ck_assert_int_eq(gate_guard(gate, &strange, 1, span_s(5)), -EINVAL);
	ck_assert_int_eq(gate_guard(gate, many, ADDRESS_MAX + 1, span_s(5)), -EINVAL);
	ck_assert_int_eq(gate_guard(gate, NULL, 0, span_s(5)), 0);
	ck_assert(arp_answers_now(vip4) && arp_answers_now(host4) && ndp_answers(vip6));
	ck_assert_uint_eq(stats_of(gate).failures_n, 0);
}
END_TEST

static struct ip many_at(size_t i, bool v6)
{
	const uint8_t v6_bytes[16] = { 0xfd, [13] = 1, [14] = (uint8_t)(i >> 8), [15] = (uint8_t)i };
	const uint8_t v4_bytes[4] = { 10, 1, (uint8_t)(i >> 8), (uint8_t)i };

	return v6 ? ip_from_v6(v6_bytes) : ip_from_v4(v4_bytes);
}

/* How many addresses the kernel has, by family; it must be the same in both IPv4 sets. */
static void check_counts(size_t v4_n, size_t v6_n)
{
	size_t count[3];

	ck_assert_int_eq(gate_socket_open(&other), 0);
	ck_assert_int_eq(gate_socket_count(&other, count), 0);
	ck_assert_uint_eq(count[0], v4_n);
	ck_assert_uint_eq(count[1], v4_n);
	ck_assert_uint_eq(count[2], v6_n);
	gate_socket_close(&other);
}

/* Ten thousand of each family, while it stays open; then as many as there may be at all, and a flush. */
START_TEST(many_addresses)
{
	static struct ip ips[ADDRESS_MAX];
	struct instant flushed, answered = { 0 }, silent = { 0 };
	struct gate_stats stats;

	open_for_ever();
	for (int v6 = 0; v6 < 2; v6++) {
		struct instant before = clock_now();

		for (size_t i = 0; i < 10000; i++)
			ips[i] = many_at(i, v6 == 1);
		ips[0] = ip_of(v6 == 1 ? vip6 : vip4);
		ck_assert_int_eq(gate_guard(gate, ips, 10000, span_s(20)), 0);
		printf("guard 10,000 IPv%d: %.1f ms\n", v6 == 1 ? 6 : 4,
		       (double)instant_since(clock_now(), before).us / 1000);
		check_counts(v6 == 1 ? 0 : 10000, v6 == 1 ? 10000 : 0);
	}
	stats = stats_of(gate);
	ck_assert(stats.open);
	ck_assert_uint_eq(stats.flushes_n + stats.failures_n, 0);
	for (size_t i = 0; i < ADDRESS_MAX; i++)
		ips[i] = many_at(i, i % 2 == 1);
	ips[0] = ip_of(vip4);
	gate_shut(gate, span_s(2));
	ck_assert_int_eq(gate_guard(gate, ips, ADDRESS_MAX, span_s(20)), 0);
	ck_assert_int_eq(gate_socket_open(&other), 0);
	interfere(NFT_MSG_DELTABLE, NFPROTO_UNSPEC, NULL);
	flushed = clock_now();
	gate_socket_close(&other);
	ask_until_silent(&answered, &silent);
	WAIT_FOR((stats = stats_of(gate)).flushes_n == 1 && stats.state == GATE_UP, 5000);
	printf("flushed with %d addresses: silent after %.1f ms, %.1f ms without\n", ADDRESS_MAX,
	       (double)instant_since(silent, flushed).us / 1000, (double)stats.absent.us / 1000);
	check_counts(ADDRESS_MAX / 2, ADDRESS_MAX / 2);
}
END_TEST

/* Only as long as asked; the list arrives all the same. */
START_TEST(guard_does_not_wait_longer)
{
	static struct ip ips[10000];
	const struct ip one = ip_of(vip4);

	for (size_t i = 0; i < 10000; i++)
		ips[i] = many_at(i, true);
	ck_assert_int_eq(gate_guard(gate, ips, 10000, span_us(0)), -ETIMEDOUT);
	ck_assert_int_eq(gate_guard(gate, &one, 1, span_us(0)), -ETIMEDOUT);
	ck_assert_int_eq(gate_guard(gate, ips + 1, 9999, span_s(20)), 0);
	check_counts(0, 9999);
}
END_TEST

/* --- life of the whole --- */

static int table_state(void)
{
	uint64_t fingerprint;
	int err;

	ck_assert_int_eq(gate_socket_open(&other), 0);
	err = gate_socket_fingerprint(&other, &fingerprint);
	gate_socket_close(&other);
	return err;
}

START_TEST(close_and_take_over)
{
	open_for_ever();
	gate_close(gate, false);
	ck_assert_int_eq(table_state(), 0);
	ck_assert(!arp_answers_now(vip4) && !ndp_answers(vip6));
	/* As a crash leaves them: two of everything would show in the counts. */
	gate = NULL;
	ck_assert_int_eq(gate_open(&config, &gate), 0);
	check_counts(0, 0);
	guard_vips(gate);
	check_counts(1, 1);
	ck_assert(!arp_answers_now(vip4));
	open_for_ever();
	ck_assert(arp_answers_now(vip4) && ndp_answers(vip6));
	gate_close(gate, true);
	gate = NULL;
	ck_assert_int_eq(table_state(), -ENOENT);
	ck_assert(arp_answers_now(vip4) && ndp_answers(vip6));
}
END_TEST

/* The thread of this process with that name; 0: none. */
static pid_t thread_named(const char *name)
{
	DIR *tasks = opendir("/proc/self/task");
	const struct dirent *task;
	pid_t found = 0;

	ck_assert_ptr_nonnull(tasks);
	while (found == 0 && (task = readdir(tasks)) != NULL) {
		char path[300], comm[32] = "";
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", task->d_name);
		f = fopen(path, "r");
		if (f == NULL)
			continue;
		if (fgets(comm, sizeof(comm), f) != NULL && strncmp(comm, name, strlen(name)) == 0)
			found = (pid_t)strtol(task->d_name, NULL, 10);
		fclose(f);
	}
	closedir(tasks);
	return found;
}

/* A main loop of real-time priority that has much to do does not keep the gate shut: the daemon resets what threads inherit. */
START_TEST(thread_goes_before_its_caller)
{
	const struct sched_param realtime = { .sched_priority = 5 }, none = { 0 };
	struct sched_param param = { 0 };

	tear_down();
	ck_assert_int_eq(setpriority(PRIO_PROCESS, 0, -5), 0);
	ck_assert_int_eq(sched_setscheduler(0, (_i == 0 ? SCHED_RR : SCHED_OTHER) | SCHED_RESET_ON_FORK,
					    _i == 0 ? &realtime : &none),
			 0);
	ck_assert_int_eq(gate_open(&config, &gate), 0);
	WAIT_FOR(thread_named("mlbd-gate") != 0, 10000);
	WAIT_FOR(getpriority(PRIO_PROCESS, (id_t)thread_named("mlbd-gate")) == -5, 10000);
	if (_i == 0) {
		WAIT_FOR((sched_getscheduler(thread_named("mlbd-gate")) & ~SCHED_RESET_ON_FORK) == SCHED_RR, 10000);
		ck_assert_int_eq(sched_getparam(thread_named("mlbd-gate"), &param), 0);
		ck_assert_int_eq(param.sched_priority, 6);
	}
}
END_TEST

START_TEST(refusals)
{
	static const struct gate_config bad[] = { { { 10000 }, { 5000 } },
						  { { 200000 }, { 200000 } },
						  { { 200000 }, { 0 } } };
	struct gate *g = NULL;
	int status;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(gate_open(&bad[i], &g), -EINVAL);
	if (fork() == 0)
		_exit(setuid(65534) == 0 && gate_open(&config, &g) == -EPERM && g == NULL ? 0 : 1);
	ck_assert_int_gt(wait(&status), 0);
	ck_assert_int_eq(status, 0);
	/* Without a gate. */
	gate_allow(NULL, INSTANT_NEVER);
	gate_shut(NULL, span_s(1));
	ck_assert_int_eq(gate_guard(NULL, NULL, 0, span_s(1)), -EOPNOTSUPP);
	ck_assert_int_eq(stats_of(NULL).state, GATE_UNSUPPORTED);
	gate_close(NULL, true);
}
END_TEST

static Suite *suite_of_all(void)
{
	Suite *suite = suite_create("gate");
	TCase *tcase = tcase_create("gate");

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, nothing_unguarded_is_touched);
	tcase_add_test(tcase, shut_open_shut);
	tcase_add_test(tcase, loopback_is_exempt);
	tcase_add_test(tcase, neighbour_discovery_by_hand);
	tcase_add_test(tcase, ends_at_until);
	tcase_add_loop_test(tcase, moving_and_shortened, 0, sizeof(moves) / sizeof(moves[0]));
	tcase_add_test(tcase, allow_acts_at_once);
	tcase_add_test(tcase, stopped_process_lets_go);
	tcase_add_test(tcase, late_process_stays_shut);
	tcase_add_test(tcase, killed_process_lets_go);
	tcase_add_loop_test(tcase, interference_is_made_good, 0, sizeof(interferences) / sizeof(interferences[0]));
	tcase_add_test(tcase, interference_in_lost_events);
	tcase_add_test(tcase, others_are_left_alone);
	tcase_add_test(tcase, guarded_list_is_replaced);
	tcase_add_test(tcase, many_addresses);
	tcase_add_test(tcase, guard_does_not_wait_longer);
	tcase_add_test(tcase, close_and_take_over);
	tcase_add_loop_test(tcase, thread_goes_before_its_caller, 0, 2);
	tcase_add_test(tcase, refusals);
	return suite;
}

/* Can this kernel do it at all? In a namespace of its own, which also keeps a CK_FORK=no run off the host. */
static bool possible(void)
{
	struct gate *g = NULL;
	int err;

	if (geteuid() != 0 || system("ip -V >/dev/null 2>&1") != 0) {
		puts("test_gate: needs root and ip(8): skipped");
		return false;
	}
	if (unshare(CLONE_NEWNET) != 0) {
		printf("test_gate: no network namespace (%s): skipped\n", strerror(errno));
		return false;
	}
	err = gate_open(&config, &g);
	if (err == -EOPNOTSUPP)
		puts("test_gate: no nf_tables in this kernel: skipped");
	gate_close(g, true);
	return err != -EOPNOTSUPP;
}

int main(void)
{
	SRunner *runner;
	int failed;

	if (!possible())
		return EXIT_SKIPPED;
	runner = srunner_create(suite_of_all());
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
