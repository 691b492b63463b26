/* SPDX-License-Identifier: Apache-2.0 */
/* Running plans: one, many seeds, twice for determinism, and smaller ones when a seed fails. */
#ifndef MLB_TESTS_SIM_SWEEP_H
#define MLB_TESTS_SIM_SWEEP_H

#include "tests/sim/world.h"

/* What names a run on the command line. */
struct run_spec {
	uint64_t seed;
	bool classes_set; /* else the seed chooses */
	uint32_t classes;
	size_t node_n; /* 0: the seed chooses */
	int64_t seconds;
	bool seal;	      /* also chosen by one seed in ten */
	const char *scenario; /* file, or NULL */
};

struct run_result {
	bool failed;
	int64_t failed_us;
	char failure[FAILURE_TEXT_MAX];
	uint64_t hash;
	int64_t overlap_longest_us;
	size_t sent_most;
};

/* 0, or -EINVAL: the scenario cannot be read. Adds to *marks. */
int run_once(const struct run_spec *spec, const struct world_options *options, struct run_result *ret,
	     struct marks *marks);
/* The same, and again: a second run that differs is a failure. */
int run_twice(const struct run_spec *spec, const struct world_options *options, struct run_result *ret,
	      struct marks *marks);
/* Make a failing run smaller while it keeps failing in the same way: fewer classes, shorter, fewer nodes. */
void run_shrink(struct run_spec *spec, struct run_result *result);
/* The command line that repeats a run. */
char *run_command(const struct run_spec *spec, char *out, size_t cap);

#endif
