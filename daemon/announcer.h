/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of our addresses is to be announced when: one base/repeat.h schedule per held address, for ARP and NDP alike.
 * Pure; the shell turns what is due into frames.
 */
#ifndef MLB_DAEMON_ANNOUNCER_H
#define MLB_DAEMON_ANNOUNCER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "base/limits.h"
#include "base/time.h"

struct announcer; /* opaque */

struct announcer *announcer_new(uint64_t seed);
void announcer_free(struct announcer *a);
/* Begin (or begin again) to announce ip on a link. 0 or -ENOSPC. */
int announcer_start(struct announcer *a, struct ip ip, uint32_t ifindex, struct instant now);
void announcer_stop(struct announcer *a, struct ip ip);
/* Start the burst of every address on a link anew (its MAC changed, or it came back). */
void announcer_restart_link(struct announcer *a, uint32_t ifindex, struct instant now);
/* The next address due at now; call until false. */
bool announcer_due(struct announcer *a, struct instant now, struct ip *ip, uint32_t *ifindex);
struct instant announcer_deadline(const struct announcer *a);
size_t announcer_n(const struct announcer *a);

#endif
