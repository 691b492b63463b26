/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shell: what this process asks of the scheduler and of memory management, so that a loaded host does not look like a dead
 * one: locked memory, a low real-time priority, and a fuse for the case that the loop spins. Everything is tried and nothing
 * is required; a refusal is logged once, with what would help. One process, one state.
 */
#ifndef MLB_DAEMON_PROCESS_H
#define MLB_DAEMON_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"

/* Running so long at real-time priority without ever sleeping is a fault, and nobody else gets that core: give it back. */
#define PROCESS_SPIN_MS 1000

/* And try again after this. */
#define PROCESS_RETRY_S 10

struct process_state {
	int realtime_priority; /* of SCHED_RR; 0: none */
	int nice;
	bool memory_locked;
};

/*
 * Ask for them; call once, from the thread that runs the loop, when nothing can be refused any more: it logs. Children and
 * threads made later inherit no priority, and children no lock. realtime_priority 0: the scheduler is left alone.
 */
void process_init(int realtime_priority, bool lock_memory);
/* Call about once a second: logs that the fuse blew, and puts it back later. */
void process_check(struct instant now);
/* What is in force now. */
struct process_state process_state_get(void);
/* Effective capabilities of this process, bit by bit (linux/capability.h); 0 where they cannot be read. */
uint64_t process_capabilities(void);

#endif
