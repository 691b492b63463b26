/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: failover_many, a client of up to 16,384 addresses
 *
 * When is each of many addresses back after a fault? It keeps a neighbour table of its own, for the kernel's holds 1,024 neighbours
 * over all namespaces, and treats it as RFC 826 and, for IPv6, RFC 4861 7.2.5 say: whatever ARP packet or neighbour advertisement
 * names an address, as an answer or as an announcement, gives the MAC to which packets go from then on (an advertisement without
 * the override flag does not, once there is one).
 *
 *   failover_many --interface NAME --first IP --count N [--warm-up S] [--seconds S] -- COMMAND...
 *
 * The addresses are IP, IP + 1, ...; this host has an address of their family, in IPv6 one of their /64, on the interface.
 * First every address is found: asked for by ARP or a neighbour solicitation, pinged, answered. Then COMMAND, which makes the fault, is run. An address is back
 * with the first reply to a ping that comes from another MAC than before; it is pinged at once when a packet names a new MAC. One that is not back is asked for, and pinged where its new MAC is known, every 100 ms, but with 2,500 questions a second
 * over all at most: what announces all its addresses is measured by its announcements, what does not by how soon clients ask.
 * Times run from just before COMMAND is started (a fork and exec too early). Questions and pings are sent in the name of this
 * host, whose kernel answers what it is asked itself.
 *
 * On standard output, times in microseconds:
 *   ready owners= took_us=                                  before the fault: MACs that answer
 *   back moved= count= first_us= median_us= last_us=        after it: of those that are back; -1: none is
 * Exit 0: measured, all back or not; 1: something failed, with the reason, 3: not every address was found in time (default
 * 60 s). --seconds (default 20) bounds the wait after the fault.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <ifaddrs.h>
#include <inttypes.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arp/packet.h"
#include "base/addr.h"
#include "base/checksum.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/wire.h"
#include "ndp/packet.h"
#include "tests/lab/frame.h"

#define ASK_PERIOD_US 100000 /* one address */
#define ASK_PER_SECOND_MAX 2500
#define ASK_BURST_MAX 50 /* after a time in which we did not run */
#define PRIORITY 20	 /* above the 10 of the daemons */
#define OWNER_MAX 16
#define ETHERNET_LEN 14
#define IPV4_LEN 20
#define IPV6_LEN 40
#define ECHO_REPLY_V4 0	  /* RFC 792 */
#define ECHO_REPLY_V6 129 /* RFC 4443 4.2 */
#define FRAME_LEN_MAX 256
#define PING_FRAME_LEN_MAX (ETHERNET_LEN + IPV6_LEN + FRAME_ECHO_LEN)

struct address {
	struct mac mac; /* where packets go */
	struct mac old; /* who answered before the fault */
	bool known;	/* `mac` is set */
	bool done;	/* before the fault: found; after it: back */
	int64_t back_us;
};

struct client {
	const char *interface;
	unsigned int ifindex;
	struct mac mac;
	struct ip ip;
	struct ip first; /* the addresses are first, first + 1, ... by their last 32 bits */
	size_t count;
	struct address *addresses; /* owned */
	size_t done_n;
	bool failed_over; /* the fault has been made */
	int64_t warm_up_us, wait_us;
	uint32_t cookie;
	uint32_t ping_n;
	size_t next;		/* to be asked */
	int64_t asked_until_us; /* questions are paid for until then */
	int fd;
};

static int64_t now_us(void)
{
	return clock_now().us;
}

static bool is_v4(const struct client *c)
{
	return c->first.family == IP_V4;
}

/* The last 32 bits of an address. */
static uint32_t low_bits(const struct client *c, const uint8_t *bytes)
{
	struct wire_reader r = wire_reader_of(bytes + ip_len(c->first) - 4, 4);

	return wire_read_u32(&r);
}

static struct ip address_ip(const struct client *c, size_t i)
{
	struct ip ip = c->first;
	struct wire_writer w = wire_writer_of(ip.bytes + ip_len(c->first) - 4, 4);

	wire_write_u32(&w, low_bits(c, c->first.bytes) + (uint32_t)i);
	return ip;
}

/* The address of these bytes, of our family, or NULL: none of ours. */
static struct address *address_of(const struct client *c, const uint8_t *bytes)
{
	uint32_t i = low_bits(c, bytes) - low_bits(c, c->first.bytes);

	return memcmp(bytes, c->first.bytes, ip_len(c->first) - 4) == 0 && i < c->count ? &c->addresses[i] : NULL;
}

/* ---- sending ---- */

static void frame_send(const struct client *c, const uint8_t *frame, size_t len)
{
	const struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = (int)c->ifindex };

	/* What cannot be sent is asked or pinged again. */
	(void)!sendto(c->fd, frame, len, MSG_DONTWAIT, (const struct sockaddr *)&to, sizeof(to));
}

static void solicitation_send(const struct client *c, size_t i)
{
	const struct ndp_packet packet = {
		.kind = NDP_SOLICITATION, .target = address_ip(c, i), .has_mac = true, .mac = c->mac
	};
	struct ip group = ndp_solicited_node(packet.target);
	uint8_t frame[FRAME_NDP_LEN_MAX];

	frame_send(c, frame, frame_ndp(&packet, c->mac, c->ip, frame_multicast_mac(group), group, frame));
}

static void question_send(const struct client *c, size_t i)
{
	struct arp_packet request;
	uint8_t frame[ARP_FRAME_LEN];

	if (!is_v4(c)) {
		solicitation_send(c, i);
		return;
	}
	request = arp_request(c->mac, c->ip, address_ip(c, i));
	arp_encode(&request, frame);
	frame_send(c, frame, sizeof(frame));
}

/* An IPv4 header (RFC 791) at the end of what is written, and its checksum. */
static void v4_write(const struct client *c, struct ip to, struct wire_writer *w)
{
	size_t at = w->len;

	wire_write_u16(w, 0x4500); /* version 4, 5 words of header */
	wire_write_u16(w, IPV4_LEN + FRAME_ECHO_LEN);
	wire_write_u32(w, 0); /* identification, fragments */
	wire_write_u8(w, 64);
	wire_write_u8(w, IPPROTO_ICMP);
	wire_write_u16(w, 0);
	wire_write_bytes(w, c->ip.bytes, ip_len(to));
	wire_write_bytes(w, to.bytes, ip_len(to));
	wire_patch_u16(w, at + 10, checksum_finish(checksum_add(0, w->data + at, IPV4_LEN)));
}

/* An IPv6 header (RFC 8200 3). */
static void v6_write(const struct client *c, struct ip to, struct wire_writer *w)
{
	wire_write_u32(w, 0x60000000); /* version 6 */
	wire_write_u16(w, FRAME_ECHO_LEN);
	wire_write_u8(w, FRAME_ICMPV6);
	wire_write_u8(w, 64);
	wire_write_bytes(w, c->ip.bytes, ip_len(to));
	wire_write_bytes(w, to.bytes, ip_len(to));
}

/* An echo request in Ethernet, to the MAC in our table. */
static void ping_send(struct client *c, size_t i)
{
	const struct frame_echo echo = { c->cookie, (uint32_t)i, c->ping_n++ };
	struct ip to = address_ip(c, i);
	uint8_t frame[PING_FRAME_LEN_MAX], body[FRAME_ECHO_LEN];
	struct wire_writer w = wire_writer_of(frame, sizeof(frame));
	uint32_t sum = FRAME_ECHO_LEN + FRAME_ICMPV6; /* of the pseudo header, RFC 8200 8.1 */

	frame_echo_encode(&echo, c->first.family, body);
	wire_write_mac(&w, c->addresses[i].mac);
	wire_write_mac(&w, c->mac);
	wire_write_u16(&w, is_v4(c) ? ETH_P_IP : ETH_P_IPV6);
	(is_v4(c) ? v4_write : v6_write)(c, to, &w);
	wire_write_bytes(&w, body, sizeof(body));
	if (!is_v4(c)) {
		sum = checksum_add(sum, c->ip.bytes, ip_len(to));
		sum = checksum_add(sum, to.bytes, ip_len(to));
		wire_patch_u16(&w, w.len - FRAME_ECHO_LEN + 2, checksum_finish(checksum_add(sum, body, sizeof(body))));
	}
	frame_send(c, frame, w.len);
}

/* Is the MAC in our table one that may make this address done? */
static bool worth_a_ping(const struct client *c, const struct address *a)
{
	return a->known && (!c->failed_over || !mac_equal(a->mac, a->old));
}

static void ask(struct client *c, size_t i)
{
	question_send(c, i);
	if (worth_a_ping(c, &c->addresses[i]))
		ping_send(c, i);
}

/* The questions and repeated pings that are due at `now`, round robin over the addresses that are not done. */
static void ask_due(struct client *c, int64_t now)
{
	size_t left = c->count - c->done_n;
	int64_t step = 1000000 / ASK_PER_SECOND_MAX;

	if (left == 0)
		return;
	if (ASK_PERIOD_US / (int64_t)left > step)
		step = ASK_PERIOD_US / (int64_t)left;
	if (c->asked_until_us < now - ASK_BURST_MAX * step)
		c->asked_until_us = now - ASK_BURST_MAX * step;
	while (c->asked_until_us < now) {
		c->asked_until_us += step;
		while (c->addresses[c->next].done)
			c->next = (c->next + 1) % c->count;
		ask(c, c->next);
		c->next = (c->next + 1) % c->count;
	}
}

/* ---- receiving ---- */

/* A packet says that the address is at that MAC. */
static void mac_learned(struct client *c, struct address *a, struct mac mac)
{
	if (a == NULL || a->done || mac_equal(mac, c->mac) || (a->known && mac_equal(mac, a->mac)))
		return;
	a->mac = mac;
	a->known = true;
	if (worth_a_ping(c, a))
		ping_send(c, (size_t)(a - c->addresses));
}

static void arp_received(struct client *c, const uint8_t *frame, size_t len)
{
	struct arp_packet packet;

	if (is_v4(c) && arp_decode(frame, len, &packet) >= 0 && packet.sender_ip.family == IP_V4)
		mac_learned(c, address_of(c, packet.sender_ip.bytes), packet.sender_mac);
}

static void advertisement_received(struct client *c, const uint8_t *data, size_t len)
{
	struct ndp_packet packet;
	struct address *a;

	if (ndp_decode(data, len, &packet) < 0 || packet.kind != NDP_ADVERTISEMENT || !packet.has_mac)
		return;
	a = address_of(c, packet.target.bytes);
	if (a != NULL && (packet.override || !a->known))
		mac_learned(c, a, packet.mac);
}

/* An echo reply, its IP header removed. */
static void reply_received(struct client *c, struct mac from, const uint8_t *source, const uint8_t *data, size_t len)
{
	struct frame_echo echo;
	struct address *a = address_of(c, source);

	if (frame_echo_decode(data, len, &echo) < 0 || echo.cookie != c->cookie || a == NULL || a->done ||
	    (c->failed_over && mac_equal(from, a->old)))
		return;
	a->mac = from;
	a->done = true;
	a->back_us = now_us();
	c->done_n++;
}

static void v4_received(struct client *c, const uint8_t *frame, size_t len)
{
	struct wire_reader r = wire_reader_of(frame, len);
	struct mac from = (wire_read_mac(&r), wire_read_mac(&r));
	const uint8_t *header = (wire_read_u16(&r), wire_read_view(&r, IPV4_LEN));

	/* without options */
	if (is_v4(c) && !r.failed && header[0] == 0x45 && header[9] == IPPROTO_ICMP && wire_left(&r) > 0 &&
	    r.data[r.at] == ECHO_REPLY_V4)
		reply_received(c, from, header + 12, r.data + r.at, wire_left(&r));
}

static void v6_received(struct client *c, const uint8_t *frame, size_t len)
{
	struct wire_reader r = wire_reader_of(frame, len);
	struct mac from = (wire_read_mac(&r), wire_read_mac(&r));
	const uint8_t *header = (wire_read_u16(&r), wire_read_view(&r, IPV6_LEN));

	if (is_v4(c) || r.failed || header[6] != FRAME_ICMPV6 || wire_left(&r) == 0)
		return;
	if (r.data[r.at] == ECHO_REPLY_V6)
		reply_received(c, from, header + 8, r.data + r.at, wire_left(&r));
	else if (r.data[r.at] == NDP_ADVERTISEMENT)
		advertisement_received(c, r.data + r.at, wire_left(&r));
}

static void read_all(struct client *c)
{
	uint8_t frame[FRAME_LEN_MAX];
	ssize_t len;

	/* All that is there, but questions are due once in a while. */
	for (int i = 0; i < 64 && (len = recv(c->fd, frame, sizeof(frame), MSG_DONTWAIT)) >= 0; i++) {
		struct wire_reader r = wire_reader_of(frame, (size_t)len);
		uint16_t type = (wire_read_view(&r, 12), wire_read_u16(&r));

		if (type == ETH_P_ARP)
			arp_received(c, frame, (size_t)len);
		else if (type == ETH_P_IP)
			v4_received(c, frame, (size_t)len);
		else if (type == ETH_P_IPV6)
			v6_received(c, frame, (size_t)len);
	}
}

/* Until all addresses are done, or that time. */
static void run_until(struct client *c, int64_t end_us)
{
	struct pollfd fds = { .fd = c->fd, .events = POLLIN };

	while (c->done_n < c->count && now_us() < end_us) {
		if (poll(&fds, 1, 1) < 0 && errno != EINTR)
			err(1, "poll");
		read_all(c);
		ask_due(c, now_us());
	}
}

/* ---- the measurement ---- */

/* How many MACs have addresses; what they are becomes `old`. */
static size_t owners_note(struct client *c)
{
	struct mac owners[OWNER_MAX];
	size_t n = 0;

	for (size_t i = 0; i < c->count; i++) {
		struct address *a = &c->addresses[i];
		size_t k = 0;

		a->old = a->mac;
		a->done = false;
		while (k < n && !mac_equal(owners[k], a->mac))
			k++;
		if (k == n && n < OWNER_MAX)
			owners[n++] = a->mac;
	}
	c->done_n = 0;
	return n;
}

/* The fault; until all are back or time is over. Returns when it began. */
static int64_t fault_run(struct client *c, char **command)
{
	int64_t begin = now_us();
	int status = 0, error;
	pid_t pid;

	c->failed_over = true;
	c->asked_until_us = begin;
	error = posix_spawnp(&pid, command[0], NULL, NULL, command, environ);
	if (error != 0)
		errx(1, "%s: %s", command[0], strerror(error));
	run_until(c, begin + c->wait_us);
	/* A command that hangs is killed with us by whoever waits for us. */
	if (waitpid(pid, &status, 0) != pid || status != 0)
		errx(1, "%s failed", command[0]);
	return begin;
}

static int compare(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void back_print(const struct client *c, int64_t begin_us)
{
	int64_t *times = calloc(c->count, sizeof(*times));
	size_t n = 0;

	if (times == NULL)
		err(1, "memory");
	for (size_t i = 0; i < c->count; i++)
		if (c->addresses[i].done)
			times[n++] = c->addresses[i].back_us - begin_us;
	qsort(times, n, sizeof(*times), compare);
	printf("back moved=%zu count=%zu first_us=%" PRId64 " median_us=%" PRId64 " last_us=%" PRId64 "\n", n, c->count,
	       n > 0 ? times[0] : -1, n > 0 ? times[(n - 1) / 2] : -1, n > 0 ? times[n - 1] : -1);
	free(times);
}

static void measure(struct client *c, char **command)
{
	int64_t begin = now_us();

	c->asked_until_us = begin;
	run_until(c, begin + c->warm_up_us);
	if (c->done_n < c->count) {
		fprintf(stderr, "%zu of %zu addresses answered within %" PRId64 " s\n", c->done_n, c->count,
			c->warm_up_us / 1000000);
		exit(3);
	}
	printf("ready owners=%zu took_us=%" PRId64 "\n", owners_note(c), now_us() - begin);
	fflush(stdout);
	/* the daemons of the survivors are other machines to a real client, and have no priority over it */
	(void)sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK,
				 &(struct sched_param){ .sched_priority = PRIORITY });
	back_print(c, fault_run(c, command));
}

/* ---- set-up ---- */

static void request_ask(const struct client *c, int fd, unsigned long what, struct ifreq *request)
{
	memset(request, 0, sizeof(*request));
	memcpy(request->ifr_name, c->interface, strlen(c->interface));
	if (ioctl(fd, what, request) < 0)
		err(1, "%s", c->interface);
}

/* Our own address, of the family of the others; in IPv6 in their /64, which leaves the link-local one out. */
static void ip_find(struct client *c)
{
	struct ifaddrs *list;

	if (getifaddrs(&list) != 0)
		err(1, "getifaddrs");
	for (struct ifaddrs *item = list; item != NULL && c->ip.family == IP_NONE; item = item->ifa_next) {
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;

		if (item->ifa_addr == NULL || strcmp(item->ifa_name, c->interface) != 0)
			continue;
		if (is_v4(c) && item->ifa_addr->sa_family == AF_INET) {
			memcpy(&v4, item->ifa_addr, sizeof(v4));
			c->ip = ip_from_v4((const uint8_t *)&v4.sin_addr);
		} else if (!is_v4(c) && item->ifa_addr->sa_family == AF_INET6) {
			memcpy(&v6, item->ifa_addr, sizeof(v6));
			if (memcmp(&v6.sin6_addr, c->first.bytes, 8) == 0)
				c->ip = ip_from_v6((const uint8_t *)&v6.sin6_addr);
		}
	}
	freeifaddrs(list);
	if (c->ip.family == IP_NONE)
		errx(1, "%s has no address of that family and network", c->interface);
}

static void interface_find(struct client *c)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request;

	if (fd < 0)
		err(1, "socket");
	c->ifindex = if_nametoindex(c->interface);
	if (c->ifindex == 0)
		err(1, "%s", c->interface);
	request_ask(c, fd, SIOCGIFHWADDR, &request);
	memcpy(c->mac.bytes, request.ifr_hwaddr.sa_data, sizeof(c->mac.bytes));
	close(fd);
	ip_find(c);
}

static void socket_open(struct client *c)
{
	const struct sockaddr_ll address = { .sll_family = AF_PACKET,
					     .sll_protocol = htons(ETH_P_ALL),
					     .sll_ifindex = (int)c->ifindex };
	int on = 1, size = 64 * 1024 * 1024;

	c->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	/* Room for several announcements of every address while we do not run. */
	if (c->fd < 0 || setsockopt(c->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) < 0 ||
	    setsockopt(c->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0 ||
	    bind(c->fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		err(1, "packet socket on %s", c->interface);
}

static void usage(void)
{
	fputs("usage: failover_many --interface NAME --first IP --count N [--warm-up S] [--seconds S] -- "
	      "COMMAND...\n",
	      stderr);
	exit(2);
}

static int64_t number_parse(const char *text, int64_t max)
{
	char *end;
	long long value = strtoll(text, &end, 10);

	if (end == text || *end != '\0' || value < 1 || value > max)
		errx(2, "%s: expected a number from 1 to %" PRId64, text, max);
	return value;
}

static struct ip first_parse(const char *text)
{
	struct ip ip;

	if (ip_parse(text, &ip) < 0)
		errx(2, "%s: expected an IP address", text);
	return ip;
}

static void options_read(struct client *c, int argc, char *argv[])
{
	static const struct option options[] = {
		{ "interface", required_argument, NULL, 'i' }, { "first", required_argument, NULL, 'f' },
		{ "count", required_argument, NULL, 'c' },     { "warm-up", required_argument, NULL, 'w' },
		{ "seconds", required_argument, NULL, 's' },   { NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		switch (option) {
		case 'i':
			c->interface = optarg;
			break;
		case 'f':
			c->first = first_parse(optarg);
			break;
		case 'c':
			c->count = (size_t)number_parse(optarg, ADDRESS_MAX);
			break;
		case 'w':
			c->warm_up_us = number_parse(optarg, 3600) * 1000000;
			break;
		case 's':
			c->wait_us = number_parse(optarg, 3600) * 1000000;
			break;
		default:
			usage();
		}
	}
	if (optind == argc || c->interface == NULL || strlen(c->interface) >= IFNAMSIZ || c->first.family == IP_NONE ||
	    c->count == 0)
		usage();
}

int main(int argc, char *argv[])
{
	struct client c = { .warm_up_us = 60000000, .wait_us = 20000000 };

	options_read(&c, argc, argv);
	interface_find(&c);
	socket_open(&c);
	c.addresses = calloc(c.count, sizeof(*c.addresses));
	if (c.addresses == NULL)
		err(1, "memory");
	c.cookie = (uint32_t)clock_random_u64();
	measure(&c, argv + optind);
	free(c.addresses);
	return 0;
}
