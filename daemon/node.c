/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: one node's brain
 *
 * gossip/ knows members and carries opaque metadata and items; election/ knows nodes, addresses and claims. Neither knows
 * the other. This file is the only place where they meet, and it translates values, nothing else:
 *
 *   gossip says                    election hears          election says     gossip hears, or the shell does
 *   MEMBER (state, metadata)   ->  NODE, NODE_GONE         PUBLISH       ->  ITEM (our claim of one address)
 *   ITEM (somebody's claim)    ->  CLAIM                   CLAIM, RELEASE,
 *   JOINED                     ->  START                   ANNOUNCE      ->  actions for the shell
 *   LEFT                       ->  (the node has stopped)  DRAINED       ->  LEAVE, when we are stopping
 *
 * Both cores write bounded lists. The loop in `settle` empties them in a fixed order until neither has anything left, or
 * until the caller's list is full; then node_pending() tells the caller to tick again. Packets are copied to an arena of our
 * own, because one node step may need several gossip steps, and each overwrites gossip's.
 */
#include "daemon/node.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Room that one step of either core may need in the caller's list. */
#define NODE_ROOM_MIN (2 * ELECTION_ACTION_MAX)

#define NODE_ARENA_LEN (2 * GOSSIP_ARENA_LEN)

/* Publications that wait: those of the two election steps that one action may cause fit on top of as many again. */
#define NODE_PUBLISH_MAX (4 * ELECTION_ACTION_MAX)

/* Names of forgotten instances, so that a log line can still say from whom an address came. */
#define NODE_GONE_MAX 64

struct node_gone {
	uint64_t instance;
	char name[NODE_NAME_MAX + 1];
};

/* One item of ours: a claim, or where ip.family is IP_NONE our word about a service. */
struct node_publish {
	struct ip ip;
	struct claim claim; /* state 0: withdraw */
	uint64_t service;
	bool fit; /* withdraw */
};

struct node {
	struct gossip *gossip;	   /* owned */
	struct election *election; /* owned */
	struct meta meta;	   /* our own */
	uint64_t instance;
	struct span rest;	   /* of a lease that a verdict without proof may leave */
	struct gossip_lease lease; /* as the election knows it */
	bool joined;
	bool stopping;		      /* drain, then leave */
	bool drained;		      /* since the last drain began */
	bool leaving;		      /* the goodbye is on its way */
	struct gossip_out gossip_out; /* what gossip said and we have not handled yet: from gossip_at on */
	size_t gossip_at;
	struct election_out election_out; /* scratch of one election step */
	size_t publish_n;
	size_t publish_at;
	struct node_publish publish[NODE_PUBLISH_MAX];
	struct gossip_out publish_out; /* what gossip answered to a publication; empty between two of them */
	size_t arena_len;
	uint8_t arena[NODE_ARENA_LEN];
	size_t gone_n; /* ever; the ring holds the last NODE_GONE_MAX */
	struct node_gone gone[NODE_GONE_MAX];
};

static struct node_action *add_action(struct node_out *out, enum node_action_kind kind)
{
	struct node_action *action;

	assert(out->action_n < NODE_ACTION_MAX);
	action = &out->actions[out->action_n++];
	action->kind = kind;
	return action;
}

static void copy_name(char out[NODE_NAME_MAX + 1], const char *name)
{
	size_t len = strnlen(name, NODE_NAME_MAX);

	memcpy(out, name, len);
	out[len] = '\0';
}

/* The name behind an instance, empty for nobody. */
static void instance_name(const struct node *node, uint64_t instance, char out[NODE_NAME_MAX + 1])
{
	const char *name = election_node_name(node->election, instance);

	/* The election knows what it speaks of; gossip may be several of its own actions ahead. */
	copy_name(out, name != NULL ? name : "");
	if (instance == 0 || name != NULL)
		return;
	for (size_t i = 0; i < NODE_GONE_MAX; i++) {
		if (node->gone[i].instance == instance)
			copy_name(out, node->gone[i].name);
	}
}

/* Hand one action of the election to the caller, or keep it for gossip. */
static void take_election_action(struct node *node, const struct election_action *action, struct node_out *out)
{
	struct node_action *to;

	switch (action->kind) {
	case ELECTION_ACTION_CLAIM:
		to = add_action(out, NODE_ACTION_CLAIM);
		to->claim.ip = action->ip;
		memcpy(to->claim.iface, action->claim.iface, sizeof(to->claim.iface));
		to->claim.mode = action->claim.mode;
		to->claim.priority = action->claim.priority;
		break;
	case ELECTION_ACTION_RELEASE:
		add_action(out, NODE_ACTION_RELEASE)->claim.ip = action->ip;
		break;
	case ELECTION_ACTION_ANNOUNCE:
		add_action(out, NODE_ACTION_ANNOUNCE)->claim.ip = action->ip;
		break;
	case ELECTION_ACTION_PUBLISH:
		assert(node->publish_n < NODE_PUBLISH_MAX);
		node->publish[node->publish_n++] = (struct node_publish){ .ip = action->ip, .claim = action->publish };
		if (action->publish.state != CLAIM_HANDOVER)
			break;
		to = add_action(out, NODE_ACTION_OFFER);
		to->offer.ip = action->ip;
		to->offer.successor = action->publish.successor;
		break;
	case ELECTION_ACTION_OWNER:
		to = add_action(out, NODE_ACTION_OWNER);
		to->owner.ip = action->ip;
		to->owner.epoch = action->owner.epoch;
		to->owner.reason = action->owner.reason;
		instance_name(node, action->owner.from, to->owner.from);
		instance_name(node, action->owner.to, to->owner.to);
		break;
	case ELECTION_ACTION_ASK:
		to = add_action(out, NODE_ACTION_ASK);
		to->claim.ip = action->ip;
		to->claim.strangers = action->claim.strangers;
		memcpy(to->claim.iface, action->claim.iface, sizeof(to->claim.iface));
		break;
	case ELECTION_ACTION_RIGHT:
		add_action(out, NODE_ACTION_RIGHT)->right = action->right;
		break;
	case ELECTION_ACTION_FITNESS:
		assert(node->publish_n < NODE_PUBLISH_MAX);
		node->publish[node->publish_n++] =
			(struct node_publish){ .service = action->fitness.service, .fit = action->fitness.fit };
		break;
	case ELECTION_ACTION_DRAINED:
		node->drained = true;
		add_action(out, NODE_ACTION_DRAINED);
		break;
	}
}

static void gossip_do(struct node *node, const struct gossip_event *event)
{
	assert(node->gossip_at == node->gossip_out.action_n);
	node->gossip_at = 0;
	gossip_step(node->gossip, event, &node->gossip_out);
}

static void election_do(struct node *node, const struct election_event *event, struct node_out *out)
{
	election_step(node->election, event, &node->election_out);
	for (size_t i = 0; i < node->election_out.action_n; i++)
		take_election_action(node, &node->election_out.actions[i], out);
}

/* Tell the election about ourselves as we are now. */
static void tell_self(struct node *node, struct instant now, struct node_out *out)
{
	struct election_event event = { .kind = ELECTION_EVENT_NODE, .now = now };
	struct gossip_member self;
	bool found = gossip_member_find(node->gossip, node->instance, &self);

	assert(found);
	(void)found;
	event.node.name = self.name;
	event.node.instance = node->instance;
	event.node.alive = true;
	event.node.meta = &node->meta;
	election_do(node, &event, out);
}

static void remember_gone(struct node *node, uint64_t instance, const char *name)
{
	struct node_gone *gone = &node->gone[node->gone_n++ % NODE_GONE_MAX];

	gone->instance = instance;
	copy_name(gone->name, name);
}

static void take_member(struct node *node, const struct gossip_action *action, struct instant now, struct node_out *out)
{
	struct node_action *to = add_action(out, NODE_ACTION_MEMBER);
	struct election_event event = { .kind = ELECTION_EVENT_NODE, .now = now };
	struct gossip_member member;
	struct meta meta;

	copy_name(to->member.name, action->member.name);
	to->member.from = action->member.from;
	to->member.to = action->member.to;
	to->member.reason = action->member.reason;
	if (action->member.to == 0 || !gossip_member_find(node->gossip, action->member.instance, &member)) {
		remember_gone(node, action->member.instance, action->member.name);
		event.kind = ELECTION_EVENT_NODE_GONE;
		event.node_gone.instance = action->member.instance;
	} else if (member.self) {
		return; /* we are told by tell_self, with metadata that need not be decoded */
	} else {
		event.node.name = member.name;
		event.node.instance = member.instance;
		event.node.alive = gossip_state_live(member.state);
		event.node.left = member.state == GOSSIP_LEFT;
		event.node.released = action->member.proof == GOSSIP_PROOF_RELEASED;
		event.node.lease_end = action->member.proof == GOSSIP_PROOF_HINTED ? instant_add(now, node->rest) : now;
		event.node.meta = meta_decode(member.meta, member.meta_len, &meta) == 0 ? &meta : NULL;
	}
	election_do(node, &event, out);
}

static void take_item(struct node *node, const struct gossip_item *item, struct instant now, struct node_out *out)
{
	struct election_event event = { .kind = ELECTION_EVENT_CLAIM, .now = now };

	if (fitness_key_decode(item->key, item->key_len, &event.fitness.service) == 0) {
		event.kind = ELECTION_EVENT_FITNESS;
		event.fitness.origin = item->origin;
		event.fitness.fit = item->value_len == 0;
		election_do(node, &event, out);
		return;
	}
	event.claim.origin = item->origin;
	if (claim_key_decode(item->key, item->key_len, &event.claim.ip) != 0) {
		add_action(out, NODE_ACTION_ITEM)->item = *item; /* keys, or of a kind that a newer version knows */
		return;
	}
	if (item->value_len > 0 && claim_value_decode(item->value, item->value_len, &event.claim.claim) != 0)
		return;
	election_do(node, &event, out);
}

static void take_send(struct node *node, const struct gossip_action *action, struct node_out *out)
{
	struct node_action *to = add_action(out, NODE_ACTION_SEND);

	assert(action->send.len <= NODE_ARENA_LEN - node->arena_len);
	to->send = action->send;
	to->send.body = node->arena + node->arena_len;
	memcpy(node->arena + node->arena_len, action->send.body, action->send.len);
	node->arena_len += action->send.len;
}

/* Handle one thing that gossip said. The caller has made sure of room. */
static void take_gossip_action(struct node *node, const struct gossip_action *action, struct instant now,
			       struct node_out *out)
{
	struct election_event start = { .kind = ELECTION_EVENT_START, .now = now };
	struct election_event doubt = { .kind = ELECTION_EVENT_DOUBT, .now = now };

	switch (action->kind) {
	case GOSSIP_ACTION_SEND:
		take_send(node, action, out);
		break;
	case GOSSIP_ACTION_MEMBER:
		take_member(node, action, now, out);
		break;
	case GOSSIP_ACTION_ITEM:
		take_item(node, &action->item, now, out);
		break;
	case GOSSIP_ACTION_JOINED:
		node->joined = true;
		add_action(out, NODE_ACTION_JOINED)->joined.alone = action->joined.alone;
		election_do(node, &start, out);
		break;
	case GOSSIP_ACTION_DOUBT:
		doubt.doubt.instance = action->doubt.instance;
		doubt.doubt.doubted = action->doubt.doubted;
		election_do(node, &doubt, out);
		break;
	case GOSSIP_ACTION_LEFT:
		add_action(out, NODE_ACTION_STOPPED);
		break;
	case GOSSIP_ACTION_WITNESS:
		add_action(out, NODE_ACTION_WITNESS);
		break;
	case GOSSIP_ACTION_CONFLICT:
		add_action(out, NODE_ACTION_CONFLICT)->conflict.holder = action->conflict.holder;
		break;
	}
}

/* Is there room for whatever the next action may cause? One action for itself, a whole election step, an arena's packet. */
static bool has_room(const struct node *node, const struct node_out *out)
{
	return out->action_n + NODE_ROOM_MIN + 2 <= NODE_ACTION_MAX &&
	       node->arena_len + PACKET_LEN_MAX <= NODE_ARENA_LEN;
}

/* No room for what the next step of the election may want published. */
static bool publish_full(const struct node *node)
{
	return node->publish_n + 2 * ELECTION_ACTION_MAX > NODE_PUBLISH_MAX;
}

static void publish_next(struct node *node, struct instant now, struct node_out *out)
{
	const struct node_publish *publish = &node->publish[node->publish_at++];
	struct gossip_event event = { .kind = GOSSIP_EVENT_ITEM, .now = now };
	uint8_t key[CLAIM_KEY_LEN_MAX];
	uint8_t value[CLAIM_VALUE_LEN];

	event.item.key = key;
	event.item.value = value;
	if (publish->ip.family == IP_NONE) {
		event.item.key_len = (uint8_t)fitness_key_encode(publish->service, key);
		value[0] = 1;
		event.item.value_len = publish->fit ? 0 : 1;
	} else {
		event.item.key_len = (uint8_t)claim_key_encode(publish->ip, key);
		if (publish->claim.state != 0) {
			claim_value_encode(&publish->claim, value);
			event.item.value_len = sizeof(value);
		}
	}
	event.item.more = node->publish_at < node->publish_n;
	/* gossip may still have news that we have not read: its answer to this, packets and nothing else, goes elsewhere */
	gossip_step(node->gossip, &event, &node->publish_out);
	for (size_t i = 0; i < node->publish_out.action_n; i++) {
		assert(node->publish_out.actions[i].kind == GOSSIP_ACTION_SEND);
		take_send(node, &node->publish_out.actions[i], out);
	}
	if (node->publish_at == node->publish_n) {
		node->publish_at = 0;
		node->publish_n = 0;
	}
}

/* Gossip raised our instance: the election must publish everything anew under it. */
static void follow_instance(struct node *node, struct instant now, struct node_out *out)
{
	struct election_event event = { .kind = ELECTION_EVENT_INSTANCE, .now = now };

	node->instance = gossip_instance(node->gossip);
	event.instance.instance = node->instance;
	election_do(node, &event, out);
	tell_self(node, now, out);
}

/* Our watchers' lease moves on with every echo; the election rests on it. */
static bool lease_moved(const struct node *node)
{
	struct gossip_lease lease = gossip_lease_of(node->gossip);

	return lease.watcher_n != node->lease.watcher_n || lease.until.us != node->lease.until.us;
}

static void follow_lease(struct node *node, struct instant now, struct node_out *out)
{
	struct election_event event = { .kind = ELECTION_EVENT_LEASE, .now = now };

	node->lease = gossip_lease_of(node->gossip);
	event.lease.watcher_n = node->lease.watcher_n;
	event.lease.until = node->lease.until;
	event.lease.incarnation = gossip_incarnation(node->gossip);
	election_do(node, &event, out);
}

/* Everything is handed over, and we wanted to go: say goodbye. */
static void leave(struct node *node, struct instant now)
{
	struct gossip_event event = { .kind = GOSSIP_EVENT_LEAVE, .now = now };

	node->leaving = true;
	gossip_do(node, &event);
}

/* Empty what the cores said until both are quiet, or the caller's list is full. */
static void settle(struct node *node, struct instant now, struct node_out *out)
{
	while (has_room(node, out)) {
		bool publish = node->publish_at < node->publish_n &&
			       (publish_full(node) || node->gossip_at == node->gossip_out.action_n);

		if (publish && node->arena_len > NODE_ARENA_LEN - GOSSIP_ARENA_LEN)
			return; /* the caller empties the arena */
		if (publish)
			publish_next(node, now, out);
		else if (gossip_instance(node->gossip) != node->instance)
			follow_instance(node, now, out);
		else if (node->gossip_at < node->gossip_out.action_n)
			take_gossip_action(node, &node->gossip_out.actions[node->gossip_at++], now, out);
		else if (node->stopping && node->drained && !node->leaving)
			leave(node, now);
		else if (lease_moved(node))
			follow_lease(node, now, out);
		else
			return;
	}
}

/* Our metadata changed: the others hear it by gossip, our own election at once. */
static void spread_meta(struct node *node, struct instant now, struct node_out *out)
{
	struct gossip_event event = { .kind = GOSSIP_EVENT_META, .now = now };
	uint8_t bytes[META_LEN_MAX];
	int len = meta_encode(&node->meta, bytes, sizeof(bytes));

	assert(len > 0); /* the shell checks new metadata with meta_encode before it comes here */
	event.meta.bytes = bytes;
	event.meta.len = (size_t)len;
	gossip_do(node, &event);
	tell_self(node, now, out);
}

static void set_draining(struct node *node, bool draining, struct instant now, struct node_out *out)
{
	struct election_event event = { .kind = draining ? ELECTION_EVENT_DRAIN : ELECTION_EVENT_UNDRAIN, .now = now };

	node->drained = false;
	if (node->meta.draining != draining) {
		node->meta.draining = draining;
		spread_meta(node, now, out);
	}
	election_do(node, &event, out);
}

static void tick(struct node *node, struct instant now, struct node_out *out)
{
	struct gossip_event gossip = { .kind = GOSSIP_EVENT_TICK, .now = now };
	struct election_event election = { .kind = ELECTION_EVENT_TICK, .now = now };

	if (instant_reached(gossip_deadline(node->gossip), now)) {
		gossip_do(node, &gossip);
		settle(node, now, out);
	}
	if (instant_reached(election_deadline(node->election), now) && has_room(node, out) && !publish_full(node))
		election_do(node, &election, out);
}

/* The events that are the election's alone, in its words. */
static struct election_event election_event_of(const struct node_event *event, uint64_t instance)
{
	struct election_event ret = { .now = event->now };
	struct election_event *to = &ret;

	switch ((int)event->kind) {
	case NODE_EVENT_SERVICES:
		to->kind = ELECTION_EVENT_SERVICES;
		to->services.services = event->services.services;
		to->services.service_n = event->services.service_n;
		break;
	case NODE_EVENT_HANDOVER:
		to->kind = ELECTION_EVENT_HANDOVER;
		to->handover.ip = event->handover.ip;
		to->handover.node = event->handover.node;
		break;
	case NODE_EVENT_CLAIMED:
		to->kind = ELECTION_EVENT_CLAIMED;
		to->address.ip = event->ip;
		break;
	case NODE_EVENT_CLAIM_FAILED:
		to->kind = ELECTION_EVENT_CLAIM_FAILED;
		to->address.ip = event->ip;
		break;
	case NODE_EVENT_PATH:
		to->kind = ELECTION_EVENT_PATH;
		to->path.until = event->path_until;
		break;
	case NODE_EVENT_ANSWER:
		to->kind = ELECTION_EVENT_ANSWER;
		to->answer.ip = event->answer.ip;
		to->answer.mac = event->answer.mac;
		break;
	case NODE_EVENT_REBALANCE:
		to->kind = ELECTION_EVENT_REBALANCE;
		to->rebalance.max_moves = ADDRESS_MAX;
		break;
	case NODE_EVENT_FIT:
		to->kind = ELECTION_EVENT_FITNESS;
		to->fitness.origin = instance;
		to->fitness.service = fitness_service(event->fit.service);
		to->fitness.fit = event->fit.fit;
		break;
	case NODE_EVENT_LOST:
		to->kind = ELECTION_EVENT_LOST;
		to->address.ip = event->ip;
		break;
	case NODE_EVENT_TAKEN:
		to->kind = ELECTION_EVENT_TAKEN;
		to->taken.ip = event->taken.ip;
		to->taken.mac = event->taken.mac;
		to->taken.hold = event->taken.hold;
		break;
	}
	return ret;
}

static void dispatch(struct node *node, const struct node_event *event, struct node_out *out)
{
	struct election_event election;
	struct gossip_event gossip = { .now = event->now };
	bool draining = node->meta.draining;

	switch (event->kind) {
	case NODE_EVENT_TICK:
		tick(node, event->now, out);
		return;
	case NODE_EVENT_PACKET:
		gossip.kind = GOSSIP_EVENT_PACKET;
		gossip.packet = event->packet;
		gossip_do(node, &gossip);
		return;
	case NODE_EVENT_HINT:
		gossip.kind = GOSSIP_EVENT_HINT;
		gossip.hint = event->hint;
		gossip_do(node, &gossip);
		return;
	case NODE_EVENT_WITNESS:
		gossip.kind = GOSSIP_EVENT_WITNESS;
		gossip_do(node, &gossip);
		return;
	case NODE_EVENT_SEEDS:
		gossip.kind = GOSSIP_EVENT_SEEDS;
		gossip.seeds.endpoints = event->seeds.endpoints;
		gossip.seeds.n = event->seeds.n;
		gossip_do(node, &gossip);
		return;
	case NODE_EVENT_ITEM:
		gossip.kind = GOSSIP_EVENT_ITEM;
		gossip.item = event->item;
		gossip_do(node, &gossip);
		return;
	case NODE_EVENT_META:
		node->meta = *event->meta;
		node->meta.draining = draining;
		spread_meta(node, event->now, out);
		return;
	case NODE_EVENT_DRAIN:
		set_draining(node, true, event->now, out);
		return;
	case NODE_EVENT_UNDRAIN:
		if (!node->stopping)
			set_draining(node, false, event->now, out);
		return;
	case NODE_EVENT_STOP:
		node->stopping = true;
		set_draining(node, true, event->now, out);
		return;
	case NODE_EVENT_SERVICES:
	case NODE_EVENT_HANDOVER:
	case NODE_EVENT_CLAIMED:
	case NODE_EVENT_CLAIM_FAILED:
	case NODE_EVENT_PATH:
	case NODE_EVENT_ANSWER:
	case NODE_EVENT_REBALANCE:
	case NODE_EVENT_FIT:
	case NODE_EVENT_LOST:
	case NODE_EVENT_TAKEN:
		election = election_event_of(event, node->instance);
		election_do(node, &election, out);
		return;
	}
}

void node_step(struct node *node, const struct node_event *event, struct node_out *out)
{
	out->action_n = 0;
	node->arena_len = 0;
	if (node_pending(node)) {
		assert(event->kind == NODE_EVENT_TICK);
		settle(node, event->now, out);
		if (node_pending(node))
			return;
	}
	dispatch(node, event, out);
	settle(node, event->now, out);
}

bool node_pending(const struct node *node)
{
	return node->gossip_at < node->gossip_out.action_n || node->publish_at < node->publish_n;
}

struct instant node_deadline(const struct node *node)
{
	if (node_pending(node))
		return (struct instant){ 0 };
	return instant_min(gossip_deadline(node->gossip), election_deadline(node->election));
}

struct node *node_new(const struct node_config *config, uint64_t seed, struct instant now)
{
	struct node *node = calloc(1, sizeof(*node));
	struct gossip_config gossip = config->gossip;
	struct election_config election = config->election;
	struct node_out *scratch = calloc(1, sizeof(*scratch));
	int len = meta_encode(&config->meta, gossip.meta, sizeof(gossip.meta));

	if (node == NULL || scratch == NULL)
		goto fail;
	assert(len > 0);
	gossip.meta_len = (size_t)len;
	copy_name(election.self, gossip.name);
	election.instance = gossip.instance;
	election.peers = election.peers || gossip.seed_n > 0;
	/* eight questions fit into the verification of each profile, so that asking costs no time */
	election.ask_interval = span_us(gossip.timers.verify.us / 20);
	if (election.ask_interval.us < span_ms(1).us)
		election.ask_interval = span_ms(1);
	node->meta = config->meta;
	node->instance = gossip.instance;
	/* what was granted before T_v began lasts for so long after it */
	node->rest = span_us(gossip.timers.silence.us - gossip.timers.beat_interval.us);
	node->gossip = gossip_new(&gossip, seed, now);
	node->election = election_new(&election, now);
	if (node->gossip == NULL || node->election == NULL)
		goto fail;
	tell_self(node, now, scratch);
	assert(scratch->action_n == 0); /* nothing is configured yet: nothing to do */
	free(scratch);
	return node;
fail:
	free(scratch);
	node_free(node);
	return NULL;
}

void node_free(struct node *node)
{
	if (node == NULL)
		return;
	gossip_free(node->gossip);
	election_free(node->election);
	free(node);
}

const struct gossip *node_gossip(const struct node *node)
{
	return node->gossip;
}

const struct election *node_election(const struct node *node)
{
	return node->election;
}

bool node_joined(const struct node *node)
{
	return node->joined;
}

bool node_draining(const struct node *node)
{
	return node->meta.draining;
}
