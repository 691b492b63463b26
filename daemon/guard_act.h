/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shell: what the guard does when its daemon is no more: takes everything held off the kernel (RFC 3549), tells the peers. All
 * that it needs is opened and tried beforehand; acting allocates nothing. One process, one state.
 */
#ifndef MLB_DAEMON_GUARD_ACT_H
#define MLB_DAEMON_GUARD_ACT_H

#include "daemon/guard_shared.h"

struct guard_removal {
	size_t removed; /* the kernel had them and has them no more */
	size_t failed;	/* the kernel may still have them */
	int error;	/* of the last one that failed */
};

/* Open the sockets and see whether they are of use. 0, -EPERM (it may not change addresses), or another negative errno. */
int guard_act_open(void);
/* Remove what is held; returns when the kernel has confirmed it. Adds to *ret. */
void guard_act_remove(const struct guard_shared *shared, struct guard_removal *ret);
/*
 * Say the last word to every peer on each of its paths, three times. Only when the daemon is dead and nothing failed. Takes 10 ms,
 * the first round going out at once. Returns the number of peers.
 */
size_t guard_act_tell(const struct guard_shared *shared);

#endif
