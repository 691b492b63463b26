/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One node's whole protocol brain: gossip and election put together, still pure. The daemon runs one over real sockets,
 * the simulator runs many in virtual time. What gossip learns reaches election here, as plain values.
 */
#ifndef MLB_DAEMON_NODE_H
#define MLB_DAEMON_NODE_H

#include "base/meta.h"
#include "election/election.h"
#include "gossip/gossip.h"

struct node_config {
	struct gossip_config gossip;	 /* meta is set by the node from `meta` below */
	struct election_config election; /* self and instance are set by the node */
	struct meta meta;		 /* our own at start */
};

enum node_event_kind {
	NODE_EVENT_TICK,
	NODE_EVENT_PACKET,
	NODE_EVENT_META, /* labels, segments, readiness changed (draining is the node's own) */
	NODE_EVENT_SERVICES,
	NODE_EVENT_DRAIN,
	NODE_EVENT_UNDRAIN,
	NODE_EVENT_HANDOVER,
	NODE_EVENT_STOP,	 /* drain, then leave; NODE_ACTION_STOPPED follows */
	NODE_EVENT_CLAIMED,	 /* the kernel has a claimed address, and it is announced */
	NODE_EVENT_CLAIM_FAILED, /* the kernel refused it */
	NODE_EVENT_LOST,	 /* the kernel lost it, and it cannot be put back */
	NODE_EVENT_TAKEN,	 /* as ELECTION_EVENT_TAKEN */
	NODE_EVENT_HINT,	 /* as GOSSIP_EVENT_HINT */
	NODE_EVENT_WITNESS,	 /* as GOSSIP_EVENT_WITNESS */
	NODE_EVENT_SEEDS,	 /* as GOSSIP_EVENT_SEEDS */
	NODE_EVENT_PATH,	 /* as ELECTION_EVENT_PATH */
	NODE_EVENT_ANSWER,	 /* as ELECTION_EVENT_ANSWER */
	NODE_EVENT_FIT,		 /* our health check of a service passed or failed; fit is what never was unfit */
	NODE_EVENT_REBALANCE,	 /* hand over what would be placed better elsewhere, without bound */
	NODE_EVENT_ITEM,	 /* write or delete one of our own items that is no claim */
};

struct node_event {
	enum node_event_kind kind;
	struct instant now;
	union {
		struct gossip_packet packet;
		const struct meta *meta; /* borrowed for the step */
		struct {
			const struct election_service *services; /* borrowed until the next such event */
			size_t service_n;
		} services;
		struct {
			struct ip ip;
			const char *node;
		} handover;
		struct ip ip; /* CLAIMED, CLAIM_FAILED, LOST */
		struct endpoint hint;
		struct instant path_until;
		struct {
			struct ip ip;
			struct mac mac;
		} answer;
		struct {
			const char *service; /* name, borrowed for the step */
			bool fit;
		} fit;
		struct gossip_write item;
		struct {
			const struct endpoint *endpoints; /* borrowed for the step */
			size_t n;
		} seeds;
		struct {
			struct ip ip;
			struct mac mac;
			struct span hold;
		} taken;
	};
};

enum node_action_kind {
	NODE_ACTION_SEND,
	NODE_ACTION_CLAIM,
	NODE_ACTION_RELEASE,
	NODE_ACTION_ANNOUNCE,
	NODE_ACTION_MEMBER, /* for log, events, metrics */
	NODE_ACTION_OWNER,  /* for log, events, metrics */
	NODE_ACTION_JOINED,
	NODE_ACTION_CONFLICT, /* our name is taken: stop with an error */
	NODE_ACTION_DRAINED,
	NODE_ACTION_STOPPED,
	NODE_ACTION_WITNESS, /* as GOSSIP_ACTION_WITNESS */
	NODE_ACTION_ASK,     /* as ELECTION_ACTION_ASK: claim.ip, claim.iface, claim.strangers */
	NODE_ACTION_RIGHT,   /* as ELECTION_ACTION_RIGHT */
	NODE_ACTION_OFFER,   /* we ask another to take an address over: it will announce it soon */
	NODE_ACTION_ITEM,    /* an item of another origin that is no claim; value_len 0: gone */
};

struct node_action {
	enum node_action_kind kind;
	union {
		struct gossip_send send; /* its body is valid until the next node_step of this node */
		struct {
			struct ip ip;
			char iface[IFACE_NAME_MAX + 1];
			enum claim_mode mode;
			unsigned int priority;
			bool strangers;
		} claim; /* RELEASE and ANNOUNCE use ip alone */
		struct {
			char name[NODE_NAME_MAX + 1];
			enum gossip_state from;
			enum gossip_state to;
			enum gossip_reason reason;
		} member;
		struct {
			struct ip ip;
			char from[NODE_NAME_MAX + 1]; /* empty: nobody */
			char to[NODE_NAME_MAX + 1];
			uint64_t epoch;
			enum election_reason reason;
		} owner;
		struct gossip_item item;
		struct {
			struct ip ip;
			uint64_t successor; /* instance */
		} offer;
		bool right;
		struct {
			bool alone;
		} joined;
		struct {
			struct endpoint holder;
		} conflict;
	};
};

#define NODE_ACTION_MAX 4096

struct node_out {
	size_t action_n;
	struct node_action actions[NODE_ACTION_MAX];
};

struct node; /* opaque; about 0.5 MB of fixed buffers beside the tables */

/* NULL without memory. */
struct node *node_new(const struct node_config *config, uint64_t seed, struct instant now);
void node_free(struct node *node);
/*
 * Handle one event. `out` is emptied first. When a step produces more than `out` holds, the rest waits: tick again, at once
 * and before any other event, for as long as node_pending() says so.
 */
void node_step(struct node *node, const struct node_event *event, struct node_out *out);
bool node_pending(const struct node *node);
struct instant node_deadline(const struct node *node);

/* For status: read only, valid until the next step. */
const struct gossip *node_gossip(const struct node *node);
const struct election *node_election(const struct node *node);
bool node_joined(const struct node *node);
bool node_draining(const struct node *node);

#endif
