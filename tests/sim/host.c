/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A simulated host: its kernel's addresses with lifetimes, its link, its socket, and the shell part of the daemon as
 * daemon/host.c and daemon/app.c do it: claims with a lease that is renewed, a lease that ran out is given up and never
 * renewed, leftovers of an earlier process are removed at start.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/check.h"
#include "tests/sim/world.h"

/* Wall clock of all hosts at the start: any date will do. */
#define WALL_START_S UINT64_C(1700000000)

static void set_present(struct world *world, size_t node, size_t address, bool present)
{
	struct kernel_address *entry = &world->nodes[node].kernel.addresses[address];

	if (entry->present == present)
		return;
	entry->present = present;
	check_serving(world, node, address);
}

/* When a request to the kernel made now is done; requests of one host are done in order. */
static int64_t kernel_done(struct world *world, struct sim_node *node)
{
	int64_t begin_us = node->kernel.busy_until_us > world->now_us ? node->kernel.busy_until_us : world->now_us;

	node->kernel.busy_until_us = begin_us + rng_between(&node->rng, KERNEL_OP_LOW_US, KERNEL_OP_HIGH_US);
	return node->kernel.busy_until_us;
}

static void kernel_request(struct world *world, size_t node, size_t address, enum queue_kind kind)
{
	struct sim_node *n = &world->nodes[node];

	queue_push(&world->queue, (struct queue_event){
					  .at_us = kernel_done(world, n),
					  .stamp = kind == QUEUE_REFUSED ? n->generation : n->kernel.boot,
					  .kind = kind,
					  .node = (uint32_t)node,
					  .index = (uint32_t)address,
				  });
}

/* Set the lifetime anew. An expiry that is in the queue already looks again when its time comes. */
static void kernel_renew(struct world *world, size_t node, size_t address)
{
	struct sim_node *n = &world->nodes[node];

	n->kernel.addresses[address].expires_us =
		world->now_us + world->lease_us + rng_between(&n->rng, 0, LEASE_LATE_US);
}

static void push_expiry(struct world *world, size_t node, size_t address)
{
	queue_push(&world->queue, (struct queue_event){
					  .at_us = world->nodes[node].kernel.addresses[address].expires_us,
					  .stamp = world->nodes[node].kernel.boot,
					  .kind = QUEUE_EXPIRE,
					  .node = (uint32_t)node,
					  .index = (uint32_t)address,
				  });
}

static void on_expiry(struct world *world, size_t node, size_t address)
{
	const struct kernel_address *entry = &world->nodes[node].kernel.addresses[address];

	if (!entry->present)
		return;
	if (entry->expires_us > world->now_us) {
		push_expiry(world, node, address);
		return;
	}
	world->marks.n[MARK_LEASE_EXPIRED]++;
	world_say(world, true, "%s kernel: lifetime of address %zu ran out", world->nodes[node].name, address);
	set_present(world, node, address, false);
}

/* The process reads the kernel's answer to its claim. */
static void confirm(struct world *world, size_t node, size_t address)
{
	struct lease *lease = &world->nodes[node].leases[address];
	struct node_event event = { .kind = NODE_EVENT_CLAIMED, .ip = world->addresses[address].ip };

	if (!world_runs(world, node) || !lease->held || lease->confirmed ||
	    !world->nodes[node].kernel.addresses[address].present)
		return;
	lease->confirmed = true;
	segment_announce(world, node, address);
	world_step(world, node, &event);
}

static void on_added(struct world *world, size_t node, size_t address)
{
	bool was_present = world->nodes[node].kernel.addresses[address].present;

	kernel_renew(world, node, address);
	set_present(world, node, address, true);
	if (!was_present)
		push_expiry(world, node, address);
	confirm(world, node, address);
}

void host_claim(struct world *world, size_t node, size_t address)
{
	struct sim_node *n = &world->nodes[node];

	world->marks.n[MARK_CLAIM]++;
	if (n->leases[address].held)
		return; /* announces again */
	n->leases[address] = (struct lease){ .held = true, .renewed = world_clock(world, n) };
	kernel_request(world, node, address, n->kernel.refuses ? QUEUE_REFUSED : QUEUE_ADDED);
}

void host_release(struct world *world, size_t node, size_t address)
{
	if (!world->nodes[node].leases[address].held)
		return;
	world->nodes[node].leases[address].held = false;
	kernel_request(world, node, address, QUEUE_DELETED);
}

void host_guard_removes(struct world *world, size_t node, size_t address)
{
	kernel_request(world, node, address, QUEUE_DELETED);
}

/* Something took the address away and it cannot be put back, or its lease ran out. */
void host_lose(struct world *world, size_t node, size_t address)
{
	struct node_event event = { .kind = NODE_EVENT_LOST, .ip = world->addresses[address].ip };

	if (!world->nodes[node].leases[address].held)
		return;
	world->marks.n[MARK_ADDRESS_LOST]++;
	world_say(world, true, "%s lost address %zu", world->nodes[node].name, address);
	world_note(world, node, CAUSE_KERNEL);
	check_refused(world, node, address);
	host_release(world, node, address);
	world_step(world, node, &event);
}

static void on_refused(struct world *world, size_t node, size_t address)
{
	struct node_event event = { .kind = NODE_EVENT_CLAIM_FAILED, .ip = world->addresses[address].ip };
	struct sim_node *n = &world->nodes[node];

	if (!n->leases[address].held)
		return;
	n->leases[address].held = false;
	world->marks.n[MARK_CLAIM_FAILED]++;
	world_say(world, true, "%s kernel refused address %zu", n->name, address);
	world_note(world, node, CAUSE_KERNEL);
	check_refused(world, node, address);
	world_step(world, node, &event);
}

static void arm_renewal(struct world *world, size_t node)
{
	struct sim_node *n = &world->nodes[node];

	queue_push(&world->queue,
		   (struct queue_event){
			   .at_us = world->now_us + world->lease_us / 4 + rng_between(&n->rng, 0, TICK_LATE_US),
			   .stamp = n->generation,
			   .kind = QUEUE_RENEW,
			   .node = (uint32_t)node,
		   });
}

/* daemon/host.c on_renew_timer: first give up what came too late, then renew the rest. */
static void renew(struct world *world, size_t node)
{
	struct sim_node *n = &world->nodes[node];
	struct instant now = world_clock(world, n);

	for (size_t i = 0; i < world->address_n; i++) {
		if (n->leases[i].held && instant_since(now, n->leases[i].renewed).us >= world->lease_us)
			host_lose(world, node, i);
	}
	for (size_t i = 0; i < world->address_n; i++) {
		if (!n->leases[i].held)
			continue;
		n->leases[i].renewed = now;
		if (n->kernel.addresses[i].present)
			kernel_renew(world, node, i);
	}
}

void host_refresh_meta(struct world *world, size_t node)
{
	struct sim_node *n = &world->nodes[node];
	struct node_event event = { .kind = NODE_EVENT_META, .meta = &n->meta };
	size_t all = world->plan->nodes[node].has_v6 ? 2 : 1;
	size_t segment_n = n->link_up ? all : 0;

	if (n->meta.segment_n == segment_n && n->meta.segments[0].isolated == n->silent)
		return;
	n->meta.segment_n = segment_n;
	n->meta.segments[0].isolated = n->silent;
	n->meta.segments[1].isolated = n->silent;
	world_step(world, node, &event);
}

void host_set_link(struct world *world, size_t node, bool up)
{
	struct sim_node *n = &world->nodes[node];

	if (n->link_up == up)
		return;
	n->link_up = up;
	for (size_t i = 0; i < world->node_n; i++)
		world_note_link(world, node, i);
	world_note(world, node, CAUSE_NET);
	world_note(world, node, CAUSE_CONFIG);
	for (size_t i = 0; i < world->address_n; i++)
		check_serving(world, node, i);
	queue_push(&world->queue,
		   (struct queue_event){
			   .at_us = world->now_us + rng_between(&n->rng, LINK_NEWS_LOW_US, LINK_NEWS_HIGH_US),
			   .stamp = n->generation,
			   .kind = QUEUE_LINK,
			   .node = (uint32_t)node,
		   });
}

static void fill_meta(struct world *world, size_t node)
{
	struct meta *meta = &world->nodes[node].meta;
	char rack[2] = { world->plan->nodes[node].rack, '\0' };
	static const char *const subnets[2] = { "10.0.0.0/16", "fd00:100::/64" };

	memset(meta, 0, sizeof(*meta));
	(void)label_set_put(&meta->labels, "rack", rack);
	meta->ready = true;
	for (size_t i = 0; i < 2; i++) {
		struct mac mac = { { 2, 0, 0, 0, (uint8_t)(node >> 8), (uint8_t)node } };

		memcpy(meta->segments[i].iface, "eth0", 5);
		meta->segments[i].mac = mac;
		(void)subnet_parse(subnets[i], &meta->segments[i].subnet);
	}
	if (world->nodes[node].link_up)
		meta->segment_n = world->plan->nodes[node].has_v6 ? 2 : 1;
}

/* Hand the node the services that are on for it. */
static void give_services(struct world *world, size_t node)
{
	struct sim_node *n = &world->nodes[node];
	struct node_event event = { .kind = NODE_EVENT_SERVICES };
	struct election_service *list = n->lists[n->list_at = !n->list_at];
	size_t count = 0;

	for (size_t i = 0; i < world->plan->service_n; i++) {
		const struct plan_service *service = &world->plan->services[i];

		if (!n->service_on[i])
			continue;
		list[count] = (struct election_service){ .name = service->name };
		list[count].addresses = service->addresses;
		list[count].address_n = service->address_n;
		list[count].selectors = service->selects ? &world->selectors[i] : NULL;
		list[count].selector_n = service->selects ? 1 : 0;
		count++;
	}
	n->services_stale = false;
	event.services.services = list;
	event.services.service_n = count;
	world_step(world, node, &event);
}

void host_set_service(struct world *world, size_t node, size_t service, bool on)
{
	struct sim_node *n = &world->nodes[node];

	if (n->service_on[service] == on)
		return;
	n->service_on[service] = on;
	world_note(world, node, CAUSE_CONFIG);
	if (n->process == PROCESS_RUNNING)
		give_services(world, node);
	else
		n->services_stale = true; /* a paused one reads its configuration when it runs again */
}

/* Say of one service whether it is served here. */
static void give_fitness(struct world *world, size_t node, size_t service)
{
	struct node_event event = { .kind = NODE_EVENT_FIT };

	event.fit.service = world->plan->services[service].name;
	event.fit.fit = !world->nodes[node].unfit[service];
	world_step(world, node, &event);
}

void host_set_fit(struct world *world, size_t node, size_t service, bool fit)
{
	struct sim_node *n = &world->nodes[node];

	if (n->unfit[service] == !fit)
		return;
	n->unfit[service] = !fit;
	world_note(world, node, CAUSE_PLANNED);
	world->marks.n[MARK_UNFIT] += !fit;
	if (n->process == PROCESS_RUNNING)
		give_fitness(world, node, service);
}

static void configure(struct world *world, size_t node, struct node_config *config)
{
	struct sim_node *n = &world->nodes[node];
	uint64_t wall_s = WALL_START_S + (uint64_t)(world->now_us / 1000000);

	if (n->start_n > 0)
		wall_s -= (uint64_t)world->plan->nodes[node].wall_behind_s;
	memcpy(config->gossip.name, n->name, sizeof(config->gossip.name));
	config->gossip.instance = wall_s << 32 | rng_u64(&n->rng) >> 32;
	config->gossip.endpoint_n = 1;
	config->gossip.endpoints[0] = n->endpoint;
	config->gossip.timers = world->timers;
	config->gossip.packet_len_max = PACKET_LEN_DEFAULT;
	config->gossip.member_max = SIM_MEMBER_ROOM;
	config->gossip.item_max = SIM_ITEM_ROOM;
	for (size_t i = 0; i < world->plan->seed_n && i < SEED_MAX; i++)
		config->gossip.seeds[config->gossip.seed_n++] = world->nodes[i].endpoint;
	config->election = world->election;
	config->meta = n->meta;
}

void host_start(struct world *world, size_t node)
{
	struct sim_node *n = &world->nodes[node];
	struct node_config *config;

	if (n->process != PROCESS_NONE)
		return;
	config = calloc(1, sizeof(*config));
	if (config == NULL)
		abort();
	n->host_up = true;
	n->draining = false;
	n->stop_us = 0;
	n->start_wanted = false;
	n->path_polled = false;
	n->generation++;
	n->silent = false;
	fill_meta(world, node);
	configure(world, node, config);
	n->core = node_new(config, rng_u64(&n->rng), world_clock(world, n));
	free(config);
	if (n->core == NULL)
		abort();
	if (n->start_n++ > 0)
		world->marks.n[MARK_RESTART]++;
	n->process = PROCESS_RUNNING;
	n->started_us = world->now_us;
	n->wake_at_us = INT64_MAX;
	world->last_change_us = world->now_us;
	world_note(world, node, CAUSE_DOWN);
	check_started(world, node);
	segment_watch(world, node);
	for (size_t i = 0; i < world->address_n; i++) {
		if (n->kernel.addresses[i].present)
			kernel_request(world, node, i, QUEUE_DELETED); /* host_clean */
	}
	arm_renewal(world, node);
	give_services(world, node);
	for (size_t i = 0; i < world->plan->service_n; i++)
		give_fitness(world, node, i);
}

static void empty_socket(struct sim_node *n)
{
	for (size_t i = 0; i < n->socket_n; i++)
		free(n->socket[i]);
	n->socket_n = 0;
}

void host_end(struct world *world, size_t node, bool orderly)
{
	struct sim_node *n = &world->nodes[node];

	if (n->process == PROCESS_NONE)
		return;
	for (size_t i = 0; i < world->address_n; i++) {
		if (orderly)
			host_release(world, node, i);
		n->leases[i].held = false;
	}
	node_free(n->core);
	n->core = NULL;
	n->process = PROCESS_NONE;
	n->generation++;
	empty_socket(n);
	world->last_change_us = world->now_us;
	world_note(world, node, CAUSE_DOWN);
	check_path(world, node);
}

void host_crash(struct world *world, size_t node)
{
	struct sim_node *n = &world->nodes[node];

	host_end(world, node, false);
	n->host_up = false;
	n->kernel.boot++;
	n->kernel.busy_until_us = 0;
	for (size_t i = 0; i < world->address_n; i++)
		set_present(world, node, i, false);
}

void host_pause(struct world *world, size_t node)
{
	if (world->nodes[node].process != PROCESS_RUNNING)
		return;
	world->nodes[node].process = PROCESS_PAUSED;
	world->nodes[node].paused_us = world->now_us;
	world->marks.n[MARK_PAUSE]++;
	world_note(world, node, CAUSE_DOWN);
	check_path(world, node);
}

/* The event loop runs its due timers first, then reads its sockets. */
void host_resume(struct world *world, size_t node)
{
	struct sim_node *n = &world->nodes[node];
	struct node_event tick = { .kind = NODE_EVENT_TICK };

	if (n->process != PROCESS_PAUSED)
		return;
	n->process = PROCESS_RUNNING;
	n->resumed_us = world->now_us;
	check_resumed(world, node, world->now_us - n->paused_us);
	world_note(world, node, CAUSE_DOWN);
	check_path(world, node);
	renew(world, node);
	world_step(world, node, &tick);
	for (size_t i = 0; i < world->address_n; i++)
		confirm(world, node, i);
	host_refresh_meta(world, node);
	segment_watch(world, node);
	if (n->services_stale)
		give_services(world, node);
	for (size_t i = 0; i < world->plan->service_n; i++)
		give_fitness(world, node, i); /* what its checks found meanwhile */
	for (size_t i = 0; i < n->socket_n; i++) {
		struct packet *packet = n->socket[i];

		n->socket[i] = NULL;
		if (n->process == PROCESS_RUNNING)
			host_receive(world, node, packet);
		else
			free(packet);
	}
	n->socket_n = 0;
}

/* Open a sealed packet, or do as if: the rule for the receiver is the same. */
static bool open_packet(struct world *world, const struct sim_node *n, const struct packet *packet,
			struct node_event *event, uint8_t body[PACKET_LEN_MAX])
{
	uint64_t me = gossip_instance(node_gossip(n->core));
	struct seal_header header = packet->header;
	enum gossip_drop drop;

	event->packet.from = packet->from;
	event->packet.body = packet->data;
	event->packet.len = packet->len;
	if (packet->sealed) {
		drop = seal_open(&world->ring, me, packet->data, packet->len, &header, body, PACKET_LEN_MAX,
				 &event->packet.len);
		if (packet->damaged && drop == GOSSIP_DROP_NONE)
			world_fail(world, "seal: a damaged packet was accepted by %s", n->name);
		if (packet->damaged)
			world->marks.n[MARK_DAMAGED]++;
		else if (drop != GOSSIP_DROP_NONE)
			world->marks.n[MARK_NOT_FOR_US]++;
		if (drop != GOSSIP_DROP_NONE)
			return false;
		event->packet.body = body;
	} else if (header.receiver != 0 && header.receiver != me) {
		world->marks.n[MARK_NOT_FOR_US]++;
		return false;
	}
	event->packet.sender = header.sender;
	event->packet.counter = header.counter;
	event->packet.to_anyone = header.receiver == 0;
	return true;
}

void host_receive(struct world *world, size_t node, struct packet *packet)
{
	struct sim_node *n = &world->nodes[node];
	struct node_event event = { .kind = NODE_EVENT_PACKET };
	uint8_t body[PACKET_LEN_MAX];

	if (!n->host_up || !n->link_up || n->process == PROCESS_NONE) {
		free(packet);
		return;
	}
	if (n->process == PROCESS_PAUSED) {
		if (n->socket_n < SOCKET_MAX) {
			n->socket[n->socket_n++] = packet;
			return;
		}
		world->marks.n[MARK_SOCKET_FULL]++;
		free(packet);
		return;
	}
	if (world->options.trace != NULL)
		world_say(world, false, "%s receives len=%zu counter=%llu", n->name, packet->len,
			  (unsigned long long)packet->header.counter);
	if (open_packet(world, n, packet, &event, body)) {
		check_before_packet(world, node, &event);
		world_step(world, node, &event);
		check_after_packet(world, node, &event);
	}
	free(packet);
}

void host_handle(struct world *world, const struct queue_event *event)
{
	struct sim_node *n = &world->nodes[event->node];

	switch (event->kind) {
	case QUEUE_ADDED:
		if (event->stamp == n->kernel.boot)
			on_added(world, event->node, event->index);
		break;
	case QUEUE_DELETED:
		if (event->stamp == n->kernel.boot)
			set_present(world, event->node, event->index, false);
		break;
	case QUEUE_EXPIRE:
		if (event->stamp == n->kernel.boot)
			on_expiry(world, event->node, event->index);
		break;
	case QUEUE_REFUSED:
		if (event->stamp == n->generation && n->process == PROCESS_RUNNING)
			on_refused(world, event->node, event->index);
		break;
	case QUEUE_RENEW:
		if (event->stamp != n->generation)
			break;
		if (n->process == PROCESS_RUNNING)
			renew(world, event->node);
		if (n->process != PROCESS_NONE)
			arm_renewal(world, event->node);
		break;
	case QUEUE_LINK:
		if (event->stamp == n->generation && n->process == PROCESS_RUNNING)
			host_refresh_meta(world, event->node);
		break;
	case QUEUE_DELIVER:
	case QUEUE_WAKE:
	case QUEUE_GATE:
	case QUEUE_ANSWER:
	case QUEUE_PATH:
	case QUEUE_SILENT:
	case QUEUE_FAULT:
	case QUEUE_AUDIT:
		break; /* the world's own */
	}
}
