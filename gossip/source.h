/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much work packets may cost that are no good, source by source and in all. Stands before the seal: asked with the
 * address of each packet before it is opened, told of each that could not be. Pure; a fixed 40 kB.
 *
 * The arithmetic. A forged packet costs 1.1 us of seal_open at 1,400 bytes and 4.7 us at 8,900 (one key; 3 GHz, libsodium
 * 1.0.18). Three bounds, each over what failed; packets that open cost nothing here, so a cluster's own never meet one:
 *
 *   an address                 200/s, and 400 at once         a node with an old key, or a scanner: 0.1 % of a core
 *   all unknown addresses      200 in 10 ms                   every packet from another address: 2.2 % (9 % at 8,900)
 *   all known addresses        400 in 10 ms, of which 300     a member's address forged: 4.4 % (19 % at 8,900)
 *                              may fall to one of 64 groups
 *
 * The first shuts an address up until it has paid; it must be unknown, for whoever forges a member's address must not silence
 * the member. The others do not cut off what comes late in the 10 ms, which a heartbeat of 5 or 25 ms could be every time:
 * they draw by lot which packets are opened, with odds such that about the budget fails, by what the last 10 ms brought. So a
 * known address that is forged at twice its budget, 60,000/s, loses every second packet of its own, and members of the other
 * 63 groups lose none. Odds follow 10 ms late; until then twice the budget is a hard end.
 */
#ifndef MLB_GOSSIP_SOURCE_H
#define MLB_GOSSIP_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/time.h"

/* Unknown addresses that are remembered, in sets of SOURCE_WAYS. The one with the least to pay gives way. */
#define SOURCE_N 1024
#define SOURCE_WAYS 4

/* Failures that an unknown address may have per second in the long run, and at once. */
#define SOURCE_RATE 200
#define SOURCE_BURST 400

#define SOURCE_WINDOW_MS 10
#define SOURCE_UNKNOWN_MAX 200
#define SOURCE_KNOWN_MAX 400
#define SOURCE_GROUP_MAX 300
#define SOURCE_GROUP_N 64

#define SOURCE_KEY_LEN 16

struct source; /* opaque */

/* The key is random and secret, so that nobody can choose addresses that share a set. NULL without memory. */
struct source *source_new(const uint8_t key[SOURCE_KEY_LEN]);
void source_free(struct source *s); /* NULL is fine */
/*
 * May a packet from there be opened? If not, it is to be dropped as GOSSIP_DROP_FLOOD. `known`: the address is that of a live
 * member or a seed. `now` never goes back.
 */
bool source_admit(struct source *s, struct ip ip, struct instant now, bool known);
/* One that was admitted was dropped before it was authenticated: SHORT, LONG, VERSION, KEY or AUTH. */
void source_failed(struct source *s, struct ip ip, struct instant now, bool known);

#endif
