/* SPDX-License-Identifier: Apache-2.0 */
/* The gossip core: how members come in, who is refused, and which packets count. Clusters: test_gossip_cluster.c. */
#include "tests/unit/test_gossip_peer.h"

/* --- names and timers ------------------------------------------------------------------------------------------------- */

START_TEST(profiles)
{
	static void (*const make[])(struct gossip_timers *) = { gossip_timers_lan, gossip_timers_fast,
								gossip_timers_wan };
	struct gossip_timers t;

	make[_i](&t);
	/* relays must answer before the probe ends; a suspect is probed and hears of it before it is dead */
	ck_assert_int_lt(2 * t.probe_timeout.us, t.probe_interval.us);
	ck_assert_int_gt(t.suspicion.us, t.probe_interval.us);
	ck_assert_int_gt(t.suspicion.us, 3 * t.gossip_interval.us);
	ck_assert_int_gt(t.silence.us, 3 * t.beat_interval.us);
	ck_assert_int_gt(t.join_timeout.us, t.redial_interval.us);
	ck_assert_uint_gt(t.relay_n * t.fanout * t.retransmit_mult, 0);
}
END_TEST

START_TEST(names)
{
	for (int i = GOSSIP_REASON_JOINED; i <= GOSSIP_REASON_QUORUM; i++) {
		for (int j = GOSSIP_REASON_JOINED; j < i; j++)
			ck_assert_str_ne(gossip_reason_name((enum gossip_reason)i),
					 gossip_reason_name((enum gossip_reason)j));
	}
	ck_assert_str_eq(gossip_state_name(GOSSIP_ALIVE), "alive");
	ck_assert_str_eq(gossip_state_name(GOSSIP_SUSPECT), "suspect");
	ck_assert_str_eq(gossip_state_name(GOSSIP_DEAD), "dead");
	ck_assert_str_eq(gossip_state_name(GOSSIP_LEFT), "left");
}
END_TEST

/* --- joining ---------------------------------------------------------------------------------------------------------- */

START_TEST(joined_without_seeds)
{
	ck_assert(gossip_joined(g));
	ck_assert_uint_eq(count_kind(GOSSIP_ACTION_JOINED), 1);
	ck_assert_uint_eq(gossip_member_n(g), 1);
	run(5 * SECOND);
	ck_assert_uint_eq(count_kind(GOSSIP_ACTION_JOINED), 1);
	ck_assert_uint_eq(count_kind(GOSSIP_ACTION_SEND), 0);
}
END_TEST

START_TEST(joined_alone)
{
	int64_t start_us = 100 * SECOND;
	struct wire_reader r;
	size_t at = 0;

	config.seed_n = 2;
	config.seeds[0] = endpoint_of(1); /* our own: ignored */
	config.seeds[1] = endpoint_of(2);
	new_node(start_us);
	run_until(start_us + config.timers.join_timeout.us - 1);
	ck_assert(!gossip_joined(g));
	ck_assert(next_message(&at, 0, HELLO, &r));
	ck_assert_int_eq(endpoint_compare(seen[at - 1].action.send.to, endpoint_of(2)), 0);
	ck_assert_uint_eq(count_messages(0, HELLO), seen_n); /* nothing else, and to nobody else */
	run_until(start_us + config.timers.join_timeout.us);
	ck_assert(gossip_joined(g));
	ck_assert_int_eq(seen[seen_n - 1].action.kind == GOSSIP_ACTION_JOINED ||
				 seen[seen_n - 2].action.kind == GOSSIP_ACTION_JOINED,
			 1);
	for (size_t i = 0; i < seen_n; i++)
		ck_assert(seen[i].action.kind != GOSSIP_ACTION_JOINED || seen[i].action.joined.alone);
	/* and dials on, for ever, once per interval */
	forget_seen();
	run(10 * config.timers.redial_interval.us);
	ck_assert_uint_eq(count_messages(0, HELLO), 10);
}
END_TEST

START_TEST(hello_answer_is_not_larger)
{
	struct peer peer = peer_of("p", 2);
	const struct gossip_action *action;

	forget_seen();
	say_hello(&peer, 5);
	ck_assert_uint_eq(seen_n, 1);
	action = &seen[0].action;
	ck_assert_int_eq(action->kind, GOSSIP_ACTION_SEND);
	ck_assert_uint_le(action->send.len, 64);
	ck_assert_uint_eq(action->send.receiver, peer.instance);
	ck_assert_uint_eq(action->send.sender, SELF_INSTANCE);
	ck_assert_int_eq(endpoint_compare(action->send.to, peer.endpoint), 0);
	ck_assert_uint_eq(gossip_member_n(g), 1); /* no state for a stranger */
}
END_TEST

START_TEST(short_hello)
{
	struct peer peer = peer_of("p", 2);
	struct wire_writer w = empty();
	size_t at = begin(&w, HELLO);

	forget_seen();
	wire_write_u64(&w, 5);
	end(&w, at);
	receive_as(&peer, peer.endpoint, true, &w);
	ck_assert_uint_eq(seen_n, 0);
	ck_assert_uint_eq(drops(GOSSIP_DROP_MALFORMED), 1);
}
END_TEST

START_TEST(handshake)
{
	struct peer peer = peer_of("p", 2);
	struct gossip_member member;
	struct wire_reader r;

	join(&peer);
	ck_assert_uint_eq(count_kind(GOSSIP_ACTION_MEMBER), 1);
	ck_assert_int_eq(last_news(peer.instance)->action.member.from, 0);
	ck_assert_int_eq(last_news(peer.instance)->action.member.to, GOSSIP_ALIVE);
	ck_assert_int_eq(last_news(peer.instance)->action.member.reason, GOSSIP_REASON_JOINED);
	ck_assert(gossip_member_find(g, peer.instance, &member));
	ck_assert_str_eq(member.name, "p");
	ck_assert_uint_eq(member.meta_len, 4);
	ck_assert_mem_eq(member.meta, "meta", 4);
	ck_assert_int_lt(member.rtt.us, 0);
	ck_assert(!member.self);
	r = expect_message(peer.instance, JOIN_ACK);
	ck_assert_uint_eq(wire_read_u64(&r), 77);
	r = expect_message(peer.instance, MEMBER); /* who answers */
	ck_assert_uint_eq(wire_read_u8(&r), 4);
	ck_assert_mem_eq(wire_read_view(&r, 4), "self", 4);
	ck_assert_uint_eq(wire_read_u64(&r), SELF_INSTANCE);
	run(10 * MS);
	(void)expect_message(peer.instance, 14); /* STATE_END: the full state came */
}
END_TEST

/* A cookie holds for one endpoint, one instance, and 10 to 20 seconds. */
static const struct {
	const char *name;
	uint8_t endpoint;
	uint64_t instance_plus;
	int64_t later_s;
	uint64_t flip;
	bool good;
} cookies[] = {
	{ "at once", 2, 0, 0, 0, true },
	{ "in the next bucket", 2, 0, 10, 0, true },
	{ "too old", 2, 0, 20, 0, false },
	{ "from another endpoint", 3, 0, 0, 0, false },
	{ "of another instance", 2, 1, 0, 0, false },
	{ "one bit changed", 2, 0, 0, 1, false },
};

START_TEST(cookie)
{
	struct peer peer = peer_of("p", 2);
	uint64_t value = get_cookie(&peer) ^ cookies[_i].flip;
	struct wire_writer w = empty();

	run(cookies[_i].later_s * SECOND);
	peer.instance += cookies[_i].instance_plus;
	put_join(&w, &peer, value, 0);
	forget_seen();
	receive_as(&peer, endpoint_of(cookies[_i].endpoint), false, &w);
	ck_assert_msg((state_of(peer.instance) == GOSSIP_ALIVE) == cookies[_i].good, "%s", cookies[_i].name);
	ck_assert_uint_eq(drops(GOSSIP_DROP_COOKIE), cookies[_i].good ? 0 : 1);
	ck_assert_uint_eq(count_messages(0, JOIN_ACK), cookies[_i].good ? 1 : 0);
}
END_TEST

/* Start a node with a seed and return the nonce of its first HELLO. */
static uint64_t dialling_node(void)
{
	struct wire_reader r;

	config.seed_n = 1;
	config.seeds[0] = endpoint_of(2);
	new_node(100 * SECOND);
	tick();
	ck_assert_uint_eq(seen[0].action.send.len, 64);
	ck_assert_uint_eq(seen[0].action.send.receiver, 0);
	r = expect_message(0, HELLO);
	return wire_read_u64(&r);
}

static void send_hello_ack(struct peer *peer, struct endpoint from, uint64_t nonce)
{
	struct wire_writer w = empty();
	size_t at = begin(&w, HELLO_ACK);

	wire_write_u64(&w, nonce);
	wire_write_u64(&w, 4711);
	end(&w, at);
	receive_as(peer, from, false, &w);
}

START_TEST(hello_ack)
{
	struct peer peer = peer_of("p", 2);
	uint64_t nonce = dialling_node();
	struct wire_reader r;

	send_hello_ack(&peer, peer.endpoint, nonce ^ 1); /* of no HELLO of ours */
	send_hello_ack(&peer, endpoint_of(3), nonce);	 /* not from where it was sent */
	ck_assert_uint_eq(drops(GOSSIP_DROP_COOKIE), 2);
	ck_assert_uint_eq(count_messages(0, JOIN), 0);
	send_hello_ack(&peer, peer.endpoint, nonce);
	r = expect_message(peer.instance, JOIN);
	ck_assert_uint_eq(wire_read_u64(&r), 4711);
	ck_assert_uint_eq(wire_read_u64(&r), nonce);
	ck_assert_uint_eq(state_of(peer.instance), 0); /* it has proved nothing about itself yet */
}
END_TEST

START_TEST(hello_ack_too_late)
{
	struct peer peer = peer_of("p", 2);
	uint64_t nonce = dialling_node();

	run(4 * SECOND);
	send_hello_ack(&peer, peer.endpoint, nonce);
	ck_assert_uint_eq(drops(GOSSIP_DROP_COOKIE), 1);
	ck_assert_uint_eq(count_messages(0, JOIN), 0);
}
END_TEST

/* Who is told in a JOIN that it counts as dead refutes at once. */
START_TEST(join_with_accusation)
{
	struct peer peer = peer_of("p", 2);
	uint64_t value = get_cookie(&peer);
	struct wire_writer w = empty();

	put_join(&w, &peer, value, GOSSIP_DEAD);
	receive(&peer, &w);
	ck_assert_uint_eq(incarnation_of(SELF_INSTANCE), 2);
}
END_TEST

/* --- one name, several instances ---------------------------------------------------------------------------------------- */

START_TEST(restart_replaces)
{
	struct peer first = peer_of("p", 2);
	struct peer second = first;
	size_t n = 0;

	join(&first);
	second.instance += 100;
	join(&second); /* forgets what was seen before its JOIN */
	ck_assert_uint_eq(state_of(first.instance), 0);
	ck_assert_uint_eq(gossip_member_n(g), 2);
	for (size_t i = 0; i < seen_n; i++) {
		const struct gossip_action *action = &seen[i].action;

		if (action->kind != GOSSIP_ACTION_MEMBER)
			continue;
		ck_assert_uint_eq(action->member.instance, n == 0 ? first.instance : second.instance);
		ck_assert_int_eq(action->member.reason, n == 0 ? GOSSIP_REASON_REPLACED : GOSSIP_REASON_JOINED);
		ck_assert_int_eq(action->member.to, n == 0 ? 0 : GOSSIP_ALIVE);
		n++;
	}
	ck_assert_uint_eq(n, 2);
	introduce(&second, &(struct peer){ .name = "q", .instance = 9, .endpoint = endpoint_of(9), .incarnation = 1 });
	/* an old record does not bring the old one back */
	{
		struct wire_writer w = empty();

		first.incarnation = 99;
		put_record(&w, &first, GOSSIP_ALIVE, "old");
		receive(&second, &w);
		ck_assert_uint_eq(state_of(first.instance), 0);
		ck_assert_int_eq(state_of(second.instance), GOSSIP_ALIVE);
	}
}
END_TEST

START_TEST(name_is_taken)
{
	struct peer first = peer_of("p", 2);
	struct peer other = peer_of("p", 3);
	struct wire_writer w;
	struct wire_reader r;
	uint64_t value;

	join(&first);
	value = get_cookie(&other);
	w = empty();
	put_join(&w, &other, value, 0);
	receive(&other, &w);
	r = expect_message(other.instance, REFUSED);
	ck_assert_uint_eq(wire_read_u64(&r), 77);
	ck_assert(ip_equal(wire_read_ip(&r), first.endpoint.ip));
	ck_assert_uint_eq(state_of(other.instance), 0);
	ck_assert_int_eq(state_of(first.instance), GOSSIP_ALIVE);
}
END_TEST

/* A clock that went back: the newcomer hears what is remembered. */
START_TEST(earlier_instance_is_told)
{
	struct peer first = peer_of("p", 2);
	struct peer again = first;
	struct wire_writer w;
	struct wire_reader r;
	uint64_t value;

	join(&first);
	again.instance -= 5;
	value = get_cookie(&again);
	w = empty();
	put_join(&w, &again, value, 0);
	receive(&again, &w);
	r = expect_message(again.instance, RAISE);
	ck_assert_uint_eq(wire_read_u64(&r), 77);
	ck_assert_uint_eq(wire_read_u64(&r), first.instance);
	ck_assert_uint_eq(state_of(again.instance), 0);
}
END_TEST

START_TEST(raise_own_instance)
{
	struct peer peer = peer_of("p", 2);
	uint64_t nonce = dialling_node();
	struct wire_writer w = empty();
	struct gossip_member self;
	size_t at = begin(&w, RAISE);

	wire_write_u64(&w, nonce);
	wire_write_u64(&w, SELF_INSTANCE + 41);
	end(&w, at);
	receive(&peer, &w);
	ck_assert_uint_eq(gossip_instance(g), SELF_INSTANCE + 42);
	ck_assert(gossip_member_find(g, SELF_INSTANCE + 42, &self) && self.self);
	ck_assert(!gossip_member_find(g, SELF_INSTANCE, &self));
	forget_seen();
	run(config.timers.redial_interval.us);
	ck_assert_uint_eq(seen[0].action.send.sender, SELF_INSTANCE + 42);
}
END_TEST

static void send_refused(struct peer *peer, uint64_t nonce)
{
	struct wire_writer w = empty();
	size_t at = begin(&w, REFUSED);

	wire_write_u64(&w, nonce);
	wire_write_ip(&w, endpoint_of(9).ip);
	wire_write_u16(&w, 7946);
	end(&w, at);
	receive(peer, &w);
}

/* A refused newcomer asks for a while, as the former run may be dying; then it must stop. Without a HELLO it means nothing. */
START_TEST(conflict)
{
	struct peer peer = peer_of("p", 2);
	uint64_t nonce = dialling_node();

	send_refused(&peer, nonce ^ 1);
	send_refused(&peer, nonce);
	run(900 * MS);
	send_refused(&peer, nonce);
	ck_assert_uint_eq(count_kind(GOSSIP_ACTION_CONFLICT), 0);
	run(200 * MS);
	send_refused(&peer, nonce);
	send_refused(&peer, nonce);
	ck_assert_uint_eq(count_kind(GOSSIP_ACTION_CONFLICT), 1);
	run(5 * SECOND);
	ck_assert(!gossip_joined(g)); /* who may have to stop must not begin to claim */
}
END_TEST

/* --- what is let in --------------------------------------------------------------------------------------------------------- */

/* RFC 6479: order within the window does not matter, twice does. */
static const struct {
	int64_t offset;
	bool good;
} counters[] = { { 0, false },	  { 1, true },	  { 1, false },	   { 5, true },	  { 3, true },	  { 3, false },
		 { 4, true },	  { 1028, true }, { 5, false },	   { 4, false },  { 6, true },	  { 6, false },
		 { 10000, true }, { 8977, true }, { 8976, false }, { -1, false }, { 9999, true }, { 10000, false } };

START_TEST(replay)
{
	struct peer peer = peer_of("p", 2);
	uint64_t base;

	join(&peer);
	base = peer.counter;
	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
		struct wire_writer w = empty();
		uint64_t before = drops(GOSSIP_DROP_REPLAY);

		forget_seen();
		put_ping(&w, PING, (uint32_t)i, &peer);
		peer.counter = base + (uint64_t)counters[i].offset - 1;
		receive(&peer, &w);
		ck_assert_msg((count_messages(peer.instance, ACK) == 1) == counters[i].good, "counter %zu", i);
		ck_assert_uint_eq(drops(GOSSIP_DROP_REPLAY) - before, counters[i].good ? 0 : 1);
	}
}
END_TEST

START_TEST(unknown_sender)
{
	struct peer peer = peer_of("p", 2);
	struct peer victim = peer_of("v", 3);
	struct wire_writer w = empty();

	forget_seen();
	put_ping(&w, PING, 1, &peer);
	receive(&peer, &w);
	w = empty();
	put_record(&w, &victim, GOSSIP_ALIVE, "");
	receive(&peer, &w);
	w = empty();
	put_state(&w, SELF_INSTANCE, 1, GOSSIP_DEAD);
	receive(&peer, &w);
	ck_assert_uint_eq(drops(GOSSIP_DROP_UNKNOWN), 3);
	ck_assert_uint_eq(seen_n, 0);
	ck_assert_uint_eq(gossip_member_n(g), 1);
	ck_assert_uint_eq(incarnation_of(SELF_INSTANCE), 1);
}
END_TEST

/* Sealed to anyone, a JOIN could be replayed at another node. */
START_TEST(join_to_anyone)
{
	struct peer peer = peer_of("p", 2);
	uint64_t value = get_cookie(&peer);
	struct wire_writer w = empty();

	put_join(&w, &peer, value, 0);
	receive_as(&peer, peer.endpoint, true, &w);
	ck_assert_uint_eq(state_of(peer.instance), 0);
	ck_assert_uint_eq(drops(GOSSIP_DROP_UNKNOWN), 1);
}
END_TEST

/* A packet to anyone could be replayed to anyone: nothing but HELLO counts, whoever sent it. */
START_TEST(to_anyone)
{
	struct peer peer = peer_of("p", 2);
	struct wire_writer w = empty();

	join(&peer);
	forget_seen();
	put_state(&w, SELF_INSTANCE, 1, GOSSIP_DEAD);
	receive_as(&peer, peer.endpoint, true, &w);
	ck_assert_uint_eq(drops(GOSSIP_DROP_UNKNOWN), 1);
	ck_assert_uint_eq(incarnation_of(SELF_INSTANCE), 1);
	ck_assert_uint_eq(seen_n, 0);
}
END_TEST

static const struct {
	const char *name;
	const char *bytes;
	size_t len;
} malformed[] = {
	{ "empty", "", 0 },
	{ "half a header", "\x01\x00", 2 },
	{ "length beyond the end", "\x01\x00\x15zzzzzzzzzzzzzzzzzzzz", 23 },
	{ "short ping", "\x01\x00\x04\x00\x00\x00\x01", 7 },
	{ "short ack", "\x02\x00\x03\x00\x00\x00", 6 },
	{ "state without a state", "\x06\x00\x0c\0\0\0\0\0\0\x20\x02\0\0\0\x01", 15 },
	{ "state 0", "\x06\x00\x0d\0\0\0\0\0\0\x20\x02\0\0\0\x01\x00", 16 },
	{ "state alive in short form", "\x06\x00\x0d\0\0\0\0\0\0\x20\x02\0\0\0\x09\x01", 16 },
	{ "state 5", "\x06\x00\x0d\0\0\0\0\0\0\x20\x02\0\0\0\x01\x05", 16 },
	{ "item with a key of 21", "\x07\x00\x24\0\0\0\0\0\0\x20\x02\0\0\0\x01\x15kkkkkkkkkkkkkkkkkkkkk\x01v", 39 },
	{ "item without a key", "\x07\x00\x0f\0\0\0\0\0\0\x20\x02\0\0\0\x01\x00\x01", 18 },
	{ "item with a value of 49", "\x07\x00\x10\0\0\0\0\0\0\x20\x02\0\0\0\x01\x01k\x31v", 19 },
	{ "record without a name",
	  "\x05\x00\x20\x00\0\0\0\0\0\0\x20\x09\x04\x0a\0\0\x09\x1f\x0a\0\0\0\x01\x01\0\0\0\0\0\x05metas", 35 },
	{ "good, then bad", "\x06\x00\x0d\0\0\0\0\0\0\x20\x02\0\0\0\x01\x02\xff\xff", 18 },
};

START_TEST(malformed_bodies)
{
	struct peer peer = peer_of("p", 2);
	struct wire_writer w;

	join(&peer);
	forget_seen();
	w = empty();
	wire_write_bytes(&w, malformed[_i].bytes, malformed[_i].len);
	receive(&peer, &w);
	ck_assert_msg(drops(GOSSIP_DROP_MALFORMED) == 1, "%s", malformed[_i].name);
	ck_assert_uint_eq(seen_n, 0);
	ck_assert_int_eq(state_of(peer.instance), GOSSIP_ALIVE);
	ck_assert_uint_eq(gossip_member_n(g), 2);
}
END_TEST

/* A newer version may say more: unknown messages and bytes at the end of known ones are passed over. */
START_TEST(newer_version)
{
	struct peer peer = peer_of("p", 2);
	struct wire_writer w;
	size_t at;

	join(&peer);
	forget_seen();
	w = empty();
	at = begin(&w, 200);
	wire_write_text(&w, "from the future");
	end(&w, at);
	at = begin(&w, PING);
	wire_write_u32(&w, 1);
	wire_write_u32(&w, 1);
	wire_write_u32(&w, 0);
	wire_write_u64(&w, 0);
	wire_write_u32(&w, 12345);
	end(&w, at);
	receive(&peer, &w);
	ck_assert_uint_eq(drops(GOSSIP_DROP_MALFORMED), 0);
	ck_assert_uint_eq(count_messages(peer.instance, ACK), 1);
}
END_TEST

START_TEST(table_full)
{
	struct peer peer = peer_of("p", 2);
	struct peer extra = peer_of("q", 3);
	struct peer third = peer_of("r", 4);
	struct wire_writer w = empty();

	config.member_max = 3;
	new_node(100 * SECOND);
	tick();
	join(&peer);
	introduce(&peer, &extra);
	put_record(&w, &third, GOSSIP_ALIVE, "");
	receive(&peer, &w);
	ck_assert_uint_eq(drops(GOSSIP_DROP_FULL), 1);
	ck_assert_uint_eq(gossip_member_n(g), 3);
	ck_assert_uint_eq(state_of(third.instance), 0);
}
END_TEST

START_TEST(order_by_name)
{
	static const char *const given[] = { "m", "a", "z", "selfish", "b" };
	static const char *const sorted[] = { "a", "b", "m", "self", "selfish", "z" };
	struct peer first = peer_of(given[0], 2);
	struct gossip_member member;

	join(&first);
	for (uint8_t i = 1; i < 5; i++)
		introduce(&first, &(struct peer){ .name = given[i],
						  .instance = 50 + i,
						  .endpoint = endpoint_of(50),
						  .incarnation = 1 });
	ck_assert_uint_eq(gossip_member_n(g), 6);
	for (size_t i = 0; i < 6; i++) {
		gossip_member_at(g, i, &member);
		ck_assert_str_eq(member.name, sorted[i]);
		ck_assert_int_eq(member.self, strcmp(member.name, "self") == 0);
	}
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("gossip");
	TCase *tcase = tcase_create("gossip");

#define LOOP(test, table) tcase_add_loop_test(tcase, test, 0, (int)(sizeof(table) / sizeof((table)[0])))
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, profiles, 0, 3);
	tcase_add_test(tcase, names);
	tcase_add_test(tcase, joined_without_seeds);
	tcase_add_test(tcase, joined_alone);
	tcase_add_test(tcase, hello_answer_is_not_larger);
	tcase_add_test(tcase, short_hello);
	tcase_add_test(tcase, handshake);
	LOOP(cookie, cookies);
	tcase_add_test(tcase, hello_ack);
	tcase_add_test(tcase, hello_ack_too_late);
	tcase_add_test(tcase, join_with_accusation);
	tcase_add_test(tcase, restart_replaces);
	tcase_add_test(tcase, name_is_taken);
	tcase_add_test(tcase, earlier_instance_is_told);
	tcase_add_test(tcase, raise_own_instance);
	tcase_add_test(tcase, conflict);
	tcase_add_test(tcase, replay);
	tcase_add_test(tcase, unknown_sender);
	tcase_add_test(tcase, join_to_anyone);
	tcase_add_test(tcase, to_anyone);
	LOOP(malformed_bodies, malformed);
	tcase_add_test(tcase, newer_version);
	tcase_add_test(tcase, table_full);
	tcase_add_test(tcase, order_by_name);
#undef LOOP
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	SRunner *runner;
	int failed;

	if (sodium_init() < 0)
		return 1;
	runner = srunner_create(make_suite());
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
