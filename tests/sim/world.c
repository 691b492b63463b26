/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: the simulator
 *
 * A world holds N real nodes, each on a simulated host (host.c), joined by a simulated network (network.c), and one heap of
 * events in virtual microseconds (queue.c). A plan (plan.c, scenario.c) says which faults happen when; faults.c carries them
 * out. The loop below takes the earliest event, lets it act on one node, carries out what the node answers, arms its tick,
 * and lets check.c look. Nothing reads a real clock, and each source of chance has its own generator derived from the seed,
 * so the same seed gives the same run: `hash` covers every byte sent and every action, and the sweep compares two runs.
 *
 * Each node has a clock of its own: an offset and a drift against the world's. Ticks are armed as the daemon's event loop
 * does it, on a grid of milliseconds and then a little late.
 */
#include "tests/sim/world.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/check.h"

#define AUDIT_US 50000

/* A node that wants to go on at once for this many ticks in a row spins. */
#define SPIN_MAX 10000

/* One packet in a thousand has a bit flipped, when they are sealed. */
#define DAMAGE_PPM 1000

struct instant world_clock(const struct world *world, const struct sim_node *node)
{
	const struct plan_node *plan = &world->plan->nodes[node - world->nodes];

	return (struct instant){ plan->clock_offset_us + world->now_us + world->now_us * plan->drift_ppm / 1000000 };
}

bool world_runs(const struct world *world, size_t node)
{
	return world->nodes[node].process == PROCESS_RUNNING;
}

bool world_serves(const struct world *world, size_t node, size_t address)
{
	const struct sim_node *n = &world->nodes[node];

	return n->host_up && n->link_up && !n->data_cut && n->kernel.addresses[address].present &&
	       segment_gate_open(world, node);
}

bool world_uncut(const struct world *world, size_t a, size_t b)
{
	unsigned int cuts = network_link(&world->network, a, b)->cuts | network_link(&world->network, b, a)->cuts;

	return (cuts & ~(unsigned int)CUT_GOSSIP) == 0;
}

bool world_has_path(const struct world *world, size_t a, size_t b)
{
	const struct sim_node *na = &world->nodes[a];
	const struct sim_node *nb = &world->nodes[b];

	return na->host_up && nb->host_up && na->link_up && nb->link_up && world_uncut(world, a, b);
}

int world_find_address(const struct world *world, struct ip ip)
{
	for (size_t i = 0; i < world->address_n; i++) {
		if (ip_equal(world->addresses[i].ip, ip))
			return (int)i;
	}
	return -1;
}

int world_find_node(const struct world *world, const char *name)
{
	for (size_t i = 0; i < world->node_n; i++) {
		if (strcmp(world->nodes[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}

void world_note(struct world *world, size_t node, enum cause cause)
{
	world->nodes[node].cause_us[cause] = world->now_us;
}

void world_note_link(struct world *world, size_t a, size_t b)
{
	world_note(world, a, CAUSE_NET);
	world_note(world, b, CAUSE_NET);
	world->checks->disturbed_us[a * world->node_n + b] = world->now_us;
	world->checks->disturbed_us[b * world->node_n + a] = world->now_us;
}

void world_fail(struct world *world, const char *format, ...)
{
	va_list args;

	if (world->failed)
		return;
	world->failed = true;
	world->failed_us = world->now_us;
	va_start(args, format);
	vsnprintf(world->failure, sizeof(world->failure), format, args);
	va_end(args);
	world_say(world, true, "FAILED %s", world->failure);
}

void world_say(struct world *world, bool important, const char *format, ...)
{
	char text[FAILURE_TEXT_MAX];
	va_list args;

	if (world->options.trace == NULL && !(important && world->options.verbose))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (world->options.trace != NULL)
		fprintf(world->options.trace, "%10.6f %s\n", (double)world->now_us / 1e6, text);
	if (important && world->options.verbose)
		printf("%10.6f %s\n", (double)world->now_us / 1e6, text);
}

/* --- what a node says --------------------------------------------------------------------------------------------- */

static void hash_in(struct world *world, const void *data, size_t len)
{
	world->hash = hash_bytes(world->hash, data, len);
}

static int find_endpoint(const struct world *world, struct endpoint endpoint)
{
	/* the addresses were made from the index: see init_node */
	size_t index = (size_t)endpoint.ip.bytes[2] << 8 | endpoint.ip.bytes[3];

	return index >= 1 && index <= world->node_n && endpoint_compare(world->nodes[index - 1].endpoint, endpoint) == 0
		       ? (int)index - 1
		       : -1;
}

static struct packet *make_packet(struct world *world, const struct sim_node *from, const struct node_action *action)
{
	struct seal_header header = { action->send.sender, action->send.receiver, action->send.counter };
	bool seal = world->plan->seal;
	struct packet *packet = packet_new(action->send.len + (seal ? SEAL_OVERHEAD : 0));
	int len;

	packet->from = from->endpoint;
	packet->header = header;
	packet->sealed = seal;
	if (!seal) {
		memcpy(packet->data, action->send.body, action->send.len);
		return packet;
	}
	len = seal_pack(&world->ring, &header, action->send.body, action->send.len, packet->data, packet->len);
	if (len != (int)packet->len)
		world_fail(world, "seal: seal_pack returned %d for %zu bytes", len, action->send.len);
	world->marks.n[MARK_SEALED]++;
	if (world->now_us < world->plan->calm_us && rng_chance(&world->rng, DAMAGE_PPM)) {
		packet->damaged = true;
		packet->data[rng_below(&world->rng, packet->len)] ^= (uint8_t)(1u << rng_below(&world->rng, 8));
	}
	return packet;
}

/* Does the node send more than any protocol of ours needs? */
static void count_sends(struct world *world, struct sim_node *n)
{
	if (world->now_us - n->sent_since_us >= SENT_WINDOW_US) {
		n->sent_since_us = world->now_us;
		n->sent_n = 0;
	}
	n->sent_n++;
	if (n->sent_n > world->checks->sent_most)
		world->checks->sent_most = n->sent_n;
	if (n->sent_n > SENT_MAX && world->options.checked)
		world_fail(world, "storm: %s sends %d packets within %d ms", n->name, SENT_MAX, SENT_WINDOW_US / 1000);
}

static void do_send(struct world *world, size_t node, const struct node_action *action)
{
	struct sim_node *n = &world->nodes[node];
	int to = find_endpoint(world, action->send.to);

	count_sends(world, n);
	hash_in(world, action->send.body, action->send.len);
	hash_in(world, &action->send.counter, sizeof(action->send.counter));
	if (world->options.trace != NULL)
		world_say(world, false, "%s send to=n%d len=%zu type=%d counter=%llu", n->name, to + 1,
			  action->send.len, action->send.len > 0 ? action->send.body[0] : -1,
			  (unsigned long long)action->send.counter);
	if (action->send.len + SEAL_OVERHEAD > PACKET_LEN_DEFAULT)
		world_fail(world, "packet-length: %s sent %zu bytes", n->name, action->send.len + SEAL_OVERHEAD);
	if (to < 0) {
		world_fail(world, "packet-destination: %s sent to an endpoint that is nobody's", n->name);
		return;
	}
	if (to == (int)node) {
		world_fail(world, "packet-destination: %s sent to itself", n->name);
		return;
	}
	if (n->link_up)
		network_send(&world->network, node, (size_t)to, make_packet(world, n, action), world->now_us);
}

static void carry_out(struct world *world, size_t node, const struct node_action *action)
{
	struct sim_node *n = &world->nodes[node];
	int address = -1;

	hash_in(world, &action->kind, sizeof(action->kind));
	if (action->kind == NODE_ACTION_CLAIM || action->kind == NODE_ACTION_RELEASE ||
	    action->kind == NODE_ACTION_ANNOUNCE || action->kind == NODE_ACTION_ASK) {
		address = world_find_address(world, action->claim.ip);
		hash_in(world, &action->claim.ip, sizeof(action->claim.ip));
		if (address < 0)
			world_fail(world, "address: %s acts on an address that no service has", n->name);
	}
	if (address >= 0 && action->kind != NODE_ACTION_ANNOUNCE && action->kind != NODE_ACTION_ASK)
		world_say(world, true, "%s %s address %d", n->name,
			  action->kind == NODE_ACTION_CLAIM ? "claims" : "releases", address);
	switch (action->kind) {
	case NODE_ACTION_SEND:
		do_send(world, node, action);
		break;
	case NODE_ACTION_CLAIM:
		if (address >= 0)
			host_claim(world, node, (size_t)address);
		break;
	case NODE_ACTION_RELEASE:
		if (address >= 0)
			host_release(world, node, (size_t)address);
		break;
	case NODE_ACTION_MEMBER:
		if (action->member.to == GOSSIP_DEAD && world->death_us == 0)
			world->death_us = world->now_us;
		break;
	case NODE_ACTION_ASK:
		if (address >= 0)
			segment_ask(world, node, (size_t)address);
		break;
	case NODE_ACTION_RIGHT:
		world_say(world, true, "%s %s the right to hold", n->name, action->right ? "gains" : "loses");
		world->marks.n[MARK_RIGHT_LOST] += !action->right;
		break;
	case NODE_ACTION_ANNOUNCE:
		if (address >= 0 && world_serves(world, node, (size_t)address))
			segment_announce(world, node, (size_t)address);
		break;
	case NODE_ACTION_OFFER:
	case NODE_ACTION_OWNER: /* check_actions.c looks at these */
		break;
	case NODE_ACTION_JOINED:
		world_say(world, true, "%s joined%s", n->name, action->joined.alone ? " alone" : "");
		world->marks.n[MARK_ALONE] += action->joined.alone;
		break;
	case NODE_ACTION_CONFLICT:
		world_fail(world, "name-conflict: %s was told that its name is taken", n->name);
		break;
	case NODE_ACTION_DRAINED:
		world_say(world, true, "%s drained", n->name);
		break;
	case NODE_ACTION_STOPPED:
		n->ended = true;
		break;
	case NODE_ACTION_WITNESS:
	case NODE_ACTION_ITEM:
		world_fail(world, "%s: asks for what nobody configured", n->name);
		break;
	}
}

/* --- stepping ----------------------------------------------------------------------------------------------------- */

/* Arm the tick for the node's deadline, unless an earlier one is on its way (it will look again). */
static void arm_tick(struct world *world, size_t node)
{
	struct sim_node *n = &world->nodes[node];
	struct instant deadline = node_deadline(n->core);
	int64_t wait_us = instant_since(deadline, world_clock(world, n)).us;
	int64_t at_us;

	if (deadline.us == INSTANT_NEVER.us)
		return;
	wait_us = wait_us > 0 ? (wait_us + 999) / 1000 * 1000 : 0;
	at_us = world->now_us + wait_us;
	if (at_us >= n->wake_at_us)
		return;
	at_us += rng_between(&n->rng, 0, TICK_LATE_US);
	n->wake_at_us = at_us;
	queue_push(&world->queue, (struct queue_event){
					  .at_us = at_us,
					  .stamp = n->generation,
					  .kind = QUEUE_WAKE,
					  .node = (uint32_t)node,
				  });
}

static void step_once(struct world *world, size_t node, const struct node_event *event)
{
	struct sim_node *n = &world->nodes[node];
	struct node_out *out = world->out;

	node_step(n->core, event, out);
	world->marks.n[MARK_STEP]++;
	for (size_t i = 0; i < out->action_n; i++)
		carry_out(world, node, &out->actions[i]);
	check_actions(world, node, out);
}

/* A stop has come to its end; the service manager may want it running again. */
static void end_stopping(struct world *world, size_t node)
{
	struct sim_node *n = &world->nodes[node];

	world_say(world, true, "%s stopped", n->name);
	host_end(world, node, true);
	if (n->start_wanted)
		host_start(world, node);
}

void world_step(struct world *world, size_t node, struct node_event *event)
{
	struct sim_node *n = &world->nodes[node];
	struct node_event tick = { .kind = NODE_EVENT_TICK };
	size_t spins = 0;

	if (n->process != PROCESS_RUNNING)
		return;
	event->now = world_clock(world, n);
	if (event->kind == NODE_EVENT_PACKET)
		event->packet.received = event->now;
	tick.now = event->now;
	step_once(world, node, event);
	while (node_pending(n->core) && spins++ < SPIN_MAX)
		step_once(world, node, &tick);
	/* a deadline that a tick does not move would burn a core for ever */
	for (; spins < SPIN_MAX && instant_reached(node_deadline(n->core), event->now); spins++)
		step_once(world, node, &tick);
	if (spins >= SPIN_MAX)
		world_fail(world, "spin: %s wants to go on at once after %d ticks", n->name, SPIN_MAX);
	if (n->ended) {
		n->ended = false;
		end_stopping(world, node);
		return;
	}
	segment_after_step(world, node);
	arm_tick(world, node);
}

static void on_wake(struct world *world, const struct queue_event *event)
{
	struct sim_node *n = &world->nodes[event->node];
	struct node_event tick = { .kind = NODE_EVENT_TICK };

	if (event->stamp != n->generation)
		return;
	if (event->at_us == n->wake_at_us)
		n->wake_at_us = INT64_MAX;
	if (n->process != PROCESS_RUNNING)
		return; /* host_resume ticks */
	if (instant_reached(node_deadline(n->core), world_clock(world, n)))
		world_step(world, event->node, &tick);
	else
		arm_tick(world, event->node);
}

static void on_audit(struct world *world)
{
	queue_push(&world->queue, (struct queue_event){ .at_us = world->now_us + AUDIT_US, .kind = QUEUE_AUDIT });
	for (size_t i = 0; i < world->node_n; i++) {
		struct sim_node *n = &world->nodes[i];

		if (n->stop_us > 0 && world->now_us - n->stop_us >= STOP_US && n->process == PROCESS_RUNNING)
			end_stopping(world, i); /* the stop timeout of daemon/app.c */
	}
	check_audit(world);
}

static void on_fault(struct world *world)
{
	const struct fault *fault = &world->plan->faults[world->fault_at++];

	fault_apply(world, fault);
	if (world->fault_at < world->plan->fault_n)
		queue_push(&world->queue, (struct queue_event){
						  .at_us = world->plan->faults[world->fault_at].at_us,
						  .kind = QUEUE_FAULT,
					  });
}

static void handle(struct world *world, const struct queue_event *event)
{
	switch (event->kind) {
	case QUEUE_DELIVER:
		host_receive(world, event->node, event->packet);
		break;
	case QUEUE_WAKE:
		on_wake(world, event);
		break;
	case QUEUE_FAULT:
		on_fault(world);
		break;
	case QUEUE_AUDIT:
		on_audit(world);
		break;
	case QUEUE_GATE:
	case QUEUE_ANSWER:
	case QUEUE_PATH:
	case QUEUE_SILENT:
		segment_handle(world, event);
		break;
	case QUEUE_RENEW:
	case QUEUE_ADDED:
	case QUEUE_DELETED:
	case QUEUE_REFUSED:
	case QUEUE_EXPIRE:
	case QUEUE_LINK:
		host_handle(world, event);
		break;
	}
}

void world_run_until(struct world *world, int64_t at_us)
{
	struct queue_event event;

	while (!world->failed && world->queue.n > 0 && world->queue.heap[0].at_us <= at_us) {
		(void)queue_pop(&world->queue, &event);
		assert(event.at_us >= world->now_us);
		world->now_us = event.at_us;
		handle(world, &event);
		check_overlaps(world);
	}
}

void world_run(struct world *world)
{
	world_run_until(world, world->plan->end_us);
	if (!world->failed)
		check_end(world);
}

/* --- making ------------------------------------------------------------------------------------------------------- */

static void init_node(struct world *world, size_t i)
{
	struct sim_node *n = &world->nodes[i];
	uint8_t v4[4] = { 10, 0, (uint8_t)((i + 1) >> 8), (uint8_t)(i + 1) };

	snprintf(n->name, sizeof(n->name), "n%zu", i + 1);
	n->endpoint = (struct endpoint){ ip_from_v4(v4), 7946 };
	n->link_up = true;
	n->wake_at_us = INT64_MAX;
	n->resumed_us = -1;
	n->rng = rng_of(hash_mix(world->plan->seed) ^ (i + 1));
	for (size_t c = 0; c < CAUSE_N; c++)
		n->cause_us[c] = INT64_MIN / 2;
	for (size_t s = 0; s < world->plan->service_n; s++)
		n->service_on[s] = true;
}

/* `rack In (a)`: a selector's parts are owned by it (base/label.h). */
static void init_selector(struct label_selector *selector, char rack)
{
	struct label_requirement *requirement = calloc(1, sizeof(*requirement));
	char **values = calloc(1, sizeof(*values));
	char value[2] = { rack, '\0' };

	if (requirement == NULL || values == NULL)
		abort();
	values[0] = strdup(value);
	requirement->key = strdup("rack");
	if (values[0] == NULL || requirement->key == NULL)
		abort();
	requirement->operator= LABEL_IN;
	requirement->values = values;
	requirement->value_n = 1;
	*selector = (struct label_selector){ requirement, 1 };
}

static void free_selector(struct label_selector *selector)
{
	free(selector->requirements[0].values[0]);
	free(selector->requirements[0].values);
	free(selector->requirements[0].key);
	free(selector->requirements);
}

static void init_services(struct world *world)
{
	for (size_t i = 0; i < world->plan->service_n; i++) {
		const struct plan_service *service = &world->plan->services[i];

		init_selector(&world->selectors[i], service->rack);
		for (size_t j = 0; j < service->address_n; j++)
			world->addresses[world->address_n++] = (struct sim_address){ service->addresses[j], i };
	}
}

struct world *world_new(const struct plan *plan, const struct world_options *options)
{
	struct world *world = calloc(1, sizeof(*world));

	if (world == NULL)
		abort();
	world->plan = plan;
	world->options = *options;
	world->node_n = plan->node_n;
	world->nodes = calloc(plan->node_n, sizeof(*world->nodes));
	world->out = malloc(sizeof(*world->out));
	if (world->nodes == NULL || world->out == NULL)
		abort();
	if (plan->profile == PLAN_FAST)
		gossip_timers_fast(&world->timers);
	else
		gossip_timers_lan(&world->timers);
	election_config_defaults(&world->election);
	if (!plan->gate)
		world->election.right_grace = span_us(0);
	if (plan->rebalance) {
		world->election.rebalance = REBALANCE_ON_JOIN;
		world->election.rebalance_delay = span_s(2);
	}
	world->lease_us = plan->gate ? LEASE_GATE_US : LEASE_US;
	if (plan->seal)
		seal_ring_insecure(&world->ring);
	world->rng = rng_of(hash_mix(plan->seed) + 0xda);
	network_init(&world->network, plan->node_n, hash_mix(plan->seed) + 0xfe, &world->queue, &world->marks);
	for (size_t i = 0; i < plan->node_n; i++)
		init_node(world, i);
	init_services(world);
	world->checks = check_new(world);
	queue_push(&world->queue, (struct queue_event){ .at_us = plan->faults[0].at_us, .kind = QUEUE_FAULT });
	queue_push(&world->queue, (struct queue_event){ .at_us = AUDIT_US, .kind = QUEUE_AUDIT });
	return world;
}

void world_free(struct world *world)
{
	if (world == NULL)
		return;
	for (size_t i = 0; i < world->node_n; i++) {
		node_free(world->nodes[i].core);
		for (size_t j = 0; j < world->nodes[i].socket_n; j++)
			free(world->nodes[i].socket[j]);
	}
	for (size_t i = 0; i < world->plan->service_n; i++)
		free_selector(&world->selectors[i]);
	queue_free(&world->queue);
	network_free(&world->network);
	check_free(world->checks);
	free(world->nodes);
	free(world->out);
	free(world);
}
