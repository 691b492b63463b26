/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shell: the gate, a dead-man's switch that the kernel holds (nf_tables). While it is shut this host answers neither ARP
 * nor neighbour solicitations for the guarded addresses, and neither takes nor sends packets of theirs. It is open
 * only while one set element with a timeout lives, and a thread renews that element never beyond the instant that
 * gate_allow named last: a daemon that hangs, is stopped or dies lets go within gate_config.life, whatever it was
 * doing, and one that wakes up late finds it shut (RFC 826 and RFC 4861 7.2.4 are what is gated). The thread has the
 * caller's priority, or one more where that is a real-time one.
 *
 * What is not gated: frames sent by AF_PACKET (announcements, the responder, also of other programs), packets on the
 * loopback, and solicitations that ask for a guarded address from another one. Packets that this host forwards do not
 * pass either; but an address that is local on this host though others own it (kube-proxy's kube-ipvs0) is shut for
 * the host's containers too: do not guard those.
 *
 * nf_tables has one writer at a time in a network namespace: while another program's transaction lasts longer than
 * `life` (hundreds of thousands of elements), nothing can be renewed and the gate is shut. The main loop never waits
 * for it. That the thread listens to events makes such transactions slower, too: the kernel writes one for every
 * element.
 *
 * All functions are for one thread, the main loop's; only gate_guard, gate_shut, gate_open and gate_close can wait. A
 * gate of NULL is a host without one: gate_guard says -EOPNOTSUPP, the others do nothing.
 */
#ifndef MLB_NETLINK_GATE_H
#define MLB_NETLINK_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/limits.h"
#include "base/time.h"

struct gate; /* opaque */

struct gate_config {
	struct span life;  /* timeout of the element at most, e.g. 200 ms; at least 20 ms */
	struct span renew; /* how often it is renewed while allowed, e.g. 50 ms; less than life */
};

enum gate_state {
	GATE_UP,
	GATE_ABSENT, /* removed or changed by another program, and being made again: all is let through meanwhile */
	GATE_UNSUPPORTED, /* no gate (NULL) */
};

struct gate_stats {
	enum gate_state state;
	bool open;	     /* as far as the thread knows: its last element is not past its end */
	uint64_t renewals_n; /* elements made: renewed or opened */
	uint64_t failures_n; /* transactions that the kernel refused */
	uint64_t expired_n;  /* renewals that came too late: the element had run out */
	uint64_t flushes_n;  /* times another program was found to have removed or changed the tables */
	/*
	 * Total time without the tables, up to now: from the moment that the thread has read the kernel's event (or, where
	 * events were lost, that the check of each second found it) to the kernel's acknowledgement of the new ones. The
	 * time from the removal itself to that reading is not in it: usually well under a millisecond. With thousands of
	 * addresses it says too much: they are in force some time before they are acknowledged.
	 */
	struct span absent;
};

/*
 * Make the tables (arp mlbd and inet mlbd), shut and without addresses, in place of what an earlier run left, in one
 * transaction; start the thread. The tables belong to the network namespace of the caller; one process at a time may use
 * them there. 0; -EPERM; -EOPNOTSUPP: the kernel has no nf_tables, or not for ARP; -EINVAL: the configuration; or another
 * negative errno. *ret is untouched on failure.
 */
int gate_open(const struct gate_config *config, struct gate **ret);
/*
 * The addresses that the gate stands before, whether we hold them or not; they replace the former ones. They reach the
 * kernel in transactions of at most 1,024, what is new first; renewals go on in between. Waits until the kernel has
 * them, at most `limit`. 0; -EINVAL: more than ADDRESS_MAX, or one that is neither IPv4 nor IPv6; -ETIMEDOUT: they will
 * be there later; or the kernel's negative errno, after which the thread goes on trying.
 */
int gate_guard(struct gate *g, const struct ip *ips, size_t n, struct span limit);
/*
 * The right to hold lasts until then. In the future: open, and renewed until then, never beyond. In the past: shut at
 * once. INSTANT_NEVER: without end. Does not block; a system call only where the thread must act before its next turn.
 *
 * The element ends up to two jiffies and two milliseconds before `until` (HZ=250: 10 ms; HZ=100: 22 ms), since the kernel
 * rounds down twice (a millisecond is kept for the way there); nothing is opened for less than 12 ms of right: the kernel
 * rounds less than a jiffy up.
 *
 * Not beyond: the clock is read right before each transaction, and the transaction replaces an element that still lives,
 * or fails. One that had to wait in the kernel is put right as soon as it returns. So an element outlives `until` only if
 * the kernel or the scheduler held the thread between the reading and the transaction, for less than the old
 * element's life, and then stopped it again before its next step; and then by less than `life` (20 ms when opening).
 */
void gate_allow(struct gate *g, struct instant until);
/* As gate_allow with the past, but waits until the kernel has shut it or `limit` is over. */
void gate_shut(struct gate *g, struct span limit);
void gate_stats_read(const struct gate *g, struct gate_stats *ret);
/*
 * Stop the thread. remove: take the tables away (planned end); else they stay, shut. Waits for a transaction of another
 * program that is under way.
 */
void gate_close(struct gate *g, bool remove);

#endif
