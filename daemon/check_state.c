/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/check_state.h"

#include <assert.h>

void check_state_init(struct check_state *s, const struct check_timing *timing, struct instant now)
{
	assert(timing->rise > 0 && timing->fall > 0 && timing->interval.us > 0);
	*s = (struct check_state){ .timing = *timing, .since = now, .due = now, .began = now };
}

void check_state_change(struct check_state *s, const struct check_timing *timing, struct instant now)
{
	assert(timing->rise > 0 && timing->fall > 0 && timing->interval.us > 0);
	s->timing = *timing;
	s->successes = s->failures = 0;
	s->due = s->began = now;
}

void check_state_begin(struct check_state *s, struct instant now)
{
	s->began = now;
	s->due = INSTANT_NEVER;
}

/* From the start of the last run, so that what a run takes adds nothing; what was missed is not made up for. */
static void set_due(struct check_state *s, struct instant now)
{
	struct span wait = s->timing.interval;

	if (!s->decided && s->successes > 0 && wait.us > span_ms(CHECK_CONFIRM_MS).us)
		wait = span_ms(CHECK_CONFIRM_MS);
	s->due = instant_add(s->began, wait);
	if (instant_before(s->due, now))
		s->due = now;
}

static void count(struct check_state *s, enum check_outcome outcome)
{
	s->outcome_n[outcome]++;
	switch (outcome) {
	case CHECK_PASSED:
		s->failures = 0;
		if (s->successes < s->timing.rise)
			s->successes++;
		break;
	case CHECK_FAILED:
		s->successes = 0;
		if (s->failures < s->timing.fall)
			s->failures++;
		break;
	case CHECK_LATE:
		break;
	}
}

bool check_state_end(struct check_state *s, enum check_outcome outcome, struct instant now)
{
	bool before = s->passing;

	count(s, outcome);
	if (s->successes >= s->timing.rise)
		s->passing = true;
	else if (s->failures >= s->timing.fall)
		s->passing = false;
	s->decided = s->decided || s->successes >= s->timing.rise || s->failures >= s->timing.fall;
	set_due(s, now);
	if (s->passing != before)
		s->since = now;
	return s->passing != before;
}
