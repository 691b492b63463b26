/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/plan.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

#define MS INT64_C(1000)
#define S INT64_C(1000000)

/* Nothing but starts before this, so that every run has a first election. */
#define FIRST_FAULT_US (5 * S)

static const char *const class_names[CLASS_N] = {
	[CLASS_LOSS] = "loss",	   [CLASS_HEAVY] = "heavy",	    [CLASS_BURST] = "burst",
	[CLASS_JITTER] = "jitter", [CLASS_DUPLICATE] = "duplicate", [CLASS_REPLAY] = "replay",
	[CLASS_CUT] = "cut",	   [CLASS_PARTITION] = "partition", [CLASS_STALL] = "stall",
	[CLASS_PAUSE] = "pause",   [CLASS_CRASH] = "crash",	    [CLASS_KILL] = "kill",
	[CLASS_STOP] = "stop",	   [CLASS_DRAIN] = "drain",	    [CLASS_HANDOVER] = "handover",
	[CLASS_LINK] = "link",	   [CLASS_RELOAD] = "reload",	    [CLASS_KERNEL] = "kernel",
	[CLASS_CLOCK] = "clock",   [CLASS_GOSSIP] = "gossip",	    [CLASS_CHECK] = "check",
	[CLASS_FLAP] = "flap",	   [CLASS_REBALANCE] = "rebalance", [CLASS_DATA] = "data",
};

static const char *const kind_names[] = {
	[FAULT_LOSS] = "loss",
	[FAULT_BURST] = "burst",
	[FAULT_DELAY] = "delay",
	[FAULT_DUPLICATE] = "duplicate",
	[FAULT_REPLAY] = "replay",
	[FAULT_CUT] = "cut",
	[FAULT_GOSSIP_CUT] = "gossip-cut",
	[FAULT_GOSSIP_UNCUT] = "gossip-uncut",
	[FAULT_DATA_CUT] = "data-cut",
	[FAULT_DATA_UNCUT] = "data-uncut",
	[FAULT_UNCUT] = "uncut",
	[FAULT_PARTITION] = "partition",
	[FAULT_HEAL] = "heal",
	[FAULT_PAUSE] = "pause",
	[FAULT_RESUME] = "resume",
	[FAULT_CRASH] = "crash",
	[FAULT_KILL] = "kill",
	[FAULT_STOP] = "stop",
	[FAULT_START] = "start",
	[FAULT_LINK_DOWN] = "link-down",
	[FAULT_LINK_UP] = "link-up",
	[FAULT_DRAIN] = "drain",
	[FAULT_UNDRAIN] = "undrain",
	[FAULT_HANDOVER] = "handover",
	[FAULT_SERVICE_OFF] = "service-off",
	[FAULT_SERVICE_ON] = "service-on",
	[FAULT_REFUSE] = "refuse",
	[FAULT_ACCEPT] = "accept",
	[FAULT_LOSE] = "lose",
	[FAULT_UNFIT] = "unfit",
	[FAULT_FIT] = "fit",
	[FAULT_REBALANCE] = "rebalance",
	[FAULT_CALM] = "calm",
};

const char *fault_class_name(enum fault_class class)
{
	return class_names[class];
}

const char *fault_kind_name(enum fault_kind kind)
{
	return kind_names[kind];
}

uint32_t plan_classes_of(uint64_t seed)
{
	struct rng rng = rng_of(hash_mix(seed) + 0x5717);
	uint32_t classes = 0;

	/* Some runs without any fault, some with one class alone, most with a few. */
	if (seed % 16 == 0)
		return 0;
	if (seed % 4 == 0)
		return UINT32_C(1) << (seed / 4 % CLASS_DRAWN_N);
	for (unsigned int i = 0; i < CLASS_DRAWN_N; i++) {
		if (rng_chance(&rng, 250000))
			classes |= UINT32_C(1) << i;
	}
	return classes;
}

int plan_classes_parse(const char *text, uint32_t *ret)
{
	char buf[512];
	char *rest = NULL;
	uint32_t classes = 0;

	if (strcmp(text, "all") == 0 || strcmp(text, "none") == 0) {
		*ret = text[0] == 'a' ? CLASS_ALL : 0;
		return 0;
	}
	snprintf(buf, sizeof(buf), "%s", text);
	for (char *word = strtok_r(buf, ",", &rest); word != NULL; word = strtok_r(NULL, ",", &rest)) {
		size_t i;

		for (i = 0; i < CLASS_N && strcmp(word, class_names[i]) != 0; i++)
			;
		if (i == CLASS_N)
			return -EINVAL;
		classes |= UINT32_C(1) << i;
	}
	*ret = classes;
	return 0;
}

char *plan_classes_format(uint32_t classes, char *out, size_t cap)
{
	size_t len = 0;

	snprintf(out, cap, "none");
	for (size_t i = 0; i < CLASS_N && len < cap; i++) {
		if (classes >> i & 1)
			len += (size_t)snprintf(out + len, cap - len, "%s%s", len > 0 ? "," : "", class_names[i]);
	}
	return out;
}

void plan_add(struct plan *plan, struct fault fault)
{
	if (plan->fault_n == plan->fault_cap) {
		plan->fault_cap = plan->fault_cap == 0 ? 64 : 2 * plan->fault_cap;
		plan->faults = realloc(plan->faults, plan->fault_cap * sizeof(*plan->faults));
		if (plan->faults == NULL)
			abort();
	}
	plan->faults[plan->fault_n++] = fault;
}

void plan_sort(struct plan *plan)
{
	for (size_t i = 1; i < plan->fault_n; i++) { /* insertion: short lists, and stable */
		struct fault fault = plan->faults[i];
		size_t j = i;

		for (; j > 0 && plan->faults[j - 1].at_us > fault.at_us; j--)
			plan->faults[j] = plan->faults[j - 1];
		plan->faults[j] = fault;
	}
}

static int any_node(const struct plan *plan, struct rng *rng)
{
	return (int)rng_below(rng, plan->node_n);
}

static void draw_services(struct plan *plan, struct rng *rng)
{
	plan->service_n = 1 + rng_below(rng, SIM_SERVICE_MAX);
	for (size_t i = 0; i < plan->service_n; i++) {
		struct plan_service *service = &plan->services[i];
		uint8_t v4[4] = { 10, 0, 100, (uint8_t)(i + 1) };
		uint8_t v6[16] = { 0xfd, 0, 1, 0 };
		uint64_t form = rng_below(rng, 4);

		v6[15] = (uint8_t)(i + 1);
		snprintf(service->name, sizeof(service->name), "s%zu", i);
		if (form != 0)
			service->addresses[service->address_n++] = ip_from_v4(v4);
		if (form == 0 || form == 1)
			service->addresses[service->address_n++] = ip_from_v6(v6);
		service->selects = rng_chance(rng, 250000);
		service->rack = rng_chance(rng, 500000) ? 'a' : 'b';
	}
}

static void draw_nodes(struct plan *plan, struct rng *rng)
{
	int64_t spread_ms = rng_chance(rng, 500000) ? 50 : 2000;

	for (size_t i = 0; i < plan->node_n; i++) {
		struct plan_node *node = &plan->nodes[i];

		node->rack = i % 2 == 0 ? 'a' : 'b';
		node->has_v6 = !rng_chance(rng, 100000);
		node->start_us = rng_between(rng, 0, spread_ms) * MS;
		node->clock_offset_us = rng_between(rng, 0, 1000000) * S / 10;
		plan_add(plan, (struct fault){ .at_us = node->start_us, .kind = FAULT_START, .a = (int)i });
	}
}

/* The next moment of a class, some `mean_ms` after *at; false when the calm comes first. */
static bool next_time(const struct plan *plan, struct rng *rng, int64_t mean_ms, int64_t *at)
{
	*at += rng_between(rng, mean_ms / 10, 2 * mean_ms) * MS;
	return *at < plan->calm_us;
}

/* A fault and its end: `on` at *at, `off` between low_ms and high_ms later; *at moves to the end. */
static void add_pair(struct plan *plan, struct rng *rng, int64_t *at, struct fault on, enum fault_kind off,
		     int64_t low_ms, int64_t high_ms)
{
	on.at_us = *at;
	plan_add(plan, on);
	*at += rng_between(rng, low_ms, high_ms) * MS;
	on.at_us = *at;
	on.kind = off;
	on.arg = 0;
	on.arg2 = 0;
	plan_add(plan, on);
}

/* Classes that set how the links behave. */
static void draw_links(struct plan *plan, enum fault_class class, struct rng *rng)
{
	int64_t at = FIRST_FAULT_US;
	struct fault all = { .at_us = at, .a = -1, .b = -1 };

	switch ((int)class) {
	case CLASS_LOSS:
		all.kind = FAULT_LOSS;
		all.at_us = 0; /* from the start: joining must work too */
		all.arg = rng_between(rng, 1000, SIM_MILD_LOSS_PPM);
		plan_add(plan, all);
		break;
	case CLASS_DUPLICATE:
		all.kind = FAULT_DUPLICATE;
		all.arg = rng_between(rng, 10000, 300000);
		plan_add(plan, all);
		break;
	case CLASS_REPLAY:
		all.kind = FAULT_REPLAY;
		all.arg = rng_between(rng, 1000, 50000);
		plan_add(plan, all);
		break;
	case CLASS_HEAVY:
	case CLASS_BURST:
		while (next_time(plan, rng, 5000, &at)) {
			enum fault_kind kind = class == CLASS_HEAVY ? FAULT_LOSS : FAULT_BURST;
			bool one = rng_chance(rng, 500000);
			struct fault fault = { .kind = kind, .a = -1, .b = -1 };

			fault.arg = rng_between(rng, SIM_MILD_LOSS_PPM, 400000);
			if (one) {
				fault.a = any_node(plan, rng);
				fault.b = any_node(plan, rng);
			}
			add_pair(plan, rng, &at, fault, kind, 500, 8000);
		}
		break;
	case CLASS_JITTER:
		while (next_time(plan, rng, 3000, &at)) {
			struct fault fault = { .kind = FAULT_DELAY, .a = any_node(plan, rng), .b = -1 };

			fault.arg = rng_between(rng, 50, 5000);
			fault.arg2 = rng_between(rng, 0, rng_chance(rng, 500000) ? 5000 : 60000);
			add_pair(plan, rng, &at, fault, FAULT_DELAY, 500, 5000);
		}
		break;
	}
}

/* Every node but those that no mask can name. */
static int64_t mask_of_all(const struct plan *plan)
{
	return (INT64_C(1) << (plan->node_n < SIM_MASK_MAX ? plan->node_n : SIM_MASK_MAX)) - 1;
}

/* Classes that take a link or a node away for a while. */
static void draw_outages(struct plan *plan, enum fault_class class, struct rng *rng)
{
	static const struct {
		enum fault_class class;
		enum fault_kind on, off;
		int64_t mean_ms, low_ms, high_ms;
	} outages[] = {
		{ CLASS_CUT, FAULT_CUT, FAULT_UNCUT, 4000, 50, 8000 },
		{ CLASS_PARTITION, FAULT_PARTITION, FAULT_HEAL, 6000, 50, 15000 },
		{ CLASS_STALL, FAULT_PAUSE, FAULT_RESUME, 1500, 20, 400 },
		{ CLASS_PAUSE, FAULT_PAUSE, FAULT_RESUME, 6000, 300, 10000 },
		{ CLASS_CRASH, FAULT_CRASH, FAULT_START, 6000, 20, 12000 },
		{ CLASS_KILL, FAULT_KILL, FAULT_START, 6000, 5, 8000 },
		{ CLASS_STOP, FAULT_STOP, FAULT_START, 6000, 50, 8000 },
		{ CLASS_DRAIN, FAULT_DRAIN, FAULT_UNDRAIN, 5000, 10, 8000 },
		{ CLASS_GOSSIP, FAULT_GOSSIP_CUT, FAULT_GOSSIP_UNCUT, 5000, 50, 12000 },
		{ CLASS_CHECK, FAULT_UNFIT, FAULT_FIT, 1500, 20, 8000 },
		{ CLASS_DATA, FAULT_DATA_CUT, FAULT_DATA_UNCUT, 6000, 50, 20000 },
		{ CLASS_LINK, FAULT_LINK_DOWN, FAULT_LINK_UP, 6000, 20, 8000 },
	};

	for (size_t i = 0; i < sizeof(outages) / sizeof(outages[0]); i++) {
		int64_t at = FIRST_FAULT_US;

		if (outages[i].class != class)
			continue;
		while (next_time(plan, rng, outages[i].mean_ms, &at)) {
			struct fault fault = { .kind = outages[i].on, .a = any_node(plan, rng) };

			fault.b = any_node(plan, rng);
			if (class == CLASS_CHECK)
				fault.b = (int)rng_below(rng, plan->service_n);
			if (class == CLASS_PARTITION)
				fault.arg = rng_between(rng, 1, mask_of_all(plan));
			add_pair(plan, rng, &at, fault, outages[i].off, outages[i].low_ms, outages[i].high_ms);
			/* the next one may come before this one has ended: crashes of several nodes, nested cuts */
			if (rng_chance(rng, 300000))
				at = plan->faults[plan->fault_n - 2].at_us;
		}
	}
}

static void draw_reloads(struct plan *plan, struct rng *rng)
{
	int64_t at = FIRST_FAULT_US;

	while (next_time(plan, rng, 8000, &at)) {
		int64_t end = at + rng_between(rng, 500, 8000) * MS;
		struct fault fault = { .kind = FAULT_SERVICE_OFF, .b = (int)rng_below(rng, plan->service_n) };

		for (int i = 0; i < (int)plan->node_n; i++) {
			fault.a = i;
			fault.kind = FAULT_SERVICE_OFF;
			fault.at_us = at + rng_between(rng, 0, 300) * MS;
			plan_add(plan, fault);
			fault.kind = FAULT_SERVICE_ON;
			fault.at_us = end + rng_between(rng, 0, 300) * MS;
			plan_add(plan, fault);
		}
		at = end;
	}
}

/* One node comes and goes; one time in two everything has the same rhythm, which is when timers meet. */
static void draw_flaps(struct plan *plan, struct rng *rng)
{
	static const enum fault_kind kinds[][2] = { { FAULT_PARTITION, FAULT_HEAL },
						    { FAULT_KILL, FAULT_START },
						    { FAULT_LINK_DOWN, FAULT_LINK_UP } };
	int64_t at = FIRST_FAULT_US;

	while (next_time(plan, rng, 4000, &at)) {
		size_t kind = rng_below(rng, sizeof(kinds) / sizeof(kinds[0]));
		int64_t end = at + rng_between(rng, 5000, 30000) * MS;
		int64_t high_ms = rng_between(rng, 50, 4000);
		int64_t low_ms = rng_chance(rng, 500000) ? high_ms : 20;
		struct fault fault = { .kind = kinds[kind][0], .a = any_node(plan, rng) };

		while (at < end && at < plan->calm_us) {
			fault.arg = INT64_C(1) << (fault.a < SIM_MASK_MAX ? fault.a : 0);
			add_pair(plan, rng, &at, fault, kinds[kind][1], low_ms, high_ms);
			at += rng_between(rng, low_ms, high_ms) * MS;
		}
	}
}

static void draw_rest(struct plan *plan, enum fault_class class, struct rng *rng)
{
	int64_t at = FIRST_FAULT_US;

	switch ((int)class) {
	case CLASS_HANDOVER:
		while (next_time(plan, rng, 1500, &at)) {
			struct fault fault = { .at_us = at, .kind = FAULT_HANDOVER, .a = -1 };

			fault.b = any_node(plan, rng);
			fault.arg = (int64_t)rng_below(rng, SIM_ADDRESS_MAX);
			plan_add(plan, fault);
		}
		break;
	case CLASS_RELOAD:
		draw_reloads(plan, rng);
		break;
	case CLASS_FLAP:
		draw_flaps(plan, rng);
		break;
	case CLASS_REBALANCE:
		plan->rebalance = plan->seed % 2 == 1;
		while (next_time(plan, rng, 2000, &at))
			plan_add(plan,
				 (struct fault){ .at_us = at, .kind = FAULT_REBALANCE, .a = any_node(plan, rng) });
		break;
	case CLASS_KERNEL:
		while (next_time(plan, rng, 4000, &at)) {
			struct fault fault = { .kind = FAULT_REFUSE, .a = any_node(plan, rng) };
			struct fault lose = { .at_us = at, .kind = FAULT_LOSE, .a = fault.a };

			lose.arg = (int64_t)rng_below(rng, SIM_ADDRESS_MAX);
			add_pair(plan, rng, &at, fault, FAULT_ACCEPT, 500, 6000);
			lose.a = any_node(plan, rng);
			plan_add(plan, lose);
		}
		break;
	case CLASS_CLOCK:
		for (size_t i = 0; i < plan->node_n; i++) {
			plan->nodes[i].drift_ppm = rng_between(rng, -200, 200);
			plan->nodes[i].wall_behind_s = rng_chance(rng, 500000) ? rng_between(rng, 0, 100000) : 0;
		}
		break;
	}
}

struct plan *plan_new(uint64_t seed, uint32_t classes, size_t node_n, int64_t seconds, bool seal)
{
	struct plan *plan = calloc(1, sizeof(*plan));
	struct rng rng = rng_of(seed);

	if (plan == NULL)
		abort();
	plan->seed = seed;
	plan->classes = classes;
	plan->end_us = seconds * S;
	plan->calm_us = plan->end_us - (plan->end_us >= 2 * SIM_CALM_US ? SIM_CALM_US : plan->end_us / 2);
	plan->seal = seal;
	plan->gate = seed % 8 != 7;
	plan->guard = seed % 8 != 3;
	plan->profile = rng_chance(&rng, 200000) ? PLAN_FAST : PLAN_LAN;
	plan->node_n = 2 + rng_below(&rng, 6);
	if (node_n > 0)
		plan->node_n = node_n;
	plan->seed_n = seed % 4 == 1 && plan->node_n > 2 ? 2 : plan->node_n;
	draw_services(plan, &rng);
	draw_nodes(plan, &rng);
	for (unsigned int i = 0; i < CLASS_N; i++) {
		struct rng own = rng_of(hash_mix(seed) + i);

		if ((classes >> i & 1) == 0)
			continue;
		draw_links(plan, (enum fault_class)i, &own);
		draw_outages(plan, (enum fault_class)i, &own);
		draw_rest(plan, (enum fault_class)i, &own);
	}
	plan_add(plan, (struct fault){ .at_us = plan->calm_us, .kind = FAULT_CALM });
	plan_sort(plan);
	while (plan->faults[plan->fault_n - 1].kind != FAULT_CALM)
		plan->fault_n--; /* ends that the calm has made superfluous */
	return plan;
}

void plan_free(struct plan *plan)
{
	if (plan == NULL)
		return;
	free(plan->faults);
	free(plan);
}
