/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: two sockets
 *
 * The event socket is subscribed to links, addresses and routes and makes the dumps. The kernel queues events and the answers
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

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "netlink/state.h"

#include <uthash.h> /* with the hash function that the header sets */

/* Buffers: an event takes about 1 kB of socket memory, and 10,000 addresses may move at once; answers are few. */
#define EVENT_BUFFER_LEN (16 * 1024 * 1024)
#define ANSWER_BUFFER_LEN (1024 * 1024)

#define EVENT_GROUPS (RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE)

#define OPEN_TIMEOUT_S 2

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

ssize_t netlink_receive(struct netlink *n, const struct mnl_socket *s)
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

bool netlink_is_passing(int error)
{
	return error == -EAGAIN || error == -ENOBUFS || error == -ENOMEM || error == -EINTR;
}

/* ---- reading ---- */

int netlink_read(struct netlink *n)
{
	int error = netlink_answers_read(n);
	int drained;

	if (error != 0)
		return error;
	do {
		error = netlink_requests_send(n);
		if (error != 0)
			return error;
	} while (netlink_requests_drop_stale(n) > 0);
	/* After the answers: the events of what was answered are here by now. */
	drained = netlink_events_read(n);
	if (drained < 0)
		return drained;
	if (drained == 1)
		netlink_events_settle(n);
	if (n->changed) {
		n->changed = false;
		n->handler.changed(n->handler.arg);
	}
	/* While a dump is due or running the table may lack an address because its event was lost. */
	if (drained == 1 && n->dump_phase == DUMP_NONE && !n->dump_wanted)
		netlink_events_tell_removed(n);
	return 0;
}

/* ---- open, close ---- */

/* The first dump, blocking. */
static int wait_for_dump(struct netlink *n)
{
	struct instant deadline = instant_add(clock_now(), span_s(OPEN_TIMEOUT_S));
	struct pollfd fd = { .fd = mnl_socket_get_fd(n->events), .events = POLLIN };
	int result;

	netlink_dump_start(n);
	while (n->dump_phase != DUMP_NONE || n->dump_wanted) {
		struct span left = instant_since(deadline, clock_now());

		if (left.us <= 0)
			return -ETIMEDOUT;
		if (poll(&fd, 1, (int)(left.us / 1000) + 1) < 0 && errno != EINTR)
			return -errno;
		result = netlink_events_read(n);
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
	n->events = socket_open(EVENT_GROUPS, EVENT_BUFFER_LEN, &error);
	if (n->events == NULL)
		goto out;
	error = netlink_event_filter(n->events);
	if (error != 0)
		goto out;
	error = -ENOMEM;
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
		netlink_held_drop(n, held);
	}
	if (n->events != NULL)
		mnl_socket_close(n->events);
	if (n->requests != NULL)
		mnl_socket_close(n->requests);
	netlink_routes_free(n);
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
		len = netlink_receive(n, s);
	if (len > 0)
		(void)netlink_message_decode(n->datagram, (size_t)len, &change, &known);
	mnl_socket_close(s);
	return change.error == -EPERM || change.error == -ETIMEDOUT ? change.error : 0;
}

int netlink_add(struct netlink *n, uint32_t index, struct ip ip, uint32_t valid_s)
{
	struct held *held;
	bool idle = n->head == n->tail;
	int error;

	if (ip_len(ip) == 0)
		return -EINVAL;
	held = netlink_held_make(n, index, ip);
	if (held == NULL)
		return -ENOMEM;
	error = netlink_request_push(n, (struct request){ n->seq + 1, index, ip, true, valid_s, clock_now() });
	if (error != 0) {
		if (held->seq == 0)
			netlink_held_drop(n, held);
		return error;
	}
	held->seq = ++n->seq;
	/* the first goes at once, those that follow it together */
	return idle ? netlink_requests_send(n) : 0;
}

int netlink_del(struct netlink *n, uint32_t index, struct ip ip)
{
	struct held *held = netlink_held_find(n, index, ip);
	int error;

	if (ip_len(ip) == 0)
		return -EINVAL;
	error = netlink_request_push(n, (struct request){ n->seq + 1, index, ip, false, 0, clock_now() });
	if (error != 0)
		return error;
	n->seq++;
	if (held != NULL)
		netlink_held_drop(n, held);
	/* at once: others wait for this */
	return netlink_requests_send(n);
}

int netlink_send(struct netlink *n)
{
	return n->sent != n->tail ? netlink_requests_send(n) : 0;
}

static int compare_ips(const void *a, const void *b)
{
	return ip_compare(*(const struct ip *)a, *(const struct ip *)b);
}

/* Remove what is not in the sorted array: 1, or 0. */
static size_t clean_one(struct netlink *n, uint32_t index, struct ip ip, const struct ip *sorted, size_t sorted_n)
{
	if (bsearch(&ip, sorted, sorted_n, sizeof(*sorted), compare_ips) != NULL)
		return 0;
	return netlink_del(n, index, ip) == 0;
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

		if (address->ours)
			asked += clean_one(n, address->index, address->subnet.ip, sorted, keep_n);
	}
	for (const struct route *route = n->routes; route != NULL; route = route->hh.next)
		asked += clean_one(n, NETLINK_LOCAL_ROUTE, route->ip, sorted, keep_n);
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
