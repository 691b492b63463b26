/* SPDX-License-Identifier: Apache-2.0 */
/* Edges by hand: heartbeats, loss, paths, hints, the witness, verdicts that are repeated, nacks, coming back after a goodbye. */
#include "tests/unit/test_gossip_peer.h"

enum { BEAT = 19, WATCH = 20, NACK = 21 };

#define BEAT_US (25 * MS)

static uint32_t beat_seq;

/* The watchers awake, unlike in the tests of SWIM alone. */
static void setup_awake(void)
{
	setup();
	gossip_timers_lan(&config.timers);
	receive_path = 0;
	new_node(100 * SECOND);
	tick();
}

/* A heartbeat of the peer. It echoes nothing, as a peer that hears us would, so what keeps it from being deaf are its acks. */
static void put_beat(struct wire_writer *w, uint32_t seq, uint8_t health, uint32_t digest)
{
	size_t at = begin(w, BEAT);

	wire_write_u32(w, 1); /* summary: incarnation, no items */
	wire_write_u32(w, 0);
	wire_write_u64(w, 0);
	wire_write_u8(w, health);
	wire_write_u32(w, digest);
	wire_write_u32(w, seq);
	wire_write_u32(w, 0);
	wire_write_u32(w, 0);
	wire_write_u16(w, 0);
	wire_write_u8(w, 0); /* neither in a hurry nor vowed */
	wire_write_u32(w, 235 * MS);
	end(w, at);
}

/* What the core says its view is, by its own last heartbeat to that peer. */
static uint32_t digest_said_to(uint64_t receiver)
{
	static size_t at; /* looked at so far */
	static uint32_t digest;
	struct wire_reader r = { 0 };

	if (at > seen_n)
		at = 0;
	while (next_message(&at, receiver, BEAT, &r)) {
		(void)wire_read_view(&r, 17);
		digest = wire_read_u32(&r);
	}
	return digest;
}

static struct gossip_member member_of(uint64_t instance)
{
	struct gossip_member member = { 0 };

	ck_assert(gossip_member_find(g, instance, &member));
	return member;
}

/* For so long: one heartbeat each 25 ms, of which `lost` of every `of` do not arrive; pings are answered. */
static void beats(struct peer *peer, int n, int lost, int of, uint8_t health)
{
	size_t at = seen_n;

	for (int i = 0; i < n; i++) {
		struct wire_writer w = empty();

		run(BEAT_US);
		answer_pings(peer, &at);
		beat_seq++;
		if (i % of < lost)
			continue;
		put_beat(&w, beat_seq, health, digest_said_to(peer->instance));
		receive(peer, &w);
		if (seen_n > SEEN_MAX / 2) {
			forget_seen();
			at = 0;
			run(BEAT_US); /* the digest is read from what was said */
		}
	}
}

static const struct {
	int lost;
	int of;
	uint32_t least_ppm;
	uint32_t most_ppm;
	int64_t silence_us;
} losses[] = {
	{ 0, 10, 0, 0, 135 * MS },
	{ 1, 10, 70000, 130000, 135 * MS },
	{ 3, 10, 260000, 340000, 150 * MS },
	{ 1, 2, 430000, 560000, 225 * MS },
};

START_TEST(loss_is_measured)
{
	struct peer p = peer_of("p", 2);

	beat_seq = 1;
	join(&p);
	beats(&p, 800, losses[_i].lost, losses[_i].of, 3);
	ck_assert(member_of(p.instance).watched && member_of(p.instance).watches_us);
	ck_assert_uint_ge(member_of(p.instance).loss_in_ppm, losses[_i].least_ppm);
	ck_assert_uint_le(member_of(p.instance).loss_in_ppm, losses[_i].most_ppm);
	ck_assert_int_ge(member_of(p.instance).silence.us, losses[_i].silence_us);
	ck_assert_uint_eq(member_of(p.instance).health, 3);
	ck_assert_uint_eq(member_of(p.instance).path_mask, 1);
	ck_assert_int_eq(state_of(p.instance), GOSSIP_ALIVE);
}
END_TEST

/* The host of a silent peer refuses our packets: no need to wait for T_s. Alone, the watcher takes 150 ms to verify. */
START_TEST(hint)
{
	struct peer p = peer_of("p", 2);
	struct gossip_event event = { .kind = GOSSIP_EVENT_HINT, .hint = endpoint_of(9) };
	int64_t hinted_us;

	beat_seq = 1;
	join(&p);
	beats(&p, 80, 0, 10, 0);
	forget_seen();
	run(MS);
	step(&event); /* nobody we know */
	ck_assert_uint_eq(count_messages(p.instance, PING), 0);
	event.hint = p.endpoint;
	hinted_us = now.us;
	step(&event);
	tick();
	ck_assert_uint_ge(count_messages(p.instance, PING), 1);
	run(149 * MS);
	ck_assert_int_ne(state_of(p.instance), GOSSIP_DEAD);
	run(3 * MS);
	ck_assert_int_eq(state_of(p.instance), GOSSIP_DEAD);
	ck_assert_int_lt(last_news(p.instance)->us - hinted_us, 160 * MS);
}
END_TEST

/* A hint about one that answers means nothing. */
START_TEST(wrong_hint)
{
	struct peer p = peer_of("p", 2);
	struct gossip_event event = { .kind = GOSSIP_EVENT_HINT };

	beat_seq = 1;
	join(&p);
	beats(&p, 80, 0, 10, 0);
	event.hint = p.endpoint;
	for (int i = 0; i < 20; i++) {
		step(&event);
		beats(&p, 4, 0, 10, 0);
	}
	ck_assert_int_eq(state_of(p.instance), GOSSIP_ALIVE);
}
END_TEST

/* One other node and a witness: it is asked, and nothing is declared before it has answered, not by SWIM either. */
START_TEST(witness)
{
	struct peer p = peer_of("p", 2);
	struct gossip_event answer = { .kind = GOSSIP_EVENT_WITNESS };

	config.witness = true;
	new_node(100 * SECOND);
	beat_seq = 1;
	join(&p);
	beats(&p, 80, 0, 10, 0);
	forget_seen();
	run(SECOND);
	ck_assert_uint_ge(count_kind(GOSSIP_ACTION_WITNESS), 10);
	for (int i = 0; i < 10; i++) {
		run(SECOND);
		forget_seen();
	}
	ck_assert_int_ne(state_of(p.instance), GOSSIP_DEAD);
	step(&answer);
	run(50 * MS);
	ck_assert_int_eq(state_of(p.instance), GOSSIP_DEAD);
}
END_TEST

/* Two paths: heartbeats go over both, and the rest over the one that was heard. */
START_TEST(paths)
{
	struct peer p = peer_of("p", 2);
	size_t on[2] = { 0, 0 };
	struct wire_reader reader;
	size_t at = 0;

	config.endpoint_n = 2;
	config.endpoints[1] = endpoint_of(101);
	new_node(100 * SECOND);
	p.second = endpoint_of(102);
	beat_seq = 1;
	join(&p);
	ck_assert_uint_eq(member_of(p.instance).endpoint_n, 2);
	forget_seen();
	run(200 * MS);
	while (next_message(&at, p.instance, BEAT, &reader)) {
		const struct gossip_action *action = &seen[at - 1].action;

		ck_assert_uint_lt(action->send.path, 2);
		ck_assert_int_eq(endpoint_compare(action->send.to, action->send.path == 0 ? p.endpoint : p.second), 0);
		on[action->send.path]++;
	}
	ck_assert_uint_ge(on[0], 7);
	ck_assert_uint_eq(on[0], on[1]);
	/* only the second path brings something: what is one packet goes there */
	receive_path = 1;
	beats(&p, 40, 0, 10, 0);
	ck_assert_uint_eq(member_of(p.instance).path_mask, 2);
	ck_assert_int_ne(state_of(p.instance), GOSSIP_DEAD);
	forget_seen();
	beats(&p, 60, 0, 10, 0);
	at = 0;
	ck_assert(next_message(&at, p.instance, PING, &reader));
	ck_assert_uint_eq(seen[at - 1].action.send.path, 1);
	receive_path = 0;
}
END_TEST

/* A neighbour whose view differs is told of the last deaths again and again; one whose view agrees is not. */
START_TEST(verdicts_are_repeated)
{
	struct peer p = peer_of("p", 2);
	struct peer q = peer_of("q", 3);
	struct wire_reader reader;
	size_t at = 0;

	beat_seq = 1;
	join(&p);
	introduce(&p, &q);
	beats(&p, 4, 0, 10, 0);
	claim(&p, q.instance, 1, GOSSIP_DEAD);
	beats(&p, 40, 0, 10, 0); /* p's digest follows ours; the rumour runs dry */
	forget_seen();
	for (int i = 0; i < 8; i++) {
		struct wire_writer w = empty();

		run(BEAT_US);
		put_beat(&w, ++beat_seq, 0, 0xbad);
		receive(&p, &w);
	}
	ck_assert(next_message(&at, p.instance, STATE, &reader));
	ck_assert_uint_eq(wire_read_u64(&reader), q.instance);
	(void)wire_read_u32(&reader);
	ck_assert_uint_eq(wire_read_u8(&reader), GOSSIP_DEAD);
	ck_assert_uint_ge(count_messages(p.instance, STATE), 3);
}
END_TEST

/* Hearsay does not kill one that spoke a moment ago; the word of a quorum does, for it may be deaf. */
START_TEST(verdict_and_hearsay)
{
	struct peer p = peer_of("p", 2);
	struct peer q = peer_of("q", 3);
	struct wire_writer w;

	join(&p);
	join(&q);
	w = empty();
	put_ping(&w, PING, 1, &q);
	receive(&q, &w);
	claim(&p, q.instance, 1, GOSSIP_DEAD);
	ck_assert_int_eq(state_of(q.instance), GOSSIP_SUSPECT);
	w = empty();
	put_accusation(&w, q.instance, 1, GOSSIP_DEAD, 1);
	receive(&p, &w);
	ck_assert_int_eq(state_of(q.instance), GOSSIP_DEAD);
	ck_assert_int_eq(last_news(q.instance)->action.member.reason, GOSSIP_REASON_VERDICT);
}
END_TEST

/* A relay without an answer says so at 80 % of the timeout (Lifeguard IV.A). */
START_TEST(nack)
{
	struct peer p = peer_of("p", 2);
	struct peer q = peer_of("q", 3);
	struct wire_writer w = empty();
	struct wire_reader reader;
	int64_t asked_us;
	size_t at;

	join(&p);
	join(&q);
	forget_seen();
	at = begin(&w, PING_REQ);
	wire_write_u32(&w, 77);
	wire_write_u64(&w, q.instance);
	end(&w, at);
	asked_us = now.us;
	receive(&p, &w);
	run(config.timers.probe_timeout.us);
	at = 0;
	ck_assert(next_message(&at, p.instance, NACK, &reader));
	ck_assert_uint_eq(wire_read_u32(&reader), 77);
	ck_assert_int_eq(seen[at - 1].us - asked_us, config.timers.probe_timeout.us * 8 / 10);
	ck_assert_uint_eq(count_messages(p.instance, NACK), 1);
}
END_TEST

/* After the goodbye the same process may come back, as another instance. */
START_TEST(comes_back)
{
	struct peer p = peer_of("p", 2);
	struct gossip_event leave = { .kind = GOSSIP_EVENT_LEAVE };
	struct gossip_event back = { .kind = GOSSIP_EVENT_RETURN };
	uint64_t before;

	join(&p);
	before = gossip_instance(g);
	step(&back); /* nothing to come back from */
	ck_assert_uint_eq(gossip_instance(g), before);
	step(&leave);
	run(SECOND);
	ck_assert_uint_eq(count_kind(GOSSIP_ACTION_LEFT), 1);
	step(&back);
	ck_assert_uint_gt(gossip_instance(g), before);
	ck_assert_int_eq(state_of(gossip_instance(g)), GOSSIP_ALIVE);
	ck_assert(!gossip_joined(g));
	run(5 * SECOND);
	ck_assert(gossip_joined(g));
}
END_TEST

/* What a name may not have in it: it goes to logs and terminals. */
static const char *const bad_names[] = { "a\nb", "a b", "\x1b[2J", "a\"b", "a\\b", "\x7f" };

START_TEST(names)
{
	struct peer p = peer_of("p", 2);
	struct peer bad = peer_of(bad_names[_i], 3);
	struct wire_writer w = empty();
	struct gossip_stats stats;

	join(&p);
	put_record(&w, &bad, GOSSIP_ALIVE, "");
	receive(&p, &w);
	ck_assert_int_eq(state_of(bad.instance), 0);
	gossip_stats_get(g, &stats);
	ck_assert_uint_eq(stats.drops[GOSSIP_DROP_MALFORMED], 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("gossip_edge");
	TCase *tcase = tcase_create("gossip_edge");
	SRunner *runner = srunner_create(suite);
	int failed;

	if (sodium_init() < 0)
		return 1;
	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 60); /* virtual time is free, the sanitizers are not */
	tcase_add_checked_fixture(tcase, setup_awake, teardown);
	tcase_add_loop_test(tcase, loss_is_measured, 0, sizeof(losses) / sizeof(losses[0]));
	tcase_add_test(tcase, hint);
	tcase_add_test(tcase, wrong_hint);
	tcase_add_test(tcase, witness);
	tcase_add_test(tcase, paths);
	tcase_add_test(tcase, verdicts_are_repeated);
	tcase_add_test(tcase, verdict_and_hearsay);
	tcase_add_test(tcase, nack);
	tcase_add_test(tcase, comes_back);
	tcase_add_loop_test(tcase, names, 0, sizeof(bad_names) / sizeof(bad_names[0]));
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
