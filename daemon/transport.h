/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shell: the sockets that gossip speaks over, one for each of our endpoints, with the seal and the limits on sources in front of
 * the node. Sends in batches; drops what is no good and counts why.
 */
#ifndef MLB_DAEMON_TRANSPORT_H
#define MLB_DAEMON_TRANSPORT_H

#include <uv.h>

#include "base/limits.h"
#include "daemon/node.h"
#include "gossip/drop.h"
#include "gossip/seal.h"

struct transport; /* opaque */

struct transport_handler {
	/* An authenticated packet, as an event of the node. */
	void (*packet)(void *arg, const struct node_event *event);
	/* The host of this peer says that nobody listens there. */
	void (*refused)(void *arg, struct endpoint peer);
	/* A datagram was sealed with a key that is not in the ring. */
	void (*unreadable)(void *arg, struct endpoint from);
	/* The ring and the instance by which packets are opened now. */
	const struct seal_ring *(*ring)(void *arg);
	uint64_t (*instance)(void *arg);
	/* Addresses of live members and seeds, up to cap: those whose packets are always looked at. Returns how many. */
	size_t (*known)(void *arg, struct ip *out, size_t cap);
	void *arg;
};

/*
 * Bind every endpoint. 0 and *ret, or a negative errno with *failed the index of the endpoint that could not be bound. Reading
 * begins with transport_start.
 */
int transport_open(uv_loop_t *loop, const struct endpoint *endpoints, size_t endpoint_n,
		   const struct transport_handler *handler, struct transport **ret, size_t *failed);
void transport_start(struct transport *t);
/* No packet is taken after this; sending still works. */
void transport_stop(struct transport *t);
/* After the loop has turned once more. NULL is fine. */
void transport_close(struct transport *t);

/* Seal and queue one packet (NODE_ACTION_SEND); transport_flush sends what is queued. */
void transport_send(struct transport *t, const struct node_action *action);
void transport_flush(struct transport *t);
/* Read what waits, up to a bound. Before a tick: packets that lie in the socket are no silence. */
void transport_drain(struct transport *t);
/* The members changed: ask for the known addresses again. */
void transport_members_changed(struct transport *t);

struct transport_stats {
	uint64_t drops[GOSSIP_DROP_N]; /* before a packet reaches the node */
	uint64_t send_errors;
};

const struct transport_stats *transport_stats_of(const struct transport *t);

#endif
