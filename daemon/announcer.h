/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of our addresses is to be announced when: one base/repeat.h schedule per held address, for ARP and NDP alike, paced.
 * Pure; the shell turns what is due into frames.
 */
#ifndef MLB_DAEMON_ANNOUNCER_H
#define MLB_DAEMON_ANNOUNCER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "base/limits.h"
#include "base/time.h"

/*
 * Frames at once. A Linux interface queues 1,000 (txqueuelen), and a processor as many for all of its virtual interfaces together
 * (netdev_max_backlog), where a bridge puts a copy for each of its ports: what does not fit is dropped without a word.
 */
#define ANNOUNCER_BURST 128

/* Repeats get this part of the rate. */
#define ANNOUNCER_REPEAT_PART 5

/*
 * How an address is announced. Two forms of gratuitous ARP: some devices ignore the one, some the other (RFC 5227 section 3);
 * IPv6 has one form for both. And from a second after the start on, an ordinary question from the address to the gateway: it
 * passes bridges that suppress announcements (neigh_suppress of EVPN), and routers, whose caches last for hours, take it for
 * certain.
 */
enum announcer_form { ANNOUNCE_REQUEST = 1, ANNOUNCE_REPLY = 2, ANNOUNCE_GATEWAY = 4 };

struct announcement {
	struct ip ip;
	uint32_t ifindex;
	unsigned int forms; /* of enum announcer_form, at least one; an IPv6 address has no ANNOUNCE_REPLY */
	bool repeated;	    /* not the first since the start */
};

struct announcer; /* opaque */

/* frames_per_s: of first announcements, at least ANNOUNCER_REPEAT_PART. */
struct announcer *announcer_new(uint64_t seed, uint32_t frames_per_s);
void announcer_free(struct announcer *a);
/* Begin (or begin again) to announce ip on a link. A lower priority goes first. 0 or -ENOSPC. */
int announcer_start(struct announcer *a, struct ip ip, uint32_t ifindex, unsigned int priority, struct instant now);
void announcer_stop(struct announcer *a, struct ip ip);
/* Start the burst of every address on a link anew (its MAC changed, or it came back). */
void announcer_restart_link(struct announcer *a, uint32_t ifindex, struct instant now);
/*
 * What is to be sent at now; call until false. First announcements of all addresses come before any repeat, by priority; among
 * repeats those that were sent less often come first.
 */
bool announcer_due(struct announcer *a, struct instant now, struct announcement *ret);
/* When to ask again. While the pace holds things back that is when some of them can go together, not each by itself. */
struct instant announcer_deadline(const struct announcer *a);
size_t announcer_n(const struct announcer *a);

#endif
