/* SPDX-License-Identifier: Apache-2.0 */
/* Shell: whom has this host's kernel spoken to lately on its links? One question to rtnetlink, answered at once. */
#ifndef MLB_NETLINK_NEIGHBOUR_H
#define MLB_NETLINK_NEIGHBOUR_H

#include <stddef.h>

#include "base/addr.h"

/*
 * Up to cap neighbours, of both families, whose link-layer address the kernel has learnt (RFC 4861 7.3.2: REACHABLE, STALE, DELAY,
 * PROBE); link-local ones are left out. Returns how many, 0 also where it could not ask. Does not block; a table of many
 * thousands is not read to its end.
 */
size_t neighbour_list(struct ip *out, size_t cap);

#endif
