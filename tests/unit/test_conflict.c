/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/conflict*.c: the rules one by one as scripts; self-probes of one and of all addresses; storms. */
#include "daemon/conflict.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define STEP_MAX 14

/* As ck_assert, for hot loops: libcheck writes a line to its parent for each of its own. */
#define MUST(condition)                                 \
	do {                                            \
		if (!(condition))                       \
			ck_abort_msg("%s", #condition); \
	} while (0)

/* Where all scripts begin. */
#define START_MS 1000000

static struct conflict *c;

/* Hosts of the scripts: their MACs end in these. */
enum host { STRANGER = 1, OTHER, MEMBER, MEMBER2, FORMER, SHARED, REBORN };

static const struct conflict_member members[] = {
	{ 30, true, 2, { { { 2, 0, 0, 0, 0, MEMBER } }, { { 2, 0, 0, 0, 0, SHARED } } } },
	{ 40, true, 3, { { { 0 } }, { { 2, 0, 0, 0, 0, SHARED } }, { { 2, 0, 0, 0, 0, MEMBER2 } } } },
	{ 50, false, 1, { { { 2, 0, 0, 0, 0, FORMER } } } },
	/* a node that was started again: its former run has the same MAC */
	{ 60, false, 1, { { { 2, 0, 0, 0, 0, REBORN } } } },
	{ 61, true, 1, { { { 2, 0, 0, 0, 0, REBORN } } } },
	{ 62, false, 1, { { { 2, 0, 0, 0, 0, REBORN } } } },
};

static struct instant at_ms(int64_t ms)
{
	return (struct instant){ 1000 * (START_MS + ms) };
}

static struct ip ip_at(size_t i)
{
	uint8_t v4[4] = { 10, 0, (uint8_t)(i >> 8), (uint8_t)i };
	uint8_t v6[16] = { 0xfd, [14] = (uint8_t)(i >> 8), [15] = (uint8_t)i };

	return i % 2 == 0 ? ip_from_v4(v4) : ip_from_v6(v6);
}

static struct mac mac_at(uint64_t i)
{
	return (struct mac){ { 2, (uint8_t)(i >> 32), (uint8_t)(i >> 24), (uint8_t)(i >> 16), (uint8_t)(i >> 8),
			       (uint8_t)i } };
}

static void setup_policy(enum conflict_defend defend)
{
	struct conflict_config config = { .defend = defend, .self_probe = span_s(20) };

	c = conflict_new(&config, 1);
	ck_assert_ptr_nonnull(c);
	conflict_members(c, members, ARRAY_LEN(members));
}

static void setup(void)
{
	setup_policy(CONFLICT_DEFEND_ALWAYS);
}

static void teardown(void)
{
	conflict_free(c);
	c = NULL;
}

enum op {
	END,
	HOLD,
	UNHOLD,
	SEEN,	   /* a frame of `host`: `want` and `report` */
	FIRST,	   /* the segment is asked for it before a claim */
	DUE,	   /* all that is due but self-probes: `want` */
	EXPECT,	   /* a hand-over with the member MEMBER, for hold_ms */
	WITHDRAWN, /* by the instance of `host` */
	MEMBERS_GONE,
};

struct step {
	int64_t ms;
	enum op op;
	enum host host;
	enum conflict_action_kind want;
	bool report;
	int64_t hold_ms;
	uint64_t instance;
};

#define NONE CONFLICT_ACTION_NONE
#define ASK CONFLICT_ACTION_ASK
#define TAKEN CONFLICT_ACTION_TAKEN
#define DEFEND CONFLICT_ACTION_DEFEND
#define YIELD CONFLICT_ACTION_YIELD
#define COMPARE CONFLICT_ACTION_MEMBER
#define ANNOUNCE CONFLICT_ACTION_ANNOUNCE

static const struct {
	const char *name;
	enum conflict_defend defend;
	struct step steps[STEP_MAX];
} scripts[] = {
	{ "what we do not hold is nobody's business",
	  CONFLICT_DEFEND_ALWAYS,
	  { { 0, SEEN, STRANGER, NONE, false, 0, 0 },
	    { 0, HOLD, 0, 0, 0, 0, 0 },
	    { 1, UNHOLD, 0, 0, 0, 0, 0 },
	    { 2, SEEN, STRANGER, NONE, false, 0, 0 } } },
	{ "always: one defence in 10 s, whoever comes, and never a yield",
	  CONFLICT_DEFEND_ALWAYS,
	  { { 0, HOLD, 0, 0, 0, 0, 0 },
	    { 5, SEEN, STRANGER, DEFEND, true, 0, 0 },
	    { 200, SEEN, STRANGER, NONE, false, 0, 0 },
	    { 5000, SEEN, OTHER, NONE, true, 0, 0 },
	    { 10004, SEEN, STRANGER, NONE, false, 0, 0 },
	    { 10005, SEEN, STRANGER, DEFEND, true, 0, 0 },
	    { 20004, SEEN, OTHER, NONE, true, 0, 0 },
	    { 20005, SEEN, OTHER, DEFEND, false, 0, 0 } } },
	{ "once: a defence, then a yield",
	  CONFLICT_DEFEND_ONCE,
	  { { 0, HOLD, 0, 0, 0, 0, 0 },
	    { 1000, SEEN, STRANGER, DEFEND, true, 0, 0 },
	    { 1099, SEEN, STRANGER, NONE, false, 0, 0 },
	    { 1100, SEEN, STRANGER, YIELD, false, 10000, 0 },
	    { 1101, SEEN, STRANGER, NONE, false, 0, 0 } } },
	{ "once: two conflicts that are not within 10 s",
	  CONFLICT_DEFEND_ONCE,
	  { { 0, HOLD, 0, 0, 0, 0, 0 },
	    { 1000, SEEN, STRANGER, DEFEND, true, 0, 0 },
	    { 11000, SEEN, STRANGER, DEFEND, true, 0, 0 },
	    { 20999, SEEN, OTHER, YIELD, true, 10000, 0 } } },
	{ "yield: at once; the hold-down grows to 60 s and is forgotten after peace",
	  CONFLICT_DEFEND_YIELD,
	  { { 0, HOLD, 0, 0, 0, 0, 0 },
	    { 5, SEEN, STRANGER, YIELD, true, 10000, 0 },
	    { 100000, HOLD, 0, 0, 0, 0, 0 },
	    { 100000, SEEN, STRANGER, YIELD, true, 20000, 0 },
	    { 200000, HOLD, 0, 0, 0, 0, 0 },
	    { 200000, SEEN, STRANGER, YIELD, true, 40000, 0 },
	    { 300000, HOLD, 0, 0, 0, 0, 0 },
	    { 300000, SEEN, STRANGER, YIELD, true, 60000, 0 },
	    { 400000, HOLD, 0, 0, 0, 0, 0 },
	    { 400000, SEEN, STRANGER, YIELD, true, 60000, 0 },
	    { 646000, HOLD, 0, 0, 0, 0, 0 },
	    { 646000, SEEN, STRANGER, YIELD, true, 10000, 0 } } },
	{ "a member: claims are compared, we announce half a second later, and the pause grows",
	  CONFLICT_DEFEND_YIELD,
	  { { 0, HOLD, 0, 0, 0, 0, 0 },
	    { 100, SEEN, MEMBER, COMPARE, true, 0, 30 },
	    { 101, SEEN, MEMBER, NONE, false, 0, 0 },
	    { 600, DUE, 0, ANNOUNCE, 0, 0, 0 },
	    { 600, SEEN, MEMBER, COMPARE, false, 0, 30 },
	    { 1100, DUE, 0, ANNOUNCE, 0, 0, 0 },
	    { 1599, SEEN, MEMBER, NONE, false, 0, 0 },
	    { 1600, SEEN, MEMBER, COMPARE, false, 0, 30 },
	    { 3599, SEEN, MEMBER, NONE, false, 0, 0 },
	    { 3600, SEEN, MEMBER, COMPARE, false, 0, 30 },
	    { 7600, SEEN, MEMBER, COMPARE, false, 0, 30 },
	    { 15600, SEEN, MEMBER, COMPARE, true, 0, 30 },
	    { 25599, SEEN, MEMBER, NONE, false, 0, 0 },
	    { 25600, SEEN, MEMBER, COMPARE, true, 0, 30 } } },
	{ "a member withdraws: we announce at once, once; only that member counts",
	  CONFLICT_DEFEND_ALWAYS,
	  { { 0, HOLD, 0, 0, 0, 0, 0 },
	    { 100, SEEN, MEMBER, COMPARE, true, 0, 30 },
	    { 150, WITHDRAWN, MEMBER2, 0, 0, 0, 0 },
	    { 150, DUE, 0, NONE, 0, 0, 0 },
	    { 160, WITHDRAWN, MEMBER, 0, 0, 0, 0 },
	    { 160, DUE, 0, ANNOUNCE, 0, 0, 0 },
	    { 161, WITHDRAWN, MEMBER, 0, 0, 0, 0 },
	    { 1200, DUE, 0, NONE, 0, 0, 0 },
	    { 70000, SEEN, MEMBER, COMPARE, true, 0, 30 },
	    { 71000, SEEN, MEMBER, COMPARE, false, 0, 30 } } },
	{ "we withdraw: nothing is announced",
	  CONFLICT_DEFEND_ALWAYS,
	  { { 0, HOLD, 0, 0, 0, 0, 0 },
	    { 100, SEEN, MEMBER, COMPARE, true, 0, 30 },
	    { 101, UNHOLD, 0, 0, 0, 0, 0 },
	    { 101, WITHDRAWN, MEMBER, 0, 0, 0, 0 },
	    { 1200, DUE, 0, NONE, 0, 0, 0 } } },
	{ "another member need not wait for the first one's pause, but for a moment",
	  CONFLICT_DEFEND_ALWAYS,
	  { { 0, HOLD, 0, 0, 0, 0, 0 },
	    { 100, SEEN, MEMBER, COMPARE, true, 0, 30 },
	    { 199, SEEN, MEMBER2, NONE, true, 0, 0 },
	    { 200, SEEN, MEMBER2, COMPARE, false, 0, 40 } } },
	{ "grace: members are late, strangers are not",
	  CONFLICT_DEFEND_ALWAYS,
	  { { 0, HOLD, 0, 0, 0, 0, 0 },
	    { 99, SEEN, MEMBER, NONE, false, 0, 0 },
	    { 99, SEEN, FORMER, NONE, false, 0, 0 },
	    { 99, SEEN, SHARED, NONE, false, 0, 0 },
	    { 99, SEEN, STRANGER, DEFEND, true, 0, 0 },
	    { 100, SEEN, MEMBER, COMPARE, true, 0, 30 } } },
	{ "held already: no new grace",
	  CONFLICT_DEFEND_ALWAYS,
	  { { 0, HOLD, 0, 0, 0, 0, 0 }, { 90, HOLD, 0, 0, 0, 0, 0 }, { 100, SEEN, MEMBER, COMPARE, true, 0, 30 } } },
	{ "a hand-over under way is no conflict with that member",
	  CONFLICT_DEFEND_ALWAYS,
	  { { 0, HOLD, 0, 0, 0, 0, 0 },
	    { 1000, EXPECT, 0, 0, 0, 500, 0 },
	    { 1001, SEEN, MEMBER, NONE, false, 0, 0 },
	    { 1002, SEEN, MEMBER2, COMPARE, true, 0, 40 },
	    { 1499, SEEN, MEMBER, NONE, false, 0, 0 },
	    { 1500, SEEN, MEMBER, COMPARE, true, 0, 30 } } },
	{ "a former member that goes on after our defence: we announce once more",
	  CONFLICT_DEFEND_ONCE,
	  { { 0, HOLD, 0, 0, 0, 0, 0 },
	    { 100, SEEN, FORMER, DEFEND, true, 0, 50 },
	    { 199, SEEN, FORMER, NONE, false, 0, 50 },
	    { 999, DUE, 0, NONE, 0, 0, 0 },
	    { 1000, SEEN, FORMER, NONE, false, 0, 50 },
	    { 1499, DUE, 0, NONE, 0, 0, 0 },
	    { 1500, DUE, 0, ANNOUNCE, 0, 0, 0 },
	    { 1501, DUE, 0, NONE, 0, 0, 0 } } },
	{ "a former member is defended against, and not yielded to",
	  CONFLICT_DEFEND_ONCE,
	  { { 0, HOLD, 0, 0, 0, 0, 0 },
	    { 100, SEEN, FORMER, DEFEND, true, 0, 50 },
	    { 2000, SEEN, FORMER, NONE, false, 0, 50 },
	    /* a stranger within the same interval: it has had no warning yet, and gets none before the interval ends */
	    { 3000, SEEN, STRANGER, NONE, true, 0, 0 },
	    { 4000, SEEN, FORMER, NONE, false, 0, 0 },
	    { 5000, SEEN, STRANGER, YIELD, false, 10000, 0 } } },
	{ "nor with the policy yield",
	  CONFLICT_DEFEND_YIELD,
	  { { 0, HOLD, 0, 0, 0, 0, 0 },
	    { 100, SEEN, FORMER, DEFEND, true, 0, 50 },
	    { 10100, SEEN, FORMER, DEFEND, true, 0, 50 } } },
	{ "a MAC of two live members is a stranger's",
	  CONFLICT_DEFEND_YIELD,
	  { { 0, HOLD, 0, 0, 0, 0, 0 }, { 100, SEEN, SHARED, YIELD, true, 10000, 0 } } },
	{ "a MAC of a member and of its former run is the member's",
	  CONFLICT_DEFEND_YIELD,
	  { { 0, HOLD, 0, 0, 0, 0, 0 }, { 100, SEEN, REBORN, COMPARE, true, 0, 61 } } },
	{ "members that are gone are strangers",
	  CONFLICT_DEFEND_ALWAYS,
	  { { 0, HOLD, 0, 0, 0, 0, 0 },
	    { 100, MEMBERS_GONE, 0, 0, 0, 0, 0 },
	    { 100, SEEN, MEMBER, DEFEND, true, 0, 0 } } },
	{ "asked before a claim: a stranger has it, whatever the policy; again, and for longer",
	  CONFLICT_DEFEND_ALWAYS,
	  { { 0, FIRST, 0, 0, 0, 0, 0 },
	    { 0, DUE, 0, NONE, 0, 0, 0 },
	    { 5, SEEN, STRANGER, TAKEN, true, 10000, 0 },
	    { 6, SEEN, STRANGER, NONE, false, 0, 0 },
	    { 11005, FIRST, 0, 0, 0, 0, 0 },
	    { 11006, SEEN, STRANGER, TAKEN, true, 20000, 0 },
	    { 40000, FIRST, 0, 0, 0, 0, 0 },
	    { 40001, SEEN, SHARED, TAKEN, true, 40000, 0 } } },
	{ "asked before a claim: only who speaks soon",
	  CONFLICT_DEFEND_ALWAYS,
	  { { 0, FIRST, 0, 0, 0, 0, 0 },
	    { 900, FIRST, 0, 0, 0, 0, 0 },
	    { 1900, SEEN, STRANGER, NONE, false, 0, 0 },
	    { 2000, FIRST, 0, 0, 0, 0, 0 },
	    { 2999, SEEN, STRANGER, TAKEN, true, 10000, 0 } } },
	{ "asked before a claim: a member's kernel is for the asker to judge",
	  CONFLICT_DEFEND_YIELD,
	  { { 0, FIRST, 0, 0, 0, 0, 0 },
	    { 5, SEEN, MEMBER, NONE, false, 0, 0 },
	    { 6, SEEN, FORMER, NONE, false, 0, 0 } } },
	{ "asked before a claim: given up, or claimed",
	  CONFLICT_DEFEND_ALWAYS,
	  { { 0, FIRST, 0, 0, 0, 0, 0 },
	    { 1, UNHOLD, 0, 0, 0, 0, 0 },
	    { 2, SEEN, STRANGER, NONE, false, 0, 0 },
	    { 200, FIRST, 0, 0, 0, 0, 0 },
	    { 210, HOLD, 0, 0, 0, 0, 0 },
	    { 220, SEEN, STRANGER, DEFEND, true, 0, 0 },
	    { 230, UNHOLD, 0, 0, 0, 0, 0 },
	    { 240, SEEN, STRANGER, NONE, false, 0, 0 } } },
	{ "a yield and a refusal count together, until there was peace",
	  CONFLICT_DEFEND_YIELD,
	  { { 0, HOLD, 0, 0, 0, 0, 0 },
	    { 200, SEEN, STRANGER, YIELD, true, 10000, 0 },
	    { 12000, FIRST, 0, 0, 0, 0, 0 },
	    { 12001, SEEN, STRANGER, TAKEN, true, 20000, 0 },
	    { 40000, HOLD, 0, 0, 0, 0, 0 },
	    { 40200, SEEN, STRANGER, YIELD, true, 40000, 0 },
	    { 90000, FIRST, 0, 0, 0, 0, 0 },
	    { 90001, SEEN, STRANGER, TAKEN, true, 60000, 0 },
	    { 160000, FIRST, 0, 0, 0, 0, 0 },
	    { 160001, SEEN, STRANGER, TAKEN, true, 60000, 0 },
	    { 410000, FIRST, 0, 0, 0, 0, 0 },
	    { 410001, SEEN, STRANGER, TAKEN, true, 10000, 0 } } },
};

/* The first thing that is due and no self-probe; those are asked for while the address is held. */
static enum conflict_action_kind due_kind(struct instant now, bool held)
{
	enum conflict_action_kind kind = CONFLICT_ACTION_NONE;
	struct conflict_action action;

	while (conflict_due(c, now, &action)) {
		ck_assert(ip_equal(action.ip, ip_at(1)));
		if (kind == CONFLICT_ACTION_NONE && !(held && action.kind == CONFLICT_ACTION_ASK))
			kind = action.kind;
	}
	return kind;
}

/* Hold-downs after a yield are up to a tenth longer; none is past. */
static bool is_about(struct span span, int64_t ms)
{
	return ms == 0 ? span.us <= 0 : span.us >= 1000 * ms && span.us <= 1100 * ms;
}

static void see(const struct step *step, struct instant now, const char *name, size_t i)
{
	enum conflict_action_kind kind = CONFLICT_ACTION_NONE;
	const struct conflict_action *action = NULL;
	struct conflict_out out;
	bool reported = false;

	conflict_seen(c, ip_at(1), mac_at(step->host), now, &out);
	for (size_t j = 0; j < out.action_n; j++) {
		ck_assert(ip_equal(out.actions[j].ip, ip_at(1)));
		ck_assert(mac_equal(out.actions[j].record.mac, mac_at(step->host)));
		if (out.actions[j].kind == CONFLICT_ACTION_REPORT) {
			reported = true;
			continue;
		}
		ck_assert_ptr_null(action);
		action = &out.actions[j];
		kind = action->kind;
	}
	ck_assert_msg(kind == step->want && reported == step->report, "%s: step %zu: %s%s", name, i,
		      conflict_action_name(kind), reported ? ", reported" : "");
	if (action == NULL)
		return;
	ck_assert_msg(is_about(action->hold_down, step->hold_ms), "%s: step %zu: %lld us", name, i,
		      (long long)action->hold_down.us);
	ck_assert_msg(action->instance == step->instance, "%s: step %zu: %llu", name, i,
		      (unsigned long long)action->instance);
}

START_TEST(script)
{
	const char *name = scripts[_i].name;
	bool held = false;

	teardown();
	setup_policy(scripts[_i].defend);
	for (size_t i = 0; i < STEP_MAX && scripts[_i].steps[i].op != END; i++) {
		const struct step *step = &scripts[_i].steps[i];
		struct instant now = at_ms(step->ms);
		enum conflict_action_kind kind;

		switch (step->op) {
		case END:
			break;
		case HOLD:
			held = true;
			ck_assert_int_eq(conflict_hold(c, ip_at(1), now), 0);
			break;
		case UNHOLD:
			held = false;
			conflict_unhold(c, ip_at(1));
			break;
		case SEEN:
			see(step, now, name, i);
			break;
		case FIRST:
			ck_assert_int_eq(conflict_first(c, ip_at(1), now), 0);
			break;
		case DUE:
			kind = due_kind(now, held);
			ck_assert_msg(kind == step->want, "%s: step %zu: %s", name, i, conflict_action_name(kind));
			break;
		case EXPECT:
			conflict_expect(c, ip_at(1), 30, instant_add(now, span_ms(step->hold_ms)));
			break;
		case WITHDRAWN:
			conflict_withdrawn(c, ip_at(1), step->host == MEMBER ? 30 : 40, now);
			break;
		case MEMBERS_GONE:
			conflict_members(c, NULL, 0);
			break;
		}
	}
}
END_TEST

/* With `once` the second sight need not be left to chance: we ask. */
START_TEST(once_asks_again)
{
	struct conflict_action action;
	struct conflict_out out;

	teardown();
	setup_policy(CONFLICT_DEFEND_ONCE);
	ck_assert_int_eq(conflict_hold(c, ip_at(1), at_ms(0)), 0);
	for (int64_t ms = 5000; ms < 400000; ms += 20000) {
		while (conflict_due(c, at_ms(ms), &action))
			;
		conflict_seen(c, ip_at(1), mac_at(STRANGER), at_ms(ms), &out);
		ck_assert_int_eq(out.actions[0].kind, CONFLICT_ACTION_DEFEND);
		ck_assert_int_eq(conflict_deadline(c).us, at_ms(ms + 1000).us);
		/* a change of membership asks sooner, and never later */
		conflict_shuffle(c, at_ms(ms + 1));
		ck_assert(!conflict_due(c, at_ms(ms + 1), &action));
		ck_assert_int_le(conflict_deadline(c).us, at_ms(ms + 1000).us);
		ck_assert(conflict_due(c, at_ms(ms + 1000), &action));
		ck_assert_int_eq(action.kind, CONFLICT_ACTION_ASK);
	}
}
END_TEST

START_TEST(reports_count)
{
	struct conflict_record record;
	struct conflict_out out;

	ck_assert_int_eq(conflict_hold(c, ip_at(1), at_ms(0)), 0);
	for (int64_t i = 0; i < 50; i++) {
		conflict_seen(c, ip_at(1), mac_at(STRANGER), at_ms(200 * i), &out);
		ck_assert_uint_eq(out.action_n, i == 0 ? 2 : 0);
	}
	conflict_seen(c, ip_at(1), mac_at(STRANGER), at_ms(10000), &out);
	ck_assert_uint_eq(out.action_n, 2);
	ck_assert_int_eq(out.actions[1].kind, CONFLICT_ACTION_REPORT);
	ck_assert_uint_eq(out.actions[1].suppressed, 49);
	ck_assert_uint_eq(out.actions[1].elsewhere, 0);
	ck_assert_uint_eq(out.actions[1].record.count, 51);
	ck_assert_int_eq(out.actions[1].record.first.us, at_ms(0).us);
	ck_assert_int_eq(out.actions[1].record.last.us, at_ms(10000).us);
	ck_assert_int_eq(out.actions[1].record.who, CONFLICT_WHO_STRANGER);
	ck_assert_int_eq(out.actions[1].record.action, CONFLICT_ACTION_DEFEND);
	ck_assert_uint_eq(conflict_record_n(c), 1);
	conflict_record_at(c, 0, &record);
	ck_assert_uint_eq(record.count, 51);
	conflict_seen(c, ip_at(1), mac_at(STRANGER), at_ms(20000), &out);
	ck_assert_uint_eq(out.actions[1].suppressed, 0);
	ck_assert(ip_equal(record.ip, ip_at(1)));
	ck_assert_uint_eq(conflict_count(c, CONFLICT_WHO_STRANGER), 52);
	ck_assert_uint_eq(conflict_count(c, CONFLICT_WHO_MEMBER), 0);
}
END_TEST

/* The table is full: the pair that was not seen for the longest time makes room, and what it never told is told by others. */
START_TEST(oldest_record_replaced)
{
	struct conflict_record record;
	struct conflict_out out;

	ck_assert_int_eq(conflict_hold(c, ip_at(1), at_ms(0)), 0);
	for (uint64_t i = 0; i < CONFLICT_RECORD_MAX; i++) {
		conflict_seen(c, ip_at(1), mac_at(1000 + i), at_ms(1000 * (int64_t)i), &out);
		conflict_seen(c, ip_at(1), mac_at(1000 + i), at_ms(1000 * (int64_t)i + 1), &out);
	}
	ck_assert_uint_eq(conflict_record_n(c), CONFLICT_RECORD_MAX);
	/* the first one is seen again, so that the second is the oldest */
	conflict_seen(c, ip_at(1), mac_at(1000), at_ms(300000), &out);
	conflict_seen(c, ip_at(1), mac_at(9999), at_ms(300001), &out);
	ck_assert_uint_eq(out.action_n, 1);
	ck_assert_uint_eq(out.actions[0].elsewhere, 1);
	ck_assert_uint_eq(conflict_record_n(c), CONFLICT_RECORD_MAX);
	for (size_t i = 0; i < CONFLICT_RECORD_MAX; i++) {
		conflict_record_at(c, i, &record);
		ck_assert(!mac_equal(record.mac, mac_at(1001)));
		ck_assert_uint_eq(record.count, mac_equal(record.mac, mac_at(9999))   ? 1
						: mac_equal(record.mac, mac_at(1000)) ? 3
										      : 2);
	}
}
END_TEST

/* A million frames of made-up MACs within 100 s, for ten addresses: bounded work, nothing lost from the counts. */
START_TEST(storm)
{
	uint64_t defended = 0, reported = 0, told = 0, other = 0;
	struct rng rng = rng_of(7);
	struct conflict_out out;

	for (size_t i = 0; i < 10; i++)
		ck_assert_int_eq(conflict_hold(c, ip_at(i), at_ms(0)), 0);
	for (int64_t i = 0; i < 1000000; i++) {
		struct mac mac = mac_at(1000 + rng_u64(&rng) % (UINT64_C(1) << 40));

		conflict_seen(c, ip_at(rng_below(&rng, 10)), mac, instant_add(at_ms(0), span_us(100 * i)), &out);
		for (size_t j = 0; j < out.action_n; j++) {
			defended += out.actions[j].kind == CONFLICT_ACTION_DEFEND;
			if (out.actions[j].kind == CONFLICT_ACTION_REPORT) {
				reported++;
				told += 1 + out.actions[j].suppressed + out.actions[j].elsewhere;
			} else if (out.actions[j].kind != CONFLICT_ACTION_DEFEND) {
				other++;
			}
		}
	}
	ck_assert_uint_le(defended, 100);
	ck_assert_uint_ge(defended, 90);
	ck_assert_uint_le(reported, CONFLICT_REPORT_BURST + 100 * CONFLICT_REPORT_PER_S);
	ck_assert_uint_ge(reported, 100 * CONFLICT_REPORT_PER_S);
	ck_assert_uint_eq(other, 0);
	ck_assert_uint_le(told, 1000000);
	ck_assert_uint_ge(told, 1000000 - 10000);
	ck_assert_uint_eq(conflict_count(c, CONFLICT_WHO_STRANGER), 1000000);
	ck_assert_uint_eq(conflict_record_n(c), CONFLICT_RECORD_MAX);
}
END_TEST

/* The same with the MACs of members, which anybody on the segment can use: claims are compared at a bounded rate. */
START_TEST(forged_members)
{
	struct rng rng = rng_of(8);
	struct conflict_out out;
	size_t compared = 0;

	ck_assert_int_eq(conflict_hold(c, ip_at(1), at_ms(0)), 0);
	for (int64_t i = 0; i < 100000; i++) {
		conflict_seen(c, ip_at(1), mac_at(rng_chance(&rng, 500000) ? MEMBER : MEMBER2),
			      instant_add(at_ms(100), span_ms(i)), &out);
		for (size_t j = 0; j < out.action_n; j++) {
			compared += out.actions[j].kind == CONFLICT_ACTION_MEMBER;
			ck_assert(out.actions[j].kind == CONFLICT_ACTION_MEMBER ||
				  out.actions[j].kind == CONFLICT_ACTION_REPORT);
		}
	}
	ck_assert_uint_ge(compared, 2);
	ck_assert_uint_le(compared, 1000);
}
END_TEST

/* --- self-probes --- */

#define MANY_N 10000
/* Self-probes in one turn. */
#define TURN_N (CONFLICT_PROBE_PER_S * CONFLICT_TURN_MS / 1000)

static struct instant last_asked[MANY_N];

static size_t index_of(struct ip ip)
{
	return (size_t)(ip.family == IP_V4 ? ip.bytes[2] << 8 | ip.bytes[3] : ip.bytes[14] << 8 | ip.bytes[15]);
}

/* Run to `end` by deadlines. Returns how many questions; the most in any turn, and the longest gap of an address, too. */
static size_t run(struct instant now, struct instant end, size_t *ret_turn_max, struct span *ret_gap_max)
{
	struct conflict_action action;
	size_t n = 0, idle = 0;

	*ret_turn_max = 0;
	*ret_gap_max = span_us(0);
	while (instant_before(now, end)) {
		size_t turn = 0;

		for (; conflict_due(c, now, &action); turn++) {
			struct instant *last = &last_asked[index_of(action.ip)];

			MUST(action.kind == CONFLICT_ACTION_ASK);
			if (last->us != 0 && instant_since(now, *last).us > ret_gap_max->us)
				*ret_gap_max = instant_since(now, *last);
			*last = now;
		}
		n += turn;
		idle += turn == 0;
		*ret_turn_max = turn > *ret_turn_max ? turn : *ret_turn_max;
		/* it names a time at which there is something to do, and not the present */
		MUST(instant_before(now, conflict_deadline(c)));
		now = conflict_deadline(c);
	}
	/* but for the first call, whose time is ours, and a shuffle, which only sets times */
	MUST(idle <= 2);
	return n;
}

static void hold_many(size_t n)
{
	memset(last_asked, 0, sizeof(last_asked));
	for (size_t i = 0; i < n; i++)
		ck_assert_int_eq(conflict_hold(c, ip_at(i), at_ms(0)), 0);
}

START_TEST(each_address_is_asked_for)
{
	static const struct {
		size_t n;
		int64_t gap_ms, least, most;
	} rows[] = {
		{ 1, 22000, 27, 34 },
		{ 100, 22020, 2700, 3400 },
		/* the rate allows 500 a second: the interval grows a little */
		{ MANY_N, 33500, 199500, 210000 },
	};
	struct span gap;
	size_t turn, n;

	hold_many(rows[_i].n);
	n = run(at_ms(0), at_ms(600000), &turn, &gap);
	ck_assert_uint_le(turn, TURN_N);
	ck_assert_int_le(gap.us, 1000 * rows[_i].gap_ms);
	ck_assert_int_ge((int64_t)n, rows[_i].least);
	ck_assert_int_le((int64_t)n, rows[_i].most);
	for (size_t i = 0; i < rows[_i].n; i++)
		MUST(last_asked[i].us != 0);
}
END_TEST

/* After a take-over, and after a change of membership, all are asked for soon. */
START_TEST(shuffled)
{
	static const struct {
		size_t n;
		int64_t within_ms;
	} rows[] = { { 1, 2001 }, { 100, 2021 }, { MANY_N, 30000 } };
	struct instant changed = at_ms(60005);
	struct span gap;
	size_t turn;

	hold_many(rows[_i].n);
	run(at_ms(0), at_ms(100 + rows[_i].within_ms), &turn, &gap);
	for (size_t i = 0; i < rows[_i].n; i++)
		MUST(last_asked[i].us != 0);
	run(at_ms(100 + rows[_i].within_ms), changed, &turn, &gap);
	conflict_shuffle(c, changed);
	run(changed, instant_add(changed, span_ms(rows[_i].within_ms)), &turn, &gap);
	for (size_t i = 0; i < rows[_i].n; i++)
		MUST(!instant_before(last_asked[i], changed));
}
END_TEST

/* Membership that flaps every 300 ms costs one question per address and spread, not per flap. */
START_TEST(shuffles_are_taken_together)
{
	struct span gap;
	size_t turn, n = 0;

	hold_many(100);
	for (int64_t i = 0; i < 100; i++) {
		conflict_shuffle(c, at_ms(5000 + 300 * i));
		n += run(at_ms(5000 + 300 * i), at_ms(5000 + 300 * (i + 1)), &turn, &gap);
	}
	ck_assert_uint_le(n, 100 * 30 / CONFLICT_SHUFFLE_S + 400);
	ck_assert_uint_ge(n, 100 * 30 / CONFLICT_SHUFFLE_S - 400);
}
END_TEST

/* A loop that stood still for a minute does not make up for it in one go. */
START_TEST(late_tick)
{
	struct conflict_action action;
	struct span gap;
	size_t turn, n = 0;

	hold_many(MANY_N);
	run(at_ms(0), at_ms(30000), &turn, &gap);
	while (conflict_due(c, at_ms(90000), &action))
		n++;
	ck_assert_uint_eq(n, TURN_N);
	ck_assert_int_eq(conflict_deadline(c).us, at_ms(90020).us);
}
END_TEST

START_TEST(nothing_held_nothing_due)
{
	struct conflict_action action;

	ck_assert_int_eq(conflict_deadline(c).us, INSTANT_NEVER.us);
	ck_assert_int_eq(conflict_hold(c, ip_at(1), at_ms(0)), 0);
	ck_assert_int_ne(conflict_deadline(c).us, INSTANT_NEVER.us);
	conflict_unhold(c, ip_at(1));
	ck_assert_int_eq(conflict_deadline(c).us, INSTANT_NEVER.us);
	ck_assert(!conflict_due(c, at_ms(100000), &action));
}
END_TEST

/* A reload to other addresses: those that were asked for make room after a while, those that are held do not. */
START_TEST(full)
{
	struct conflict_action action;
	struct conflict_out out;

	for (size_t i = 0; i < ADDRESS_MAX; i++) {
		if (i % 3 == 0)
			MUST(conflict_first(c, ip_at(i), at_ms(0)) == 0);
		else
			MUST(conflict_hold(c, ip_at(i), at_ms(0)) == 0);
	}
	/* their answers may come still */
	ck_assert_int_eq(conflict_hold(c, ip_at(ADDRESS_MAX), at_ms(999)), -ENOSPC);
	ck_assert_int_eq(conflict_first(c, ip_at(ADDRESS_MAX), at_ms(999)), -ENOSPC);
	/* one of them was left to a stranger, and is remembered for it */
	conflict_seen(c, ip_at(3), mac_at(STRANGER), at_ms(999), &out);
	ck_assert_int_eq(out.actions[0].kind, TAKEN);
	ck_assert_int_eq(conflict_hold(c, ip_at(ADDRESS_MAX), at_ms(1000)), 0);
	ck_assert_int_eq(conflict_first(c, ip_at(3), at_ms(12000)), 0);
	conflict_seen(c, ip_at(3), mac_at(STRANGER), at_ms(12000), &out);
	ck_assert(is_about(out.actions[0].hold_down, 20000));
	for (size_t i = 0; i < ADDRESS_MAX; i++) {
		if (i % 3 != 0)
			conflict_unhold(c, ip_at(i));
	}
	/* the timers of the one that is left came through the move of its entry */
	ck_assert(conflict_due(c, conflict_deadline(c), &action));
	ck_assert(ip_equal(action.ip, ip_at(ADDRESS_MAX)));
}
END_TEST

/* Same seed, same calls: the same questions at the same times. */
START_TEST(seed_replays)
{
	uint64_t hash[2] = { 0 };

	for (size_t round = 0; round < 2; round++) {
		struct conflict_action action;

		teardown();
		setup();
		hold_many(50);
		for (int64_t ms = 0; ms < 100000; ms += 7) {
			while (conflict_due(c, at_ms(ms), &action))
				hash[round] = hash_mix(hash[round] + (uint64_t)ms + index_of(action.ip));
		}
	}
	ck_assert_uint_eq(hash[0], hash[1]);
	ck_assert_uint_ne(hash[0], 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("conflict");
	TCase *tcase = tcase_create("conflict");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, script, 0, ARRAY_LEN(scripts));
	tcase_add_test(tcase, once_asks_again);
	tcase_add_test(tcase, reports_count);
	tcase_add_test(tcase, oldest_record_replaced);
	tcase_add_test(tcase, storm);
	tcase_add_test(tcase, forged_members);
	tcase_add_loop_test(tcase, each_address_is_asked_for, 0, 3);
	tcase_add_loop_test(tcase, shuffled, 0, 3);
	tcase_add_test(tcase, shuffles_are_taken_together);
	tcase_add_test(tcase, late_tick);
	tcase_add_test(tcase, nothing_held_nothing_due);
	tcase_add_test(tcase, full);
	tcase_add_test(tcase, seed_replays);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
