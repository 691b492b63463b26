/* SPDX-License-Identifier: Apache-2.0 */
/* gossip/watch.c: rings that all members compute alike, exact times, quorum, amnesty; a round-trip world of its own. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "gossip/watch.h"

#define MEMBER_N_MAX 40
#define MS INT64_C(1000)

static const struct watch_timers timers = { { 25 * MS }, { 150 * MS }, { 100 * MS }, { 10 * MS } };

static struct watch watches[MEMBER_N_MAX];
static struct watch_member members[MEMBER_N_MAX];
static size_t member_n;
static bool silent[MEMBER_N_MAX];		    /* crashed */
static bool cut[MEMBER_N_MAX][MEMBER_N_MAX];	    /* from, to */
static int64_t dead_us[MEMBER_N_MAX][MEMBER_N_MAX]; /* observer, subject: when declared, or 0 */
static int64_t now_us;

static struct instant now(void)
{
	return (struct instant){ now_us };
}

static size_t index_of(uint64_t instance)
{
	return (size_t)(instance - 100);
}

static void setup(size_t n)
{
	memset(silent, 0, sizeof(silent));
	memset(cut, 0, sizeof(cut));
	memset(dead_us, 0, sizeof(dead_us));
	now_us = 1000 * MS;
	member_n = n;
	for (size_t i = 0; i < n; i++)
		members[i] = (struct watch_member){ hash_mix(i + 1), 100 + i, true };
	for (size_t i = 0; i < n; i++) {
		struct watch_member mine[MEMBER_N_MAX];

		/* each in an order of its own: it must not matter */
		for (size_t j = 0; j < n; j++)
			mine[j] = members[(i + j) % n];
		watch_init(&watches[i], &timers, members[i].instance, false, now());
		watch_view(&watches[i], mine, n, now());
	}
}

static void carry(size_t from, const struct watch_out *out);

/* A packet arrives at once: it is heard, and what it says is taken. */
static void deliver(size_t from, size_t to, const struct watch_message *message)
{
	struct watch_out out = { 0 };

	if (silent[from] || silent[to] || cut[from][to])
		return;
	watch_heard(&watches[to], members[from].instance, now(), now());
	if (message->kind == WATCH_PING && !cut[to][from]) { /* the answer */
		watch_heard(&watches[from], members[to].instance, now(), now());
		watch_echoed(&watches[from], members[to].instance, now(), now());
	}
	if (message->kind == WATCH_BEAT)
		(void)watch_take_beat(&watches[to], members[from].instance, &message->beat, now(), now(), &out);
	if (message->kind >= WATCH_ASK)
		watch_take(&watches[to], members[from].instance, message, now(), &out);
	carry(to, &out);
}

static void carry(size_t from, const struct watch_out *out)
{
	for (size_t i = 0; i < out->message_n; i++)
		deliver(from, index_of(out->messages[i].to), &out->messages[i]);
	for (size_t i = 0; i < out->dead_n; i++) {
		int64_t *at = &dead_us[from][index_of(out->dead[i].instance)];

		*at = *at == 0 ? now_us : *at;
	}
}

static void run(int64_t us)
{
	int64_t end_us = now_us + us;

	for (; now_us <= end_us; now_us += MS) {
		for (size_t i = 0; i < member_n; i++) {
			struct watch_out out = { 0 };

			if (silent[i] || !instant_reached(watch_deadline(&watches[i]), now()))
				continue;
			watch_tick(&watches[i], now(), &out);
			carry(i, &out);
		}
	}
}

static const struct watch_edge *edge_of(size_t observer, size_t subject)
{
	for (size_t i = 0; i < watches[observer].edge_n; i++) {
		if (watches[observer].edges[i].instance == members[subject].instance)
			return &watches[observer].edges[i];
	}
	return NULL;
}

static size_t deaths(void)
{
	size_t n = 0;

	for (size_t i = 0; i < member_n; i++) {
		for (size_t j = 0; j < member_n; j++)
			n += dead_us[i][j] > 0;
	}
	return n;
}

static const size_t sizes[] = { 2, 3, 4, 5, 6, 7, 12, 40 };

/* Who watches whom: both ends agree, each has min(n - 1, K) watchers, and the quorum is more than half of them. */
START_TEST(rings)
{
	size_t n = sizes[_i];
	size_t wanted = n - 1 < WATCH_K ? n - 1 : WATCH_K;

	setup(n);
	for (size_t subject = 0; subject < n; subject++) {
		size_t watcher_n = 0;

		for (size_t other = 0; other < n; other++) {
			const struct watch_edge *theirs = edge_of(other, subject);
			const struct watch_edge *ours = edge_of(subject, other);

			ck_assert_int_eq(theirs != NULL && theirs->subject, ours != NULL && ours->watcher);
			if (theirs == NULL || !theirs->subject)
				continue;
			watcher_n++;
			ck_assert_uint_ne(other, subject);
			ck_assert_uint_eq(theirs->quorum, wanted / 2 + 1);
			ck_assert_uint_eq(theirs->watcher_n, wanted - 1);
		}
		ck_assert_uint_eq(watcher_n, wanted);
	}
}
END_TEST

START_TEST(quiet)
{
	setup(sizes[_i]);
	run(20000 * MS);
	ck_assert_uint_eq(deaths(), 0);
}
END_TEST

/* Declared when silence + verify have passed since the last heartbeat, by a watcher with a quorum. */
START_TEST(crash)
{
	size_t n = sizes[_i];
	int64_t verify_us = n == 2 ? timers.verify.us * 3 / 2 : timers.verify.us; /* a sole watcher takes longer */
	int64_t crash_us;

	setup(n);
	run(2000 * MS);
	silent[1] = true;
	crash_us = now_us;
	run(400 * MS);
	ck_assert_uint_gt(deaths(), 0);
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < n; j++) {
			if (dead_us[i][j] == 0)
				continue;
			ck_assert_uint_eq(j, 1);
			ck_assert(edge_of(i, 1) != NULL && edge_of(i, 1)->subject);
			ck_assert_int_ge(dead_us[i][j] - crash_us, timers.silent.us + verify_us - timers.beat.us - MS);
			ck_assert_int_le(dead_us[i][j] - crash_us, timers.silent.us + verify_us + 2 * MS);
		}
	}
}
END_TEST

/* One watcher that cannot hear its subject is answered by the others: no vote, no death. */
START_TEST(one_link)
{
	setup(6);
	run(1000 * MS);
	cut[1][0] = true;
	cut[0][1] = _i == 1;
	run(20000 * MS);
	ck_assert_uint_eq(deaths(), 0);
}
END_TEST

/* Half of the watchers do not make a quorum: the small side of a partition declares nobody dead. */
START_TEST(minority)
{
	setup(5);
	run(1000 * MS);
	for (size_t a = 0; a < 5; a++) {
		for (size_t b = 0; b < 5; b++)
			cut[a][b] = (a < 2) != (b < 2);
	}
	run(5000 * MS);
	for (size_t i = 0; i < 2; i++) {
		for (size_t j = 0; j < 5; j++)
			ck_assert_int_eq(dead_us[i][j], 0);
	}
	for (size_t i = 2; i < 5; i++) {
		for (size_t j = 0; j < 5; j++)
			ck_assert_int_eq(dead_us[i][j] > 0, j < 2);
	}
}
END_TEST

/* A node that can send but not hear echoes nobody: as good as dead. */
START_TEST(deaf)
{
	setup(5);
	run(2000 * MS);
	for (size_t i = 0; i < 5; i++)
		cut[i][1] = true;
	run(1000 * MS);
	for (size_t i = 0; i < 5; i++) {
		for (size_t j = 0; j < 5; j++)
			ck_assert_int_eq(dead_us[i][j] > 0, i != 1 && j == 1);
	}
}
END_TEST

/* A vote of somebody whom the rings do not name, or of the subject itself, does not count. */
START_TEST(strange_votes)
{
	struct watch_message vote = { .kind = WATCH_VOTE };
	struct watch_out out = { 0 };

	setup(6);
	run(1000 * MS);
	vote.subject = members[1].instance;
	for (uint64_t voter = 9000; voter < 9010; voter++)
		watch_take(&watches[0], voter, &vote, now(), &out);
	watch_take(&watches[0], members[1].instance, &vote, now(), &out);
	watch_tick(&watches[0], now(), &out);
	ck_assert_uint_eq(out.dead_n, 0);
	/* nor do those of a quorum, while we hear it ourselves */
	for (size_t i = 2; i < 6; i++)
		watch_take(&watches[0], members[i].instance, &vote, now(), &out);
	watch_tick(&watches[0], now(), &out);
	ck_assert_uint_eq(out.dead_n, 0);
}
END_TEST

/* One watcher against one subject, by hand: its own vote is one, a repeated one is one, and the third makes the quorum. */
START_TEST(quorum)
{
	static struct watch_out out;
	struct watch_message vote = { .kind = WATCH_VOTE };
	size_t votes = 0;

	setup(6);
	vote.subject = members[1].instance;
	for (int i = 0; i < 2500; i++, now_us += MS) {
		for (size_t j = 2; j < 6; j++) { /* the others are well, and say nothing of the subject */
			watch_heard(&watches[0], members[j].instance, now(), now());
			watch_echoed(&watches[0], members[j].instance, now(), now());
		}
		memset(&out, 0, sizeof(out));
		watch_tick(&watches[0], now(), &out);
		ck_assert_uint_eq(out.dead_n, 0);
		for (size_t j = 0; j < out.message_n; j++)
			votes += out.messages[j].kind == WATCH_VOTE;
	}
	ck_assert_uint_gt(votes, 0);
	for (int i = 0; i < 3; i++)
		watch_take(&watches[0], members[2].instance, &vote, now(), &out);
	ck_assert_uint_eq(out.dead_n, 0);
	watch_take(&watches[0], members[3].instance, &vote, now(), &out);
	ck_assert_uint_eq(out.dead_n, 1);
	ck_assert_uint_eq(out.dead[0].instance, members[1].instance);
}
END_TEST

/*
 * Its host refuses packets, and the watchers learn that one after another: dead T_v after the last of a quorum, though the others
 * say that they heard it a moment ago.
 */
START_TEST(hints)
{
	size_t n = sizes[_i];
	int64_t crash_us;

	setup(n);
	run(2000 * MS);
	silent[1] = true;
	crash_us = now_us;
	for (size_t i = 0; i < n; i++) {
		if (i != 1)
			watch_hint(&watches[i], members[1].instance, now());
		run(MS);
	}
	run(400 * MS);
	ck_assert_uint_gt(deaths(), 0);
	for (size_t i = 0; i < n; i++) {
		if (dead_us[i][1] != 0)
			ck_assert_int_le(dead_us[i][1] - crash_us,
					 timers.verify.us * (n == 2 ? 3 : 2) / 2 + (int64_t)(2 * n + 4) * MS);
	}
}
END_TEST

/* T_s grows while a silence is verified: the verification goes on, and no deadline stays behind. */
START_TEST(limits_grow)
{
	struct watch_out out = { 0 };

	setup(3);
	run(2000 * MS);
	silent[1] = true;
	while (edge_of(0, 1)->silent_at.us == INSTANT_NEVER.us)
		run(0);
	watches[0].lag = span_ms(50);
	now_us += timers.probe.us;
	watch_tick(&watches[0], now(), &out);
	ck_assert_int_gt(watch_deadline(&watches[0]).us, now_us);
	run(1000 * MS);
	ck_assert_int_gt(dead_us[0][1], 0);
}
END_TEST

/* A watcher that stood still forgives, and accuses nobody for silence + verify after that. */
START_TEST(amnesty)
{
	struct watch_out out = { 0 };

	setup(2);
	run(1000 * MS);
	now_us += 5000 * MS;
	watch_amnesty(&watches[0], now());
	watch_tick(&watches[0], now(), &out);
	ck_assert_uint_eq(out.dead_n, 0);
	silent[1] = true;
	run(timers.silent.us + timers.verify.us * 3 / 2 - 2 * MS);
	ck_assert_uint_eq(deaths(), 0);
	run(10 * MS);
	ck_assert_uint_eq(deaths(), 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("gossip_watch");
	TCase *tcase = tcase_create("gossip_watch");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_loop_test(tcase, rings, 0, sizeof(sizes) / sizeof(sizes[0]));
	tcase_add_loop_test(tcase, quiet, 0, sizeof(sizes) / sizeof(sizes[0]));
	tcase_add_loop_test(tcase, crash, 0, sizeof(sizes) / sizeof(sizes[0]));
	tcase_add_loop_test(tcase, hints, 0, 7);
	tcase_add_loop_test(tcase, one_link, 0, 2);
	tcase_add_test(tcase, minority);
	tcase_add_test(tcase, deaf);
	tcase_add_test(tcase, strange_votes);
	tcase_add_test(tcase, quorum);
	tcase_add_test(tcase, limits_grow);
	tcase_add_test(tcase, amnesty);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
