/* SPDX-License-Identifier: Apache-2.0 */
/* The table of members: found by name and by instance, changed by the precedence rules of SWIM 4.2. */
#include <assert.h>
#include <string.h>

#include "gossip/internal.h"

uint32_t slot_of(const struct gossip *g, const struct member *member)
{
	return (uint32_t)(member - g->members);
}

struct member *self_of(const struct gossip *g)
{
	return &g->members[g->self];
}

bool gossip_state_live(enum gossip_state state)
{
	return state == GOSSIP_ALIVE || state == GOSSIP_SUSPECT;
}

bool member_live(const struct member *member)
{
	return gossip_state_live(member->state);
}

bool notify_room(const struct gossip *g)
{
	return g->out->action_n + 8 <= GOSSIP_ACTION_MAX;
}

/* --- finding -------------------------------------------------------------------------------------------------------- */

static size_t bucket_of(const struct gossip *g, uint64_t instance)
{
	return (size_t)hash_mix(instance) & (g->by_instance_len - 1);
}

struct member *member_find(const struct gossip *g, uint64_t instance)
{
	for (size_t i = bucket_of(g, instance); g->by_instance[i] != SLOT_NONE;
	     i = (i + 1) & (g->by_instance_len - 1)) {
		if (g->members[g->by_instance[i]].instance == instance)
			return &g->members[g->by_instance[i]];
	}
	return NULL;
}

static void index_add(struct gossip *g, uint32_t slot)
{
	size_t i = bucket_of(g, g->members[slot].instance);

	while (g->by_instance[i] != SLOT_NONE)
		i = (i + 1) & (g->by_instance_len - 1);
	g->by_instance[i] = slot;
}

/* Remove and close the gap, so that later entries of the run stay findable. */
static void index_remove(struct gossip *g, uint32_t slot)
{
	size_t mask = g->by_instance_len - 1;
	size_t hole = bucket_of(g, g->members[slot].instance);

	while (g->by_instance[hole] != slot)
		hole = (hole + 1) & mask;
	for (size_t i = (hole + 1) & mask; g->by_instance[i] != SLOT_NONE; i = (i + 1) & mask) {
		size_t home = bucket_of(g, g->members[g->by_instance[i]].instance);

		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		g->by_instance[hole] = g->by_instance[i];
		hole = i;
	}
	g->by_instance[hole] = SLOT_NONE;
}

/* Where the name stands, or would stand, in the order by name. */
static size_t order_place(const struct gossip *g, const char *name)
{
	size_t low = 0;
	size_t high = g->member_n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(g->members[g->order[middle]].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct member *member_named(const struct gossip *g, const char *name)
{
	size_t at = order_place(g, name);

	if (at == g->member_n || strcmp(g->members[g->order[at]].name, name) != 0)
		return NULL;
	return &g->members[g->order[at]];
}

/* --- state ---------------------------------------------------------------------------------------------------------- */

/* Counters follow every change: call leave before, enter after. */
static void view_leave(struct gossip *g, const struct member *member)
{
	g->live_n -= member_live(member);
	g->suspect_n -= member->state == GOSSIP_SUSPECT;
	g->down_n -= member->state == GOSSIP_DEAD || member->state == GOSSIP_LEFT;
}

static void view_enter(struct gossip *g, const struct member *member)
{
	g->live_n += member_live(member);
	g->suspect_n += member->state == GOSSIP_SUSPECT;
	g->down_n += member->state == GOSSIP_DEAD || member->state == GOSSIP_LEFT;
}

enum gossip_state state_settled(enum gossip_state state)
{
	return state == GOSSIP_SUSPECT ? GOSSIP_ALIVE : state;
}

/* Called after each change of a member; `used` false: it is no more. */
static void digest_refresh(struct gossip *g, struct member *member)
{
	g->member_digest ^= member->digest;
	member->digest = !member->used ? 0
				       : hash_mix(hash_mix(member->instance ^ hash_mix(member->incarnation)) ^
						  (uint64_t)state_settled(member->state));
	g->member_digest ^= member->digest;
}

static void tell(struct gossip *g, const struct member *member, enum gossip_state from, enum gossip_state to,
		 enum gossip_reason reason)
{
	struct gossip_action *action = action_add(g, GOSSIP_ACTION_MEMBER);

	action->member.instance = member->instance;
	action->member.from = from;
	action->member.to = to;
	action->member.reason = reason;
	action->member.proof = member->proof;
	memcpy(action->member.name, member->name, sizeof(member->name));
}

/* The one place where a member's state changes. */
static void set_state(struct gossip *g, struct member *member, enum gossip_state state, enum gossip_reason reason)
{
	enum gossip_state from = member->state;

	view_leave(g, member);
	member->state = state;
	view_enter(g, member);
	digest_refresh(g, member);
	if (from != state)
		member->since = g->now;
	if (state != GOSSIP_SUSPECT)
		member->accuser_n = 0;
	if (!gossip_state_live(state) && gossip_state_live(from))
		g->verdicts[g->verdict_n++ % VERDICT_MAX] = (struct verdict){ member->instance, g->now };
	if (gossip_state_live(from) != gossip_state_live(state))
		g->view_changed = true;
	if (!gossip_state_live(state))
		watch_drop(&g->watch, member->instance);
	tell(g, member, from, state, reason);
}

static struct member *member_add(struct gossip *g, const struct member_record *record)
{
	size_t place = order_place(g, record->name);
	struct member *member = NULL;
	size_t swap;

	for (size_t i = 0; i < g->config.member_max && member == NULL; i++) {
		size_t slot = (g->member_n + i) % g->config.member_max;

		if (!g->members[slot].used)
			member = &g->members[slot];
	}
	if (member == NULL) {
		g->stats.drops[GOSSIP_DROP_FULL]++;
		return NULL;
	}
	memset(member, 0, offsetof(struct member, meta));
	member->used = true;
	memcpy(member->name, record->name, sizeof(member->name));
	member->key = hash_text(0, member->name);
	member->instance = record->instance;
	member->rtt = span_us(-1);
	member->item_head = SLOT_NONE;
	member->item_tail = SLOT_NONE;
	member->since = g->now;
	member->heard = (struct instant){ g->now.us - span_s(3600).us };
	member->nudged = member->heard;
	member->pulled = member->heard;
	member->retold = member->heard;
	member->differs_since = INSTANT_NEVER;
	for (size_t i = 0; i < PATH_MAX_N; i++)
		member->path_heard[i] = member->heard;
	memmove(&g->order[place + 1], &g->order[place], (g->member_n - place) * sizeof(g->order[0]));
	g->order[place] = slot_of(g, member);
	g->member_n++;
	index_add(g, slot_of(g, member));
	/* a new member gets a random place in the round (SWIM 4.3) */
	g->probe_list[g->probe_n++] = slot_of(g, member);
	swap = g->probe_at_index + (size_t)rng_below(&g->rng, g->probe_n - g->probe_at_index);
	g->probe_list[g->probe_n - 1] = g->probe_list[swap];
	g->probe_list[swap] = slot_of(g, member);
	return member;
}

static void set_record(struct member *member, const struct member_record *record)
{
	member->endpoint_n = record->endpoint_n;
	memcpy(member->endpoints, record->endpoints, sizeof(member->endpoints));
	member->incarnation = record->incarnation;
	member->meta_len = record->meta_len;
	memcpy(member->meta, record->meta, record->meta_len);
}

void member_forget(struct gossip *g, struct member *member, enum gossip_reason reason)
{
	uint32_t slot = slot_of(g, member);
	size_t place = order_place(g, member->name);
	size_t kept = 0;
	size_t before = 0;

	assert(slot != g->self);
	item_drop_all(g, member);
	rumour_drop_member(g, member);
	view_leave(g, member);
	tell(g, member, member->state, 0, reason);
	memmove(&g->order[place], &g->order[place + 1], (g->member_n - place - 1) * sizeof(g->order[0]));
	g->member_n--;
	index_remove(g, slot);
	for (size_t i = 0; i < g->probe_n; i++) {
		if (g->probe_list[i] == slot)
			continue;
		before += i < g->probe_at_index;
		g->probe_list[kept++] = g->probe_list[i];
	}
	g->probe_n = kept;
	g->probe_at_index = before;
	if (g->probe.target == slot)
		g->probe.target = SLOT_NONE;
	member->used = false;
	digest_refresh(g, member);
	g->view_changed = true;
}

/* --- ourselves ------------------------------------------------------------------------------------------------------ */

void member_add_self(struct gossip *g)
{
	struct member_record record = { .instance = g->config.instance,
					.endpoint_n = g->config.endpoint_n,
					.incarnation = 1,
					.state = GOSSIP_ALIVE,
					.meta_len = (uint16_t)g->config.meta_len,
					.meta = g->config.meta };
	struct member *self;

	memcpy(record.endpoints, g->config.endpoints, sizeof(record.endpoints));
	memcpy(record.name, g->config.name, sizeof(record.name));
	self = member_add(g, &record);
	assert(self != NULL);
	set_record(self, &record);
	self->state = GOSSIP_ALIVE;
	view_enter(g, self);
	digest_refresh(g, self);
	g->self = slot_of(g, self);
	g->probe_n = 0; /* nobody probes itself */
	g->view_changed = true;
}

void member_refresh_self(struct gossip *g, uint32_t at_least)
{
	struct member *self = self_of(g);

	if (self->incarnation < at_least)
		self->incarnation = at_least;
	self->incarnation++;
	digest_refresh(g, self);
	rumour_member(g, self, true);
}

void member_raise_self(struct gossip *g, uint64_t instance)
{
	struct member *self = self_of(g);

	index_remove(g, g->self);
	item_drop_all(g, self);
	self->instance = instance;
	self->item_top = 0;
	self->item_complete = 0;
	index_add(g, g->self);
	digest_refresh(g, self);
	g->watch.self = instance;
	g->view_changed = true;
}

/* Somebody says something about us. Only we know, and we say so by a higher incarnation (SWIM 4.2). */
static void refute(struct gossip *g, enum gossip_state state, uint32_t incarnation)
{
	if (state == GOSSIP_ALIVE || g->leaving || incarnation < self_of(g)->incarnation)
		return;
	g->stats.refutations_n++;
	health_worse(g, 1);
	member_refresh_self(g, incarnation);
	g->missed = g->missed || state == GOSSIP_DEAD;
}

/*
 * Who saw it first tells everybody at once; who only heard of it passes it on with the other rumours. In a large cluster the first
 * one reaches a few, and those must hurry as well.
 */
static bool is_urgent(const struct gossip *g, enum gossip_reason reason)
{
	return (reason != GOSSIP_REASON_RUMOUR && reason != GOSSIP_REASON_VERDICT && reason != GOSSIP_REASON_LEFT) ||
	       g->live_n > URGENT_MEMBER_MAX;
}

/* --- claims about members ------------------------------------------------------------------------------------------- */

/* SWIM 4.2: does (state, incarnation) override what we know of the same instance? */
static bool overrides(const struct member *member, enum gossip_state state, uint32_t incarnation)
{
	if (member->state == GOSSIP_LEFT)
		return false; /* final for this instance: a node that left comes back as another one */
	switch (state) {
	case GOSSIP_ALIVE:
		return incarnation > member->incarnation;
	case GOSSIP_SUSPECT:
		return member->state == GOSSIP_ALIVE
			       ? incarnation >= member->incarnation
			       : member->state == GOSSIP_SUSPECT && incarnation > member->incarnation;
	case GOSSIP_DEAD:
		return member->state == GOSSIP_DEAD ? incarnation > member->incarnation
						    : incarnation >= member->incarnation;
	case GOSSIP_LEFT:
		/* the dead may have left before: final either way, and all must agree in the end */
		return incarnation >= member->incarnation || member->state == GOSSIP_DEAD;
	}
	return false;
}

/* Members that could confirm a suspicion: those that live, are not suspected themselves, and are neither we nor the subject. */
static unsigned int confirmations_wanted(const struct gossip *g)
{
	uint32_t others = g->live_n - g->suspect_n;

	return others <= 1 ? 0 : others - 1 < SUSPICION_CONFIRMATIONS ? others - 1 : SUSPICION_CONFIRMATIONS;
}

/*
 * Lifeguard IV.B: from the longest time down to the shortest as confirmations come in, by log(C + 1) / log(K + 1). The tables
 * hold that in thousandths.
 */
static struct span suspicion_span(const struct gossip *g, const struct member *member)
{
	static const int64_t share[SUSPICION_CONFIRMATIONS + 1][SUSPICION_CONFIRMATIONS + 1] = {
		{ 1000, 1000, 1000, 1000 },
		{ 0, 1000, 1000, 1000 },
		{ 0, 631, 1000, 1000 },
		{ 0, 500, 792, 1000 },
	};
	unsigned int confirmed = member->accuser_n > 0 ? member->accuser_n - 1u : 0;
	int64_t least = g->config.timers.suspicion.us;
	int64_t most = least * SUSPICION_SPREAD;

	return span_us(most - (most - least) * share[confirmations_wanted(g)][confirmed] / 1000);
}

static bool accuser_new(const struct member *member, uint64_t accuser)
{
	for (size_t i = 0; i < member->accuser_n; i++) {
		if (member->accusers[i] == accuser)
			return false;
	}
	return accuser != 0 && accuser != member->instance && member->accuser_n < ACCUSER_MAX;
}

void member_accuse(struct gossip *g, struct member *member, uint32_t incarnation, uint64_t accuser,
		   enum gossip_reason reason)
{
	if (slot_of(g, member) == g->self || member->state != GOSSIP_SUSPECT || incarnation != member->incarnation) {
		member_claim(g, member, GOSSIP_SUSPECT, incarnation, reason);
		if (slot_of(g, member) == g->self || member->state != GOSSIP_SUSPECT ||
		    incarnation != member->incarnation)
			return;
	}
	if (!accuser_new(member, accuser))
		return;
	member->accusers[member->accuser_n++] = accuser;
	member->dead_at = instant_add(member->since, suspicion_span(g, member));
	rumour_member(g, member, false); /* each of the first few is passed on (Lifeguard IV.B) */
}

static void claim(struct gossip *g, struct member *member, enum gossip_state state, uint32_t incarnation,
		  enum gossip_reason reason, enum gossip_proof proof)
{
	if (slot_of(g, member) == g->self) {
		refute(g, state, incarnation);
		return;
	}
	if (!overrides(member, state, incarnation) || !notify_room(g))
		return;
	/* Others hold it for dead, and it spoke to us just now: it must hear of that and refute. */
	if (state == GOSSIP_DEAD && reason == GOSSIP_REASON_RUMOUR &&
	    instant_since(g->now, member->heard).us < g->config.timers.silence.us / 2) {
		state = GOSSIP_SUSPECT;
		if (!overrides(member, state, incarnation))
			return;
	}
	member->incarnation = incarnation;
	member->accuser_n = 0;
	member->proof = proof;
	set_state(g, member, state, reason);
	if (state == GOSSIP_SUSPECT)
		member->dead_at = instant_add(g->now, suspicion_span(g, member));
	rumour_member(g, member, state != GOSSIP_SUSPECT && is_urgent(g, reason));
}

void member_claim(struct gossip *g, struct member *member, enum gossip_state state, uint32_t incarnation,
		  enum gossip_reason reason)
{
	claim(g, member, state, incarnation, reason, GOSSIP_PROOF_NONE);
}

void member_die(struct gossip *g, struct member *member, uint32_t incarnation, enum gossip_reason reason,
		enum gossip_proof proof)
{
	if (member->state != GOSSIP_DEAD || incarnation > member->incarnation) {
		claim(g, member, GOSSIP_DEAD, incarnation, reason, proof);
		return;
	}
	if (incarnation < member->incarnation || proof <= member->proof || slot_of(g, member) == g->self ||
	    !notify_room(g))
		return;
	member->proof = proof; /* its guard speaks after the quorum did */
	tell(g, member, GOSSIP_DEAD, GOSSIP_DEAD, reason);
	rumour_member(g, member, is_urgent(g, reason));
}

/* A record about a known instance. */
static void update(struct gossip *g, struct member *member, const struct member_record *record,
		   enum gossip_reason reason)
{
	enum gossip_state from = member->state;

	if (record->state != GOSSIP_ALIVE) {
		/* A record is old news from a peer's table, perhaps of the other half of a partition: whom we hold for alive is
		 * asked first. Fresh deaths come as MESSAGE_STATE. */
		bool doubted = record->state == GOSSIP_DEAD && member_live(member);

		member_claim(g, member, doubted ? GOSSIP_SUSPECT : record->state, record->incarnation, reason);
		return;
	}
	if (!overrides(member, GOSSIP_ALIVE, record->incarnation) || !notify_room(g))
		return;
	set_record(member, record);
	set_state(g, member, GOSSIP_ALIVE, from == GOSSIP_ALIVE ? GOSSIP_REASON_META : GOSSIP_REASON_REFUTED);
	rumour_member(g, member, is_urgent(g, reason));
}

void member_conflict(struct gossip *g, struct endpoint holder)
{
	if (g->conflict || !notify_room(g))
		return;
	g->conflict = true;
	action_add(g, GOSSIP_ACTION_CONFLICT)->conflict.holder = holder;
}

/* Our own name with another instance. An older one is a former run of ours; a later one has taken our place everywhere. */
static void name_clash(struct gossip *g, const struct member_record *record)
{
	if (record->instance > self_of(g)->instance && record->state == GOSSIP_ALIVE)
		member_conflict(g, record->endpoints[0]);
}

void summary_write(struct wire_writer *w, const struct member *self)
{
	wire_write_u32(w, self->incarnation);
	wire_write_u32(w, self->item_top);
	wire_write_u64(w, self->item_digest);
}

void summary_take(struct gossip *g, struct member *from, struct wire_reader *r)
{
	uint32_t incarnation = wire_read_u32(r);
	uint32_t top = wire_read_u32(r);
	uint64_t digest = wire_read_u64(r);

	if (incarnation > INCARNATION_MAX)
		wire_fail(r);
	if (r->failed)
		return;
	if (incarnation > from->incarnation)
		sync_ask_record(g, from, from->instance);
	item_compare(g, from, from, top, digest);
}

struct member *member_take(struct gossip *g, const struct member_record *record, enum gossip_reason reason)
{
	struct member *member = member_named(g, record->name);

	if (member != NULL && slot_of(g, member) == g->self && record->instance != member->instance) {
		name_clash(g, record);
		return NULL;
	}
	if (member != NULL && record->instance < member->instance)
		return NULL; /* an older run of that node */
	if (member != NULL && record->instance == member->instance) {
		update(g, member, record, reason);
		return member;
	}
	if (!notify_room(g) || member_find(g, record->instance) != NULL)
		return NULL; /* one run has one name */
	if (!gossip_state_live(record->state) && span_s(record->age_s).us >= g->config.timers.reap_after.us)
		return NULL; /* forgotten here, or soon: it must not come back from those who have not yet */
	if (member != NULL)
		member_forget(g, member, GOSSIP_REASON_REPLACED);
	member = member_add(g, record);
	if (member == NULL)
		return NULL;
	set_record(member, record);
	set_state(g, member, record->state, GOSSIP_REASON_JOINED);
	if (!member_live(member))
		member->since = instant_add(g->now, span_s(-(int64_t)record->age_s));
	rumour_member(g, member, record->state == GOSSIP_ALIVE && is_urgent(g, reason));
	return member;
}

struct member *member_random(struct gossip *g, const struct member * not )
{
	size_t start;

	if (g->probe_n == 0)
		return NULL;
	/* from a random place on; where many are dead that favours those behind them a little, which does not matter */
	start = (size_t)rng_below(&g->rng, g->probe_n);
	for (size_t i = 0; i < g->probe_n; i++) {
		struct member *member = &g->members[g->probe_list[(start + i) % g->probe_n]];

		if (member != not &&member_live(member))
			return member;
	}
	return NULL;
}

/* --- replay --------------------------------------------------------------------------------------------------------- */

bool replay_accept(struct replay *replay, uint64_t counter)
{
	uint64_t ahead = counter - replay->top;
	uint64_t bit = counter % REPLAY_WINDOW;

	if (!replay->started) {
		/* nothing from before the first packet: it may have been recorded */
		memset(replay->seen, 0xff, sizeof(replay->seen));
		replay->started = true;
		replay->top = counter;
	} else if (counter > replay->top) {
		if (ahead >= REPLAY_WINDOW) {
			memset(replay->seen, 0, sizeof(replay->seen));
		} else {
			for (uint64_t c = replay->top + 1; c != counter; c++)
				replay->seen[c % REPLAY_WINDOW / 64] &= ~(UINT64_C(1) << (c % 64));
			replay->seen[bit / 64] &= ~(UINT64_C(1) << (bit % 64));
		}
		replay->top = counter;
	} else if (replay->top - counter >= REPLAY_WINDOW || (replay->seen[bit / 64] >> (bit % 64) & 1) != 0) {
		return false;
	}
	replay->seen[bit / 64] |= UINT64_C(1) << (bit % 64);
	return true;
}
