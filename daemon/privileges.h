/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shell: what a process of mlbd may do at the most (capabilities(7)). What a role does not need goes from every set of the
 * process, so that neither it nor what it starts gets that back; what it needs and was not given is not asked for here: whoever
 * needs it says so. "No new privileges" makes programs that it starts keep to this, whatever bits their files have.
 */
#ifndef MLB_DAEMON_PRIVILEGES_H
#define MLB_DAEMON_PRIVILEGES_H

#include <stdbool.h>
#include <stdint.h>

enum privileges_role {
	PRIVILEGES_DAEMON,
	PRIVILEGES_GUARD,
};

/* The capabilities that a role may have, bit by bit (linux/capability.h); as_root: for a process whose user is root. */
uint64_t privileges_needed(enum privileges_role role, bool as_root);
/* Give up all others, for this thread and all that it starts; call before there are other threads. 0, or a negative errno when
 * something could not be given up; the rest is then given up all the same. */
int privileges_drop(enum privileges_role role);

#endif
