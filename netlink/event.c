/* SPDX-License-Identifier: Apache-2.0 */
/* Dumps and events: what the kernel has, and what of it we hold. netlink.c says how the two go together. */
#include "netlink/state.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <uthash.h> /* with the hash function that the header sets */

/* Events read per call, so that a storm cannot hold the caller's loop. */
#define EVENTS_PER_TURN 1024

/* Dumps that failed or were interrupted in a row before the last one is taken as it is, or the failure as lasting. */
#define DUMP_RETRY_MAX 8

/* The kernel has dropped addresses up to 20 ms before their time: its timers count in jiffies and round. */
#define EXPIRY_SLACK_MS 100

/*
 * A router may change thousands of routes a second: events about others than ours do not even wake us. Loads are big-endian,
 * netlink is not; dumps (many messages to a datagram, of which this sees the first) pass.
 */
int netlink_event_filter(const struct mnl_socket *s)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_flags)),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, htons(NLM_F_MULTI), 5, 0),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_type)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWROUTE), 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELROUTE), 0, 2),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, NLMSG_HDRLEN + offsetof(struct rtmsg, rtm_protocol)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NETLINK_ROUTE_PROTOCOL, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	const struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	return setsockopt(mnl_socket_get_fd(s), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0 ? 0
													      : -errno;
}

/* ---- our routes ---- */

static void route_set(struct netlink *n, struct ip ip)
{
	struct route *route;

	HASH_FIND(hh, n->routes, &ip, sizeof(ip), route);
	if (route == NULL) {
		route = calloc(1, sizeof(*route));
		if (route == NULL) {
			n->dump_wanted = true;
			return;
		}
		route->ip = ip;
		HASH_ADD(hh, n->routes, ip, sizeof(route->ip), route);
	}
	route->generation = n->route_generation;
}

static void route_gone(struct netlink *n, struct ip ip)
{
	struct route *route;

	HASH_FIND(hh, n->routes, &ip, sizeof(ip), route);
	if (route == NULL)
		return;
	HASH_DEL(n->routes, route);
	free(route);
}

/* Those that a whole dump did not name. */
static void routes_drop_old(struct netlink *n)
{
	struct route *route;
	struct route *next;

	HASH_ITER(hh, n->routes, route, next)
	{
		if (route->generation == n->route_generation)
			continue;
		HASH_DEL(n->routes, route);
		free(route);
	}
}

void netlink_routes_free(struct netlink *n)
{
	n->route_generation++;
	routes_drop_old(n);
}

/* ---- dumps and events ---- */

static size_t dump_build(enum dump_phase phase, uint32_t seq, uint8_t *buf)
{
	switch (phase) {
	case DUMP_LINKS:
		return netlink_message_dump_links(buf, seq);
	case DUMP_ADDRESSES:
		return netlink_message_dump_addresses(buf, seq);
	case DUMP_ROUTES_V4:
		return netlink_message_dump_routes(buf, seq, IP_V4);
	case DUMP_ROUTES_V6:
		return netlink_message_dump_routes(buf, seq, IP_V6);
	case DUMP_NONE:
		break;
	}
	return 0;
}

static int dump_send(struct netlink *n, enum dump_phase phase)
{
	_Alignas(struct nlmsghdr) uint8_t buf[NETLINK_REQUEST_LEN_MAX];
	uint32_t seq = ++n->seq;

	if (mnl_socket_sendto(n->events, buf, dump_build(phase, seq, buf)) < 0)
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

void netlink_dump_start(struct netlink *n)
{
	int error;

	n->dump_wanted = false;
	n->dump_begun = false;
	n->dump_interrupted = false;
	n->dump_answered = netlink_answered_seq(n);
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
	routes_drop_old(n);
	n->changed = true;
	HASH_ITER(hh, n->held, held, next)
	{
		if (netlink_is_answered(held->seq, n->dump_answered) && !netlink_has(n, held->key.index, held->key.ip))
			netlink_held_doubt(n, held);
	}
}

/* A family that the kernel lacks, or its local table before the first address, has no routes. */
static bool means_none(enum dump_phase phase, int error)
{
	return (phase == DUMP_ROUTES_V4 || phase == DUMP_ROUTES_V6) &&
	       (error == -ENOENT || error == -EOPNOTSUPP || error == -EAFNOSUPPORT);
}

/* The end of one part of a dump. */
static void dump_part_ended(struct netlink *n, int error)
{
	if (means_none(n->dump_phase, error))
		error = 0;
	if (error == 0 && n->dump_phase == DUMP_ROUTES_V6) {
		dump_finish(n);
		return;
	}
	if (error == 0)
		error = dump_send(n, n->dump_phase + 1);
	if (error != 0)
		dump_failed(n, error);
}

/* A hint that what we hold is gone. */
static void doubt(struct netlink *n, uint32_t index, struct ip ip)
{
	struct held *held = netlink_held_find(n, index, ip);

	if (held != NULL && held->settled)
		netlink_held_doubt(n, held);
	else if (held != NULL)
		n->dump_wanted = true;
}

static void handle_change(struct netlink *n, const struct netlink_change *change, bool dump_answer)
{
	switch (change->kind) {
	case NETLINK_ADDRESS_GONE:
		doubt(n, change->address.index, change->address.subnet.ip);
		n->changed |= netlink_table_apply(n->table, change);
		break;
	case NETLINK_LINK_SET:
	case NETLINK_LINK_GONE:
	case NETLINK_ADDRESS_SET:
		n->changed |= netlink_table_apply(n->table, change);
		break;
	case NETLINK_ROUTE_SET:
		route_set(n, change->route);
		break;
	case NETLINK_ROUTE_GONE:
		doubt(n, NETLINK_LOCAL_ROUTE, change->route);
		route_gone(n, change->route);
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
			n->route_generation++;
			netlink_table_dump_begin(n->table);
		}
		if (dump_answer && (nlh->nlmsg_flags & NLM_F_DUMP_INTR) != 0)
			n->dump_interrupted = true;
		if (known)
			handle_change(n, &change, dump_answer);
	}
}

int netlink_events_read(struct netlink *n)
{
	ssize_t len = 0;

	for (unsigned int i = 0; i < EVENTS_PER_TURN; i++) {
		len = netlink_receive(n, n->events);
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
		netlink_dump_start(n);
	return n->broken != 0 ? n->broken : len == -EAGAIN;
}

void netlink_events_settle(struct netlink *n)
{
	uint32_t answered = netlink_answered_seq(n);
	struct held *held;
	struct held *next;

	DL_FOREACH_SAFE2(n->unsettled, held, next, unsettled_next)
	{
		if (!netlink_is_answered(held->seq, answered) || !netlink_has(n, held->key.index, held->key.ip))
			continue;
		held->settled = true;
		DL_DELETE2(n->unsettled, held, unsettled_prev, unsettled_next);
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
	uint32_t answered = netlink_answered_seq(n);
	struct held *held;
	struct held *next;
	size_t got = 0;

	DL_FOREACH_SAFE2(n->doubtful, held, next, doubtful_next)
	{
		if (got == cap)
			break;
		if (!netlink_is_answered(held->seq, answered))
			continue;
		if (netlink_has(n, held->key.index, held->key.ip)) {
			held->doubtful = false;
			DL_DELETE2(n->doubtful, held, doubtful_prev, doubtful_next);
			continue;
		}
		if (!has_expired(held, now))
			keys[got++] = held->key;
		netlink_held_drop(n, held);
	}
	return got;
}

/* The handler may add and delete meanwhile, so the removed are taken out in portions. */
void netlink_events_tell_removed(struct netlink *n)
{
	struct held_key keys[64];
	size_t got;

	while ((got = take_removed(n, keys, sizeof(keys) / sizeof(keys[0]))) > 0) {
		for (size_t i = 0; i < got; i++)
			n->handler.removed(n->handler.arg, keys[i].index, keys[i].ip);
	}
}
