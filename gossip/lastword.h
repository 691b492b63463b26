/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the guard of a daemon says in its name when that is dead and its addresses are off (docs/PROTOCOL.md, "Last word"). Pure; needs
 * nothing of the gossip core, for the guard is a process of its own.
 */
#ifndef MLB_GOSSIP_LASTWORD_H
#define MLB_GOSSIP_LASTWORD_H

#include "gossip/seal.h"

/* A message: type, length, the instance that is dead. */
#define LAST_WORD_TYPE 22
#define LAST_WORD_LEN 11

/* A daemon's guard counts its packets from so far above the daemon's own, which it does not know to the last one. */
#define LAST_WORD_COUNTER_AHEAD (UINT64_C(1) << 20)

void last_word_body(uint64_t instance, uint8_t out[LAST_WORD_LEN]);
/* A sealed datagram to one receiver. Its length, or -EMSGSIZE. */
int last_word_pack(const struct seal_ring *ring, uint64_t instance, uint64_t receiver, uint64_t counter, uint8_t *out,
		   size_t cap);

#endif
