/* SPDX-License-Identifier: Apache-2.0 */
/* Between daemon/metrics.c, which counts and serves, and daemon/metrics_export.c, which writes. */
#ifndef MLB_DAEMON_METRICS_INTERNAL_H
#define MLB_DAEMON_METRICS_INTERNAL_H

#include "daemon/metrics.h"
#include "daemon/metrics_listen.h"

#define METRICS_REASON_N (ELECTION_REASON_TAKEN + 1)

/* An address that had an owner and has none now. */
struct metrics_orphan; /* daemon/metrics.c */

struct metrics {
	struct metrics_listen *listen;	/* owned; NULL: none */
	struct endpoint listening;	/* where */
	struct metrics_orphan *orphans; /* owned hash by ip; at most ADDRESS_MAX */
	struct instant turned;		/* the last tick */
	uint64_t turn_n;
	int64_t started_wall_ms;
	uint64_t owner_changes[METRICS_REASON_N];
	struct metric_histogram outages[METRICS_REASON_N]; /* by what ended the former ownership */
	struct metric_histogram lateness;
	uint64_t right_lost_n;
	bool right_gone;
	struct instant right_gone_at;
	struct span right_gone_us; /* all former times together */
	uint64_t reloads[2];	   /* refused, done */
	size_t source_n;
	struct {
		void (*write)(void *arg, struct metrics_text *text);
		void *arg; /* borrowed */
	} sources[METRICS_SOURCE_MAX];
};

#endif
