/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/scale/swarm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Each way, evenly spread. */
#define DELAY_MIN_US 100
#define DELAY_MAX_US 500

/* A slow process has one turn in so long, and everything that waits is handled then. */
#define SLOW_TURN_US (100 * MILLISECOND)

/* A swarm begins here, and a later instance of a node so many seconds later. */
#define EPOCH_S UINT64_C(1700000000)

static void *must(void *memory)
{
	if (memory == NULL)
		abort();
	return memory;
}

/* --- deadlines: a heap of nodes ------------------------------------------------------------------------------------- */

static bool wakes_before(const struct swarm *s, size_t a, size_t b)
{
	int64_t at = s->nodes[a].wake_us;
	int64_t bt = s->nodes[b].wake_us;

	return at != bt ? at < bt : a < b;
}

static void heap_put(struct swarm *s, size_t at, size_t node)
{
	s->heap[at] = node;
	s->nodes[node].heap_at = at;
}

/* The node's wake_us changed: move it to its place. */
static void heap_move(struct swarm *s, size_t node)
{
	size_t at = s->nodes[node].heap_at;
	size_t n = s->config.n;

	while (at > 0 && wakes_before(s, node, s->heap[(at - 1) / 2])) {
		heap_put(s, at, s->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	for (;;) {
		size_t child = 2 * at + 1;

		if (child + 1 < n && wakes_before(s, s->heap[child + 1], s->heap[child]))
			child++;
		if (child >= n || !wakes_before(s, s->heap[child], node))
			break;
		heap_put(s, at, s->heap[child]);
		at = child;
	}
	heap_put(s, at, node);
}

/* --- packets: a heap, and those that are not used ------------------------------------------------------------------- */

static bool comes_before(const struct parcel *a, const struct parcel *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static struct parcel *packet_new(struct swarm *s)
{
	struct parcel *packet = s->unused;

	if (packet == NULL)
		return must(malloc(sizeof(*packet)));
	s->unused = packet->next;
	return packet;
}

static void packet_drop(struct swarm *s, struct parcel *packet)
{
	packet->next = s->unused;
	s->unused = packet;
}

static void fly(struct swarm *s, struct parcel *packet)
{
	size_t at = s->flying_n++;

	if (s->flying_n > s->flying_cap) {
		s->flying_cap = s->flying_cap == 0 ? 1024 : 2 * s->flying_cap;
		s->flying = must(realloc(s->flying, s->flying_cap * sizeof(struct parcel *)));
	}
	for (; at > 0 && comes_before(packet, s->flying[(at - 1) / 2]); at = (at - 1) / 2)
		s->flying[at] = s->flying[(at - 1) / 2];
	s->flying[at] = packet;
}

static struct parcel *land(struct swarm *s)
{
	struct parcel *first = s->flying[0];
	struct parcel *last = s->flying[--s->flying_n];
	size_t at = 0;

	for (;;) {
		size_t child = 2 * at + 1;

		if (child + 1 < s->flying_n && comes_before(s->flying[child + 1], s->flying[child]))
			child++;
		if (child >= s->flying_n || !comes_before(s->flying[child], last))
			break;
		s->flying[at] = s->flying[child];
		at = child;
	}
	s->flying[at] = last;
	return first;
}

/* --- nodes ---------------------------------------------------------------------------------------------------------- */

/* The node's own clock, which never goes back, and the way back. */
static int64_t clock_of(const struct swarm_node *node, int64_t us)
{
	return node->clock_offset_us + us + us * node->drift_ppm / 1000000;
}

static int64_t time_of(const struct swarm_node *node, int64_t clock_us)
{
	int64_t us = clock_us - node->clock_offset_us;

	us -= us * node->drift_ppm / 1000000;
	while (clock_of(node, us) < clock_us)
		us++;
	return us;
}

struct endpoint swarm_endpoint(size_t node)
{
	const uint8_t ip[4] = { 10, (uint8_t)(node >> 16), (uint8_t)(node >> 8), (uint8_t)node };

	return (struct endpoint){ ip_from_v4(ip), 7946 };
}

static size_t index_of(struct endpoint endpoint)
{
	const uint8_t *ip = endpoint.ip.bytes;

	return (size_t)ip[1] << 16 | (size_t)ip[2] << 8 | ip[3];
}

static int node_named(const struct swarm *s, const char *name)
{
	unsigned long index = name[0] == 'n' ? strtoul(name + 1, NULL, 10) : s->config.n;

	return index < s->config.n ? (int)index : -1;
}

void swarm_gossip_config(const struct swarm *s, size_t node, struct gossip_config *config)
{
	memset(config, 0, sizeof(*config));
	snprintf(config->name, sizeof(config->name), "n%05zu", node);
	config->instance = s->nodes[node].instance;
	config->endpoint_n = 1;
	config->endpoints[0] = swarm_endpoint(node);
	config->timers = s->timers;
	config->packet_len_max = PACKET_LEN_DEFAULT;
	config->member_max = s->config.n + 8;
	config->item_max = 64;
	for (size_t i = 0; i < 3 && i < s->config.n; i++)
		config->seeds[config->seed_n++] = swarm_endpoint(i);
	config->meta_len = 64;
	memset(config->meta, 'm', config->meta_len);
}

static void mix(struct swarm *s, uint64_t value)
{
	s->hash = hash_mix(s->hash ^ value);
}

static void send(struct swarm *s, size_t from, const struct gossip_action *action)
{
	size_t to = index_of(action->send.to);
	struct parcel *packet;

	s->nodes[from].sent_n++;
	s->nodes[from].sent_bytes += action->send.len + PACKET_OVERHEAD;
	if (to >= s->config.n || link_loses(s, from, to)) {
		s->lost_n++;
		return;
	}
	packet = packet_new(s);
	packet->at_us = s->now_us + rng_between(&s->rng, DELAY_MIN_US, DELAY_MAX_US);
	packet->order = s->order++;
	packet->from = (uint32_t)from;
	packet->to = (uint32_t)to;
	packet->to_anyone = action->send.receiver == 0;
	packet->sender = action->send.sender;
	packet->receiver = action->send.receiver;
	packet->counter = action->send.counter;
	packet->len = action->send.len;
	memcpy(packet->body, action->send.body, action->send.len);
	fly(s, packet);
}

static void carry_out(struct swarm *s, size_t node)
{
	for (size_t i = 0; i < s->out.action_n; i++) {
		const struct gossip_action *action = &s->out.actions[i];

		mix(s, (uint64_t)action->kind << 32 | node);
		if (action->kind == GOSSIP_ACTION_SEND) {
			mix(s, action->send.len ^ action->send.receiver ^ (uint64_t)s->now_us);
			send(s, node, action);
		} else if (action->kind == GOSSIP_ACTION_MEMBER) {
			mix(s, action->member.instance ^ (uint64_t)action->member.to);
			if (s->hooks.member != NULL)
				s->hooks.member(s, node, node_named(s, action->member.name), action);
		}
	}
}

static void step(struct swarm *s, size_t index, struct gossip_event *event)
{
	struct swarm_node *node = &s->nodes[index];

	event->now = (struct instant){ clock_of(node, s->now_us) };
	gossip_step(node->g, event, &s->out);
	carry_out(s, index);
}

static bool may_run(const struct swarm *s, const struct swarm_node *node)
{
	return node->g != NULL && node->pace != PACE_STOPPED &&
	       (node->pace != PACE_SLOW || node->resumes_us <= s->now_us);
}

static void arm(struct swarm *s, size_t index)
{
	struct swarm_node *node = &s->nodes[index];

	if (node->g == NULL || node->pace == PACE_STOPPED)
		node->wake_us = INT64_MAX;
	else if (node->pace == PACE_SLOW)
		node->wake_us = node->resumes_us;
	else
		node->wake_us = time_of(node, gossip_deadline(node->g).us);
	if (node->wake_us < s->now_us)
		node->wake_us = s->now_us;
	heap_move(s, index);
}

static void tick(struct swarm *s, size_t index)
{
	struct swarm_node *node = &s->nodes[index];
	struct gossip_event event = { .kind = GOSSIP_EVENT_TICK };

	for (int i = 0; i < 1000; i++) {
		if (i > 0 && gossip_deadline(node->g).us > clock_of(node, s->now_us))
			return;
		step(s, index, &event);
	}
	fprintf(stderr, "swarm: n%05zu wants to go on at once for ever\n", index);
	abort();
}

/* The seal's rule stands here: only a packet for this instance, or for anyone, is opened. */
static void hand_over(struct swarm *s, size_t index, const struct parcel *packet)
{
	struct swarm_node *node = &s->nodes[index];
	struct gossip_event event = { .kind = GOSSIP_EVENT_PACKET };

	if (!packet->to_anyone && packet->receiver != gossip_instance(node->g))
		return;
	event.packet.from = swarm_endpoint(packet->from);
	event.packet.received = (struct instant){ clock_of(node, packet->at_us) };
	event.packet.to_anyone = packet->to_anyone;
	event.packet.sender = packet->sender;
	event.packet.counter = packet->counter;
	event.packet.body = packet->body;
	event.packet.len = packet->len;
	s->packets_n++;
	step(s, index, &event);
}

static void read_socket(struct swarm *s, size_t index)
{
	struct swarm_node *node = &s->nodes[index];
	struct parcel *packet;

	while ((packet = node->socket_first) != NULL) {
		node->socket_first = packet->next;
		if (node->g != NULL)
			hand_over(s, index, packet);
		packet_drop(s, packet);
	}
	node->socket_last = NULL;
	node->socket_n = 0;
}

static void wait_in_socket(struct swarm *s, struct parcel *packet)
{
	struct swarm_node *node = &s->nodes[packet->to];

	if (node->socket_n >= SOCKET_PACKET_MAX) {
		packet_drop(s, packet);
		return;
	}
	packet->next = NULL;
	if (node->socket_last != NULL)
		node->socket_last->next = packet;
	else
		node->socket_first = packet;
	node->socket_last = packet;
	node->socket_n++;
}

static void on_packet(struct swarm *s, struct parcel *packet)
{
	size_t index = packet->to;
	struct swarm_node *node = &s->nodes[index];

	if (node->g != NULL && (node->pace == PACE_DEAF_FOR_NOW || !may_run(s, node))) {
		wait_in_socket(s, packet);
		return;
	}
	if (node->g != NULL) {
		hand_over(s, index, packet);
		if (gossip_deadline(node->g).us <= clock_of(node, s->now_us))
			tick(s, index);
		arm(s, index);
	}
	packet_drop(s, packet);
}

static void on_wake(struct swarm *s, size_t index)
{
	struct swarm_node *node = &s->nodes[index];

	if (node->pace == PACE_SLOW)
		read_socket(s, index);
	if (gossip_deadline(node->g).us <= clock_of(node, s->now_us))
		tick(s, index);
	if (node->pace == PACE_SLOW)
		node->resumes_us = s->now_us + SLOW_TURN_US;
	arm(s, index);
}

void swarm_run_until(struct swarm *s, int64_t at_us)
{
	for (;;) {
		int64_t wake_us = s->nodes[s->heap[0]].wake_us;
		int64_t land_us = s->flying_n > 0 ? s->flying[0]->at_us : INT64_MAX;
		int64_t next_us = land_us <= wake_us ? land_us : wake_us;

		if (next_us > at_us)
			break;
		s->now_us = next_us;
		if (land_us <= wake_us)
			on_packet(s, land(s));
		else
			on_wake(s, s->heap[0]);
	}
	s->now_us = at_us;
}

/* --- faults --------------------------------------------------------------------------------------------------------- */

static void end(struct swarm *s, size_t index)
{
	struct swarm_node *node = &s->nodes[index];

	if (node->cloned)
		clone_free(node->g);
	else
		gossip_free(node->g);
	node->g = NULL;
	node->cloned = false;
	read_socket(s, index);
	arm(s, index);
}

void swarm_crash(struct swarm *s, size_t index)
{
	if (s->nodes[index].g != NULL)
		end(s, index);
}

static void prepare(struct swarm *s, size_t index)
{
	struct swarm_node *node = &s->nodes[index];

	node->pace = PACE_NORMAL;
	node->instance = (EPOCH_S + (uint64_t)(s->now_us / SECOND) + node->runs) << 32 | (index + 1);
	node->runs++;
	node->drift_ppm = s->config.drift_ppm > 0 ? rng_between(&s->rng, -s->config.drift_ppm, s->config.drift_ppm) : 0;
	node->clock_offset_us = rng_between(&s->rng, SECOND, 1000 * SECOND);
}

void swarm_start(struct swarm *s, size_t index)
{
	struct swarm_node *node = &s->nodes[index];
	struct gossip_config config;

	prepare(s, index);
	swarm_gossip_config(s, index, &config);
	node->g = must(gossip_new(&config, rng_u64(&s->rng), (struct instant){ clock_of(node, s->now_us) }));
	arm(s, index);
}

void swarm_leave(struct swarm *s, size_t index)
{
	struct gossip_event event = { .kind = GOSSIP_EVENT_LEAVE };

	step(s, index, &event);
	arm(s, index);
}

void swarm_pace(struct swarm *s, size_t index, enum pace pace)
{
	struct swarm_node *node = &s->nodes[index];

	node->pace = pace;
	node->resumes_us = s->now_us + SLOW_TURN_US;
	if (node->g != NULL && pace == PACE_NORMAL) {
		read_socket(s, index);
		tick(s, index);
	}
	arm(s, index);
}

bool swarm_running(const struct swarm *s, size_t index)
{
	return s->nodes[index].g != NULL;
}

/* --- looking -------------------------------------------------------------------------------------------------------- */

static bool sees_all(const struct swarm *s, const struct gossip *g, const uint32_t *incarnations, size_t running)
{
	size_t alive = 0;

	for (size_t i = 0; i < gossip_member_n(g); i++) {
		struct gossip_member member;
		int subject;

		gossip_member_at(g, i, &member);
		if (!gossip_state_live(member.state))
			continue;
		subject = node_named(s, member.name);
		if (subject < 0 || member.state != GOSSIP_ALIVE || s->nodes[subject].g == NULL ||
		    gossip_instance(s->nodes[subject].g) != member.instance ||
		    incarnations[subject] != member.incarnation)
			return false;
		alive++;
	}
	return alive == running;
}

size_t swarm_disagreeing(struct swarm *s)
{
	uint32_t *incarnations = must(calloc(s->config.n, sizeof(*incarnations)));
	size_t running = 0;
	size_t disagreeing = 0;

	for (size_t i = 0; i < s->config.n; i++) {
		struct gossip_member self;

		if (s->nodes[i].g == NULL)
			continue;
		running++;
		if (gossip_member_find(s->nodes[i].g, gossip_instance(s->nodes[i].g), &self))
			incarnations[i] = self.incarnation;
	}
	for (size_t i = 0; i < s->config.n; i++)
		disagreeing += s->nodes[i].g != NULL && !sees_all(s, s->nodes[i].g, incarnations, running);
	free(incarnations);
	return disagreeing;
}

/* --- life ----------------------------------------------------------------------------------------------------------- */

/* Beyond so many nodes a join of all at once is not what is measured: they begin as members (clone.c). */
#define COLD_MAX 16

static void start_all(struct swarm *s)
{
	bool cold = s->config.cold || s->config.n <= COLD_MAX;

	for (size_t i = 0; i < s->config.n; i++) /* clones are made of all instances */
		prepare(s, i);
	for (size_t i = 0; i < s->config.n; i++) {
		struct gossip_config config;

		if (cold) {
			swarm_run_until(s, (int64_t)(i + 1) * SECOND / (int64_t)s->config.n);
			s->nodes[i].runs--;
			swarm_start(s, i);
			continue;
		}
		swarm_gossip_config(s, i, &config);
		s->nodes[i].g = must(clone_new(s, i, &config));
		s->nodes[i].cloned = true;
		arm(s, i);
	}
	if (cold && !s->config.cold)
		swarm_run_until(s, s->now_us + 6 * SECOND + 2 * s->timers.join_timeout.us);
}

struct swarm *swarm_new(const struct swarm_config *config)
{
	static void (*const profiles[])(struct gossip_timers *) = { gossip_timers_lan, gossip_timers_fast,
								    gossip_timers_quiet, gossip_timers_wan };
	struct swarm *s = must(calloc(1, sizeof(*s)));

	s->config = *config;
	profiles[config->profile](&s->timers);
	s->rng = rng_of(config->seed);
	s->nodes = must(calloc(config->n, sizeof(*s->nodes)));
	s->heap = must(calloc(config->n, sizeof(*s->heap)));
	s->side = must(calloc(config->n, sizeof(*s->side)));
	for (size_t i = 0; i < config->n; i++) {
		s->nodes[i].wake_us = INT64_MAX;
		heap_put(s, i, i);
	}
	start_all(s);
	return s;
}

void swarm_free(struct swarm *s)
{
	struct parcel *next;

	for (size_t i = 0; i < s->config.n; i++) {
		if (s->nodes[i].g != NULL)
			end(s, i);
	}
	while (s->flying_n > 0)
		packet_drop(s, land(s));
	for (struct parcel *packet = s->unused; packet != NULL; packet = next) {
		next = packet->next;
		free(packet);
	}
	clone_pool_free(s);
	free(s->flying);
	free(s->bursts);
	free(s->side);
	free(s->heap);
	free(s->nodes);
	free(s);
}
