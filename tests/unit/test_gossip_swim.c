/* SPDX-License-Identifier: Apache-2.0 */
/* The gossip core: SWIM's precedence, probes, suspicion, refutation, with exact times. The watchers sleep: test_gossip_watch.c. */
#include "tests/unit/test_gossip_peer.h"

/* --- SWIM 4.2: what overrides what -------------------------------------------------------------------------------------------- */

static const struct {
	enum gossip_state held;
	uint32_t held_at;
	enum gossip_state said;
	uint32_t said_at;
	enum gossip_state state; /* afterwards */
	uint32_t incarnation;
} precedence[] = {
	{ GOSSIP_ALIVE, 5, GOSSIP_ALIVE, 4, GOSSIP_ALIVE, 5 },
	{ GOSSIP_ALIVE, 5, GOSSIP_ALIVE, 6, GOSSIP_ALIVE, 6 },
	{ GOSSIP_ALIVE, 5, GOSSIP_SUSPECT, 4, GOSSIP_ALIVE, 5 },
	{ GOSSIP_ALIVE, 5, GOSSIP_SUSPECT, 5, GOSSIP_SUSPECT, 5 },
	{ GOSSIP_ALIVE, 5, GOSSIP_SUSPECT, 6, GOSSIP_SUSPECT, 6 },
	{ GOSSIP_ALIVE, 5, GOSSIP_DEAD, 4, GOSSIP_ALIVE, 5 },
	{ GOSSIP_ALIVE, 5, GOSSIP_DEAD, 5, GOSSIP_DEAD, 5 },
	{ GOSSIP_ALIVE, 5, GOSSIP_LEFT, 5, GOSSIP_LEFT, 5 },
	{ GOSSIP_SUSPECT, 5, GOSSIP_ALIVE, 5, GOSSIP_SUSPECT, 5 },
	{ GOSSIP_SUSPECT, 5, GOSSIP_ALIVE, 6, GOSSIP_ALIVE, 6 },
	{ GOSSIP_SUSPECT, 5, GOSSIP_SUSPECT, 6, GOSSIP_SUSPECT, 6 },
	{ GOSSIP_SUSPECT, 5, GOSSIP_DEAD, 4, GOSSIP_SUSPECT, 5 },
	{ GOSSIP_SUSPECT, 5, GOSSIP_DEAD, 5, GOSSIP_DEAD, 5 },
	{ GOSSIP_DEAD, 5, GOSSIP_ALIVE, 5, GOSSIP_DEAD, 5 },
	{ GOSSIP_DEAD, 5, GOSSIP_ALIVE, 6, GOSSIP_ALIVE, 6 },
	{ GOSSIP_DEAD, 5, GOSSIP_SUSPECT, 5, GOSSIP_DEAD, 5 },
	{ GOSSIP_DEAD, 5, GOSSIP_LEFT, 5, GOSSIP_LEFT, 5 },
	{ GOSSIP_LEFT, 5, GOSSIP_ALIVE, 6, GOSSIP_LEFT, 5 }, /* comes back as another instance only */
	{ GOSSIP_LEFT, 5, GOSSIP_SUSPECT, 6, GOSSIP_LEFT, 5 },
	{ GOSSIP_LEFT, 5, GOSSIP_DEAD, 5, GOSSIP_LEFT, 5 },
};

START_TEST(precedence_table)
{
	struct peer teller = peer_of("p", 2);
	struct peer about = peer_of("q", 3);

	join(&teller);
	about.incarnation = precedence[_i].held_at;
	introduce(&teller, &about);
	if (precedence[_i].held != GOSSIP_ALIVE)
		claim(&teller, about.instance, precedence[_i].held_at, precedence[_i].held);
	ck_assert_int_eq(state_of(about.instance), precedence[_i].held);
	if (precedence[_i].said == GOSSIP_ALIVE) {
		struct wire_writer w = empty();

		about.incarnation = precedence[_i].said_at;
		put_record(&w, &about, GOSSIP_ALIVE, "meta");
		receive(&teller, &w);
	} else {
		claim(&teller, about.instance, precedence[_i].said_at, precedence[_i].said);
	}
	ck_assert_int_eq(state_of(about.instance), precedence[_i].state);
	ck_assert_uint_eq(incarnation_of(about.instance), precedence[_i].incarnation);
}
END_TEST

START_TEST(claim_about_a_stranger)
{
	struct peer teller = peer_of("p", 2);

	join(&teller);
	forget_seen();
	claim(&teller, 4242, 1, GOSSIP_DEAD);
	ck_assert_uint_eq(gossip_member_n(g), 2);
	ck_assert_uint_eq(count_kind(GOSSIP_ACTION_MEMBER), 0);
}
END_TEST

START_TEST(new_metadata)
{
	struct peer peer = peer_of("p", 2);
	struct gossip_member member;
	struct wire_writer w;

	join(&peer);
	forget_seen();
	w = empty();
	put_record(&w, &peer, GOSSIP_ALIVE, "other"); /* the same incarnation: old news */
	receive(&peer, &w);
	ck_assert_ptr_null(last_news(peer.instance));
	peer.incarnation = 2;
	w = empty();
	put_record(&w, &peer, GOSSIP_ALIVE, "newer");
	receive(&peer, &w);
	ck_assert_int_eq(last_news(peer.instance)->action.member.reason, GOSSIP_REASON_META);
	ck_assert(gossip_member_find(g, peer.instance, &member));
	ck_assert_uint_eq(member.meta_len, 5);
	ck_assert_mem_eq(member.meta, "newer", 5);
}
END_TEST

/* --- refutation ----------------------------------------------------------------------------------------------------------------- */

static const struct {
	enum gossip_state state;
	uint32_t incarnation;
	uint32_t after;
} accusations[] = {
	{ GOSSIP_SUSPECT, 1, 2 },
	{ GOSSIP_DEAD, 1, 2 },
	{ GOSSIP_DEAD, 9, 10 },
	{ GOSSIP_SUSPECT, 3, 4 },
};

START_TEST(refutation)
{
	struct peer peer = peer_of("p", 2);
	struct peer other = peer_of("q", 3);
	struct gossip_stats stats;

	join(&peer);
	join(&other);
	forget_seen();
	claim(&peer, SELF_INSTANCE, accusations[_i].incarnation, accusations[_i].state);
	ck_assert_uint_eq(incarnation_of(SELF_INSTANCE), accusations[_i].after);
	ck_assert_int_eq(state_of(SELF_INSTANCE), GOSSIP_ALIVE);
	/* within the step, to everybody */
	ck_assert_uint_ge(count_messages(peer.instance, MEMBER), 1);
	ck_assert_uint_ge(count_messages(other.instance, MEMBER), 1);
	gossip_stats_get(g, &stats);
	ck_assert_uint_eq(stats.refutations_n, 1);
	claim(&other, SELF_INSTANCE, 1, GOSSIP_SUSPECT); /* old news */
	ck_assert_uint_eq(incarnation_of(SELF_INSTANCE), accusations[_i].after);
}
END_TEST

/* --- probes ------------------------------------------------------------------------------------------------------------------------ */

/* A silent peer p, and q and r, which answer. */
static struct peer silent, q, r;

static void three_peers(void)
{
	silent = peer_of("p", 2);
	q = peer_of("q", 3);
	r = peer_of("r", 4);
	join(&silent);
	join(&q);
	join(&r);
	forget_seen();
}

/* Run in steps of a millisecond; q and r answer pings at once. */
static void run_answered(int64_t until_us)
{
	static size_t at_q, at_r;

	if (seen_n == 0)
		at_q = at_r = 0;
	while (now.us < until_us) {
		run(now.us + MS > until_us ? until_us - now.us : MS);
		answer_pings(&q, &at_q);
		answer_pings(&r, &at_r);
	}
}

/* When the first message of that type went to that instance, or -1. */
static int64_t first_sent(uint64_t receiver, uint8_t type)
{
	struct wire_reader unused;
	size_t at = 0;

	return next_message(&at, receiver, type, &unused) ? seen[at - 1].us : -1;
}

static int64_t news_us(uint64_t instance, enum gossip_state to)
{
	for (size_t i = 0; i < seen_n; i++) {
		const struct gossip_action *action = &seen[i].action;

		if (action->kind == GOSSIP_ACTION_MEMBER && action->member.instance == instance &&
		    action->member.to == to)
			return seen[i].us;
	}
	return -1;
}

/* Let time pass until the silent one has been pinged; returns when. */
static int64_t until_probed(void)
{
	for (int i = 0; i < 5000 && first_sent(silent.instance, PING) < 0; i++)
		run_answered(now.us + MS);
	ck_assert_int_gt(first_sent(silent.instance, PING), 0);
	return first_sent(silent.instance, PING);
}

START_TEST(probe_timeline)
{
	int64_t ping_us;
	int64_t suspect_us;
	struct gossip_stats stats;
	struct wire_reader request;

	three_peers();
	ping_us = until_probed();
	suspect_us = ping_us + config.timers.probe_interval.us;
	run_answered(suspect_us + SUSPICION_SPREAD * config.timers.suspicion.us + 10 * MS);
	/* SWIM 4.1: relays after probe_timeout, suspicion at the end of the interval */
	ck_assert_int_eq(first_sent(q.instance, PING_REQ) > 0 ? first_sent(q.instance, PING_REQ)
							      : first_sent(r.instance, PING_REQ),
			 ping_us + config.timers.probe_timeout.us);
	request = expect_message(0, PING_REQ);
	(void)wire_read_u32(&request);
	ck_assert_uint_eq(wire_read_u64(&request), silent.instance);
	ck_assert_int_eq(news_us(silent.instance, GOSSIP_SUSPECT), suspect_us);
	/* SWIM 4.2: dead when nobody refutes; Lifeguard IV.B: late, as nobody confirms */
	ck_assert_int_eq(news_us(silent.instance, GOSSIP_DEAD),
			 suspect_us + SUSPICION_SPREAD * config.timers.suspicion.us);
	ck_assert_int_eq(last_news(silent.instance)->action.member.reason, GOSSIP_REASON_TIMEOUT);
	gossip_stats_get(g, &stats);
	ck_assert_uint_eq(stats.suspicions_n, 1);
	ck_assert_int_eq(state_of(q.instance), GOSSIP_ALIVE);
	ck_assert_int_eq(state_of(r.instance), GOSSIP_ALIVE);
}
END_TEST

/* A path that fails just when the ping is on it: asked again on the other one, before anybody is accused. */
START_TEST(probe_on_other_path)
{
	int64_t ping_us;
	struct wire_reader ping;
	size_t at = 0;
	uint32_t seq;

	config.endpoint_n = 2;
	config.endpoints[1] = endpoint_of(101);
	new_node(100 * SECOND);
	tick();
	silent = peer_of("p", 2);
	silent.second = endpoint_of(102);
	join(&silent);
	forget_seen();
	ping_us = until_probed();
	ck_assert(next_message(&at, silent.instance, PING, &ping));
	ck_assert_uint_eq(seen[at - 1].action.send.path, 0);
	seq = wire_read_u32(&ping);
	run_until(ping_us + config.timers.probe_timeout.us);
	while (next_message(&at, silent.instance, PING, &ping) && seen[at - 1].action.send.path != 1)
		;
	ck_assert_uint_eq(seen[at - 1].action.send.path, 1);
	ck_assert_int_eq(endpoint_compare(seen[at - 1].action.send.to, silent.second), 0);
	ck_assert_uint_eq(wire_read_u32(&ping), seq);
	receive_path = 1;
	at--;
	answer_pings(&silent, &at);
	receive_path = 0;
	run(config.timers.probe_interval.us - config.timers.probe_timeout.us + 1);
	ck_assert_int_eq(news_us(silent.instance, GOSSIP_SUSPECT), -1);
}
END_TEST

/*
 * Lifeguard IV.B: each independent accuser brings the end nearer, by log(C + 1) / log(K + 1) with K = 2 here. The same one twice,
 * hearsay, and the suspect itself confirm nothing.
 */
static const struct {
	size_t accuser_n;
	uint64_t accusers[3]; /* 1: q; 2: r; 3: the suspect; 0: hearsay */
	int64_t share;	      /* of the way from the longest to the shortest, in thousandths */
} confirmations[] = {
	{ 0, { 0 }, 0 },    { 1, { 1 }, 631 },	{ 2, { 1, 2 }, 1000 },	  { 2, { 1, 1 }, 631 },
	{ 2, { 0, 0 }, 0 }, { 2, { 3, 0 }, 0 }, { 3, { 2, 0, 1 }, 1000 },
};

START_TEST(confirmed)
{
	int64_t least = config.timers.suspicion.us;
	int64_t most = least * SUSPICION_SPREAD;
	int64_t suspect_us;

	three_peers();
	suspect_us = until_probed() + config.timers.probe_interval.us;
	run_answered(suspect_us);
	ck_assert_int_eq(state_of(silent.instance), GOSSIP_SUSPECT);
	for (size_t i = 0; i < confirmations[_i].accuser_n; i++) {
		struct wire_writer w = empty();

		put_accusation(&w, silent.instance, silent.incarnation, GOSSIP_SUSPECT,
			       confirmations[_i].accusers[i] == 1   ? q.instance
			       : confirmations[_i].accusers[i] == 2 ? r.instance
			       : confirmations[_i].accusers[i] == 3 ? silent.instance
								    : 0);
		receive(&q, &w);
	}
	run_answered(suspect_us + most + 10 * MS);
	ck_assert_int_eq(news_us(silent.instance, GOSSIP_DEAD),
			 suspect_us + most - (most - least) * confirmations[_i].share / 1000);
}
END_TEST

/* A suspect is pinged every probe_timeout with the suspicion before the ping, so that one packet is enough to refute. */
START_TEST(suspect_is_asked)
{
	struct wire_reader message;
	int64_t suspect_us;
	size_t at = 0;
	size_t asked = 0;

	three_peers();
	suspect_us = until_probed() + config.timers.probe_interval.us;
	run_answered(suspect_us - 1);
	forget_seen();
	run_answered(suspect_us + config.timers.suspicion.us / 2);
	while (next_message(&at, silent.instance, PING, &message)) {
		struct wire_reader all = wire_reader_of(seen[at - 1].action.send.body, seen[at - 1].action.send.len);

		ck_assert_uint_eq(wire_read_u8(&all), STATE);
		ck_assert_uint_eq(wire_read_u16(&all), 21);
		ck_assert_uint_eq(wire_read_u64(&all), silent.instance);
		ck_assert_uint_eq(wire_read_u32(&all), silent.incarnation);
		ck_assert_uint_eq(wire_read_u8(&all), GOSSIP_SUSPECT);
		asked++;
	}
	ck_assert_uint_ge(asked, (size_t)(config.timers.suspicion.us / 2 / config.timers.probe_timeout.us) - 1);
	/* it refutes */
	{
		struct wire_writer w = empty();

		silent.incarnation = 2;
		put_record(&w, &silent, GOSSIP_ALIVE, "meta");
		receive(&silent, &w);
	}
	ck_assert_int_eq(state_of(silent.instance), GOSSIP_ALIVE);
	ck_assert_int_eq(last_news(silent.instance)->action.member.reason, GOSSIP_REASON_REFUTED);
}
END_TEST

/* Which answers end a probe? */
enum answer { ANSWER_GOOD, ANSWER_WRONG_SEQ, ANSWER_OTHER_SENDER, ANSWER_VIA, ANSWER_VIA_WRONG_SEQ };

static const struct {
	enum answer answer;
	bool accepted;
} answers[] = {
	{ ANSWER_GOOD, true },		{ ANSWER_WRONG_SEQ, false },
	{ ANSWER_OTHER_SENDER, false }, /* memberlist matches acks by number alone */
	{ ANSWER_VIA, true },		{ ANSWER_VIA_WRONG_SEQ, false },
};

START_TEST(probe_answer)
{
	enum answer answer = answers[_i].answer;
	bool via = answer == ANSWER_VIA || answer == ANSWER_VIA_WRONG_SEQ;
	bool wrong = answer == ANSWER_WRONG_SEQ || answer == ANSWER_VIA_WRONG_SEQ;
	struct peer *sender = answer == ANSWER_OTHER_SENDER || via ? &q : &silent;
	struct gossip_member member;
	struct wire_reader ping;
	struct wire_writer w = empty();
	int64_t ping_us;
	uint32_t seq;
	size_t at;

	three_peers();
	ping_us = until_probed();
	ping = expect_message(silent.instance, PING);
	seq = wire_read_u32(&ping) + (wrong ? 1 : 0);
	run_until(ping_us + 20 * MS);
	if (via) {
		at = begin(&w, ACK_VIA);
		wire_write_u32(&w, seq);
		end(&w, at);
	} else {
		put_ping(&w, ACK, seq, sender);
	}
	receive(sender, &w);
	run_answered(ping_us + config.timers.probe_interval.us + MS);
	ck_assert_int_eq(state_of(silent.instance), answers[_i].accepted ? GOSSIP_ALIVE : GOSSIP_SUSPECT);
	ck_assert(gossip_member_find(g, silent.instance, &member));
	if (answer == ANSWER_GOOD)
		ck_assert_int_eq(member.rtt.us, 20 * MS);
	else
		ck_assert_int_lt(member.rtt.us, 0);
}
END_TEST

/* We relay: a ping to the target, its answer back under the number of the asker. */
START_TEST(relay)
{
	struct wire_writer w = empty();
	struct wire_reader ping;
	struct wire_reader via;
	size_t at;

	three_peers();
	at = begin(&w, PING_REQ);
	wire_write_u32(&w, 4711);
	wire_write_u64(&w, silent.instance);
	end(&w, at);
	receive(&q, &w);
	ping = expect_message(silent.instance, PING);
	ck_assert_uint_eq(count_messages(q.instance, ACK_VIA), 0);
	w = empty();
	put_ping(&w, ACK, wire_read_u32(&ping), &silent);
	receive(&silent, &w);
	via = expect_message(q.instance, ACK_VIA);
	ck_assert_uint_eq(wire_read_u32(&via), 4711);
	ck_assert_uint_eq(count_messages(0, ACK_VIA), 1);
	receive(&silent, &w); /* answered once */
	ck_assert_uint_eq(count_messages(0, ACK_VIA), 1);
}
END_TEST

/* Each live member is probed once in a round, and every round visits all (SWIM 4.3). */
START_TEST(round_robin)
{
	size_t n[3];

	three_peers();
	run_answered(now.us + MS);
	/* p answers as well, so that nobody is pinged as a suspect */
	for (int64_t end_us = now.us + 30 * config.timers.probe_interval.us; now.us < end_us;) {
		static size_t at_p;

		if (seen_n < 10)
			at_p = 0;
		run_answered(now.us + MS);
		answer_pings(&silent, &at_p);
	}
	n[0] = count_messages(silent.instance, PING);
	n[1] = count_messages(q.instance, PING);
	n[2] = count_messages(r.instance, PING);
	ck_assert_uint_ge(n[0] + n[1] + n[2], 29);
	for (size_t i = 0; i < 3; i++) {
		ck_assert_uint_ge(n[i], 9);
		ck_assert_uint_le(n[i], 11);
	}
	ck_assert_uint_eq(count_messages(SELF_INSTANCE, PING), 0);
}
END_TEST

/* --- our own lateness ---------------------------------------------------------------------------------------------------------------- */

/* A process that stood still accuses nobody: neither for the probe it did not see answered nor for suspicions it held. */
START_TEST(late_probe)
{
	three_peers();
	(void)until_probed();
	now.us += 60 * SECOND;
	tick();
	ck_assert_int_eq(state_of(silent.instance), GOSSIP_ALIVE);
	ck_assert_int_eq(state_of(q.instance), GOSSIP_ALIVE);
	ck_assert_int_eq(state_of(r.instance), GOSSIP_ALIVE);
}
END_TEST

START_TEST(late_suspicion)
{
	int64_t suspect_us;

	three_peers();
	suspect_us = until_probed() + config.timers.probe_interval.us;
	run_answered(suspect_us + 10 * MS);
	ck_assert_int_eq(state_of(silent.instance), GOSSIP_SUSPECT);
	now.us += 60 * SECOND;
	tick();
	ck_assert_int_eq(state_of(silent.instance), GOSSIP_SUSPECT);
	run(config.timers.suspicion.us - 1); /* the suspicion began anew */
	ck_assert_int_eq(state_of(silent.instance), GOSSIP_SUSPECT);
	run(1);
	ck_assert_int_eq(state_of(silent.instance), GOSSIP_DEAD);
}
END_TEST

/* --- the dead -------------------------------------------------------------------------------------------------------------------------- */

/* Who speaks though we hold it for dead is told so, and not more often than redial_interval. */
START_TEST(dead_one_speaks)
{
	struct wire_writer w = empty();
	struct wire_reader state;

	three_peers();
	claim(&q, silent.instance, 1, GOSSIP_DEAD);
	if (state_of(silent.instance) == GOSSIP_SUSPECT) /* it joined just now, so it is asked first */
		run(config.timers.suspicion.us + 10 * MS);
	ck_assert_int_eq(state_of(silent.instance), GOSSIP_DEAD);
	run(SECOND);
	forget_seen();
	put_ping(&w, PING, 1, &silent);
	receive(&silent, &w);
	receive(&silent, &w);
	ck_assert_uint_eq(count_messages(silent.instance, ACK), 2);
	ck_assert_uint_ge(count_messages(silent.instance, STATE), 1);
	state = expect_message(silent.instance, STATE);
	ck_assert_uint_eq(wire_read_u64(&state), silent.instance);
	ck_assert_uint_eq(wire_read_u32(&state), 1);
	ck_assert_uint_eq(wire_read_u8(&state), GOSSIP_DEAD);
	ck_assert_int_eq(state_of(silent.instance), GOSSIP_DEAD); /* only its own higher incarnation brings it back */
}
END_TEST

START_TEST(dead_one_is_dialled)
{
	size_t n = 0;

	three_peers();
	claim(&q, silent.instance, 1, GOSSIP_DEAD);
	run_answered(now.us + config.timers.suspicion.us + 10 * MS);
	ck_assert_int_eq(state_of(silent.instance), GOSSIP_DEAD);
	forget_seen();
	run_answered(now.us + 60 * SECOND / 10);
	for (size_t i = 0; i < seen_n; i++) {
		const struct gossip_action *action = &seen[i].action;

		if (action->kind != GOSSIP_ACTION_SEND || action->send.receiver != 0)
			continue;
		ck_assert_int_eq(endpoint_compare(action->send.to, silent.endpoint), 0);
		n++;
	}
	ck_assert_uint_ge(n, (size_t)(6 * SECOND / config.timers.redial_interval.us) - 1);
}
END_TEST

START_TEST(dead_one_is_reaped)
{
	int64_t dead_us;

	config.timers.reap_after = span_s(30);
	new_node(100 * SECOND);
	tick();
	silent = peer_of("p", 2);
	join(&silent);
	run(4 * SECOND); /* two probe intervals and the suspicion */
	dead_us = news_us(silent.instance, GOSSIP_DEAD);
	ck_assert_int_gt(dead_us, 0);
	run_until(dead_us + 30 * SECOND - 1);
	ck_assert_int_eq(state_of(silent.instance), GOSSIP_DEAD);
	run(11 * SECOND); /* looked for every ten seconds */
	ck_assert_uint_eq(state_of(silent.instance), 0);
	ck_assert_int_eq(last_news(silent.instance)->action.member.reason, GOSSIP_REASON_REAPED);
	ck_assert_int_eq(last_news(silent.instance)->action.member.from, GOSSIP_DEAD);
	ck_assert_uint_eq(gossip_member_n(g), 1);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("gossip_swim");
	TCase *tcase = tcase_create("gossip_swim");

#define LOOP(test, table) tcase_add_loop_test(tcase, test, 0, (int)(sizeof(table) / sizeof((table)[0])))
	tcase_add_checked_fixture(tcase, setup, teardown);
	LOOP(precedence_table, precedence);
	tcase_add_test(tcase, claim_about_a_stranger);
	tcase_add_test(tcase, new_metadata);
	LOOP(refutation, accusations);
	tcase_add_test(tcase, probe_timeline);
	tcase_add_test(tcase, probe_on_other_path);
	tcase_add_loop_test(tcase, confirmed, 0, sizeof(confirmations) / sizeof(confirmations[0]));
	tcase_add_test(tcase, suspect_is_asked);
	LOOP(probe_answer, answers);
	tcase_add_test(tcase, relay);
	tcase_add_test(tcase, round_robin);
	tcase_add_test(tcase, late_probe);
	tcase_add_test(tcase, late_suspicion);
	tcase_add_test(tcase, dead_one_speaks);
	tcase_add_test(tcase, dead_one_is_dialled);
	tcase_add_test(tcase, dead_one_is_reaped);
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
