/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A simulated segment as fencing sees it: the gate in a host's kernel that shuts when its daemon does nothing, questions who has an
 * address, what answers on the segment at all, and the guard that takes a killed daemon's addresses off and says so.
 *
 * Every host can reach a gateway that sits beside the first node, unless the link between the two is cut.
 */
#include <stdlib.h>

#include "gossip/lastword.h"
#include "tests/sim/check.h"
#include "tests/sim/world.h"

/* As daemon/app.c: how often the segment is asked whether it lives, and for how long an answer counts. */
#define PATH_ASK_US 10000
#define PATH_HOLD_US 60000

/* A guard has noticed the death of its daemon after so long. */
#define GUARD_LOW_US 200
#define GUARD_HIGH_US 2000

/* As daemon/path.h and daemon/isolation.c: from the cut to the verdict, and the same for those whom another one's makes hurry. */
#define SILENT_LOW_US 500000
#define SILENT_HIGH_US 1600000
#define HURRY_LOW_US 80000
#define HURRY_HIGH_US 200000
/* From the heal to the first frame; and one that has no addresses waits. */
#define HEARD_US 600000
#define BACK_US 3000000

static void look_again(struct world *world, size_t node)
{
	for (size_t i = 0; i < world->address_n; i++)
		check_serving(world, node, i);
}

static void push(struct world *world, size_t node, enum queue_kind kind, int64_t at_us, uint64_t stamp, uint32_t index)
{
	queue_push(&world->queue,
		   (struct queue_event){
			   .at_us = at_us, .stamp = stamp, .kind = kind, .node = (uint32_t)node, .index = index });
}

/* --- the gate ------------------------------------------------------------------------------------------------------- */

bool segment_gate_open(const struct world *world, size_t node)
{
	return !world->plan->gate || world->nodes[node].kernel.gate_until_us > world->now_us;
}

/* After each step: the gate stays open for as long as the node may hold, but never for longer than its life without another step. */
static void renew_gate(struct world *world, size_t node)
{
	struct sim_node *n = &world->nodes[node];
	struct instant until = election_right_until(node_election(n->core));
	bool was = segment_gate_open(world, node);
	int64_t left_us = until.us == INSTANT_NEVER.us ? GATE_LIFE_US : instant_since(until, world_clock(world, n)).us;

	n->kernel.gate_until_us = world->now_us + (left_us < GATE_LIFE_US ? left_us : GATE_LIFE_US);
	if (was != segment_gate_open(world, node))
		look_again(world, node);
	if (n->kernel.gate_event_us <= world->now_us && segment_gate_open(world, node)) {
		n->kernel.gate_event_us = n->kernel.gate_until_us;
		push(world, node, QUEUE_GATE, n->kernel.gate_event_us, 0, 0);
	}
}

static void on_gate(struct world *world, size_t node)
{
	struct sim_node *n = &world->nodes[node];

	if (segment_gate_open(world, node)) {
		n->kernel.gate_event_us = n->kernel.gate_until_us;
		push(world, node, QUEUE_GATE, n->kernel.gate_event_us, 0, 0);
		return;
	}
	world->marks.n[MARK_GATE_SHUT] += n->process != PROCESS_RUNNING;
	look_again(world, node);
}

/* --- questions ------------------------------------------------------------------------------------------------------ */

void segment_ask(struct world *world, size_t node, size_t address)
{
	for (size_t i = 0; i < world->node_n; i++) {
		int64_t delay_us = network_link(&world->network, node, i)->delay_us +
				   network_link(&world->network, i, node)->delay_us;

		if (i == node || !world->nodes[node].link_up || world->nodes[node].data_cut ||
		    !world_serves(world, i, address) || network_loses(&world->network, node, i, world->now_us) ||
		    network_loses(&world->network, i, node, world->now_us))
			continue;
		world->marks.n[MARK_ANSWER]++;
		push(world, node, QUEUE_ANSWER, world->now_us + delay_us, world->nodes[node].generation,
		     (uint32_t)(i * SIM_ADDRESS_MAX + address));
	}
}

/* Everybody on the segment hears an announcement; it is repeated after 0.1 and 1 s. */
void segment_announce(struct world *world, size_t node, size_t address)
{
	static const int64_t again_us[] = { 0, 100000, 1000000 };

	for (size_t i = 0; i < world->node_n; i++) {
		if (i == node || !world->nodes[node].link_up || world->nodes[node].data_cut || !world->nodes[i].link_up)
			continue;
		for (size_t k = 0; k < sizeof(again_us) / sizeof(again_us[0]); k++) {
			if (!network_loses(&world->network, node, i, world->now_us))
				push(world, i, QUEUE_ANSWER,
				     world->now_us + again_us[k] + network_link(&world->network, node, i)->delay_us,
				     world->nodes[i].generation, (uint32_t)(node * SIM_ADDRESS_MAX + address));
		}
	}
}

static void on_answer(struct world *world, const struct queue_event *event)
{
	struct sim_node *n = &world->nodes[event->node];
	struct node_event answer = { .kind = NODE_EVENT_ANSWER };

	/* an announcement that was to be repeated is not, once the sender serves no more */
	if (event->stamp != n->generation || n->process != PROCESS_RUNNING || n->data_cut ||
	    !world_serves(world, event->index / SIM_ADDRESS_MAX, event->index % SIM_ADDRESS_MAX))
		return;
	answer.answer.ip = world->addresses[event->index % SIM_ADDRESS_MAX].ip;
	answer.answer.mac = world->nodes[event->index / SIM_ADDRESS_MAX].meta.segments[0].mac;
	world_step(world, event->node, &answer);
}

bool segment_reaches(const struct world *world, size_t node)
{
	if (!world->nodes[node].link_up || world->nodes[node].data_cut)
		return false;
	for (size_t i = 0; i < world->node_n; i++) {
		if (i != node && world_has_path(world, node, i))
			return true;
	}
	return node == 0 || world_uncut(world, node, 0);
}

static void poll_path(struct world *world, size_t node)
{
	struct sim_node *n = &world->nodes[node];

	if (n->path_polled || !election_wants_path(node_election(n->core)))
		return;
	n->path_polled = true;
	push(world, node, QUEUE_PATH, world->now_us + PATH_ASK_US, n->generation, 0);
}

static void on_path(struct world *world, const struct queue_event *event)
{
	struct sim_node *n = &world->nodes[event->node];
	struct node_event path = { .kind = NODE_EVENT_PATH };

	if (event->stamp != n->generation)
		return;
	n->path_polled = false;
	if (n->process != PROCESS_RUNNING)
		return;
	if (!segment_reaches(world, event->node)) {
		poll_path(world, event->node);
		return;
	}
	path.path_until = instant_add(world_clock(world, n), span_us(PATH_HOLD_US));
	world_step(world, event->node, &path);
}

/* --- a segment that is dead, as daemon/isolation.c finds out ------------------------------------------------------- */

static void look_later(struct world *world, size_t node, int64_t low_us, int64_t high_us, uint32_t index)
{
	struct sim_node *n = &world->nodes[node];

	push(world, node, QUEUE_SILENT, world->now_us + rng_between(&n->rng, low_us, high_us), n->generation, index);
}

void segment_watch(struct world *world, size_t node)
{
	if (world->nodes[node].data_cut && !world->nodes[node].silent)
		look_later(world, node, SILENT_LOW_US, SILENT_HIGH_US, 0);
	else if (!world->nodes[node].data_cut && world->nodes[node].silent)
		look_later(world, node, 0, HEARD_US, 0);
}

void segment_set_data(struct world *world, size_t node, bool cut)
{
	if (world->nodes[node].data_cut == cut)
		return;
	world->nodes[node].data_cut = cut;
	world->marks.n[MARK_DATA_CUT] += cut;
	world_note(world, node, CAUSE_NET);
	look_again(world, node);
	segment_watch(world, node);
}

static void set_silent(struct world *world, size_t node, bool silent)
{
	world->nodes[node].silent = silent;
	world_say(world, true, "%s finds its segment %s", world->nodes[node].name, silent ? "silent" : "alive");
	host_refresh_meta(world, node);
	for (size_t i = 0; silent && i < world->node_n; i++) { /* the others make sure of theirs */
		if (world->nodes[i].data_cut && !world->nodes[i].silent && world_runs(world, i))
			look_later(world, i, HURRY_LOW_US, HURRY_HIGH_US, 0);
	}
}

static void on_silent(struct world *world, const struct queue_event *event)
{
	struct sim_node *n = &world->nodes[event->node];
	bool held = false;

	if (event->stamp != n->generation || n->process != PROCESS_RUNNING || n->silent == n->data_cut)
		return;
	for (size_t i = 0; i < world->address_n; i++)
		held |= n->leases[i].held;
	if (n->silent && !held && event->index == 0)
		look_later(world, event->node, BACK_US, BACK_US, 1);
	else
		set_silent(world, event->node, n->data_cut);
}

/* --- the guard ------------------------------------------------------------------------------------------------------ */

static struct packet *last_word(const struct world *world, const struct sim_node *n, uint64_t receiver)
{
	uint64_t instance = gossip_instance(node_gossip(n->core));
	struct seal_header header = { instance, receiver,
				      gossip_counter(node_gossip(n->core)) + LAST_WORD_COUNTER_AHEAD };
	size_t len = LAST_WORD_LEN + (world->plan->seal ? SEAL_OVERHEAD : 0);
	struct packet *packet = packet_new(len);

	packet->from = n->endpoint;
	packet->header = header;
	packet->sealed = world->plan->seal;
	if (world->plan->seal)
		(void)last_word_pack(&world->ring, instance, receiver, header.counter, packet->data, len);
	else
		last_word_body(instance, packet->data);
	return packet;
}

void segment_kill(struct world *world, size_t node)
{
	struct sim_node *n = &world->nodes[node];
	const struct gossip *gossip = n->core != NULL ? node_gossip(n->core) : NULL;
	struct packet *words[SIM_NODE_MAX] = { NULL };
	struct gossip_member member;
	bool held[SIM_ADDRESS_MAX];
	int to;

	if (gossip == NULL)
		return;
	if (!world->plan->guard || rng_chance(&world->rng, 250000)) { /* killed together with its guard */
		host_end(world, node, false);
		return;
	}
	world->marks.n[MARK_GUARD]++;
	for (size_t i = 0; i < gossip_member_n(gossip); i++) {
		gossip_member_at(gossip, i, &member);
		to = world_find_node(world, member.name);
		if (!member.self && gossip_state_live(member.state) && to >= 0)
			words[to] = last_word(world, n, member.instance);
	}
	for (size_t i = 0; i < world->address_n; i++)
		held[i] = n->leases[i].held;
	host_end(world, node, false);
	n->kernel.busy_until_us = world->now_us + rng_between(&n->rng, GUARD_LOW_US, GUARD_HIGH_US);
	for (size_t i = 0; i < world->address_n; i++) {
		if (held[i])
			host_guard_removes(world, node, i);
	}
	for (size_t i = 0; i < world->node_n; i++) {
		if (words[i] != NULL && n->link_up)
			network_send(&world->network, node, i, words[i], n->kernel.busy_until_us);
		else
			free(words[i]);
	}
}

/* --- together ------------------------------------------------------------------------------------------------------- */

void segment_after_step(struct world *world, size_t node)
{
	if (world->plan->gate)
		renew_gate(world, node);
	poll_path(world, node);
}

void segment_handle(struct world *world, const struct queue_event *event)
{
	if (event->kind == QUEUE_GATE)
		on_gate(world, event->node);
	else if (event->kind == QUEUE_ANSWER)
		on_answer(world, event);
	else if (event->kind == QUEUE_SILENT)
		on_silent(world, event);
	else
		on_path(world, event);
}
