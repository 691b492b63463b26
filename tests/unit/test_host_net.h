/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of daemon/host: a network namespace for the host with v0 and w0, another for a peer with v1 and w1 at the other ends
 * of the cables, and what the handler was told. The namespaces end with the processes.
 */
#ifndef MLB_TESTS_UNIT_TEST_HOST_NET_H
#define MLB_TESTS_UNIT_TEST_HOST_NET_H

#include "daemon/host.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arp/socket.h"
#include "base/clock.h"
#include "ndp/socket.h"
#include "tests/unit/test_run.h"

/* The exit status that means "skipped". */
#define EXIT_SKIPPED 77

#define WAIT_MS 30000

static const char vip4[] = "192.0.2.10";
static const char vip6[] = "2001:db8::10";

static struct {
	size_t changed_n, claimed_n, failed_n, lost_n, answer_n, heard_n;
	int error;
	char lost[64];
	struct ip answered;
	struct mac answer_mac;
	char answer_iface[IFACE_NAME_MAX + 1];
	bool answer_ours;
	char heard_iface[IFACE_NAME_MAX + 1];
} told;

static uv_loop_t loop;
static struct host *host;
static pid_t peer;	    /* a process that keeps the peer's namespace */
static int own_ns, peer_ns; /* descriptors */
static int peer_arp, peer_ndp;

static void on_changed(void *arg)
{
	(void)arg;
	told.changed_n++;
}

static void on_claimed(void *arg, struct ip ip)
{
	(void)arg;
	(void)ip;
	told.claimed_n++;
}

static void on_failed(void *arg, struct ip ip, int error)
{
	(void)arg;
	(void)ip;
	told.failed_n++;
	told.error = error;
}

static void on_lost(void *arg, struct ip ip, const char *why)
{
	(void)arg;
	(void)ip;
	told.lost_n++;
	(void)snprintf(told.lost, sizeof(told.lost), "%s", why);
}

static void on_answer(void *arg, struct ip ip, struct mac mac, const char *iface, bool ours)
{
	(void)arg;
	told.answer_n++;
	told.answered = ip;
	told.answer_mac = mac;
	told.answer_ours = ours;
	(void)snprintf(told.answer_iface, sizeof(told.answer_iface), "%s", iface);
}

static void on_heard(void *arg, const char *iface)
{
	(void)arg;
	told.heard_n++;
	(void)snprintf(told.heard_iface, sizeof(told.heard_iface), "%s", iface);
}

static inline struct ip ip_of(const char *text)
{
	struct ip ip;

	ck_assert_int_eq(ip_parse(text, &ip), 0);
	return ip;
}

/* Does the command print the text? */
static inline bool prints(const char *command, const char *text)
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

static inline void enter(int ns)
{
	ck_assert_int_eq(setns(ns, CLONE_NEWNET), 0);
}

/* A command in the peer's namespace, run without nsenter(1): the children inherit it. */
#define PEER_RUN(...)             \
	do {                      \
		enter(peer_ns);   \
		run(__VA_ARGS__); \
		enter(own_ns);    \
	} while (0)

static inline bool peer_prints(const char *command, const char *text)
{
	bool found;

	enter(peer_ns);
	found = prints(command, text);
	enter(own_ns);
	return found;
}

static inline void open_host(void)
{
	const struct host_handler handler = { on_changed, on_claimed, on_failed, on_lost, on_answer, on_heard, NULL };
	const struct host_config config = { 0 };

	ck_assert_int_eq(host_open(&loop, &config, &handler, &host), 0);
}

static inline int open_ns(pid_t pid)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	return fd;
}

/* Fork the process that keeps the peer's namespace. */
static inline void make_peer(void)
{
	int ready[2];
	char byte;

	ck_assert_int_eq(pipe(ready), 0);
	peer = fork();
	ck_assert_int_ge(peer, 0);
	if (peer == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET) == 0 && write(ready[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	peer_ns = open_ns(peer);
}

static inline void set_up(void)
{
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	own_ns = open_ns(getpid());
	make_peer();
	/* no duplicate detection: link-local addresses are there at once */
	PEER_RUN("sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.dad_transmits=0");
	run("sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.dad_transmits=0");
	run("ip link set lo up");
	run("ip link add v0 type veth peer name v1 netns %d && ip link add w0 type veth peer name w1 netns %d",
	    (int)peer, (int)peer);
	PEER_RUN("ip link set v1 up && ip link set w1 up && ip addr add 192.0.2.2/24 dev v1 && "
		 "ip addr add 2001:db8::2/64 dev v1 nodad && ip addr add 198.51.100.2/24 dev w1");
	run("ip link set v0 up && ip link set w0 up && ip addr add 192.0.2.1/24 dev v0 && "
	    "ip addr add 2001:db8::1/64 dev v0 nodad && ip addr add 198.51.100.1/24 dev w0");
	enter(peer_ns);
	peer_arp = arp_socket_open();
	peer_ndp = ndp_socket_open();
	enter(own_ns);
	ck_assert(peer_arp >= 0 && peer_ndp >= 0);
	/* nothing is asked from a tentative address */
	for (int i = 0; prints("ip -6 addr show", "tentative") || peer_prints("ip -6 addr show", "tentative"); i++) {
		ck_assert_int_lt(i, 1000);
		usleep(10 * 1000);
	}
	ck_assert_int_eq(uv_loop_init(&loop), 0);
	open_host();
}

static inline void tear_down(void)
{
	host_close(host);
	kill(peer, SIGKILL);
	waitpid(peer, NULL, 0);
	close(peer_arp);
	close(peer_ndp);
	close(peer_ns);
	close(own_ns);
}

static void on_turn_end(uv_timer_t *timer)
{
	(void)timer;
}

/* Turn the loop for up to ms. */
static inline void turn(uint64_t ms)
{
	static uv_timer_t timer;
	static bool made;

	if (!made)
		uv_timer_init(&loop, &timer);
	made = true;
	uv_update_time(&loop);
	uv_timer_start(&timer, on_turn_end, ms, 0);
	uv_run(&loop, UV_RUN_ONCE);
	uv_timer_stop(&timer);
}

static inline void turn_for(int64_t ms)
{
	struct instant until = instant_add(clock_now(), span_ms(ms));

	while (instant_before(clock_now(), until))
		turn(10);
}

/* Turn until the condition holds; fail after WAIT_MS. */
#define TURN_UNTIL(condition)                                                                             \
	do {                                                                                              \
		struct instant until_ = instant_add(clock_now(), span_ms(WAIT_MS));                       \
		while (!(condition)) {                                                                    \
			ck_assert_msg(instant_before(clock_now(), until_), "never came: %s", #condition); \
			turn(10);                                                                         \
		}                                                                                         \
	} while (0)

static inline void claim(const char *ip, const char *iface, enum claim_mode mode)
{
	size_t before = told.claimed_n;

	host_claim(host, ip_of(ip), iface, mode, 0, clock_now());
	ck_assert_uint_eq(told.claimed_n, before); /* never from within the call */
	TURN_UNTIL(told.claimed_n == before + 1);
}

/* The MAC of an interface of the current namespace. */
static inline struct mac mac_of(const char *iface)
{
	struct ifreq request = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct mac mac;

	(void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", iface);
	ck_assert_int_eq(ioctl(fd, SIOCGIFHWADDR, &request), 0);
	close(fd);
	memcpy(mac.bytes, request.ifr_hwaddr.sa_data, sizeof(mac.bytes));
	return mac;
}

static inline struct mac peer_mac_of(const char *iface)
{
	struct mac mac;

	enter(peer_ns);
	mac = mac_of(iface);
	enter(own_ns);
	return mac;
}

static inline uint32_t peer_index_of(const char *iface)
{
	uint32_t index;

	enter(peer_ns);
	index = if_nametoindex(iface);
	enter(own_ns);
	ck_assert_uint_ne(index, 0);
	return index;
}

/* Drop what the peer has heard so far. */
static inline void peer_forget(void)
{
	struct arp_packet packet;
	struct ndp_frame frame;
	uint32_t ifindex;
	int result;

	while ((result = arp_socket_read(peer_arp, &packet, &ifindex)) == 1 || result == -EBADMSG)
		;
	while ((result = ndp_socket_read(peer_ndp, &frame, &ifindex)) == 1 || result == -EBADMSG)
		;
}

/* An ARP packet with that sender that the peer has heard, while the host's loop turns; within ms. */
static inline bool peer_hears_arp(const char *sender, int64_t ms, struct arp_packet *ret, uint32_t *ifindex)
{
	struct instant until = instant_add(clock_now(), span_ms(ms));

	do {
		turn(5);
		while (arp_socket_read(peer_arp, ret, ifindex) == 1) {
			if (ip_equal(ret->sender_ip, ip_of(sender)))
				return true;
		}
	} while (instant_before(clock_now(), until));
	return false;
}

/* The same of an advertisement for an address. */
static inline bool peer_hears_advertisement(const char *target, int64_t ms, struct ndp_frame *ret, uint32_t *ifindex)
{
	struct instant until = instant_add(clock_now(), span_ms(ms));

	do {
		turn(5);
		while (ndp_socket_read(peer_ndp, ret, ifindex) == 1) {
			if (ret->packet.kind == NDP_ADVERTISEMENT && ip_equal(ret->packet.target, ip_of(target)))
				return true;
		}
	} while (instant_before(clock_now(), until));
	return false;
}

static inline void peer_send_arp(const char *iface, const struct arp_packet *packet)
{
	const struct arp_outgoing outgoing = { peer_index_of(iface), *packet };

	ck_assert_uint_eq(arp_socket_send_batch(peer_arp, &outgoing, 1), 1);
}

static inline void peer_send_ndp(const char *iface, const struct ndp_frame *frame)
{
	const struct ndp_outgoing outgoing = { peer_index_of(iface), *frame };

	ck_assert_uint_eq(ndp_socket_send_batch(peer_ndp, &outgoing, 1), 1);
}

/* May this process make namespaces, and is ip(8) there? Else say so. */
static inline bool may_run(const char *name)
{
	if (geteuid() != 0 || system("ip -V >/dev/null 2>&1") != 0) {
		printf("%s: needs root and ip(8): skipped\n", name);
		return false;
	}
	/* each test makes its own; this keeps a CK_FORK=no run off the host */
	if (unshare(CLONE_NEWNET) != 0) {
		printf("%s: no network namespace (%s): skipped\n", name, strerror(errno));
		return false;
	}
	return true;
}

#endif
