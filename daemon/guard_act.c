/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/guard_act.h"

#include <assert.h>
#include <errno.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/sockaddr.h"
#include "gossip/lastword.h"
#include "netlink/message.h"

/*
 * Requests in one sendmsg, which the kernel carries out one after the other before it returns. The answers of as many that fail
 * fit into a receive buffer of the default size.
 */
#define BATCH_MAX 128
#define REQUEST_LEN_MAX 80
/* The kernel was short of memory, or an answer was lost: once more, everything. */
#define PASS_MAX 3

/* Said so often, so far apart: a burst that the network drops does not take them all. */
#define ROUND_N 3
#define ROUND_GAP_MS 5

#define WORD_LEN_MAX (SEAL_OVERHEAD + LAST_WORD_LEN)

/* CS6, network control, as everything else that gossip sends (RFC 4594 3.1). */
#define WORD_CLASS 0xc0

struct batch {
	_Alignas(struct nlmsghdr) uint8_t data[BATCH_MAX * REQUEST_LEN_MAX];
	size_t len;
	size_t n;
	size_t last;  /* where the last request begins */
	uint32_t seq; /* of the last request */
};

struct word {
	size_t len; /* 0: none for this peer */
	uint8_t data[WORD_LEN_MAX];
};

static struct {
	int netlink_fd;
	int udp_fds[2]; /* IPv4, IPv6; -1: the kernel has none */
	struct batch batch;
	_Alignas(struct nlmsghdr) uint8_t answers[16384];
	struct word words[GUARD_PEER_MAX];
} act;

/* ---- netlink ---- */

static struct nlmsghdr *last_of(struct batch *batch)
{
	return (struct nlmsghdr *)(void *)(batch->data + batch->last);
}

static void batch_add(struct batch *batch, const struct guard_slot *slot)
{
	_Alignas(struct nlmsghdr) uint8_t buf[NETLINK_REQUEST_LEN_MAX];
	uint32_t seq = ++batch->seq;
	size_t len = slot->kind == GUARD_SLOT_ROUTE ? netlink_message_route_del(buf, seq, slot->ip)
						    : netlink_message_del(buf, seq, slot->ifindex, slot->ip);

	assert(len <= REQUEST_LEN_MAX && batch->n < BATCH_MAX);
	/* Errors are answered in any case (af_netlink.c: netlink_rcv_skb); of what went well the last one speaks for all. */
	if (batch->n > 0)
		last_of(batch)->nlmsg_flags &= (uint16_t)~NLM_F_ACK;
	batch->last = batch->len;
	memcpy(batch->data + batch->len, buf, len);
	batch->len += NLMSG_ALIGN(len);
	batch->n++;
}

/* What is not there need not be removed; with its interface went its addresses. */
static bool is_absent(int error)
{
	return error == -EADDRNOTAVAIL || error == -ESRCH || error == -ENODEV;
}

/* What the kernel said to a batch. */
struct verdict {
	size_t absent_n;
	size_t failed_n;
	int error;
	bool confirmed; /* the answer to the last request is there, so all were carried out */
};

static void read_datagram(const struct batch *batch, size_t len, struct verdict *verdict)
{
	struct netlink_change change;
	bool known;

	for (size_t at = 0; at < len;) {
		int used = netlink_message_decode(act.answers + at, len - at, &change, &known);

		if (used < 0)
			return;
		at += (size_t)used;
		/* older ones answer a batch that was given up */
		if (!known || batch->seq - change.seq >= batch->n)
			continue;
		verdict->confirmed = verdict->confirmed || change.seq == batch->seq;
		if (change.kind == NETLINK_ERROR && is_absent(change.error)) {
			verdict->absent_n++;
		} else if (change.kind == NETLINK_ERROR) {
			verdict->failed_n++;
			verdict->error = change.error;
		}
	}
}

/* The kernel answers within sendmsg, so everything is there already. */
static struct verdict read_answers(const struct batch *batch)
{
	struct verdict verdict = { .error = -EIO };
	ssize_t n;

	while ((n = recv(act.netlink_fd, act.answers, sizeof(act.answers), MSG_DONTWAIT)) > 0 ||
	       (n < 0 && (errno == EINTR || errno == ENOBUFS))) {
		if (n > 0)
			read_datagram(batch, (size_t)n, &verdict);
	}
	return verdict;
}

/* Have the kernel carry them out, and count. */
static void batch_flush(struct batch *batch, struct guard_removal *ret)
{
	struct verdict verdict;

	if (batch->n == 0)
		return;
	if (send(act.netlink_fd, batch->data, batch->len, 0) == (ssize_t)batch->len) {
		verdict = read_answers(batch);
		if (!verdict.confirmed)
			verdict.failed_n = batch->n - verdict.absent_n;
	} else {
		verdict = (struct verdict){ .failed_n = batch->n, .error = -errno };
	}
	ret->removed += batch->n - verdict.absent_n - verdict.failed_n;
	ret->failed += verdict.failed_n;
	if (verdict.failed_n > 0)
		ret->error = verdict.error;
	batch->n = 0;
	batch->len = 0;
}

/* In the order in which they came, which is about the order in which the kernel looks for them. */
static void remove_pass(const struct guard_shared *shared, struct guard_removal *ret)
{
	uint32_t slot_n = atomic_load_explicit(&shared->slot_n, memory_order_acquire);

	ret->failed = 0;
	for (uint32_t i = 0; i < slot_n && i < ADDRESS_MAX; i++) {
		const struct guard_slot *slot = &shared->slots[i];

		if (atomic_load_explicit(&slot->state, memory_order_acquire) != GUARD_SLOT_HELD)
			continue;
		/* a slot that is taken anew in this moment, by a daemon that does not know yet that it is to die */
		if (slot->ip.family != IP_V4 && slot->ip.family != IP_V6)
			continue;
		batch_add(&act.batch, slot);
		if (act.batch.n == BATCH_MAX)
			batch_flush(&act.batch, ret);
	}
	batch_flush(&act.batch, ret);
}

static void sleep_ms(long ms)
{
	const struct timespec gap = { .tv_nsec = ms * 1000000 };

	(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &gap, NULL);
}

void guard_act_remove(const struct guard_shared *shared, struct guard_removal *ret)
{
	for (int pass = 0; pass < PASS_MAX; pass++) {
		remove_pass(shared, ret);
		if (ret->failed == 0)
			return;
		sleep_ms(1);
	}
}

/* ---- the last word ---- */

static bool is_unspecified(struct ip ip)
{
	static const struct ip v4 = { .family = IP_V4 }, v6 = { .family = IP_V6 };

	return ip_equal(ip, v4) || ip_equal(ip, v6);
}

/* The address to send from, as ancillary data (ip(7), RFC 3542 6.2): the sockets are bound to none. */
static void set_source(struct msghdr *message, struct ip from)
{
	struct cmsghdr *header = message->msg_control;

	if (from.family == IP_V4) {
		struct in_pktinfo info = { 0 };

		memcpy(&info.ipi_spec_dst, from.bytes, sizeof(info.ipi_spec_dst));
		*header = (struct cmsghdr){ CMSG_LEN(sizeof(info)), IPPROTO_IP, IP_PKTINFO };
		memcpy(CMSG_DATA(header), &info, sizeof(info));
		message->msg_controllen = CMSG_SPACE(sizeof(info));
	} else {
		struct in6_pktinfo info = { 0 };

		memcpy(&info.ipi6_addr, from.bytes, sizeof(info.ipi6_addr));
		*header = (struct cmsghdr){ CMSG_LEN(sizeof(info)), IPPROTO_IPV6, IPV6_PKTINFO };
		memcpy(CMSG_DATA(header), &info, sizeof(info));
		message->msg_controllen = CMSG_SPACE(sizeof(info));
	}
}

/* From any address when `from` cannot be used. */
static void send_word(struct word *word, struct endpoint to, struct ip from)
{
	union {
		struct cmsghdr header;
		uint8_t bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
	} control = { .bytes = { 0 } };
	struct sockaddr_storage address;
	struct iovec iov = { word->data, word->len };
	struct msghdr message = { .msg_name = &address,
				  .msg_namelen = sockaddr_from_endpoint(to, &address),
				  .msg_iov = &iov,
				  .msg_iovlen = 1 };
	int fd = act.udp_fds[to.ip.family == IP_V6];

	if (from.family == to.ip.family && !is_unspecified(from)) {
		message.msg_control = &control;
		set_source(&message, from);
		if (sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
			return;
		message.msg_control = NULL;
		message.msg_controllen = 0;
	}
	(void)sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void send_word_paths(struct word *word, const struct guard_book *book, const struct guard_peer *peer)
{
	for (size_t i = 0; i < peer->endpoint_n && i < PATH_MAX_N; i++) {
		struct endpoint to = peer->endpoints[i];
		struct ip from = i < book->own_n && i < PATH_MAX_N ? book->own[i].ip : (struct ip){ 0 };

		if (to.ip.family == IP_V4 || to.ip.family == IP_V6)
			send_word(word, to, from);
	}
}

/* Each peer's has a counter of its own: one counter must never seal two different packets. Repeats are the same packet. */
static void seal_word(struct word *word, const struct guard_book *book, uint64_t receiver, uint64_t counter)
{
	int len = receiver == 0 ? 0 /* that would mean anybody */
				: last_word_pack(&book->ring, book->instance, receiver, counter, word->data,
						 sizeof(word->data));

	word->len = len > 0 ? (size_t)len : 0;
}

size_t guard_act_tell(const struct guard_shared *shared)
{
	const struct guard_book *book = &shared->books[atomic_load_explicit(&shared->book, memory_order_acquire) & 1];
	uint64_t counter = atomic_load_explicit(&shared->counter, memory_order_relaxed) + LAST_WORD_COUNTER_AHEAD;
	size_t peer_n = book->peer_n < GUARD_PEER_MAX ? book->peer_n : GUARD_PEER_MAX;
	size_t told = 0;

	if (book->instance == 0 || book->ring.key_n == 0 || book->ring.key_n > KEY_MAX || peer_n == 0)
		return 0;
	for (int round = 0; round < ROUND_N; round++) {
		if (round > 0)
			sleep_ms(ROUND_GAP_MS);
		for (size_t i = 0; i < peer_n; i++) {
			struct word *word = &act.words[i];

			if (round == 0) {
				seal_word(word, book, book->peers[i].instance, counter + i);
				told += word->len > 0;
			}
			if (word->len > 0)
				send_word_paths(word, book, &book->peers[i]);
		}
	}
	return told;
}

/* ---- begin ---- */

static int open_netlink(void)
{
	const struct sockaddr_nl address = { .nl_family = AF_NETLINK };
	int one = 1;

	act.netlink_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (act.netlink_fd < 0)
		return -errno;
	/* answers without a copy of the request */
	(void)setsockopt(act.netlink_fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	return bind(act.netlink_fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ? -errno : 0;
}

static void open_udp(void)
{
	int class = WORD_CLASS;

	act.udp_fds[0] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	act.udp_fds[1] = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	(void)setsockopt(act.udp_fds[0], IPPROTO_IP, IP_TOS, &class, sizeof(class));
	(void)setsockopt(act.udp_fds[1], IPPROTO_IPV6, IPV6_TCLASS, &class, sizeof(class));
}

/*
 * Remove what cannot exist, seal a word for nobody: the code and the memory that will be needed are in place after that. The
 * kernel checks the right before it looks for the link (net/core/rtnetlink.c: rtnetlink_rcv_msg).
 */
int guard_act_open(void)
{
	const struct guard_slot nothing = { .ifindex = INT32_MAX, .ip = { .family = IP_V4 } };
	struct guard_removal removal = { 0 };
	struct guard_book book = { .instance = 1 };
	int error = open_netlink();

	if (error != 0)
		return error;
	open_udp();
	memset(act.words, 0xff, sizeof(act.words));
	memset(act.batch.data, 0xff, sizeof(act.batch.data));
	memset(act.answers, 0xff, sizeof(act.answers));
	batch_add(&act.batch, &nothing);
	batch_flush(&act.batch, &removal);
	seal_ring_insecure(&book.ring);
	seal_word(&act.words[0], &book, 1, 1);
	return removal.failed > 0 ? removal.error : 0;
}
