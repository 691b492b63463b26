/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: watchers
 *
 * SWIM's evidence is one probe a period by one prober, and time is its only filter: fast settings raise false alarms, calm ones
 * take seconds. Here K steady watchers give the evidence, a quorum filters it, and a short burst of verification covers loss:
 *
 *   heard within T_s        -> good
 *   silent for T_s          -> ping it and ask its other watchers, every `probe`, for T_v
 *   any sign of life        -> good again (an answer of another watcher counts: then only our path to it is cut)
 *   still silent            -> vote: tell the other watchers, again every `probe`
 *   votes of a quorum       -> dead; gossip.c spreads it to every member at once
 *
 * The quorum is more than half of the *fixed* watcher set: watchers that are silent themselves are not struck out, or the small
 * side of a partition would agree with itself. Where that leaves nobody able to decide (two of three nodes gone at once), SWIM's
 * slower suspicion does.
 *
 * The rings: on each of K rings members stand in the order of hash(ring, name); the watchers of S are its next successor on each
 * ring, or the one after where a former ring gave that one already. Every member computes the same from the same view.
 */
#include "gossip/watch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

/* A new edge is not judged for so many T_s. */
#define WATCH_GRACE 2

/* A vote counts for so long; its voter repeats it every `probe` while it stands. */
#define WATCH_VOTE_MS 500

void watch_init(struct watch *w, const struct watch_timers *timers, uint64_t self, struct instant now)
{
	memset(w, 0, sizeof(*w));
	w->timers = *timers;
	w->self = self;
	w->beat_at = now;
}

static struct watch_edge *find_edge(struct watch *w, uint64_t instance)
{
	for (size_t i = 0; i < w->edge_n; i++) {
		if (w->edges[i].instance == instance)
			return &w->edges[i];
	}
	return NULL;
}

static struct span vote_after(const struct watch *w)
{
	return span_us(w->timers.silent.us + w->timers.verify.us);
}

/* --- rings ---------------------------------------------------------------------------------------------------------- */

static uint64_t ring_place(uint64_t key, unsigned int ring)
{
	return hash_mix(key ^ (0x9e3779b97f4a7c15u * (ring + 1)));
}

static int compare_key(const void *left, const void *right)
{
	const struct watch_member *a = left;
	const struct watch_member *b = right;

	return a->key < b->key ? -1 : a->key > b->key;
}

static size_t watchers_wanted(size_t member_n)
{
	return member_n - 1 < WATCH_K ? member_n - 1 : WATCH_K;
}

static bool listed(const uint64_t *list, size_t n, uint64_t instance)
{
	for (size_t i = 0; i < n; i++) {
		if (list[i] == instance)
			return true;
	}
	return false;
}

/*
 * The next member on a ring after `place` that is neither `subject` nor already chosen, or NULL. A scan, because each caller
 * asks for few subjects; see watch_view.
 */
static const struct watch_member *successor(const struct watch_member *members, size_t n, unsigned int ring,
					    uint64_t place, uint64_t subject, const uint64_t *chosen, size_t chosen_n)
{
	const struct watch_member *best = NULL;
	uint64_t best_distance = UINT64_MAX;

	for (size_t i = 0; i < n; i++) {
		uint64_t distance = ring_place(members[i].key, ring) - place; /* wraps: the ring closes */

		if (members[i].instance == subject || distance >= best_distance ||
		    listed(chosen, chosen_n, members[i].instance))
			continue;
		best = &members[i];
		best_distance = distance;
	}
	return best;
}

/* The watchers of one member; returns how many. */
static size_t watchers_of(const struct watch_member *members, size_t n, const struct watch_member *subject,
			  uint64_t out[WATCH_K])
{
	size_t wanted = watchers_wanted(n);
	size_t found = 0;

	for (unsigned int ring = 0; found < wanted; ring++) {
		uint64_t place = ring_place(subject->key, ring);
		const struct watch_member *next = successor(members, n, ring, place, subject->instance, out, found);

		assert(next != NULL);
		out[found++] = next->instance;
	}
	return found;
}

/*
 * Could we be a watcher of this member at all? Only when, on some ring, fewer than WATCH_K others stand between it and us: then
 * a successor that was chosen by former rings may be skipped until it is our turn.
 */
static bool may_watch(const struct watch_member *members, size_t n, const struct watch_member *self,
		      const struct watch_member *subject)
{
	for (unsigned int ring = 0; ring < watchers_wanted(n); ring++) {
		uint64_t place = ring_place(subject->key, ring);
		uint64_t ours = ring_place(self->key, ring) - place;
		size_t between = 0;

		for (size_t i = 0; i < n && between < WATCH_K; i++)
			between += ring_place(members[i].key, ring) - place < ours &&
				   members[i].instance != subject->instance;
		if (between < WATCH_K)
			return true;
	}
	return false;
}

/* Keep what is known about an edge's other end, or begin with a clean slate. */
static struct watch_edge *carry_edge(struct watch *w, const struct watch_edge *former, size_t former_n,
				     uint64_t instance, struct instant now)
{
	struct watch_edge *edge = find_edge(w, instance);

	if (edge != NULL || w->edge_n == WATCH_EDGE_MAX)
		return edge;
	edge = &w->edges[w->edge_n++];
	for (size_t i = 0; i < former_n; i++) {
		if (former[i].instance == instance) {
			*edge = former[i];
			edge->subject = false;
			edge->watcher = false;
			return edge;
		}
	}
	/* the other end may learn of us a little later than we of it: its silence counts from then */
	*edge = (struct watch_edge){ .instance = instance, .told = now };
	edge->heard = instant_add(now, span_us(WATCH_GRACE * w->timers.silent.us));
	edge->echoed = edge->heard;
	edge->silent_at = INSTANT_NEVER;
	edge->probe_at = INSTANT_NEVER;
	return edge;
}

static void add_subject(struct watch *w, const struct watch_edge *former, size_t former_n, uint64_t instance,
			const uint64_t *watchers, size_t watcher_n, struct instant now)
{
	struct watch_edge *edge = carry_edge(w, former, former_n, instance, now);

	if (edge == NULL)
		return; /* more subjects than any ring gives in practice: the others watch it */
	edge->subject = true;
	edge->quorum = watcher_n / 2 + 1;
	edge->watcher_n = 0;
	for (size_t i = 0; i < watcher_n; i++) {
		if (watchers[i] != w->self)
			edge->watchers[edge->watcher_n++] = watchers[i];
	}
}

void watch_view(struct watch *w, const struct watch_member *members, size_t member_n, struct watch_member *scratch,
		struct instant now)
{
	struct watch_edge former[WATCH_EDGE_MAX];
	size_t former_n = w->edge_n;
	const struct watch_member *self = NULL;
	uint64_t watchers[WATCH_K];
	size_t n;

	memcpy(former, w->edges, sizeof(former));
	memcpy(scratch, members, member_n * sizeof(*scratch));
	qsort(scratch, member_n, sizeof(*scratch), compare_key); /* one order on every node, also for equal places */
	for (size_t i = 0; i < member_n; i++) {
		if (scratch[i].instance == w->self)
			self = &scratch[i];
	}
	w->edge_n = 0;
	if (self == NULL || member_n < 2)
		return;
	n = watchers_of(scratch, member_n, self, watchers);
	for (size_t i = 0; i < n; i++)
		carry_edge(w, former, former_n, watchers[i], now)->watcher = true;
	for (size_t i = 0; i < member_n; i++) {
		if (&scratch[i] == self || !may_watch(scratch, member_n, self, &scratch[i]))
			continue;
		n = watchers_of(scratch, member_n, &scratch[i], watchers);
		if (listed(watchers, n, w->self))
			add_subject(w, former, former_n, scratch[i].instance, watchers, n, now);
	}
}

/* --- votes ---------------------------------------------------------------------------------------------------------- */

static void drop_expired_votes(struct watch *w, struct instant now)
{
	size_t kept = 0;

	for (size_t i = 0; i < w->vote_n; i++) {
		if (!instant_reached(w->votes[i].until, now))
			w->votes[kept++] = w->votes[i];
	}
	w->vote_n = kept;
}

static void remember_vote(struct watch *w, uint64_t subject, uint64_t voter, struct instant now)
{
	struct instant until = instant_add(now, span_ms(WATCH_VOTE_MS));

	drop_expired_votes(w, now);
	for (size_t i = 0; i < w->vote_n; i++) {
		if (w->votes[i].subject == subject && w->votes[i].voter == voter) {
			w->votes[i].until = until;
			return;
		}
	}
	if (w->vote_n < WATCH_VOTE_MAX)
		w->votes[w->vote_n++] = (struct watch_vote){ subject, voter, until };
}

static void forget_votes_of(struct watch *w, uint64_t subject, uint64_t voter)
{
	size_t kept = 0;

	for (size_t i = 0; i < w->vote_n; i++) {
		if (w->votes[i].subject != subject || w->votes[i].voter != voter)
			w->votes[kept++] = w->votes[i];
	}
	w->vote_n = kept;
}

/* Votes of the subject's watchers, our own included; only those count that the rings name. */
static size_t count_votes(const struct watch *w, const struct watch_edge *edge)
{
	size_t n = edge->voted ? 1 : 0;

	for (size_t i = 0; i < w->vote_n; i++) {
		if (w->votes[i].subject == edge->instance && listed(edge->watchers, edge->watcher_n, w->votes[i].voter))
			n++;
	}
	return n;
}

void watch_drop(struct watch *w, uint64_t instance)
{
	size_t kept = 0;

	for (size_t i = 0; i < w->edge_n; i++) {
		if (w->edges[i].instance != instance)
			w->edges[kept++] = w->edges[i];
	}
	w->edge_n = kept;
	kept = 0;
	for (size_t i = 0; i < w->vote_n; i++) {
		if (w->votes[i].subject != instance)
			w->votes[kept++] = w->votes[i];
	}
	w->vote_n = kept;
}

/* --- messages ------------------------------------------------------------------------------------------------------- */

static void say(struct watch_out *out, enum watch_message_kind kind, uint64_t to, uint64_t subject, struct span age)
{
	if (out->message_n < WATCH_OUT_MAX)
		out->messages[out->message_n++] = (struct watch_message){ kind, to, subject, age };
}

/* A quorum that includes our own vote: we never spread a death that we do not see ourselves. */
static void decide(const struct watch *w, const struct watch_edge *edge, struct watch_out *out)
{
	if (edge->voted && count_votes(w, edge) >= edge->quorum && out->dead_n < WATCH_EDGE_MAX)
		out->dead[out->dead_n++] = edge->instance;
}

/* It lives: whatever was held against it is void. */
static void clear(struct watch *w, struct watch_edge *edge)
{
	if (edge->voted)
		forget_votes_of(w, edge->instance, w->self);
	edge->voted = false;
	edge->silent_at = INSTANT_NEVER;
	edge->probe_at = INSTANT_NEVER;
}

/* Does it live, for all that this edge tells? Silence in the one direction, or twice as long in the other, says no. */
static struct instant life(const struct watch *w, const struct watch_edge *edge)
{
	return instant_min(edge->heard, instant_add(edge->echoed, w->timers.silent));
}

static void clear_if_alive(struct watch *w, struct watch_edge *edge, struct instant now)
{
	if (edge->silent_at.us != INSTANT_NEVER.us && instant_since(now, life(w, edge)).us < w->timers.silent.us)
		clear(w, edge);
}

void watch_heard(struct watch *w, uint64_t instance, struct instant now)
{
	struct watch_edge *edge = find_edge(w, instance);

	if (edge == NULL)
		return;
	if (instant_before(edge->heard, now)) /* it may lie ahead: the grace of a new edge */
		edge->heard = now;
	clear_if_alive(w, edge, now);
}

void watch_echoed(struct watch *w, uint64_t instance, struct instant at, struct instant now)
{
	struct watch_edge *edge = find_edge(w, instance);

	if (edge == NULL)
		return;
	/* the first word of an edge ends its grace */
	if (instant_before(edge->echoed, at) || instant_before(now, edge->echoed))
		edge->echoed = at;
	if (instant_before(now, edge->heard))
		edge->heard = now;
	clear_if_alive(w, edge, now);
}

void watch_take(struct watch *w, uint64_t from, const struct watch_message *message, struct instant now,
		struct watch_out *out)
{
	struct watch_edge *edge = find_edge(w, message->subject);

	if (edge == NULL || !edge->subject || from == message->subject)
		return; /* the sender has another view of the rings; it will learn */
	switch (message->kind) {
	case WATCH_ASK:
		/* only first-hand news: hearsay would keep a dead node alive in a circle */
		say(out, WATCH_TELL, from, message->subject, instant_since(now, life(w, edge)));
		break;
	case WATCH_TELL: {
		struct instant at = instant_add(now, span_us(-message->age.us));

		if (message->age.us >= 0 && instant_before(edge->told, at))
			edge->told = at;
		/* heard by another after we last did, within T_s: only our path to it is cut */
		if (message->age.us < w->timers.silent.us && edge->silent_at.us != INSTANT_NEVER.us && edge->voted)
			clear(w, edge);
		break;
	}
	case WATCH_VOTE:
		remember_vote(w, message->subject, from, now);
		decide(w, edge, out);
		break;
	case WATCH_BEAT:
	case WATCH_PING:
		break; /* they count by watch_heard alone */
	}
}

/* --- time ----------------------------------------------------------------------------------------------------------- */

/* Do we hear fewer than half of our edges? Then the fault is more likely ours: accuse nobody. One edge says nothing. */
static bool isolated(const struct watch *w, struct instant now)
{
	size_t heard = 0;

	for (size_t i = 0; i < w->edge_n; i++)
		heard += instant_since(now, w->edges[i].heard).us < w->timers.silent.us;
	return w->edge_n > 1 && heard * 2 < w->edge_n && w->edges[0].quorum > 1;
}

static void probe(struct watch *w, struct watch_edge *edge, struct instant now, struct watch_out *out)
{
	/* while others hear it there is no hurry: only our own path is bad, perhaps for long */
	bool heard_by_others = instant_since(now, edge->told).us < w->timers.silent.us;

	edge->probe_at = instant_add(now, heard_by_others ? span_us(w->timers.silent.us / 2) : w->timers.probe);
	say(out, WATCH_PING, edge->instance, edge->instance, span_us(0));
	for (size_t i = 0; i < edge->watcher_n; i++)
		say(out, edge->voted ? WATCH_VOTE : WATCH_ASK, edge->watchers[i], edge->instance, span_us(0));
}

static struct instant last_sign(const struct watch *w, const struct watch_edge *edge)
{
	struct instant own = life(w, edge);

	return instant_before(edge->told, own) ? own : edge->told;
}

static void tick_subject(struct watch *w, struct watch_edge *edge, struct instant now, struct watch_out *out)
{
	struct span silence = instant_since(now, life(w, edge));

	if (silence.us < w->timers.silent.us)
		return;
	if (edge->silent_at.us == INSTANT_NEVER.us) {
		edge->silent_at = now;
		edge->probe_at = now;
	}
	/* Verification lasts T_v from its own start: a watcher that wakes up late still asks before it accuses. */
	if (!edge->voted && instant_since(now, last_sign(w, edge)).us >= vote_after(w).us &&
	    instant_since(now, edge->silent_at).us >= w->timers.verify.us && instant_reached(w->abstain_until, now) &&
	    !isolated(w, now)) {
		edge->voted = true;
		edge->probe_at = now;
	}
	if (instant_reached(edge->probe_at, now))
		probe(w, edge, now, out);
	decide(w, edge, out);
}

void watch_tick(struct watch *w, struct instant now, struct watch_out *out)
{
	bool beat = instant_reached(w->beat_at, now);

	drop_expired_votes(w, now);
	for (size_t i = 0; i < w->edge_n; i++) {
		if (beat)
			say(out, WATCH_BEAT, w->edges[i].instance, 0, instant_since(now, w->edges[i].heard));
		if (w->edges[i].subject)
			tick_subject(w, &w->edges[i], now, out);
	}
	if (beat)
		w->beat_at = instant_add(now, w->timers.beat);
}

void watch_amnesty(struct watch *w, struct instant now)
{
	w->abstain_until = instant_add(now, vote_after(w));
	for (size_t i = 0; i < w->edge_n; i++) {
		w->edges[i].heard = now;
		w->edges[i].echoed = now;
		w->edges[i].told = now;
		clear(w, &w->edges[i]);
	}
	w->vote_n = 0;
}

struct instant watch_deadline(const struct watch *w)
{
	struct instant next = w->beat_at;

	for (size_t i = 0; i < w->edge_n; i++) {
		const struct watch_edge *edge = &w->edges[i];

		if (!edge->subject)
			continue;
		next = instant_min(next, edge->silent_at.us == INSTANT_NEVER.us
						 ? instant_add(life(w, edge), w->timers.silent)
						 : edge->probe_at);
	}
	return next;
}
