/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: two sockets
 *
 * The event socket is subscribed to links and addresses and makes the dumps. The kernel queues events and the answers
 * of a dump in one order, so what is read before the first answer is older than the dump, and what follows is not: the
 * table begins a dump with that first answer. When the socket's buffer overflows, events are lost and reading gives
 * ENOBUFS once: dump again. A dump during which the kernel's lists changed (NLM_F_DUMP_INTR) may have skipped an entry
 * and is repeated.
 *
 * The request socket carries our adds and deletes. The kernel carries a request out while it is being sent and queues
 * the answer, so not the sending but the answers can pile up; at most WINDOW requests are unanswered, the others wait
 * in a ring. Answers come in the order of the requests. An answer can be lost only together with an ENOBUFS; then all
 * unanswered requests are sent again, which does no harm: each says how the address is to be, not how to change it.
 *
 * An add that waited for longer than its lifetime is not sent: by then another node may own the address (the daemon
 * was stopped, say), and NLM_F_REPLACE on an address that has expired would bring it back.
 *
 * `held` is what netlink_add put there and netlink_del did not take. Who removed an address is not in its RTM_DELADDR
 * (IPv6 has no sender at all), and that of our own delete may be read after the next netlink_add of the same address.
 * So the event is a hint, and the table tells whether the address is gone. It can do so for a held address that is
 * `settled`: its add was answered, all events queued until then were read, and it was there. Before that (the kernel
 * announces a new IPv6 address some time after its answer) a hint is settled by a dump.
 */
#include "netlink/netlink.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

#include "base/clock.h"
#include "base/rng.h"
#include "netlink/message.h"

#define HASH_FUNCTION(key, len, hash) ((hash) = (unsigned int)hash_bytes(0, (key), (len)))
#include <uthash.h>

/* Unanswered requests: their answers (under 1 kB of socket memory each) fit into the default buffer of 208 kB. */
#define WINDOW 128

/* Answers and events read per call, so that a storm cannot hold the caller's loop. */
#define ANSWERS_PER_TURN 1024
#define EVENTS_PER_TURN 1024

/* Buffers: an event takes about 1 kB of socket memory, and 10,000 addresses may move at once; answers are few. */
#define EVENT_BUFFER_LEN (16 * 1024 * 1024)
#define ANSWER_BUFFER_LEN (1024 * 1024)

/* A dump's datagrams are at most 32 kB (net/netlink/af_netlink.c: netlink_recvmsg), an event is one message. */
#define DATAGRAM_LEN_MAX 65536

/* Dumps that failed or were interrupted in a row before the last one is taken as it is, or the failure as lasting. */
#define DUMP_RETRY_MAX 8

#define OPEN_TIMEOUT_S 2

/* The kernel has dropped addresses up to 20 ms before their time: its timers count in jiffies and round. */
#define EXPIRY_SLACK_MS 100

struct request {
	uint32_t seq;
	uint32_t index;
	struct ip ip;
	bool add;
	uint32_t valid_s;
	struct instant queued;
};

struct held_key {
	uint32_t index;
	struct ip ip;
};

struct held {
	struct held_key key; /* zeroed before it is filled: hashed as bytes */
	uint32_t seq;	     /* of its last add */
	struct instant expires;
	bool settled;  /* see above */
	bool doubtful; /* an event or a dump said that it is gone */
	UT_hash_handle hh;
};

enum dump_phase { DUMP_NONE, DUMP_LINKS, DUMP_ADDRESSES };

struct netlink {
	struct netlink_handler handler;
	struct netlink_table *table; /* owned */
	struct mnl_socket *events;   /* owned */
	struct mnl_socket *requests; /* owned */
	uint32_t seq;		     /* of the last request on either socket */

	/* Ring: requests [head, sent) are unanswered, [sent, tail) wait. Counters; the place is the remainder. */
	struct request *ring; /* owned, NETLINK_QUEUE_MAX */
	size_t head, sent, tail;

	enum dump_phase dump_phase;
	uint32_t dump_seq;
	bool dump_begun;       /* its first answer is here */
	bool dump_interrupted; /* NLM_F_DUMP_INTR */
	bool dump_wanted;
	unsigned int dump_retries;
	uint32_t dump_answered; /* requests up to this number were answered when it began */

	struct held *held;  /* owned hash */
	size_t unsettled_n; /* of held */
	size_t doubtful_n;  /* of held */
	bool changed;	    /* to be told */
	int broken;	    /* negative errno: dumps fail for good */

	_Alignas(struct nlmsghdr) uint8_t datagram[DATAGRAM_LEN_MAX];
};

/* ---- sockets ---- */

static struct mnl_socket *socket_open(unsigned int groups, int buffer_len, int *error)
{
	struct mnl_socket *s = mnl_socket_open2(NETLINK_ROUTE, SOCK_NONBLOCK | SOCK_CLOEXEC);
	int one = 1;
	int fd;

	if (s == NULL) {
		*error = -errno;
		return NULL;
	}
	fd = mnl_socket_get_fd(s);
	/* FORCE needs CAP_NET_ADMIN; without it, as much as net.core.rmem_max allows */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer_len, sizeof(buffer_len)) != 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer_len, sizeof(buffer_len));
	/* Both optional: answers without a copy of the request (4.3), dumps checked for what we got wrong (4.20). */
	(void)mnl_socket_setsockopt(s, NETLINK_CAP_ACK, &one, sizeof(one));
	(void)mnl_socket_setsockopt(s, NETLINK_GET_STRICT_CHK, &one, sizeof(one));
	if (mnl_socket_bind(s, groups, MNL_SOCKET_AUTOPID) != 0) {
		*error = -errno;
		mnl_socket_close(s);
		return NULL;
	}
	return s;
}

/* Read one datagram into n->datagram. Its length (0: not from the kernel), -EAGAIN, -ENOBUFS (something was lost)... */
static ssize_t receive(struct netlink *n, const struct mnl_socket *s)
{
	struct sockaddr_nl from = { 0 };
	socklen_t from_len = sizeof(from);
	ssize_t len;

	do {
		len = recvfrom(mnl_socket_get_fd(s), n->datagram, sizeof(n->datagram), MSG_DONTWAIT | MSG_TRUNC,
			       (struct sockaddr *)&from, &from_len);
	} while (len < 0 && errno == EINTR);
	if (len < 0)
		return -errno;
	if (from.nl_pid != 0)
		return 0;
	return (size_t)len <= sizeof(n->datagram) ? len : -ENOBUFS;
}

/* Is it worth trying again later? */
static bool is_passing(int error)
{
	return error == -EAGAIN || error == -ENOBUFS || error == -ENOMEM || error == -EINTR;
}

/* ---- what we hold ---- */

static struct held_key held_key_of(uint32_t index, struct ip ip)
{
	struct held_key key;

	memset(&key, 0, sizeof(key));
	key.index = index;
	key.ip = ip;
	return key;
}

static struct held *held_find(const struct netlink *n, uint32_t index, struct ip ip)
{
	struct held_key key = held_key_of(index, ip);
	struct held *held;

	HASH_FIND(hh, n->held, &key, sizeof(key), held);
	return held;
}

static void held_drop(struct netlink *n, struct held *held)
{
	if (held->doubtful)
		n->doubtful_n--;
	if (!held->settled)
		n->unsettled_n--;
	HASH_DEL(n->held, held);
	free(held);
}

static void held_doubt(struct netlink *n, struct held *held)
{
	if (!held->doubtful)
		n->doubtful_n++;
	held->doubtful = true;
}

/* Find or make. NULL without memory. */
static struct held *held_make(struct netlink *n, uint32_t index, struct ip ip)
{
	struct held *held = held_find(n, index, ip);

	if (held != NULL)
		return held;
	held = calloc(1, sizeof(*held));
	if (held == NULL)
		return NULL;
	held->key = held_key_of(index, ip);
	held->expires = INSTANT_NEVER;
	n->unsettled_n++;
	HASH_ADD(hh, n->held, key, sizeof(held->key), held);
	return held;
}

/* ---- requests ---- */

static struct request *ring_at(const struct netlink *n, size_t i)
{
	return &n->ring[i % NETLINK_QUEUE_MAX];
}

/* The number up to which every request is answered. */
static uint32_t answered_seq(const struct netlink *n)
{
	return n->head != n->tail ? ring_at(n, n->head)->seq - 1 : n->seq;
}

static bool is_answered(uint32_t seq, uint32_t answered)
{
	return (int32_t)(answered - seq) >= 0;
}

static bool is_stale(const struct request *request, struct instant now)
{
	return request->add && request->valid_s != 0 &&
	       instant_since(now, request->queued).us >= span_s(request->valid_s).us;
}

static int request_send(const struct netlink *n, const struct request *request)
{
	const struct netlink_link *link = netlink_table_link(n->table, request->index);
	_Alignas(struct nlmsghdr) uint8_t buf[NETLINK_REQUEST_LEN_MAX];
	size_t len;

	if (request->add)
		len = netlink_message_add(buf, request->seq, request->index, link != NULL ? link->name : "",
					  request->ip, request->valid_s);
	else
		len = netlink_message_del(buf, request->seq, request->index, request->ip);
	return mnl_socket_sendto(n->requests, buf, len) < 0 ? -errno : 0;
}

/* Send what waits, as far as the window and the socket allow. 0 or a lasting error. */
static int requests_flush(struct netlink *n)
{
	while (n->sent != n->tail && n->sent - n->head < WINDOW) {
		const struct request *request = ring_at(n, n->sent);
		struct instant now = clock_now();
		struct held *held;
		int error;

		if (is_stale(request, now))
			return 0; /* requests_drop_stale, when those before it are answered */
		error = request_send(n, request);
		if (error != 0)
			return is_passing(error) ? 0 : error;
		held = request->add ? held_find(n, request->index, request->ip) : NULL;
		if (held != NULL)
			held->expires =
				request->valid_s != 0 ? instant_add(now, span_s(request->valid_s)) : INSTANT_NEVER;
		n->sent++;
	}
	return 0;
}

/* Take the oldest request out of the ring and tell how it ended. */
static void request_complete(struct netlink *n, int error)
{
	struct request request = *ring_at(n, n->head);
	struct held *held;

	assert(n->head != n->tail);
	if (n->sent == n->head)
		n->sent++;
	n->head++;
	if (!request.add)
		return; /* gone before us: what we wanted. Gone with its link: the same */
	held = held_find(n, request.index, request.ip);
	if (error != 0 && held != NULL && held->seq == request.seq)
		held_drop(n, held);
	n->handler.added(n->handler.arg, request.index, request.ip, error);
}

/* How many adds at the head of the queue were given up. */
static size_t requests_drop_stale(struct netlink *n)
{
	size_t dropped = 0;

	while (n->head == n->sent && n->sent != n->tail && is_stale(ring_at(n, n->sent), clock_now())) {
		request_complete(n, -ETIMEDOUT);
		dropped++;
	}
	return dropped;
}

static void handle_answers(struct netlink *n, size_t len)
{
	struct netlink_change change;
	bool known;
	int used;

	for (size_t at = 0; at < len; at += (size_t)used) {
		used = netlink_message_decode(n->datagram + at, len - at, &change, &known);
		if (used < 0)
			return;
		if (!known || (change.kind != NETLINK_DONE && change.kind != NETLINK_ERROR))
			continue;
		if (n->head != n->sent && ring_at(n, n->head)->seq == change.seq)
			request_complete(n, change.error);
	}
}

static int read_answers(struct netlink *n)
{
	for (unsigned int i = 0; i < ANSWERS_PER_TURN; i++) {
		ssize_t len = receive(n, n->requests);

		if (len == -EAGAIN)
			return 0;
		if (len == -ENOBUFS) {
			/* which answers were lost is unknown: drop those that are left and ask again */
			while ((len = receive(n, n->requests)) >= 0 || len == -ENOBUFS)
				;
			n->sent = n->head;
			return len == -EAGAIN ? 0 : (int)len;
		}
		if (len < 0)
			return (int)len;
		handle_answers(n, (size_t)len);
	}
	return 0;
}

/* ---- dumps and events ---- */

static int dump_send(struct netlink *n, enum dump_phase phase)
{
	_Alignas(struct nlmsghdr) uint8_t buf[NETLINK_REQUEST_LEN_MAX];
	uint32_t seq = ++n->seq;
	size_t len =
		phase == DUMP_LINKS ? netlink_message_dump_links(buf, seq) : netlink_message_dump_addresses(buf, seq);

	if (mnl_socket_sendto(n->events, buf, len) < 0)
		return -errno;
	n->dump_phase = phase;
	n->dump_seq = seq;
	return 0;
}

/* A dump could not be made: try again in a later call, but not for ever. */
static void dump_failed(struct netlink *n, int error)
{
	n->dump_phase = DUMP_NONE;
	n->dump_wanted = true;
	if (++n->dump_retries > DUMP_RETRY_MAX)
		n->broken = error;
}

static void dump_start(struct netlink *n)
{
	int error;

	n->dump_wanted = false;
	n->dump_begun = false;
	n->dump_interrupted = false;
	n->dump_answered = answered_seq(n);
	error = dump_send(n, DUMP_LINKS);
	if (error != 0)
		dump_failed(n, error);
}

static void dump_finish(struct netlink *n)
{
	struct held *held;
	struct held *next;

	n->dump_phase = DUMP_NONE;
	if (n->dump_interrupted && n->dump_retries < DUMP_RETRY_MAX) {
		n->dump_retries++;
		n->dump_wanted = true;
		return;
	}
	n->dump_retries = 0;
	netlink_table_dump_end(n->table);
	n->changed = true;
	HASH_ITER(hh, n->held, held, next)
	{
		if (is_answered(held->seq, n->dump_answered) &&
		    !netlink_table_has_address(n->table, held->key.index, held->key.ip))
			held_doubt(n, held);
	}
}

/* The end of one of the two parts of a dump. */
static void dump_part_ended(struct netlink *n, int error)
{
	if (error == 0 && n->dump_phase == DUMP_ADDRESSES) {
		dump_finish(n);
		return;
	}
	if (error == 0)
		error = dump_send(n, DUMP_ADDRESSES);
	if (error != 0)
		dump_failed(n, error);
}

static void handle_change(struct netlink *n, const struct netlink_change *change, bool dump_answer)
{
	struct held *held;

	switch (change->kind) {
	case NETLINK_ADDRESS_GONE:
		held = held_find(n, change->address.index, change->address.subnet.ip);
		if (held != NULL && held->settled)
			held_doubt(n, held);
		else if (held != NULL)
			n->dump_wanted = true;
		n->changed |= netlink_table_apply(n->table, change);
		break;
	case NETLINK_LINK_SET:
	case NETLINK_LINK_GONE:
	case NETLINK_ADDRESS_SET:
		n->changed |= netlink_table_apply(n->table, change);
		break;
	case NETLINK_DONE:
	case NETLINK_ERROR:
		if (dump_answer)
			dump_part_ended(n, change->error);
		break;
	}
}

static void handle_events(struct netlink *n, size_t len)
{
	struct netlink_change change;
	bool known;
	int used;

	for (size_t at = 0; at < len; at += (size_t)used) {
		const struct nlmsghdr *nlh;
		bool dump_answer;

		used = netlink_message_decode(n->datagram + at, len - at, &change, &known);
		if (used < 0)
			return;
		/* An event has number and port of the request that caused it; this socket's port asks for dumps only. */
		nlh = (const struct nlmsghdr *)(const void *)(n->datagram + at);
		dump_answer = n->dump_phase != DUMP_NONE && nlh->nlmsg_seq == n->dump_seq &&
			      nlh->nlmsg_pid == mnl_socket_get_portid(n->events);
		if (dump_answer && !n->dump_begun) {
			n->dump_begun = true;
			netlink_table_dump_begin(n->table);
		}
		if (dump_answer && (nlh->nlmsg_flags & NLM_F_DUMP_INTR) != 0)
			n->dump_interrupted = true;
		if (known)
			handle_change(n, &change, dump_answer);
	}
}

/* 1: all events are read; 0: there may be more; or a negative errno. */
static int read_events(struct netlink *n)
{
	ssize_t len = 0;

	for (unsigned int i = 0; i < EVENTS_PER_TURN; i++) {
		len = receive(n, n->events);
		if (len == -EAGAIN)
			break;
		if (len == -ENOBUFS)
			n->dump_wanted = true;
		else if (len < 0)
			return (int)len;
		else
			handle_events(n, (size_t)len);
	}
	if (n->dump_wanted && n->dump_phase == DUMP_NONE)
		dump_start(n);
	return n->broken != 0 ? n->broken : len == -EAGAIN;
}

/* All events are read: see which held addresses have arrived. */
static void settle(struct netlink *n)
{
	uint32_t answered = answered_seq(n);

	for (struct held *held = n->held; held != NULL && n->unsettled_n > 0; held = held->hh.next) {
		if (!held->settled && is_answered(held->seq, answered) &&
		    netlink_table_has_address(n->table, held->key.index, held->key.ip)) {
			held->settled = true;
			n->unsettled_n--;
		}
	}
}

/* Did its lifetime end, as far as we know? */
static bool has_expired(const struct held *held, struct instant now)
{
	return held->expires.us != INT64_MAX &&
	       instant_reached(instant_add(held->expires, span_ms(-EXPIRY_SLACK_MS)), now);
}

/* Up to cap doubtful addresses that are gone indeed; they are no longer held. */
static size_t take_removed(struct netlink *n, struct held_key *keys, size_t cap)
{
	struct instant now = clock_now();
	uint32_t answered = answered_seq(n);
	struct held *held;
	struct held *next;
	size_t got = 0;

	HASH_ITER(hh, n->held, held, next)
	{
		if (got == cap || n->doubtful_n == 0)
			break;
		if (!held->doubtful || !is_answered(held->seq, answered))
			continue;
		if (netlink_table_has_address(n->table, held->key.index, held->key.ip)) {
			held->doubtful = false;
			n->doubtful_n--;
			continue;
		}
		if (!has_expired(held, now))
			keys[got++] = held->key;
		held_drop(n, held);
	}
	return got;
}

/* All events are read: tell. The handler may add and delete meanwhile, so the removed are taken out in portions. */
static void tell_removed(struct netlink *n)
{
	struct held_key keys[64];
	size_t got;

	while ((got = take_removed(n, keys, sizeof(keys) / sizeof(keys[0]))) > 0) {
		for (size_t i = 0; i < got; i++)
			n->handler.removed(n->handler.arg, keys[i].index, keys[i].ip);
	}
}

int netlink_read(struct netlink *n)
{
	int error = read_answers(n);
	int drained;

	if (error != 0)
		return error;
	do {
		error = requests_flush(n);
		if (error != 0)
			return error;
	} while (requests_drop_stale(n) > 0);
	/* After the answers: the events of what was answered are here by now. */
	drained = read_events(n);
	if (drained < 0)
		return drained;
	if (drained == 1)
		settle(n);
	if (n->changed) {
		n->changed = false;
		n->handler.changed(n->handler.arg);
	}
	/* While a dump is due or running the table may lack an address because its event was lost. */
	if (drained == 1 && n->dump_phase == DUMP_NONE && !n->dump_wanted)
		tell_removed(n);
	return 0;
}

/* ---- open, close ---- */

/* The first dump, blocking. */
static int wait_for_dump(struct netlink *n)
{
	struct instant deadline = instant_add(clock_now(), span_s(OPEN_TIMEOUT_S));
	struct pollfd fd = { .fd = mnl_socket_get_fd(n->events), .events = POLLIN };
	int result;

	dump_start(n);
	while (n->dump_phase != DUMP_NONE || n->dump_wanted) {
		struct span left = instant_since(deadline, clock_now());

		if (left.us <= 0)
			return -ETIMEDOUT;
		if (poll(&fd, 1, (int)(left.us / 1000) + 1) < 0 && errno != EINTR)
			return -errno;
		result = read_events(n);
		if (result < 0)
			return result;
	}
	n->changed = false;
	return 0;
}

int netlink_open(const struct netlink_handler *handler, struct netlink **ret)
{
	struct netlink *n = calloc(1, sizeof(*n));
	int error = -ENOMEM;

	if (n == NULL)
		return -ENOMEM;
	n->handler = *handler;
	n->table = netlink_table_new();
	n->ring = calloc(NETLINK_QUEUE_MAX, sizeof(*n->ring));
	if (n->table == NULL || n->ring == NULL)
		goto out;
	n->events = socket_open(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR, EVENT_BUFFER_LEN, &error);
	if (n->events == NULL)
		goto out;
	n->requests = socket_open(0, ANSWER_BUFFER_LEN, &error);
	if (n->requests == NULL)
		goto out;
	error = wait_for_dump(n);
	if (error != 0)
		goto out;
	*ret = n;
	return 0;
out:
	netlink_close(n);
	return error;
}

void netlink_close(struct netlink *n)
{
	struct held *held;
	struct held *next;

	if (n == NULL)
		return;
	HASH_ITER(hh, n->held, held, next)
	{
		held_drop(n, held);
	}
	if (n->events != NULL)
		mnl_socket_close(n->events);
	if (n->requests != NULL)
		mnl_socket_close(n->requests);
	netlink_table_free(n->table);
	free(n->ring);
	free(n);
}

int netlink_event_fd(const struct netlink *n)
{
	return mnl_socket_get_fd(n->events);
}

int netlink_request_fd(const struct netlink *n)
{
	return mnl_socket_get_fd(n->requests);
}

const struct netlink_table *netlink_table(const struct netlink *n)
{
	return n->table;
}

int netlink_probe_rights(struct netlink *n)
{
	/* The kernel checks the right before it looks for the link (net/core/rtnetlink.c: rtnetlink_rcv_msg). */
	const uint32_t no_link = INT32_MAX;
	_Alignas(struct nlmsghdr) uint8_t buf[NETLINK_REQUEST_LEN_MAX];
	size_t request_len = netlink_message_del(buf, 1, no_link, (struct ip){ .family = IP_V4 });
	struct netlink_change change = { .error = -ETIMEDOUT };
	struct mnl_socket *s;
	struct pollfd fd = { .events = POLLIN };
	ssize_t len = -1;
	int error = 0;
	bool known;

	/* its own socket: the answer must not be waited for among those of the queue */
	s = socket_open(0, ANSWER_BUFFER_LEN, &error);
	if (s == NULL)
		return error;
	fd.fd = mnl_socket_get_fd(s);
	if (mnl_socket_sendto(s, buf, request_len) >= 0 && poll(&fd, 1, OPEN_TIMEOUT_S * 1000) > 0)
		len = receive(n, s);
	if (len > 0)
		(void)netlink_message_decode(n->datagram, (size_t)len, &change, &known);
	mnl_socket_close(s);
	return change.error == -EPERM || change.error == -ETIMEDOUT ? change.error : 0;
}

/* Append to the ring; there is room. */
static void request_push(struct netlink *n, struct request request)
{
	assert(n->tail - n->head < NETLINK_QUEUE_MAX);
	*ring_at(n, n->tail) = request;
	n->tail++;
}

int netlink_add(struct netlink *n, uint32_t index, struct ip ip, uint32_t valid_s)
{
	struct held *held;

	if (ip_len(ip) == 0 || index == 0)
		return -EINVAL;
	if (n->tail - n->head == NETLINK_QUEUE_MAX)
		return -ENOBUFS;
	held = held_make(n, index, ip);
	if (held == NULL)
		return -ENOMEM;
	held->seq = ++n->seq;
	request_push(n, (struct request){ held->seq, index, ip, true, valid_s, clock_now() });
	return requests_flush(n);
}

int netlink_del(struct netlink *n, uint32_t index, struct ip ip)
{
	struct held *held = held_find(n, index, ip);

	if (ip_len(ip) == 0 || index == 0)
		return -EINVAL;
	if (n->tail - n->head == NETLINK_QUEUE_MAX)
		return -ENOBUFS;
	if (held != NULL)
		held_drop(n, held);
	request_push(n, (struct request){ ++n->seq, index, ip, false, 0, clock_now() });
	return requests_flush(n);
}

static int compare_ips(const void *a, const void *b)
{
	return ip_compare(*(const struct ip *)a, *(const struct ip *)b);
}

size_t netlink_clean_leftovers(struct netlink *n, const struct ip *keep, size_t keep_n)
{
	struct ip *sorted = calloc(keep_n + 1, sizeof(*sorted));
	size_t asked = 0;

	if (sorted == NULL)
		return 0;
	if (keep_n > 0)
		memcpy(sorted, keep, keep_n * sizeof(*sorted));
	qsort(sorted, keep_n, sizeof(*sorted), compare_ips);
	for (size_t i = 0; i < netlink_table_address_n(n->table); i++) {
		const struct netlink_address *address = netlink_table_address_at(n->table, i);

		if (!address->ours ||
		    bsearch(&address->subnet.ip, sorted, keep_n, sizeof(*sorted), compare_ips) != NULL)
			continue;
		if (netlink_del(n, address->index, address->subnet.ip) == 0)
			asked++;
	}
	free(sorted);
	return asked;
}

void netlink_flush(struct netlink *n, struct span limit)
{
	struct instant until = instant_add(clock_now(), limit);
	struct pollfd poll_fd = { .fd = netlink_request_fd(n), .events = POLLIN };

	while (n->head != n->tail && instant_before(clock_now(), until)) {
		if (poll(&poll_fd, 1, 50) > 0 && netlink_read(n) != 0)
			return;
	}
}
