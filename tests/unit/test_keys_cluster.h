/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several real key rings that tell each other items, in any order and twice. At every moment what one of them seals, and sealed
 * up to FLIGHT_MS ago, has to open at all others. In a header, because each unit test is one file; static inline, because
 * none uses all of it.
 */
#ifndef MLB_TESTS_UNIT_TEST_KEYS_CLUSTER_H
#define MLB_TESTS_UNIT_TEST_KEYS_CLUSTER_H

#include <check.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "gossip/keys.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define NODE_MAX 4
#define SEED_N 12
#define FLIGHT_MS 1500
#define STEP_MS 100
#define PACKET_MAX 128
#define STORE_MAX 256

/* Keys 0 to 255 by number: bytes are a hash of it. */
static inline struct seal_key key_of(int number)
{
	struct seal_key key;
	uint8_t bytes[SEAL_KEY_LEN];
	uint8_t seed = (uint8_t)number;

	crypto_generichash(bytes, sizeof(bytes), &seed, 1, NULL, 0);
	seal_key_init(&key, bytes);
	return key;
}

static inline struct keys_fingerprint fingerprint_of(int number)
{
	return keys_fingerprint_of(key_of(number).bytes);
}

/* The ring of those numbers, -1 ends. */
static inline struct seal_ring ring_of(const int *numbers)
{
	struct seal_ring ring = { 0 };

	for (; *numbers >= 0; numbers++)
		ring.keys[ring.key_n++] = key_of(*numbers);
	return ring;
}

#define RING(...) ring_of((const int[]){ __VA_ARGS__, -1 })

/* --- a cluster ------------------------------------------------------------------------------------------------------ */

struct node {
	struct keys *keys; /* NULL: down */
	uint64_t instance;
	struct seal_ring file;
	bool read_only;
	size_t store_n;
	struct gossip_item store[STORE_MAX]; /* as gossip keeps it: the latest of each origin and key, its own too */
};

struct packet {
	int from;
	struct instant sent;
	int len;
	uint8_t bytes[SEAL_OVERHEAD + 1];
};

static struct node nodes[NODE_MAX];
static struct packet packets[PACKET_MAX];
static size_t packet_n;
static struct instant now;
static struct rng rng;
static uint64_t instance_next;
static uint32_t version_next;
static int secret = -1; /* a key whose bytes must not be in any item */
static bool lossless;	/* every packet has to open */

static inline void cluster_setup(void)
{
	ck_assert_int_ge(sodium_init(), 0);
	memset(nodes, 0, sizeof(nodes));
	packet_n = 0;
	now = (struct instant){ 1000000 };
	rng = rng_of(1);
	instance_next = 1;
	version_next = 1;
	secret = -1;
	lossless = true;
}

static inline void node_down(int i)
{
	keys_free(nodes[i].keys);
	nodes[i].keys = NULL;
	for (int k = 0; k < NODE_MAX; k++) { /* a new instance replaces it: gossip forgets its items */
		size_t kept = 0;

		for (size_t m = 0; m < nodes[k].store_n; m++) {
			if (nodes[k].store[m].origin != nodes[i].instance)
				nodes[k].store[kept++] = nodes[k].store[m];
		}
		nodes[k].store_n = kept;
	}
	nodes[i].store_n = 0;
}

static inline void cluster_teardown(void)
{
	for (int i = 0; i < NODE_MAX; i++)
		node_down(i);
}

static inline void step(int i, struct keys_event *event)
{
	event->now = now;
	if (keys_step(nodes[i].keys, event) != KEYS_GRANTED)
		ck_abort_msg("n%d refuses", i);
}

static inline void node_up(int i)
{
	struct keys_event event = { .kind = KEYS_EVENT_INSTANCE };

	nodes[i].instance = instance_next++;
	nodes[i].keys = keys_new(&nodes[i].file, 8);
	ck_assert_ptr_nonnull(nodes[i].keys);
	step(i, &event);
}

static inline void cluster_start(int n, struct seal_ring file)
{
	for (int i = 0; i < n; i++) {
		nodes[i].file = file;
		node_up(i);
	}
}

/* True when it is news. */
static inline bool store_put(struct node *node, const struct gossip_item *item)
{
	for (size_t i = 0; i < node->store_n; i++) {
		struct gossip_item *there = &node->store[i];

		if (there->origin != item->origin || there->key_len != item->key_len ||
		    memcmp(there->key, item->key, item->key_len) != 0)
			continue;
		if (there->version >= item->version)
			return false;
		*there = *item;
		return true;
	}
	ck_assert_uint_lt(node->store_n, STORE_MAX);
	node->store[node->store_n++] = *item;
	return true;
}

/* What a node has to say goes into its own store, and its ring into its file. */
static inline void publish(int i)
{
	struct gossip_item item;

	while (keys_item_next(nodes[i].keys, &item)) {
		if (item.key_len == 0 ||
		    (secret >= 0 && memmem(item.value, item.value_len, key_of(secret).bytes, 8) != NULL))
			ck_abort_msg("n%d: a bad item", i);
		/* removed (3) without a stamp: by this node's file alone */
		if (item.key[0] == 'k' && item.value_len == 9 && memcmp(item.value, "\3\0\0\0\0", 5) == 0)
			ck_abort_msg("n%d: its own affair is told", i);
		item.origin = nodes[i].instance;
		item.version = version_next++;
		store_put(&nodes[i], &item);
	}
	if (keys_file_differs(nodes[i].keys)) {
		struct seal_ring wanted;
		struct keys_event event = { .kind = KEYS_EVENT_STORED, .file = &wanted, .failed = nodes[i].read_only };

		keys_file_get(nodes[i].keys, &wanted);
		if (!nodes[i].read_only)
			nodes[i].file = wanted;
		step(i, &event);
	}
}

static inline bool is_news(const struct node *node, const struct gossip_item *item)
{
	for (size_t i = 0; i < node->store_n; i++) {
		const struct gossip_item *there = &node->store[i];

		if (there->origin == item->origin && there->key_len == item->key_len &&
		    memcmp(there->key, item->key, item->key_len) == 0)
			return there->version < item->version;
	}
	return item->origin != node->instance;
}

/* An item goes from one node to another: news, or now and then an entry that is known, perhaps a newer one too. False: no news. */
static inline bool deliver(int from, int to)
{
	size_t first = nodes[from].store_n > 0 ? rng_below(&rng, nodes[from].store_n) : 0;
	bool again = rng_below(&rng, 4) == 0;

	for (size_t i = 0; i < nodes[from].store_n; i++) {
		struct gossip_item item = nodes[from].store[(first + i) % nodes[from].store_n];
		struct keys_event event = { .kind = KEYS_EVENT_ITEM, .item = &item };
		bool news = is_news(&nodes[to], &item);

		if (!news && (!again || item.key[0] != 'k' || item.origin == nodes[to].instance))
			continue;
		if (news)
			store_put(&nodes[to], &item);
		step(to, &event);
		publish(to);
		if (news)
			return true;
	}
	return false;
}

/* Between random nodes. False: nobody has news for another. */
static inline bool deliver_one(void)
{
	int first = (int)rng_below(&rng, NODE_MAX * NODE_MAX);

	for (int i = 0; i < NODE_MAX * NODE_MAX; i++) {
		int from = (first + i) / NODE_MAX % NODE_MAX;
		int to = (first + i) % NODE_MAX;

		if (from != to && nodes[from].keys != NULL && nodes[to].keys != NULL && deliver(from, to))
			return true;
	}
	return false;
}

/* Not by ck_assert: that costs a system call each time. */
static inline void check_opens(const struct packet *packet)
{
	for (int i = 0; i < NODE_MAX; i++) {
		struct seal_header header;
		uint8_t body[SEAL_OVERHEAD + 1];
		size_t body_len;

		if (i == packet->from || nodes[i].keys == NULL)
			continue;
		if (seal_open(keys_ring(nodes[i].keys), 7, packet->bytes, (size_t)packet->len, &header, body,
			      sizeof(body), &body_len) != GOSSIP_DROP_NONE)
			ck_abort_msg("n%d cannot open a packet of n%d", i, packet->from);
	}
}

/* Every node seals a packet now. It has to open at once, and, if it is kept, for as long as it may be on its way. */
static inline void traffic(bool keep)
{
	for (int i = 0; i < NODE_MAX; i++) {
		struct packet *packet = &packets[packet_n];
		struct seal_header header = { .sender = nodes[i].instance, .counter = 1 };

		if (nodes[i].keys == NULL)
			continue;
		packet->from = i;
		packet->sent = now;
		packet->len = seal_pack(keys_ring(nodes[i].keys), &header, (const uint8_t *)"x", 1, packet->bytes,
					sizeof(packet->bytes));
		check_opens(packet);
		packet_n += keep;
		if (packet_n == PACKET_MAX)
			ck_abort_msg("too many packets");
	}
}

static inline void late_traffic(void)
{
	size_t kept = 0;

	for (size_t i = 0; i < packet_n; i++) {
		check_opens(&packets[i]);
		if (instant_since(now, packets[i].sent).us < span_ms(FLIGHT_MS).us)
			packets[kept++] = packets[i];
	}
	packet_n = kept;
}

static inline void tick_all(void)
{
	struct keys_event event = { .kind = KEYS_EVENT_TICK };

	now = instant_add(now, span_ms(STEP_MS));
	for (int i = 0; i < NODE_MAX; i++) {
		if (nodes[i].keys == NULL)
			continue;
		step(i, &event);
		publish(i);
	}
}

/* Some deliveries, and the traffic meanwhile. */
static inline void run(int rounds)
{
	for (int r = 0; r < rounds; r++) {
		for (int i = 0; i < 3; i++) {
			deliver_one();
			if (lossless)
				traffic(i == 0);
		}
		if (lossless)
			late_traffic();
		tick_all();
	}
}

/* Until every item is everywhere, and removed keys are gone. */
static inline void settle(void)
{
	int t;

	for (t = 0; t < 500 && deliver_one(); t++)
		run(1);
	ck_assert_int_lt(t, 500);
	run((KEYS_LINGER_S * 1000 + 500) / STEP_MS);
}

static inline enum keys_refusal wish(int i, enum keys_event_kind kind, int number, bool force, struct keys_member *ret)
{
	struct seal_key key = key_of(number);
	char text[KEYS_FINGERPRINT_TEXT_MAX];
	struct keys_member members[NODE_MAX] = { 0 };
	struct keys_event event = { .kind = kind, .now = now, .key = key.bytes, .force = force, .members = members };
	enum keys_refusal refusal;

	event.fingerprint = keys_fingerprint_format(fingerprint_of(number), text);
	for (int k = 0; k < NODE_MAX; k++) {
		if (k != i && nodes[k].keys != NULL)
			members[event.member_n++].instance = nodes[k].instance;
	}
	refusal = keys_step(nodes[i].keys, &event);
	publish(i);
	if (ret != NULL)
		memcpy(ret, members, sizeof(members));
	return refusal;
}

/* An operator who asks again until it is granted. */
static inline void insist(int i, enum keys_event_kind kind, int number)
{
	for (int t = 0; t < 2000; t++) {
		if (wish(i, kind, number, false, NULL) == KEYS_GRANTED)
			return;
		run(1);
	}
	ck_abort_msg("n%d: wish %d is never granted", i, (int)kind);
}

/* The first one seals; the order of the others is each node's own. */
static inline void expect_report(int i, const int *numbers)
{
	struct keys_report report;
	size_t n = 0;

	keys_report_self(nodes[i].keys, &report);
	for (; numbers[n] >= 0; n++)
		ck_assert_msg(keys_report_has(&report, fingerprint_of(numbers[n])), "n%d lacks key %d", i, numbers[n]);
	ck_assert_msg(keys_fingerprint_equal(report.keys[0], fingerprint_of(numbers[0])), "n%d does not seal with %d",
		      i, numbers[0]);
	ck_assert_msg(report.key_n == n, "n%d has %zu keys, not %zu", i, report.key_n, n);
	/* and nothing else opens, or is in the file */
	ck_assert_uint_eq(keys_ring(nodes[i].keys)->key_n, n);
	if (!nodes[i].read_only) {
		ck_assert_uint_eq(nodes[i].file.key_n, n);
		ck_assert_mem_eq(&nodes[i].file.keys[0], &keys_ring(nodes[i].keys)->keys[0], sizeof(struct seal_key));
	}
}

#define EXPECT(i, ...) expect_report(i, (const int[]){ __VA_ARGS__, -1 })

static inline void expect_all(const int *numbers)
{
	for (int i = 0; i < NODE_MAX; i++) {
		if (nodes[i].keys != NULL)
			expect_report(i, numbers);
	}
}

#define EXPECT_ALL(...) expect_all((const int[]){ __VA_ARGS__, -1 })

#endif
