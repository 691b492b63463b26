/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of this host's segments may carry addresses now: not those whose link has just come back. A link that comes and goes would
 * take its addresses along each time; it must have been up for a while, longer each time (election/damping.h). Pure.
 */
#ifndef MLB_DAEMON_STEADY_H
#define MLB_DAEMON_STEADY_H

#include "base/meta.h"
#include "base/time.h"
#include "election/damping.h"

struct steady_link {
	char iface[IFACE_NAME_MAX + 1];
	struct damping_flaps flaps;
};

/* Zero is a good start. Links beyond SEGMENT_MAX are not watched: they count as steady. */
struct steady {
	size_t link_n;
	struct steady_link links[SEGMENT_MAX];
};

/*
 * Of segments[0..n), those that are up now, keep the ones whose link is steady, in their order. Returns how many; *ret_next is when
 * another of them will be, NEVER: none.
 */
size_t steady_filter(struct steady *s, struct segment *segments, size_t n, struct instant now,
		     struct instant *ret_next);

#endif
