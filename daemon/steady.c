/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/steady.h"

#include <string.h>

static bool is_up(const char *iface, const struct segment *segments, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(segments[i].iface, iface) == 0)
			return true;
	}
	return false;
}

static struct steady_link *find(struct steady *s, const char *iface)
{
	for (size_t i = 0; i < s->link_n; i++) {
		if (strcmp(s->links[i].iface, iface) == 0)
			return &s->links[i];
	}
	return NULL;
}

size_t steady_filter(struct steady *s, struct segment *segments, size_t n, struct instant now, struct instant *ret_next)
{
	size_t kept = 0;

	*ret_next = INSTANT_NEVER;
	for (size_t i = 0; i < s->link_n; i++)
		damping_here(&s->links[i].flaps, is_up(s->links[i].iface, segments, n), now);
	for (size_t i = 0; i < n; i++) {
		struct steady_link *link = find(s, segments[i].iface);
		struct instant at;

		if (link == NULL && s->link_n < SEGMENT_MAX) {
			link = &s->links[s->link_n++];
			memcpy(link->iface, segments[i].iface, sizeof(link->iface));
			damping_here(&link->flaps, true, now);
		}
		at = link != NULL ? damping_steady_at(&link->flaps) : now;
		if (instant_reached(at, now))
			segments[kept++] = segments[i];
		else
			*ret_next = instant_min(*ret_next, at);
	}
	return kept;
}
