/* SPDX-License-Identifier: Apache-2.0 */
/* Who watches whom: the same on every member that knows the same members. Pure. Internal to gossip/. */
#ifndef MLB_GOSSIP_RING_H
#define MLB_GOSSIP_RING_H

#include "gossip/watch.h"

/* Where a member stands: on each of the three rings its neighbours, or on the only one those 1, 2 and 3 places away. NULL: none. */
struct ring_seat {
	const struct watch_member *next[WATCH_REACH];
	const struct watch_member *previous[WATCH_REACH];
};

void ring_seat(struct ring_seat *seat, const struct watch_member *members, size_t n,
	       const struct watch_member *subject);
/* The watchers by a seat among so many members; returns how many. In a small cluster that is everybody. */
size_t ring_watchers(const struct ring_seat *seat, uint64_t out[WATCH_EDGE_MAX], size_t member_n);
bool ring_listed(const uint64_t *list, size_t n, uint64_t instance);

#endif
