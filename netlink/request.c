/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue of requests. Many go to the kernel in one call: ten thousand adds in a turn are some hundred calls. How long the
 * kernel takes for each it does not tell beforehand (an IPv6 address beside a thousand others: a third of a millisecond), so
 * the time is measured and the rest left for the next turn.
 */
#include "netlink/state.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* Unanswered requests: their answers (under 1 kB of socket memory each) fit even into a default buffer of 2 * 208 kB. */
#define WINDOW 256

/* Requests in one call, and how long calls go on in one turn of the caller's loop. */
#define BATCH 32
#define SEND_LIMIT_MS 5

/* Answers read per call, so that a storm cannot hold the caller's loop. */
#define ANSWERS_PER_TURN 1024

static struct request *ring_at(const struct netlink *n, size_t i)
{
	return &n->ring[i % NETLINK_QUEUE_MAX];
}

uint32_t netlink_answered_seq(const struct netlink *n)
{
	return n->head != n->tail ? ring_at(n, n->head)->seq - 1 : n->seq;
}

bool netlink_is_answered(uint32_t seq, uint32_t answered)
{
	return (int32_t)(answered - seq) >= 0;
}

static bool is_stale(const struct request *request, struct instant now)
{
	return request->add && request->valid_s != 0 &&
	       instant_since(now, request->queued).us >= span_s(request->valid_s).us;
}

static size_t request_build(const struct netlink *n, const struct request *request, uint8_t *buf)
{
	const struct netlink_link *link = netlink_table_link(n->table, request->index);

	if (request->index == NETLINK_LOCAL_ROUTE && request->add)
		return netlink_message_route_add(buf, request->seq, request->ip);
	if (request->index == NETLINK_LOCAL_ROUTE)
		return netlink_message_route_del(buf, request->seq, request->ip);
	if (request->add)
		return netlink_message_add(buf, request->seq, request->index, link != NULL ? link->name : "",
					   request->ip, request->valid_s);
	return netlink_message_del(buf, request->seq, request->index, request->ip);
}

/* Send the next requests in one call: how many, 0 when none may be sent, or a negative errno. */
static int batch_send(struct netlink *n, struct instant now)
{
	_Alignas(struct nlmsghdr) uint8_t buf[BATCH * NETLINK_REQUEST_LEN_MAX];
	size_t len = 0;
	size_t i;

	for (i = n->sent; i != n->tail && i - n->head < WINDOW && i - n->sent < BATCH; i++) {
		if (is_stale(ring_at(n, i), now))
			break; /* netlink_requests_drop_stale, when those before it are answered */
		len += NLMSG_ALIGN(request_build(n, ring_at(n, i), buf + len));
	}
	if (len > 0 && mnl_socket_sendto(n->requests, buf, len) < 0)
		return -errno;
	return (int)(i - n->sent);
}

int netlink_requests_send(struct netlink *n)
{
	struct instant start = clock_now();
	struct instant now = start;

	do {
		int sent = batch_send(n, now);

		if (sent < 0)
			return netlink_is_passing(sent) ? 0 : sent;
		if (sent == 0)
			return 0;
		for (int i = 0; i < sent; i++) {
			const struct request *request = ring_at(n, n->sent++);
			struct held *held = request->add ? netlink_held_find(n, request->index, request->ip) : NULL;

			if (held != NULL && request->valid_s != 0 && request->index != NETLINK_LOCAL_ROUTE)
				held->expires = instant_add(now, span_s(request->valid_s));
			else if (held != NULL)
				held->expires = INSTANT_NEVER;
		}
		now = clock_now();
	} while (instant_since(now, start).us < span_ms(SEND_LIMIT_MS).us);
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
	if (request.index == NETLINK_LOCAL_ROUTE && error == -EEXIST)
		error = 0; /* ours, of an earlier run or asked for twice: nobody else's is like it */
	held = netlink_held_find(n, request.index, request.ip);
	if (error != 0 && held != NULL && held->seq == request.seq)
		netlink_held_drop(n, held);
	n->handler.added(n->handler.arg, request.index, request.ip, error);
}

size_t netlink_requests_drop_stale(struct netlink *n)
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

int netlink_answers_read(struct netlink *n)
{
	for (unsigned int i = 0; i < ANSWERS_PER_TURN; i++) {
		ssize_t len = netlink_receive(n, n->requests);

		if (len == -EAGAIN)
			return 0;
		if (len == -ENOBUFS) {
			/* which answers were lost is unknown: drop those that are left and ask again */
			while ((len = netlink_receive(n, n->requests)) >= 0 || len == -ENOBUFS)
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

int netlink_request_push(struct netlink *n, struct request request)
{
	if (n->tail - n->head == NETLINK_QUEUE_MAX)
		return -ENOBUFS;
	*ring_at(n, n->tail) = request;
	n->tail++;
	return 0;
}
