/* SPDX-License-Identifier: Apache-2.0 */
/* gossip/watch.c: the lease by hand and against a model, hurry, ages of votes, vows; and that no quorum is sure while a lease runs. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "gossip/watch.h"

#define MEMBER_N_MAX 7
#define MS INT64_C(1000)
#define NEVER_US (START_US - 3600 * INT64_C(1000000))
#define START_US (INT64_C(10000) * 1000 * MS)
#define BEAT_US (25 * MS)
#define PATIENCE_US (250 * MS)
#define LEASE_US (PATIENCE_US - BEAT_US)
#define SELF UINT64_C(100)
#define VOW_US (600 * MS)

static const struct watch_timers timers = { { BEAT_US }, { 150 * MS }, { 100 * MS }, { 10 * MS } };

/* As ck_assert, for hot loops: libcheck writes a line to its parent for each of its own. */
#define MUST(condition)                                 \
	do {                                            \
		if (!(condition))                       \
			ck_abort_msg("%s", #condition); \
	} while (0)

/* --- one watch, and others made by hand: 100 is the watch, 101 and so on are the others ------------------------------- */

static struct watch w;
static struct watch_out out;
static int64_t now_us;
static uint32_t last_seq[MEMBER_N_MAX]; /* of its last heartbeat to each */
static int64_t sent_us[MEMBER_N_MAX][WATCH_SENT_MAX];
static uint32_t their_seq;

/* What it says to each: heartbeats by hurry, and all of its last votes. */
static size_t hurried_n;
static int64_t hurried_us;

static struct instant now(void)
{
	return (struct instant){ now_us };
}

static size_t fill(struct watch_member members[MEMBER_N_MAX], size_t n, bool fresh)
{
	for (size_t i = 0; i < n; i++)
		members[i] = (struct watch_member){ hash_mix(i + 1), SELF + i, fresh };
	return n;
}

static void watch_with(size_t member_n)
{
	struct watch_member members[MEMBER_N_MAX];

	now_us = START_US;
	their_seq = 0;
	hurried_n = 0;
	memset(last_seq, 0, sizeof(last_seq));
	memset(sent_us, 0, sizeof(sent_us));
	watch_init(&w, &timers, SELF, false, now());
	watch_view(&w, members, fill(members, member_n, true), now());
}

static void note_sent(void)
{
	for (size_t i = 0; i < out.message_n; i++) {
		const struct watch_message *message = &out.messages[i];
		size_t to = (size_t)(message->to - SELF);

		if (message->kind != WATCH_BEAT)
			continue;
		last_seq[to] = message->beat.seq;
		sent_us[to][message->beat.seq % WATCH_SENT_MAX] = now_us;
		hurried_n += message->beat.hurry;
		if (message->beat.hurry)
			hurried_us = now_us;
	}
}

static void tick(void)
{
	out.message_n = 0;
	out.dead_n = 0;
	watch_tick(&w, now(), &out);
	note_sent();
}

/* Tick whenever it wants to, up to then. */
static void run_until(int64_t us)
{
	while (watch_deadline(&w).us <= us) {
		if (now_us < watch_deadline(&w).us)
			now_us = watch_deadline(&w).us;
		tick();
	}
	now_us = us;
}

static struct watch_beat echo_of(uint32_t seq)
{
	return (struct watch_beat){ .seq = ++their_seq, .echo = seq, .patience = { PATIENCE_US } };
}

static void take_beat(size_t from, const struct watch_beat *beat)
{
	out.message_n = 0;
	out.dead_n = 0;
	watch_heard(&w, SELF + from, now(), now());
	(void)watch_take_beat(&w, SELF + from, beat, now(), now(), &out);
	note_sent();
}

/* It has heard our last heartbeat. */
static void echo(size_t from)
{
	struct watch_beat beat = echo_of(last_seq[from]);

	take_beat(from, &beat);
}

/* --- how long a lease lasts ------------------------------------------------------------------------------------------- */

static const struct {
	size_t watcher_n;
	size_t needed; /* K - Q + 1 watchers must have echoed */
} quorums[] = { { 1, 1 }, { 2, 1 }, { 3, 2 }, { 4, 2 }, { 5, 3 } };

/* Each watcher echoes a later heartbeat than the one before it: the lease is that of the K - Q + 1 th latest. */
START_TEST(quorum_grants)
{
	size_t n = quorums[_i].watcher_n;

	watch_with(n + 1);
	ck_assert_uint_eq(w.watcher_n, n);
	for (size_t i = 0; i < n; i++) {
		run_until(START_US + (int64_t)i * BEAT_US);
		now_us += MS; /* the echo takes a moment: it is the sending that counts */
		echo(1 + i);
		if (i + 1 < quorums[_i].needed)
			ck_assert_int_eq(w.lease.us, NEVER_US);
		else
			ck_assert_int_eq(w.lease.us,
					 START_US + LEASE_US + (int64_t)(i + 1 - quorums[_i].needed) * BEAT_US);
	}
}
END_TEST

static const struct {
	int64_t patience_us;
	bool vowed;
	int64_t lease_us; /* from the sending of the heartbeat; 0: none */
} echoes[] = {
	{ PATIENCE_US, false, LEASE_US },
	{ PATIENCE_US - 60 * MS, false, LEASE_US - 60 * MS }, /* it votes sooner than we would */
	{ PATIENCE_US + 60 * MS, false, LEASE_US },	      /* it votes later: a new watcher may not */
	{ PATIENCE_US, true, 0 },			      /* it may have voted */
	{ PATIENCE_US + 60 * MS, true, 0 },
};

START_TEST(what_an_echo_grants)
{
	struct watch_beat beat;

	watch_with(2);
	tick();
	beat = echo_of(last_seq[1]);
	beat.patience = span_us(echoes[_i].patience_us);
	beat.vowed = echoes[_i].vowed;
	now_us += MS;
	take_beat(1, &beat);
	ck_assert_int_eq(w.lease.us, echoes[_i].lease_us == 0 ? NEVER_US : START_US + echoes[_i].lease_us);
}
END_TEST

/* A heartbeat without an echo, of a number that we never used, or too old to know when it was sent, grants nothing. */
START_TEST(what_is_no_echo)
{
	struct watch_beat beat;

	watch_with(2);
	tick();
	beat = echo_of(0);
	take_beat(1, &beat);
	beat = echo_of(last_seq[1] + 1);
	take_beat(1, &beat);
	beat = echo_of(last_seq[1] - WATCH_SENT_MAX);
	take_beat(1, &beat);
	ck_assert_int_eq(w.lease.us, NEVER_US);
}
END_TEST

static int later_first(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a;
	int64_t y = *(const int64_t *)b;

	return x < y ? 1 : x > y ? -1 : 0;
}

/* Echoes old and new, patient and not, vowed and not, in any order: the lease is always what the rule says, and never goes back. */
START_TEST(lease_by_rule)
{
	size_t n = quorums[_i].watcher_n;
	struct rng rng = rng_of(n);
	int64_t ends[WATCH_K];
	int64_t sorted[WATCH_K];
	int64_t lease_us = NEVER_US;

	watch_with(n + 1);
	for (size_t i = 0; i < n; i++)
		ends[i] = NEVER_US;
	for (int round = 0; round < 20000; round++) {
		size_t from = (size_t)rng_below(&rng, n);
		struct watch_beat beat;
		int64_t end_us;

		run_until(now_us + rng_between(&rng, 1, 20 * MS));
		beat = echo_of(last_seq[1 + from] - (uint32_t)rng_below(&rng, 12));
		beat.patience.us = PATIENCE_US + rng_between(&rng, -4, 4) * 10 * MS;
		beat.vowed = rng_chance(&rng, 200000);
		beat.hurry = rng_chance(&rng, 100000);
		end_us = sent_us[1 + from][beat.echo % WATCH_SENT_MAX];
		if (end_us == 0)
			continue; /* before the first */
		end_us += (beat.patience.us < PATIENCE_US ? beat.patience.us : PATIENCE_US) - BEAT_US;
		take_beat(1 + from, &beat);
		if (!beat.vowed && ends[from] < end_us)
			ends[from] = end_us;
		memcpy(sorted, ends, sizeof(ends));
		qsort(sorted, n, sizeof(sorted[0]), later_first);
		if (lease_us < sorted[n - (n / 2 + 1)])
			lease_us = sorted[n - (n / 2 + 1)];
		MUST(w.lease.us == lease_us);
	}
	ck_assert_int_gt(lease_us, now_us - 2 * LEASE_US);
}
END_TEST

/* Watchers go, and others come: what was granted stays; what the new ones say counts from then on. */
START_TEST(watchers_change)
{
	struct watch_member members[MEMBER_N_MAX];

	watch_with(6);
	tick();
	for (size_t i = 1; i <= 3; i++)
		echo(i);
	ck_assert_int_eq(w.lease.us, START_US + LEASE_US);
	for (size_t i = 1; i <= 3; i++) /* those who granted it */
		watch_drop(&w, SELF + i);
	ck_assert_uint_eq(w.watcher_n, 2);
	ck_assert_int_eq(w.lease.us, START_US + LEASE_US);
	now_us += BEAT_US;
	watch_view(&w, members, fill(members, 6, true), now());
	ck_assert_uint_eq(w.watcher_n, 5);
	ck_assert_int_eq(w.lease.us, START_US + LEASE_US);
	tick();
	for (size_t i = 1; i <= 2; i++)
		echo(i);
	ck_assert_int_eq(w.lease.us, START_US + LEASE_US); /* two of five are not enough, and it does not go back */
	echo(3);
	ck_assert_int_eq(w.lease.us, START_US + BEAT_US + LEASE_US);
}
END_TEST

START_TEST(alone)
{
	watch_with(1);
	ck_assert_uint_eq(w.watcher_n, 0);
	run_until(START_US + 1000 * MS);
	ck_assert_uint_eq(hurried_n, 0);
	/* and when all others have gone: the last lease is remembered, and nobody is asked for another */
	watch_with(3);
	tick();
	echo(1);
	for (size_t i = 1; i <= 2; i++)
		watch_drop(&w, SELF + i);
	ck_assert_uint_eq(w.watcher_n, 0);
	ck_assert_int_eq(w.lease.us, START_US + LEASE_US);
	ck_assert_int_eq(w.hurry_at.us, INSTANT_NEVER.us);
}
END_TEST

/* --- hurry ------------------------------------------------------------------------------------------------------------ */

/* Less than half of the lease is left: heartbeats out of turn to each watcher, until long after its end. */
START_TEST(hurry)
{
	int64_t start_us = START_US + LEASE_US / 2;
	int64_t end_us = START_US + LEASE_US + 3 * LEASE_US;
	int64_t before_us;
	size_t n;

	watch_with(3);
	tick();
	echo(1);
	echo(2);
	run_until(start_us - 1);
	ck_assert_uint_eq(hurried_n, 0);
	run_until(start_us + 2);
	ck_assert_uint_eq(hurried_n, 2);
	while (now_us < end_us) {
		n = hurried_n;
		before_us = hurried_us;
		run_until(now_us + BEAT_US / 2);
		MUST(hurried_n == n + 2);
		MUST(hurried_us - before_us >= BEAT_US / 2 - 2);
	}
	run_until(now_us + BEAT_US);
	n = hurried_n;
	run_until(now_us + 20 * LEASE_US);
	ck_assert_uint_eq(hurried_n, n);
}
END_TEST

/* An echo that renews the lease ends the hurry until half of the new one is over. */
START_TEST(hurry_ends)
{
	int64_t renewed_us;
	size_t n;

	watch_with(2);
	tick();
	echo(1);
	run_until(START_US + LEASE_US);
	ck_assert_uint_gt(hurried_n, 0);
	renewed_us = sent_us[1][last_seq[1] % WATCH_SENT_MAX];
	echo(1);
	n = hurried_n;
	run_until(renewed_us + LEASE_US / 2 - 1);
	ck_assert_uint_eq(hurried_n, n);
	run_until(renewed_us + LEASE_US / 2 + 2);
	ck_assert_uint_gt(hurried_n, n);
}
END_TEST

/* One is answered at once, by a heartbeat that echoes it and asks for no answer itself. */
START_TEST(hurry_is_answered)
{
	struct watch_beat beat;

	watch_with(2);
	tick();
	beat = echo_of(last_seq[1]);
	take_beat(1, &beat);
	ck_assert_uint_eq(out.message_n, 0); /* no hurry, no answer */
	now_us += MS;
	beat = echo_of(last_seq[1]);
	beat.hurry = true;
	take_beat(1, &beat);
	ck_assert_uint_eq(out.message_n, 1);
	ck_assert_int_eq(out.messages[0].kind, WATCH_BEAT);
	ck_assert_uint_eq(out.messages[0].to, SELF + 1);
	ck_assert_uint_eq(out.messages[0].beat.echo, beat.seq);
	ck_assert_int_eq(out.messages[0].beat.echo_age.us, 0);
	ck_assert_int_eq(out.messages[0].beat.patience.us, PATIENCE_US);
	ck_assert(!out.messages[0].beat.hurry);
}
END_TEST

/* --- votes ------------------------------------------------------------------------------------------------------------ */

/* 101 falls silent at START_US; 102 and 103 are well. Two of its three watchers are a quorum. */
static size_t votes_n;
static int64_t vote_us;
static struct span vote_age;

static void others_live(void)
{
	for (size_t i = 2; i <= 3; i++) {
		watch_heard(&w, SELF + i, now(), now());
		watch_echoed(&w, SELF + i, now(), now());
	}
}

static void tick_votes(void)
{
	others_live();
	tick();
	for (size_t i = 0; i < out.message_n; i++) {
		if (out.messages[i].kind != WATCH_VOTE)
			continue;
		MUST(out.messages[i].subject == SELF + 1);
		votes_n++;
		vote_us = now_us;
		vote_age = out.messages[i].age;
	}
}

static void run_until_vote(int64_t limit_us)
{
	while (votes_n == 0 && now_us < limit_us) {
		now_us += MS;
		tick_votes();
	}
}

static void silence_101(bool hint)
{
	votes_n = 0;
	watch_with(4);
	tick();
	for (size_t i = 1; i <= 3; i++)
		echo(i);
	if (hint)
		watch_hint(&w, SELF + 1, now());
}

static void vote_of(size_t voter, int64_t age_us)
{
	struct watch_message vote = { .kind = WATCH_VOTE, .subject = SELF + 1, .age = { age_us } };

	out.message_n = 0;
	out.dead_n = 0;
	watch_take(&w, SELF + voter, &vote, now(), &out);
}

static const struct {
	bool hinted;
	int64_t wait_us; /* after our own first vote */
	int64_t age_us;	 /* of the other's */
	bool sure;
} verdicts[] = {
	{ false, 0, PATIENCE_US, true },
	{ false, 0, PATIENCE_US + 500 * MS, true },
	{ false, 0, PATIENCE_US - 1, false }, /* a hint has shortened the other's */
	{ true, 0, PATIENCE_US, false },      /* or ours */
	{ true, 0, 100 * MS, false },
	{ true, 160 * MS, PATIENCE_US, true }, /* the silence has lasted for so long by now */
	{ true, 160 * MS, 100 * MS, false },
};

START_TEST(verdict_is_sure)
{
	int64_t voted_us = START_US + (verdicts[_i].hinted ? 100 * MS : PATIENCE_US);

	silence_101(verdicts[_i].hinted);
	run_until_vote(voted_us + 20 * MS);
	ck_assert_uint_gt(votes_n, 0);
	ck_assert_int_ge(vote_us, voted_us);
	ck_assert_int_eq(vote_age.us, vote_us - START_US); /* how long the voter has heard nothing */
	for (int64_t end_us = now_us + verdicts[_i].wait_us; now_us < end_us; now_us += MS)
		tick_votes();
	ck_assert_uint_eq(out.dead_n, 0);
	vote_of(2, verdicts[_i].age_us);
	ck_assert_uint_eq(out.dead_n, 1);
	ck_assert_uint_eq(out.dead[0].instance, SELF + 1);
	ck_assert_int_eq(out.dead[0].sure, verdicts[_i].sure);
	/* the same voter again: its last word counts */
	vote_of(2, PATIENCE_US);
	ck_assert_int_eq(out.dead[0].sure, !verdicts[_i].hinted || verdicts[_i].wait_us > 0);
}
END_TEST

/* Who has voted against a member grants it nothing, until nobody counts that vote any more, even when it is heard again. */
START_TEST(vow)
{
	bool voted = false;
	bool cleared = false;
	size_t free_n = 0;

	silence_101(false);
	for (; now_us < START_US + 2000 * MS; now_us += MS) {
		if (now_us >= START_US + PATIENCE_US + 100 * MS) { /* it is back */
			watch_heard(&w, SELF + 1, now(), now());
			watch_echoed(&w, SELF + 1, now(), now());
			cleared = true;
		}
		votes_n = 0;
		tick_votes();
		voted |= votes_n > 0;
		MUST(!cleared || votes_n == 0);
		for (size_t i = 0; i < out.message_n; i++) {
			const struct watch_message *message = &out.messages[i];
			bool verified = now_us > START_US + 150 * MS && !cleared; /* nor does it while it verifies */
			bool expected = message->to == SELF + 1 && (verified || (voted && now_us < vote_us + VOW_US));

			if (message->kind != WATCH_BEAT)
				continue;
			MUST(message->beat.vowed == expected);
			free_n += message->to == SELF + 1 && voted && !message->beat.vowed;
		}
	}
	ck_assert(voted);
	ck_assert_uint_gt(free_n, 0);
}
END_TEST

/* --- clusters on a bad network ------------------------------------------------------------------------------------------ */

#define RUN_N 1000 /* it held in ten times as many; each is 1.5 s of a cluster */
#define RUN_US (1500 * MS)
#define CALM_US (300 * MS) /* at the beginning, so that there are leases */
#define FLIGHT_MAX 4096
#define DELAY_MAX_US (90 * MS) /* votes that are longer on their way are an assumption of the vow */

struct flight {
	int64_t at_us;
	size_t from;
	size_t to;
	bool answer; /* to a ping that was sent then */
	int64_t ping_us;
	struct watch_message message;
};

static struct {
	struct rng rng;
	size_t n;
	struct watch watches[MEMBER_N_MAX];
	bool cut[MEMBER_N_MAX][MEMBER_N_MAX]; /* from, to */
	uint32_t loss_ppm;
	int64_t delay_us;
	int64_t change_us; /* when the network changes next */
	size_t flight_n;
	struct flight flights[FLIGHT_MAX];
} world;

static uint64_t sure_n;
static uint64_t unsure_n;
static uint64_t close_n; /* sure ones less than a heartbeat and the way of a packet after the end of the lease */

static void launch(const struct flight *flight)
{
	struct flight *slot = &world.flights[world.flight_n];

	if (world.cut[flight->from][flight->to] || rng_chance(&world.rng, world.loss_ppm))
		return;
	MUST(world.flight_n < FLIGHT_MAX);
	*slot = *flight;
	slot->at_us = now_us + rng_between(&world.rng, 50, world.delay_us);
	world.flight_n++;
}

static void check_verdicts(const struct watch_out *from)
{
	for (size_t i = 0; i < from->dead_n; i++) {
		const struct watch *subject = &world.watches[from->dead[i].instance - SELF];

		unsure_n += !from->dead[i].sure;
		if (!from->dead[i].sure)
			continue;
		sure_n++;
		close_n += now_us - subject->lease.us < BEAT_US + DELAY_MAX_US;
		if (now_us < subject->lease.us)
			ck_abort_msg("a quorum of %zu is sure, and the lease runs for another %lld us", world.n - 1,
				     (long long)(subject->lease.us - now_us));
	}
}

static void carry(size_t from)
{
	check_verdicts(&out);
	for (size_t i = 0; i < out.message_n; i++) {
		struct flight flight = { .from = from, .to = (size_t)(out.messages[i].to - SELF) };

		flight.message = out.messages[i];
		flight.ping_us = now_us;
		launch(&flight);
	}
	out.message_n = 0;
	out.dead_n = 0;
}

static void land(const struct flight *flight)
{
	struct watch *to = &world.watches[flight->to];
	uint64_t from = SELF + flight->from;

	watch_heard(to, from, now(), now());
	if (flight->answer)
		watch_echoed(to, from, (struct instant){ flight->ping_us }, now());
	else if (flight->message.kind == WATCH_BEAT)
		(void)watch_take_beat(to, from, &flight->message.beat, now(), now(), &out);
	else if (flight->message.kind == WATCH_PING)
		launch(&(const struct flight){
			.from = flight->to, .to = flight->from, .answer = true, .ping_us = flight->ping_us });
	else
		watch_take(to, from, &flight->message, now(), &out);
	carry(flight->to);
}

/* Another network: whole, one member cut off in one or both directions, two sides, or any links in any direction. */
static void change_network(void)
{
	uint64_t kind = rng_below(&world.rng, 6);
	size_t one = (size_t)rng_below(&world.rng, world.n);
	uint64_t side = rng_u64(&world.rng);
	uint32_t link_ppm = (uint32_t)rng_below(&world.rng, 900000);

	for (size_t from = 0; from < world.n; from++) {
		for (size_t to = 0; to < world.n; to++) {
			bool cut[] = { false,
				       from == one || to == one,
				       from == one,
				       to == one,
				       ((side >> from ^ side >> to) & 1) != 0,
				       rng_chance(&world.rng, link_ppm) };

			world.cut[from][to] = cut[kind];
		}
	}
	if (rng_chance(&world.rng, 300000))
		watch_hint(&world.watches[rng_below(&world.rng, world.n)], SELF + one, now());
	world.change_us = now_us + rng_between(&world.rng, 20 * MS, 600 * MS);
}

static void begin(uint64_t seed)
{
	struct watch_member members[MEMBER_N_MAX];

	now_us = START_US;
	world.rng = rng_of(seed);
	world.n = (size_t)rng_between(&world.rng, 3, MEMBER_N_MAX);
	world.loss_ppm = (uint32_t)rng_below(&world.rng, 2) * (uint32_t)rng_below(&world.rng, 400000);
	world.delay_us = rng_between(&world.rng, 50, rng_chance(&world.rng, 500000) ? MS : DELAY_MAX_US);
	world.change_us = START_US + CALM_US;
	world.flight_n = 0;
	memset(world.cut, 0, sizeof(world.cut));
	fill(members, world.n, true);
	for (size_t i = 0; i < world.n; i++) {
		watch_init(&world.watches[i], &timers, SELF + i, false, now());
		watch_view(&world.watches[i], members, world.n, now());
	}
}

/* Everything that is due now; true: there was something. */
static bool settle(void)
{
	bool any = now_us >= world.change_us;

	if (any)
		change_network();
	for (size_t i = 0; i < world.flight_n;) {
		struct flight flight = world.flights[i];

		if (flight.at_us > now_us) {
			i++;
			continue;
		}
		world.flights[i] = world.flights[--world.flight_n];
		land(&flight);
		any = true;
	}
	for (size_t i = 0; i < world.n; i++) {
		if (!instant_reached(watch_deadline(&world.watches[i]), now()))
			continue;
		watch_tick(&world.watches[i], now(), &out);
		carry(i);
		any = true;
	}
	return any;
}

static void advance(void)
{
	int64_t next_us = world.change_us;

	for (size_t i = 0; i < world.flight_n; i++)
		next_us = world.flights[i].at_us < next_us ? world.flights[i].at_us : next_us;
	for (size_t i = 0; i < world.n; i++)
		next_us =
			watch_deadline(&world.watches[i]).us < next_us ? watch_deadline(&world.watches[i]).us : next_us;
	now_us = next_us > now_us ? next_us : now_us;
}

/* THE property: whom a quorum holds for dead for sure has no lease left. The loop's seeds replay. */
START_TEST(never_two_rights)
{
	for (uint64_t seed = (uint64_t)_i * RUN_N / 10; seed < (uint64_t)(_i + 1) * RUN_N / 10; seed++) {
		begin(seed);
		while (now_us < START_US + RUN_US) {
			mark_point();
			while (settle())
				;
			advance();
		}
	}
	/* it was tried: deaths of both kinds, and leases that had just ended */
	ck_assert_uint_gt(sure_n, 100);
	ck_assert_uint_gt(unsure_n, 1);
	ck_assert_uint_gt(close_n, 10);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("gossip_lease");
	TCase *tcase = tcase_create("gossip_lease");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 120);
	tcase_add_loop_test(tcase, quorum_grants, 0, sizeof(quorums) / sizeof(quorums[0]));
	tcase_add_loop_test(tcase, what_an_echo_grants, 0, sizeof(echoes) / sizeof(echoes[0]));
	tcase_add_test(tcase, what_is_no_echo);
	tcase_add_loop_test(tcase, lease_by_rule, 0, sizeof(quorums) / sizeof(quorums[0]));
	tcase_add_test(tcase, watchers_change);
	tcase_add_test(tcase, alone);
	tcase_add_test(tcase, hurry);
	tcase_add_test(tcase, hurry_ends);
	tcase_add_test(tcase, hurry_is_answered);
	tcase_add_loop_test(tcase, verdict_is_sure, 0, sizeof(verdicts) / sizeof(verdicts[0]));
	tcase_add_test(tcase, vow);
	tcase_add_loop_test(tcase, never_two_rights, 0, 10);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
