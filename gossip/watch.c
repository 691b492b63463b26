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
 * side of a partition would agree with itself. One that was declared dead is replaced by the next on the ring, which begins by
 * verifying. Where that leaves nobody able to decide (two of three nodes gone at once), SWIM's slower suspicion does.
 *
 * T_s and T_v hold for a clean network and only ever grow: T_s until as many heartbeats in a row are missing as the measured loss
 * of the edge makes improbable, T_v to the longest gap that the edge has shown within a minute, both by our own lateness.
 */
#include "gossip/watch.h"

#include <assert.h>
#include <string.h>

#include "base/rng.h"
#include "gossip/ring.h"

/*
 * A new edge to a new member is not judged for so many T_s, unless it is heard: until the newcomer has the state, which takes longer
 * where packets are lost, it knows nothing of us and cannot answer.
 */
#define WATCH_GRACE 12

/* A vote counts for so long; its voter repeats it every `probe` while it stands. */
#define WATCH_VOTE_MS 500

/* The measured loss is a moving average over about so many heartbeats. */
#define LOSS_WINDOW 256

/* A gap in the numbers longer than this is a new beginning, not loss. */
#define LOSS_RUN_MAX 64

/* Half of the time for which the longest gap is remembered. */
#define GAP_HALF_S 30

/* T_v grows to this multiple at most. */
#define VERIFY_GROWTH 2

/* A vote may be so long on its way to another watcher; after that and WATCH_VOTE_MS nobody counts it any more. */
#define VOTE_TRANSIT_MS 100

/* A lease that was lost is asked for in a hurry for so many times its own length, then with the usual heartbeats. */
#define HURRY_LEASES 3

void watch_init(struct watch *w, const struct watch_timers *timers, uint64_t self, bool witness, struct instant now)
{
	memset(w, 0, sizeof(*w));
	w->timers = *timers;
	w->self = self;
	w->witness = witness;
	w->witness_at = instant_add(now, span_s(-3600));
	w->beat_at = now;
	w->lease = instant_add(now, span_s(-3600));
	w->hurried = w->lease;
	w->hurry_at = INSTANT_NEVER;
}

/* Where the edge to this instance stands, or edge_n. */
static size_t edge_index(const struct watch *w, uint64_t instance)
{
	size_t i = 0;

	while (i < w->edge_n && w->edges[i].instance != instance)
		i++;
	return i;
}

static struct watch_edge *find_edge(struct watch *w, uint64_t instance)
{
	size_t i = edge_index(w, instance);

	return i < w->edge_n ? &w->edges[i] : NULL;
}

const struct watch_edge *watch_edge_of(const struct watch *w, uint64_t instance)
{
	size_t i = edge_index(w, instance);

	return i < w->edge_n ? &w->edges[i] : NULL;
}

/* --- limits --------------------------------------------------------------------------------------------------------- */

static struct span longer(struct span a, struct span b)
{
	return a.us > b.us ? a : b;
}

/*
 * Heartbeats in a row that must be missing before an edge counts as silent: the smallest m with loss^m <= 1e-3, so about one
 * verification in a thousand heartbeats: m = ln 1e-3 / ln loss.
 */
static int64_t beats_needed(uint32_t loss_ppm)
{
	static const uint32_t up_to_ppm[] = { 100000, 177000, 251000, 316000, 372000, 421000, 464000, 501000 };
	int64_t m = 3;

	for (size_t i = 0; i < sizeof(up_to_ppm) / sizeof(up_to_ppm[0]) && loss_ppm > up_to_ppm[i]; i++)
		m++;
	return m;
}

struct span watch_silence(const struct watch *w, const struct watch_edge *edge)
{
	struct span by_loss = span_us(w->timers.beat.us * beats_needed(edge->loss_in_ppm));

	return span_us(longer(w->timers.silent, by_loss).us + w->lag.us);
}

/* T_v of an edge: a sole watcher has nobody to contradict it and takes half as long again. */
static struct span verify_span(const struct watch *w, const struct watch_edge *edge)
{
	int64_t base = edge->quorum > 1 ? w->timers.verify.us : w->timers.verify.us * 3 / 2;
	int64_t gap = longer(edge->gap.now, edge->gap.before).us;
	int64_t most = base * VERIFY_GROWTH;

	return span_us(gap <= base ? base : gap < most ? gap : most);
}

static void peak_take(struct watch_peak *peak, struct span sample, struct instant now)
{
	if (instant_reached(peak->turn_at, now)) {
		peak->before = peak->now;
		peak->now = span_us(0);
		peak->turn_at = instant_add(now, span_s(GAP_HALF_S));
	}
	peak->now = longer(peak->now, sample);
}

/* --- the edges ------------------------------------------------------------------------------------------------------ */

/*
 * Keep what is known about an edge's other end, or begin with a clean slate. A new member may learn of us a little later than we
 * of it: its silence counts from then. With an old one the ring has closed over somebody who died, and it may be dead as well: it is
 * verified at once, which costs one ping where it lives.
 */
static struct watch_edge *carry_edge(struct watch *w, const struct watch_edge *former, size_t former_n,
				     const struct watch_member *member, struct instant now)
{
	struct watch_edge *edge = &w->edges[w->edge_n++];

	assert(w->edge_n <= WATCH_EDGE_MAX);
	for (size_t i = 0; i < former_n; i++) {
		if (former[i].instance == member->instance) {
			*edge = former[i];
			edge->subject = false;
			edge->watcher = false;
			return edge;
		}
	}
	memset(edge, 0, sizeof(*edge));
	edge->instance = member->instance;
	edge->heard = instant_add(now, member->fresh ? span_mul(w->timers.silent, WATCH_GRACE)
						     : span_us(-w->timers.silent.us));
	edge->echoed = edge->heard;
	edge->told = instant_add(edge->heard, span_s(-3600));
	edge->vowed = now;
	edge->granted = instant_add(now, span_s(-3600));
	edge->lease = instant_add(now, span_s(-3600));
	edge->gap.turn_at = instant_add(now, span_s(GAP_HALF_S));
	edge->seq =
		(uint32_t)hash_mix(member->instance ^ (uint64_t)now.us); /* no edge goes on where a former one ended */
	edge->quorum = 1;
	edge->silent_at = INSTANT_NEVER;
	edge->probe_at = INSTANT_NEVER;
	return edge;
}

struct view {
	const struct watch_member *members; /* borrowed */
	size_t n;
	size_t watcher_n; /* ours */
	uint64_t watchers[WATCH_EDGE_MAX];
	size_t former_n;
	struct watch_edge former[WATCH_EDGE_MAX];
};

static void set_edge(struct watch *w, const struct view *view, const struct watch_member *member, struct instant now)
{
	uint64_t its[WATCH_EDGE_MAX];
	struct watch_edge *edge;
	struct ring_seat seat;
	size_t n;

	if (member == NULL || find_edge(w, member->instance) != NULL)
		return;
	ring_seat(&seat, view->members, view->n, member);
	n = ring_watchers(&seat, its, view->n);
	edge = carry_edge(w, view->former, view->former_n, member, now);
	edge->watcher = ring_listed(view->watchers, view->watcher_n, member->instance);
	edge->subject = ring_listed(its, n, w->self);
	edge->quorum = n / 2 + 1;
	edge->watcher_n = 0;
	for (size_t i = 0; i < n && edge->subject; i++) {
		if (its[i] != w->self)
			edge->watchers[edge->watcher_n++] = its[i];
	}
}

/* --- the lease ------------------------------------------------------------------------------------------------------ */

static struct span patience(const struct watch *w)
{
	return span_us(w->timers.silent.us + w->timers.verify.us);
}

/* How long a fresh lease lasts: a heartbeat less than the shortest silence that anybody votes after. */
static struct span lease_span(const struct watch *w)
{
	return span_us(patience(w).us - w->timers.beat.us);
}

static struct span hurry_interval(const struct watch *w)
{
	return span_us(w->timers.beat.us / 2);
}

/*
 * Of K watchers Q must vote, so while K - Q + 1 of them cannot have voted there is no quorum. A watcher that has echoed a heartbeat
 * of ours hears us until that heartbeat's sending at least, and votes no earlier than its patience after it (ADR 0010). What was
 * granted stays granted when the watchers change: new ones begin with a patience of their own.
 */
static void lease_update(struct watch *w)
{
	struct instant ends[WATCH_EDGE_MAX];
	struct instant end;
	size_t n = 0;

	for (size_t i = 0; i < w->edge_n; i++) {
		size_t at = n;

		if (!w->edges[i].watcher)
			continue;
		for (; at > 0 && instant_before(ends[at - 1], w->edges[i].lease); at--)
			ends[at] = ends[at - 1];
		ends[at] = w->edges[i].lease;
		n++;
	}
	end = n > 0 && instant_before(w->lease, ends[n - (n / 2 + 1)]) ? ends[n - (n / 2 + 1)] : w->lease;
	if (n == w->watcher_n && end.us == w->lease.us)
		return;
	w->watcher_n = n;
	w->lease = end;
	w->hurry_at = instant_add(end, span_us(-lease_span(w).us / 2));
	if (instant_before(w->hurry_at, instant_add(w->hurried, hurry_interval(w))))
		w->hurry_at = instant_add(w->hurried, hurry_interval(w));
	if (n == 0)
		w->hurry_at = INSTANT_NEVER;
}

/* A heartbeat of ours, sent then, has come back in an echo. */
static void lease_take(struct watch *w, struct watch_edge *edge, const struct watch_beat *beat, struct instant sent)
{
	struct span theirs = beat->patience.us < patience(w).us ? beat->patience : patience(w);
	struct instant end = instant_add(sent, span_us(theirs.us - w->timers.beat.us));

	if (beat->vowed || !instant_before(edge->lease, end))
		return;
	edge->lease = end;
	if (edge->watcher)
		lease_update(w);
}

void watch_view(struct watch *w, const struct watch_member *members, size_t member_n, struct instant now)
{
	const struct watch_member *self = NULL;
	struct view view = { .members = members, .n = member_n, .former_n = w->edge_n };
	struct ring_seat seat;

	memcpy(view.former, w->edges, sizeof(view.former));
	w->edge_n = 0;
	for (size_t i = 0; i < member_n && self == NULL; i++)
		self = members[i].instance == w->self ? &members[i] : NULL;
	if (self == NULL)
		return;
	ring_seat(&seat, members, member_n, self);
	view.watcher_n = ring_watchers(&seat, view.watchers, member_n);
	for (size_t i = 0; i < WATCH_REACH; i++) {
		set_edge(w, &view, seat.next[i], now);
		set_edge(w, &view, seat.previous[i], now);
	}
	lease_update(w);
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

static void remember_vote(struct watch *w, uint64_t subject, uint64_t voter, bool sure, struct instant now)
{
	struct instant until = instant_add(now, span_ms(WATCH_VOTE_MS));

	drop_expired_votes(w, now);
	for (size_t i = 0; i < w->vote_n; i++) {
		if (w->votes[i].subject == subject && w->votes[i].voter == voter) {
			w->votes[i].until = until;
			w->votes[i].sure = sure;
			return;
		}
	}
	if (w->vote_n < WATCH_VOTE_MAX)
		w->votes[w->vote_n++] = (struct watch_vote){ subject, voter, sure, until };
}

/* Votes of the subject's watchers, our own included; only those count that the ring names. -> *sure: none was shortened. */
static size_t count_votes(const struct watch *w, const struct watch_edge *edge, bool *sure)
{
	size_t n = edge->voted ? 1 : 0;

	*sure = true;
	for (size_t i = 0; i < w->vote_n; i++) {
		const struct watch_vote *vote = &w->votes[i];

		if (vote->subject != edge->instance || !ring_listed(edge->watchers, edge->watcher_n, vote->voter))
			continue;
		n++;
		*sure = *sure && vote->sure;
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
	lease_update(w);
	kept = 0;
	for (size_t i = 0; i < w->vote_n; i++) {
		if (w->votes[i].subject != instance)
			w->votes[kept++] = w->votes[i];
	}
	w->vote_n = kept;
}

/* --- messages ------------------------------------------------------------------------------------------------------- */

static void put(struct watch_out *out, const struct watch_message *message)
{
	if (out->message_n < WATCH_OUT_MAX)
		out->messages[out->message_n++] = *message;
}

static void say(struct watch_out *out, enum watch_message_kind kind, uint64_t to, uint64_t subject, struct span age)
{
	put(out, &(const struct watch_message){ .kind = kind, .to = to, .subject = subject, .age = age });
}

/* It lives: whatever was held against it is void. */
static void clear(struct watch_edge *edge)
{
	edge->voted = false;
	edge->hinted = false;
	edge->silent_at = INSTANT_NEVER;
	edge->probe_at = INSTANT_NEVER;
}

/* Does it live, for all that this edge tells? Silence in the one direction, or twice as long in the other, says no. */
static struct instant life(const struct watch *w, const struct watch_edge *edge)
{
	return instant_min(edge->heard, instant_add(edge->echoed, watch_silence(w, edge)));
}

/* One that does not hear may have a lease for longer than it has been out of touch. */
static struct instant last_grant(const struct watch *w, const struct watch_edge *edge)
{
	struct instant own = life(w, edge);

	return instant_before(own, edge->granted) ? edge->granted : own;
}

/* Has it been silent for longer than any lease that we can have given it? */
static bool silence_sure(const struct watch *w, const struct watch_edge *edge, struct instant now)
{
	return instant_since(now, last_grant(w, edge)).us >= patience(w).us;
}

/* A quorum that includes our own vote: we never spread a death that we do not see ourselves. */
static void decide(const struct watch *w, const struct watch_edge *edge, struct instant now, struct watch_out *out)
{
	bool sure;

	if (!edge->voted || count_votes(w, edge, &sure) < edge->quorum || out->dead_n == WATCH_EDGE_MAX)
		return;
	out->dead[out->dead_n++] = (struct watch_verdict){ edge->instance, sure && silence_sure(w, edge, now) };
}

static void clear_if_alive(struct watch *w, struct watch_edge *edge, struct instant now)
{
	if (edge->silent_at.us != INSTANT_NEVER.us && instant_since(now, life(w, edge)).us < watch_silence(w, edge).us)
		clear(edge);
}

void watch_heard(struct watch *w, uint64_t instance, struct instant at, struct instant now)
{
	struct watch_edge *edge = find_edge(w, instance);

	if (edge == NULL)
		return;
	edge->known = true;
	if (instant_before(edge->heard, at)) /* it may lie ahead: the grace of a new edge */
		edge->heard = at;
	clear_if_alive(w, edge, now);
}

static void echoed(struct watch *w, struct watch_edge *edge, struct instant at, struct instant now)
{
	/* the first word of an edge ends its grace */
	if (instant_before(edge->echoed, at) || instant_before(now, edge->echoed))
		edge->echoed = at;
	if (instant_before(now, edge->heard))
		edge->heard = now;
	clear_if_alive(w, edge, now);
}

void watch_echoed(struct watch *w, uint64_t instance, struct instant at, struct instant now)
{
	struct watch_edge *edge = find_edge(w, instance);

	if (edge != NULL)
		echoed(w, edge, at, now);
}

static void loss_take(struct watch_edge *edge, uint32_t lost)
{
	for (uint32_t i = 0; i < lost; i++)
		edge->loss_in_ppm += (1000000 - edge->loss_in_ppm) / LOSS_WINDOW;
	edge->loss_in_ppm -= edge->loss_in_ppm / LOSS_WINDOW;
}

/*
 * Does an echo renew its lease? Not while our vote against it may stand; nor while we verify it: it may be the one that does not hear,
 * whose heartbeats come all the same.
 */
static bool grants(const struct watch_edge *edge, struct instant now)
{
	return instant_reached(edge->vowed, now) && (!edge->subject || edge->silent_at.us == INSTANT_NEVER.us);
}

static void send_beat(const struct watch *w, struct watch_edge *edge, struct instant now, bool hurry,
		      struct watch_out *out)
{
	struct watch_message message = { .kind = WATCH_BEAT, .to = edge->instance };

	edge->seq += edge->seq == UINT32_MAX ? 2 : 1; /* 0 says: none */
	edge->sent_at[edge->seq % WATCH_SENT_MAX] = now;
	if (grants(edge, now) && edge->heard_seq != 0)
		edge->granted = edge->heard_beat;
	message.beat = (struct watch_beat){ .seq = edge->seq,
					    .echo = edge->heard_seq,
					    .echo_age = instant_since(now, edge->heard_beat),
					    .loss_ppm = edge->loss_in_ppm,
					    .hurry = hurry,
					    .vowed = !grants(edge, now),
					    .patience = patience(w) };
	put(out, &message);
}

struct span watch_take_beat(struct watch *w, uint64_t from, const struct watch_beat *beat, struct instant at,
			    struct instant now, struct watch_out *out)
{
	struct watch_edge *edge = find_edge(w, from);
	uint32_t ahead = edge != NULL ? beat->seq - edge->heard_seq : 0;
	struct instant sent;

	if (edge == NULL)
		return span_us(-1);
	edge->loss_out_ppm = beat->loss_ppm;
	if (edge->heard_seq == 0 || (ahead > LOSS_RUN_MAX && ahead < UINT32_MAX - LOSS_RUN_MAX)) {
		edge->heard_seq = beat->seq; /* the other end began anew */
		edge->heard_beat = at;
	} else if (ahead > 0 && ahead <= LOSS_RUN_MAX) { /* neither again on another path nor overtaken */
		loss_take(edge, ahead - 1);
		peak_take(&edge->gap, instant_since(at, edge->heard_beat), now);
		edge->heard_seq = beat->seq;
		edge->heard_beat = at;
	}
	if (beat->hurry)
		send_beat(w, edge, now, false, out);
	if (beat->echo == 0 || edge->seq - beat->echo >= WATCH_SENT_MAX)
		return span_us(-1);
	sent = edge->sent_at[beat->echo % WATCH_SENT_MAX];
	echoed(w, edge, sent, now);
	lease_take(w, edge, beat, sent);
	return span_us(instant_since(at, sent).us - beat->echo_age.us);
}

void watch_take(struct watch *w, uint64_t from, const struct watch_message *message, struct instant now,
		struct watch_out *out)
{
	struct watch_edge *edge = find_edge(w, message->subject);
	struct instant at = instant_add(now, span_us(-message->age.us));

	if (edge == NULL || !edge->subject || from == message->subject)
		return; /* the sender has another view of the ring; it will learn */
	switch (message->kind) {
	case WATCH_ASK:
		/* only first-hand news: hearsay would keep a dead node alive in a circle */
		if (edge->known)
			say(out, WATCH_TELL, from, message->subject, instant_since(now, life(w, edge)));
		break;
	case WATCH_TELL:
		if (message->age.us >= 0 && instant_before(edge->told, at))
			edge->told = at;
		/* heard by another while we already verified: only our path to it is cut */
		if (edge->voted && instant_before(edge->silent_at, at))
			clear(edge);
		break;
	case WATCH_VOTE:
		remember_vote(w, message->subject, from, message->age.us >= patience(w).us, now);
		decide(w, edge, now, out);
		break;
	case WATCH_BEAT:
	case WATCH_PING:
		break; /* not by this way */
	}
}

/* --- time ----------------------------------------------------------------------------------------------------------- */

static void verify(struct watch *w, struct watch_edge *edge, struct instant now)
{
	edge->silent_at = now;
	edge->probe_at = now;
	w->verification_n++;
}

void watch_hint(struct watch *w, uint64_t instance, struct instant now)
{
	struct watch_edge *edge = find_edge(w, instance);

	if (edge == NULL || !edge->subject || edge->hinted)
		return;
	edge->hinted = true;
	if (edge->silent_at.us == INSTANT_NEVER.us)
		verify(w, edge, now);
}

void watch_witnessed(struct watch *w, struct instant now)
{
	w->witness_at = now;
}

/*
 * Do we hear so few of our edges that the fault is more likely ours? Then accuse nobody. Fewer than half where everybody watches
 * everybody; on the rings fewer than a third, for when many members die at once, one in ten of the others hears no more. Edges
 * that are new say nothing yet, and neither does a single one.
 */
static bool isolated(const struct watch *w, struct instant now)
{
	size_t heard = 0;
	size_t known = 0;

	for (size_t i = 0; i < w->edge_n; i++) {
		known += w->edges[i].known;
		heard += w->edges[i].known &&
			 instant_since(now, w->edges[i].heard).us < watch_silence(w, &w->edges[i]).us;
	}
	return known > 1 && w->edges[0].quorum > 1 && heard * (w->edge_n < WATCH_EDGE_MAX ? 2 : 3) < known;
}

static void probe(struct watch *w, struct watch_edge *edge, struct instant now, struct watch_out *out)
{
	/* while others hear it there is no hurry: only our own path is bad, perhaps for long */
	bool heard_by_others = !edge->hinted && instant_since(now, edge->told).us < w->timers.silent.us;

	edge->probe_at = instant_add(now, heard_by_others ? span_us(w->timers.silent.us / 2) : w->timers.probe);
	say(out, WATCH_PING, edge->instance, edge->instance, span_us(0));
	if (edge->voted)
		edge->vowed = instant_add(now, span_ms(WATCH_VOTE_MS + VOTE_TRANSIT_MS));
	for (size_t i = 0; i < edge->watcher_n; i++)
		say(out, edge->voted ? WATCH_VOTE : WATCH_ASK, edge->watchers[i], edge->instance,
		    instant_since(now, edge->voted ? last_grant(w, edge) : life(w, edge)));
}

static struct instant last_sign(const struct watch *w, const struct watch_edge *edge)
{
	struct instant own = life(w, edge);

	return instant_before(edge->told, own) ? own : edge->told;
}

/* With one other node there is no quorum; a witness on the segment, where one is configured, says which of the two is cut off. */
static bool witness_missing(const struct watch *w, const struct watch_edge *edge)
{
	return w->witness && edge->watcher_n == 0 && instant_before(w->witness_at, edge->silent_at);
}

/* When the subject has been silent for long enough, if it remains so; verification lasts T_v from its own start, so that a watcher
 * that wakes up late still asks before it accuses. */
static struct instant judged_at(const struct watch *w, const struct watch_edge *edge)
{
	struct span verify = verify_span(w, edge);
	struct span needed = span_us(verify.us + (edge->hinted ? 0 : watch_silence(w, edge).us));
	struct instant verified = instant_add(edge->silent_at, verify);
	struct instant silent = instant_add(last_sign(w, edge), needed);

	return instant_before(verified, silent) ? silent : verified;
}

/* The next time to look whether to vote; what else must hold is looked at with the next probe. */
static struct instant vote_at(const struct watch *w, const struct watch_edge *edge)
{
	struct instant at = judged_at(w, edge);

	return edge->voted || !instant_before(w->looked_at, at) ? INSTANT_NEVER : at;
}

static bool convinced(const struct watch *w, const struct watch_edge *edge, struct instant now)
{
	return instant_reached(judged_at(w, edge), now) && instant_reached(w->abstain_until, now) &&
	       !isolated(w, now) && !witness_missing(w, edge);
}

static void tick_subject(struct watch *w, struct watch_edge *edge, struct instant now, struct watch_out *out)
{
	if (edge->silent_at.us == INSTANT_NEVER.us) {
		if (instant_since(now, life(w, edge)).us < watch_silence(w, edge).us)
			return;
		verify(w, edge, now);
	} /* else only a sign of life ends it, not that T_s has grown */
	if (!edge->voted && convinced(w, edge, now)) {
		edge->voted = true;
		edge->probe_at = now;
	}
	if (instant_reached(edge->probe_at, now)) {
		probe(w, edge, now, out);
		out->ask_witness |= witness_missing(w, edge);
	}
	decide(w, edge, now, out);
}

/* The lease runs out: heartbeats out of turn to our watchers, which answer at once. */
static void hurry(struct watch *w, struct instant now, struct watch_out *out)
{
	for (size_t i = 0; i < w->edge_n; i++) {
		if (w->edges[i].watcher)
			send_beat(w, &w->edges[i], now, true, out);
	}
	w->hurried = now;
	w->hurry_at = instant_since(now, w->lease).us < lease_span(w).us * HURRY_LEASES
			      ? instant_add(now, hurry_interval(w))
			      : INSTANT_NEVER;
}

void watch_tick(struct watch *w, struct instant now, struct watch_out *out)
{
	bool due = instant_reached(w->beat_at, now);

	w->looked_at = now;
	drop_expired_votes(w, now);
	for (size_t i = 0; i < w->edge_n; i++) {
		if (due)
			send_beat(w, &w->edges[i], now, false, out);
		if (w->edges[i].subject)
			tick_subject(w, &w->edges[i], now, out);
	}
	if (due)
		w->beat_at = instant_add(now, w->timers.beat);
	else if (instant_reached(w->hurry_at, now))
		hurry(w, now, out);
}

void watch_amnesty(struct watch *w, struct instant now)
{
	w->abstain_until = now;
	for (size_t i = 0; i < w->edge_n; i++) {
		struct watch_edge *edge = &w->edges[i];
		struct span judged = span_us(watch_silence(w, edge).us + verify_span(w, edge).us);

		edge->heard = now;
		edge->echoed = now;
		edge->told = now;
		edge->heard_seq = 0; /* what was not read meanwhile is not lost by the network */
		clear(edge);
		if (instant_before(w->abstain_until, instant_add(now, judged)))
			w->abstain_until = instant_add(now, judged);
	}
	w->vote_n = 0;
}

struct instant watch_deadline(const struct watch *w)
{
	struct instant next = instant_min(w->beat_at, w->hurry_at);

	for (size_t i = 0; i < w->edge_n; i++) {
		const struct watch_edge *edge = &w->edges[i];

		if (!edge->subject)
			continue;
		if (edge->silent_at.us == INSTANT_NEVER.us)
			next = instant_min(next, instant_add(life(w, edge), watch_silence(w, edge)));
		else
			next = instant_min(next, instant_min(edge->probe_at, vote_at(w, edge)));
	}
	return next;
}
