/* SPDX-License-Identifier: Apache-2.0 */
/* Carrying out the faults of a plan. Each is noted as a cause at the nodes that it touches, at its begin and its end. */
#include "tests/sim/check.h"
#include "tests/sim/world.h"

/* Apply a setting to the links that a fault names. */
static void set_links(struct world *world, const struct fault *fault)
{
	for (size_t i = 0; i < world->node_n * world->node_n; i++) {
		size_t from = i / world->node_n;
		size_t to = i % world->node_n;
		struct link *link = &world->network.links[i];
		bool disturbed = link_is_disturbed(link);

		if (from == to || (fault->a >= 0 && (size_t)fault->a != from) ||
		    (fault->b >= 0 && (size_t)fault->b != to))
			continue;
		if (fault->kind == FAULT_LOSS)
			link->loss_ppm = (uint32_t)fault->arg;
		else if (fault->kind == FAULT_BURST)
			link->burst_ppm = (uint32_t)fault->arg;
		else if (fault->kind == FAULT_DUPLICATE)
			link->duplicate_ppm = (uint32_t)fault->arg;
		else if (fault->kind == FAULT_REPLAY)
			link->replay_ppm = (uint32_t)fault->arg;
		else if (fault->kind == FAULT_CUT)
			link->cuts |= CUT_ONE_WAY;
		else if (fault->kind == FAULT_UNCUT)
			link->cuts &= ~(unsigned int)CUT_ONE_WAY;
		else if (fault->kind == FAULT_DELAY) {
			link->delay_us = fault->arg > 0 ? fault->arg : 100;
			link->jitter_us = fault->arg2;
		}
		if (disturbed || link_is_disturbed(link)) {
			world_note_link(world, from, to);
		}
	}
	for (size_t i = 0; i < world->node_n; i++)
		check_path(world, i);
}

static void partition(struct world *world, int64_t mask, bool cut)
{
	for (size_t i = 0; i < world->node_n * world->node_n; i++) {
		size_t from = i / world->node_n;
		size_t to = i % world->node_n;
		bool from_in = from < SIM_MASK_MAX && (mask >> from & 1) != 0;
		bool to_in = to < SIM_MASK_MAX && (mask >> to & 1) != 0;
		struct link *link = &world->network.links[i];
		bool was = (link->cuts & CUT_PARTITION) != 0;

		link->cuts &= ~(unsigned int)CUT_PARTITION;
		if (cut && from_in != to_in)
			link->cuts |= CUT_PARTITION;
		if (!was && (link->cuts & CUT_PARTITION) == 0)
			continue;
		world_note_link(world, from, to);
	}
	for (size_t i = 0; i < world->node_n; i++)
		check_path(world, i);
}

/* The gossip of one node, both ways; the segment itself is well. */
static void cut_gossip(struct world *world, size_t node, bool cut)
{
	world->marks.n[MARK_GOSSIP_CUT] += cut;
	for (size_t i = 0; i < world->node_n; i++) {
		if (i == node)
			continue;
		for (size_t way = 0; way < 2; way++) {
			struct link *link = way == 0 ? network_link(&world->network, node, i)
						     : network_link(&world->network, i, node);

			link->cuts &= ~(unsigned int)CUT_GOSSIP;
			link->cuts |= cut ? (unsigned int)CUT_GOSSIP : 0;
		}
		world_note_link(world, node, i);
	}
}

static void send_event(struct world *world, size_t node, enum node_event_kind kind)
{
	struct node_event event = { .kind = kind };

	if (!world_runs(world, node))
		return;
	world_note(world, node, CAUSE_PLANNED);
	world_step(world, node, &event);
}

static void drain(struct world *world, size_t node, bool on)
{
	struct sim_node *n = &world->nodes[node];

	if (!world_runs(world, node) || n->draining == on || n->stop_us > 0)
		return;
	n->draining = on;
	world->marks.n[MARK_DRAIN] += on;
	send_event(world, node, on ? NODE_EVENT_DRAIN : NODE_EVENT_UNDRAIN);
}

static void stop(struct world *world, size_t node)
{
	if (!world_runs(world, node) || world->nodes[node].stop_us > 0)
		return;
	world->nodes[node].stop_us = world->now_us;
	world->marks.n[MARK_STOP]++;
	send_event(world, node, NODE_EVENT_STOP);
}

static void start(struct world *world, size_t node)
{
	if (world->nodes[node].process != PROCESS_NONE && world->nodes[node].stop_us > 0)
		world->nodes[node].start_wanted = true;
	host_start(world, node);
}

/* Ask the holder to hand an address over to another node. */
static void hand_over(struct world *world, const struct fault *fault)
{
	size_t address = (size_t)fault->arg % world->address_n;
	size_t to = (size_t)fault->b % world->node_n;
	struct node_event event = { .kind = NODE_EVENT_HANDOVER };

	for (size_t i = 0; i < world->node_n; i++) {
		if (!world_runs(world, i) || !world->nodes[i].leases[address].held || i == to)
			continue;
		event.handover.ip = world->addresses[address].ip;
		event.handover.node = world->nodes[to].name;
		world_note(world, i, CAUSE_PLANNED);
		world_note(world, to, CAUSE_PLANNED);
		world_step(world, i, &event);
		return;
	}
}

/* No cause by itself: it must not move what moved lately. */
static void rebalance(struct world *world, size_t node)
{
	struct node_event event = { .kind = NODE_EVENT_REBALANCE };

	world_step(world, node, &event);
}

/* The kernel loses the named address, or the next that the node holds. */
static void lose(struct world *world, const struct fault *fault)
{
	size_t node = (size_t)fault->a;

	for (size_t i = 0; i < world->address_n && world_runs(world, node); i++) {
		size_t address = (i + (size_t)fault->arg) % world->address_n;

		if (!world->nodes[node].leases[address].held)
			continue;
		host_lose(world, node, address);
		return;
	}
}

/* Everything as it was meant to be. */
static void calm(struct world *world)
{
	for (size_t i = 0; i < world->node_n * world->node_n; i++) {
		if (link_is_disturbed(&world->network.links[i]))
			world_note_link(world, i / world->node_n, i % world->node_n);
	}
	network_heal(&world->network);
	for (size_t i = 0; i < world->node_n; i++) {
		world_note(world, i, CAUSE_NET);
		check_path(world, i);
		world->nodes[i].kernel.refuses = false;
		host_set_link(world, i, true);
		segment_set_data(world, i, false);
	}
	for (size_t i = 0; i < world->node_n; i++) {
		host_resume(world, i);
		start(world, i);
		drain(world, i, false);
		for (size_t s = 0; s < world->plan->service_n; s++) {
			host_set_service(world, i, s, true);
			host_set_fit(world, i, s, true);
		}
	}
}

static void count(struct world *world, const struct fault *fault)
{
	bool runs = fault->a >= 0 && fault->kind != FAULT_CALM && world_runs(world, (size_t)fault->a);

	world->marks.n[MARK_ONE_WAY_CUT] += fault->kind == FAULT_CUT && fault->a != fault->b;
	world->marks.n[MARK_PARTITION] += fault->kind == FAULT_PARTITION;
	world->marks.n[MARK_CRASH] += fault->kind == FAULT_CRASH && runs;
	world->marks.n[MARK_KILL] += fault->kind == FAULT_KILL && runs;
	world->marks.n[MARK_LINK_DOWN] += fault->kind == FAULT_LINK_DOWN;
	world->marks.n[MARK_RELOAD] += fault->kind == FAULT_SERVICE_OFF;
}

/* What a host has and can. */
static void change_host(struct world *world, const struct fault *fault)
{
	size_t a = (size_t)fault->a;

	switch ((int)fault->kind) {
	case FAULT_SERVICE_OFF:
	case FAULT_SERVICE_ON:
		host_set_service(world, a, (size_t)fault->b, fault->kind == FAULT_SERVICE_ON);
		break;
	case FAULT_UNFIT:
	case FAULT_FIT:
		host_set_fit(world, a, (size_t)fault->b, fault->kind == FAULT_FIT);
		break;
	case FAULT_LOSE:
		lose(world, fault);
		break;
	default:
		world->nodes[a].kernel.refuses = fault->kind == FAULT_REFUSE;
		world_note(world, a, CAUSE_KERNEL);
		break;
	}
}

static void cut(struct world *world, const struct fault *fault)
{
	size_t a = (size_t)fault->a;

	if (fault->kind == FAULT_GOSSIP_CUT || fault->kind == FAULT_GOSSIP_UNCUT)
		cut_gossip(world, a, fault->kind == FAULT_GOSSIP_CUT);
	else if (fault->kind == FAULT_DATA_CUT || fault->kind == FAULT_DATA_UNCUT)
		segment_set_data(world, a, fault->kind == FAULT_DATA_CUT);
	else
		partition(world, fault->arg, fault->kind == FAULT_PARTITION);
}

void fault_apply(struct world *world, const struct fault *fault)
{
	size_t a = (size_t)fault->a;

	world_say(world, true, "fault %s a=%d b=%d arg=%lld", fault_kind_name(fault->kind), fault->a + 1, fault->b + 1,
		  (long long)fault->arg);
	count(world, fault);
	check_before_fault(world, fault);
	world->last_change_us = world->now_us;
	switch (fault->kind) {
	case FAULT_LOSS:
	case FAULT_BURST:
	case FAULT_DELAY:
	case FAULT_DUPLICATE:
	case FAULT_REPLAY:
	case FAULT_CUT:
	case FAULT_UNCUT:
		set_links(world, fault);
		break;
	case FAULT_GOSSIP_CUT:
	case FAULT_GOSSIP_UNCUT:
	case FAULT_DATA_CUT:
	case FAULT_DATA_UNCUT:
	case FAULT_PARTITION:
	case FAULT_HEAL:
		cut(world, fault);
		break;
	case FAULT_PAUSE:
		host_pause(world, a);
		break;
	case FAULT_RESUME:
		host_resume(world, a);
		break;
	case FAULT_CRASH:
		host_crash(world, a);
		break;
	case FAULT_KILL:
		segment_kill(world, a);
		break;
	case FAULT_STOP:
		stop(world, a);
		break;
	case FAULT_START:
		start(world, a);
		break;
	case FAULT_LINK_DOWN:
	case FAULT_LINK_UP:
		host_set_link(world, a, fault->kind == FAULT_LINK_UP);
		break;
	case FAULT_DRAIN:
	case FAULT_UNDRAIN:
		drain(world, a, fault->kind == FAULT_DRAIN);
		break;
	case FAULT_HANDOVER:
		hand_over(world, fault);
		break;
	case FAULT_SERVICE_OFF:
	case FAULT_SERVICE_ON:
	case FAULT_UNFIT:
	case FAULT_FIT:
	case FAULT_REFUSE:
	case FAULT_ACCEPT:
	case FAULT_LOSE:
		change_host(world, fault);
		break;
	case FAULT_REBALANCE:
		rebalance(world, a);
		break;
	case FAULT_CALM:
		calm(world);
		break;
	}
}
