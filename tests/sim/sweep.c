/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/sweep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/check.h"

/* A run shorter than this has no room for its faults between the first election and the calm. */
#define SHRINK_SECONDS_MIN 20

static int make_plan(const struct run_spec *spec, struct plan **ret)
{
	uint32_t classes = spec->classes_set ? spec->classes : plan_classes_of(spec->seed);

	if (spec->scenario != NULL)
		return plan_read(spec->scenario, spec->seed, ret);
	*ret = plan_new(spec->seed, classes, spec->node_n, spec->seconds, spec->seal || spec->seed % 10 == 3);
	return 0;
}

int run_once(const struct run_spec *spec, const struct world_options *options, struct run_result *ret,
	     struct marks *marks)
{
	struct plan *plan;
	struct world *world;
	int error = make_plan(spec, &plan);

	if (error != 0)
		return error;
	world = world_new(plan, options);
	world_run(world);
	*ret = (struct run_result){ .failed = world->failed, .failed_us = world->failed_us, .hash = world->hash };
	memcpy(ret->failure, world->failure, sizeof(ret->failure));
	ret->overlap_longest_us = world->checks->overlap_longest_us;
	ret->sent_most = world->checks->sent_most;
	marks_add(marks, &world->marks);
	world_free(world);
	plan_free(plan);
	return 0;
}

int run_twice(const struct run_spec *spec, const struct world_options *options, struct run_result *ret,
	      struct marks *marks)
{
	const struct world_options quiet = { .checked = options->checked };
	struct run_result again;
	struct marks ignored = { 0 };
	int error = run_once(spec, options, ret, marks);

	if (error != 0 || ret->failed)
		return error;
	error = run_once(spec, &quiet, &again, &ignored);
	if (error == 0 && again.hash != ret->hash) {
		ret->failed = true;
		snprintf(ret->failure, sizeof(ret->failure), "determinism: two runs differ (%016llx, %016llx)",
			 (unsigned long long)ret->hash, (unsigned long long)again.hash);
	}
	return error;
}

/* The part of a failure before the colon says which invariant it was. */
static bool same_kind(const struct run_result *a, const struct run_result *b)
{
	size_t len = strcspn(a->failure, ":");

	return len == strcspn(b->failure, ":") && strncmp(a->failure, b->failure, len) == 0;
}

/* Take the smaller run if it fails in the same way. */
static bool try_smaller(struct run_spec *spec, struct run_result *result, const struct run_spec *smaller)
{
	const struct world_options options = { .checked = true };
	struct run_result outcome;
	struct marks ignored = { 0 };

	if (run_once(smaller, &options, &outcome, &ignored) != 0 || !outcome.failed || !same_kind(&outcome, result))
		return false;
	*spec = *smaller;
	*result = outcome;
	return true;
}

void run_shrink(struct run_spec *spec, struct run_result *result)
{
	struct run_spec smaller;

	if (spec->scenario != NULL || strncmp(result->failure, "determinism", 11) == 0)
		return;
	if (!spec->classes_set)
		spec->classes = plan_classes_of(spec->seed);
	spec->classes_set = true;
	for (unsigned int i = 0; i < CLASS_N; i++) {
		smaller = *spec;
		smaller.classes &= ~(UINT32_C(1) << i);
		if (smaller.classes != spec->classes)
			try_smaller(spec, result, &smaller);
	}
	do {
		smaller = *spec;
		smaller.seconds /= 2;
	} while (smaller.seconds >= SHRINK_SECONDS_MIN && try_smaller(spec, result, &smaller));
	for (size_t n = 2; n <= 5; n++) {
		smaller = *spec;
		smaller.node_n = n;
		if ((spec->node_n == 0 || n < spec->node_n) && try_smaller(spec, result, &smaller))
			return;
	}
}

char *run_command(const struct run_spec *spec, char *out, size_t cap)
{
	char classes[256];
	size_t len = (size_t)snprintf(out, cap, "sim --seeds 1 --start %llu", (unsigned long long)spec->seed);

	if (spec->scenario != NULL) {
		snprintf(out + len, cap - len, " --scenario %s", spec->scenario);
		return out;
	}
	len += (size_t)snprintf(out + len, cap - len, " --seconds %lld", (long long)spec->seconds);
	if (spec->node_n > 0)
		len += (size_t)snprintf(out + len, cap - len, " --nodes %zu", spec->node_n);
	if (spec->classes_set)
		len += (size_t)snprintf(out + len, cap - len, " --classes %s",
					plan_classes_format(spec->classes, classes, sizeof(classes)));
	if (spec->seal)
		snprintf(out + len, cap - len, " --seal");
	return out;
}
