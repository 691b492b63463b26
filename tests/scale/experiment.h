/* SPDX-License-Identifier: Apache-2.0 */
/* The experiments: each prints one line, "PASS" or "FAIL" first where there is a bound, and appends one JSON object to a file. */
#ifndef MLB_TESTS_SCALE_EXPERIMENT_H
#define MLB_TESTS_SCALE_EXPERIMENT_H

#include <stdio.h>

#include "tests/scale/swarm.h"

struct options {
	struct swarm_config swarm;
	size_t runs;
	double hours;	    /* simulated node-hours */
	size_t troubled;    /* lifeguard: nodes */
	int64_t blocked_ms; /* lifeguard, pause */
	int64_t normal_ms;  /* lifeguard */
	const char *kind;   /* lifeguard: receive, stop or slow; link: both, oneway or deaf */
	const char *json;   /* file, or NULL */
	int64_t median_ms;  /* bounds of detect; 0: the table's */
	int64_t p99_ms;
};

/* 0 passed, 1 failed. */
typedef int experiment(const struct options *options);

experiment experiment_detect;	 /* one crash: until every other member knows */
experiment experiment_mass;	 /* a third dies at once */
experiment experiment_false;	 /* nobody dies: deaths declared */
experiment experiment_link;	 /* a cut link, one direction of it, a deaf node */
experiment experiment_pause;	 /* a process stands still */
experiment experiment_lifeguard; /* many do, again and again (Lifeguard, arXiv 1707.00788, V) */
experiment experiment_load;	 /* packets and bytes per node and second */
experiment experiment_partition; /* an hour apart, then healed */
experiment experiment_flap;	 /* a link that comes and goes */
experiment experiment_rolling;	 /* every node restarts, one after another */
experiment experiment_storm;	 /* all join at once */
experiment experiment_speed;	 /* how fast this simulator is */
experiment experiment_hash;	 /* a mixed run's fingerprint */

/* One line to standard output, and the same as JSON: `fields` is printf text of JSON members. Returns !passed. */
int report(const struct options *options, const char *name, bool passed, const char *text, const char *fields);
int64_t percentile(int64_t *values, size_t n, unsigned int per_mille);
const char *loss_text(const struct swarm_config *config, char *out, size_t cap);
const char *profile_name(const struct swarm_config *config);

#endif
