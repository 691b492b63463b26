/* SPDX-License-Identifier: Apache-2.0 */
#include "base/repeat.h"

#include <stddef.h>

static const int64_t burst_ms[] = REPEAT_BURST_MS;

_Static_assert(sizeof(burst_ms) / sizeof(burst_ms[0]) == REPEAT_BURST_N, "the number of shots");

void repeat_start(struct repeat *r, struct instant now)
{
	r->next = instant_add(now, span_ms(burst_ms[0]));
	r->sent = 0;
}

void repeat_stop(struct repeat *r)
{
	r->next = INSTANT_NEVER;
}

bool repeat_due(struct repeat *r, struct instant now, struct rng *rng)
{
	if (!instant_reached(r->next, now))
		return false;
	r->sent++;
	if (r->sent < REPEAT_BURST_N)
		r->next = instant_add(now, span_ms(burst_ms[r->sent] - burst_ms[r->sent - 1]));
	else
		r->next = instant_add(
			now, span_ms(rng_between(rng, REPEAT_REFRESH_MIN_S * 1000, REPEAT_REFRESH_MAX_S * 1000)));
	return true;
}
