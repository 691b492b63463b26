/* SPDX-License-Identifier: Apache-2.0 */
/* The gossip core: replicated items, our own changes, leaving, exact bytes, and that a seed repeats everything. */
#include <stdio.h>

#include "base/rng.h"
#include "tests/unit/test_gossip_peer.h"

enum { PULL = 17, ITEMS_END };

static struct peer p, q;

static void two_peers(void)
{
	p = peer_of("p", 2);
	q = peer_of("q", 3);
	join(&p);
	join(&q);
	forget_seen();
}

static void set_item(const char *key, const char *value)
{
	struct gossip_event event = { .kind = GOSSIP_EVENT_ITEM };

	event.item.key = (const uint8_t *)key;
	event.item.key_len = (uint8_t)strlen(key);
	event.item.value = (const uint8_t *)value;
	event.item.value_len = (uint8_t)strlen(value);
	step(&event);
}

static void send_item(struct peer *from, uint64_t origin, uint32_t version, const char *key, const char *value)
{
	struct wire_writer w = empty();

	put_item(&w, origin, version, key, value);
	receive(from, &w);
}

static size_t item_n(void)
{
	struct gossip_stats stats;

	gossip_stats_get(g, &stats);
	return stats.item_n;
}

static void expect_item(struct wire_reader r, uint64_t origin, uint32_t version, const char *key, const char *value)
{
	char text[ITEM_VALUE_MAX + 1];

	ck_assert_uint_eq(wire_read_u64(&r), origin);
	ck_assert_uint_eq(wire_read_u32(&r), version);
	wire_read_text(&r, text, sizeof(text));
	ck_assert_str_eq(text, key);
	wire_read_text(&r, text, sizeof(text));
	ck_assert_str_eq(text, value);
	ck_assert(!r.failed && wire_left(&r) == 0);
}

/* --- our own ------------------------------------------------------------------------------------------------------------ */

/* In the step that writes it, to everybody. */
START_TEST(own_item)
{
	two_peers();
	set_item("k", "one");
	expect_item(expect_message(p.instance, ITEM), SELF_INSTANCE, 1, "k", "one");
	expect_item(expect_message(q.instance, ITEM), SELF_INSTANCE, 1, "k", "one");
	ck_assert_uint_eq(count_kind(GOSSIP_ACTION_ITEM), 0); /* we know it */
	forget_seen();
	set_item("k", "two");
	expect_item(expect_message(p.instance, ITEM), SELF_INSTANCE, 2, "k", "two");
	ck_assert_uint_eq(item_n(), 1);
	forget_seen();
	set_item("k", "");
	expect_item(expect_message(p.instance, ITEM), SELF_INSTANCE, 3, "k", "");
	forget_seen();
	set_item("never", "");
	ck_assert_uint_eq(seen_n, 0);
	ck_assert_uint_eq(item_n(), 1);
}
END_TEST

/* What was lost is said again: at once and at the next two gossip intervals, to each; more than fanout alone could reach. */
START_TEST(own_item_is_repeated)
{
	struct peer peers[6];

	for (uint8_t i = 0; i < 6; i++) {
		const char name[] = { 'p', (char)('0' + i), '\0' };

		peers[i] = peer_of(name, (uint8_t)(2 + i));
		join(&peers[i]);
	}
	forget_seen();
	set_item("k", "one");
	run(2 * config.timers.gossip_interval.us);
	for (size_t i = 0; i < 6; i++)
		ck_assert_uint_ge(count_messages(peers[i].instance, ITEM), 3);
	/* and silence in the end */
	run(5 * SECOND);
	forget_seen();
	run(5 * SECOND);
	ck_assert_uint_eq(count_messages(0, ITEM), 0);
}
END_TEST

START_TEST(own_items_full)
{
	config.item_max = 2;
	new_node(100 * SECOND);
	tick();
	set_item("a", "1");
	set_item("b", "1");
	set_item("c", "1");
	ck_assert_uint_eq(item_n(), 2);
	ck_assert_uint_eq(drops(GOSSIP_DROP_FULL), 1);
	set_item("a", "2"); /* what is there can change */
	ck_assert_uint_eq(drops(GOSSIP_DROP_FULL), 1);
}
END_TEST

/* --- of others ------------------------------------------------------------------------------------------------------------ */

/* Items of p told by q, one after the other: which are news? */
static const struct {
	uint32_t version;
	const char *key;
	const char *value;
	bool news;
} told[] = {
	{ 3, "k", "three", true }, { 3, "k", "three", false }, { 2, "k", "two", false }, { 4, "other", "x", true },
	{ 5, "k", "", true },	   { 3, "k", "three", false }, { 6, "k", "back", true },
};

START_TEST(versions)
{
	two_peers();
	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
		const struct gossip_action *action = NULL;

		forget_seen();
		send_item(&q, p.instance, told[i].version, told[i].key, told[i].value);
		for (size_t j = 0; j < seen_n; j++) {
			if (seen[j].action.kind == GOSSIP_ACTION_ITEM)
				action = &seen[j].action;
		}
		ck_assert_msg((action != NULL) == told[i].news, "item %zu", i);
		if (action == NULL)
			continue;
		ck_assert_uint_eq(action->item.origin, p.instance);
		ck_assert_uint_eq(action->item.version, told[i].version);
		ck_assert_uint_eq(action->item.value_len, strlen(told[i].value));
		ck_assert_mem_eq(action->item.value, told[i].value, strlen(told[i].value));
		ck_assert_mem_eq(action->item.key, told[i].key, strlen(told[i].key));
	}
	ck_assert_uint_eq(item_n(), 2);
}
END_TEST

START_TEST(strange_origins)
{
	two_peers();
	send_item(&q, 4242, 1, "k", "v");	    /* of nobody that we know */
	send_item(&q, SELF_INSTANCE, 99, "k", "v"); /* of ours: only we write them */
	ck_assert_uint_eq(count_kind(GOSSIP_ACTION_ITEM), 0);
	ck_assert_uint_eq(item_n(), 0);
}
END_TEST

START_TEST(store_full)
{
	config.item_max = 1;
	new_node(100 * SECOND);
	tick();
	two_peers();
	send_item(&q, p.instance, 1, "a", "v");
	send_item(&q, p.instance, 2, "b", "v");
	ck_assert_uint_eq(item_n(), 1);
	ck_assert_uint_eq(drops(GOSSIP_DROP_FULL), 1);
}
END_TEST

/* Items live and die with the instance that wrote them: not with its death, but when it is replaced. */
START_TEST(items_of_the_dead)
{
	struct peer again;

	two_peers();
	send_item(&p, p.instance, 1, "k", "v");
	run(20 * SECOND); /* p and q answer nothing */
	ck_assert_int_eq(state_of(p.instance), GOSSIP_DEAD);
	ck_assert_uint_eq(item_n(), 1);
	again = p;
	again.instance += 100;
	join(&again);
	ck_assert_uint_eq(item_n(), 0);
}
END_TEST

/* A ping tells how far its sender's items go; who lags asks, and the answer is what is newer than what was asked for. */
START_TEST(lagging_peer_asks)
{
	struct wire_writer w;
	struct wire_reader pull;
	size_t at;

	two_peers();
	w = empty();
	at = begin(&w, PING);
	wire_write_u32(&w, 1);
	wire_write_u32(&w, 1);
	wire_write_u32(&w, 7); /* p has written seven versions */
	wire_write_u64(&w, 12345);
	end(&w, at);
	receive(&p, &w);
	pull = expect_message(p.instance, PULL);
	ck_assert_uint_eq(wire_read_u64(&pull), p.instance);
	ck_assert_uint_eq(wire_read_u32(&pull), 0);
}
END_TEST

/* Versions 3, 4 and 5 are left of five writes: newer ones of a key replace older ones, and a deletion is a version too. */
static const struct {
	uint32_t since;
	size_t n;
} pulls[] = { { 0, 3 }, { 2, 3 }, { 3, 2 }, { 4, 1 }, { 5, 0 } };

START_TEST(pull_is_answered)
{
	struct wire_writer w;
	struct wire_reader done;
	size_t at;

	two_peers();
	set_item("a", "1");
	set_item("b", "1");
	set_item("c", "1");
	set_item("a", "2");
	set_item("b", "");
	w = empty();
	at = begin(&w, PULL);
	wire_write_u64(&w, SELF_INSTANCE);
	wire_write_u32(&w, pulls[_i].since);
	end(&w, at);
	forget_seen();
	receive(&q, &w);
	ck_assert_uint_eq(count_messages(p.instance, ITEM), 0);
	for (uint32_t version = 6 - (uint32_t)pulls[_i].n; version < 6; version++) {
		struct wire_reader r = wire_reader_of(seen[0].action.send.body, seen[0].action.send.len);

		for (uint32_t skip = 6 - (uint32_t)pulls[_i].n; skip <= version; skip++) { /* in order of version */
			ck_assert_uint_eq(wire_read_u8(&r), ITEM);
			done = wire_read_sub(&r, wire_read_u16(&r));
		}
		ck_assert_uint_eq(wire_read_u64(&done), SELF_INSTANCE);
		ck_assert_uint_eq(wire_read_u32(&done), version);
	}
	done = expect_message(q.instance, ITEMS_END);
	ck_assert_uint_eq(wire_read_u64(&done), SELF_INSTANCE);
	ck_assert_uint_eq(wire_read_u32(&done), pulls[_i].since);
	ck_assert_uint_eq(wire_read_u32(&done), 5);
	ck_assert_uint_eq(seen_n, 1);
}
END_TEST

/* --- our own changes --------------------------------------------------------------------------------------------------------- */

START_TEST(own_metadata)
{
	struct gossip_event event = { .kind = GOSSIP_EVENT_META };
	struct gossip_member self;
	struct wire_reader r;

	two_peers();
	event.meta.bytes = (const uint8_t *)"xyzw";
	event.meta.len = 4;
	step(&event);
	ck_assert_uint_eq(incarnation_of(SELF_INSTANCE), 2);
	ck_assert(gossip_member_find(g, SELF_INSTANCE, &self));
	ck_assert_uint_eq(self.meta_len, 4);
	ck_assert_mem_eq(self.meta, "xyzw", 4);
	for (size_t i = 0; i < 2; i++) {
		r = expect_message(i == 0 ? p.instance : q.instance, MEMBER);
		ck_assert_mem_eq(r.data + r.len - 4, "xyzw", 4);
	}
}
END_TEST

static void leave(void)
{
	struct gossip_event event = { .kind = GOSSIP_EVENT_LEAVE };

	step(&event);
}

START_TEST(leave_among_others)
{
	struct wire_reader r;
	int64_t asked_us;

	two_peers();
	asked_us = now.us;
	leave();
	for (size_t i = 0; i < 2; i++) { /* at once, to each */
		r = expect_message(i == 0 ? p.instance : q.instance, STATE);
		ck_assert_uint_eq(wire_read_u64(&r), SELF_INSTANCE);
		(void)wire_read_u32(&r);
		ck_assert_uint_eq(wire_read_u8(&r), GOSSIP_LEFT);
	}
	ck_assert_uint_eq(count_kind(GOSSIP_ACTION_LEFT), 0);
	run(SECOND);
	ck_assert_uint_eq(count_kind(GOSSIP_ACTION_LEFT), 1);
	ck_assert_uint_ge(count_messages(p.instance, STATE), 3);
	ck_assert_uint_ge(count_messages(q.instance, STATE), 3);
	for (size_t i = 0; i < seen_n; i++) {
		if (seen[i].action.kind == GOSSIP_ACTION_LEFT)
			ck_assert_int_le(seen[i].us - asked_us, 3 * config.timers.gossip_interval.us);
	}
	leave(); /* once */
	run(SECOND);
	ck_assert_uint_eq(count_kind(GOSSIP_ACTION_LEFT), 1);
}
END_TEST

START_TEST(leave_alone)
{
	forget_seen();
	leave();
	run(0);
	ck_assert_uint_eq(count_kind(GOSSIP_ACTION_LEFT), 1);
	ck_assert_uint_eq(count_kind(GOSSIP_ACTION_SEND), 0);
}
END_TEST

/* Who leaves does not refute, dial or let anybody in. */
START_TEST(leaving)
{
	struct peer third = peer_of("t", 4);

	two_peers();
	leave();
	claim(&p, SELF_INSTANCE, 5, GOSSIP_DEAD);
	forget_seen();
	say_hello(&third, 1);
	ck_assert_uint_eq(count_messages(0, HELLO_ACK), 0);
	ck_assert_int_eq(state_of(SELF_INSTANCE), GOSSIP_LEFT);
	ck_assert_uint_eq(incarnation_of(SELF_INSTANCE), 1);
}
END_TEST

START_TEST(peer_leaves)
{
	size_t hello_n = 0;

	two_peers();
	run(100 * MS); /* the full state that a newcomer gets is on its way */
	claim(&p, p.instance, 1, GOSSIP_LEFT);
	ck_assert_int_eq(state_of(p.instance), GOSSIP_LEFT);
	ck_assert_int_eq(last_news(p.instance)->action.member.reason, GOSSIP_REASON_LEFT);
	forget_seen();
	run(10 * SECOND);
	for (size_t i = 0; i < seen_n;
	     i++) { /* who has left is asked now and then whether it is back, and nothing else */
		if (seen[i].action.kind != GOSSIP_ACTION_SEND ||
		    endpoint_compare(seen[i].action.send.to, p.endpoint) != 0)
			continue;
		ck_assert_uint_eq(seen[i].action.send.receiver, 0);
		hello_n++;
	}
	ck_assert_uint_ge(hello_n, 1);
	ck_assert_uint_le(hello_n, 30); /* one turn in twenty, and there are 200 */
}
END_TEST

/* --- bytes -------------------------------------------------------------------------------------------------------------------- */

/* docs/PROTOCOL.md, "Test vectors". */
START_TEST(golden_ping)
{
	static const uint8_t head[] = { 0x01, 0x00, 0x14 };
	static const uint8_t tail[] = { 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00,
					0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00 };
	const struct gossip_action *action = NULL;

	p = peer_of("p", 2);
	join(&p);
	run(config.timers.suspicion.us * 20); /* p is silent; then it is back, and all rumours have been told */
	p.incarnation = 2;
	{
		struct wire_writer w = empty();

		put_record(&w, &p, GOSSIP_ALIVE, "meta");
		receive(&p, &w);
	}
	for (int i = 0; i < 400 && action == NULL; i++) {
		size_t at = 0;

		forget_seen();
		run(10 * MS);
		answer_pings(&p, &at);
		for (size_t j = 0; j < seen_n && i > 200; j++) {
			if (seen[j].action.kind == GOSSIP_ACTION_SEND && seen[j].action.send.body[0] == PING)
				action = &seen[j].action;
		}
	}
	ck_assert_ptr_nonnull(action);
	ck_assert_uint_eq(action->send.len, 23);
	ck_assert_mem_eq(action->send.body, head, sizeof(head));
	ck_assert_mem_eq(action->send.body + 7, tail, sizeof(tail)); /* after the number of the ping */
	ck_assert_uint_eq(action->send.receiver, p.instance);
	ck_assert_uint_eq(action->send.sender, SELF_INSTANCE);
}
END_TEST

START_TEST(golden_item)
{
	static const uint8_t item[] = { 0x07, 0x00, 0x12, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x00,
					0x00, 0x00, 0x00, 0x01, 0x01, 'k',  0x03, 'o',	'n',  'e' };

	two_peers();
	run(10 * SECOND); /* both are dead, and nothing waits to be told */
	p = peer_of("third", 4);
	join(&p);
	forget_seen();
	set_item("k", "one");
	for (size_t i = 0; i < seen_n; i++) {
		const struct gossip_action *action = &seen[i].action;

		if (action->kind == GOSSIP_ACTION_SEND && action->send.len >= sizeof(item) &&
		    action->send.body[0] == ITEM) {
			ck_assert_mem_eq(action->send.body, item, sizeof(item));
			return;
		}
	}
	ck_abort_msg("no item was sent");
}
END_TEST

/* Counters begin anywhere, rise by one with each packet, and are never used twice. */
START_TEST(packet_counters)
{
	uint64_t next;

	two_peers();
	run(3 * SECOND);
	ck_assert_uint_gt(seen_n, 10);
	next = 0;
	for (size_t i = 0; i < seen_n; i++) {
		if (seen[i].action.kind != GOSSIP_ACTION_SEND)
			continue;
		ck_assert(next == 0 || seen[i].action.send.counter == next);
		next = seen[i].action.send.counter + 1;
	}
	ck_assert_uint_gt(next, 1000000);
}
END_TEST

/* 30 members with the longest names and metadata, full tables: `step` checks the length of each packet. */
START_TEST(packet_length)
{
	static const size_t lengths[] = { PACKET_LEN_MIN, PACKET_LEN_DEFAULT, PACKET_LEN_MAX };
	char name[NODE_NAME_MAX + 1];
	char meta[META_LEN_MAX + 1];
	size_t longest = 0;

	config.packet_len_max = lengths[_i];
	config.item_max = 2000;
	new_node(100 * SECOND);
	tick();
	two_peers();
	memset(name, 'n', NODE_NAME_MAX);
	memset(meta, 'm', META_LEN_MAX);
	name[NODE_NAME_MAX] = meta[META_LEN_MAX] = '\0';
	for (uint8_t i = 0; i < 28; i++) {
		struct peer far = { .name = name,
				    .instance = UINT64_C(0x9000) + i,
				    .endpoint = endpoint_of((uint8_t)(100 + i)),
				    .incarnation = 1 };
		struct wire_writer w = empty();

		name[0] = (char)('a' + i % 26);
		name[1] = (char)('a' + i / 26);
		put_record(&w, &far, GOSSIP_ALIVE, meta);
		receive(&p, &w);
		forget_seen();
	}
	ck_assert_uint_eq(gossip_member_n(g), 31);
	for (uint32_t i = 0; i < 1500; i++) {
		char key[ITEM_KEY_MAX + 1];

		snprintf(key, sizeof(key), "key-%016u", i);
		send_item(&p, p.instance, i + 1, key, "a value that is as long as a value ever may be..");
		forget_seen();
	}
	ck_assert_uint_eq(item_n(), 1500);
	{
		struct peer newcomer = peer_of("newcomer", 99);

		claim(&p, q.instance, 1, GOSSIP_LEFT);
		config.member_max = 32;
		join(&newcomer);
		run(100 * MS);
		for (size_t i = 0; i < seen_n; i++) {
			if (seen[i].action.kind == GOSSIP_ACTION_SEND && seen[i].action.send.len > longest)
				longest = seen[i].action.send.len;
		}
		ck_assert_uint_ge(count_messages(newcomer.instance, MEMBER), 1);
	}
	ck_assert_uint_gt(longest, lengths[_i] / 2); /* so the limit was near */
}
END_TEST

/* --- the same seed -------------------------------------------------------------------------------------------------------------- */

static uint64_t run_of_seed(uint64_t seed)
{
	uint64_t hash = 0;

	gossip_free(g);
	now = (struct instant){ 100 * SECOND };
	g = gossip_new(&config, seed, now);
	ck_assert_ptr_nonnull(g);
	tick();
	two_peers();
	for (int i = 0; i < 50; i++) {
		size_t at = 0;

		forget_seen();
		if (i % 10 == 3)
			set_item("k", i % 20 == 3 ? "a" : "b");
		run(100 * MS);
		answer_pings(&p, &at);
		for (size_t j = 0; j < seen_n; j++) {
			const struct gossip_action *action = &seen[j].action;

			hash = hash_bytes(hash, &seen[j].us, sizeof(seen[j].us));
			hash = hash_bytes(hash, &action->kind, sizeof(action->kind));
			if (action->kind == GOSSIP_ACTION_SEND) {
				hash = hash_bytes(hash, &action->send.counter, sizeof(action->send.counter));
				hash = hash_bytes(hash, action->send.body, action->send.len);
			}
		}
	}
	return hash;
}

START_TEST(same_seed_same_bytes)
{
	uint64_t first = run_of_seed(1);

	ck_assert_uint_eq(run_of_seed(1), first);
	ck_assert_uint_ne(run_of_seed(2), first);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("gossip_item");
	TCase *tcase = tcase_create("gossip_item");
	SRunner *runner = srunner_create(suite);
	int failed;

	if (sodium_init() < 0)
		return 1;
	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, own_item);
	tcase_add_test(tcase, own_item_is_repeated);
	tcase_add_test(tcase, own_items_full);
	tcase_add_test(tcase, versions);
	tcase_add_test(tcase, strange_origins);
	tcase_add_test(tcase, store_full);
	tcase_add_test(tcase, items_of_the_dead);
	tcase_add_test(tcase, lagging_peer_asks);
	tcase_add_loop_test(tcase, pull_is_answered, 0, sizeof(pulls) / sizeof(pulls[0]));
	tcase_add_test(tcase, own_metadata);
	tcase_add_test(tcase, leave_among_others);
	tcase_add_test(tcase, leave_alone);
	tcase_add_test(tcase, leaving);
	tcase_add_test(tcase, peer_leaves);
	tcase_add_test(tcase, golden_ping);
	tcase_add_test(tcase, golden_item);
	tcase_add_test(tcase, packet_counters);
	tcase_add_loop_test(tcase, packet_length, 0, 3);
	tcase_add_test(tcase, same_seed_same_bytes);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
