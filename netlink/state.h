/* SPDX-License-Identifier: Apache-2.0 */
/* Shell: what its files share: netlink.c (sockets, interface), state.c (what is held), request.c (queue), event.c (dumps, events). */
#ifndef MLB_NETLINK_STATE_H
#define MLB_NETLINK_STATE_H

#include <sys/types.h>

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

#include "base/clock.h"
#include "base/rng.h"
#include "netlink/message.h"
#include "netlink/netlink.h"

#define HASH_FUNCTION(key, len, hash) ((hash) = (unsigned int)hash_bytes(0, (key), (len)))
#include <uthash.h>
#include <utlist.h>

/* A dump's datagrams are at most 32 kB (net/netlink/af_netlink.c: netlink_recvmsg), an event is one message. */
#define DATAGRAM_LEN_MAX 65536

struct request {
	uint32_t seq;
	uint32_t index; /* or NETLINK_LOCAL_ROUTE */
	struct ip ip;
	bool add;
	uint32_t valid_s;
	struct instant queued;
};

struct held_key {
	uint32_t index; /* or NETLINK_LOCAL_ROUTE */
	struct ip ip;
};

struct held {
	struct held_key key; /* zeroed before it is filled: hashed as bytes */
	uint32_t seq;	     /* of its last add */
	struct instant expires;
	bool settled;  /* see netlink.c */
	bool doubtful; /* an event or a dump said that it is gone */
	struct held *unsettled_prev, *unsettled_next;
	struct held *doubtful_prev, *doubtful_next;
	UT_hash_handle hh;
};

/* One of our local routes, as the kernel tells. */
struct route {
	struct ip ip; /* key */
	uint32_t generation;
	UT_hash_handle hh;
};

enum dump_phase { DUMP_NONE, DUMP_LINKS, DUMP_ADDRESSES, DUMP_ROUTES_V4, DUMP_ROUTES_V6 };

struct netlink {
	struct netlink_handler handler;
	struct netlink_table *table; /* owned */
	struct mnl_socket *events;   /* owned */
	struct mnl_socket *requests; /* owned */
	uint32_t seq;		     /* of the last request on either socket */

	/* Ring: requests [head, sent) are unanswered, [sent, tail) wait. Counters; the place is the remainder. */
	struct request *ring; /* owned, NETLINK_QUEUE_MAX */
	size_t head, sent, tail;

	struct route *routes;	   /* owned hash by ip */
	uint32_t route_generation; /* counts dumps */

	enum dump_phase dump_phase;
	uint32_t dump_seq;
	bool dump_begun;       /* its first answer is here */
	bool dump_interrupted; /* NLM_F_DUMP_INTR */
	bool dump_wanted;
	unsigned int dump_retries;
	uint32_t dump_answered; /* requests up to this number were answered when it began */

	struct held *held;	/* owned hash */
	struct held *unsettled; /* list, of those in the hash */
	struct held *doubtful;	/* list, of those in the hash */
	bool changed;		/* to be told */
	int broken;		/* negative errno: dumps fail for good */

	_Alignas(struct nlmsghdr) uint8_t datagram[DATAGRAM_LEN_MAX];
};

/* Read one datagram into n->datagram. Its length (0: not from the kernel), -EAGAIN, -ENOBUFS (something was lost)... */
ssize_t netlink_receive(struct netlink *n, const struct mnl_socket *s);
/* Is an error worth trying again later? */
bool netlink_is_passing(int error);

struct held *netlink_held_find(const struct netlink *n, uint32_t index, struct ip ip);
/* Find or make. NULL without memory. */
struct held *netlink_held_make(struct netlink *n, uint32_t index, struct ip ip);
void netlink_held_drop(struct netlink *n, struct held *held);
void netlink_held_doubt(struct netlink *n, struct held *held);

/* The number up to which every request is answered. */
uint32_t netlink_answered_seq(const struct netlink *n);
bool netlink_is_answered(uint32_t seq, uint32_t answered);
/* Append a request; -ENOBUFS without room. */
int netlink_request_push(struct netlink *n, struct request request);
/* Send what waits, as far as the window, the socket and the time allow. 0 or a lasting error. */
int netlink_requests_send(struct netlink *n);
/* Tell of adds at the head of the queue that waited too long. How many. */
size_t netlink_requests_drop_stale(struct netlink *n);
/* 0 or a lasting error. */
int netlink_answers_read(struct netlink *n);

/* Hear nothing of routes but ours. 0 or a negative errno. */
int netlink_event_filter(const struct mnl_socket *s);
void netlink_dump_start(struct netlink *n);
/* 1: all events are read; 0: there may be more; or a negative errno. */
int netlink_events_read(struct netlink *n);
/* All events are read: see which held addresses have arrived. */
void netlink_events_settle(struct netlink *n);
/* All events are read: tell which held addresses are gone. */
void netlink_events_tell_removed(struct netlink *n);
void netlink_routes_free(struct netlink *n);

#endif
