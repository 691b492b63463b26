/* SPDX-License-Identifier: Apache-2.0 */
/*
 * daemon/host against the kernel: claims in every mode, what is lost and why, leases, what goes out when. Needs root and ip(8);
 * without them it is skipped (exit status 77).
 */
#include "tests/unit/test_host_net.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static const struct mode_case {
	const char *ip;
	enum claim_mode mode;
	const char *command; /* prints that text while it is held */
	const char *text;
} modes[] = {
	{ vip4, CLAIM_ADDRESS, "ip -4 addr show dev v0", "192.0.2.10/32" },
	{ vip6, CLAIM_ADDRESS, "ip -6 addr show dev v0", "2001:db8::10/128" },
	{ vip4, CLAIM_ROUTE, "ip -4 route show table local type local", "local 192.0.2.10 dev lo proto 109" },
	{ vip6, CLAIM_ROUTE, "ip -6 route show table local", "local 2001:db8::10 dev lo proto 109" },
	{ vip4, CLAIM_NONE, NULL, NULL },
	{ vip6, CLAIM_NONE, NULL, NULL },
};

static bool is_held(const struct mode_case *c)
{
	return prints(c->command, c->text);
}

/* The first announcement has come to the peer, from that MAC. */
static bool is_announced(const char *ip, struct mac mac, int64_t ms)
{
	struct arp_packet packet;
	struct ndp_frame frame;
	uint32_t ifindex;

	if (ip_of(ip).family == IP_V4)
		return peer_hears_arp(ip, ms, &packet, &ifindex) && mac_equal(packet.sender_mac, mac) &&
		       ip_equal(packet.target_ip, packet.sender_ip);
	return peer_hears_advertisement(ip, ms, &frame, &ifindex) && mac_equal(frame.packet.mac, mac) &&
	       frame.packet.override && !frame.packet.solicited;
}

/* Claimed: in the kernel, announced. Released: gone from the kernel, silent. */
START_TEST(claim_and_release)
{
	const struct mode_case *c = &modes[_i];

	peer_forget();
	claim(c->ip, "v0", c->mode);
	ck_assert(is_announced(c->ip, mac_of("v0"), WAIT_MS));
	if (c->command != NULL)
		ck_assert(is_held(c));
	host_release(host, ip_of(c->ip));
	host_flush(host);
	if (c->command != NULL)
		ck_assert(!is_held(c));
	peer_forget();
	ck_assert(!is_announced(c->ip, mac_of("v0"), 250));
	ck_assert_uint_eq(told.lost_n, 0);
}
END_TEST

/* Somebody takes it away: it comes back, but not for ever. */
START_TEST(removed_by_others)
{
	const struct mode_case *c = &modes[_i];

	claim(c->ip, "v0", c->mode);
	for (int i = 0; i <= HOST_RESTORE_MAX; i++) {
		struct instant until = instant_add(clock_now(), span_s(10));

		if (c->mode == CLAIM_ADDRESS)
			run("ip addr del %s dev v0", c->text);
		else
			run("ip route del table local %s metric 7171170", c->text);
		while (told.lost_n == 0 && !is_held(c)) {
			ck_assert(instant_before(clock_now(), until));
			turn(10);
		}
	}
	TURN_UNTIL(told.lost_n == 1);
	ck_assert_str_eq(told.lost, "removed-by-others");
	ck_assert(!is_held(c));
}
END_TEST

/* What an earlier run left is found and removed; what is held, and what is not ours, stays. */
START_TEST(leftovers)
{
	for (size_t i = 0; i < 4; i++)
		claim(i < 2 ? modes[i].ip : i == 2 ? "192.0.2.20" : "2001:db8::20", "v0", modes[i].mode);
	run("ip route add local 192.0.2.30/32 dev lo table local");
	host_close(host);
	open_host();
	claim("192.0.2.20", "v0", CLAIM_ROUTE); /* it is there already */
	ck_assert_uint_eq(host_clean(host), 3);
	host_flush(host);
	ck_assert(!is_held(&modes[0]) && !is_held(&modes[1]));
	ck_assert(!prints("ip -6 route show table local", "2001:db8::20"));
	ck_assert(prints("ip route show table local", "local 192.0.2.20 dev lo proto 109"));
	ck_assert(prints("ip route show table local", "local 192.0.2.30 dev lo"));
	turn_for(50);
	ck_assert_uint_eq(host_clean(host), 0);
}
END_TEST

START_TEST(no_such_interface)
{
	host_claim(host, ip_of(vip4), "nope", modes[_i].mode, 0, clock_now());
	ck_assert_uint_eq(told.failed_n, 0);
	TURN_UNTIL(told.failed_n == 1);
	ck_assert_int_eq(told.error, -ENODEV);
	/* released before it was told: nothing is told */
	host_claim(host, ip_of(vip4), "nope", modes[_i].mode, 0, clock_now());
	host_release(host, ip_of(vip4));
	turn_for(50);
	ck_assert_uint_eq(told.failed_n, 1);
}
END_TEST

static const struct {
	const char *command;
	const char *why;
} goings[] = {
	{ "ip link del v0", "interface-gone" },
	{ "ip link set v0 down && ip link set v0 name x0", "interface-renamed" },
};

/* The interface goes: lost, in each mode; and it can be claimed again on the new name. */
START_TEST(interface_goes)
{
	const struct mode_case *c = &modes[_i % (int)ARRAY_LEN(modes)];
	size_t going = (size_t)_i / ARRAY_LEN(modes);

	claim(c->ip, "v0", c->mode);
	run("%s", goings[going].command);
	TURN_UNTIL(told.lost_n == 1);
	if (going == 1 && c->ip == vip6 && c->mode == CLAIM_ADDRESS) {
		ck_assert(strcmp(told.lost, "link-down") == 0 || strcmp(told.lost, goings[going].why) == 0);
	} else {
		ck_assert_str_eq(told.lost, goings[going].why);
	}
	if (going == 0)
		run("ip link add v0 type veth peer name v1");
	run("ip link set %s up", going == 0 ? "v0" : "x0");
	turn_for(50);
	claim(c->ip, going == 0 ? "v0" : "x0", c->mode);
	ck_assert_uint_eq(told.lost_n, 1);
	ck_assert_uint_eq(told.failed_n, 0);
}
END_TEST

/* Is the interface running, as the host knows? */
static bool is_segment(const char *iface)
{
	struct segment segments[SEGMENT_MAX];
	size_t n;

	(void)host_segments(host, NULL, 0, segments, &n);
	for (size_t i = 0; i < n; i++) {
		if (strcmp(segments[i].iface, iface) == 0)
			return true;
	}
	return false;
}

/* A new MAC is announced at once; so is everything when carrier returns. */
START_TEST(mac_and_carrier)
{
	const struct mode_case *c = &modes[_i];
	const struct mac mac = { { 0x02, 0, 0, 0, 0, 0x55 } };

	claim(c->ip, "v0", c->mode);
	turn_for(150); /* the second announcement is out, the next a second away */
	peer_forget();
	ck_assert(!is_announced(c->ip, mac_of("v0"), 50));
	run("ip link set v0 address 02:00:00:00:00:55");
	ck_assert(is_announced(c->ip, mac, 500));
	turn_for(150);
	PEER_RUN("ip link set v1 down");
	TURN_UNTIL(!is_segment("v0")); /* the kernel may take a second to say so (net/core/link_watch.c) */
	turn_for(1100);
	PEER_RUN("ip link set v1 up");
	peer_forget();
	TURN_UNTIL(is_segment("v0"));
	ck_assert(is_announced(c->ip, mac, 60)); /* as a burst begins, not as the former one went on */
	ck_assert(is_announced(c->ip, mac, 200));
	ck_assert_uint_eq(told.lost_n, 0);
}
END_TEST

/* Lifetimes are those of the lease, renewed; a new lease holds at once. */
START_TEST(lease)
{
	claim(vip4, "v0", CLAIM_ADDRESS);
	claim(vip6, "v0", CLAIM_ADDRESS);
	turn_for(2500);
	ck_assert(is_held(&modes[0]) && is_held(&modes[1]));
	host_lease(host, 60);
	turn_for(50);
	ck_assert(prints("ip -4 addr show dev v0", "valid_lft 60sec"));
	ck_assert(prints("ip -6 addr show dev v0", "valid_lft 60sec"));
	host_lease(host, 0);
	turn_for(50);
	ck_assert(prints("ip -4 addr show dev v0", "valid_lft 2sec"));
	ck_assert_uint_eq(told.lost_n, 0);
}
END_TEST

/* Stopped for longer than the lease: given up, whatever the mode, and not brought back. */
START_TEST(stopped_for_too_long)
{
	const struct mode_case *c = &modes[_i];

	claim(c->ip, "v0", c->mode);
	usleep(2200 * 1000);
	TURN_UNTIL(told.lost_n == 1);
	ck_assert_str_eq(told.lost, "lease-expired");
	turn_for(100);
	if (c->command != NULL)
		ck_assert(!is_held(c));
}
END_TEST

/* Both forms at once, outside the schedule. */
START_TEST(defend)
{
	struct arp_packet packet;
	uint32_t ifindex;
	unsigned int requests = 0, replies = 0;

	claim(vip4, "v0", CLAIM_NONE);
	turn_for(150);
	peer_forget();
	host_defend(host, ip_of(vip4));
	host_defend(host, ip_of("192.0.2.99")); /* not held */
	while (arp_socket_read(peer_arp, &packet, &ifindex) == 1) {
		ck_assert(ip_equal(packet.sender_ip, ip_of(vip4)));
		requests += packet.operation == ARP_OP_REQUEST;
		replies += packet.operation == ARP_OP_REPLY && mac_equal(packet.target_mac, packet.sender_mac);
	}
	ck_assert_uint_eq(requests, 1);
	ck_assert_uint_eq(replies, 1);
	host_right(host, false);
	host_defend(host, ip_of(vip4));
	ck_assert_int_eq(arp_socket_read(peer_arp, &packet, &ifindex), 0);
}
END_TEST

/* From a second after the claim on, the gateway is asked from the address, by the interface that leads there only. */
START_TEST(gateway_is_asked)
{
	struct arp_packet packet;
	struct ndp_frame frame = { 0 };
	uint32_t ifindex;
	bool asked = false;

	run("ip route add default via 192.0.2.2 && ip -6 route add default via 2001:db8::2");
	claim(vip4, "v0", CLAIM_NONE);
	claim(vip6, "v0", CLAIM_ROUTE);
	claim("198.51.100.10", "w0", CLAIM_NONE);
	turn_for(500);
	peer_forget();
	turn_for(700);
	while (arp_socket_read(peer_arp, &packet, &ifindex) == 1) {
		bool to_gateway = ip_equal(packet.target_ip, ip_of("192.0.2.2"));

		ck_assert(!to_gateway ||
			  (ip_equal(packet.sender_ip, ip_of(vip4)) && packet.operation == ARP_OP_REQUEST &&
			   mac_equal(packet.sender_mac, mac_of("v0"))));
		asked = asked || to_gateway;
	}
	ck_assert(asked);
	asked = false;
	while (!asked && ndp_socket_read(peer_ndp, &frame, &ifindex) == 1)
		asked = ip_equal(frame.source, ip_of(vip6)) && frame.packet.kind == NDP_SOLICITATION;
	ck_assert(asked);
	ck_assert(ip_equal(frame.packet.target, ip_of("2001:db8::2")) && mac_equal(frame.packet.mac, mac_of("v0")));
}
END_TEST

/* Without the right nothing is announced; with it again what was due goes out. */
START_TEST(right_to_announce)
{
	const struct mode_case *c = &modes[_i];

	host_right(host, false);
	peer_forget();
	claim(c->ip, "v0", c->mode);
	ck_assert(!is_announced(c->ip, mac_of("v0"), 300));
	host_right(host, true);
	ck_assert(is_announced(c->ip, mac_of("v0"), 300));
}
END_TEST

static struct ip nth_ip(enum ip_family family, size_t i)
{
	uint8_t bytes[16] = {
		0x20, 0x01, 0x0d, 0xb8, [5] = 1, [13] = (uint8_t)(i >> 16), [14] = (uint8_t)(i >> 8), [15] = (uint8_t)i
	};
	const uint8_t v4[4] = { 10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i };

	return family == IP_V4 ? ip_from_v4(v4) : ip_from_v6(bytes);
}

static const struct {
	const char *name;
	enum ip_family family;
	enum claim_mode mode;
	size_t n;
	int64_t limit_ms; /* generous: the machine may be busy, and under a sanitizer */
} scales[] = {
	{ "10,000 IPv4, route", IP_V4, CLAIM_ROUTE, 10000, 5000 },
	{ "10,000 IPv6, route", IP_V6, CLAIM_ROUTE, 10000, 5000 },
	{ "10,000 IPv4, none", IP_V4, CLAIM_NONE, 10000, 5000 },
	{ "10,000 IPv6, none", IP_V6, CLAIM_NONE, 10000, 5000 },
	{ "1,000 IPv4, address", IP_V4, CLAIM_ADDRESS, 1000, 3000 },
	{ "1,000 IPv6, address", IP_V6, CLAIM_ADDRESS, 1000, 8000 },
};

/* First announcements that the peer has heard. A bit for each, since repeats mix in. */
static size_t count_announced(enum ip_family family, bool *seen, size_t n)
{
	struct arp_packet packet;
	struct ndp_frame frame;
	uint32_t ifindex;
	size_t fresh = 0;
	struct ip ip;

	while ((family == IP_V4 ? arp_socket_read(peer_arp, &packet, &ifindex)
				: ndp_socket_read(peer_ndp, &frame, &ifindex)) == 1) {
		size_t i;

		ip = family == IP_V4 ? packet.sender_ip : frame.packet.target;
		i = family == IP_V4 ? (size_t)ip.bytes[1] << 16 | (size_t)ip.bytes[2] << 8 | ip.bytes[3]
				    : (size_t)ip.bytes[13] << 16 | (size_t)ip.bytes[14] << 8 | ip.bytes[15];
		if (i >= n || !ip_equal(ip, nth_ip(family, i)) || seen[i])
			continue;
		seen[i] = true;
		fresh++;
	}
	return fresh;
}

/* Claim and announce many at once, then release them. */
START_TEST(many)
{
	size_t n = scales[_i].n;
	enum ip_family family = scales[_i].family;
	int64_t claimed_ms = 0, announced_ms = 0;
	bool *seen = calloc(n, sizeof(*seen));
	int buffer_len = 64 * 1024 * 1024;
	size_t announced_n = 0;
	struct instant start;

	ck_assert_ptr_nonnull(seen);
	ck_assert_int_eq(setsockopt(family == IP_V4 ? peer_arp : peer_ndp, SOL_SOCKET, SO_RCVBUFFORCE, &buffer_len,
				    sizeof(buffer_len)),
			 0);
	host_lease(host, 60);
	start = clock_now();
	for (size_t i = 0; i < n; i++)
		host_claim(host, nth_ip(family, i), "v0", scales[_i].mode, 0, start);
	while (announced_n < n) {
		turn(1);
		if (claimed_ms == 0 && told.claimed_n == n)
			claimed_ms = instant_since(clock_now(), start).us / 1000;
		announced_n += count_announced(family, seen, n);
		announced_ms = instant_since(clock_now(), start).us / 1000;
		ck_assert_msg(announced_ms < 30000, "%zu claimed, %zu announced, %zu failed, %zu lost: %s",
			      told.claimed_n, announced_n, told.failed_n, told.lost_n, strerror(-told.error));
	}
	ck_assert_uint_eq(told.claimed_n, n);
	ck_assert_uint_eq(told.failed_n + told.lost_n, 0);
	ck_assert_int_lt(announced_ms, scales[_i].limit_ms);
	start = clock_now();
	for (size_t i = 0; i < n; i++)
		host_release(host, nth_ip(family, i));
	while (instant_since(clock_now(), start).us < span_s(20).us) {
		host_flush(host);
		if (prints("ip -o addr show dev v0; ip route show table local; ip -6 route show table local",
			   family == IP_V4 ? " 10." : "2001:db8:1:"))
			continue;
		break;
	}
	printf("%-20s claimed %5lld ms, announced %5lld ms, released %5lld ms\n", scales[_i].name,
	       (long long)claimed_ms, (long long)announced_ms,
	       (long long)(instant_since(clock_now(), start).us / 1000));
	free(seen);
}
END_TEST

/* Of those that are claimed at once, the ones with the higher priority are announced first, though they were claimed last. */
START_TEST(priority)
{
	size_t heard_n = 0;
	bool seen[100] = { false };

	for (size_t i = 0; i < ARRAY_LEN(seen); i++)
		host_claim(host, nth_ip(IP_V4, i), "v0", CLAIM_NONE,
			   i < 90 ? (unsigned int)(i % 3) : SERVICE_PRIORITY_MAX, clock_now());
	while (heard_n < ARRAY_LEN(seen)) {
		struct arp_packet packet;
		uint32_t ifindex;

		turn(1);
		while (heard_n < ARRAY_LEN(seen) && arp_socket_read(peer_arp, &packet, &ifindex) == 1) {
			size_t i = packet.sender_ip.bytes[3];

			if (i >= ARRAY_LEN(seen) || !ip_equal(packet.sender_ip, nth_ip(IP_V4, i)) || seen[i])
				continue;
			seen[i] = true;
			/* 10 of the highest, then 30 of each other one, from the top */
			ck_assert_uint_eq(i < 90 ? i % 3 : 3, heard_n < 10 ? 3 : 2 - (heard_n - 10) / 30);
			heard_n++;
		}
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("host");
	TCase *tcase = tcase_create("host");
	SRunner *runner;
	int failed;

	if (!may_run("test_host"))
		return EXIT_SKIPPED;
	runner = srunner_create(suite);
	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_loop_test(tcase, claim_and_release, 0, ARRAY_LEN(modes));
	tcase_add_loop_test(tcase, removed_by_others, 0, 4);
	tcase_add_test(tcase, leftovers);
	tcase_add_loop_test(tcase, no_such_interface, 0, ARRAY_LEN(modes));
	tcase_add_loop_test(tcase, interface_goes, 0, 2 * ARRAY_LEN(modes));
	tcase_add_loop_test(tcase, mac_and_carrier, 0, ARRAY_LEN(modes));
	tcase_add_test(tcase, lease);
	tcase_add_loop_test(tcase, stopped_for_too_long, 0, ARRAY_LEN(modes));
	tcase_add_test(tcase, defend);
	tcase_add_test(tcase, gateway_is_asked);
	tcase_add_loop_test(tcase, right_to_announce, 0, ARRAY_LEN(modes));
	tcase_add_test(tcase, priority);
	tcase_add_loop_test(tcase, many, 0, ARRAY_LEN(scales));
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
