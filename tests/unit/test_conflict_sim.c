/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two members, strangers and a switch that loses frames, for hours of virtual time: an address does not go back and forth. The
 * election is stood in for by its plainest rules (the higher epoch wins, an orphan is taken after its hold-down); everything about
 * frames is the real module.
 */
#include "daemon/conflict.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "election/damping.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define NODE_N 2
#define IP_N 4
#define TICK_US 10000
#define HOUR_TICKS (3600 * INT64_C(1000000) / TICK_US)
#define MESSAGE_MAX 512
#define MOVE_MAX 64

/* Questions before a claim, and the wait after each. */
#define ASK_N 3
#define ASK_MS 20

/* As ck_assert, for hot loops: libcheck writes a line to its parent for each of its own. */
#define MUST(condition)                                                                              \
	do {                                                                                         \
		if (!(condition))                                                                    \
			ck_abort_msg("row %d at %lld us: %s", row_i, (long long)now.us, #condition); \
	} while (0)

enum strangers { NO_STRANGERS, RANDOM, FLAPPING, ADVERSE };

struct row {
	enum conflict_defend defend;
	enum strangers strangers;
	uint32_t loss;	   /* per million frames */
	int64_t cut_every; /* seconds between partitions; 0: none */
	bool leftovers;	   /* kernels answer on for a while after a release */
};

static const struct row rows[] = {
	{ CONFLICT_DEFEND_ALWAYS, NO_STRANGERS, 0, 0, true },
	{ CONFLICT_DEFEND_ALWAYS, NO_STRANGERS, 300000, 200, true },
	{ CONFLICT_DEFEND_ALWAYS, RANDOM, 200000, 0, false },
	{ CONFLICT_DEFEND_ALWAYS, ADVERSE, 200000, 300, true },
	{ CONFLICT_DEFEND_ONCE, RANDOM, 0, 0, false },
	{ CONFLICT_DEFEND_ONCE, RANDOM, 500000, 250, true },
	{ CONFLICT_DEFEND_ONCE, FLAPPING, 200000, 0, true },
	{ CONFLICT_DEFEND_ONCE, ADVERSE, 200000, 0, false },
	{ CONFLICT_DEFEND_YIELD, RANDOM, 200000, 0, true },
	{ CONFLICT_DEFEND_YIELD, FLAPPING, 0, 0, false },
	{ CONFLICT_DEFEND_YIELD, FLAPPING, 500000, 200, true },
	{ CONFLICT_DEFEND_YIELD, ADVERSE, 0, 0, false },
	{ CONFLICT_DEFEND_YIELD, ADVERSE, 300000, 200, true },
};

struct claim_said {
	bool held;
	uint64_t epoch;
};

enum message_kind { FRAME, CLAIM };

struct message {
	enum message_kind kind;
	struct instant due;
	size_t to;
	size_t ip;
	struct mac mac;		 /* FRAME */
	struct claim_said claim; /* CLAIM */
};

struct spot {
	struct claim_said own, other; /* other: as heard */
	bool gave_up;		      /* the last owner let it go while it lived */
	size_t asked_n;		      /* questions before a claim; 0: none is under way */
	struct instant ask_at;
	struct damping_moves damping; /* as the election counts */
	struct instant free_since;
	struct instant retry_at;
	struct instant leftover_until;
	struct instant defended, announced;
	struct instant reported[NODE_N + IP_N];
};

struct moves {
	size_t n;
	struct instant at[MOVE_MAX]; /* the last ones */
};

static struct {
	struct conflict *conflict;
	bool peer_alive;
	struct instant peer_change; /* when it notices that the network changed */
	struct spot spots[IP_N];
	struct moves moves[IP_N];
} nodes[NODE_N];

static struct {
	bool present;
	struct instant change, speak;
} strangers[IP_N];

static const struct row *row;
static int row_i;
static struct rng rng;
static struct instant now;
static bool quiet, cut;
static struct instant cut_change;
static struct message messages[MESSAGE_MAX];
static size_t message_n;
static size_t yields, compared, defences;

static struct ip ip_at(size_t i)
{
	return ip_from_v4((uint8_t[4]){ 10, 0, 0, (uint8_t)i });
}

static size_t index_of(struct ip ip)
{
	return ip.bytes[3];
}

/* Of a node, or NODE_N + ip: of the address's stranger. */
static struct mac mac_of(size_t host)
{
	return (struct mac){ { 2, 0, 0, 0, 1, (uint8_t)host } };
}

static struct instant in_ms(int64_t low, int64_t high)
{
	return instant_add(now, span_ms(rng_between(&rng, low, high)));
}

static void send(struct message message)
{
	MUST(message_n < MESSAGE_MAX);
	messages[message_n++] = message;
}

/* Does a frame of that host come to the node? A partition puts each stranger on one side. */
static bool passes(size_t from, size_t to, size_t ip)
{
	if (rng_chance(&rng, row->loss))
		return false;
	return !cut || (from < NODE_N ? from == to : ip % NODE_N == to);
}

static void send_frame(size_t from, size_t to, size_t ip)
{
	if (from != to && passes(from, to, ip))
		send((struct message){ .kind = FRAME, .due = in_ms(1, 5), .to = to, .ip = ip, .mac = mac_of(from) });
}

static void announce(size_t node, size_t ip)
{
	send_frame(node, 1 - node, ip);
	/* a stranger that hears it may defend itself */
	if (strangers[ip].present && passes(NODE_N + ip, node, ip) && rng_chance(&rng, 500000))
		strangers[ip].speak = in_ms(1, 3000);
}

static void ask(size_t node, size_t ip)
{
	const struct spot *other = &nodes[1 - node].spots[ip];

	if ((other->own.held || instant_before(now, other->leftover_until)) && passes(node, 1 - node, ip))
		send_frame(1 - node, node, ip);
	if (strangers[ip].present && passes(NODE_N + ip, node, ip))
		send_frame(NODE_N + ip, node, ip);
}

static void tell(size_t node, size_t ip)
{
	if (!cut)
		send((struct message){ .kind = CLAIM,
				       .due = in_ms(1, 20),
				       .to = 1 - node,
				       .ip = ip,
				       .claim = nodes[node].spots[ip].own });
}

/* RFC 7432 15.1: fewer than five within 180 s, as the switches see it on which this node is. */
static void note_move(size_t node, size_t ip)
{
	struct moves *seen = &nodes[node].moves[ip];
	size_t n = 1;

	for (size_t i = seen->n; i-- > 0 && seen->n - i < MOVE_MAX; n++) {
		if (instant_since(now, seen->at[i % MOVE_MAX]).us >= DAMPING_WINDOW_S * INT64_C(1000000))
			break;
	}
	MUST(n <= DAMPING_MOVE_MAX);
	seen->at[seen->n++ % MOVE_MAX] = now;
}

static void claim(size_t node, size_t ip, bool forced)
{
	struct spot *spot = &nodes[node].spots[ip];
	uint64_t epoch = spot->own.epoch > spot->other.epoch ? spot->own.epoch : spot->other.epoch;

	spot->own = (struct claim_said){ true, epoch + 1 };
	spot->asked_n = 0;
	if (epoch > 0) {
		/* a stranger alone never moves an address whose policy is always */
		MUST(forced || row->defend != CONFLICT_DEFEND_ALWAYS);
		note_move(node, ip);
		if (!cut)
			note_move(1 - node, ip);
		damping_moved(&spot->damping, now);
	}
	MUST(conflict_hold(nodes[node].conflict, ip_at(ip), now) == 0);
	tell(node, ip);
	announce(node, ip);
	if (row->strangers == ADVERSE && !strangers[ip].present)
		strangers[ip].change = in_ms(20, 2000);
}

static void release(size_t node, size_t ip)
{
	struct spot *spot = &nodes[node].spots[ip];

	spot->own.held = false;
	spot->gave_up = true;
	if (row->leftovers && rng_chance(&rng, 300000))
		spot->leftover_until = in_ms(0, 30000);
	conflict_unhold(nodes[node].conflict, ip_at(ip));
	tell(node, ip);
	if (row->strangers == ADVERSE && strangers[ip].present)
		strangers[ip].change = in_ms(20, 2000);
}

static bool owned_by_other(size_t node, size_t ip)
{
	return nodes[node].peer_alive && nodes[node].spots[ip].other.held;
}

static bool is_allowed(size_t node, size_t ip, enum damping_cause cause)
{
	const struct spot *spot = &nodes[node].spots[ip];

	return instant_reached(spot->retry_at, now) && damping_hold_down(&spot->damping, cause, now).us <= 0;
}

static void act(size_t node, const struct conflict_action *action)
{
	size_t ip = index_of(action->ip);
	struct spot *spot = &nodes[node].spots[ip];
	struct instant *last;

	switch (action->kind) {
	case CONFLICT_ACTION_NONE:
		ck_abort_msg("nothing to do");
	case CONFLICT_ACTION_MEMBER:
		compared++;
		break; /* the claims are compared all the time here */
	case CONFLICT_ACTION_DEFEND:
		MUST(spot->own.held);
		MUST(spot->defended.us == 0 || instant_since(now, spot->defended).us >= 10000000);
		spot->defended = now;
		defences++;
		announce(node, ip);
		break;
	case CONFLICT_ACTION_YIELD:
		MUST(spot->own.held && row->defend != CONFLICT_DEFEND_ALWAYS);
		yields++;
		damping_moved(&spot->damping, now);
		spot->retry_at = instant_add(now, action->hold_down);
		release(node, ip);
		break;
	case CONFLICT_ACTION_REPORT:
		last = &spot->reported[action->record.mac.bytes[5]];
		MUST(last->us == 0 || instant_since(now, *last).us >= 10000000);
		*last = now;
		break;
	case CONFLICT_ACTION_ASK:
		ask(node, ip);
		break;
	case CONFLICT_ACTION_ANNOUNCE:
		MUST(spot->own.held);
		spot->announced = now;
		announce(node, ip);
		break;
	case CONFLICT_ACTION_TAKEN:
		spot->asked_n = 0;
		spot->retry_at = instant_add(now, action->hold_down);
		break;
	}
}

static void take_claim(const struct message *message)
{
	struct spot *spot = &nodes[message->to].spots[message->ip];
	struct conflict *conflict = nodes[message->to].conflict;
	bool begins = message->claim.held && message->claim.epoch != spot->other.epoch;
	bool ends = spot->other.held && !message->claim.held;

	spot->other = message->claim;
	if (begins && message->claim.epoch > 1)
		damping_moved(&spot->damping, now);
	if (begins)
		spot->gave_up = false;
	if (!ends)
		return;
	spot->gave_up = true;
	conflict_withdrawn(conflict, ip_at(message->ip), 2 - message->to, now);
}

static void take(const struct message *message)
{
	struct conflict_out out;

	if (message->kind == CLAIM) {
		take_claim(message);
		return;
	}
	conflict_seen(nodes[message->to].conflict, ip_at(message->ip), message->mac, now, &out);
	for (size_t i = 0; i < out.action_n; i++)
		act(message->to, &out.actions[i]);
}

static void deliver(void)
{
	for (size_t i = 0; i < message_n;) {
		struct message message = messages[i];

		if (!instant_reached(message.due, now)) {
			i++;
			continue;
		}
		messages[i] = messages[--message_n];
		if (message.kind == FRAME || !cut)
			take(&message);
	}
}

/* What the election does: yield to the better claim, take what nobody has. */
static void decide(size_t node, size_t ip)
{
	struct spot *spot = &nodes[node].spots[ip];
	bool owned = owned_by_other(node, ip);
	bool need = spot->other.held && !nodes[node].peer_alive;
	bool first_ever = spot->own.epoch == 0 && spot->other.epoch == 0;
	/* the second in rank waits a moment for the first: hold-downs end at the same time for all */
	struct span patience = span_ms(ip % NODE_N == node ? 50 : 400);

	if (spot->own.held) {
		if (owned &&
		    (spot->other.epoch > spot->own.epoch || (spot->other.epoch == spot->own.epoch && node == 1))) {
			/* healed: for this side the address moves to the other */
			note_move(node, ip);
			release(node, ip);
		}
		return;
	}
	if (owned || (!first_ever && !is_allowed(node, ip, need ? DAMPING_NEED : DAMPING_CHOICE))) {
		spot->free_since = INSTANT_NEVER;
		spot->asked_n = 0;
		return;
	}
	if (spot->free_since.us == INSTANT_NEVER.us)
		spot->free_since = now;
	if (!instant_reached(spot->ask_at, now) || !instant_reached(instant_add(spot->free_since, patience), now))
		return;
	if (need || !spot->gave_up || spot->asked_n == ASK_N) {
		claim(node, ip, need);
		return;
	}
	spot->asked_n++;
	spot->ask_at = in_ms(ASK_MS, ASK_MS);
	MUST(conflict_first(nodes[node].conflict, ip_at(ip), now) == 0);
	ask(node, ip);
}

static void move_stranger(size_t ip)
{
	static const int64_t absent_ms[] = { 0, 300000, 3000, 0 }, present_ms[] = { 0, 60000, 2000, 0 };

	if (instant_reached(strangers[ip].change, now) && !quiet) {
		strangers[ip].present = !strangers[ip].present;
		strangers[ip].change =
			row->strangers == ADVERSE
				? INSTANT_NEVER
				: in_ms(1, (strangers[ip].present ? present_ms : absent_ms)[row->strangers]);
		strangers[ip].speak = in_ms(0, 100);
	}
	if (!strangers[ip].present || !instant_reached(strangers[ip].speak, now))
		return;
	strangers[ip].speak = in_ms(500, 20000);
	for (size_t node = 0; node < NODE_N; node++)
		send_frame(NODE_N + ip, node, ip);
}

static void meet(size_t node)
{
	struct conflict_member other = { .instance = 2 - node, .live = !cut, .mac_n = 1 };

	other.macs[0] = mac_of(1 - node);
	nodes[node].peer_alive = !cut;
	nodes[node].peer_change = INSTANT_NEVER;
	conflict_members(nodes[node].conflict, &other, 1);
	conflict_shuffle(nodes[node].conflict, now);
}

static void change_network(bool to_cut)
{
	cut = to_cut;
	cut_change = cut ? in_ms(300, 30000) : in_ms(row->cut_every * 1000, row->cut_every * 2000);
	for (size_t node = 0; node < NODE_N; node++) {
		/* the claims of the other side come with the others' first packets */
		nodes[node].peer_change = cut ? in_ms(100, 250) : in_ms(20, 100);
		for (size_t ip = 0; ip < IP_N; ip++)
			tell(node, ip);
	}
}

static void tick(void)
{
	struct conflict_action action;

	now.us += TICK_US;
	if (instant_reached(cut_change, now) && (!quiet || cut))
		change_network(!cut);
	for (size_t ip = 0; ip < IP_N; ip++)
		move_stranger(ip);
	deliver();
	for (size_t node = 0; node < NODE_N; node++) {
		if (instant_reached(nodes[node].peer_change, now))
			meet(node);
		while (instant_reached(conflict_deadline(nodes[node].conflict), now) &&
		       conflict_due(nodes[node].conflict, now, &action))
			act(node, &action);
		for (size_t ip = 0; ip < IP_N; ip++)
			decide(node, ip);
	}
}

static void begin(uint64_t seed)
{
	struct conflict_config config = { .defend = row->defend, .self_probe = span_s(20) };

	memset(nodes, 0, sizeof(nodes));
	memset(strangers, 0, sizeof(strangers));
	rng = rng_of(seed);
	now = (struct instant){ 1000000000 };
	quiet = cut = false;
	message_n = yields = compared = defences = 0;
	cut_change = row->cut_every > 0 ? in_ms(10000, row->cut_every * 1000) : INSTANT_NEVER;
	for (size_t ip = 0; ip < IP_N; ip++)
		strangers[ip].change =
			row->strangers == RANDOM || row->strangers == FLAPPING ? in_ms(1000, 100000) : INSTANT_NEVER;
	for (size_t node = 0; node < NODE_N; node++) {
		nodes[node].conflict = conflict_new(&config, seed + node);
		MUST(nodes[node].conflict != NULL);
		for (size_t ip = 0; ip < IP_N; ip++)
			nodes[node].spots[ip].free_since = INSTANT_NEVER;
		meet(node);
	}
}

/* Strangers go, the network heals: each address has one owner, and it stays. */
static void expect_calm(void)
{
	size_t before = 0, after = 0;

	quiet = true;
	for (size_t ip = 0; ip < IP_N; ip++)
		strangers[ip].present = false;
	for (int64_t i = 0; i < HOUR_TICKS / 10; i++)
		tick();
	for (size_t ip = 0; ip < IP_N; ip++) {
		MUST(nodes[0].spots[ip].own.held != nodes[1].spots[ip].own.held);
		before += nodes[0].moves[ip].n + nodes[1].moves[ip].n;
	}
	for (int64_t i = 0; i < HOUR_TICKS / 10; i++)
		tick();
	for (size_t ip = 0; ip < IP_N; ip++)
		after += nodes[0].moves[ip].n + nodes[1].moves[ip].n;
	MUST(before == after);
}

START_TEST(no_oscillation)
{
	size_t moved = 0;

	row = &rows[_i];
	row_i = _i;
	begin(1000 + (uint64_t)_i);
	for (int64_t i = 0; i < 2 * HOUR_TICKS; i++)
		tick();
	expect_calm();
	/* the faults that the row asks for did come */
	for (size_t ip = 0; ip < IP_N; ip++)
		moved += nodes[0].moves[ip].n + nodes[1].moves[ip].n;
	MUST((row->strangers == NO_STRANGERS || row->defend == CONFLICT_DEFEND_ALWAYS) == (yields == 0));
	MUST(row->strangers == NO_STRANGERS || row->defend == CONFLICT_DEFEND_YIELD || defences > 10);
	MUST(row->cut_every == 0 || moved > 10);
	MUST(row->cut_every == 0 || row->defend != CONFLICT_DEFEND_ALWAYS || compared > 0);
	MUST(row->cut_every > 0 || row->defend != CONFLICT_DEFEND_ALWAYS || moved == 0);
	for (size_t node = 0; node < NODE_N; node++)
		conflict_free(nodes[node].conflict);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("conflict_sim");
	TCase *tcase = tcase_create("conflict_sim");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 120);
	tcase_add_loop_test(tcase, no_oscillation, 0, ARRAY_LEN(rows));
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
