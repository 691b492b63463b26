/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arp/socket.c, ndp/socket.c and ndp/groups.c against the kernel. Every test runs in a network namespace of its own, which ends
 * with its process, on a veth pair v0 - v1. Needs root and ip(8); without them it is skipped (exit status 77).
 */
#include "arp/socket.h"
#include "ndp/groups.h"
#include "ndp/socket.h"

#include <check.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/unit/test_run.h"

/* The exit status that means "skipped". */
#define EXIT_SKIPPED 77

#define WAIT_MS 60000

static const char vip4[] = "192.0.2.10";
static const char vip6[] = "2001:db8::10";
static const struct mac other_mac = { { 0x02, 0, 0, 0, 0, 0x77 } };

static uint32_t v0, v1;

/* Does the command print the text? */
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

static struct ip ip_of(const char *text)
{
	struct ip ip;

	ck_assert_int_eq(ip_parse(text, &ip), 0);
	return ip;
}

static void set_up(void)
{
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	run("ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up");
	run("ip addr add 192.0.2.1/24 dev v0 && ip addr add 192.0.2.2/24 dev v1");
	run("ip addr add 2001:db8::1/64 dev v0 nodad && ip addr add 2001:db8::2/64 dev v1 nodad");
	v0 = if_nametoindex("v0");
	v1 = if_nametoindex("v1");
}

START_TEST(rights)
{
	ck_assert_int_eq(seteuid(65534), 0);
	ck_assert_int_eq(arp_socket_open(), -EPERM);
	ck_assert_int_eq(ndp_socket_open(), -EPERM);
	ck_assert_int_eq(seteuid(0), 0);
}
END_TEST

/* ---- ARP ---- */

static size_t arp_send(int fd, uint32_t ifindex, const struct arp_packet *packet)
{
	const struct arp_outgoing outgoing = { ifindex, *packet };

	return arp_socket_send_batch(fd, &outgoing, 1);
}

/* Read until a packet about ip comes, or for `ms`. */
static bool arp_heard(int fd, const char *ip, uint32_t *ifindex, struct arp_packet *packet, int ms)
{
	struct instant until = instant_add(clock_now(), span_ms(ms));
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	int result;

	while (instant_before(clock_now(), until)) {
		poll(&poll_fd, 1, 10);
		while ((result = arp_socket_read(fd, packet, ifindex)) == 1) {
			if (ip_equal(packet->sender_ip, ip_of(ip)))
				return true;
		}
		ck_assert(result == 0 || result == -EBADMSG);
	}
	return false;
}

START_TEST(arp_across_the_wire)
{
	int fd = arp_socket_open();
	struct arp_packet sent = arp_gratuitous_request(other_mac, ip_of(vip4));
	struct arp_packet packet;
	uint32_t ifindex = 0;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(arp_socket_read(fd, &packet, &ifindex), 0);
	ck_assert_uint_eq(arp_send(fd, v0, &sent), 1);
	ck_assert(arp_heard(fd, vip4, &ifindex, &packet, WAIT_MS));
	ck_assert_uint_eq(ifindex, v1); /* and not v0: our own frames are not heard where they leave */
	ck_assert(mac_equal(packet.sender_mac, other_mac) && packet.operation == ARP_OP_REQUEST);
	ck_assert(!arp_heard(fd, vip4, &ifindex, &packet, 100));
	/* to another host: a promiscuous port would hear it */
	sent.ethernet_target = (struct mac){ { 2, 9, 9, 9, 9, 9 } };
	ck_assert_uint_eq(arp_send(fd, v0, &sent), 1);
	ck_assert(!arp_heard(fd, vip4, &ifindex, &packet, 100));
	ck_assert_uint_eq(arp_send(fd, 9999, &sent), 0);
	run("ip link set v0 down");
	ck_assert_uint_eq(arp_send(fd, v0, &sent), 0);
	ck_assert_int_eq(arp_socket_read(fd, &packet, &ifindex), 0);
	close(fd);
}
END_TEST

/* All of a batch arrive, in order; those that cannot be sent hold up nobody. */
START_TEST(arp_batch)
{
	int fd = arp_socket_open();
	struct arp_outgoing batch[ARP_BATCH_MAX];
	struct arp_packet packet;
	uint32_t ifindex;

	for (size_t i = 0; i < ARP_BATCH_MAX; i++) {
		const uint8_t bytes[4] = { 10, 0, 0, (uint8_t)i };

		batch[i].ifindex = i % 4 == 3 || i == 0 ? 9999 : v0;
		batch[i].packet = arp_gratuitous_request(other_mac, ip_from_v4(bytes));
	}
	ck_assert_uint_eq(arp_socket_send_batch(fd, batch, ARP_BATCH_MAX), ARP_BATCH_MAX * 3 / 4 - 1);
	for (size_t i = 0; i < ARP_BATCH_MAX; i++) {
		if (batch[i].ifindex != v0)
			continue;
		ck_assert_int_eq(arp_socket_read(fd, &packet, &ifindex), 1);
		ck_assert(ip_equal(packet.sender_ip, batch[i].packet.sender_ip));
	}
	ck_assert_int_eq(arp_socket_read(fd, &packet, &ifindex), 0);
	close(fd);
}
END_TEST

/* Operation 3 passes the filter, and is refused by the decoder. */
START_TEST(arp_malformed_is_dropped)
{
	int fd = arp_socket_open();
	struct arp_packet sent = arp_gratuitous_request(other_mac, ip_of(vip4));
	struct arp_packet packet;
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	uint32_t ifindex;

	memcpy(&sent.operation, &(int){ 3 }, sizeof(int));
	ck_assert_uint_eq(arp_send(fd, v0, &sent), 1);
	ck_assert_int_eq(poll(&poll_fd, 1, WAIT_MS), 1);
	ck_assert_int_eq(arp_socket_read(fd, &packet, &ifindex), -EBADMSG);
	close(fd);
}
END_TEST

/* Both gratuitous forms move a neighbour's entry at once. */
START_TEST(arp_moves_a_neighbour)
{
	int fd = arp_socket_open();
	struct arp_packet sent[] = { arp_gratuitous_request(other_mac, ip_of(vip4)),
				     arp_gratuitous_reply(other_mac, ip_of(vip4)) };

	for (size_t i = 0; i < 2; i++) {
		struct instant until = instant_add(clock_now(), span_ms(WAIT_MS));

		run("ip neigh replace %s lladdr 02:00:00:00:00:01 dev v1 nud reachable", vip4);
		ck_assert_uint_eq(arp_send(fd, v0, &sent[i]), 1);
		while (!prints("ip neigh show dev v1", "192.0.2.10 lladdr 02:00:00:00:00:77"))
			ck_assert_msg(instant_before(clock_now(), until), "form %zu", i);
	}
	close(fd);
}
END_TEST

/* ---- NDP ---- */

static size_t ndp_send(int fd, uint32_t ifindex, const struct ndp_frame *frame)
{
	const struct ndp_outgoing outgoing = { ifindex, *frame };

	return ndp_socket_send_batch(fd, &outgoing, 1);
}

/* Read until an advertisement or solicitation for ip comes that arrived on v1, or for `ms`. */
static bool ndp_heard(int fd, const char *ip, struct ndp_frame *frame, int ms)
{
	struct instant until = instant_add(clock_now(), span_ms(ms));
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	uint32_t ifindex;
	int result;

	while (instant_before(clock_now(), until)) {
		poll(&poll_fd, 1, 10);
		while ((result = ndp_socket_read(fd, frame, &ifindex)) == 1) {
			if (ip_equal(frame->packet.target, ip_of(ip)) && ifindex == v1)
				return true;
		}
		ck_assert(result == 0 || result == -EBADMSG);
	}
	return false;
}

START_TEST(advertisement_across_the_wire)
{
	int fd = ndp_socket_open();
	struct ndp_frame sent = ndp_frame_unsolicited(other_mac, ip_of(vip6), false);
	struct ndp_frame frame;

	ck_assert_int_ge(fd, 0);
	/* from the VIP, which is on no interface */
	ck_assert_uint_eq(ndp_send(fd, v0, &sent), 1);
	ck_assert(ndp_heard(fd, vip6, &frame, WAIT_MS));
	ck_assert(ip_equal(frame.source, ip_of(vip6)) && ip_equal(frame.destination, ip_of("ff02::1")));
	ck_assert(mac_equal(frame.ethernet_source, other_mac));
	ck_assert_int_eq(frame.packet.kind, NDP_ADVERTISEMENT);
	ck_assert(frame.packet.has_mac && mac_equal(frame.packet.mac, other_mac));
	ck_assert(frame.packet.override && !frame.packet.solicited && !frame.packet.router);
	ck_assert(!ndp_heard(fd, vip6, &frame, 100));
	/* to another host: a promiscuous port would hear it */
	sent.ethernet_target = (struct mac){ { 2, 9, 9, 9, 9, 9 } };
	ck_assert_uint_eq(ndp_send(fd, v0, &sent), 1);
	ck_assert(!ndp_heard(fd, vip6, &frame, 100));
	ck_assert_uint_eq(ndp_send(fd, 9999, &sent), 0);
	close(fd);
}
END_TEST

/* What the kernel of a neighbour sends is read, and it takes what we send for whole. */
START_TEST(kernel_understands)
{
	int fd = ndp_socket_open();
	struct ndp_frame sent, frame;
	struct instant until = instant_add(clock_now(), span_ms(WAIT_MS));
	struct mac mac;

	ck_assert_int_eq(mac_parse("02:00:00:00:00:99", &mac), 0);
	run("ip link set v0 address 02:00:00:00:00:99");
	sent = ndp_frame_solicitation(mac, ip_of("2001:db8::1"), ip_of("2001:db8::2"));
	ck_assert_uint_eq(ndp_send(fd, v0, &sent), 1);
	for (;;) {
		uint32_t ifindex;

		ck_assert(instant_before(clock_now(), until));
		if (ndp_socket_read(fd, &frame, &ifindex) == 1 && ifindex == v0 &&
		    frame.packet.kind == NDP_ADVERTISEMENT && ip_equal(frame.packet.target, ip_of("2001:db8::2")))
			break;
	}
	ck_assert(frame.packet.solicited && frame.packet.override && mac_equal(frame.ethernet_target, mac));
	close(fd);
}
END_TEST

/* RFC 4861 7.1: what the bytes alone do not show. */
START_TEST(hop_limit_is_checked)
{
	int fd = ndp_socket_open();
	int plain = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6);
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_scope_id = v0 };
	struct ndp_packet sent = ndp_unsolicited(ip_of(vip6), other_mac, false);
	uint8_t body[NDP_PACKET_LEN_MAX];
	size_t len = ndp_encode(&sent, body);
	struct ndp_frame frame;
	int hops = 254;

	memcpy(&to.sin6_addr, ip_of("ff02::1").bytes, 16);
	for (; hops <= 255; hops++) {
		ck_assert_int_eq(setsockopt(plain, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof(hops)), 0);
		ck_assert_int_eq(sendto(plain, body, len, 0, (const struct sockaddr *)&to, sizeof(to)), (int)len);
		ck_assert_msg(ndp_heard(fd, vip6, &frame, 100) == (hops == 255), "hop limit %d", hops);
	}
	close(plain);
	close(fd);
}
END_TEST

START_TEST(advertisement_moves_a_neighbour)
{
	int fd = ndp_socket_open();
	struct ndp_frame sent = ndp_frame_unsolicited(other_mac, ip_of(vip6), false);
	struct instant until = instant_add(clock_now(), span_ms(WAIT_MS));

	run("ip neigh replace %s lladdr 02:00:00:00:00:01 dev v1 nud reachable", vip6);
	ck_assert_uint_eq(ndp_send(fd, v0, &sent), 1);
	while (!prints("ip neigh show dev v1", "2001:db8::10 lladdr 02:00:00:00:00:77"))
		ck_assert(instant_before(clock_now(), until));
	close(fd);
}
END_TEST

/* ---- groups ---- */

static struct ip nth_ip(unsigned int i)
{
	struct ip ip = ip_of(vip6);

	ip.bytes[14] = (uint8_t)(i >> 8);
	ip.bytes[15] = (uint8_t)i;
	return ip;
}

/* Does the kernel have that many groups of addresses on v0? Its own, of all nodes and of v0's addresses, come on top. */
static size_t group_n(void)
{
	FILE *pipe = popen("ip -6 maddr show dev v0 | grep -c ff02::1:ff", "re");
	size_t n = 0;

	ck_assert_ptr_nonnull(pipe);
	ck_assert_int_eq(fscanf(pipe, "%zu", &n), 1);
	pclose(pipe);
	return n;
}

START_TEST(groups_join_and_leave)
{
	int fd = ndp_socket_open();
	struct ndp_groups *g = ndp_groups_new(fd);
	size_t before = group_n();

	for (unsigned int i = 0x100; i < 0x100 + NDP_GROUPS_PER_CALL + 1; i++)
		ck_assert_int_eq(ndp_groups_join(g, v0, nth_ip(i)), 0);
	ck_assert_uint_eq(ndp_groups_missing_n(g), NDP_GROUPS_PER_CALL + 1);
	ck_assert(ndp_groups_work(g)); /* one is left */
	ck_assert_uint_eq(ndp_groups_missing_n(g), 1);
	ck_assert(prints("ip -d link show dev v0", "allmulti 1"));
	ck_assert(!ndp_groups_work(g));
	ck_assert(prints("ip -d link show dev v0", "allmulti 0"));
	ck_assert_uint_eq(group_n(), before + NDP_GROUPS_PER_CALL + 1);
	/* left, and wanted again before that was done: stays */
	ndp_groups_leave(g, v0, nth_ip(0x100));
	ndp_groups_leave(g, v0, nth_ip(0x101));
	ndp_groups_leave(g, v0, nth_ip(0x101)); /* once too often */
	ndp_groups_leave(g, v0, nth_ip(0x999));
	ck_assert_int_eq(ndp_groups_join(g, v0, nth_ip(0x100)), 0);
	ck_assert(!ndp_groups_work(g));
	ck_assert_uint_eq(group_n(), before + NDP_GROUPS_PER_CALL);
	ck_assert(prints("ip -6 maddr show dev v0", "ff02::1:ff00:100"));
	ndp_groups_free(g);
	ck_assert_uint_eq(group_n(), before);
	ndp_groups_free(NULL);
	close(fd);
}
END_TEST

/* An interface without IPv6 has no groups: it takes all multicast while one is wanted. */
START_TEST(groups_refused)
{
	int fd = ndp_socket_open();
	struct ndp_groups *g = ndp_groups_new(fd);

	run("ip link set v0 mtu 1000"); /* below 1280 (RFC 8200 5) IPv6 is off */
	ck_assert_int_eq(ndp_groups_join(g, v0, ip_of(vip6)), 0);
	ck_assert(!ndp_groups_work(g));
	ck_assert_uint_eq(ndp_groups_missing_n(g), 1);
	ck_assert(prints("ip -d link show dev v0", "allmulti 1"));
	ndp_groups_leave(g, v0, ip_of(vip6));
	ck_assert_uint_eq(ndp_groups_missing_n(g), 0);
	ck_assert(prints("ip -d link show dev v0", "allmulti 0"));
	/* an interface that goes takes its groups along */
	ck_assert_int_eq(ndp_groups_join(g, v1, ip_of(vip6)), 0);
	(void)ndp_groups_work(g);
	run("ip link del v0");
	ndp_groups_leave(g, v1, ip_of(vip6));
	ck_assert(!ndp_groups_work(g));
	ndp_groups_free(g);
	close(fd);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("neighbour_sockets");
	TCase *tcase = tcase_create("neighbour_sockets");
	SRunner *runner;
	int failed;

	if (geteuid() != 0 || system("ip -V >/dev/null 2>&1") != 0) {
		puts("test_neighbour_sockets: needs root and ip(8): skipped");
		return EXIT_SKIPPED;
	}
	/* Each test makes its own; this tells whether that is allowed, and keeps a CK_FORK=no run off the host. */
	if (unshare(CLONE_NEWNET) != 0) {
		printf("test_neighbour_sockets: no network namespace (%s): skipped\n", strerror(errno));
		return EXIT_SKIPPED;
	}
	runner = srunner_create(suite);
	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_test(tcase, rights);
	tcase_add_test(tcase, arp_across_the_wire);
	tcase_add_test(tcase, arp_batch);
	tcase_add_test(tcase, arp_malformed_is_dropped);
	tcase_add_test(tcase, arp_moves_a_neighbour);
	tcase_add_test(tcase, advertisement_across_the_wire);
	tcase_add_test(tcase, kernel_understands);
	tcase_add_test(tcase, hop_limit_is_checked);
	tcase_add_test(tcase, advertisement_moves_a_neighbour);
	tcase_add_test(tcase, groups_join_and_leave);
	tcase_add_test(tcase, groups_refused);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
