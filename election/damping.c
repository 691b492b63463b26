/* SPDX-License-Identifier: Apache-2.0 */
#include "election/damping.h"

#include <string.h>

/* Room for more than any penalty needs, and far from wrapping. */
#define COUNT_MAX 100

/* 1 s after the first, 2 s after the second, up to max_s. */
static struct span penalty(unsigned int count, int64_t max_s)
{
	int64_t s = DAMPING_PENALTY_MIN_S;

	if (count == 0)
		return span_s(0);
	while (--count > 0 && s < max_s)
		s *= 2;
	return span_s(s < max_s ? s : max_s);
}

static struct span positive(struct span d)
{
	return d.us > 0 ? d : span_us(0);
}

static unsigned int count_up(unsigned int n)
{
	return n < COUNT_MAX ? n + 1 : n;
}

bool damping_forgotten(const struct damping_moves *moves, struct instant now)
{
	return moves->n == 0 || instant_since(now, moves->at[0]).us >= span_s(DAMPING_WINDOW_S).us;
}

void damping_moved(struct damping_moves *moves, struct instant now)
{
	if (damping_forgotten(moves, now))
		moves->n = 0;
	memmove(&moves->at[1], &moves->at[0], sizeof(moves->at) - sizeof(moves->at[0]));
	moves->at[0] = now;
	moves->n = (uint8_t)count_up(moves->n);
}

/* Until when there are `max` moves or more in the window; past if there are not. */
static struct instant crowded_until(const struct damping_moves *moves, unsigned int max)
{
	if (moves->n < max)
		return (struct instant){ INT64_MIN };
	return instant_add(moves->at[max - 1], span_s(DAMPING_WINDOW_S));
}

struct span damping_hold_down(const struct damping_moves *moves, enum damping_cause cause, struct instant now)
{
	struct instant crowded, until;

	if (damping_forgotten(moves, now))
		return span_us(0);
	switch (cause) {
	case DAMPING_CHOICE:
		crowded = crowded_until(moves, DAMPING_CHOICE_MAX);
		until = instant_add(moves->at[0], penalty(moves->n, DAMPING_PENALTY_MAX_S));
		if (instant_before(until, crowded))
			until = crowded;
		return positive(instant_since(until, now));
	case DAMPING_NEED:
		if (instant_reached(crowded_until(moves, DAMPING_MOVE_MAX), now))
			return span_us(0);
		until = instant_add(moves->at[0], penalty(moves->n + 1U - DAMPING_MOVE_MAX, DAMPING_NEED_MAX_S));
		return positive(instant_since(until, now));
	}
	return span_us(0);
}

void damping_here(struct damping_flaps *flaps, bool here, struct instant now)
{
	if (flaps->here == here)
		return;
	/* it was steady for long enough before it went: that is no flapping */
	if (!here && instant_since(now, flaps->since).us >= span_s(DAMPING_WINDOW_S).us)
		flaps->n = 0;
	if (!here)
		flaps->n = (uint8_t)count_up(flaps->n);
	flaps->here = here;
	flaps->since = now;
}

struct instant damping_steady_at(const struct damping_flaps *flaps)
{
	if (!flaps->here)
		return INSTANT_NEVER;
	return instant_add(flaps->since, penalty(flaps->n, DAMPING_PENALTY_MAX_S));
}
