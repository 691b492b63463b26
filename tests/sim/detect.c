/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/detect.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/world.h"

/* Crashes in one world: starting a hundred nodes costs more than watching one of them die. */
#define ROUND_MAX 10

/* A cluster is at rest this long after its start, and after a crash; a crash that nobody has noticed by then is missed. */
#define START_US 10000000
#define REST_US 3000000
#define PATIENCE_US 60000000

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a;
	int64_t y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static int find_server(const struct world *world, size_t address)
{
	for (size_t i = 0; i < world->node_n; i++) {
		if (world_serves(world, i, address))
			return (int)i;
	}
	return -1;
}

/* Crash the owner of the first address. False when nobody noticed, or nobody took over. */
static bool crash_once(struct world *world, struct rng *rng, int64_t *death_us, int64_t *outage_us)
{
	int64_t at_us = world->now_us + (world->now_us == 0 ? START_US : REST_US) + rng_between(rng, 0, 2000000);
	int64_t served_us = 0;
	int owner;

	world_run_until(world, at_us);
	world->now_us = at_us;
	owner = find_server(world, 0);
	if (owner < 0 || world->failed)
		return false;
	world->death_us = 0;
	host_crash(world, (size_t)owner);
	while (world->now_us < at_us + PATIENCE_US && (world->death_us == 0 || served_us == 0) && !world->failed) {
		world_run_until(world, world->queue.heap[0].at_us);
		if (served_us == 0 && find_server(world, 0) >= 0)
			served_us = world->now_us;
	}
	*death_us = world->death_us - at_us;
	*outage_us = served_us - at_us;
	host_start(world, (size_t)owner);
	return world->death_us > 0 && served_us > 0 && !world->failed;
}

static struct plan *make_plan(size_t node_n, uint64_t seed, enum plan_profile profile, uint32_t loss_ppm)
{
	struct plan *plan = plan_new(seed, 0, node_n, 3600, false);

	plan->profile = profile;
	plan->service_n = 1;
	plan->services[0].selects = false;
	if (plan->services[0].addresses[0].family == IP_V6) { /* not every node can hold those */
		uint8_t v4[4] = { 10, 0, 100, 1 };

		plan->services[0].addresses[0] = ip_from_v4(v4);
	}
	plan->services[0].address_n = 1;
	plan_add(plan, (struct fault){ .kind = FAULT_LOSS, .a = -1, .b = -1, .arg = loss_ppm });
	plan_sort(plan);
	return plan;
}

int detect_measure(size_t node_n, size_t run_n, uint64_t seed, enum plan_profile profile, uint32_t loss_ppm)
{
	int64_t *deaths = calloc(run_n, sizeof(*deaths));
	int64_t *outages = calloc(run_n, sizeof(*outages));
	struct rng rng = rng_of(seed);
	size_t done = 0;
	bool good = true;

	if (deaths == NULL || outages == NULL)
		abort();
	for (; done < run_n && good; seed++) {
		const struct world_options options = { 0 };
		struct plan *plan = make_plan(node_n, seed, profile, loss_ppm);
		struct world *world = world_new(plan, &options);

		for (size_t i = 0; i < ROUND_MAX && done < run_n && good; i++, done++)
			good = crash_once(world, &rng, &deaths[done], &outages[done]);
		world_free(world);
		plan_free(plan);
	}
	if (good) {
		qsort(deaths, run_n, sizeof(*deaths), compare);
		qsort(outages, run_n, sizeof(*outages), compare);
		printf("detect: %3zu nodes, %u %% loss, %zu crashes: declared dead median %lld ms, p99 %lld ms; "
		       "outage median %lld ms, p99 %lld ms\n",
		       node_n, loss_ppm / 10000, run_n, (long long)deaths[run_n / 2] / 1000,
		       (long long)deaths[run_n * 99 / 100] / 1000, (long long)outages[run_n / 2] / 1000,
		       (long long)outages[run_n * 99 / 100] / 1000);
	} else {
		printf("detect: %3zu nodes: crash %zu was not noticed, or nobody took over\n", node_n, done);
	}
	free(deaths);
	free(outages);
	return good ? 0 : 1;
}
