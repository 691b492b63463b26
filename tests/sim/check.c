/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/check.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Beyond the timers: the quorum's votes, a lost packet or two, the claim, and the kernel's work for many addresses. */
#define FAST_SLACK_US 150000

/* Once everything is healed there is one view after this, whatever the timers. */
#define CALM_US 3000000

/* A change may follow its cause by this at least: rumours that slept in a partition. */
#define CAUSE_US 10000000

/* One that was out of touch stands by its votes for so long (WATCH_VOTE_MS and a transit): its watchers' leases rest on others. */
#define RETURN_US 1000000

struct bounds bounds_of(const struct gossip_timers *timers, const struct election_config *election, size_t node_n)
{
	struct bounds bounds;
	int64_t others = (int64_t)node_n - 1;

	bounds.fast_us = timers->silence.us + timers->verify.us + 2 * timers->beat_interval.us + FAST_SLACK_US;
	bounds.calm_us = CALM_US;
	/* SWIM 4.3: a member is probed by each other at least once in 2(n-1)-1 intervals; then its suspicion runs out. */
	bounds.detect_us = 2 * others * timers->probe_interval.us + SUSPICION_SPREAD * timers->suspicion.us + SLACK_US;
	/* One absent peer is tried per interval, in turn; then the claims meet. */
	bounds.merge_us = others * timers->redial_interval.us + 4 * timers->gossip_interval.us + SLACK_US;
	bounds.settle_us = bounds.detect_us > bounds.merge_us ? bounds.detect_us : bounds.merge_us;
	bounds.settle_us += timers->join_timeout.us + ((int64_t)node_n + 1) * election->claim_backoff.us +
			    election->handover_timeout.us + timers->sync_interval.us;
	if (bounds.settle_us < LEASE_US + LEASE_LATE_US + SLACK_US)
		bounds.settle_us = LEASE_US + LEASE_LATE_US + SLACK_US; /* a dead daemon's kernel serves for so long */
	bounds.cause_us = 2 * bounds.settle_us > CAUSE_US ? 2 * bounds.settle_us : CAUSE_US;
	return bounds;
}

static void *make(size_t n, size_t size)
{
	void *array = calloc(n, size);

	if (array == NULL)
		abort();
	return array;
}

struct checks *check_new(const struct world *world)
{
	struct checks *checks = make(1, sizeof(*checks));
	size_t pairs = world->node_n * world->node_n;
	size_t entries = world->node_n * SIM_ADDRESS_MAX;

	checks->bounds = bounds_of(&world->timers, &world->election, world->node_n);
	checks->serving = make(entries, sizeof(*checks->serving));
	checks->path_us = make(pairs, sizeof(*checks->path_us));
	checks->disturbed_us = make(pairs, sizeof(*checks->disturbed_us));
	checks->packets = make(world->node_n * PACKET_SEEN_MAX, sizeof(*checks->packets));
	checks->refused_us = make(entries, sizeof(*checks->refused_us));
	checks->members = make(pairs, sizeof(*checks->members));
	checks->seen = make(entries, sizeof(*checks->seen));
	for (size_t i = 0; i < pairs; i++)
		checks->path_us[i] = INT64_MAX;
	for (size_t i = 0; i < pairs; i++)
		checks->disturbed_us[i] = INT64_MIN / 2;
	for (size_t i = 0; i < entries; i++)
		checks->refused_us[i] = INT64_MIN / 2;
	return checks;
}

void check_free(struct checks *checks)
{
	if (checks == NULL)
		return;
	free(checks->serving);
	free(checks->path_us);
	free(checks->disturbed_us);
	free(checks->packets);
	free(checks->refused_us);
	free(checks->members);
	free(checks->seen);
	free(checks);
}

/* --- causes ------------------------------------------------------------------------------------------------------- */

static bool link_disturbed_at(const struct world *world, size_t node)
{
	if (!world->nodes[node].link_up || world->nodes[node].data_cut)
		return true;
	for (size_t i = 0; i < world->node_n; i++) {
		if (i != node && (link_is_disturbed(network_link(&world->network, node, i)) ||
				  link_is_disturbed(network_link(&world->network, i, node))))
			return true;
	}
	return false;
}

bool check_recent(const struct world *world, size_t node, enum cause cause)
{
	const struct sim_node *n = &world->nodes[node];

	if (world->now_us - n->cause_us[cause] <= world->checks->bounds.cause_us)
		return true;
	switch (cause) {
	case CAUSE_DOWN:
		return n->process != PROCESS_RUNNING;
	case CAUSE_NET:
		return link_disturbed_at(world, node);
	case CAUSE_PLANNED:
		return n->draining || n->stop_us > 0;
	case CAUSE_KERNEL:
		return n->kernel.refuses;
	case CAUSE_CONFIG:
	case CAUSE_CHOICE:
	case CAUSE_N:
		break;
	}
	return false;
}

size_t check_disturbed_links(const struct world *world, size_t node, int64_t span_us)
{
	size_t n = 0;

	for (size_t i = 0; i < world->node_n * world->node_n; i++) {
		size_t a = i / world->node_n;
		size_t b = i % world->node_n;

		if (a >= b || (node != SIM_NODE_MAX && a != node && b != node))
			continue;
		n += !world->nodes[a].link_up || !world->nodes[b].link_up ||
		     link_is_disturbed(network_link(&world->network, a, b)) ||
		     link_is_disturbed(network_link(&world->network, b, a)) ||
		     world->now_us - world->checks->disturbed_us[i] <= span_us;
	}
	return n;
}

bool check_recent_anywhere(const struct world *world, enum cause cause)
{
	for (size_t i = 0; i < world->node_n; i++) {
		if (check_recent(world, i, cause))
			return true;
	}
	return false;
}

/* --- who serves --------------------------------------------------------------------------------------------------- */

static enum eligible eligible(const struct world *world, size_t node, size_t address)
{
	const struct sim_node *n = &world->nodes[node];
	const struct plan_node *plan = &world->plan->nodes[node];
	const struct sim_address *a = &world->addresses[address];
	const struct plan_service *service = &world->plan->services[a->service];
	int64_t held_us = world->election.failed_hold.us + SLACK_US;

	if (!world_runs(world, node) || !n->link_up || n->draining || n->stop_us > 0 || !n->service_on[a->service])
		return ELIGIBLE_NO;
	if (n->unfit[a->service])
		return ELIGIBLE_NO;
	if ((a->ip.family == IP_V6 && !plan->has_v6) || (service->selects && service->rack != plan->rack))
		return ELIGIBLE_NO;
	/* it has not heard the cluster yet; one that waits for longer than it may is asked for more */
	if (!node_joined(n->core) && world->now_us - n->started_us <= world->timers.join_timeout.us + SLACK_US)
		return ELIGIBLE_MAYBE;
	if (!segment_reaches(world, node) || n->silent)
		return ELIGIBLE_MAYBE; /* nobody answers it: it may have let go, or have kept what nobody else can reach */
	if (n->kernel.refuses || world->now_us - world->checks->refused_us[node * SIM_ADDRESS_MAX + address] <= held_us)
		return ELIGIBLE_MAYBE;
	return ELIGIBLE_YES;
}

static bool somebody_can(const struct world *world, size_t address)
{
	for (size_t i = 0; i < world->node_n; i++) {
		if (eligible(world, i, address) == ELIGIBLE_YES)
			return true;
	}
	return false;
}

bool check_may_change(const struct world *world, size_t address)
{
	for (size_t i = 0; i < world->node_n; i++) {
		if (eligible(world, i, address) == ELIGIBLE_MAYBE)
			return true;
	}
	return false;
}

/* An address has just lost its last server. Only a fault may do that; a planned move must not. */
static void check_gap(struct world *world, size_t address)
{
	if (check_recent_anywhere(world, CAUSE_DOWN) || check_recent_anywhere(world, CAUSE_NET) ||
	    check_recent_anywhere(world, CAUSE_CONFIG) || check_recent_anywhere(world, CAUSE_KERNEL))
		return;
	if (somebody_can(world, address))
		world_fail(world, "gap: address %zu is served by nobody %s", address,
			   check_recent_anywhere(world, CAUSE_PLANNED) ? "during a planned move"
								       : "and nothing happened");
}

static void begin_overlaps(struct world *world, size_t node, size_t address)
{
	struct checks *checks = world->checks;

	for (size_t i = 0; i < world->node_n; i++) {
		if (i == node || !checks->serving[i * SIM_ADDRESS_MAX + address] || checks->overlap_n == OVERLAP_MAX)
			continue;
		checks->overlaps[checks->overlap_n++] = (struct overlap){ address, i, node, world->now_us };
	}
}

/* Since when has this pair been two owners that can hear each other? INT64_MAX: it is not. */
static int64_t overlap_begin(const struct world *world, const struct overlap *overlap)
{
	int64_t path_us = world->checks->path_us[overlap->a * world->node_n + overlap->b];

	return path_us > overlap->since_us ? path_us : overlap->since_us;
}

static void end_overlaps(struct world *world, size_t node, size_t address)
{
	struct checks *checks = world->checks;

	for (size_t i = 0; i < checks->overlap_n;) {
		const struct overlap *overlap = &checks->overlaps[i];
		int64_t begin_us = overlap_begin(world, overlap);

		if (overlap->address != address || (overlap->a != node && overlap->b != node)) {
			i++;
			continue;
		}
		if (begin_us < world->now_us) {
			world->marks.n[MARK_TWO_OWNERS]++;
			if (world->now_us - begin_us > checks->overlap_longest_us)
				checks->overlap_longest_us = world->now_us - begin_us;
		}
		checks->overlaps[i] = checks->overlaps[--checks->overlap_n];
	}
}

void check_serving(struct world *world, size_t node, size_t address)
{
	struct checks *checks = world->checks;
	bool *serving = &checks->serving[node * SIM_ADDRESS_MAX + address];
	bool now = world_serves(world, node, address);

	if (*serving == now || !world->options.checked)
		return;
	*serving = now;
	world_say(world, true, "%s %s address %zu", world->nodes[node].name, now ? "serves" : "ceases to serve",
		  address);
	if (now) {
		checks->served_n[address]++;
		begin_overlaps(world, node, address);
		return;
	}
	end_overlaps(world, node, address);
	if (--checks->served_n[address] > 0)
		return;
	checks->unserved_us[address] = world->now_us;
	check_gap(world, address);
}

/* How long may this pair be two owners? */
static int64_t overlap_bound(const struct world *world, const struct overlap *overlap)
{
	uint32_t gossip = UINT32_C(1) << CLASS_GOSSIP;

	/*
	 * A second fault while gossip is cut and the segment is not can leave two that took over from the same third, each with a
	 * part of the claims, until announcements or claims meet. Without a second fault there is no such excuse.
	 */
	if ((world->plan->classes & gossip) != 0 && world->plan->classes != gossip)
		return INT64_MAX;
	if (check_recent(world, overlap->a, CAUSE_NET) || check_recent(world, overlap->b, CAUSE_NET) ||
	    check_recent_anywhere(world, CAUSE_NET)) {
		/* where many packets are lost, each exchange may take several tries */
		bool lossy = link_disturbed_at(world, overlap->a) || link_disturbed_at(world, overlap->b);

		return world->checks->bounds.merge_us * (lossy ? 3 : 1);
	}
	/* a restart under a clock that went back takes an exchange to be told from the former run */
	if (check_recent_anywhere(world, CAUSE_DOWN) &&
	    (!world->plan->gate || (world->plan->classes & UINT32_C(1) << CLASS_CLOCK) != 0))
		return world->checks->bounds.merge_us;
	return HANDOVER_OVERLAP_US;
}

void check_overlaps(struct world *world)
{
	const struct checks *checks = world->checks;

	for (size_t i = 0; i < checks->overlap_n; i++) {
		const struct overlap *overlap = &checks->overlaps[i];
		int64_t begin_us = overlap_begin(world, overlap);
		int64_t bound_us;

		if (begin_us >= world->now_us - HANDOVER_OVERLAP_US)
			continue;
		bound_us = overlap_bound(world, overlap);
		if (world->now_us - begin_us > bound_us)
			world_fail(world, "two-owners: %s and %s serve address %zu for %lld ms (bound %lld ms)",
				   world->nodes[overlap->a].name, world->nodes[overlap->b].name, overlap->address,
				   (long long)(world->now_us - begin_us) / 1000, (long long)bound_us / 1000);
	}
}

void check_path(struct world *world, size_t node)
{
	struct checks *checks = world->checks;

	for (size_t i = 0; i < world->node_n; i++) {
		int64_t *there = &checks->path_us[node * world->node_n + i];
		bool ok = world_runs(world, i) && world_runs(world, node) && world_has_path(world, node, i);

		if (!ok)
			*there = INT64_MAX;
		else if (*there == INT64_MAX)
			*there = world->now_us;
		checks->path_us[i * world->node_n + node] = *there;
	}
}

void check_started(struct world *world, size_t node)
{
	struct checks *checks = world->checks;

	memset(&checks->members[node * world->node_n], 0, world->node_n * sizeof(*checks->members));
	memset(&checks->seen[node * SIM_ADDRESS_MAX], 0, SIM_ADDRESS_MAX * sizeof(*checks->seen));
	memset(&checks->packets[node * PACKET_SEEN_MAX], 0, PACKET_SEEN_MAX * sizeof(*checks->packets));
	for (size_t i = 0; i < SIM_ADDRESS_MAX; i++)
		checks->refused_us[node * SIM_ADDRESS_MAX + i] = INT64_MIN / 2;
	check_path(world, node);
}

void check_refused(struct world *world, size_t node, size_t address)
{
	world->checks->refused_us[node * SIM_ADDRESS_MAX + address] = world->now_us;
}

/* --- audits ------------------------------------------------------------------------------------------------------- */

/* Cuts in one direction, heavy loss and slow links keep a cluster moving: nothing can be demanded while they last. */
static bool is_unstable(const struct world *world)
{
	for (size_t i = 0; i < world->node_n * world->node_n; i++) {
		struct link link = world->network.links[i];

		link.cuts &= ~(unsigned int)CUT_PARTITION;
		if (i / world->node_n != i % world->node_n && link_is_disturbed(&link))
			return true;
	}
	return false;
}

/* The nodes that hear each other, from one on. Without one-way cuts, paths are transitive. */
static void find_component(const struct world *world, size_t node, bool *component)
{
	for (size_t i = 0; i < world->node_n; i++)
		component[i] = i == node || world_has_path(world, node, i);
}

static void audit_address(struct world *world, size_t address, const bool *component)
{
	size_t able_n = 0;
	size_t maybe_n = 0;
	size_t on_n = 0;
	size_t serving_n = 0;

	for (size_t i = 0; i < world->node_n; i++) {
		if (!component[i])
			continue;
		able_n += eligible(world, i, address) == ELIGIBLE_YES;
		maybe_n += eligible(world, i, address) == ELIGIBLE_MAYBE;
		on_n += world->nodes[i].service_on[world->addresses[address].service];
		serving_n += world_serves(world, i, address);
	}
	if (serving_n <= 1)
		world->checks->doubled_us[address] = 0;
	else if (world->checks->doubled_us[address] == 0)
		world->checks->doubled_us[address] = world->now_us; /* it may be in the middle of a hand-over */
	if (serving_n > 1 && world->now_us - world->checks->doubled_us[address] > HANDOVER_OVERLAP_US)
		check_complain(world, "quiet: %zu nodes serve address %zu", serving_n, address);
	else if (able_n > 0 && serving_n == 0 && check_held_down_us(world, address) <= world->now_us)
		check_complain(world, "quiet: nobody serves address %zu, %zu nodes could", address, able_n);
	else if (on_n == 0 && maybe_n == 0 && serving_n > 0)
		check_complain(world, "quiet: address %zu is served, its service is gone", address);
}

/* Is everything as it should be in a cluster that had time to settle? */
static void audit_all(struct world *world)
{
	bool component[SIM_NODE_MAX];

	for (size_t i = 0; i < world->node_n; i++) {
		if (!world_runs(world, i) || !world->nodes[i].link_up)
			continue;
		find_component(world, i, component);
		for (size_t a = 0; a < world->address_n; a++)
			audit_address(world, a, component);
		check_view(world, i, component);
	}
}

void check_complain(struct world *world, const char *format, ...)
{
	char text[FAILURE_TEXT_MAX];
	va_list args;

	world->checks->tried_bad = true;
	if (world->checks->trying)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	world_fail(world, "%s", text);
}

static bool any_cut(const struct world *world)
{
	for (size_t i = 0; i < world->node_n; i++) {
		if (world->nodes[i].data_cut || world->nodes[i].silent) /* it may be the next that the plan names */
			return true;
	}
	for (size_t i = 0; i < world->node_n * world->node_n; i++) {
		if (world->network.links[i].cuts != 0)
			return true;
	}
	return false;
}

static bool takes_away(enum fault_kind kind)
{
	return kind == FAULT_CRASH || kind == FAULT_KILL || kind == FAULT_PAUSE || kind == FAULT_LINK_DOWN ||
	       kind == FAULT_LOSE;
}

static bool anybody_returned(const struct world *world)
{
	for (size_t i = 0; i < world->node_n; i++) {
		const struct sim_node *n = &world->nodes[i];

		if (n->process == PROCESS_RUNNING && (world->now_us - n->cause_us[CAUSE_DOWN] < RETURN_US ||
						      world->now_us - n->cause_us[CAUSE_NET] < RETURN_US))
			return true;
	}
	return false;
}

void check_before_fault(struct world *world, const struct fault *fault)
{
	struct checks *checks = world->checks;

	if (!world->options.checked)
		return;
	checks->trying = true;
	checks->tried_bad = any_cut(world) || is_unstable(world);
	if (!checks->tried_bad) {
		check_hold_downs(world);
		audit_all(world);
	}
	checks->trying = false;
	checks->lone = !checks->tried_bad && takes_away(fault->kind) && !anybody_returned(world);
	world->marks.n[MARK_LONE] += checks->lone;
}

/* Its watchers have learnt to wait a little longer for one that was silent before and came back. */
static bool anybody_resumed(const struct world *world)
{
	for (size_t i = 0; i < world->node_n; i++) {
		if (world->nodes[i].resumed_us >= 0 && world->now_us - world->nodes[i].resumed_us <= CAUSE_US)
			return true;
	}
	return false;
}

/* After a lone fault in a quiet cluster, somebody must take over fast. */
static void audit_outage(struct world *world)
{
	const struct checks *checks = world->checks;
	int64_t bound_us = checks->bounds.fast_us;

	if (check_recent_anywhere(world, CAUSE_KERNEL)) /* the best candidate cannot: the others wait for their turn */
		bound_us += (int64_t)world->node_n * world->election.claim_backoff.us;
	if (anybody_resumed(world))
		bound_us += world->timers.silence.us;
	if (!world->plan
		     ->gate) /* lifetimes end one after another; as long as one address of a host answers, all are left to it */
		bound_us += LEASE_US / 4;
	for (size_t i = 0; i < world->address_n; i++) {
		if (check_held_down_us(world, i) > world->now_us)
			continue;
		if (checks->served_n[i] == 0 && checks->unserved_us[i] >= world->last_change_us &&
		    world->now_us - checks->unserved_us[i] > bound_us && somebody_can(world, i))
			world_fail(world, "outage: nobody has served address %zu for %lld ms (bound %lld ms)", i,
				   (long long)(world->now_us - checks->unserved_us[i]) / 1000,
				   (long long)bound_us / 1000);
	}
}

static bool is_quiet(const struct world *world)
{
	const struct bounds *bounds = &world->checks->bounds;
	bool calm = world->now_us >= world->plan->calm_us;

	return world->now_us - world->last_change_us > (calm ? bounds->calm_us : bounds->settle_us) &&
	       !is_unstable(world);
}

void check_audit(struct world *world)
{
	if (!world->options.checked)
		return;
	for (size_t i = 0; i < world->node_n; i++) {
		if (world_runs(world, i))
			check_knowledge(world, i);
	}
	check_hold_downs(world);
	if (world->checks->lone)
		audit_outage(world);
	if (is_quiet(world))
		audit_all(world);
}

void check_end(struct world *world)
{
	if (!world->options.checked)
		return;
	if (!is_quiet(world))
		world_fail(world, "calm: the run ends %lld ms after the last change, too early to judge",
			   (long long)(world->now_us - world->last_change_us) / 1000);
	check_audit(world);
}
