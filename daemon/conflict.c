/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: two hosts, one address
 *
 * Who speaks for an address of ours is told by MAC. A *member* (alive, authenticated by the key of the gossip) runs the same
 * election; the caller compares both claims, exactly one side withdraws, and nothing on the wire decides anything, for a forged
 * frame must not take an address away. A *stranger* knows no claims: RFC 5227 2.4 gives the three answers, and the configuration
 * picks one. A *former* member's kernel may answer on after its daemon died; we hold the address by right then, and defend it
 * without ever yielding.
 *
 * What is no conflict: frames of members within the grace after we took an address (they were on their way), and those of the
 * other end of a hand-over, where both serve for a moment by intent.
 *
 * A switch shows us broadcasts but not the unicast answers of a silent second owner. So each held address is asked for every
 * self_probe, soon after it was taken, and soon after each change of membership, which is when partitions heal. Self-probes share
 * one pace, in turns of CONFLICT_TURN_MS, so that ten thousand addresses wake the loop fifty times a second and not five hundred.
 *
 * Every rate has a bound per address or per pair of address and MAC, and those of MACs, which can be made up, a common one as
 * well. What is not acted upon is counted. All memory is reserved at the start.
 *
 * Oscillation is kept down in three places: the pause between announcements in a conflict of members grows, a yield leaves the
 * address to the stranger for a growing time after which it is asked for before it is claimed, and the election counts its moves
 * (election/holddown.c).
 */
#include "daemon/conflict.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "daemon/conflict_table.h"

/* A conflict among members that rests for so long begins anew with the short pause. */
#define MEMBER_PEACE_S 60

/* With the policy `once`, whether the stranger is still there is asked so long after the defence. */
#define RECHECK_MS 1000

/* Doublings after which each pause and hold-down has long reached its bound. */
#define COUNT_MAX 16

const char *conflict_defend_name(enum conflict_defend defend)
{
	switch (defend) {
	case CONFLICT_DEFEND_ALWAYS:
		return "always";
	case CONFLICT_DEFEND_ONCE:
		return "once";
	case CONFLICT_DEFEND_YIELD:
		return "yield";
	}
	return "unknown";
}

const char *conflict_who_name(enum conflict_who who)
{
	switch (who) {
	case CONFLICT_WHO_STRANGER:
		return "stranger";
	case CONFLICT_WHO_MEMBER:
		return "member";
	case CONFLICT_WHO_FORMER:
		return "former-member";
	case CONFLICT_WHO_AMBIGUOUS:
		return "ambiguous";
	}
	return "unknown";
}

const char *conflict_action_name(enum conflict_action_kind kind)
{
	switch (kind) {
	case CONFLICT_ACTION_NONE:
		return "none";
	case CONFLICT_ACTION_MEMBER:
		return "compare-claims";
	case CONFLICT_ACTION_DEFEND:
		return "defend";
	case CONFLICT_ACTION_YIELD:
		return "yield";
	case CONFLICT_ACTION_REPORT:
		return "report";
	case CONFLICT_ACTION_ASK:
		return "ask";
	case CONFLICT_ACTION_ANNOUNCE:
		return "announce";
	case CONFLICT_ACTION_TAKEN:
		return "taken";
	}
	return "unknown";
}

void conflict_configure(struct conflict *c, const struct conflict_config *config)
{
	assert(config->self_probe.us > 0);
	c->config = *config;
}

struct conflict *conflict_new(const struct conflict_config *config, uint64_t seed)
{
	struct conflict *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	conflict_configure(c, config);
	c->rng = rng_of(seed);
	c->shuffle_at = INSTANT_NEVER;
	conflict_table_init(&c->table);
	conflict_notes_init(&c->notes);
	return c;
}

void conflict_free(struct conflict *c)
{
	free(c);
}

/* low_ms doubled by each time before this one, at most high_s. Counts this one. */
static struct span growing(uint8_t *count, int64_t low_ms, int64_t high_s)
{
	int64_t ms = low_ms << *count;

	if (*count < COUNT_MAX)
		(*count)++;
	return span_ms(ms < high_s * 1000 ? ms : high_s * 1000);
}

/* When to ask for an address that is to be asked for within `spread`. */
static struct instant within(struct conflict *c, struct instant start, struct span spread)
{
	return instant_add(start, span_us(rng_between(&c->rng, 0, spread.us)));
}

int conflict_hold(struct conflict *c, struct ip ip, struct instant now)
{
	uint32_t slot = conflict_table_get(&c->table, ip, now);
	struct conflict_entry *entry;

	if (slot == CONFLICT_SLOT_NONE)
		return -ENOSPC;
	entry = &c->table.entries[slot];
	if (entry->held)
		return 0;
	entry->held = true;
	entry->first_until = now;
	entry->grace_until = instant_add(now, span_ms(CONFLICT_GRACE_MS));
	c->table.held_n++;
	conflict_table_set(&c->table, entry, CONFLICT_TIMER_STEP, INSTANT_NEVER);
	/* who answers after the grace was more than late */
	conflict_table_set(&c->table, entry, CONFLICT_TIMER_PROBE,
			   within(c, entry->grace_until, span_s(CONFLICT_SHUFFLE_S)));
	return 0;
}

static void let_go(struct conflict *c, struct conflict_entry *entry)
{
	c->table.held_n -= entry->held;
	entry->held = false;
	entry->first_until = (struct instant){ 0 };
	for (unsigned int timer = 0; timer < CONFLICT_TIMER_N; timer++)
		conflict_table_set(&c->table, entry, (enum conflict_timer)timer, INSTANT_NEVER);
}

void conflict_unhold(struct conflict *c, struct ip ip)
{
	uint32_t slot = conflict_table_find(&c->table, ip);

	if (slot != CONFLICT_SLOT_NONE)
		let_go(c, &c->table.entries[slot]);
}

void conflict_members(struct conflict *c, const struct conflict_member *members, size_t n)
{
	conflict_notes_members(&c->notes, members, n);
}

void conflict_expect(struct conflict *c, struct ip ip, uint64_t instance, struct instant until)
{
	uint32_t slot = conflict_table_find(&c->table, ip);

	if (slot == CONFLICT_SLOT_NONE)
		return;
	c->table.entries[slot].expected = instance;
	c->table.entries[slot].expect_until = until;
}

void conflict_withdrawn(struct conflict *c, struct ip ip, uint64_t instance, struct instant now)
{
	uint32_t slot = conflict_table_find(&c->table, ip);
	struct conflict_entry *entry;

	if (slot == CONFLICT_SLOT_NONE)
		return;
	entry = &c->table.entries[slot];
	if (entry->held && entry->member == instance && entry->at[CONFLICT_TIMER_STEP].us != INSTANT_NEVER.us)
		conflict_table_set(&c->table, entry, CONFLICT_TIMER_STEP, now);
}

/* For how long the address is left to the stranger: it grows until there was peace. */
static struct span hold_down(struct conflict *c, struct conflict_entry *entry, struct instant now)
{
	struct span left;

	if (instant_reached(instant_add(entry->yield_until, span_s(CONFLICT_YIELD_PEACE_S)), now))
		entry->yield_n = 0;
	left = growing(&entry->yield_n, CONFLICT_YIELD_S * 1000, CONFLICT_YIELD_MAX_S);
	/* those who yield in turn would come back at the same moment: a minute three times is the window of the moves */
	entry->yield_until = within(c, instant_add(now, left), span_us(left.us / 10));
	return instant_since(entry->yield_until, now);
}

/* Two members serve it. Which of them goes on is not for us to say; ask to compare, but not for every frame. */
static enum conflict_action_kind meet_member(struct conflict *c, struct conflict_entry *entry, uint64_t instance,
					     struct instant now)
{
	if (!instant_reached(entry->member_any_until, now) ||
	    (entry->member == instance && !instant_reached(entry->member_until, now)))
		return CONFLICT_ACTION_NONE;
	if (instant_reached(instant_add(entry->member_until, span_s(MEMBER_PEACE_S)), now))
		entry->member_n = 0;
	entry->member = instance;
	entry->member_until = instant_add(now, growing(&entry->member_n, CONFLICT_MEMBER_MS, CONFLICT_DEFEND_S));
	entry->member_any_until = instant_add(now, span_ms(CONFLICT_GRACE_MS));
	if (entry->at[CONFLICT_TIMER_STEP].us == INSTANT_NEVER.us)
		conflict_table_set(&c->table, entry, CONFLICT_TIMER_STEP,
				   instant_add(now, span_ms(CONFLICT_MEMBER_MS)));
	return CONFLICT_ACTION_MEMBER;
}

static enum conflict_action_kind defend(struct conflict *c, struct conflict_entry *entry, bool strange,
					struct instant now)
{
	entry->strange = strange;
	entry->defend_until = instant_add(now, span_s(CONFLICT_DEFEND_S));
	if (strange && c->config.defend == CONFLICT_DEFEND_ONCE)
		conflict_table_set(&c->table, entry, CONFLICT_TIMER_PROBE, instant_add(now, span_ms(RECHECK_MS)));
	return CONFLICT_ACTION_DEFEND;
}

/* Who speaks after that has heard our last defence. */
static struct instant heeded_at(const struct conflict_entry *entry)
{
	return instant_add(entry->defend_until, span_us(CONFLICT_GRACE_MS * 1000 - span_s(CONFLICT_DEFEND_S).us));
}

/* RFC 5227 2.4, by policy; `strange`: not even a member that was. */
static enum conflict_action_kind meet_stranger(struct conflict *c, struct conflict_entry *entry, bool strange,
					       struct instant now)
{
	bool defended = !instant_reached(entry->defend_until, now);
	bool warned = defended && entry->strange;

	if (strange && c->config.defend == CONFLICT_DEFEND_YIELD)
		return CONFLICT_ACTION_YIELD;
	/* RFC 5227 2.4 (b), (c): never a second announcement within DEFEND_INTERVAL */
	if (!defended)
		return defend(c, entry, strange, now);
	entry->strange |= strange;
	/* (b): seen again, and not because two frames crossed */
	if (strange && warned && c->config.defend == CONFLICT_DEFEND_ONCE && instant_reached(heeded_at(entry), now))
		return CONFLICT_ACTION_YIELD;
	return CONFLICT_ACTION_NONE;
}

/*
 * A member that is dead to us, perhaps because the gossip between us is cut, and that goes on after our defence, as one does whose own
 * first announcements are repeated: it gives way when it finds out, or has to; after a pause that grows we announce once more.
 */
static enum conflict_action_kind meet_former(struct conflict *c, struct conflict_entry *entry, uint64_t instance,
					     struct instant now)
{
	enum conflict_action_kind kind = meet_stranger(c, entry, false, now);

	if (kind == CONFLICT_ACTION_NONE && instant_reached(heeded_at(entry), now))
		(void)meet_member(c, entry, instance, now);
	return kind;
}

static bool is_expected(const struct conflict_entry *entry, enum conflict_who who, uint64_t instance,
			struct instant now)
{
	if (!entry->held || who == CONFLICT_WHO_STRANGER)
		return false;
	return !instant_reached(entry->grace_until, now) ||
	       (who == CONFLICT_WHO_MEMBER && instance == entry->expected &&
		!instant_reached(entry->expect_until, now));
}

/* Asked for, and not ours: a member's claim says more than its frames, and whoever asked knows whose kernel it waits for. */
static bool is_ignored(const struct conflict_entry *entry, enum conflict_who who, struct instant now)
{
	return !entry->held &&
	       (instant_reached(entry->first_until, now) || who == CONFLICT_WHO_MEMBER || who == CONFLICT_WHO_FORMER);
}

static enum conflict_action_kind meet(struct conflict *c, struct conflict_entry *entry, enum conflict_who who,
				      uint64_t instance, struct instant now)
{
	if (!entry->held)
		return CONFLICT_ACTION_TAKEN;
	switch (who) {
	case CONFLICT_WHO_MEMBER:
		return meet_member(c, entry, instance, now);
	case CONFLICT_WHO_FORMER:
		return meet_former(c, entry, instance, now);
	case CONFLICT_WHO_STRANGER:
	case CONFLICT_WHO_AMBIGUOUS:
		return meet_stranger(c, entry, true, now);
	}
	return CONFLICT_ACTION_NONE;
}

void conflict_seen(struct conflict *c, struct ip ip, struct mac mac, struct instant now, struct conflict_out *out)
{
	uint32_t slot = conflict_table_find(&c->table, ip);
	struct conflict_action action = { .ip = ip };
	struct conflict_entry *entry;
	struct conflict_note *note;
	enum conflict_who who;

	out->action_n = 0;
	if (slot == CONFLICT_SLOT_NONE)
		return;
	entry = &c->table.entries[slot];
	who = conflict_notes_who(&c->notes, mac, &action.instance);
	if (is_ignored(entry, who, now) || is_expected(entry, who, action.instance, now))
		return;
	note = conflict_notes_take(&c->notes, ip, mac, who, action.instance, now);
	action.kind = meet(c, entry, who, action.instance, now);
	if (action.kind == CONFLICT_ACTION_YIELD || action.kind == CONFLICT_ACTION_TAKEN) {
		let_go(c, entry);
		action.hold_down = hold_down(c, entry, now);
	}
	if (action.kind != CONFLICT_ACTION_NONE) {
		note->record.action = action.kind;
		action.record = note->record;
		out->actions[out->action_n++] = action;
	}
	conflict_notes_report(&c->notes, note, now, out);
}

int conflict_first(struct conflict *c, struct ip ip, struct instant now)
{
	uint32_t slot = conflict_table_get(&c->table, ip, now);
	struct conflict_entry *entry;

	if (slot == CONFLICT_SLOT_NONE)
		return -ENOSPC;
	entry = &c->table.entries[slot];
	assert(!entry->held);
	entry->first_until = instant_add(now, span_ms(CONFLICT_FIRST_MS));
	return 0;
}

/* How long asking for all held addresses takes, if it may take so long at least. */
static struct span spread_of(const struct conflict *c, struct span least)
{
	int64_t paced_us = c->table.held_n * (INT64_C(1000000) / CONFLICT_PROBE_PER_S);

	return paced_us > least.us ? span_us(paced_us) : least;
}

void conflict_shuffle(struct conflict *c, struct instant now)
{
	if (c->shuffle_at.us == INSTANT_NEVER.us)
		c->shuffle_at = instant_before(now, c->shuffle_after) ? c->shuffle_after : now;
}

static void shuffle(struct conflict *c, struct instant now)
{
	struct span spread = spread_of(c, span_s(CONFLICT_SHUFFLE_S));

	c->shuffle_at = INSTANT_NEVER;
	c->shuffle_after = instant_add(now, spread);
	for (uint32_t i = 0; i < c->table.n; i++) {
		struct conflict_entry *entry = &c->table.entries[i];
		struct instant at = entry->held ? within(c, now, spread) : INSTANT_NEVER;

		if (instant_before(at, entry->at[CONFLICT_TIMER_PROBE]))
			conflict_table_set(&c->table, entry, CONFLICT_TIMER_PROBE, at);
	}
}

/* Is there room for another self-probe in this turn? */
static bool turn_has_room(struct conflict *c, struct instant now)
{
	if (instant_reached(instant_add(c->turn, span_ms(CONFLICT_TURN_MS)), now)) {
		c->turn = now;
		c->turn_n = 0;
	}
	return c->turn_n < CONFLICT_PROBE_PER_S * CONFLICT_TURN_MS / 1000;
}

static bool is_due(const struct conflict *c, uint32_t slot, enum conflict_timer timer, struct instant now)
{
	return slot != CONFLICT_SLOT_NONE && instant_reached(c->table.entries[slot].at[timer], now);
}

bool conflict_due(struct conflict *c, struct instant now, struct conflict_action *ret)
{
	uint32_t slot = conflict_table_first(&c->table, CONFLICT_TIMER_STEP);
	int64_t interval_us;

	if (is_due(c, slot, CONFLICT_TIMER_STEP, now)) {
		*ret = (struct conflict_action){ .kind = CONFLICT_ACTION_ANNOUNCE, .ip = c->table.entries[slot].ip };
		conflict_table_set(&c->table, &c->table.entries[slot], CONFLICT_TIMER_STEP, INSTANT_NEVER);
		return true;
	}
	if (instant_reached(c->shuffle_at, now))
		shuffle(c, now);
	slot = conflict_table_first(&c->table, CONFLICT_TIMER_PROBE);
	if (!is_due(c, slot, CONFLICT_TIMER_PROBE, now) || !turn_has_room(c, now))
		return false;
	c->turn_n++;
	*ret = (struct conflict_action){ .kind = CONFLICT_ACTION_ASK, .ip = c->table.entries[slot].ip };
	interval_us = spread_of(c, c->config.self_probe).us;
	interval_us = rng_between(&c->rng, interval_us * 9 / 10, interval_us * 11 / 10);
	conflict_table_set(&c->table, &c->table.entries[slot], CONFLICT_TIMER_PROBE,
			   instant_add(now, span_us(interval_us)));
	return true;
}

struct instant conflict_deadline(const struct conflict *c)
{
	uint32_t slot = conflict_table_first(&c->table, CONFLICT_TIMER_STEP);
	struct instant deadline = c->shuffle_at, turn = instant_add(c->turn, span_ms(CONFLICT_TURN_MS));

	if (slot != CONFLICT_SLOT_NONE)
		deadline = instant_min(deadline, c->table.entries[slot].at[CONFLICT_TIMER_STEP]);
	slot = conflict_table_first(&c->table, CONFLICT_TIMER_PROBE);
	if (slot == CONFLICT_SLOT_NONE)
		return deadline;
	if (instant_before(turn, c->table.entries[slot].at[CONFLICT_TIMER_PROBE]))
		turn = c->table.entries[slot].at[CONFLICT_TIMER_PROBE];
	return instant_min(deadline, turn);
}

size_t conflict_record_n(const struct conflict *c)
{
	return c->notes.n;
}

void conflict_record_at(const struct conflict *c, size_t index, struct conflict_record *ret)
{
	assert(index < c->notes.n);
	*ret = c->notes.notes[index].record;
}

uint64_t conflict_count(const struct conflict *c, enum conflict_who who)
{
	return c->notes.counts[who];
}
