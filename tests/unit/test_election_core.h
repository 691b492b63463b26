/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One election core under test: events made by hand, in virtual time, and what it answers. In a header, because each unit
 * test is one file; static inline, because none uses all of it.
 */
#ifndef MLB_TESTS_UNIT_TEST_ELECTION_CORE_H
#define MLB_TESTS_UNIT_TEST_ELECTION_CORE_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "election/election.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
/* As ck_assert, for hot loops: libcheck writes a line to its parent for each of its own. */
#define MUST(condition)                                 \
	do {                                            \
		if (!(condition))                       \
			ck_abort_msg("%s", #condition); \
	} while (0)

#define BACKOFF_US 300000
#define HANDOVER_US 1000000
#define LINGER_US 10000
#define FAILED_US 5000000

static struct election *e;
static struct election_out out;
static int64_t now_us;

/* Node i is called "n<i>" and its instance is 100 + i, unless a test says otherwise. */
static inline uint64_t instance_of(size_t i)
{
	return 100 + i;
}

static inline const char *name_of(size_t i)
{
	static char names[16][NODE_NAME_MAX + 1];

	MUST(i < ARRAY_LEN(names));
	snprintf(names[i], sizeof(names[i]), "n%zu", i);
	return names[i];
}

static inline struct ip ip_of(const char *text)
{
	struct ip ip;

	ck_assert_int_eq(ip_parse(text, &ip), 0);
	return ip;
}

static inline struct segment segment_of(const char *iface, const char *subnet)
{
	struct segment segment = { .mac = { { 2, 0, 0, 0, 0, 1 } } };

	memcpy(segment.iface, iface, strlen(iface) + 1);
	if (subnet != NULL)
		MUST(subnet_parse(subnet, &segment.subnet) == 0);
	return segment;
}

/* Ready, with 10.0.0.0/8 and fd00::/16 on eth0. */
static inline struct meta good_meta(void)
{
	struct meta meta = { .ready = true, .segment_n = 2 };

	meta.segments[0] = segment_of("eth0", "10.0.0.0/8");
	meta.segments[1] = segment_of("eth0", "fd00::/16");
	return meta;
}

static inline struct election *core_new(size_t self, size_t node_max, size_t address_max)
{
	struct election_config config = { .instance = instance_of(self) };
	struct election_event lease = { .kind = ELECTION_EVENT_LEASE, .lease = { 2, INSTANT_NEVER, 0 } };
	struct election *core;

	election_config_defaults(&config);
	ck_assert_int_eq(config.claim_backoff.us, BACKOFF_US);
	ck_assert_int_eq(config.handover_timeout.us, HANDOVER_US);
	ck_assert_int_eq(config.handover_linger.us, LINGER_US);
	ck_assert_int_eq(config.failed_hold.us, FAILED_US);
	memcpy(config.self, name_of(self), strlen(name_of(self)) + 1);
	config.node_max = node_max;
	config.address_max = address_max;
	core = election_new(&config, (struct instant){ now_us });
	ck_assert_ptr_nonnull(core);
	/* watchers whose lease never ends: test_election_fence.c looks at leases that do */
	lease.now = (struct instant){ now_us };
	election_step(core, &lease, &out);
	return core;
}

static inline void step(struct election_event event)
{
	event.now = (struct instant){ now_us };
	election_step(e, &event, &out);
	MUST(out.action_n <= ELECTION_ACTION_MAX);
}

static inline void tick_at(int64_t us)
{
	now_us = us;
	step((struct election_event){ .kind = ELECTION_EVENT_TICK });
}

static inline void node_event(size_t i, bool alive, bool left, const struct meta *meta)
{
	struct election_event event = { .kind = ELECTION_EVENT_NODE };

	event.node.name = name_of(i);
	event.node.instance = instance_of(i);
	event.node.alive = alive;
	event.node.left = left;
	event.node.released = !alive; /* its guard said so */
	event.node.meta = meta;
	step(event);
}

static inline void node_up(size_t i)
{
	struct meta meta = good_meta();

	node_event(i, true, false, &meta);
}

static inline void node_dead(size_t i)
{
	node_event(i, false, false, NULL);
}

static inline void node_gone(uint64_t instance)
{
	struct election_event event = { .kind = ELECTION_EVENT_NODE_GONE };

	event.node_gone.instance = instance;
	step(event);
}

static inline void plain(enum election_event_kind kind)
{
	step((struct election_event){ .kind = kind });
}

static inline struct claim held(uint64_t epoch, bool majority)
{
	return (struct claim){ .epoch = epoch, .majority = majority, .state = CLAIM_HELD };
}

static inline struct claim offered(uint64_t epoch, uint64_t successor)
{
	return (struct claim){ .epoch = epoch, .majority = true, .state = CLAIM_HANDOVER, .successor = successor };
}

static inline void heard(uint64_t origin, struct ip ip, struct claim claim)
{
	struct election_event event = { .kind = ELECTION_EVENT_CLAIM };

	event.claim.origin = origin;
	event.claim.ip = ip;
	event.claim.claim = claim;
	step(event);
}

static inline void withdrawn(uint64_t origin, struct ip ip)
{
	heard(origin, ip, (struct claim){ 0 });
}

static inline void about_address(enum election_event_kind kind, struct ip ip)
{
	struct election_event event = { .kind = kind };

	event.address.ip = ip;
	step(event);
}

static inline void hand_over(struct ip ip, const char *node)
{
	struct election_event event = { .kind = ELECTION_EVENT_HANDOVER };

	event.handover.ip = ip;
	event.handover.node = node;
	step(event);
}

static inline void configure(const struct election_service *services, size_t n)
{
	struct election_event event = { .kind = ELECTION_EVENT_SERVICES };

	event.services.services = services;
	event.services.service_n = n;
	step(event);
}

static struct ip web_ip[2];
static struct election_service web;

/* One service, ranked n5, n1, n4, n3, n2 whatever it is called in comments ("web"), with 10.0.0.1 and, when asked for, fd00::1. */
static inline void configure_web(size_t address_n)
{
	web_ip[0] = ip_of("10.0.0.1");
	web_ip[1] = ip_of("fd00::1");
	web = (struct election_service){ .name = "web34", .addresses = web_ip, .address_n = address_n };
	configure(&web, 1);
}

static inline size_t count(enum election_action_kind kind)
{
	size_t n = 0;

	for (size_t i = 0; i < out.action_n; i++)
		n += out.actions[i].kind == kind;
	return n;
}

/* The only action of that kind. */
static inline const struct election_action *the(enum election_action_kind kind)
{
	const struct election_action *found = NULL;

	ck_assert_msg(count(kind) == 1, "%zu actions of kind %d", count(kind), (int)kind);
	for (size_t i = 0; i < out.action_n; i++) {
		if (out.actions[i].kind == kind)
			found = &out.actions[i];
	}
	return found;
}

/* The kinds of the actions in order, one letter each: C R A P(ublish) W(ithdraw) O D. */
static inline const char *letters(void)
{
	static char text[ELECTION_ACTION_MAX + 1];

	for (size_t i = 0; i < out.action_n; i++) {
		text[i] = "CRAPODQFY"[out.actions[i].kind];
		if (text[i] == 'P' && out.actions[i].publish.state == 0)
			text[i] = 'W';
	}
	text[out.action_n] = '\0';
	return text;
}

static inline struct election_address see(struct ip ip)
{
	struct election_address address;

	MUST(election_address_find(e, ip, &address));
	return address;
}

/* What the last OWNER of the step says. An owner that is lost and replaced in one step makes two: X to nobody, X to Y. */
static inline void assert_owner(uint64_t from, uint64_t to, enum election_reason reason)
{
	const struct election_action *action = NULL;

	for (size_t i = 0; i < out.action_n; i++) {
		if (out.actions[i].kind == ELECTION_ACTION_OWNER)
			action = &out.actions[i];
	}
	ck_assert_ptr_nonnull(action);
	ck_assert_uint_eq(action->owner.from, from);
	ck_assert_uint_eq(action->owner.to, to);
	ck_assert_str_eq(election_reason_name(action->owner.reason), election_reason_name(reason));
}

static inline void setup(void)
{
	now_us = 1000000;
	e = core_new(1, 16, 64);
}

static inline void teardown(void)
{
	election_free(e);
	e = NULL;
}

/* n1 (we) and n2 .. n<node_n>, started, one service "web" not yet configured. */
static inline void join(size_t node_n)
{
	for (size_t i = 1; i <= node_n; i++)
		node_up(i);
	plain(ELECTION_EVENT_START);
	ck_assert_uint_eq(out.action_n, 0);
}

/* We alone know of ourselves, so we claim; then the others appear. */
static inline void own_web(size_t node_n)
{
	join(1);
	configure_web(1);
	ck_assert_str_eq(letters(), "CPO");
	for (size_t i = 2; i <= node_n; i++) {
		node_up(i);
		ck_assert_uint_eq(out.action_n, 0);
	}
}

/* How many of n1..n<node_n> rank before us for "web", that one aside? */
static inline size_t our_place_without(struct ip ip, const char *name)
{
	const char *names[16];
	size_t n = election_candidates(e, ip, names, ARRAY_LEN(names));
	size_t before = 0;

	for (size_t i = 0; i < n; i++) {
		if (strcmp(names[i], name_of(1)) == 0)
			return before;
		before += strcmp(names[i], name) != 0;
	}
	ck_abort_msg("we are no candidate");
	return n;
}

static inline size_t our_place(struct ip ip)
{
	return our_place_without(ip, "");
}

#endif
