/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: fencing
 *
 * Two questions that keep an address from having two owners. May we hold (the right)? And has the one that died let go?
 *
 * The right rests on a lease of our watchers: until its end no quorum of them can have voted us dead (gossip/watch.c). Beyond it the
 * policy decides. Who loses the right serves nothing any more, but keeps its claims for a moment: it may have been late itself, and
 * nobody has noticed. Who was accused meanwhile may have lost them to others, and first listens. The shell keeps a gate in the kernel open for as long as the right lasts, so a daemon that is stopped or hangs
 * loses its addresses by itself, a little after its last step.
 *
 * A member that is silent may be dead with its host, or only its daemon may be: then its kernel answers for its addresses until that
 * gate shuts. So from the first doubt on the segment is asked for one of its addresses of each family. Answers by one of its MACs
 * say that its kernel serves still: taking over now would make two owners, and waiting costs no client anything. Silence of
 * ASK_QUIET_N questions, in two forms each, says that it does not. Its guard's word, or a proper goodbye, spares the question.
 */
#include <string.h>

#include "election/internal.h"

/* A kernel that has been answering for so long is asked less often (the gossip alone is cut, say). */
#define ASK_SLOW_TIMES 4
#define ASK_FAST_FOR_MS 1000

/* So many questions in a row without an answer. With 30 % loss each way eight of them stay unanswered once in 200 times. */
#define ASK_QUIET_N 8

/* Candidates behind the second best begin to ask when their turn comes. */
#define ASK_RANK_MAX 1

/* Of our own so many are asked for before we serve again; for the others there are claims, and announcements on the wire. */
#define ASK_OWN_MAX 64

/* Addresses that are looked at to find one that we may ask for. */
#define ASK_LOOK_MAX 16

/* --- the right ------------------------------------------------------------------------------------------------------ */

/* By lease, segment and policy. */
static struct instant right_end(const struct election *e)
{
	if (e->config.partition == PARTITION_SAFE) {
		if (!e->most || (!e->met && e->config.peers))
			return (struct instant){ 0 };
		return e->watcher_n > 0 ? e->lease_until : INSTANT_NEVER;
	}
	/* one that never met anybody is a cluster of its own, or was started cut off: nobody's vote was ever heard */
	if (!e->met)
		return INSTANT_NEVER;
	return instant_before(e->path_until, e->lease_until) ? e->lease_until : e->path_until;
}

struct instant election_right_until(const struct election *e)
{
	return e->right ? right_end(e) : (struct instant){ 0 };
}

bool election_wants_path(const struct election *e)
{
	struct span ahead = span_us(-e->config.path_ahead.us);

	if (e->config.partition == PARTITION_SAFE || !e->met)
		return false;
	return e->watcher_n == 0 || instant_reached(instant_add(e->lease_until, ahead), e->now);
}

/* `strangers`: whoever answers has it; else only members that may not have let go matter. */
static void ask_one(struct election *e, const struct address *address, bool strangers)
{
	const struct node *self = node_find(e, e->config.instance);
	const struct segment *segment = self != NULL ? usable_segment(self, address) : NULL;
	struct election_action *action;

	if (segment == NULL)
		return;
	action = act(e, ELECTION_ACTION_ASK, address->ip);
	memcpy(action->claim.iface, segment->iface, sizeof(action->claim.iface));
	action->claim.strangers = strangers;
}

static void set_right(struct election *e, bool right)
{
	e->right = right;
	e->right_since = e->now;
	e->right_at = INSTANT_NEVER;
	e->accused = false;
	see_majority(e);
	act(e, ELECTION_ACTION_RIGHT, (struct ip){ 0 })->right = right;
	if (right)
		e->announce_at = 0;
}

/* While we had no right another may have taken what we hold: the segment knows, for our own kernel does not answer now. */
static void ask_own(struct election *e)
{
	size_t asked = 0;

	e->own_ask_at = instant_add(e->now, span_us(e->config.regain_delay.us / 3));
	for (size_t i = 0; i < e->list_n && asked < ASK_OWN_MAX && act_room(e); i++) {
		const struct address *address = &e->addresses[e->list[i]];

		if (address->own.state == 0)
			continue;
		asked++;
		ask_one(e, address, false);
	}
}

static void regain(struct election *e)
{
	bool leased = instant_before(e->now, e->lease_until);

	if (e->right_at.us == INSTANT_NEVER.us) {
		e->right_at = leased && !e->accused ? e->now : instant_add(e->now, e->config.regain_delay);
		e->own_ask_at = e->now;
	}
	if (instant_reached(e->right_at, e->now))
		set_right(e, true);
	else if (instant_reached(e->own_ask_at, e->now))
		ask_own(e);
}

bool right_follow(struct election *e)
{
	bool able = instant_before(e->now, right_end(e));
	bool right = e->right;

	if (!act_room(e))
		return false;
	if (e->right && !able)
		set_right(e, false);
	else if (!e->right && able)
		regain(e);
	else if (!able)
		e->right_at = INSTANT_NEVER;
	return right != e->right;
}

bool in_doubt(const struct election *e)
{
	return e->watcher_n > 0 && instant_reached(e->lease_until, e->now);
}

void right_take_lease(struct election *e, size_t watcher_n, struct instant until, uint32_t incarnation)
{
	if (e->watcher_n != watcher_n)
		look_at_all(e); /* what was in doubt is not any more */
	e->watcher_n = watcher_n;
	e->lease_until = until;
	if (incarnation == e->incarnation)
		return;
	e->incarnation = incarnation;
	e->accused = true;
}

struct instant right_deadline(const struct election *e)
{
	struct instant until = right_end(e);
	struct instant ahead = instant_add(e->lease_until, span_us(-e->config.path_ahead.us));

	if (e->right) /* look in time whether the segment is to be asked */
		return instant_before(e->now, ahead) ? ahead : until;
	return instant_before(e->now, until) ? instant_min(e->right_at, e->own_ask_at) : INSTANT_NEVER;
}

/* --- the question --------------------------------------------------------------------------------------------------- */

static struct span ask_interval(const struct election *e, struct instant since)
{
	bool fast = instant_since(e->now, since).us < span_ms(ASK_FAST_FOR_MS).us;

	return span_mul(e->config.ask_interval, fast ? 1 : ASK_SLOW_TIMES);
}

/* Did the node hold it when it was heard last? Newcomers know that by its claim only. */
static bool was_held_by(const struct address *address, uint64_t instance)
{
	uint64_t owner = address->owner != 0 ? address->owner : address->last_owner;

	return owner == instance || (address->owner == 0 && rival_of(address, instance) != NULL);
}

/* One address of each family that was the node's and that we could take. */
static void choose(struct election *e, struct node *node)
{
	const struct node *self = node_find(e, e->config.instance);
	bool has[2] = { false, false };
	size_t looked = 0;

	node->ask_n = 0;
	for (size_t i = 0; i < e->list_n && node->ask_n < 2 && looked < ASK_LOOK_MAX; i++) {
		const struct address *address = &e->addresses[e->list[i]];
		size_t family = address->ip.family == IP_V4 ? 0 : 1;

		if (has[family] || !was_held_by(address, node->instance))
			continue;
		looked++;
		if (self == NULL || !is_candidate(e, self, address) || rank_of(e, address, self) > ASK_RANK_MAX)
			continue;
		has[family] = true;
		node->ask[node->ask_n++] = e->list[i];
	}
}

void fence_ask(struct election *e, struct node *node)
{
	if (node->asked.us != INSTANT_NEVER.us)
		return;
	choose(e, node);
	node->asked = e->now;
	node->answered = (struct instant){ 0 };
	node->ask_at = e->now;
	e->ask_wake = instant_min(e->ask_wake, e->now);
}

void fence_end(struct election *e, struct node *node)
{
	(void)e;
	node->asked = INSTANT_NEVER;
	node->ask_at = INSTANT_NEVER;
	node->ask_n = 0;
}

/* How many of those that could own the address rank before us, dead or alive? */
static int64_t known_before(const struct election *e, const struct address *address, const struct node *self)
{
	int64_t n = 0;

	for (size_t i = 0; i < e->node_n; i++)
		n += e->nodes[i].used && &e->nodes[i] != self && ranks_before(address, &e->nodes[i], self);
	return n;
}

/*
 * Another member speaks for an address that we hold. With the watchers' lease we are right, and it will learn so by our claim. Without,
 * we hold it because the segment answers us, and the gossip between us may be cut: a quorum on the other side goes before us, between
 * two halves the rank decides. Whoever is silent to us counts as on the other side, though nobody could declare it dead. Should all give way, the first by rank comes back first, and the others hear its kernel when they ask.
 */
static void hear_rival(struct election *e, struct address *address, const struct node *rival)
{
	const struct node *self = node_find(e, e->config.instance);
	size_t known = 0;
	size_t live = 0;

	for (size_t i = 0; i < e->node_n; i++) {
		known += e->nodes[i].used && !e->nodes[i].left;
		live += e->nodes[i].used && node_live(&e->nodes[i]) && !e->nodes[i].doubted;
	}
	if (self == NULL || (e->right && (instant_before(e->now, e->lease_until) || !e->met || live * 2 > known ||
					  (live * 2 == known && ranks_before(address, self, rival)))))
		return;
	if (e->right)
		address->yielded_until =
			instant_add(e->now, span_us(e->config.claim_backoff.us * known_before(e, address, self)));
	let_go(e, address, 0, ELECTION_REASON_CONFLICT);
}

void fence_answer(struct election *e, struct ip ip, struct mac mac)
{
	struct address *address = address_find(e, ip);
	const struct node *rival = NULL;

	if (address == NULL)
		return; /* of its own, which it has whatever its daemon does */
	address->answered = e->now;
	for (size_t i = 0; i < e->node_n; i++) {
		struct node *node = &e->nodes[i];

		if (!node->used)
			continue;
		for (size_t j = 0; j < node->meta.segment_n; j++) {
			if (!mac_equal(node->meta.segments[j].mac, mac))
				continue;
			node->answered = e->now;
			rival = node;
		}
	}
	if (rival != NULL && rival->instance != e->config.instance && address->own.state != 0 && address->configured &&
	    act_room(e))
		hear_rival(e, address, rival);
}

static void ask(struct election *e, struct node *node)
{
	for (size_t i = 0; i < node->ask_n; i++) {
		const struct address *address = &e->addresses[node->ask[i]];

		if (address->configured && address->own.state == 0)
			ask_one(e, address, false);
	}
	node->ask_at = instant_add(e->now, ask_interval(e, node->asked));
}

/* Is there anything of a dead node's left to be asked for? */
static bool ask_needed(const struct election *e, const struct node *node)
{
	if (node->doubted)
		return true;
	if (node_live(node) || node->released || node->left)
		return false;
	for (size_t i = 0; i < node->ask_n; i++) {
		const struct address *address = &e->addresses[node->ask[i]];

		if (address->configured && address->own.state == 0 && address->owner == 0 &&
		    was_held_by(address, node->instance))
			return true;
	}
	return false;
}

void fence_tick(struct election *e)
{
	struct instant next = INSTANT_NEVER;

	if (!instant_reached(e->ask_wake, e->now))
		return;
	for (size_t i = 0; i < e->node_n; i++) {
		struct node *node = &e->nodes[i];

		if (!node->used || node->asked.us == INSTANT_NEVER.us)
			continue;
		if (!ask_needed(e, node)) {
			fence_end(e, node);
			continue;
		}
		if (instant_reached(node->ask_at, e->now) && act_room(e))
			ask(e, node);
		next = instant_min(next, node->ask_at);
	}
	e->ask_wake = next;
}

/* Silence counts from the first question, from the last answer, and from when we could hear anything at all. */
static struct instant quiet_from(const struct election *e, struct instant asked, struct instant answered)
{
	struct instant from = instant_before(asked, answered) ? answered : asked;

	return instant_before(from, e->right_since) ? e->right_since : from;
}

/* As fence_open, of one node. */
static bool has_let_go(struct election *e, struct node *node, const struct address *address, struct instant *ret_look)
{
	struct instant quiet_since;

	if (node == NULL || node_live(node) || node->left || node->released)
		return true;
	if (node->asked.us == INSTANT_NEVER.us)
		fence_ask(e, node);
	if (node->ask_n == 0) { /* our turn came late, behind better candidates */
		node->ask[node->ask_n++] = (uint32_t)(address - e->addresses);
		node->asked = e->now;
	}
	quiet_since = quiet_from(e, node->asked, node->answered);
	*ret_look = instant_add(quiet_since, span_mul(ask_interval(e, node->asked), ASK_QUIET_N));
	if (instant_before(*ret_look, node->lease_end))
		*ret_look = node->lease_end;
	return instant_reached(*ret_look, e->now);
}

/* Is there a dead node, beside those that the address was fenced from, that may hold it for all that we know? */
static bool dead_unfenced(const struct election *e, const struct address *address)
{
	for (size_t i = 0; i < e->node_n; i++) {
		const struct node *node = &e->nodes[i];

		if (node->used && !node->alive && !node->left && !node->released &&
		    node->instance != address->last_owner && rival_of(address, node->instance) == NULL)
			return true;
	}
	return false;
}

/*
 * Somebody out of our hearing may hold it: peers that never answered us, or a dead one, if nobody that we know of held the address when it was lost, or if we are alone
 * and no quorum speaks through us: the segment is asked for the address itself.
 */
static bool is_silent(struct election *e, struct address *address, struct instant *ret_look)
{
	struct instant quiet;

	if (!dead_unfenced(e, address) && (e->met || !e->config.peers) && !e->config.ask_first && !address->lost &&
	    !address->taken) {
		address->asked = INSTANT_NEVER;
		return true;
	}
	if (address->asked.us == INSTANT_NEVER.us) {
		address->asked = e->now;
		address->answered = (struct instant){ 0 };
		address->ask_at = e->now;
	}
	quiet = instant_add(quiet_from(e, address->asked, address->answered),
			    span_mul(ask_interval(e, address->asked), ASK_QUIET_N));
	if (instant_reached(quiet, e->now)) {
		address->asked = INSTANT_NEVER;
		return true;
	}
	if (instant_reached(address->ask_at, e->now)) {
		ask_one(e, address, true);
		address->ask_at = instant_add(e->now, ask_interval(e, address->asked));
	}
	*ret_look = instant_min(quiet, address->ask_at);
	return false;
}

static bool has_answered(const struct election *e, uint64_t instance)
{
	const struct node *node = node_find(e, instance);

	return node != NULL && node->asked.us != INSTANT_NEVER.us && node->answered.us != 0;
}

bool fence_answered(const struct election *e, const struct address *address)
{
	bool answered = has_answered(e, address->last_owner) ||
			(address->asked.us != INSTANT_NEVER.us && address->answered.us != 0);

	for (size_t i = 0; i < address->rival_n; i++)
		answered = answered || has_answered(e, address->rivals[i].origin);
	return answered;
}

bool fence_open(struct election *e, struct address *address, struct instant *ret_look)
{
	struct instant look = e->now;
	const struct node *last = node_find(e, address->last_owner);
	bool known = last != NULL && !node_live(last);
	bool open = has_let_go(e, node_find(e, address->last_owner), address, &look);

	*ret_look = look;
	for (size_t i = 0; i < address->rival_n; i++) {
		known = true;
		if (has_let_go(e, node_find(e, address->rivals[i].origin), address, &look))
			continue;
		open = false;
		if (instant_before(*ret_look, look))
			*ret_look = look;
	}
	if (known && instant_before(e->now, e->lease_until) && !address->taken)
		return open;
	return open && is_silent(e, address, ret_look);
}
