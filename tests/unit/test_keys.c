/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gossip/keys.c and its parts: several real key rings that tell each other items, in any order and twice. At every moment
 * what one of them seals, and sealed up to FLIGHT_MS ago, has to open at all others.
 */
#include "gossip/keys.h"

#include <check.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define NODE_MAX 4
#define SEED_N 40
#define FLIGHT_MS 1500
#define STEP_MS 100
#define PACKET_MAX 128
#define STORE_MAX 256

/* Keys 0 to 255 by number: bytes are a hash of it. */
static struct seal_key key_of(int number)
{
	struct seal_key key;
	uint8_t bytes[SEAL_KEY_LEN];
	uint8_t seed = (uint8_t)number;

	crypto_generichash(bytes, sizeof(bytes), &seed, 1, NULL, 0);
	seal_key_init(&key, bytes);
	return key;
}

static struct keys_fingerprint fingerprint_of(int number)
{
	return keys_fingerprint_of(key_of(number).bytes);
}

/* The ring of those numbers, -1 ends. */
static struct seal_ring ring_of(const int *numbers)
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

static void cluster_setup(void)
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

static void node_down(int i)
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

static void cluster_teardown(void)
{
	for (int i = 0; i < NODE_MAX; i++)
		node_down(i);
}

static void step(int i, struct keys_event *event)
{
	event->now = now;
	ck_assert_int_eq(keys_step(nodes[i].keys, event), KEYS_GRANTED);
}

static void node_up(int i)
{
	struct keys_event event = { .kind = KEYS_EVENT_INSTANCE };

	nodes[i].instance = instance_next++;
	nodes[i].keys = keys_new(&nodes[i].file, 8);
	ck_assert_ptr_nonnull(nodes[i].keys);
	step(i, &event);
}

static void cluster_start(int n, struct seal_ring file)
{
	for (int i = 0; i < n; i++) {
		nodes[i].file = file;
		node_up(i);
	}
}

/* True when it is news. */
static bool store_put(struct node *node, const struct gossip_item *item)
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
static void publish(int i)
{
	struct gossip_item item;

	while (keys_item_next(nodes[i].keys, &item)) {
		ck_assert_uint_gt(item.key_len, 0);
		ck_assert(secret < 0 || memmem(item.value, item.value_len, key_of(secret).bytes, 8) == NULL);
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

static bool is_news(const struct node *node, const struct gossip_item *item)
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
static bool deliver(int from, int to)
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
static bool deliver_one(void)
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

static void check_opens(const struct packet *packet)
{
	for (int i = 0; i < NODE_MAX; i++) {
		struct seal_header header;
		uint8_t body[SEAL_OVERHEAD + 1];
		size_t body_len;

		if (i == packet->from || nodes[i].keys == NULL)
			continue;
		ck_assert_msg(seal_open(keys_ring(nodes[i].keys), 7, packet->bytes, (size_t)packet->len, &header, body,
					sizeof(body), &body_len) == GOSSIP_DROP_NONE,
			      "n%d cannot open a packet of n%d", i, packet->from);
	}
}

/* Every node seals a packet now. It has to open at once, and, if it is kept, for as long as it may be on its way. */
static void traffic(bool keep)
{
	for (int i = 0; i < NODE_MAX; i++) {
		struct packet *packet = &packets[packet_n];
		struct seal_header header = { .sender = nodes[i].instance, .counter = 1 };

		if (nodes[i].keys == NULL)
			continue;
		ck_assert_uint_lt(packet_n, PACKET_MAX);
		packet->from = i;
		packet->sent = now;
		packet->len = seal_pack(keys_ring(nodes[i].keys), &header, (const uint8_t *)"x", 1, packet->bytes,
					sizeof(packet->bytes));
		ck_assert_int_gt(packet->len, 0);
		check_opens(packet);
		packet_n += keep;
	}
}

static void late_traffic(void)
{
	size_t kept = 0;

	for (size_t i = 0; i < packet_n; i++) {
		check_opens(&packets[i]);
		if (instant_since(now, packets[i].sent).us < span_ms(FLIGHT_MS).us)
			packets[kept++] = packets[i];
	}
	packet_n = kept;
}

static void tick_all(void)
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
static void run(int rounds)
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
static void settle(void)
{
	int t;

	for (t = 0; t < 500 && deliver_one(); t++)
		run(1);
	ck_assert_int_lt(t, 500);
	run((KEYS_LINGER_S * 1000 + 500) / STEP_MS);
}

static enum keys_refusal wish(int i, enum keys_event_kind kind, int number, bool force, struct keys_member *ret)
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
static void insist(int i, enum keys_event_kind kind, int number)
{
	for (int t = 0; t < 2000; t++) {
		if (wish(i, kind, number, false, NULL) == KEYS_GRANTED)
			return;
		run(1);
	}
	ck_abort_msg("n%d: wish %d is never granted", i, (int)kind);
}

static void expect_report(int i, const int *numbers)
{
	struct keys_report report;
	size_t n = 0;

	keys_report_self(nodes[i].keys, &report);
	for (; numbers[n] >= 0; n++) {
		ck_assert_msg(n < report.key_n, "n%d has %zu keys", i, report.key_n);
		ck_assert_msg(keys_fingerprint_equal(report.keys[n], fingerprint_of(numbers[n])),
			      "n%d: key %zu is not %d", i, n, numbers[n]);
	}
	ck_assert_msg(report.key_n == n, "n%d has %zu keys, not %zu", i, report.key_n, n);
	/* and nothing else opens, or is in the file */
	ck_assert_uint_eq(keys_ring(nodes[i].keys)->key_n, n);
	if (!nodes[i].read_only) {
		ck_assert_uint_eq(nodes[i].file.key_n, n);
		ck_assert_mem_eq(&nodes[i].file.keys[0], &keys_ring(nodes[i].keys)->keys[0], sizeof(struct seal_key));
	}
}

#define EXPECT(i, ...) expect_report(i, (const int[]){ __VA_ARGS__, -1 })

static void expect_all(const int *numbers)
{
	for (int i = 0; i < NODE_MAX; i++) {
		if (nodes[i].keys != NULL)
			expect_report(i, numbers);
	}
}

#define EXPECT_ALL(...) expect_all((const int[]){ __VA_ARGS__, -1 })

/* --- agreement ------------------------------------------------------------------------------------------------------ */

/* Each wish at another node, as soon as it is granted; items in random order and twice. */
START_TEST(rotation)
{
	rng = rng_of((uint64_t)_i);
	cluster_start(3, RING(1));
	run(20);
	insist(0, KEYS_EVENT_ADD, 2);
	insist(1, KEYS_EVENT_USE, 2);
	insist(2, KEYS_EVENT_REMOVE, 1);
	settle();
	EXPECT_ALL(2);
	/* and again, back to a key that was removed */
	insist(2, KEYS_EVENT_ADD, 1);
	insist(0, KEYS_EVENT_USE, 1);
	insist(1, KEYS_EVENT_REMOVE, 2);
	settle();
	EXPECT_ALL(1);
}
END_TEST

START_TEST(concurrent)
{
	struct keys_report a, b;

	rng = rng_of((uint64_t)_i);
	cluster_start(3, RING(1));
	run(20);
	ck_assert_int_eq(wish(0, KEYS_EVENT_ADD, 2, false, NULL), KEYS_GRANTED);
	ck_assert_int_eq(wish(1, KEYS_EVENT_ADD, 3, false, NULL), KEYS_GRANTED);
	ck_assert_int_eq(wish(2, KEYS_EVENT_ADD, 2, false, NULL), KEYS_GRANTED);
	settle();
	ck_assert_int_eq(wish(0, KEYS_EVENT_USE, 2, false, NULL), KEYS_GRANTED);
	ck_assert_int_eq(wish(1, KEYS_EVENT_USE, 3, false, NULL), KEYS_GRANTED);
	settle();
	keys_report_self(nodes[0].keys, &a);
	for (int i = 1; i < 3; i++) {
		keys_report_self(nodes[i].keys, &b);
		ck_assert_uint_eq(b.key_n, 3);
		ck_assert(keys_fingerprint_equal(a.keys[0], b.keys[0]));
		ck_assert(keys_fingerprint_equal(a.keys[0], fingerprint_of(2)) ||
			  keys_fingerprint_equal(a.keys[0], fingerprint_of(3)));
	}
	/* used at one node, removed at another before they knew: it is gone, everywhere */
	insist(0, KEYS_EVENT_USE, 2);
	settle();
	ck_assert_int_eq(wish(0, KEYS_EVENT_USE, 3, false, NULL), KEYS_GRANTED);
	ck_assert_int_eq(wish(1, KEYS_EVENT_REMOVE, 3, false, NULL), KEYS_GRANTED);
	settle();
	for (int i = 0; i < 3; i++) {
		keys_report_self(nodes[i].keys, &a);
		ck_assert(keys_fingerprint_equal(a.keys[0], fingerprint_of(2)));
		ck_assert(!keys_report_has(&a, fingerprint_of(3)));
	}
}
END_TEST

/* Who comes later learns everything, though the node that was asked has restarted and its items are gone. */
START_TEST(late_joiner)
{
	rng = rng_of((uint64_t)_i);
	cluster_start(3, RING(1));
	run(20);
	insist(0, KEYS_EVENT_ADD, 2);
	settle();
	node_down(0);
	node_up(0);
	nodes[3].file = RING(1);
	node_up(3);
	settle();
	for (int i = 0; i < 4; i++)
		EXPECT(i, 1, 2);
	/* this one was away meanwhile, and its file is older than the wishes */
	node_down(3);
	insist(0, KEYS_EVENT_USE, 2);
	insist(1, KEYS_EVENT_REMOVE, 1);
	settle();
	for (int i = 0; i < 3; i++) {
		node_down(i);
		node_up(i);
		settle();
	}
	lossless = false; /* until it has heard, it seals with the removed key */
	node_up(3);
	settle();
	EXPECT_ALL(2);
}
END_TEST

/* A restarted node has forgotten all stamps but gets them from others: its wishes count as the latest. */
START_TEST(restarted_operator)
{
	rng = rng_of((uint64_t)_i);
	cluster_start(3, RING(1));
	run(20);
	for (int round = 0; round < 3; round++) {
		insist(0, KEYS_EVENT_ADD, 2);
		insist(0, KEYS_EVENT_USE, 2);
		insist(0, KEYS_EVENT_USE, 1);
	}
	settle();
	node_down(0);
	node_up(0);
	settle();
	ck_assert_int_eq(wish(0, KEYS_EVENT_USE, 2, false, NULL), KEYS_GRANTED);
	settle();
	for (int i = 0; i < 3; i++) {
		struct keys_report report;

		keys_report_self(nodes[i].keys, &report);
		ck_assert(keys_fingerprint_equal(report.keys[0], fingerprint_of(2)));
	}
	insist(2, KEYS_EVENT_REMOVE, 1);
	settle();
	EXPECT_ALL(2);
}
END_TEST

/* A key that came by file stays off the wire, unless somebody adds it. */
START_TEST(file_keys_are_not_sent)
{
	cluster_start(3, RING(1, 2));
	secret = 2;
	settle();
	insist(0, KEYS_EVENT_USE, 2);
	settle();
	EXPECT_ALL(2, 1);
	insist(1, KEYS_EVENT_REMOVE, 1);
	settle();
	EXPECT_ALL(2);
	secret = -1;
	nodes[3].file = RING(1, 2);
	lossless = false;
	node_up(3);
	settle();
	EXPECT_ALL(2);
}
END_TEST

/* --- refusals ------------------------------------------------------------------------------------------------------- */

START_TEST(refused)
{
	struct keys_member members[NODE_MAX];

	cluster_start(2, RING(1));
	/* nobody has said anything yet */
	ck_assert_int_eq(wish(0, KEYS_EVENT_USE, 1, false, members), KEYS_REFUSED_ABSENT);
	ck_assert(members[0].objects);
	ck_assert_int_eq(wish(0, KEYS_EVENT_REMOVE, 1, false, NULL), KEYS_REFUSED_LAST);
	ck_assert_int_eq(wish(0, KEYS_EVENT_REMOVE, 1, true, NULL), KEYS_REFUSED_LAST);
	publish(0);
	publish(1);
	settle();
	ck_assert_int_eq(wish(0, KEYS_EVENT_USE, 9, false, NULL), KEYS_REFUSED_UNKNOWN);
	ck_assert_int_eq(wish(0, KEYS_EVENT_REMOVE, 9, true, NULL), KEYS_REFUSED_UNKNOWN);
	/* a node has not got it yet */
	ck_assert_int_eq(wish(0, KEYS_EVENT_ADD, 2, false, NULL), KEYS_GRANTED);
	ck_assert_int_eq(wish(0, KEYS_EVENT_USE, 2, false, members), KEYS_REFUSED_ABSENT);
	ck_assert(members[0].objects);
	ck_assert_int_eq(wish(1, KEYS_EVENT_USE, 2, true, NULL),
			 KEYS_REFUSED_UNKNOWN); /* it has not even heard of it */
	ck_assert_int_eq(wish(0, KEYS_EVENT_REMOVE, 1, false, members), KEYS_REFUSED_SEALING);
	settle();
	insist(0, KEYS_EVENT_USE, 2);
	/* this node seals with the new one, the other does not yet */
	ck_assert_int_eq(wish(0, KEYS_EVENT_REMOVE, 1, false, members), KEYS_REFUSED_SEALING);
	ck_assert(members[0].objects);
	EXPECT(0, 2, 1);
	EXPECT(1, 1, 2);
	settle();
	ck_assert_int_eq(wish(1, KEYS_EVENT_REMOVE, 2, false, members), KEYS_REFUSED_SEALING);
	ck_assert_int_eq(wish(1, KEYS_EVENT_REMOVE, 1, false, NULL), KEYS_GRANTED);
	settle();
	EXPECT_ALL(2);
}
END_TEST

/* The way out of dead ends. */
START_TEST(forced)
{
	cluster_start(2, RING(1));
	settle();
	ck_assert_int_eq(wish(0, KEYS_EVENT_ADD, 2, false, NULL), KEYS_GRANTED);
	lossless = false;
	ck_assert_int_eq(wish(0, KEYS_EVENT_USE, 2, true, NULL), KEYS_GRANTED);
	EXPECT(0, 2, 1);
	settle();
	EXPECT_ALL(2, 1);
	/* the sealing key: the one that was used before takes over, and nobody is left without any */
	ck_assert_int_eq(wish(1, KEYS_EVENT_REMOVE, 2, true, NULL), KEYS_GRANTED);
	settle();
	EXPECT_ALL(1);
}
END_TEST

/* `remove` of the only key that a node has waits there for another key. */
START_TEST(last_key_stays)
{
	lossless = false;
	nodes[0].file = RING(1, 2);
	nodes[1].file = RING(1);
	node_up(0);
	node_up(1);
	settle();
	ck_assert_int_eq(wish(0, KEYS_EVENT_REMOVE, 1, true, NULL), KEYS_GRANTED);
	settle();
	EXPECT(0, 2);
	EXPECT(1, 1);
	ck_assert_int_eq(wish(0, KEYS_EVENT_ADD, 2, true, NULL), KEYS_GRANTED);
	settle();
	EXPECT_ALL(2);
}
END_TEST

static const struct {
	const char *text;
	enum keys_refusal refusal;
} prefixes[] = {
	{ "", KEYS_REFUSED_FINGERPRINT },     { "f4", KEYS_REFUSED_FINGERPRINT },
	{ "000", KEYS_REFUSED_FINGERPRINT },  { "0000000000a", KEYS_REFUSED_FINGERPRINT },
	{ "00g0", KEYS_REFUSED_FINGERPRINT }, { "00 0", KEYS_REFUSED_FINGERPRINT },
	{ "0x00", KEYS_REFUSED_FINGERPRINT },
};

START_TEST(fingerprints)
{
	struct keys_event event = { .kind = KEYS_EVENT_USE };
	struct keys_fingerprint found;
	char text[KEYS_FINGERPRINT_TEXT_MAX];

	cluster_start(1, RING(1, 2));
	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
		event.fingerprint = prefixes[i].text;
		ck_assert_msg(keys_step(nodes[0].keys, &event) == prefixes[i].refusal, "'%s'", prefixes[i].text);
	}
	/* the beginning is enough, in capitals too */
	keys_fingerprint_format(fingerprint_of(2), text);
	for (size_t i = 0; text[i] != '\0'; i++)
		text[i] = text[i] >= 'a' ? (char)(text[i] - 'a' + 'A') : text[i];
	text[4] = '\0';
	event.fingerprint = text;
	ck_assert_int_eq(keys_fingerprint_resolve(nodes[0].keys, &event, &found), KEYS_GRANTED);
	ck_assert(keys_fingerprint_equal(found, fingerprint_of(2)));
	step(0, &event);
	publish(0);
	EXPECT(0, 2, 1);
}
END_TEST

/* Two keys of members that begin alike; a report makes them, no key has to be found. */
START_TEST(ambiguous)
{
	static const uint8_t value[] = { 0,    0,    0,	   0,	 5,    0xab, 0xcd, 0xef, 0x01, 0x02,
					 0xab, 0xcd, 0xef, 0x01, 0x03, 0xab, 0x00, 0x00, 0x00, 0x00 };
	struct gossip_item item = { .origin = 77, .key_len = 1, .key = { 'K' }, .value_len = sizeof(value) };
	struct keys_member member = { .instance = 77 };
	struct keys_event told = { .kind = KEYS_EVENT_ITEM, .item = &item };
	struct keys_event event = { .kind = KEYS_EVENT_REMOVE, .members = &member, .member_n = 1, .force = true };
	struct keys_report report;

	memcpy(item.value, value, sizeof(value));
	cluster_start(1, RING(1));
	step(0, &told);
	event.fingerprint = "abcdef01";
	ck_assert_int_eq(keys_step(nodes[0].keys, &event), KEYS_REFUSED_AMBIGUOUS);
	event.fingerprint = "abcdef0103";
	ck_assert_int_eq(keys_step(nodes[0].keys, &event), KEYS_GRANTED);
	event.fingerprint = "ab00";
	ck_assert_int_eq(keys_step(nodes[0].keys, &event), KEYS_GRANTED);
	/* one that only another node has can be removed, but not used */
	event.kind = KEYS_EVENT_USE;
	event.fingerprint = "abcdef0102";
	ck_assert_int_eq(keys_step(nodes[0].keys, &event), KEYS_REFUSED_ABSENT);
	/* the stamp in its report counts */
	keys_report_self(nodes[0].keys, &report);
	ck_assert_uint_eq(report.clock, 7);
}
END_TEST

/* --- limits --------------------------------------------------------------------------------------------------------- */

START_TEST(full)
{
	struct keys_member members[NODE_MAX];

	cluster_start(2, RING(1));
	settle();
	for (int number = 2; number <= KEY_MAX; number++)
		insist(number % 2, KEYS_EVENT_ADD, number);
	ck_assert_int_eq(wish(0, KEYS_EVENT_ADD, 50, false, NULL), KEYS_REFUSED_FULL);
	settle();
	EXPECT_ALL(1, 2, 3, 4, 5, 6, 7, 8);
	ck_assert_int_eq(wish(1, KEYS_EVENT_ADD, 8, false, NULL), KEYS_GRANTED); /* it is there */
	/* full at another node alone */
	nodes[3].file = RING(1, 2);
	node_down(0);
	node_up(3);
	publish(3);
	for (int t = 0; t < 400; t++) {
		struct gossip_item *store = nodes[1].store;
		struct keys_event event = { .kind = KEYS_EVENT_ITEM };

		for (size_t i = 0; i < nodes[1].store_n; i++) {
			event.item = &store[i];
			if (store[i].origin == nodes[1].instance && store[i].key[0] == 'K')
				step(3, &event);
		}
	}
	ck_assert_int_eq(wish(3, KEYS_EVENT_ADD, 50, false, members), KEYS_REFUSED_FULL);
	ck_assert(members[0].objects);
}
END_TEST

/* Concurrent adds may be more than fit: what was there first stays, and takes no harm. */
START_TEST(overfull)
{
	rng = rng_of((uint64_t)_i);
	cluster_start(2, RING(1, 2, 3, 4, 5, 6, 7));
	settle();
	ck_assert_int_eq(wish(0, KEYS_EVENT_ADD, 20, false, NULL), KEYS_GRANTED);
	ck_assert_int_eq(wish(1, KEYS_EVENT_ADD, 30, false, NULL), KEYS_GRANTED);
	settle();
	EXPECT(0, 1, 2, 3, 4, 5, 6, 7, 20);
	EXPECT(1, 1, 2, 3, 4, 5, 6, 7, 30);
	ck_assert_int_eq(wish(0, KEYS_EVENT_USE, 20, false, NULL), KEYS_REFUSED_ABSENT);
	/* room: both fit in at both */
	insist(0, KEYS_EVENT_REMOVE, 7);
	settle();
	insist(0, KEYS_EVENT_USE, 20);
	settle();
	insist(1, KEYS_EVENT_USE, 30);
	settle();
	EXPECT(0, 30, 1, 2, 3, 4, 5, 6, 20);
	EXPECT(1, 30, 1, 2, 3, 4, 5, 6, 20);
}
END_TEST

/* Tombstones are bounded, and the oldest ones give way here and in the store. */
START_TEST(many_rotations)
{
	size_t deleted = 0, live = 0;

	cluster_start(2, RING(1));
	settle();
	for (int number = 2; number < 60; number++) {
		insist(0, KEYS_EVENT_ADD, number);
		insist(1, KEYS_EVENT_USE, number);
		insist(0, KEYS_EVENT_REMOVE, number - 1);
	}
	settle();
	EXPECT_ALL(59);
	for (size_t i = 0; i < nodes[0].store_n; i++) {
		if (nodes[0].store[i].origin == nodes[0].instance && nodes[0].store[i].key[0] == 'k') {
			deleted += nodes[0].store[i].value_len == 0;
			live += nodes[0].store[i].value_len > 0;
		}
	}
	ck_assert_uint_eq(live, KEYS_ENTRY_MAX);
	ck_assert_uint_gt(deleted, 20);
}
END_TEST

/* --- the file ------------------------------------------------------------------------------------------------------- */

static void reload(int i, struct seal_ring file)
{
	struct keys_event event = { .kind = KEYS_EVENT_FILE, .file = &file };

	nodes[i].file = file;
	step(i, &event);
	publish(i);
}

/* The operator's own way: append, first, remove, on one node after the other. */
START_TEST(rotation_by_file)
{
	static const int steps[][2] = { { 1, 2 }, { 2, 1 }, { 2, -1 } };

	rng = rng_of((uint64_t)_i);
	cluster_start(3, RING(1));
	secret = 2;
	run(20);
	for (size_t s = 0; s < ARRAY_LEN(steps); s++) {
		for (int i = 0; i < 3; i++) {
			reload(i, RING(steps[s][0], steps[s][1]));
			run((int)rng_below(&rng, 60));
		}
	}
	settle();
	EXPECT_ALL(2);
	/* after it the other way works as ever, and after that the file's again */
	secret = -1;
	insist(0, KEYS_EVENT_ADD, 3);
	insist(1, KEYS_EVENT_USE, 3);
	insist(2, KEYS_EVENT_REMOVE, 2);
	settle();
	EXPECT_ALL(3);
	for (int i = 0; i < 3; i++)
		reload(i, RING(3, 4));
	run(20);
	for (int i = 0; i < 3; i++)
		reload(i, RING(4, 3));
	run(20);
	for (int i = 0; i < 3; i++)
		reload(i, RING(4));
	settle();
	EXPECT_ALL(4);
	/* nothing of the former wishes is left to come back with a restart */
	for (int i = 0; i < 3; i++) {
		node_down(i);
		node_up(i);
		settle();
	}
	EXPECT_ALL(4);
}
END_TEST

/* A reload for other reasons, with the file as it was, changes nothing: also where the ring could not be stored. */
START_TEST(reload_unedited)
{
	struct keys_report report;

	cluster_start(2, RING(1));
	nodes[1].read_only = true;
	settle();
	insist(0, KEYS_EVENT_ADD, 2);
	settle();
	insist(0, KEYS_EVENT_USE, 2);
	settle();
	EXPECT_ALL(2, 1);
	keys_report_self(nodes[1].keys, &report);
	ck_assert(report.not_stored);
	ck_assert(keys_report_find(nodes[0].keys, nodes[1].instance, &report));
	ck_assert(report.not_stored);
	reload(0, nodes[0].file);
	reload(1, RING(1));
	EXPECT_ALL(2, 1);
	/* the operator writes by hand what could not be stored: not an edit either */
	reload(1, RING(2, 1));
	ck_assert(!keys_file_differs(nodes[1].keys));
	EXPECT_ALL(2, 1);
	insist(0, KEYS_EVENT_REMOVE, 1);
	settle();
	EXPECT_ALL(2);
}
END_TEST

/* An edit at one node is its own affair; later wishes count for it again. */
START_TEST(edit_at_one_node)
{
	cluster_start(3, RING(1));
	settle();
	insist(0, KEYS_EVENT_ADD, 2);
	settle();
	insist(0, KEYS_EVENT_ADD, 3);
	settle();
	reload(1, RING(1, 9, 2));
	ck_assert_uint_eq(keys_ring(nodes[1].keys)->key_n, 4); /* the removed one opens a while */
	settle();
	EXPECT(0, 1, 2, 3);
	EXPECT(1, 1, 9, 2);
	EXPECT(2, 1, 2, 3);
	node_down(2); /* its items come anew, with stamps from before the edit */
	node_up(2);
	settle();
	EXPECT(1, 1, 9, 2);
	insist(2, KEYS_EVENT_ADD, 3);
	settle();
	EXPECT(1, 1, 9, 2, 3);
	insist(2, KEYS_EVENT_REMOVE, 9);
	settle();
	EXPECT_ALL(1, 2, 3);
}
END_TEST

/* --- time ----------------------------------------------------------------------------------------------------------- */

START_TEST(removed_key_lingers)
{
	struct keys_event event = { .kind = KEYS_EVENT_TICK };

	cluster_start(1, RING(1, 2));
	ck_assert_int_eq(keys_deadline(nodes[0].keys).us, INSTANT_NEVER.us);
	ck_assert_int_eq(wish(0, KEYS_EVENT_REMOVE, 2, false, NULL), KEYS_GRANTED);
	ck_assert_uint_eq(keys_ring(nodes[0].keys)->key_n, 2);
	ck_assert_uint_eq(nodes[0].file.key_n, 1);
	ck_assert_int_eq(keys_deadline(nodes[0].keys).us, instant_add(now, span_s(KEYS_LINGER_S)).us);
	now = instant_add(now, span_us(KEYS_LINGER_S * 1000000 - 1));
	step(0, &event);
	ck_assert_uint_eq(keys_ring(nodes[0].keys)->key_n, 2);
	now = instant_add(now, span_us(1));
	step(0, &event);
	ck_assert_uint_eq(keys_ring(nodes[0].keys)->key_n, 1);
	ck_assert_int_eq(keys_deadline(nodes[0].keys).us, INSTANT_NEVER.us);
}
END_TEST

/* --- what others send ----------------------------------------------------------------------------------------------- */

static const struct {
	const char *what;
	uint8_t key_len, key[8];
	uint8_t value_len, value[48];
} bad_items[] = {
	{ "claim", 5, { 'c', 4, 10, 0, 0 }, 9, { 2, 0, 0, 0, 9, 0, 0, 0, 9 } },
	{ "short key", 5, { 'k', 1, 2, 3, 4 }, 9, { 2, 0, 0, 0, 9, 0, 0, 0, 9 } },
	{ "long key", 7, { 'k', 1, 2, 3, 4, 5, 6 }, 9, { 2, 0, 0, 0, 9, 0, 0, 0, 9 } },
	{ "no op", 6, { 'k', 1, 2, 3, 4, 5 }, 9, { 0, 0, 0, 0, 9, 0, 0, 0, 9 } },
	{ "another op", 6, { 'k', 1, 2, 3, 4, 5 }, 9, { 4, 0, 0, 0, 9, 0, 0, 0, 9 } },
	{ "cut", 6, { 'k', 1, 2, 3, 4, 5 }, 8, { 3, 0, 0, 0, 9, 0, 0, 0 } },
	{ "longer", 6, { 'k', 1, 2, 3, 4, 5 }, 10, { 3, 0, 0, 0, 9, 0, 0, 0, 0, 0 } },
	{ "no bytes", 6, { 'k', 1, 2, 3, 4, 5 }, 9, { 1, 0, 0, 0, 9, 0, 0, 0, 0 } },
	{ "name of other bytes", 6, { 'k', 1, 2, 3, 4, 5 }, 41, { 1, 0, 0, 0, 9, 0, 0, 0, 0, 7, 7, 7 } },
	{ "stamp absurd", 6, { 'k', 1, 2, 3, 4, 5 }, 9, { 3, 0xff, 0, 0, 9, 0, 0, 0, 0 } },
	{ "use absurd", 6, { 'k', 1, 2, 3, 4, 5 }, 9, { 2, 0, 0, 0, 0, 0x80, 0, 0, 0 } },
	{ "removed never", 6, { 'k', 1, 2, 3, 4, 5 }, 9, { 3, 0, 0, 0, 0, 0, 0, 0, 9 } },
	{ "deleted", 6, { 'k', 1, 2, 3, 4, 5 }, 0, { 0 } },
	{ "report empty", 1, { 'K' }, 5, { 0, 0, 0, 0, 9 } },
	{ "report cut", 1, { 'K' }, 9, { 0, 0, 0, 0, 9, 1, 2, 3, 4 } },
	{ "report absurd", 1, { 'K' }, 10, { 0, 0xff, 0, 0, 9, 1, 2, 3, 4, 5 } },
	{ "report too long", 1, { 'K' }, 48, { 0, 0, 0, 0, 9 } },
	{ "report key long", 2, { 'K', 0 }, 10, { 0, 0, 0, 0, 9, 1, 2, 3, 4, 5 } },
};

START_TEST(bad_item)
{
	struct gossip_item item = { .origin = 77,
				    .key_len = bad_items[_i].key_len,
				    .value_len = bad_items[_i].value_len };
	struct keys_event event = { .kind = KEYS_EVENT_ITEM, .item = &item };
	struct gossip_item ours;
	struct keys_report report;

	memcpy(item.key, bad_items[_i].key, sizeof(bad_items[_i].key));
	memcpy(item.value, bad_items[_i].value, sizeof(bad_items[_i].value));
	cluster_start(1, RING(1));
	publish(0);
	step(0, &event);
	EXPECT(0, 1);
	ck_assert_msg(!keys_item_next(nodes[0].keys, &ours), "%s", bad_items[_i].what);
	ck_assert_msg(!keys_report_find(nodes[0].keys, 77, &report), "%s", bad_items[_i].what);
	keys_report_self(nodes[0].keys, &report);
	ck_assert_msg(report.clock == 0, "%s", bad_items[_i].what);
}
END_TEST

/* The bytes on the wire: docs/PROTOCOL.md, "Keys". */
START_TEST(golden)
{
	static const uint8_t accepted[] = { 1, 0, 0, 0, 1, 0, 0, 0, 2 };
	static const uint8_t removed[] = { 3, 0, 0, 0, 3, 0, 0, 0, 0 };
	static const uint8_t report[] = { 0, 0, 0, 0, 3 };
	struct keys_fingerprint one = fingerprint_of(1), two = fingerprint_of(2);
	struct seal_key key = key_of(2);
	struct gossip_item item;

	cluster_start(1, RING(1));
	ck_assert_int_eq(wish(0, KEYS_EVENT_ADD, 2, false, NULL), KEYS_GRANTED);
	ck_assert_int_eq(wish(0, KEYS_EVENT_USE, 2, false, NULL), KEYS_GRANTED);
	ck_assert_int_eq(wish(0, KEYS_EVENT_REMOVE, 1, false, NULL), KEYS_GRANTED);
	ck_assert_uint_eq(nodes[0].store_n, 3);
	for (size_t i = 0; i < 3; i++) {
		item = nodes[0].store[i];
		if (item.key[0] == 'K') {
			ck_assert_uint_eq(item.key_len, 1);
			ck_assert_uint_eq(item.value_len, sizeof(report) + KEYS_FINGERPRINT_LEN);
			ck_assert_mem_eq(item.value, report, sizeof(report));
			ck_assert_mem_eq(item.value + sizeof(report), two.bytes, KEYS_FINGERPRINT_LEN);
			continue;
		}
		ck_assert_uint_eq(item.key[0], 'k');
		ck_assert_uint_eq(item.key_len, 1 + KEYS_FINGERPRINT_LEN);
		if (memcmp(item.key + 1, one.bytes, KEYS_FINGERPRINT_LEN) == 0) {
			ck_assert_uint_eq(item.value_len, sizeof(removed));
			ck_assert_mem_eq(item.value, removed, sizeof(removed));
		} else {
			ck_assert_uint_eq(item.value_len, sizeof(accepted) + SEAL_KEY_LEN);
			ck_assert_mem_eq(item.value, accepted, sizeof(accepted));
			ck_assert_mem_eq(item.value + sizeof(accepted), key.bytes, SEAL_KEY_LEN);
		}
	}
}
END_TEST

/* A table of reports against a plain list; instances that fall on one place among them. */
START_TEST(reports)
{
	static const uint8_t value[] = { 1, 0, 0, 0, 1, 1, 2, 3, 4, 5 };
	struct gossip_item item = { .key_len = 1, .key = { 'K' }, .value_len = sizeof(value) };
	struct keys_event told = { .kind = KEYS_EVENT_ITEM, .item = &item };
	struct keys_event keep = { .kind = KEYS_EVENT_MEMBERS };
	struct keys_member members[16];
	bool known[64] = { false };
	struct keys_report report;
	size_t known_n = 0;

	memcpy(item.value, value, sizeof(value));
	rng = rng_of((uint64_t)_i);
	cluster_start(1, RING(1)); /* for 8 members: 32 places, 16 of them used at most */
	for (int round = 0; round < 300; round++) {
		uint32_t at = (uint32_t)rng_below(&rng, ARRAY_LEN(known));

		/* near the end of the table, so that runs of places go around it */
		item.origin = 28 + at % 8 + (uint64_t)at * 32;
		if (known_n < 16) {
			step(0, &told);
			known_n += !known[at];
			known[at] = true;
		} else {
			step(0, &told); /* full: ignored, or known */
		}
		if (rng_below(&rng, 8) == 0) {
			keep.members = members;
			keep.member_n = 0;
			for (uint32_t i = 0; i < ARRAY_LEN(known); i++) {
				known[i] = known[i] && rng_below(&rng, 2) == 0;
				if (known[i])
					members[keep.member_n++].instance = 28 + i % 8 + (uint64_t)i * 32;
			}
			known_n = keep.member_n;
			step(0, &keep);
		}
		ck_assert_uint_eq(keys_report_n(nodes[0].keys), known_n);
		for (uint32_t i = 0; i < ARRAY_LEN(known); i++)
			ck_assert_int_eq(keys_report_find(nodes[0].keys, 28 + i % 8 + (uint64_t)i * 32, &report),
					 known[i]);
	}
	ck_assert(report.not_stored || known_n == 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("keys");
	TCase *tc = tcase_create("keys");
	SRunner *sr = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, cluster_setup, cluster_teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, rotation, 0, SEED_N);
	tcase_add_loop_test(tc, concurrent, 0, SEED_N);
	tcase_add_loop_test(tc, late_joiner, 0, SEED_N);
	tcase_add_loop_test(tc, restarted_operator, 0, SEED_N);
	tcase_add_test(tc, file_keys_are_not_sent);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, forced);
	tcase_add_test(tc, last_key_stays);
	tcase_add_test(tc, fingerprints);
	tcase_add_test(tc, ambiguous);
	tcase_add_test(tc, full);
	tcase_add_loop_test(tc, overfull, 0, SEED_N);
	tcase_add_test(tc, many_rotations);
	tcase_add_loop_test(tc, rotation_by_file, 0, SEED_N);
	tcase_add_test(tc, reload_unedited);
	tcase_add_test(tc, edit_at_one_node);
	tcase_add_test(tc, removed_key_lingers);
	tcase_add_loop_test(tc, bad_item, 0, (int)ARRAY_LEN(bad_items));
	tcase_add_test(tc, golden);
	tcase_add_loop_test(tc, reports, 0, SEED_N);
	suite_add_tcase(suite, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
