/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: prober, the client of the lab
 *
 * Pings every target at 1 kHz through the kernel, as an ordinary client would, and asks ARP or a neighbour solicitation for it every
 * 10 ms, writing down who answers. What that adds up to is in observe.h.
 *
 * - Pings leave from the client's own address, so the kernel's neighbour table decides where they go: after a move they are
 *   lost until the announcement of the new owner corrects that table. The questions must not help it. They are asked in the name of a
 *   second, made-up host (--probe-source, MAC 02:4d:4c:fe:00:01); answers go to that MAC, which the kernel ignores and the prober's
 *   packet socket sees. Solicitations for the made-up host itself (an owner's kernel checks its neighbours) are answered.
 * - The schedule is absolute. A prober that wakes up late sends one ping, counts the missed ones as skipped and notes how
 *   late it was: its own hiccups are told apart from the network's.
 * - Times of arrival are the kernel's stamps. Everything is reported in CLOCK_MONOTONIC, which all namespaces share.
 *
 * The window of a report begins when every target has answered a first time ("ready", after --warm-up at most) or at the last report.
 * SIGUSR1 ends a window and begins the next; its report follows a second later, when every ping in it is answered or lost.
 * SIGTERM, SIGINT or --duration end the run with the last report and, with --json, a document about the whole.
 *
 * Lines on standard output (key=value, times in microseconds):
 *   ready at_us=
 *   report window= target= from_us= to_us= sent= lost= outages= outage_us= outage_at_us= down_us= silence_us= unanswered_us= deaf_us=
 *          dual_us= dual_last_us= changes= holder= rtt_min_us= rtt_max_us= late_us= skipped=
 *   timeline window= target= at_us= what=appears|vanishes|announces|outage who= [length_us= lost= late_us=]
 *   bar window= target= from_us= bin_us= view=####..##
 *   end window=
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <net/if.h> /* before linux/icmp.h, whose linux/if.h gives way to it */
#include <linux/icmp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "arp/packet.h"
#include "base/addr.h"
#include "base/clock.h"
#include "base/wire.h"
#include "ndp/packet.h"
#include "tests/lab/frame.h"
#include "tests/lab/observe.h"

#define PING_PERIOD_US 1000
#define PROBE_EVERY 10	   /* pings */
#define TARGET_MAX 8	   /* a service with a few addresses */
#define DURATION_MAX_S 900 /* memory: 16 MB a target */
#define WARM_UP_DEFAULT_S 5
#define BAR_BIN_US 50000
#define BAR_MAX (DURATION_MAX_S * 20 + 1)
#define FRAME_LEN_MAX 256 /* ARP, NS and NA; longer frames are somebody else's */

static const struct mac probe_mac = { { 0x02, 0x4d, 0x4c, 0xfe, 0x00, 0x01 } };

struct mac_name {
	struct mac mac;
	char name[16];
};

struct prober {
	const char *interface;
	unsigned int ifindex;
	struct mac mac;
	size_t target_n;
	struct observe targets[TARGET_MAX];
	struct ip probe_source_v4; /* IP_NONE: 0.0.0.0, the form of RFC 5227 2.1.1 */
	struct ip probe_source_v6;
	size_t mac_n;
	struct mac_name macs[OBSERVE_MAC_MAX];
	size_t name_n;
	struct mac_name names[OBSERVE_MAC_MAX]; /* as given by --name */
	uint32_t cookie;			/* in every ping: others on this host ping too */
	int icmp_fd[2];				/* IPv4, IPv6; -1: not needed */
	int packet_fd[2];
	int timer_fd;
	int signal_fd;
	int64_t start_us; /* first tick */
	uint64_t tick;
	uint64_t skipped;
	bool realtime;
	bool ready;
	bool done; /* stop sending */
	int64_t duration_us;
	int64_t warm_up_us;
	int64_t window_us; /* where the current window begins; the run began at `ready_us` */
	int64_t ready_us;
	int64_t pending_us; /* end of a window whose last pings are still out; 0: none */
	unsigned int window_n;
	const char *json_path;
};

static int64_t now_us(void)
{
	return clock_now().us;
}

/* ---- packets ---- */

static void frame_send(const struct prober *p, int fd, const uint8_t *frame, size_t len)
{
	const struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = (int)p->ifindex };

	/* Failure is seen as a question without an answer. */
	(void)!sendto(fd, frame, len, MSG_DONTWAIT, (const struct sockaddr *)&to, sizeof(to));
}

static void probe_send(const struct prober *p, struct ip target)
{
	uint8_t frame[FRAME_NDP_LEN_MAX];
	struct arp_packet request;
	struct ndp_packet solicitation = { .kind = NDP_SOLICITATION, .target = target, .has_mac = true };
	struct ip group;

	if (target.family == IP_V4) {
		request = arp_request(probe_mac, p->probe_source_v4, target);
		arp_encode(&request, frame);
		frame_send(p, p->packet_fd[0], frame, ARP_FRAME_LEN);
		return;
	}
	solicitation.mac = probe_mac;
	group = ndp_solicited_node(target);
	frame_send(p, p->packet_fd[1], frame,
		   frame_ndp(&solicitation, probe_mac, p->probe_source_v6, frame_multicast_mac(group), group, frame));
}

static void ping_send(const struct prober *p, const struct observe *o, uint32_t index)
{
	const struct frame_echo echo = { p->cookie, (uint32_t)(o - p->targets), index };
	struct sockaddr_in to4 = { .sin_family = AF_INET };
	struct sockaddr_in6 to6 = { .sin6_family = AF_INET6 };
	uint8_t data[FRAME_ECHO_LEN];

	frame_echo_encode(&echo, o->target.family, data);
	/* Failure (no neighbour: EHOSTUNREACH) is seen as a lost ping. */
	if (o->target.family == IP_V4) {
		memcpy(&to4.sin_addr, o->target.bytes, 4);
		(void)!sendto(p->icmp_fd[0], data, sizeof(data), MSG_DONTWAIT, (struct sockaddr *)&to4, sizeof(to4));
	} else {
		memcpy(&to6.sin6_addr, o->target.bytes, 16);
		(void)!sendto(p->icmp_fd[1], data, sizeof(data), MSG_DONTWAIT, (struct sockaddr *)&to6, sizeof(to6));
	}
}

/* ---- receiving ---- */

/* Read one packet with the kernel's stamp, brought to CLOCK_MONOTONIC. Its length, or -1: nothing there. */
static ssize_t stamped_read(int fd, uint8_t *data, size_t cap, int64_t *ret_at_us)
{
	char control[CMSG_SPACE(sizeof(struct timespec)) + 64];
	struct iovec iov = { data, cap };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};
	ssize_t len = recvmsg(fd, &msg, MSG_DONTWAIT);
	struct timespec stamp, wall;

	*ret_at_us = now_us();
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); len >= 0 && c != NULL; c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
			continue;
		memcpy(&stamp, CMSG_DATA(c), sizeof(stamp));
		clock_gettime(CLOCK_REALTIME, &wall);
		*ret_at_us -= (wall.tv_sec - stamp.tv_sec) * 1000000 + (wall.tv_nsec - stamp.tv_nsec) / 1000;
	}
	return len;
}

static void icmp_read(struct prober *p, bool v4)
{
	uint8_t data[FRAME_LEN_MAX];
	struct frame_echo echo;
	int64_t at;
	ssize_t len;

	while ((len = stamped_read(p->icmp_fd[v4 ? 0 : 1], data, sizeof(data), &at)) >= 0) {
		ssize_t header = v4 ? (data[0] & 15) * 4 : 0; /* raw IPv4 sockets give the IP header too */

		if (len < header || frame_echo_decode(data + header, (size_t)(len - header), &echo) < 0)
			continue;
		if (echo.cookie == p->cookie && echo.target < p->target_n)
			observe_ping_answered(&p->targets[echo.target], echo.index, at);
	}
}

/* Index of mac, added when new; the last slot takes all that come too late. */
static uint8_t mac_index(struct prober *p, struct mac mac)
{
	size_t i = 0;

	while (i < p->mac_n && !mac_equal(p->macs[i].mac, mac))
		i++;
	if (i == OBSERVE_MAC_MAX)
		return OBSERVE_MAC_MAX - 1;
	if (i == p->mac_n) {
		p->macs[i].mac = mac;
		for (size_t n = 0; n < p->name_n; n++)
			if (mac_equal(p->names[n].mac, mac))
				memcpy(p->macs[i].name, p->names[n].name, sizeof(p->macs[i].name));
		p->mac_n++;
	}
	return (uint8_t)i;
}

static struct observe *target_of(struct prober *p, struct ip ip)
{
	for (size_t i = 0; i < p->target_n; i++)
		if (ip_equal(p->targets[i].target, ip))
			return &p->targets[i];
	return NULL;
}

static void arp_read(struct prober *p)
{
	uint8_t frame[FRAME_LEN_MAX];
	struct arp_packet packet;
	int64_t at;
	ssize_t len;

	while ((len = stamped_read(p->packet_fd[0], frame, sizeof(frame), &at)) >= 0) {
		struct observe *o;

		if (arp_decode(frame, (size_t)len, &packet) < 0)
			continue;
		o = target_of(p, packet.sender_ip);
		if (o == NULL)
			continue;
		if (packet.operation == ARP_OP_REPLY && mac_equal(packet.ethernet_target, probe_mac))
			observe_answered(o, at, mac_index(p, packet.sender_mac));
		else if (ip_equal(packet.target_ip, packet.sender_ip))
			observe_announced(o, at, mac_index(p, packet.sender_mac));
	}
}

/* An owner's kernel checks whether the made-up host is still there (RFC 4861 7.3.3): it is. */
static void solicitation_answer(const struct prober *p, struct ip asker, struct mac asker_mac)
{
	const struct ndp_packet answer = { .kind = NDP_ADVERTISEMENT,
					   .target = p->probe_source_v6,
					   .solicited = true,
					   .override = true,
					   .has_mac = true,
					   .mac = probe_mac };
	uint8_t frame[FRAME_NDP_LEN_MAX];

	frame_send(p, p->packet_fd[1], frame,
		   frame_ndp(&answer, probe_mac, p->probe_source_v6, asker_mac, asker, frame));
}

static void ndp_read(struct prober *p)
{
	uint8_t frame[FRAME_LEN_MAX];
	struct ndp_packet packet;
	int64_t at;
	ssize_t len;

	while ((len = stamped_read(p->packet_fd[1], frame, sizeof(frame), &at)) >= 0) {
		struct wire_reader r = wire_reader_of(frame, (size_t)len);
		struct mac to = wire_read_mac(&r), from = wire_read_mac(&r);
		const uint8_t *header = (wire_read_u16(&r), wire_read_view(&r, 40));
		struct observe *o;

		if (header == NULL || header[6] != FRAME_ICMPV6 || header[7] != 255 ||
		    ndp_decode(r.data + r.at, wire_left(&r), &packet) < 0)
			continue;
		if (packet.kind == NDP_SOLICITATION) {
			if (ip_equal(packet.target, p->probe_source_v6))
				solicitation_answer(p, ip_from_v6(header + 8), from);
			continue;
		}
		o = target_of(p, packet.target);
		if (o == NULL || !packet.has_mac)
			continue;
		if (packet.solicited && mac_equal(to, probe_mac))
			observe_answered(o, at, mac_index(p, packet.mac));
		else if (!packet.solicited)
			observe_announced(o, at, mac_index(p, packet.mac));
	}
}

static void read_all(struct prober *p)
{
	for (int i = 0; i < 2; i++)
		if (p->icmp_fd[i] >= 0)
			icmp_read(p, i == 0);
	if (p->packet_fd[0] >= 0)
		arp_read(p);
	if (p->packet_fd[1] >= 0)
		ndp_read(p);
}

/* ---- reports ---- */

static const char *mac_name(const struct prober *p, int mac)
{
	static char text[MAC_TEXT_MAX];

	if (mac < 0)
		return "-";
	return p->macs[mac].name[0] != '\0' ? p->macs[mac].name : mac_format(p->macs[mac].mac, text);
}

static void print_report(const struct prober *p, const struct observe *o, const struct observe_report *r)
{
	static char bar[BAR_MAX];
	char ip[IP_TEXT_MAX];

	ip_format(o->target, ip);
	printf("report window=%u target=%s from_us=%" PRId64 " to_us=%" PRId64
	       " sent=%zu lost=%zu outages=%zu outage_us=%" PRId64 " outage_at_us=%" PRId64 " down_us=%" PRId64
	       " silence_us=%" PRId64 " unanswered_us=%" PRId64 " deaf_us=%" PRId64 " dual_us=%" PRId64
	       " dual_last_us=%" PRId64 " changes=%zu holder=%s rtt_min_us=%" PRId64 " rtt_max_us=%" PRId64
	       " late_us=%" PRId64 " skipped=%" PRIu64 "\n",
	       p->window_n, ip, r->from_us, r->to_us, r->sent_n, r->lost_n, r->outage_n, r->outage_us, r->outage_at_us,
	       r->down_us, r->silence_us, r->unanswered_us, r->unanswered_longest_us, r->dual_us, r->dual_last_us,
	       r->change_n, mac_name(p, r->holder), r->rtt_min_us, r->rtt_max_us, r->late_max_us, p->skipped);
	for (size_t i = 0; i < r->outage_n && i < OBSERVE_OUTAGE_MAX; i++)
		printf("timeline window=%u target=%s at_us=%" PRId64 " what=outage who=- length_us=%" PRId64
		       " lost=%zu late_us=%" PRId64 "\n",
		       p->window_n, ip, r->outages[i].at_us, r->outages[i].length_us, r->outages[i].lost_n,
		       r->outages[i].late_us);
	for (size_t i = 0; i < r->event_n; i++)
		printf("timeline window=%u target=%s at_us=%" PRId64 " what=%s who=%s\n", p->window_n, ip,
		       r->events[i].at_us, r->events[i].appears ? "appears" : "vanishes",
		       mac_name(p, r->events[i].mac));
	for (size_t i = 0; i < o->announcement_n; i++)
		if (o->announcements[i].at_us >= r->from_us && o->announcements[i].at_us < r->to_us)
			printf("timeline window=%u target=%s at_us=%" PRId64 " what=announces who=%s\n", p->window_n,
			       ip, o->announcements[i].at_us, mac_name(p, o->announcements[i].mac));
	observe_bar(o, r->from_us, r->to_us, BAR_BIN_US, bar, sizeof(bar));
	printf("bar window=%u target=%s from_us=%" PRId64 " bin_us=%d view=%s\n", p->window_n, ip, r->from_us,
	       BAR_BIN_US, bar);
}

static void window_close(struct prober *p, int64_t to_us)
{
	static struct observe_report r;

	for (size_t i = 0; i < p->target_n; i++) {
		observe_report(&p->targets[i], p->window_us, to_us, &r);
		print_report(p, &p->targets[i], &r);
	}
	printf("end window=%u\n", p->window_n);
	fflush(stdout);
	p->window_n++;
	p->window_us = to_us;
}

static void json_target(const struct prober *p, FILE *f, const struct observe *o, const struct observe_report *r)
{
	char ip[IP_TEXT_MAX], mac[MAC_TEXT_MAX];

	fprintf(f,
		"    {\"ip\": \"%s\", \"sent\": %zu, \"lost\": %zu, \"longestOutageUs\": %" PRId64
		", \"outageCount\": %zu, \"downUs\": %" PRId64 ", \"silenceUs\": %" PRId64
		",\n     \"unansweredUs\": %" PRId64 ", \"longestUnansweredUs\": %" PRId64 ", \"twoOwnersUs\": %" PRId64
		", \"twoOwnersLastUs\": %" PRId64 ", \"ownerChanges\": %zu, \"rttMinUs\": %" PRId64
		", \"rttMaxUs\": %" PRId64 ",\n     \"outages\": [",
		ip_format(o->target, ip), r->sent_n, r->lost_n, r->outage_us, r->outage_n, r->down_us, r->silence_us,
		r->unanswered_us, r->unanswered_longest_us, r->dual_us, r->dual_last_us, r->change_n, r->rtt_min_us,
		r->rtt_max_us);
	for (size_t i = 0; i < r->outage_n && i < OBSERVE_OUTAGE_MAX; i++)
		fprintf(f,
			"%s{\"atUs\": %" PRId64 ", \"lengthUs\": %" PRId64 ", \"lost\": %zu, \"lateUs\": %" PRId64 "}",
			i > 0 ? ", " : "", r->outages[i].at_us, r->outages[i].length_us, r->outages[i].lost_n,
			r->outages[i].late_us);
	fprintf(f, "],\n     \"timeline\": [");
	for (size_t i = 0; i < r->event_n; i++)
		fprintf(f, "%s{\"atUs\": %" PRId64 ", \"mac\": \"%s\", \"node\": \"%s\", \"what\": \"%s\"}",
			i > 0 ? ", " : "", r->events[i].at_us, mac_format(p->macs[r->events[i].mac].mac, mac),
			p->macs[r->events[i].mac].name, r->events[i].appears ? "appears" : "vanishes");
	fprintf(f, "],\n     \"announcements\": [");
	for (size_t i = 0; i < o->announcement_n; i++)
		fprintf(f, "%s{\"atUs\": %" PRId64 ", \"mac\": \"%s\"}", i > 0 ? ", " : "", o->announcements[i].at_us,
			mac_format(p->macs[o->announcements[i].mac].mac, mac));
	fprintf(f, "]}");
}

static void json_write(const struct prober *p, int64_t to_us)
{
	static struct observe_report r;
	char start[CLOCK_RFC3339_MAX];
	int64_t late = 0;
	FILE *f = fopen(p->json_path, "we");

	if (f == NULL)
		err(1, "%s", p->json_path);
	for (size_t i = 0; i < p->targets[0].ping_n; i++)
		late = p->targets[0].pings[i].late_us > late ? p->targets[0].pings[i].late_us : late;
	clock_rfc3339(clock_wall_ms() - (now_us() - p->ready_us) / 1000, start);
	fprintf(f,
		"{\"start\": \"%s\", \"startUs\": %" PRId64 ", \"durationUs\": %" PRId64
		", \"realtime\": %s, \"lateMaxUs\": %" PRId64 ", \"skipped\": %" PRIu64 ",\n  \"targets\": [\n",
		start, p->ready_us, to_us - p->ready_us, p->realtime ? "true" : "false", late, p->skipped);
	for (size_t i = 0; i < p->target_n; i++) {
		observe_report(&p->targets[i], p->ready_us, to_us, &r);
		json_target(p, f, &p->targets[i], &r);
		fprintf(f, "%s\n", i + 1 < p->target_n ? "," : "");
	}
	fprintf(f, "  ]}\n");
	if (fclose(f) != 0)
		err(1, "%s", p->json_path);
}

static void human_lines(const struct prober *p, int64_t to_us)
{
	static struct observe_report r;
	char ip[IP_TEXT_MAX];

	for (size_t i = 0; i < p->target_n; i++) {
		observe_report(&p->targets[i], p->ready_us, to_us, &r);
		fprintf(stderr,
			"%s: %zu pings, %zu lost, longest outage %.1f ms, two owners %.1f ms, %zu change(s) of owner; "
			"client late by %.1f ms at most\n",
			ip_format(p->targets[i].target, ip), r.sent_n, r.lost_n, (double)r.outage_us / 1e3,
			(double)r.dual_us / 1e3, r.change_n, (double)r.late_max_us / 1e3);
	}
}

/* ---- the loop ---- */

static bool all_answered(const struct prober *p)
{
	for (size_t i = 0; i < p->target_n; i++)
		if (p->targets[i].answer_n == 0 || p->targets[i].ping_answered_n == 0)
			return false;
	return true;
}

static void ready_check(struct prober *p)
{
	int64_t now = now_us();

	if (p->ready)
		return;
	if (all_answered(p)) {
		p->ready = true;
		p->ready_us = p->window_us = now;
		printf("ready at_us=%" PRId64 "\n", now);
		fflush(stdout);
	} else if (now > p->start_us + p->warm_up_us) {
		errx(3, "no answer from every target within %" PRId64 " ms", p->warm_up_us / 1000);
	}
}

static void tick_run(struct prober *p)
{
	uint64_t expirations = 0;
	int64_t now, late;
	bool room = true;

	if (read(p->timer_fd, &expirations, sizeof(expirations)) < 0 || expirations == 0 || p->done)
		return;
	p->tick += expirations;
	p->skipped += p->ready ? expirations - 1 : 0;
	now = now_us();
	/* The first of the missed ticks tells how long we slept. */
	late = now - (p->start_us + (int64_t)(p->tick - expirations) * PING_PERIOD_US);
	for (size_t i = 0; i < p->target_n; i++) {
		struct observe *o = &p->targets[i];

		/* After a skip the next question is asked at once. */
		if (p->tick / PROBE_EVERY != (p->tick - expirations) / PROBE_EVERY) {
			room = observe_probe_sent(o, now_us()) && room;
			probe_send(p, o->target);
		}
		room = observe_ping_sent(o, now_us(), late) && room;
		ping_send(p, o, (uint32_t)(o->ping_n - 1));
	}
	if (!room || (p->duration_us > 0 && p->ready && now >= p->ready_us + p->duration_us))
		p->done = true;
}

static void signal_read(struct prober *p)
{
	struct signalfd_siginfo info;

	while (read(p->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo != SIGUSR1)
			p->done = true;
		else if (p->pending_us == 0 && p->ready)
			p->pending_us = now_us();
	}
}

static void prober_run(struct prober *p)
{
	struct pollfd fds[6] = {
		{ .fd = p->timer_fd, .events = POLLIN },     { .fd = p->signal_fd, .events = POLLIN },
		{ .fd = p->icmp_fd[0], .events = POLLIN },   { .fd = p->icmp_fd[1], .events = POLLIN },
		{ .fd = p->packet_fd[0], .events = POLLIN }, { .fd = p->packet_fd[1], .events = POLLIN },
	};
	int64_t end = INT64_MAX;

	while (now_us() < end) {
		if (poll(fds, sizeof(fds) / sizeof(*fds), 100) < 0 && errno != EINTR)
			err(1, "poll");
		tick_run(p);
		read_all(p);
		ready_check(p);
		signal_read(p);
		if (p->pending_us != 0 && now_us() > p->pending_us + OBSERVE_LOST_US) {
			window_close(p, p->pending_us);
			p->pending_us = 0;
		}
		if (p->done && end == INT64_MAX)
			end = now_us() + OBSERVE_LOST_US;
	}
	end -= OBSERVE_LOST_US;
	if (!p->ready)
		errx(3, "stopped before every target had answered");
	window_close(p, end);
	human_lines(p, end);
	if (p->json_path != NULL)
		json_write(p, end);
}

/* ---- set-up ---- */

static void socket_prepare(const struct prober *p, int fd, bool bind_device)
{
	int on = 1, size = 4 * 1024 * 1024;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) < 0)
		err(1, "socket");
	/* Room for a second of answers while we do not run. */
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (bind_device &&
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, p->interface, (socklen_t)strlen(p->interface)) < 0)
		err(1, "%s", p->interface);
}

static int packet_open(const struct prober *p, uint16_t protocol)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;
	const struct sockaddr_ll address = { .sll_family = AF_PACKET,
					     .sll_protocol = htons(protocol),
					     .sll_ifindex = (int)p->ifindex };

	socket_prepare(p, fd, false);
	if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) < 0 ||
	    bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		err(1, "packet socket on %s", p->interface);
	return fd;
}

static void sockets_open(struct prober *p)
{
	/* One bit a type; a set bit is filtered out. */
	const struct icmp_filter only_replies = { .data = ~(1U << ICMP_ECHOREPLY) };
	struct icmp6_filter only_replies6;

	p->icmp_fd[0] = p->icmp_fd[1] = p->packet_fd[0] = p->packet_fd[1] = -1;
	for (size_t i = 0; i < p->target_n; i++) {
		bool v4 = p->targets[i].target.family == IP_V4;

		if (p->icmp_fd[v4 ? 0 : 1] >= 0)
			continue;
		p->icmp_fd[v4 ? 0 : 1] = socket(v4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
						v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
		socket_prepare(p, p->icmp_fd[v4 ? 0 : 1], true);
		p->packet_fd[v4 ? 0 : 1] = packet_open(p, v4 ? ETH_P_ARP : ETH_P_IPV6);
	}
	ICMP6_FILTER_SETBLOCKALL(&only_replies6);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &only_replies6);
	if (p->icmp_fd[0] >= 0 &&
	    setsockopt(p->icmp_fd[0], SOL_RAW, ICMP_FILTER, &only_replies, sizeof(only_replies)) < 0)
		err(1, "ICMP_FILTER");
	if (p->icmp_fd[1] >= 0 &&
	    setsockopt(p->icmp_fd[1], IPPROTO_ICMPV6, ICMP6_FILTER, &only_replies6, sizeof(only_replies6)) < 0)
		err(1, "ICMP6_FILTER");
}

static void clock_start(struct prober *p)
{
	struct itimerspec spec = { .it_interval.tv_nsec = PING_PERIOD_US * 1000 };
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGUSR1);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	p->signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
	p->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	p->start_us = now_us() + 10 * PING_PERIOD_US;
	spec.it_value.tv_sec = p->start_us / 1000000;
	spec.it_value.tv_nsec = p->start_us % 1000000 * 1000;
	if (p->signal_fd < 0 || p->timer_fd < 0 || timerfd_settime(p->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL) < 0)
		err(1, "timer or signals");
}

/* --announce: one gratuitous ARP request, or unsolicited advertisement, for each target in this host's name. */
static void announce(const struct prober *p)
{
	const struct ip all_nodes = ip_from_v6((const uint8_t[16]){ 0xff, 2, [15] = 1 });
	uint8_t frame[FRAME_NDP_LEN_MAX];

	for (size_t i = 0; i < p->target_n; i++) {
		struct ip ip = p->targets[i].target;

		if (ip.family == IP_V4) {
			struct arp_packet gratuitous = arp_gratuitous_request(p->mac, ip);

			arp_encode(&gratuitous, frame);
			frame_send(p, p->packet_fd[0], frame, ARP_FRAME_LEN);
		} else {
			struct ndp_packet unsolicited = ndp_unsolicited(ip, p->mac, false);

			frame_send(
				p, p->packet_fd[1], frame,
				frame_ndp(&unsolicited, p->mac, ip, frame_multicast_mac(all_nodes), all_nodes, frame));
		}
	}
}

static void interface_find(struct prober *p)
{
	struct ifreq request = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (p->interface == NULL || strlen(p->interface) >= IFNAMSIZ)
		errx(2, "--interface NAME is needed");
	p->ifindex = if_nametoindex(p->interface);
	memcpy(request.ifr_name, p->interface, strlen(p->interface));
	if (fd < 0 || p->ifindex == 0 || ioctl(fd, SIOCGIFHWADDR, &request) < 0)
		err(1, "%s", p->interface);
	memcpy(p->mac.bytes, request.ifr_hwaddr.sa_data, sizeof(p->mac.bytes));
	close(fd);
}

/* "02:4d:4c:00:00:01=n1" */
static void name_add(struct prober *p, const char *text)
{
	const char *equals = strchr(text, '=');
	char mac[MAC_TEXT_MAX] = "";

	if (equals == NULL || (size_t)(equals - text) >= sizeof(mac) || p->name_n == OBSERVE_MAC_MAX ||
	    strlen(equals + 1) >= sizeof(p->names[0].name))
		errx(2, "%s: expected MAC=NAME", text);
	memcpy(mac, text, (size_t)(equals - text));
	if (mac_parse(mac, &p->names[p->name_n].mac) < 0)
		errx(2, "%s: bad MAC", text);
	memcpy(p->names[p->name_n++].name, equals + 1, strlen(equals + 1) + 1);
}

static void target_add(struct prober *p, const char *text)
{
	if (p->target_n == TARGET_MAX)
		errx(2, "%d targets at most", TARGET_MAX);
	if (ip_parse(text, &p->targets[p->target_n++].target) < 0)
		errx(2, "%s: bad address", text);
}

static void probe_source_set(struct prober *p, const char *text)
{
	struct ip ip;

	if (ip_parse(text, &ip) < 0)
		errx(2, "%s: bad address", text);
	if (ip.family == IP_V4)
		p->probe_source_v4 = ip;
	else
		p->probe_source_v6 = ip;
}

/* "12" or "0.5", seconds. */
static int64_t seconds_parse(const char *text)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end != '\0' || !(value > 0.0 && value <= DURATION_MAX_S))
		errx(2, "%s: expected seconds, %d at most", text, DURATION_MAX_S);
	return (int64_t)(value * 1e6);
}

static void memory_prepare(struct prober *p)
{
	int64_t seconds = (p->duration_us > 0 ? (p->duration_us + p->warm_up_us) / 1000000 : DURATION_MAX_S) + 2;
	size_t ping_n = (size_t)seconds * (1000000 / PING_PERIOD_US);

	for (size_t i = 0; i < p->target_n; i++)
		if (observe_init(&p->targets[i], p->targets[i].target, ping_n, ping_n / PROBE_EVERY + 2) < 0)
			errx(1, "no memory");
}

static void usage(void)
{
	fputs("usage: prober --interface NAME --target IP... [--duration S] [--warm-up S] [--json FILE]\n"
	      "              [--name MAC=NAME]... [--probe-source IP]... [--realtime]\n"
	      "       prober --interface NAME --target IP... --announce\n",
	      stderr);
	exit(2);
}

/* Returns whether to announce instead of probing. */
static bool options_read(struct prober *p, int argc, char *argv[])
{
	static const struct option options[] = {
		{ "interface", required_argument, NULL, 'i' },	  { "target", required_argument, NULL, 't' },
		{ "duration", required_argument, NULL, 'd' },	  { "warm-up", required_argument, NULL, 'w' },
		{ "json", required_argument, NULL, 'j' },	  { "name", required_argument, NULL, 'n' },
		{ "probe-source", required_argument, NULL, 's' }, { "announce", no_argument, NULL, 'a' },
		{ "realtime", no_argument, NULL, 'r' },		  { NULL, 0, NULL, 0 },
	};
	const struct sched_param priority = { .sched_priority = 1 };
	bool only_announce = false;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'i':
			p->interface = optarg;
			break;
		case 't':
			target_add(p, optarg);
			break;
		case 'd':
			p->duration_us = seconds_parse(optarg);
			break;
		case 'w':
			p->warm_up_us = seconds_parse(optarg);
			break;
		case 'j':
			p->json_path = optarg;
			break;
		case 'n':
			name_add(p, optarg);
			break;
		case 's':
			probe_source_set(p, optarg);
			break;
		case 'a':
			only_announce = true;
			break;
		case 'r':
			p->realtime = sched_setscheduler(0, SCHED_FIFO, &priority) == 0;
			break;
		default:
			usage();
		}
	}
	if (optind != argc || p->target_n == 0)
		usage();
	return only_announce;
}

int main(int argc, char *argv[])
{
	static struct prober p = {
		.probe_source_v4 = { .family = IP_V4 },
		/* fe80::4d4c:fe01: link-local, so that an owner needs no route to answer */
		.probe_source_v6 = { IP_V6, { 0xfe, 0x80, [10] = 0, 0, 0x4d, 0x4c, 0xfe, 1 } },
		.warm_up_us = WARM_UP_DEFAULT_S * 1000000,
	};

	if (options_read(&p, argc, argv)) {
		interface_find(&p);
		sockets_open(&p);
		announce(&p);
		return 0;
	}
	interface_find(&p);
	memory_prepare(&p);
	sockets_open(&p);
	p.cookie = (uint32_t)clock_random_u64();
	clock_start(&p);
	prober_run(&p);
	for (size_t i = 0; i < p.target_n; i++)
		observe_free(&p.targets[i]);
	return 0;
}
