/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small clusters of real gossip cores over a network in memory, in virtual time: loss, partitions, one-way cuts, pauses,
 * restarts. tests/sim has the large ones, with everything above gossip.
 */
#include <check.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "gossip/gossip.h"

#define NODE_MAX 24
#define MS INT64_C(1000)
#define SECOND INT64_C(1000000)
#define DELAY_US 200
#define JITTER_US 300
#define WIRE_MAX 65536

struct packet {
	int64_t at_us;
	uint64_t order; /* ties are broken by sending order */
	size_t to;
	struct endpoint from;
	uint64_t sender;
	uint64_t counter;
	bool to_anyone;
	uint64_t receiver;
	size_t len;
	uint8_t *body; /* owned */
};

struct node {
	struct gossip *g; /* owned; NULL: down */
	uint64_t instance;
	bool paused;
	unsigned int deaths; /* that it said of others */
	unsigned int suspicions;
	bool left;
	bool conflict;
};

static struct node nodes[NODE_MAX];
static size_t node_n;
static bool cut[NODE_MAX][NODE_MAX]; /* from, to */
static uint32_t loss_ppm;
static struct packet wire[WIRE_MAX]; /* a heap by time and order */
static size_t wire_n;
static uint64_t sent_n;
static uint64_t hash;
static struct rng rng;
static int64_t now_us;
static struct gossip_timers timers;
static struct gossip_out out;

static struct endpoint endpoint_of(size_t i)
{
	return (struct endpoint){ ip_from_v4((const uint8_t[]){ 10, 0, 0, (uint8_t)(i + 1) }), 7946 };
}

/* --- the network ---------------------------------------------------------------------------------------------------------- */

static bool before(const struct packet *a, const struct packet *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void swap(size_t a, size_t b)
{
	struct packet packet = wire[a];

	wire[a] = wire[b];
	wire[b] = packet;
}

static void wire_push(struct packet packet)
{
	size_t i = wire_n++;

	ck_assert_uint_lt(wire_n, WIRE_MAX);
	wire[i] = packet;
	for (; i > 0 && before(&wire[i], &wire[(i - 1) / 2]); i = (i - 1) / 2)
		swap(i, (i - 1) / 2);
}

static struct packet wire_pop(void)
{
	struct packet first = wire[0];
	size_t i = 0;

	wire[0] = wire[--wire_n];
	for (;;) {
		size_t least = i;

		for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < wire_n; child++) {
			if (before(&wire[child], &wire[least]))
				least = child;
		}
		if (least == i)
			return first;
		swap(i, least);
		i = least;
	}
}

static void send_packet(size_t from, const struct gossip_action *action)
{
	size_t to = (size_t)action->send.to.ip.bytes[3] - 1;
	struct packet packet = { .from = endpoint_of(from), .order = sent_n++ };

	hash = hash_bytes(hash, action->send.body, action->send.len);
	ck_assert_uint_lt(to, node_n);
	ck_assert_uint_ne(to, from);
	if (cut[from][to] || rng_chance(&rng, loss_ppm))
		return;
	packet.at_us = now_us + DELAY_US + rng_between(&rng, 0, JITTER_US);
	packet.to = to;
	packet.sender = action->send.sender;
	packet.receiver = action->send.receiver;
	packet.to_anyone = action->send.receiver == 0;
	packet.counter = action->send.counter;
	packet.len = action->send.len;
	packet.body = malloc(packet.len);
	ck_assert_ptr_nonnull(packet.body);
	memcpy(packet.body, action->send.body, packet.len);
	wire_push(packet);
}

/* --- nodes ------------------------------------------------------------------------------------------------------------------ */

static void step(size_t i, struct gossip_event *event)
{
	struct node *node = &nodes[i];

	event->now = (struct instant){ now_us };
	gossip_step(node->g, event, &out);
	for (size_t a = 0; a < out.action_n; a++) {
		const struct gossip_action *action = &out.actions[a];

		if (action->kind == GOSSIP_ACTION_SEND)
			send_packet(i, action);
		if (action->kind == GOSSIP_ACTION_MEMBER) {
			node->deaths += action->member.to == GOSSIP_DEAD;
			node->suspicions += action->member.to == GOSSIP_SUSPECT;
		}
		node->left |= action->kind == GOSSIP_ACTION_LEFT;
		node->conflict |= action->kind == GOSSIP_ACTION_CONFLICT;
	}
}

static void start(size_t i, const char *name)
{
	static struct gossip_config config;

	memset(&config, 0, sizeof(config));
	if (name != NULL)
		strcpy(config.name, name);
	else
		memcpy(config.name, (const char[]){ 'n', (char)('a' + i), '\0' }, 3);
	nodes[i] = (struct node){ 0 };
	nodes[i].instance = (uint64_t)(1000 + now_us / SECOND) << 32 | (i + 1);
	config.instance = nodes[i].instance;
	config.endpoint_n = 1;
	config.endpoints[0] = endpoint_of(i);
	config.timers = timers;
	config.packet_len_max = PACKET_LEN_DEFAULT;
	config.member_max = 2 * NODE_MAX;
	config.item_max = 4096;
	config.seed_n = node_n < 3 ? node_n : 3;
	for (size_t s = 0; s < config.seed_n; s++)
		config.seeds[s] = endpoint_of(s);
	config.meta_len = 20;
	memset(config.meta, (int)i, 20);
	nodes[i].g = gossip_new(&config, rng_u64(&rng), (struct instant){ now_us });
	ck_assert_ptr_nonnull(nodes[i].g);
}

static void stop(size_t i)
{
	gossip_free(nodes[i].g);
	nodes[i].g = NULL;
}

static void deliver(struct packet packet)
{
	const struct node *node = &nodes[packet.to];
	struct gossip_event event = { .kind = GOSSIP_EVENT_PACKET };

	if (node->g != NULL && node->paused) {
		packet.at_us = now_us + MS; /* waits in the socket */
		wire_push(packet);
		return;
	}
	/* the seal: a packet for another instance does not open */
	if (node->g != NULL && (packet.to_anyone || packet.receiver == gossip_instance(node->g))) {
		event.packet.from = packet.from;
		event.packet.received = (struct instant){ now_us };
		event.packet.sender = packet.sender;
		event.packet.counter = packet.counter;
		event.packet.to_anyone = packet.to_anyone;
		event.packet.body = packet.body;
		event.packet.len = packet.len;
		step(packet.to, &event);
	}
	free(packet.body);
}

/* The node whose deadline is the earliest, or node_n. */
static size_t next_node(int64_t *at_us)
{
	size_t next = node_n;

	*at_us = INT64_MAX;
	for (size_t i = 0; i < node_n; i++) {
		if (nodes[i].g != NULL && !nodes[i].paused && gossip_deadline(nodes[i].g).us < *at_us) {
			*at_us = gossip_deadline(nodes[i].g).us;
			next = i;
		}
	}
	return next;
}

static void run(int64_t us)
{
	int64_t end_us = now_us + us;

	for (;;) {
		struct gossip_event tick = { .kind = GOSSIP_EVENT_TICK };
		int64_t tick_us;
		size_t i = next_node(&tick_us);
		bool packet_first = wire_n > 0 && wire[0].at_us <= tick_us;
		int64_t next_us = packet_first ? wire[0].at_us : tick_us;

		if (next_us > end_us)
			break;
		now_us = next_us > now_us ? next_us : now_us;
		if (packet_first)
			deliver(wire_pop());
		else
			step(i, &tick);
	}
	now_us = end_us;
}

static void set_item(size_t i, uint32_t key, uint8_t value)
{
	struct gossip_event event = { .kind = GOSSIP_EVENT_ITEM };
	uint8_t bytes[4] = { (uint8_t)(key >> 24), (uint8_t)(key >> 16), (uint8_t)(key >> 8), (uint8_t)key };

	event.item.key = bytes;
	event.item.key_len = sizeof(bytes);
	event.item.value = &value;
	event.item.value_len = value != 0;
	step(i, &event);
}

static void partition(size_t first_n, bool on)
{
	for (size_t a = 0; a < node_n; a++) {
		for (size_t b = 0; b < node_n; b++)
			cut[a][b] = on && (a < first_n) != (b < first_n);
	}
}

static enum gossip_state view(size_t i, size_t of)
{
	struct gossip_member member;

	return gossip_member_find(nodes[i].g, nodes[of].instance, &member) ? member.state : 0;
}

/* Does everybody who runs see everybody who runs alive, and the others not? */
static bool one_view(void)
{
	for (size_t i = 0; i < node_n; i++) {
		for (size_t j = 0; j < node_n && nodes[i].g != NULL; j++) {
			bool live = view(i, j) == GOSSIP_ALIVE;

			if (live != (nodes[j].g != NULL))
				return false;
		}
	}
	return true;
}

static bool all_joined(void)
{
	for (size_t i = 0; i < node_n; i++) {
		if (nodes[i].g != NULL && !gossip_joined(nodes[i].g))
			return false;
	}
	return true;
}

static size_t item_n(size_t i)
{
	struct gossip_stats stats;

	gossip_stats_get(nodes[i].g, &stats);
	return stats.item_n;
}

static unsigned int deaths(void)
{
	unsigned int n = 0;

	for (size_t i = 0; i < node_n; i++)
		n += nodes[i].deaths;
	return n;
}

/* How long until it holds, in steps of a millisecond; at most max_us. */
static int64_t until(bool (*holds)(void), int64_t max_us)
{
	int64_t from_us = now_us;

	while (!holds() && now_us - from_us < max_us)
		run(MS);
	return now_us - from_us;
}

static void setup_empty(void)
{
	memset(nodes, 0, sizeof(nodes));
	memset(cut, 0, sizeof(cut));
	loss_ppm = 0;
	wire_n = 0;
	sent_n = 0;
	hash = 0;
	now_us = 1000 * SECOND;
	gossip_timers_lan(&timers);
}

static void start_cluster(size_t n, uint64_t seed)
{
	setup_empty();
	node_n = n;
	rng = rng_of(seed);
	for (size_t i = 0; i < n; i++)
		start(i, NULL);
}

static void settled_cluster(size_t n, uint64_t seed)
{
	start_cluster(n, seed);
	run(5 * SECOND);
	ck_assert(one_view() && all_joined());
	ck_assert_uint_eq(deaths(), 0);
}

static void teardown(void)
{
	for (size_t i = 0; i < NODE_MAX; i++)
		stop(i);
	while (wire_n > 0)
		free(wire_pop().body);
}

/* --- tests: _i is the seed ------------------------------------------------------------------------------------------------------ */

static const size_t sizes[] = { 2, 3, 5, 12 };

START_TEST(one_view_without_loss)
{
	start_cluster(sizes[_i], 1);
	ck_assert_int_le(until(one_view, 5 * SECOND), 300 * MS);
	run(5 * SECOND);
	ck_assert(one_view() && all_joined());
	ck_assert_uint_eq(deaths(), 0);
}
END_TEST

/* With lost packets: one view, and nobody is declared dead, for half a minute. */
START_TEST(one_view_with_loss)
{
	start_cluster(5, (uint64_t)_i);
	loss_ppm = 100000;
	ck_assert_int_lt(until(one_view, 10 * SECOND), 10 * SECOND);
	run(30 * SECOND);
	ck_assert(all_joined());
	ck_assert_uint_eq(deaths(), 0);
}
END_TEST

/* With three nodes and more the watchers have a quorum; their bound is silence + verify and a heartbeat or two. */
START_TEST(crash)
{
	int64_t bound_us = timers.silence.us + timers.verify.us + 4 * timers.beat_interval.us;

	settled_cluster(5, (uint64_t)_i);
	run(rng_between(&rng, 0, 100 * MS));
	stop(3);
	ck_assert_int_le(until(one_view, 20 * SECOND), bound_us);
	for (size_t i = 0; i < node_n; i++)
		ck_assert(nodes[i].g == NULL || view(i, 3) == GOSSIP_DEAD);
	run(5 * SECOND);
	ck_assert_uint_eq(deaths(), 4);
}
END_TEST

START_TEST(restart)
{
	uint64_t old;
	struct gossip_member member;

	settled_cluster(5, (uint64_t)_i);
	old = nodes[3].instance;
	stop(3);
	run(2 * SECOND);
	start(3, NULL);
	ck_assert_int_le(until(one_view, 20 * SECOND), 300 * MS);
	for (size_t i = 0; i < node_n; i++)
		ck_assert(!gossip_member_find(nodes[i].g, old, &member));
	run(SECOND);
	ck_assert(gossip_joined(nodes[3].g));
}
END_TEST

/* A restart faster than any detection: the old instance is replaced, not declared dead. */
START_TEST(fast_restart)
{
	settled_cluster(5, (uint64_t)_i);
	run(SECOND);
	stop(3);
	run(10 * MS);
	start(3, NULL);
	ck_assert_int_le(until(one_view, 20 * SECOND), 300 * MS);
	run(5 * SECOND);
	ck_assert_uint_eq(deaths(), 0);
}
END_TEST

/* Bounds how long two owners of an address can last after a heal. */
START_TEST(partition_heals)
{
	settled_cluster(5, (uint64_t)_i);
	set_item(0, 1, 1);
	run(SECOND);
	partition(2, true);
	run(8 * SECOND); /* the small side has no quorum of watchers: there SWIM's slower suspicion decides */
	for (size_t i = 0; i < node_n; i++) {
		nodes[i].deaths = 0;
		for (size_t j = 0; j < node_n; j++)
			ck_assert_int_eq(view(i, j), (i < 2) == (j < 2) ? GOSSIP_ALIVE : GOSSIP_DEAD);
	}
	set_item(0, 2, 1); /* on both sides, while they do not hear each other */
	set_item(1, 1, 9);
	set_item(4, 3, 1);
	run(SECOND);
	partition(2, false);
	ck_assert_int_le(until(one_view, 20 * SECOND), 150 * MS);
	run(150 * MS);
	for (size_t i = 0; i < node_n; i++)
		ck_assert_uint_eq(item_n(i), 4);
	run(10 * SECOND);
	ck_assert(one_view());
	ck_assert_uint_eq(deaths(), 0); /* nobody lost one of its own side over it */
}
END_TEST

/* memberlist #222: a partition that outlives the memory of the dead. */
START_TEST(long_partition_heals)
{
	setup_empty();
	settled_cluster(5, (uint64_t)_i);
	partition(2, true);
	run(300 * SECOND);
	partition(2, false);
	ck_assert_int_le(until(one_view, 20 * SECOND), 150 * MS);
}
END_TEST

/* One link that is cut in one direction or both is no death: others hear the member. */
START_TEST(cut_link)
{
	settled_cluster(5, 1);
	cut[1][3] = true;
	cut[3][1] = _i == 1;
	run(60 * SECOND);
	ck_assert_uint_eq(deaths(), 0);
}
END_TEST

/* SIGSTOP for two seconds: the others take it for dead; it takes nobody for dead, and comes back by itself. */
START_TEST(pause)
{
	settled_cluster(5, (uint64_t)_i);
	nodes[2].paused = true;
	run(2 * SECOND);
	for (size_t i = 0; i < node_n; i++)
		ck_assert(i == 2 || view(i, 2) == GOSSIP_DEAD);
	nodes[2].paused = false;
	ck_assert_int_le(until(one_view, 20 * SECOND), 300 * MS);
	run(5 * SECOND);
	ck_assert_uint_eq(nodes[2].deaths, 0);
	ck_assert(one_view());
}
END_TEST

START_TEST(goodbye)
{
	struct gossip_event event = { .kind = GOSSIP_EVENT_LEAVE };

	settled_cluster(5, (uint64_t)_i);
	step(4, &event);
	run(2 * MS);
	for (size_t i = 0; i < 4; i++)
		ck_assert_int_eq(view(i, 4), GOSSIP_LEFT);
	run(100 * MS);
	ck_assert(nodes[4].left);
	stop(4);
	run(10 * SECOND);
	ck_assert_uint_eq(deaths(), 0);
	start(4, NULL); /* and again, as a new instance */
	ck_assert_int_le(until(one_view, 20 * SECOND), 300 * MS);
}
END_TEST

/* A claim is known everywhere after one message delay; with loss, soon after. */
START_TEST(item_spreads)
{
	settled_cluster(5, (uint64_t)_i);
	set_item(2, 1, 1);
	run(DELAY_US + JITTER_US + 1);
	for (size_t i = 0; i < node_n; i++)
		ck_assert_uint_eq(item_n(i), 1);
	loss_ppm = 300000;
	set_item(2, 2, 1);
	run(200 * MS);
	for (size_t i = 0; i < node_n; i++)
		ck_assert_uint_eq(item_n(i), 2);
}
END_TEST

/* A thousand items at once, over a bad network: nobody misses one in the end. A newcomer has all of them when it has joined. */
START_TEST(many_items)
{
	settled_cluster(4, (uint64_t)_i);
	loss_ppm = 50000;
	for (uint32_t key = 0; key < 1000; key++)
		set_item(key % 2, key, 1);
	run(3 * SECOND);
	for (size_t i = 0; i < node_n; i++)
		ck_assert_uint_eq(item_n(i), 1000);
	loss_ppm = 0;
	stop(3);
	run(SECOND);
	start(3, NULL);
	while (!gossip_joined(nodes[3].g))
		run(100);
	ck_assert_uint_eq(item_n(3), 1000);
}
END_TEST

/* Two nodes of one name: the second is told, the first goes on. */
START_TEST(two_of_one_name)
{
	setup_empty();
	node_n = 4;
	rng = rng_of((uint64_t)_i);
	for (size_t i = 0; i < 3; i++)
		start(i, NULL);
	run(5 * SECOND);
	start(3, "na");
	run(5 * SECOND);
	ck_assert(nodes[3].conflict);
	for (size_t i = 0; i < 3; i++) {
		ck_assert(!nodes[i].conflict);
		for (size_t j = 0; j < 3; j++)
			ck_assert_int_eq(view(i, j), GOSSIP_ALIVE);
	}
	ck_assert_uint_eq(nodes[0].deaths + nodes[1].deaths + nodes[2].deaths, 0);
}
END_TEST

static uint64_t hash_of_run(uint64_t seed)
{
	start_cluster(5, seed);
	loss_ppm = 200000;
	run(2 * SECOND);
	stop(1);
	run(SECOND);
	start(1, NULL);
	set_item(2, 1, 1);
	run(2 * SECOND);
	teardown();
	return hash;
}

START_TEST(same_seed_same_run)
{
	uint64_t first = hash_of_run(3);

	ck_assert_uint_eq(hash_of_run(3), first);
	ck_assert_uint_ne(hash_of_run(4), first);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("gossip_cluster");
	TCase *tcase = tcase_create("gossip_cluster");
	SRunner *runner = srunner_create(suite);
	int failed;

	if (sodium_init() < 0)
		return 1;
	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup_empty, teardown);
	tcase_add_loop_test(tcase, one_view_without_loss, 0, sizeof(sizes) / sizeof(sizes[0]));
	tcase_add_loop_test(tcase, one_view_with_loss, 0, 10);
	tcase_add_loop_test(tcase, crash, 0, 10);
	tcase_add_loop_test(tcase, restart, 0, 5);
	tcase_add_loop_test(tcase, fast_restart, 0, 5);
	tcase_add_loop_test(tcase, partition_heals, 0, 20);
	tcase_add_loop_test(tcase, long_partition_heals, 0, 2);
	tcase_add_loop_test(tcase, cut_link, 0, 2);
	tcase_add_loop_test(tcase, pause, 0, 5);
	tcase_add_loop_test(tcase, goodbye, 0, 5);
	tcase_add_loop_test(tcase, item_spreads, 0, 5);
	tcase_add_loop_test(tcase, many_items, 0, 3);
	tcase_add_loop_test(tcase, two_of_one_name, 0, 3);
	tcase_add_test(tcase, same_seed_same_run);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
