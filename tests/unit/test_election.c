/* SPDX-License-Identifier: Apache-2.0 */
/* election/: who may own an address, in which order, when it is claimed, and which of two claims holds. */
#include "tests/unit/test_election_core.h"

/* --- who may own ---------------------------------------------------------------------------------------------------- */

static const struct eligibility {
	const char *ip;
	const char *interfaces[2];
	const char *selector; /* value of label "rack" that the service wants */
	const char *rack;
	struct {
		const char *iface;
		const char *subnet;
	} segments[3];
	bool not_ready;
	bool draining;
	const char *iface; /* NULL: no candidate */
} eligibilities[] = {
	{ .ip = "10.0.0.1", .segments = { { "eth0", "10.0.0.0/24" } }, .iface = "eth0" },
	{ .ip = "fd00::1", .segments = { { "eth0", "10.0.0.0/24" }, { "eth1", "fd00::/64" } }, .iface = "eth1" },
	{ .ip = "10.0.1.1", .segments = { { "eth0", "10.0.0.0/24" } } },
	{ .ip = "fd00::1", .segments = { { "eth0", "10.0.0.0/24" } } },
	{ .ip = "10.0.0.1" },
	{ .ip = "10.0.0.1", .segments = { { "eth0", NULL } } },
	{ .ip = "10.0.0.1", .segments = { { "eth0", "10.0.0.0/24" } }, .not_ready = true },
	{ .ip = "10.0.0.1", .segments = { { "eth0", "10.0.0.0/24" } }, .draining = true },
	{ .ip = "10.0.0.1", .selector = "a", .rack = "a", .segments = { { "eth0", "10.0.0.0/24" } }, .iface = "eth0" },
	{ .ip = "10.0.0.1", .selector = "a", .rack = "b", .segments = { { "eth0", "10.0.0.0/24" } } },
	{ .ip = "10.0.0.1", .selector = "a", .segments = { { "eth0", "10.0.0.0/24" } } },
	/* the longest prefix, wherever it stands */
	{ .ip = "10.0.0.1", .segments = { { "eth0", "10.0.0.0/8" }, { "eth1", "10.0.0.0/24" } }, .iface = "eth1" },
	{ .ip = "10.0.0.1", .segments = { { "eth0", "10.0.0.0/24" }, { "eth1", "10.0.0.0/8" } }, .iface = "eth0" },
	{ .ip = "10.0.0.1", .segments = { { "eth0", "10.0.0.0/24" }, { "eth1", "10.0.0.0/24" } }, .iface = "eth0" },
	{ .ip = "10.0.0.1", .segments = { { "eth0", "10.0.0.0/8" }, { "eth1", "10.1.0.0/24" } }, .iface = "eth0" },
	/* an interface that the service names needs no subnet of the address, but one that has it is preferred */
	{ .ip = "10.0.0.1", .interfaces = { "eth1" }, .segments = { { "eth1", NULL } }, .iface = "eth1" },
	{ .ip = "10.0.0.1", .interfaces = { "eth1" }, .segments = { { "eth1", "192.0.2.0/24" } }, .iface = "eth1" },
	{ .ip = "10.0.0.1",
	  .interfaces = { "eth1" },
	  .segments = { { "eth0", "10.0.0.0/24" }, { "eth1", "192.0.2.0/24" } },
	  .iface = "eth1" },
	{ .ip = "10.0.0.1",
	  .interfaces = { "eth0", "eth1" },
	  .segments = { { "eth0", "192.0.2.0/24" }, { "eth1", "10.0.0.0/24" } },
	  .iface = "eth1" },
	{ .ip = "10.0.0.1", .interfaces = { "eth1" }, .segments = { { "eth0", "10.0.0.0/24" } } },
};

static struct meta eligibility_meta(const struct eligibility *row)
{
	struct meta meta = { .ready = !row->not_ready, .draining = row->draining };

	if (row->rack != NULL)
		ck_assert_int_eq(label_set_put(&meta.labels, "rack", row->rack), 0);
	for (size_t i = 0; i < ARRAY_LEN(row->segments) && row->segments[i].iface != NULL; i++)
		meta.segments[meta.segment_n++] = segment_of(row->segments[i].iface, row->segments[i].subnet);
	return meta;
}

/* As we judge ourselves, and as we judge another node. */
START_TEST(eligibility)
{
	const struct eligibility *row = &eligibilities[_i];
	struct meta meta = eligibility_meta(row);
	struct ip ip = ip_of(row->ip);
	char key[] = "rack", value[2] = "";
	char *values[] = { value };
	struct label_requirement rack = { .key = key, .operator= LABEL_IN, .values = values, .value_n = 1 };
	struct label_selector selector = { .requirements = &rack, .requirement_n = 1 };
	struct election_service service = { .name = "s", .addresses = &ip, .address_n = 1, .mode = CLAIM_ROUTE };
	const char *names[2];

	value[0] = row->selector != NULL ? row->selector[0] : '\0';
	service.selectors = &selector;
	service.selector_n = row->selector != NULL;
	service.interfaces = row->interfaces;
	while (service.interface_n < 2 && row->interfaces[service.interface_n] != NULL)
		service.interface_n++;
	configure(&service, 1);
	node_event(2, true, false, &meta);
	ck_assert_uint_eq(election_candidates(e, ip, names, 2), row->iface != NULL);
	node_gone(instance_of(2));
	ck_assert_uint_eq(election_candidates(e, ip, names, 2), 0);
	node_event(1, true, false, &meta);
	plain(ELECTION_EVENT_START);
	if (row->iface == NULL) {
		ck_assert_str_eq(letters(), "");
		ck_assert_str_eq(see(ip).state, "unowned");
		ck_assert_int_eq(election_deadline(e).us, INSTANT_NEVER.us);
		return;
	}
	ck_assert_str_eq(letters(), "CPO");
	ck_assert_str_eq(the(ELECTION_ACTION_CLAIM)->claim.iface, row->iface);
	ck_assert_int_eq(the(ELECTION_ACTION_CLAIM)->claim.mode, CLAIM_ROUTE);
	ck_assert_str_eq(see(ip).iface, row->iface);
}
END_TEST

/* Dead and departed nodes are none; nor is one of whom only the name is known. */
START_TEST(candidates_are_alive)
{
	const char *names[16] = { NULL };
	struct meta meta = good_meta();

	join(4);
	configure_web(1);
	ck_assert_uint_eq(election_candidates(e, web_ip[0], names, 16), 4);
	node_dead(2);
	ck_assert_uint_eq(election_candidates(e, web_ip[0], names, 16), 3);
	node_event(3, true, true, NULL);
	ck_assert_uint_eq(election_candidates(e, web_ip[0], names, 16), 2);
	node_event(5, true, false, NULL);
	ck_assert_uint_eq(election_candidates(e, web_ip[0], names, 16), 2);
	meta.draining = true;
	node_event(4, true, false, &meta);
	ck_assert_uint_eq(election_candidates(e, web_ip[0], names, 16), 1);
	ck_assert_str_eq(names[0], "n1");
	ck_assert_uint_eq(election_candidates(e, ip_of("10.9.9.9"), names, 16), 0);
}
END_TEST

/* More candidates than asked for: the best ones and the true number. */
START_TEST(candidates_beyond_cap)
{
	const char *all[5], *some[3] = { NULL, NULL, "untouched" };

	join(5);
	configure_web(1);
	ck_assert_uint_eq(election_candidates(e, web_ip[0], all, 5), 5);
	ck_assert_uint_eq(election_candidates(e, web_ip[0], some, 2), 5);
	ck_assert_str_eq(some[0], all[0]);
	ck_assert_str_eq(some[1], all[1]);
	ck_assert_str_eq(some[2], "untouched");
}
END_TEST

/* --- rank ----------------------------------------------------------------------------------------------------------- */

/* Computed apart from this code: FNV-1a and the splitmix64 finisher, in Python. They must never change: see docs/PROTOCOL.md. */
static const struct golden {
	const char *service;
	const char *order[5];
} goldens[] = {
	{ "web", { "n5", "n4", "n2", "n1", "n3" } },
	{ "dns", { "n2", "n3", "n5", "n1", "n4" } },
	{ "mail", { "n3", "n4", "n2", "n1", "n5" } },
	{ "default/api", { "n2", "n4", "n3", "n5", "n1" } },
	{ "kube-system/ingress", { "n5", "n3", "n2", "n4", "n1" } },
	{ "web34", { "n5", "n1", "n4", "n3", "n2" } }, /* test_election_core.h */
};

START_TEST(golden_order)
{
	const struct golden *row = &goldens[_i];
	struct ip ips[2] = { ip_of("10.0.0.1"), ip_of("fd00::1") };
	struct election_service service = { .name = row->service, .addresses = ips, .address_n = 2 };

	join(5);
	configure(&service, 1);
	for (size_t i = 0; i < 2; i++) { /* both families of a service on the same node */
		const char *names[5];

		ck_assert_uint_eq(election_candidates(e, ips[i], names, 5), 5);
		for (size_t j = 0; j < 5; j++)
			ck_assert_str_eq(names[j], row->order[j]);
	}
}
END_TEST

#define SPREAD_N 1000

/*
 * 1,000 services on 5 nodes: 200 each, no more than a tenth above that. Each is claimed where it was planned; of those, none moves
 * when n5 dies but its own, and no survivor has more than a tenth above 250.
 */
START_TEST(spread)
{
	static char names[SPREAD_N][24];
	static struct ip ips[SPREAD_N];
	static struct election_service services[SPREAD_N];
	char first[SPREAD_N][NODE_NAME_MAX + 1];
	size_t n[6] = { 0 };
	const char *best;

	election_free(e);
	e = core_new(1, 16, SPREAD_N);
	for (size_t i = 0; i < SPREAD_N; i++) {
		snprintf(names[i], sizeof(names[i]), "svc%zu", i);
		ips[i] = ip_from_v4((uint8_t[]){ 10, 0, (uint8_t)(i >> 8), (uint8_t)i });
		services[i] = (struct election_service){ .name = names[i], .addresses = &ips[i], .address_n = 1 };
	}
	for (size_t i = 1; i <= 5; i++)
		node_up(i);
	configure(services, SPREAD_N);
	for (size_t i = 0; i < SPREAD_N; i++) {
		MUST(election_candidates(e, ips[i], &best, 1) == 5);
		strcpy(first[i], best);
		n[best[1] - '0']++;
	}
	for (size_t i = 1; i <= 5; i++)
		ck_assert_msg(n[i] > 150 && n[i] <= 220, "n%zu has %zu", i, n[i]);
	for (size_t i = 0; i < SPREAD_N; i++)
		heard(instance_of((size_t)(first[i][1] - '0')), ips[i], held(1, true));
	plain(ELECTION_EVENT_START);
	ck_assert_uint_eq(count(ELECTION_ACTION_CLAIM), n[1]);
	node_dead(5);
	for (size_t i = 0; i < SPREAD_N; i++) {
		const char *owner = see(ips[i]).owner;

		MUST(strcmp(first[i], "n5") == 0 || (owner != NULL && strcmp(owner, first[i]) == 0));
		MUST(election_candidates(e, ips[i], &best, 1) == 4);
		if (strcmp(first[i], "n5") == 0)
			n[(owner != NULL ? owner : best)[1] - '0']++;
	}
	for (size_t i = 1; i <= 4; i++)
		ck_assert_msg(n[i] <= 275, "n%zu is to have %zu", i, n[i]);
}
END_TEST

/* --- claiming ------------------------------------------------------------------------------------------------------- */

START_TEST(nothing_before_start)
{
	node_up(1);
	configure_web(2);
	ck_assert_uint_eq(out.action_n, 0);
	ck_assert_str_eq(see(web_ip[0]).state, "starting");
	ck_assert_ptr_null(see(web_ip[0]).owner);
	tick_at(now_us + 60000000);
	ck_assert_uint_eq(out.action_n, 0);
	ck_assert_int_eq(election_deadline(e).us, INSTANT_NEVER.us);
	plain(ELECTION_EVENT_START);
	ck_assert_str_eq(letters(), "CPOCPO");
	ck_assert(ip_equal(out.actions[0].ip, web_ip[0]) && ip_equal(out.actions[3].ip, web_ip[1]));
	ck_assert_uint_eq(out.actions[1].publish.epoch, 1);
	ck_assert(out.actions[1].publish.majority && out.actions[1].publish.state == CLAIM_HELD);
	ck_assert_uint_eq(out.actions[1].publish.successor, 0);
	ck_assert_int_eq(out.actions[2].owner.reason, ELECTION_REASON_FIRST);
	ck_assert_str_eq(see(web_ip[0]).state, "owned");
	ck_assert_str_eq(see(web_ip[0]).owner, "n1");
	ck_assert(see(web_ip[0]).held);
	ck_assert_int_eq(see(web_ip[0]).since.us, now_us);
	plain(ELECTION_EVENT_START);
	ck_assert_uint_eq(out.action_n, 0);
}
END_TEST

/* What others own is known before the start, and left alone after it. */
START_TEST(start_respects_owner)
{
	node_up(1);
	node_up(2);
	configure_web(1);
	heard(instance_of(2), web_ip[0], held(7, true));
	assert_owner(0, instance_of(2), ELECTION_REASON_FIRST);
	plain(ELECTION_EVENT_START);
	ck_assert_uint_eq(out.action_n, 0);
	ck_assert_uint_eq(see(web_ip[0]).owner_instance, instance_of(2));
	ck_assert(!see(web_ip[0]).held);
	ck_assert_ptr_null(see(web_ip[0]).iface);
}
END_TEST

/* The k-th candidate waits k back-offs from the moment of the death, to the microsecond. */
START_TEST(orphan_backoff)
{
	size_t place;
	int64_t died_us;

	for (size_t i = 1; i <= (size_t)_i; i++)
		node_up(i);
	node_up(9);
	configure_web(1);
	heard(instance_of(9), web_ip[0], held(4, true));
	plain(ELECTION_EVENT_START);
	now_us += 123457;
	died_us = now_us;
	place = our_place_without(web_ip[0], name_of(9));
	node_dead(9);
	if (place > 0) {
		assert_owner(instance_of(9), 0, ELECTION_REASON_OWNER_DEAD);
		ck_assert_str_eq(see(web_ip[0]).state, "unowned");
		while (election_deadline(e).us < died_us + (int64_t)place * BACKOFF_US) {
			tick_at(election_deadline(e).us); /* the plan may have changed; it has not */
			ck_assert_uint_eq(out.action_n, 0);
		}
		ck_assert_int_eq(election_deadline(e).us, died_us + (int64_t)place * BACKOFF_US);
		tick_at(election_deadline(e).us);
	}
	ck_assert_str_eq(letters(), place > 0 ? "CPO" : "OCPO");
	assert_owner(instance_of(9), instance_of(1), ELECTION_REASON_OWNER_DEAD);
	ck_assert_uint_eq(the(ELECTION_ACTION_PUBLISH)->publish.epoch, 5);
	ck_assert_int_eq(election_deadline(e).us, INSTANT_NEVER.us);
}
END_TEST

/* A better candidate claims while we wait: we stop waiting. One that dies while we wait: our turn comes earlier. */
START_TEST(orphan_wait_changes)
{
	const char *names[5];

	join(5);
	configure_web(1); /* n5, n1, n4, n3, n2: we are second */
	ck_assert_uint_eq(election_candidates(e, web_ip[0], names, 5), 5);
	ck_assert_str_eq(names[1], "n1");
	ck_assert_uint_eq(out.action_n, 0);
	ck_assert_int_eq(election_deadline(e).us, now_us + BACKOFF_US / 6);
	now_us += 100000;
	if (_i == 0) {
		heard(instance_of(5), web_ip[0], held(1, true));
		assert_owner(0, instance_of(5), ELECTION_REASON_FIRST);
		tick_at(now_us + 10 * BACKOFF_US);
		ck_assert_uint_eq(out.action_n, 0);
	} else {
		node_dead(5);
		ck_assert_str_eq(letters(), "CPO");
	}
}
END_TEST

/* Whoever returns takes nothing, however well it ranks; nor does a better one that is new. */
START_TEST(sticky)
{
	const char *best;

	own_web(5);
	ck_assert_uint_eq(election_candidates(e, web_ip[0], &best, 1), 5);
	ck_assert_str_eq(best, "n5");
	tick_at(now_us + 60000000);
	ck_assert_uint_eq(out.action_n, 0);
	ck_assert(see(web_ip[0]).held);
	/* and we, when we return, take nothing from n2, the last in rank */
	heard(instance_of(2), web_ip[0], held(2, true));
	ck_assert_str_eq(letters(), "RWO");
	assert_owner(instance_of(1), instance_of(2), ELECTION_REASON_CONFLICT);
	tick_at(now_us + 60000000);
	ck_assert_uint_eq(out.action_n, 0);
}
END_TEST

/* Nobody takes what a living node says it holds, whatever became of its metadata. */
START_TEST(live_owner_is_left_alone)
{
	struct meta meta = { .ready = false };

	node_up(1);
	node_up(2);
	configure_web(1);
	heard(instance_of(2), web_ip[0], held(1, false));
	plain(ELECTION_EVENT_START);
	node_event(2, true, false, &meta);
	tick_at(now_us + 60000000);
	ck_assert_uint_eq(out.action_n, 0);
	withdrawn(instance_of(2), web_ip[0]);
	assert_owner(instance_of(2), instance_of(1), ELECTION_REASON_OWNER_INELIGIBLE);
}
END_TEST

/* The next epoch is one above all that were ever heard of, whoever said them. */
START_TEST(epoch_growth)
{
	join(1);
	heard(777, ip_of("10.0.0.1"), held(41, true)); /* of an unknown node, for an address that we do not have yet */
	configure_web(1);
	ck_assert_uint_eq(the(ELECTION_ACTION_PUBLISH)->publish.epoch, 42);
	about_address(ELECTION_EVENT_CLAIM_FAILED, web_ip[0]);
	tick_at(now_us + FAILED_US);
	ck_assert_uint_eq(the(ELECTION_ACTION_PUBLISH)->publish.epoch, 43);
	node_up(2);
	heard(instance_of(2), web_ip[0], held(50, true));
	withdrawn(instance_of(2), web_ip[0]);
	ck_assert_uint_eq(the(ELECTION_ACTION_PUBLISH)->publish.epoch, 51);
}
END_TEST

/* More than half of those that have not left; the dead count. */
static const struct {
	size_t dead;
	size_t left;
	size_t alive; /* besides us */
	bool majority;
} majorities[] = {
	{ 0, 0, 0, true },  { 1, 0, 0, false }, { 1, 0, 1, true }, { 2, 0, 1, false },
	{ 3, 0, 2, false }, { 2, 0, 2, true },	{ 0, 4, 0, true }, { 1, 4, 0, false },
};

START_TEST(majority_bit)
{
	size_t next = 2;

	node_up(1);
	for (size_t i = 0; i < majorities[_i].dead; i++)
		node_event(next++, false, false, NULL);
	for (size_t i = 0; i < majorities[_i].left; i++)
		node_event(next++, false, true, NULL);
	for (size_t i = 0; i < majorities[_i].alive; i++)
		node_event(next++, true, false, NULL);
	plain(ELECTION_EVENT_START);
	configure_web(1);
	ck_assert_int_eq(the(ELECTION_ACTION_PUBLISH)->publish.majority, majorities[_i].majority);
}
END_TEST

/* --- two claims ----------------------------------------------------------------------------------------------------- */

/* Ours is epoch 1, with or without a majority; n2's comes. */
static const struct {
	bool our_majority;
	uint64_t epoch;
	bool majority;
	bool we_keep;
} conflicts[] = {
	{ true, 1000, false, true }, { false, 1, true, false }, { true, 2, true, false },
	{ false, 2, false, false },  { false, 5, true, false }, { true, 0, true, true },
};

START_TEST(conflict)
{
	node_up(1);
	if (!conflicts[_i].our_majority)
		node_event(3, false, false, NULL);
	plain(ELECTION_EVENT_START);
	configure_web(1);
	node_up(2);
	heard(instance_of(2), web_ip[0], held(conflicts[_i].epoch, conflicts[_i].majority));
	if (conflicts[_i].we_keep) {
		ck_assert_uint_eq(count(ELECTION_ACTION_ANNOUNCE), 1);
		ck_assert_uint_eq(count(ELECTION_ACTION_RELEASE) + count(ELECTION_ACTION_OWNER), 0);
		ck_assert(see(web_ip[0]).held);
	} else {
		ck_assert_str_eq(letters(), "RWO");
		assert_owner(instance_of(1), instance_of(2), ELECTION_REASON_CONFLICT);
		ck_assert(!see(web_ip[0]).held);
	}
}
END_TEST

/* A claim of a dead node holds nothing, until the node is alive again. */
START_TEST(claims_of_the_dead)
{
	node_up(1);
	node_event(2, false, false, NULL);
	configure_web(1);
	heard(instance_of(2), web_ip[0], held(9, true));
	ck_assert_uint_eq(out.action_n, 0);
	plain(ELECTION_EVENT_START);
	ck_assert_uint_eq(the(ELECTION_ACTION_PUBLISH)->publish.epoch, 10);
	node_up(2);
	ck_assert(!see(web_ip[0]).held); /* its claim has the majority that ours lacks */
	assert_owner(instance_of(1), instance_of(2), ELECTION_REASON_CONFLICT);
	node_gone(instance_of(2));
	assert_owner(instance_of(2), instance_of(1), ELECTION_REASON_OWNER_DEAD);
	node_up(2); /* forgotten for good: its old claim is not back */
	ck_assert_uint_eq(out.action_n, 0);
}
END_TEST

/*
 * An owner out of sight may have lost its majority: what we remember of it does not beat us when it returns. Only when it says
 * again that it has one. That it is back is reason enough to announce.
 */
START_TEST(owner_out_of_sight)
{
	node_up(1);
	node_up(2);
	configure_web(1);
	heard(instance_of(2), web_ip[0], held(1, true));
	plain(ELECTION_EVENT_START);
	node_dead(2);
	ck_assert_uint_eq(the(ELECTION_ACTION_PUBLISH)->publish.epoch, 2);
	ck_assert(!the(ELECTION_ACTION_PUBLISH)->publish.majority);
	node_up(2);
	ck_assert_str_eq(letters(), "A");
	ck_assert(see(web_ip[0]).held);
	heard(instance_of(2), web_ip[0], held(1, true));
	ck_assert_str_eq(letters(), "RWO");
	assert_owner(instance_of(1), instance_of(2), ELECTION_REASON_CONFLICT);
}
END_TEST

/* Our claim loses its majority bit at once, and gains it back after 3 s of peace, to the microsecond. */
START_TEST(majority_follows)
{
	own_web(3);
	node_dead(2);
	ck_assert_uint_eq(out.action_n, 0);
	node_dead(3);
	ck_assert_str_eq(letters(), "P");
	ck_assert(!the(ELECTION_ACTION_PUBLISH)->publish.majority);
	ck_assert_uint_eq(the(ELECTION_ACTION_PUBLISH)->publish.epoch, 1);
	node_up(3);
	ck_assert_uint_eq(count(ELECTION_ACTION_PUBLISH), 0);
	ck_assert_int_eq(election_deadline(e).us, now_us + 3000000);
	tick_at(election_deadline(e).us - 1);
	ck_assert_uint_eq(out.action_n, 0);
	tick_at(election_deadline(e).us);
	ck_assert_str_eq(letters(), "P");
	ck_assert(the(ELECTION_ACTION_PUBLISH)->publish.majority);
	ck_assert_int_eq(election_deadline(e).us, INSTANT_NEVER.us);
}
END_TEST

START_TEST(own_echo)
{
	own_web(2);
	heard(instance_of(1), web_ip[0], held(99, true));
	ck_assert_uint_eq(out.action_n, 0);
	withdrawn(instance_of(1), web_ip[0]);
	ck_assert_uint_eq(out.action_n, 0);
	ck_assert_uint_eq(see(web_ip[0]).epoch, 1);
}
END_TEST

START_TEST(owner_leaves)
{
	node_up(1);
	node_up(2);
	configure_web(1);
	heard(instance_of(2), web_ip[0], held(3, true));
	plain(ELECTION_EVENT_START);
	node_event(2, false, true, NULL);
	ck_assert_str_eq(letters(), "OCPO");
	assert_owner(instance_of(2), instance_of(1), ELECTION_REASON_OWNER_LEFT);
}
END_TEST

/* We let go as soon as we may not hold; we take it again when we may and nobody else has. */
static void spoil(struct meta *meta, int how)
{
	if (how == 0)
		meta->ready = false;
	else if (how == 1)
		meta->segment_n = 0;
	else
		meta->segments[0] = segment_of("eth0", "192.0.2.0/24");
}

START_TEST(ineligible_lets_go)
{
	struct meta meta = good_meta();

	own_web(1);
	spoil(&meta, _i);
	node_event(1, true, false, &meta);
	ck_assert_str_eq(letters(), "RWO");
	assert_owner(instance_of(1), 0, ELECTION_REASON_INELIGIBLE);
	tick_at(now_us + 60000000);
	ck_assert_uint_eq(out.action_n, 0);
	node_up(1);
	ck_assert_str_eq(letters(), "CPO");
	ck_assert_uint_eq(the(ELECTION_ACTION_PUBLISH)->publish.epoch, 2);
}
END_TEST

START_TEST(kernel_failure)
{
	own_web(2);
	about_address(_i == 0 ? ELECTION_EVENT_CLAIM_FAILED : ELECTION_EVENT_LOST, web_ip[0]);
	ck_assert_str_eq(letters(), "RWO");
	assert_owner(instance_of(1), 0, ELECTION_REASON_FAILED);
	ck_assert_int_eq(election_deadline(e).us, now_us + FAILED_US);
	node_dead(2); /* even alone we wait */
	ck_assert_uint_eq(count(ELECTION_ACTION_CLAIM), 0);
	tick_at(election_deadline(e).us - 1);
	ck_assert_uint_eq(out.action_n, 0);
	tick_at(election_deadline(e).us);
	for (int i = 0; _i == 1 && i < 8; i++) { /* taken from us: somebody may have it, so the segment is asked */
		ck_assert_str_eq(letters(), "Q");
		tick_at(election_deadline(e).us);
	}
	ck_assert_str_eq(letters(), "CPO");
	about_address(ELECTION_EVENT_LOST, ip_of("10.9.9.9")); /* not ours: nothing */
	ck_assert_uint_eq(out.action_n, 0);
}
END_TEST

static Suite *election_suite(void)
{
	Suite *s = suite_create("election");
	TCase *candidates = tcase_create("candidates");
	TCase *claims = tcase_create("claims");

	tcase_add_checked_fixture(candidates, setup, teardown);
	tcase_add_loop_test(candidates, eligibility, 0, (int)ARRAY_LEN(eligibilities));
	tcase_add_test(candidates, candidates_are_alive);
	tcase_add_test(candidates, candidates_beyond_cap);
	tcase_add_loop_test(candidates, golden_order, 0, (int)ARRAY_LEN(goldens));
	tcase_add_test(candidates, spread);
	suite_add_tcase(s, candidates);

	tcase_add_checked_fixture(claims, setup, teardown);
	tcase_add_test(claims, nothing_before_start);
	tcase_add_test(claims, start_respects_owner);
	tcase_add_loop_test(claims, orphan_backoff, 1, 6);
	tcase_add_loop_test(claims, orphan_wait_changes, 0, 2);
	tcase_add_test(claims, sticky);
	tcase_add_test(claims, live_owner_is_left_alone);
	tcase_add_test(claims, epoch_growth);
	tcase_add_loop_test(claims, majority_bit, 0, (int)ARRAY_LEN(majorities));
	tcase_add_loop_test(claims, conflict, 0, (int)ARRAY_LEN(conflicts));
	tcase_add_test(claims, claims_of_the_dead);
	tcase_add_test(claims, owner_out_of_sight);
	tcase_add_test(claims, majority_follows);
	tcase_add_test(claims, own_echo);
	tcase_add_test(claims, owner_leaves);
	tcase_add_loop_test(claims, ineligible_lets_go, 0, 3);
	tcase_add_loop_test(claims, kernel_failure, 0, 2);
	suite_add_tcase(s, claims);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(election_suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
