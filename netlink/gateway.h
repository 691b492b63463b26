/* SPDX-License-Identifier: Apache-2.0 */
/* Shell: which router does this host send to when it knows no better way? One question to rtnetlink, answered at once. */
#ifndef MLB_NETLINK_GATEWAY_H
#define MLB_NETLINK_GATEWAY_H

#include <stdint.h>

#include "base/addr.h"

struct gateway {
	struct ip ip;	/* may be of another family than the route (RFC 5549); link-local is usual for IPv6 */
	uint32_t index; /* of the interface that leads there */
};

/*
 * The router of the default route with the lowest metric in the main table, of several at once the first. 0; -ENOENT: there
 * is none, or it leads straight to a link; or another negative errno. Does not block.
 */
int gateway_of_default_route(enum ip_family family, struct gateway *ret);

#endif
