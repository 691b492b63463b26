/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: rings
 *
 * On each of three, members stand in an order by the hash of their name; the watchers of a member are its successor on each
 * and its predecessor on two of them (Rapid, USENIX ATC 2018, 4.1, has such rings, and edges of one direction). So every node has six
 * edges whatever the size of the cluster, each heartbeat serves both of its ends, a death or a newcomer changes an edge of six others,
 * and members that die together have watchers that are independent of each other. Below 64 members, where edges of different rings
 * would coincide, there is one ring, and the neighbours 1, 2 and 3 places away. Up to six members everybody watches everybody.
 */
#include "gossip/ring.h"

#include <string.h>

#include "base/rng.h"

/* From so many members on there are three rings: then few edges of different rings coincide (one in thirty at the least). */
#define RINGS_MIN 64

static uint64_t ring_place(uint64_t key, size_t ring)
{
	return ring == 0 ? key : hash_mix(key ^ (0x9e3779b97f4a7c15u * ring));
}

/* Keep `list`, the nearest WATCH_REACH by distance, nearest first; equal distances by instance. */
static void keep_nearest(const struct watch_member *list[WATCH_REACH], uint64_t distances[WATCH_REACH],
			 const struct watch_member *member, uint64_t distance)
{
	for (size_t i = 0; i < WATCH_REACH; i++) {
		const struct watch_member *other = list[i];
		uint64_t far = distances[i];

		if (other != NULL && (far < distance || (far == distance && other->instance < member->instance)))
			continue;
		list[i] = member;
		distances[i] = distance;
		if (other == NULL)
			return;
		member = other;
		distance = far;
	}
}

static void seat_on_one(struct ring_seat *seat, const struct watch_member *members, size_t n,
			const struct watch_member *subject)
{
	uint64_t next[WATCH_REACH] = { 0 };
	uint64_t previous[WATCH_REACH] = { 0 };

	memset(seat, 0, sizeof(*seat));
	for (size_t i = 0; i < n; i++) {
		if (members[i].instance == subject->instance)
			continue;
		/* distances wrap: the ring closes */
		keep_nearest(seat->next, next, &members[i], members[i].key - subject->key);
		keep_nearest(seat->previous, previous, &members[i], subject->key - members[i].key);
	}
}

static void seat_on_three(struct ring_seat *seat, const struct watch_member *members, size_t n,
			  const struct watch_member *subject)
{
	memset(seat, 0, sizeof(*seat));
	for (size_t ring = 0; ring < WATCH_REACH; ring++) {
		uint64_t place = ring_place(subject->key, ring);
		uint64_t next = UINT64_MAX;
		uint64_t previous = UINT64_MAX;

		for (size_t i = 0; i < n; i++) {
			uint64_t distance = ring_place(members[i].key, ring) - place;

			if (members[i].instance == subject->instance)
				continue;
			if (distance <= next) {
				next = distance;
				seat->next[ring] = &members[i];
			}
			if (0 - distance <= previous) {
				previous = 0 - distance;
				seat->previous[ring] = &members[i];
			}
		}
	}
}

void ring_seat(struct ring_seat *seat, const struct watch_member *members, size_t n, const struct watch_member *subject)
{
	(n < RINGS_MIN ? seat_on_one : seat_on_three)(seat, members, n, subject);
}

bool ring_listed(const uint64_t *list, size_t n, uint64_t instance)
{
	for (size_t i = 0; i < n; i++) {
		if (list[i] == instance)
			return true;
	}
	return false;
}

static size_t add(uint64_t *list, size_t n, const struct watch_member *member)
{
	if (member != NULL && !ring_listed(list, n, member->instance))
		list[n++] = member->instance;
	return n;
}

size_t ring_watchers(const struct ring_seat *seat, uint64_t out[WATCH_EDGE_MAX], size_t member_n)
{
	size_t wanted = member_n <= WATCH_EDGE_MAX ? WATCH_REACH : WATCH_K - WATCH_REACH;
	size_t n = 0;

	for (size_t i = 0; i < WATCH_REACH; i++)
		n = add(out, n, seat->next[i]);
	for (size_t i = 0; i < wanted; i++)
		n = add(out, n, seat->previous[i]);
	return n;
}
