/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shell: the guard, a process of its own that outlives this one by some milliseconds. When the daemon dies, or its loop stands
 * still, it takes the addresses off the kernel and then tells the peers so under the daemon's name (gossip/lastword.h). What it
 * needs for that is told beforehand, through memory that both map; none of the calls that tell it makes a system call.
 */
#ifndef MLB_DAEMON_GUARD_H
#define MLB_DAEMON_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "base/addr.h"
#include "base/limits.h"
#include "base/time.h"
#include "gossip/seal.h"

/* Peers that get a last word: the members of a ring beyond that hear it from them. */
#define GUARD_PEER_MAX 128

/* How long a guard may take to say that it is ready. */
#define GUARD_READY_MS 1000

struct guard; /* opaque */

struct guard_config {
	const char
		*socket; /* where a guard of the service manager listens; NULL: start our own. Must outlive the guard */
	struct span hang; /* the loop stands still for so long: the daemon hangs. 0: never */
};

struct guard_handler {
	/* The guard is gone, or never got ready: nobody watches. Comes from the loop; may call anything but guard_close. */
	void (*died)(void *arg);
	void *arg;
};

struct guard_peer {
	uint64_t instance;
	size_t endpoint_n;
	struct endpoint endpoints[PATH_MAX_N]; /* endpoint i is reached from our own endpoint i */
};

/*
 * Start a guard or connect to one, and wait until it watches, GUARD_READY_MS at most. 0, or a negative errno: -ETIMEDOUT, -EBUSY
 * (it watches another daemon), -EPERM (it may not change addresses, or is not of our user), -EPROTO (another version of mlbd),
 * -EXDEV (it lives in another network namespace), -ENOENT or -ECONNREFUSED (nobody listens), ...
 */
int guard_open(uv_loop_t *loop, const struct guard_config *config, const struct guard_handler *handler,
	       struct guard **ret);
/*
 * Start or connect again, after `died`; everything that was told counts. Does not wait: `died` comes again if that fails. At once
 * when the last start is GUARD_READY_MS ago, or else when it will be, so that a guard that always dies costs no more. 0 or a
 * negative errno of the start.
 */
int guard_restart(struct guard *g);
/* The process that watches; 0: none does at present. */
pid_t guard_pid(const struct guard *g);
/* The main loop has turned. The first one starts the watch for hangs. */
void guard_progress(struct guard *g);
/*
 * The kernel is about to get the address (ip/32 or ip/128 on that interface), or our local route for it (whatever ifindex says).
 * Call before it does. Known already: nothing happens. One address may be held on several interfaces. 0 or -ENOSPC.
 */
int guard_hold(struct guard *g, struct ip ip, uint32_t ifindex, bool route);
/* It is off, or its removal was asked for: on all interfaces, and the route. Unknown: nothing happens. */
void guard_unhold(struct guard *g, struct ip ip);
/* Who gets the last word; beyond GUARD_PEER_MAX the first ones. Copied. */
void guard_peers(struct guard *g, const struct guard_peer *peers, size_t n);
/* In whose name and from where it is said, and how it is sealed. Copied; own_n <= PATH_MAX_N. */
void guard_identity(struct guard *g, uint64_t instance, const struct endpoint *own, size_t own_n,
		    const struct seal_ring *ring);
/* Packets sealed so far. May lag behind by less than LAST_WORD_COUNTER_AHEAD. */
void guard_counter(struct guard *g, uint64_t counter);
/* Planned end: when we exit, nothing is to be done. For good. */
void guard_dismiss(struct guard *g);
/*
 * Let go of it. A dismissed guard ends; another one goes on watching, and acts when this process ends. Let the loop turn once
 * more, or memory of this call stays. NULL is fine.
 */
void guard_close(struct guard *g);

#endif
