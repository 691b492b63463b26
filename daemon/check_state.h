/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a health check runs, and what its results make of the service: so many failures in a row take it down, so many successes
 * bring it back. Pure.
 *
 * A service does not pass until its check has: who starts must not take addresses that it cannot serve. So that a start is quick
 * all the same, the first run is at once, and as long as nothing has been decided a success is confirmed after CHECK_CONFIRM_MS
 * and not after a whole interval. A run that says nothing, because this host was too busy to do it in time, is neither.
 */
#ifndef MLB_DAEMON_CHECK_STATE_H
#define MLB_DAEMON_CHECK_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"

/* Between successes of the start, or the interval where that is shorter. */
#define CHECK_CONFIRM_MS 100

enum check_outcome { CHECK_PASSED, CHECK_FAILED, CHECK_LATE };

struct check_timing {
	struct span interval; /* from the start of one run to that of the next */
	struct span timeout;  /* shorter than interval */
	unsigned int rise;    /* at least 1 */
	unsigned int fall;    /* at least 1 */
};

struct check_state {
	struct check_timing timing;
	bool passing;
	bool decided;		/* there were `rise` successes or `fall` failures in a row */
	unsigned int successes; /* in a row, to `rise` */
	unsigned int failures;	/* in a row, to `fall` */
	struct instant since;	/* passing, or not, since then */
	struct instant due;	/* the next run; NEVER while one is on */
	struct instant began;	/* the last run */
	uint64_t outcome_n[3];	/* by enum check_outcome */
};

/* The first run is due at once. */
void check_state_init(struct check_state *s, const struct check_timing *timing, struct instant now);
/* Other timers; what is known stays, only the counts towards a change begin anew. The next run is due at once. */
void check_state_change(struct check_state *s, const struct check_timing *timing, struct instant now);
/* A run begins, or would have if it could; it may be later than it was due. */
void check_state_begin(struct check_state *s, struct instant now);
/* It ended. True: `passing` has changed. */
bool check_state_end(struct check_state *s, enum check_outcome outcome, struct instant now);

#endif
