/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A repeat schedule: at once, a few times over some seconds, then a slow refresh with jitter. Shared by the ARP and the
 * NDP announcer (announcing once only is the most common cause of long outages: switches and routers age in minutes to
 * hours). Pure.
 */
#ifndef MLB_BASE_REPEAT_H
#define MLB_BASE_REPEAT_H

#include "base/rng.h"
#include "base/time.h"

struct repeat {
	struct instant next; /* INSTANT_NEVER while stopped */
	unsigned int sent;   /* how often it fired since the start */
};

/*
 * First shots after the start, in milliseconds. The second is for a lost frame; those a second and more later are for caches
 * that refuse changes for a second (Linux neigh/locktime) and for switch ports that do not forward yet.
 */
#define REPEAT_BURST_MS                  \
	{                                \
		0, 100, 1000, 2000, 5000 \
	}
#define REPEAT_BURST_N 5
/*
 * Then, for ever, evenly between these: switches forget a MAC that only receives after 300 s, and addresses that were started
 * together must not stay together.
 */
#define REPEAT_REFRESH_MIN_S 60
#define REPEAT_REFRESH_MAX_S 100

void repeat_start(struct repeat *r, struct instant now);
void repeat_stop(struct repeat *r);
/*
 * Is a shot due at now? Then count it and set the next one, measured from now, so that a late tick never makes a burst.
 * *rng gives the jitter of the refresh.
 */
bool repeat_due(struct repeat *r, struct instant now, struct rng *rng);

#endif
