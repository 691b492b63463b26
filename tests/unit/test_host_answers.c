/* SPDX-License-Identifier: Apache-2.0 */
/*
 * daemon/host and the segment: who answers for what in each mode, questions, and what others say. Needs root and ip(8); without
 * them it is skipped (exit status 77).
 */
#include "tests/unit/test_host_net.h"

#include <arpa/inet.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static const struct mac stranger = { { 0x02, 0, 0, 0, 0, 0x77 } };

static const struct mode_case {
	const char *ip;
	enum claim_mode mode;
	const char *sysctl; /* set before, or NULL */
	bool kernel;	    /* the kernel answers, not the daemon */
} modes[] = {
	{ vip4, CLAIM_ADDRESS, NULL, true }, { vip6, CLAIM_ADDRESS, NULL, true },
	{ vip4, CLAIM_ROUTE, NULL, true },   { vip4, CLAIM_ROUTE, "net.ipv4.conf.v0.arp_ignore=1", false },
	{ vip6, CLAIM_ROUTE, NULL, false },  { vip4, CLAIM_NONE, NULL, false },
	{ vip6, CLAIM_NONE, NULL, false },
};

static void set_sysctl(const char *setting)
{
	if (setting != NULL)
		run("sysctl -qw %s", setting);
}

/* Make the peer's kernel look for an address: a packet to the discard port. */
static void peer_sends_to(const char *ip)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(9) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(9) };
	bool is_v4 = ip_of(ip).family == IP_V4;
	int fd;

	ck_assert_int_eq(
		inet_pton(is_v4 ? AF_INET : AF_INET6, ip, is_v4 ? (void *)&v4.sin_addr : (void *)&v6.sin6_addr), 1);
	enter(peer_ns);
	fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	(void)sendto(fd, "x", 1, 0, is_v4 ? (const struct sockaddr *)&v4 : (const struct sockaddr *)&v6,
		     is_v4 ? sizeof(v4) : sizeof(v6));
	close(fd);
	enter(own_ns);
}

/* Does the peer's kernel learn the MAC of v0 for the address, within ms? Repeats its packet. */
static bool peer_resolves(const char *ip, int64_t ms)
{
	struct instant until = instant_add(clock_now(), span_ms(ms));
	char text[MAC_TEXT_MAX], command[128];

	mac_format(mac_of("v0"), text);
	(void)snprintf(command, sizeof(command), "ip neigh show %s", ip);
	PEER_RUN("ip neigh flush dev v1 && ip neigh flush dev w1");
	do {
		peer_sends_to(ip);
		turn_for(50);
		if (peer_prints(command, text))
			return true;
	} while (instant_before(clock_now(), until));
	return false;
}

/* The schedule's early announcements are over, so that what comes now is an answer. */
static void claim_quietly(const char *ip, const char *iface, enum claim_mode mode)
{
	claim(ip, iface, mode);
	turn_for(150);
	peer_forget();
}

START_TEST(kernel_of_a_peer_resolves)
{
	const struct mode_case *c = &modes[_i];

	set_sysctl(c->sysctl);
	claim_quietly(c->ip, "v0", c->mode);
	ck_assert(peer_resolves(c->ip, WAIT_MS));
	if (!c->kernel) {
		/* without the right the daemon is silent; with it again it is not */
		host_right(host, false);
		ck_assert(!peer_resolves(c->ip, 400));
		host_right(host, true);
		ck_assert(peer_resolves(c->ip, WAIT_MS));
	}
	host_release(host, ip_of(c->ip));
	ck_assert(!peer_resolves(c->ip, 400));
}
END_TEST

/* The question of a host: its kind by the family of the address. */
static void peer_asks(const char *iface, const char *ip, bool probe)
{
	struct mac mac = peer_mac_of(iface);

	if (ip_of(ip).family == IP_V4) {
		struct arp_packet packet =
			arp_request(mac, probe ? (struct ip){ .family = IP_V4 } : ip_of("192.0.2.2"), ip_of(ip));

		peer_send_arp(iface, &packet);
	} else {
		struct ndp_frame frame = ndp_frame_solicitation(mac, ip_of("2001:db8::2"), ip_of(ip));

		if (probe) {
			frame.source = ip_of("::");
			frame.packet.has_mac = false;
		}
		peer_send_ndp(iface, &frame);
	}
}

/* What the daemon answers is what the RFCs say, to questions and to probes. */
START_TEST(answers_in_form)
{
	const struct mode_case *c = &modes[_i];
	struct mac mac = mac_of("v0");
	struct arp_packet arp;
	struct ndp_frame ndp;
	uint32_t ifindex;

	set_sysctl(c->sysctl);
	claim_quietly(c->ip, "v0", c->mode);
	for (int probe = 0; probe < 2; probe++) {
		peer_asks("v1", c->ip, probe);
		if (ip_of(c->ip).family == IP_V4) {
			ck_assert(peer_hears_arp(c->ip, 500, &arp, &ifindex));
			ck_assert_int_eq(arp.operation, ARP_OP_REPLY);
			ck_assert(mac_equal(arp.sender_mac, mac) && mac_equal(arp.ethernet_source, mac));
			ck_assert(mac_equal(arp.ethernet_target, peer_mac_of("v1"))); /* unicast */
			ck_assert(ip_equal(arp.target_ip, ip_of(probe ? "0.0.0.0" : "192.0.2.2")));
			continue;
		}
		ck_assert(peer_hears_advertisement(c->ip, 500, &ndp, &ifindex));
		ck_assert(ndp.packet.has_mac && mac_equal(ndp.packet.mac, mac));
		ck_assert(ndp.packet.override && ndp.packet.solicited == !probe && !ndp.packet.router);
		ck_assert(ip_equal(ndp.destination, ip_of(probe ? "ff02::1" : "2001:db8::2")));
		ck_assert(probe || mac_equal(ndp.ethernet_target, peer_mac_of("v1")));
		ck_assert(c->kernel || ip_equal(ndp.source, ip_of(vip6)));
	}
}
END_TEST

/* R is as this host forwards. */
START_TEST(router_flag)
{
	struct ndp_frame frame;
	uint32_t ifindex;

	run("sysctl -qw net.ipv6.conf.v0.forwarding=1");
	claim_quietly(vip6, "v0", CLAIM_NONE);
	peer_asks("v1", vip6, false);
	ck_assert(peer_hears_advertisement(vip6, 500, &frame, &ifindex));
	ck_assert(frame.packet.router && frame.packet.solicited);
}
END_TEST

/* A solicitation by unicast, as neighbours send to see whether we are still there (RFC 4861 7.3.3), without the option. */
START_TEST(unicast_solicitation)
{
	struct ndp_frame frame = ndp_frame_solicitation(peer_mac_of("v1"), ip_of("2001:db8::2"), ip_of(vip6));

	claim_quietly(vip6, "v0", modes[_i].mode);
	frame.ethernet_target = mac_of("v0");
	frame.destination = ip_of(vip6);
	frame.packet.has_mac = false;
	peer_send_ndp("v1", &frame);
	ck_assert(peer_hears_advertisement(vip6, 500, &frame, &(uint32_t){ 0 }));
	ck_assert(frame.packet.solicited && mac_equal(frame.ethernet_target, peer_mac_of("v1")));
}
END_TEST

/* Only on the interface of the claim: the daemon's own answers are strict. */
START_TEST(other_interface_is_silent)
{
	const struct mode_case *c = &modes[_i];
	struct arp_packet arp;
	struct ndp_frame ndp;
	uint32_t ifindex;

	if (c->kernel)
		return;
	/* also for the other interface: the kernel must not answer there either */
	set_sysctl("net.ipv4.conf.all.arp_ignore=1");
	claim_quietly(c->ip, "v0", c->mode);
	for (int probe = 0; probe < 2; probe++) {
		peer_asks("w1", c->ip, probe);
		ck_assert(!peer_hears_arp(vip4, 200, &arp, &ifindex));
		ck_assert(!peer_hears_advertisement(vip6, 200, &ndp, &ifindex));
	}
	peer_asks("v1", c->ip, false); /* and it is awake */
	ck_assert(ip_of(c->ip).family == IP_V4 ? peer_hears_arp(vip4, 500, &arp, &ifindex)
					       : peer_hears_advertisement(vip6, 500, &ndp, &ifindex));
}
END_TEST

/* Addresses beside ours, before the claim and after the release: silence. */
START_TEST(others_are_not_answered)
{
	struct arp_packet arp;
	struct ndp_frame ndp;
	uint32_t ifindex;

	claim_quietly(vip4, "v0", CLAIM_NONE);
	claim_quietly(vip6, "v0", CLAIM_NONE);
	peer_asks("v1", "192.0.2.11", false);
	peer_asks("v1", "2001:db8::11", false);
	/* announcements are not questions */
	peer_send_arp("v1", &(struct arp_packet){ stranger,
						  { { 255, 255, 255, 255, 255, 255 } },
						  ARP_OP_REQUEST,
						  stranger,
						  ip_of(vip4),
						  { { 0 } },
						  ip_of(vip4) });
	ck_assert(!peer_hears_arp("192.0.2.11", 100, &arp, &ifindex));
	ck_assert(!peer_hears_advertisement("2001:db8::11", 100, &ndp, &ifindex));
	ck_assert(!peer_hears_arp(vip4, 100, &arp, &ifindex));
}
END_TEST

/* The groups of solicitations are joined where the kernel does not do it, and left. */
START_TEST(groups)
{
	const struct mode_case *c = &modes[_i];
	const char *command = "ip -6 maddr show dev v0";

	if (ip_of(c->ip).family != IP_V6)
		return;
	ck_assert(!prints(command, "ff02::1:ff00:10"));
	claim_quietly(c->ip, "v0", c->mode);
	ck_assert(prints(command, "ff02::1:ff00:10"));
	/* another address of the same group, and its end */
	claim_quietly("2001:db8:1::10", "v0", c->mode);
	host_release(host, ip_of("2001:db8:1::10"));
	turn_for(50);
	ck_assert(prints(command, "ff02::1:ff00:10"));
	host_release(host, ip_of(c->ip));
	turn_for(50);
	ck_assert(!prints(command, "ff02::1:ff00:10"));
}
END_TEST

/* Thousands of groups: joined a few at a time; meanwhile the interface takes all multicast. */
START_TEST(many_groups)
{
	struct ip ip = ip_of("2001:db8:2::");

	for (unsigned int i = 0; i < 3000; i++) {
		ip.bytes[14] = (uint8_t)(i >> 8);
		ip.bytes[15] = (uint8_t)i;
		host_claim(host, ip, "v0", CLAIM_NONE, 0, clock_now());
	}
	TURN_UNTIL(told.claimed_n > 2000);
	/* flag IFF_ALLMULTI of packet sockets is a count, not a flag that ip(8) shows: "allmulti 1" */
	ck_assert(prints("ip -d link show dev v0", "allmulti 1"));
	TURN_UNTIL(prints("ip -d link show dev v0", "allmulti 0"));
	ck_assert(prints("ip -6 maddr show dev v0", "ff02::1:ff00:bb7"));
	ck_assert(prints("ip -6 maddr show dev v0", "ff02::1:ff00:500"));
}
END_TEST

/* ---- asking and hearing ---- */

static void peer_says(const char *kind, const char *ip, struct mac mac)
{
	const struct mac broadcast = { { 255, 255, 255, 255, 255, 255 } };

	if (strcmp(kind, "request") == 0)
		peer_send_arp(
			"v1",
			&(struct arp_packet){
				mac, broadcast, ARP_OP_REQUEST, mac, ip_of(ip), { { 0 } }, ip_of("192.0.2.200") });
	else if (strcmp(kind, "reply") == 0)
		peer_send_arp("v1",
			      &(struct arp_packet){ mac, broadcast, ARP_OP_REPLY, mac, ip_of(ip), mac, ip_of(ip) });
	else if (strcmp(kind, "advertisement") == 0)
		peer_send_ndp("v1", &(struct ndp_frame){ mac,
							 { { 0x33, 0x33, 0, 0, 0, 1 } },
							 ip_of(ip),
							 ip_of("ff02::1"),
							 ndp_unsolicited(ip_of(ip), mac, false) });
	else
		peer_send_ndp("v1",
			      &(struct ndp_frame){ mac,
						   { { 0x33, 0x33, 0, 0, 0, 1 } },
						   ip_of(ip),
						   ndp_solicited_node(ip_of("2001:db8::33")),
						   { .kind = NDP_SOLICITATION, .target = ip_of("2001:db8::33") } });
}

static const struct {
	const char *kind;
	const char *ip;
} sayings[] = { { "request", vip4 }, { "reply", vip4 }, { "advertisement", vip6 }, { "solicitation", vip6 } };

/* Somebody speaks for what we hold, in whatever way: told every time, in every mode. */
START_TEST(strangers_are_told)
{
	const char *ip = sayings[_i].ip;

	/* nobody asked, nothing is held */
	peer_says(sayings[_i].kind, ip, stranger);
	turn_for(50);
	ck_assert_uint_eq(told.answer_n, 0);
	for (enum claim_mode mode = CLAIM_ADDRESS; mode <= CLAIM_NONE; mode++) {
		claim(ip, "v0", mode);
		for (int i = 0; i < 2; i++) {
			told.answer_n = 0;
			peer_says(sayings[_i].kind, ip, stranger);
			TURN_UNTIL(told.answer_n == 1);
			ck_assert(ip_equal(told.answered, ip_of(ip)) && mac_equal(told.answer_mac, stranger));
			ck_assert_str_eq(told.answer_iface, "v0");
			ck_assert(told.answer_ours);
		}
		/* our own MAC, as a loop or another interface of ours brings it back */
		peer_says(sayings[_i].kind, ip, mac_of("w0"));
		turn_for(50);
		ck_assert_uint_eq(told.answer_n, 1);
		host_release(host, ip_of(ip));
	}
}
END_TEST

static const struct {
	const char *ip;
	size_t answer_n; /* of the peer's kernel: to the request and to the probe */
} questions[] = { { "192.0.2.2", 2 }, { "2001:db8::2", 1 }, { "192.0.2.77", 0 }, { "2001:db8::77", 0 } };

/* A question is answered by its owner, if there is one; later words of others count for a while. */
START_TEST(ask)
{
	const char *ip = questions[_i].ip;
	bool is_v4 = ip_of(ip).family == IP_V4;

	host_ask(host, ip_of(ip), "v0");
	host_ask(host, ip_of(ip), "v0"); /* still waiting: once is enough */
	host_ask(host, ip_of(ip), "nope");
	turn_for(300);
	ck_assert_uint_eq(told.answer_n, questions[_i].answer_n);
	if (told.answer_n > 0) {
		ck_assert(ip_equal(told.answered, ip_of(ip)) && mac_equal(told.answer_mac, peer_mac_of("v1")));
		ck_assert(!told.answer_ours);
	}
	told.answer_n = 0;
	peer_says(is_v4 ? "reply" : "advertisement", ip, stranger);
	TURN_UNTIL(told.answer_n == 1);
	ck_assert(mac_equal(told.answer_mac, stranger));
	turn_for(HOST_ASK_S * 1000);
	peer_says(is_v4 ? "reply" : "advertisement", ip, stranger);
	turn_for(50);
	ck_assert_uint_eq(told.answer_n, 1);
}
END_TEST

/* What we hold is asked for in both forms, but one at a time. */
START_TEST(probes_take_turns)
{
	struct arp_packet arp;
	uint32_t ifindex;

	host_probe(host, ip_of("192.0.2.78")); /* not ours: nothing */
	claim(vip4, "v0", CLAIM_ADDRESS);
	for (size_t i = 0; i < 4; i++) {
		const char *sender = i % 2 == 0 ? "0.0.0.0" : "192.0.2.1";
		const char *other = i % 2 == 0 ? "192.0.2.1" : "0.0.0.0";

		peer_forget();
		host_probe(host, ip_of(vip4));
		ck_assert(peer_hears_arp(sender, 2000, &arp, &ifindex));
		ck_assert(arp.operation == ARP_OP_REQUEST && ip_equal(arp.target_ip, ip_of(vip4)));
		ck_assert(!peer_hears_arp(other, 50, &arp, &ifindex));
	}
}
END_TEST

/* How the question looks on the wire. */
START_TEST(question_in_form)
{
	const struct mac zero = { { 0 } };
	struct arp_packet arp;
	struct ndp_frame ndp;
	uint32_t ifindex;
	bool found = false;

	claim(vip4, "v0", CLAIM_ADDRESS); /* never the sender */
	claim(vip6, "v0", CLAIM_ADDRESS);
	peer_forget();
	host_ask(host, ip_of("192.0.2.77"), "v0");
	ck_assert(peer_hears_arp("192.0.2.1", 500, &arp, &ifindex));
	ck_assert(arp.operation == ARP_OP_REQUEST && ip_equal(arp.target_ip, ip_of("192.0.2.77")));
	ck_assert(mac_equal(arp.sender_mac, mac_of("v0")) && mac_equal(arp.target_mac, zero));
	ck_assert(peer_hears_arp("0.0.0.0", 500, &arp, &ifindex));
	ck_assert(arp.operation == ARP_OP_REQUEST && ip_equal(arp.target_ip, ip_of("192.0.2.77")));
	host_ask(host, ip_of("2001:db8::77"), "v0");
	turn_for(100);
	while (!found && ndp_socket_read(peer_ndp, &ndp, &ifindex) == 1)
		found = ndp.packet.kind == NDP_SOLICITATION && ip_equal(ndp.packet.target, ip_of("2001:db8::77"));
	ck_assert(found);
	ck_assert(ip_is_link_local(ndp.source) && ip_equal(ndp.destination, ip_of("ff02::1:ff00:77")));
	ck_assert(ndp.packet.has_mac && mac_equal(ndp.packet.mac, mac_of("v0")));
	/* no address of its own: a probe alone */
	run("ip addr flush dev w0");
	turn_for(50);
	peer_forget();
	host_ask(host, ip_of("192.0.2.78"), "w0");
	turn_for(50);
	ck_assert_int_eq(arp_socket_read(peer_arp, &arp, &ifindex), 1);
	ck_assert(ip_equal(arp.sender_ip, ip_of("0.0.0.0")) && ip_equal(arp.target_ip, ip_of("192.0.2.78")));
	ck_assert_int_eq(arp_socket_read(peer_arp, &arp, &ifindex), 0);
}
END_TEST

/* The neighbour of one of our subnets is found without the name of an interface. */
START_TEST(solicit)
{
	struct arp_packet packet;
	uint32_t ifindex;

	peer_forget();
	host_solicit(host, ip_of("198.51.100.2"));
	host_solicit(host, ip_of("203.0.113.1")); /* behind a router: nothing */
	ck_assert(peer_hears_arp("198.51.100.1", 500, &packet, &ifindex));
	ck_assert_uint_eq(ifindex, peer_index_of("w1"));
	TURN_UNTIL(told.answer_n == 2); /* to the request and to the probe */
	ck_assert(ip_equal(told.answered, ip_of("198.51.100.2")) && !told.answer_ours);
	ck_assert_str_eq(told.answer_iface, "w0");
}
END_TEST

/* Any packet of another host is a sign of life, not too often, and our own are none. */
START_TEST(heard)
{
	struct instant start = clock_now();

	while (instant_since(clock_now(), start).us < span_ms(500).us) {
		peer_says("request", "192.0.2.66", stranger);
		peer_says("solicitation", "2001:db8::66", stranger);
		turn(1);
	}
	ck_assert_uint_ge(told.heard_n, 5);
	ck_assert_uint_le(told.heard_n, 11);
	ck_assert_str_eq(told.heard_iface, "v0");
	turn_for(100);
	told.heard_n = 0;
	peer_says("request", "192.0.2.66", mac_of("v0"));
	turn_for(100);
	ck_assert_uint_eq(told.heard_n, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("host_answers");
	TCase *tcase = tcase_create("host_answers");
	SRunner *runner;
	int failed;

	if (!may_run("test_host_answers"))
		return EXIT_SKIPPED;
	runner = srunner_create(suite);
	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_loop_test(tcase, kernel_of_a_peer_resolves, 0, ARRAY_LEN(modes));
	tcase_add_loop_test(tcase, answers_in_form, 0, ARRAY_LEN(modes));
	tcase_add_test(tcase, router_flag);
	tcase_add_loop_test(tcase, unicast_solicitation, 4, ARRAY_LEN(modes));
	tcase_add_loop_test(tcase, other_interface_is_silent, 0, ARRAY_LEN(modes));
	tcase_add_test(tcase, others_are_not_answered);
	tcase_add_loop_test(tcase, groups, 0, ARRAY_LEN(modes));
	tcase_add_test(tcase, many_groups);
	tcase_add_loop_test(tcase, strangers_are_told, 0, ARRAY_LEN(sayings));
	tcase_add_loop_test(tcase, ask, 0, ARRAY_LEN(questions));
	tcase_add_test(tcase, probes_take_turns);
	tcase_add_test(tcase, question_in_form);
	tcase_add_test(tcase, solicit);
	tcase_add_test(tcase, heard);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
