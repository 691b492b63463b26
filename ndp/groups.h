/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shell: memberships in solicited-node multicast groups (RFC 4291 2.7.1), so that network cards and switches that snoop MLD
 * (RFC 4541) let solicitations through for addresses that the kernel does not hold, and so joins no group for.
 */
#ifndef MLB_NDP_GROUPS_H
#define MLB_NDP_GROUPS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"

struct ndp_groups; /* opaque */

/* Groups that are joined or left in one call of ndp_groups_work. */
#define NDP_GROUPS_PER_CALL 32

/* packet_fd: of ndp_socket_open; must outlive this. NULL without memory. */
struct ndp_groups *ndp_groups_new(int packet_fd);
/* Leaves all. NULL is fine. */
void ndp_groups_free(struct ndp_groups *g);
/*
 * Want the group of an address on an interface. It is joined by ndp_groups_work; until then, and if the kernel refuses, the
 * interface takes all multicast. Several addresses may have one group: calls count. 0 or -ENOMEM.
 */
int ndp_groups_join(struct ndp_groups *g, uint32_t ifindex, struct ip ip);
/* One address less; the group of the last one is left by ndp_groups_work. Unknown: nothing happens. */
void ndp_groups_leave(struct ndp_groups *g, uint32_t ifindex, struct ip ip);
/* Join and leave some of those that wait. True: more wait. */
bool ndp_groups_work(struct ndp_groups *g);
/* Groups that are wanted and not joined. */
size_t ndp_groups_missing_n(const struct ndp_groups *g);

#endif
