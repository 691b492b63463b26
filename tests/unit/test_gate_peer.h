/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of the gate: two network namespaces with a veth pair. v0, where the test stays, carries the service
 * addresses; from v1 it asks by ARP, neighbour solicitation and UDP.
 */
#ifndef MLB_TESTS_UNIT_TEST_GATE_PEER_H
#define MLB_TESTS_UNIT_TEST_GATE_PEER_H

#include <netinet/in.h>
#include <netinet/icmp6.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/sockaddr.h"
#include "tests/unit/test_run.h"

#define PORT 9999

/* A veth pair answers within microseconds; a busy machine within this. */
#define ANSWER_MS 40

static const char host4[] = "192.0.2.1", peer4[] = "192.0.2.2", vip4[] = "192.0.2.10";
static const char host6[] = "2001:db8::1", peer6[] = "2001:db8::2", vip6[] = "2001:db8::10";

static uint8_t peer_mac[6];
static int peer_arp = -1, peer_icmp = -1, peer_udp4 = -1, peer_udp6 = -1;
static unsigned int peer_index;

static struct ip ip_of(const char *text)
{
	struct ip ip;

	ck_assert_int_eq(ip_parse(text, &ip), 0);
	return ip;
}

static socklen_t address_of(const char *text, uint16_t port, struct sockaddr_storage *out)
{
	return sockaddr_from_endpoint((struct endpoint){ ip_of(text), port }, out);
}

/* --- the two hosts --- */

static int udp_socket(const char *ip)
{
	struct sockaddr_storage address;
	const socklen_t len = address_of(ip, PORT, &address);
	int fd = socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_msg(bind(fd, (struct sockaddr *)&address, len) == 0, "bind %s: %s", ip, strerror(errno));
	return fd;
}

static int icmp_socket(void)
{
	const int hops = 255;
	struct icmp6_filter filter;
	int fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMPV6);

	ck_assert_int_ge(fd, 0);
	ICMP6_FILTER_SETBLOCKALL(&filter);
	ICMP6_FILTER_SETPASS(ND_NEIGHBOR_ADVERT, &filter);
	ck_assert_int_eq(setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof(filter)), 0);
	ck_assert_int_eq(setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof(hops)), 0);
	ck_assert_int_eq(setsockopt(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &hops, sizeof(hops)), 0);
	return fd;
}

static void open_peer_sockets(void)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ARP) };
	struct ifreq request = { .ifr_name = "v1" };

	peer_index = if_nametoindex("v1");
	ll.sll_ifindex = (int)peer_index;
	peer_arp = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ARP));
	ck_assert_int_ge(peer_arp, 0);
	ck_assert_int_eq(bind(peer_arp, (struct sockaddr *)&ll, sizeof(ll)), 0);
	ck_assert_int_eq(ioctl(peer_arp, SIOCGIFHWADDR, &request), 0);
	memcpy(peer_mac, request.ifr_hwaddr.sa_data, sizeof(peer_mac));
	peer_icmp = icmp_socket();
	peer_udp4 = udp_socket(peer4);
	peer_udp6 = udp_socket(peer6);
}

/* Static neighbours on both sides: what UDP shows is not to depend on ARP or NS. */
static void set_up_network(void)
{
	int host, peer;

	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	host = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	run("ip link set lo up");
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	peer = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	ck_assert(host >= 0 && peer >= 0);
	run("ip link add v1 address 02:00:00:00:00:02 type veth peer name v0 address 02:00:00:00:00:01");
	run("ip link set v0 netns /proc/%d/fd/%d && ip link set v1 up", (int)getpid(), host);
	run("ip addr add %s/24 dev v1 && ip addr add %s/64 dev v1 nodad", peer4, peer6);
	run("ip neigh add %s lladdr 02:00:00:00:00:01 dev v1", vip4);
	run("ip neigh add %s lladdr 02:00:00:00:00:01 dev v1", vip6);
	ck_assert_int_eq(setns(host, CLONE_NEWNET), 0);
	run("ip link set v0 up && ip addr add %s/24 dev v0 && ip addr add %s/64 dev v0 nodad", host4, host6);
	run("ip addr add %s/32 dev v0 && ip addr add %s/128 dev v0 nodad", vip4, vip6);
	run("ip neigh add %s lladdr 02:00:00:00:00:02 dev v0", peer4);
	run("ip neigh add %s lladdr 02:00:00:00:00:02 dev v0", peer6);
	ck_assert_int_eq(setns(peer, CLONE_NEWNET), 0);
	open_peer_sockets();
	ck_assert_int_eq(setns(host, CLONE_NEWNET), 0);
	close(host);
	close(peer);
}

/* --- what the peer sees --- */

/* Take datagrams until one has `expected` at `offset`; false after ANSWER_MS without. */
static bool receive(int fd, size_t offset, const void *expected, size_t len)
{
	const struct instant until = instant_add(clock_now(), span_ms(ANSWER_MS));
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint8_t buf[256];

	for (;;) {
		const int64_t left_ms = instant_since(until, clock_now()).us / 1000;
		ssize_t got;

		if (poll(&pfd, 1, left_ms > 0 ? (int)left_ms : 0) <= 0)
			return false;
		got = recv(fd, buf, sizeof(buf), 0);
		if (got >= (ssize_t)(offset + len) && memcmp(buf + offset, expected, len) == 0)
			return true;
	}
}

static void drain(int fd)
{
	uint8_t buf[256];

	while (recv(fd, buf, sizeof(buf), 0) >= 0)
		;
}

/* Ask the segment for an IPv4 address as RFC 826 does. *asked_at: just before. */
static bool arp_answers(const char *target, struct instant *asked_at)
{
	uint8_t request[42] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1 };
	uint8_t answer[12] = { 0, 2, 2, 0, 0, 0, 0, 1 };

	memcpy(request + 6, peer_mac, 6);
	memcpy(request + 22, peer_mac, 6);
	memcpy(request + 28, ip_of(peer4).bytes, 4);
	memcpy(request + 38, ip_of(target).bytes, 4);
	memcpy(answer + 8, ip_of(target).bytes, 4);
	drain(peer_arp);
	*asked_at = clock_now();
	ck_assert_int_eq(send(peer_arp, request, sizeof(request), 0), sizeof(request));
	return receive(peer_arp, 20, answer, sizeof(answer));
}

static bool arp_answers_now(const char *target)
{
	struct instant at;

	return arp_answers(target, &at);
}

/*
 * Send a solicitation or an advertisement of the target to the group that solicitations go to (RFC 4861 7.2.2). 0 or a
 * negative errno.
 */
static int send_nd(int fd, unsigned int index, uint8_t type, const char *target, const uint8_t mac[6])
{
	const struct ip ip = ip_of(target);
	struct sockaddr_in6 group = { .sin6_family = AF_INET6, .sin6_scope_id = index };
	uint8_t message[32] = { type };

	memcpy(message + 8, ip.bytes, 16);
	message[24] = type == ND_NEIGHBOR_SOLICIT ? ND_OPT_SOURCE_LINKADDR : ND_OPT_TARGET_LINKADDR;
	message[25] = 1;
	memcpy(message + 26, mac, 6);
	group.sin6_addr = (struct in6_addr){ { { 0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff } } };
	memcpy(group.sin6_addr.s6_addr + 13, ip.bytes + 13, 3);
	return sendto(fd, message, sizeof(message), 0, (struct sockaddr *)&group, sizeof(group)) < 0 ? -errno : 0;
}

static bool ndp_answers(const char *target)
{
	drain(peer_icmp);
	ck_assert_int_eq(send_nd(peer_icmp, peer_index, ND_NEIGHBOR_SOLICIT, target, peer_mac), 0);
	return receive(peer_icmp, 8, ip_of(target).bytes, 16);
}

/* Does a datagram get through? A refusal at the sender counts as no. */
static bool udp_passes(int from, const char *to, int receiver)
{
	static uint8_t number;
	struct sockaddr_storage address;
	const socklen_t len = address_of(to, PORT, &address);

	number++;
	drain(receiver);
	if (sendto(from, &number, 1, 0, (struct sockaddr *)&address, len) < 0) {
		ck_assert_int_eq(errno, EPERM);
		return false;
	}
	return receive(receiver, 0, &number, 1);
}

#endif
