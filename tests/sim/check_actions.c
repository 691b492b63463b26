/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "tests/sim/check.h"

/* gossip/watch.h: WATCH_K. */
#define WATCHER_MAX 5

static bool find_member(const struct world *world, size_t observer, const char *name, struct gossip_member *ret)
{
	const struct gossip *gossip = node_gossip(world->nodes[observer].core);

	for (size_t i = 0; i < gossip_member_n(gossip); i++) {
		gossip_member_at(gossip, i, ret);
		if (strcmp(ret->name, name) == 0)
			return true;
	}
	return false;
}

static bool is_gone(enum gossip_state state)
{
	return state == GOSSIP_DEAD || state == GOSSIP_LEFT;
}

/* SWIM 4.2: incarnations only grow, and nobody returns from the dead but with a higher one or as a new instance. */
static void check_incarnation(struct world *world, size_t observer, size_t subject, const struct gossip_member *member)
{
	struct seen_member *seen = &world->checks->members[observer * world->node_n + subject];
	const char *who = world->nodes[observer].name;

	if (seen->instance > member->instance)
		world_fail(world, "instance: %s went back to an earlier instance of %s", who, member->name);
	if (seen->instance == member->instance && member->incarnation < seen->incarnation)
		world_fail(world, "incarnation: %s saw %s at %u, then at %u", who, member->name, seen->incarnation,
			   member->incarnation);
	if (seen->instance == member->instance && is_gone(seen->state) && !is_gone(member->state) &&
	    member->incarnation == seen->incarnation)
		world_fail(world, "incarnation: %s sees %s alive again at %u as when it was gone", who, member->name,
			   member->incarnation);
	*seen = (struct seen_member){ member->instance, member->incarnation, member->state };
}

/* Has the node run without a pause, and had it time to refute what was said before? */
static bool ran_lately(const struct world *world, size_t node)
{
	return world_runs(world, node) &&
	       world->now_us - world->nodes[node].cause_us[CAUSE_DOWN] > world->checks->bounds.detect_us;
}

static bool all_ran_lately(const struct world *world)
{
	for (size_t i = 0; i < world->node_n; i++) {
		if (!ran_lately(world, i))
			return false;
	}
	return true;
}

/* How many watchers must agree at least, by the observer's present view (gossip/watch.h: more than half of up to five)? */
static size_t quorum_of(const struct world *world, size_t observer)
{
	const struct gossip *gossip = node_gossip(world->nodes[observer].core);
	struct gossip_member member;
	size_t live_n = 0;

	for (size_t i = 0; i < gossip_member_n(gossip); i++) {
		gossip_member_at(gossip, i, &member);
		live_n += !is_gone(member.state);
	}
	return (live_n < WATCHER_MAX ? live_n : WATCHER_MAX) / 2 + 1;
}

/*
 * A death of somebody who runs. There must be none of a node that ran all along and whose links were good, whatever
 * happened to others (a process that was stopped must not hold its own silence against them); nor when a single link of
 * all is bad, because the others vouch for its ends; nor by a quorum where fewer of its links are bad. All at 10 % loss, too.
 */
static void check_death(struct world *world, size_t observer, size_t subject, const struct gossip_member *member,
			enum gossip_reason reason)
{
	const struct sim_node *n = &world->nodes[subject];
	int64_t span_us = world->checks->bounds.detect_us;

	if (!world_runs(world, subject) || member->instance != gossip_instance(node_gossip(n->core)) || n->stop_us > 0)
		return;
	world->marks.n[MARK_FALSE_DEATH] += world_has_path(world, observer, subject);
	/* what waited in the socket of a process that was stopped is old news, and it cannot know */
	if (reason == GOSSIP_REASON_RUMOUR && !ran_lately(world, observer))
		return;
	if (ran_lately(world, subject) && check_disturbed_links(world, subject, span_us) == 0)
		world_fail(world, "false-death: %s declares %s dead, which runs and has good links",
			   world->nodes[observer].name, member->name);
	else if (world->node_n > 2 && all_ran_lately(world) && check_disturbed_links(world, SIM_NODE_MAX, span_us) <= 1)
		world_fail(world, "false-death: %s declares %s dead for a single bad link", world->nodes[observer].name,
			   member->name);
	else if (reason == GOSSIP_REASON_QUORUM && all_ran_lately(world) &&
		 check_disturbed_links(world, subject, span_us) < quorum_of(world, observer))
		world_fail(world, "false-death: %s sees a quorum against %s, of which most links are good",
			   world->nodes[observer].name, member->name);
}

static void on_member(struct world *world, size_t observer, const struct node_action *action)
{
	int subject = world_find_node(world, action->member.name);
	struct gossip_member member;

	world->marks.n[MARK_SUSPECT] += action->member.to == GOSSIP_SUSPECT;
	world->marks.n[MARK_DEATH] += action->member.to == GOSSIP_DEAD;
	world->marks.n[MARK_LEFT] += action->member.to == GOSSIP_LEFT;
	world->marks.n[MARK_REFUTED] += action->member.reason == GOSSIP_REASON_REFUTED;
	world->marks.n[MARK_REPLACED] += action->member.reason == GOSSIP_REASON_REPLACED;
	if (action->member.from != action->member.to)
		world_say(world, true, "%s sees %s %s -> %s (%s)", world->nodes[observer].name, action->member.name,
			  action->member.from != 0 ? gossip_state_name(action->member.from) : "unknown",
			  action->member.to != 0 ? gossip_state_name(action->member.to) : "forgotten",
			  gossip_reason_name(action->member.reason));
	if (subject < 0) {
		world_fail(world, "member: %s speaks of a node that does not exist", world->nodes[observer].name);
		return;
	}
	if (action->member.to == 0 && action->member.reason != GOSSIP_REASON_REPLACED)
		world->checks->members[observer * world->node_n + (size_t)subject] = (struct seen_member){ 0 };
	if (!find_member(world, observer, action->member.name, &member))
		return;
	check_incarnation(world, observer, (size_t)subject, &member);
	if (action->member.to == GOSSIP_DEAD && action->member.from != GOSSIP_DEAD && (size_t)subject != observer)
		check_death(world, observer, (size_t)subject, &member, action->member.reason);
}

static bool any_of(const struct world *world, const int *nodes, size_t node_n, const enum cause *causes, size_t cause_n)
{
	for (size_t i = 0; i < node_n; i++) {
		for (size_t j = 0; j < cause_n && nodes[i] >= 0; j++) {
			if (check_recent(world, (size_t)nodes[i], causes[j]))
				return true;
		}
	}
	return false;
}

/* Which causes make a reason believable? Asked of the former owner, the next and the observer. */
static size_t causes_of(enum election_reason reason, enum cause causes[CAUSE_N])
{
	size_t n = 0;

	switch (reason) {
	case ELECTION_REASON_OWNER_DEAD:
	case ELECTION_REASON_ISOLATED:
		break;
	case ELECTION_REASON_CONFLICT: /* one that was refused may try again in the moment when another takes over */
		causes[n++] = CAUSE_KERNEL;
		causes[n++] =
			CAUSE_CONFIG; /* those who have read the file remember other former owners than those who have not */
		break;
	case ELECTION_REASON_FIRST:
	case ELECTION_REASON_OWNER_LEFT:
		causes[n++] = CAUSE_PLANNED;
		causes[n++] = CAUSE_KERNEL;
		causes[n++] = CAUSE_CONFIG;
		break;
	case ELECTION_REASON_OWNER_INELIGIBLE:
	case ELECTION_REASON_INELIGIBLE:
		causes[n++] = CAUSE_CONFIG;
		causes[n++] = CAUSE_PLANNED;
		causes[n++] = CAUSE_KERNEL;
		break;
	case ELECTION_REASON_HANDOVER:
		causes[n++] = CAUSE_CHOICE;
		causes[n++] = CAUSE_PLANNED;
		return n;
	case ELECTION_REASON_UNFIT:
	case ELECTION_REASON_STOPPED:
		causes[n++] = CAUSE_PLANNED;
		return n;
	case ELECTION_REASON_REMOVED:
		causes[n++] = CAUSE_CONFIG;
		return n;
	case ELECTION_REASON_FAILED:
		causes[n++] = CAUSE_KERNEL;
		break;
	case ELECTION_REASON_TAKEN: /* there are no strangers here */
		return 0;
	}
	causes[n++] = CAUSE_DOWN;
	causes[n++] = CAUSE_NET;
	return n;
}

static void check_reason(struct world *world, size_t observer, const struct node_action *action, size_t address)
{
	enum election_reason reason = action->owner.reason;
	int nodes[3] = { (int)observer, -1, -1 };
	enum cause causes[CAUSE_N];
	size_t cause_n = causes_of(reason, causes);

	if (action->owner.from[0] != '\0')
		nodes[1] = world_find_node(world, action->owner.from);
	if (action->owner.to[0] != '\0')
		nodes[2] = world_find_node(world, action->owner.to);
	if (reason == ELECTION_REASON_FIRST && action->owner.from[0] != '\0')
		world_fail(world, "reason: %s says `first` for address %zu, but %s had it", world->nodes[observer].name,
			   address, action->owner.from);
	/* who missed the offer or the withdrawal sees a second claim; but nobody may lose one of its own that way */
	if (reason == ELECTION_REASON_CONFLICT && nodes[1] != (int)observer) {
		causes[cause_n++] = CAUSE_PLANNED;
		causes[cause_n++] = CAUSE_CHOICE;
	}
	if (!any_of(world, nodes, 3, causes, cause_n))
		world_fail(world,
			   "reason: %s says that address %zu went from %s to %s for `%s`; nothing of the kind happened",
			   world->nodes[observer].name, address, action->owner.from[0] ? action->owner.from : "nobody",
			   action->owner.to[0] ? action->owner.to : "nobody", election_reason_name(reason));
}

static void count_reason(struct world *world, enum election_reason reason)
{
	world->marks.n[MARK_OWNER_DEAD] += reason == ELECTION_REASON_OWNER_DEAD;
	world->marks.n[MARK_OWNER_LEFT] += reason == ELECTION_REASON_OWNER_LEFT;
	world->marks.n[MARK_OWNER_INELIGIBLE] += reason == ELECTION_REASON_OWNER_INELIGIBLE;
	world->marks.n[MARK_HANDOVER] += reason == ELECTION_REASON_HANDOVER;
	world->marks.n[MARK_CONFLICT] += reason == ELECTION_REASON_CONFLICT;
	world->marks.n[MARK_STOPPED] += reason == ELECTION_REASON_STOPPED;
}

static void on_owner(struct world *world, size_t observer, const struct node_action *action)
{
	int address = world_find_address(world, action->owner.ip);
	struct seen_address *seen;

	if (address < 0) {
		world_fail(world, "owner: %s speaks of an address that no service has", world->nodes[observer].name);
		return;
	}
	world_say(world, true, "%s owner of address %d: %s -> %s epoch %llu (%s)", world->nodes[observer].name, address,
		  action->owner.from[0] != '\0' ? action->owner.from : "nobody",
		  action->owner.to[0] != '\0' ? action->owner.to : "nobody", (unsigned long long)action->owner.epoch,
		  election_reason_name(action->owner.reason));
	count_reason(world, action->owner.reason);
	seen = &world->checks->seen[observer * SIM_ADDRESS_MAX + (size_t)address];
	/* where nobody owned it in between, the line names the last one that did */
	if (strcmp(seen->owner, action->owner.from) != 0 &&
	    (seen->owner[0] != '\0' || strcmp(seen->last, action->owner.from) != 0))
		world_fail(world, "owner: %s says that address %d leaves %s, but last it said %s",
			   world->nodes[observer].name, address, action->owner.from, seen->owner);
	if (action->owner.to[0] != '\0') {
		if (action->owner.epoch < seen->epoch)
			world_fail(world, "epoch: %s saw address %d at epoch %llu, then at %llu",
				   world->nodes[observer].name, address, (unsigned long long)seen->epoch,
				   (unsigned long long)action->owner.epoch);
		seen->epoch = action->owner.epoch;
	}
	check_moved(world, observer, (size_t)address, action->owner.to);
	memcpy(seen->owner, action->owner.to, sizeof(seen->owner));
	if (action->owner.to[0] != '\0')
		memcpy(seen->last, action->owner.to, sizeof(seen->last));
	check_reason(world, observer, action, (size_t)address);
}

void check_actions(struct world *world, size_t node, const struct node_out *out)
{
	if (!world->options.checked)
		return;
	for (size_t i = 0; i < out->action_n && !world->failed; i++) {
		if (out->actions[i].kind == NODE_ACTION_MEMBER)
			on_member(world, node, &out->actions[i]);
		else if (out->actions[i].kind == NODE_ACTION_OWNER)
			on_owner(world, node, &out->actions[i]);
		else if (out->actions[i].kind == NODE_ACTION_OFFER)
			check_offered(world, node, out->actions[i].offer.ip);
	}
}

static struct seen_packet *seen_packet(struct world *world, size_t node, const struct node_event *event)
{
	uint64_t hash = hash_mix(event->packet.sender ^ hash_mix(event->packet.counter));

	return &world->checks->packets[node * PACKET_SEEN_MAX + hash % PACKET_SEEN_MAX];
}

static bool is_member(const struct world *world, size_t node, uint64_t instance)
{
	struct gossip_member member;

	return gossip_member_find(node_gossip(world->nodes[node].core), instance, &member);
}

void check_before_packet(struct world *world, size_t node, const struct node_event *event)
{
	struct seen_packet *seen = seen_packet(world, node, event);

	if (!world->options.checked)
		return;
	if (seen->sender == event->packet.sender && seen->counter == event->packet.counter) {
		gossip_stats_get(node_gossip(world->nodes[node].core), &world->checks->before);
		return;
	}
	*seen = (struct seen_packet){ event->packet.sender, event->packet.counter,
				      !event->packet.to_anyone && is_member(world, node, event->packet.sender) };
	world->checks->before.received_n = UINT64_MAX;
}

void check_after_packet(struct world *world, size_t node, const struct node_event *event)
{
	const struct gossip_stats *before = &world->checks->before;
	struct gossip_stats after;

	if (!world->options.checked || !world_runs(world, node) || before->received_n == UINT64_MAX ||
	    !seen_packet(world, node, event)->member)
		return;
	gossip_stats_get(node_gossip(world->nodes[node].core), &after);
	world->marks.n[MARK_REPLAY_DROPPED]++;
	if (after.drops[GOSSIP_DROP_REPLAY] == before->drops[GOSSIP_DROP_REPLAY] &&
	    is_member(world, node, event->packet.sender))
		world_fail(world, "replay: %s used a packet twice", world->nodes[node].name);
}

/* The owner that election tells must be the one that it last announced, and what it holds is what the shell holds. */
void check_knowledge(struct world *world, size_t node)
{
	const struct sim_node *n = &world->nodes[node];
	const struct election *election = node_election(n->core);
	struct election_address known;

	for (size_t i = 0; i < world->address_n; i++) {
		const struct seen_address *seen = &world->checks->seen[node * SIM_ADDRESS_MAX + i];
		bool found = election_address_find(election, world->addresses[i].ip, &known);
		const char *owner = found && known.owner != NULL ? known.owner : "";

		if (found != n->service_on[world->addresses[i].service])
			world_fail(world, "services: %s %s address %zu", n->name, found ? "still knows" : "lacks", i);
		if (!found)
			continue;
		if (strcmp(owner, seen->owner) != 0)
			world_fail(world, "owner: %s counts address %zu as owned by %s, but last it said %s", n->name,
				   i, owner, seen->owner);
		if (known.held != n->leases[i].held)
			world_fail(world, "held: %s %s address %zu, its shell %s", n->name,
				   known.held ? "holds" : "does not hold", i, n->leases[i].held ? "does" : "does not");
	}
	for (size_t i = 0; i < world->node_n; i++) {
		struct gossip_member member;

		if (find_member(world, node, world->nodes[i].name, &member))
			check_incarnation(world, node, i, &member);
	}
}

static void view_members(struct world *world, size_t node, const bool *component)
{
	bool lossy = network_link(&world->network, 0, world->node_n - 1)->loss_ppm > 0;
	struct gossip_member member;

	for (size_t i = 0; i < world->node_n; i++) {
		const struct sim_node *n = &world->nodes[i];
		bool runs = component[i] && world_runs(world, i);
		bool found = find_member(world, node, n->name, &member);
		/* where packets are lost a suspicion may be on its way to be refuted */
		bool live = found && (member.state == GOSSIP_ALIVE || member.state == GOSSIP_SUSPECT);
		bool alive = live && (member.state == GOSSIP_ALIVE || lossy);

		if (runs && !alive)
			check_complain(world, "quiet: %s sees %s %s, which runs", world->nodes[node].name, n->name,
				       found ? gossip_state_name(member.state) : "not at all");
		if (runs && alive && member.instance != gossip_instance(node_gossip(n->core)))
			check_complain(world, "quiet: %s knows another instance of %s", world->nodes[node].name,
				       n->name);
		if (!runs && live)
			check_complain(world, "quiet: %s sees %s %s, which is away", world->nodes[node].name, n->name,
				       gossip_state_name(member.state));
	}
}

void check_view(struct world *world, size_t node, const bool *component)
{
	const struct election *election = node_election(world->nodes[node].core);
	struct election_address known;

	view_members(world, node, component);
	for (size_t a = 0; a < world->address_n; a++) {
		const char *owner = "";
		const char *server = "";

		/* one that may try again at any moment may be about to */
		if (!election_address_find(election, world->addresses[a].ip, &known) || check_may_change(world, a))
			continue;
		if (known.owner != NULL)
			owner = known.owner;
		for (size_t i = 0; i < world->node_n; i++) {
			if (component[i] && world_serves(world, i, a))
				server = world->nodes[i].name;
		}
		if (strcmp(owner, server) != 0)
			check_complain(world, "quiet: %s counts address %zu as owned by %s, served by %s",
				       world->nodes[node].name, a, owner[0] != '\0' ? owner : "nobody",
				       server[0] != '\0' ? server : "nobody");
	}
}
