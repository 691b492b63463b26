/* SPDX-License-Identifier: Apache-2.0 */
#include "netlink/state.h"

#include <stdlib.h>
#include <string.h>

#include <uthash.h> /* with the hash function that the header sets */

static struct held_key held_key_of(uint32_t index, struct ip ip)
{
	struct held_key key;

	memset(&key, 0, sizeof(key));
	key.index = index;
	key.ip = ip;
	return key;
}

struct held *netlink_held_find(const struct netlink *n, uint32_t index, struct ip ip)
{
	struct held_key key = held_key_of(index, ip);
	struct held *held;

	HASH_FIND(hh, n->held, &key, sizeof(key), held);
	return held;
}

void netlink_held_drop(struct netlink *n, struct held *held)
{
	if (held->doubtful)
		DL_DELETE2(n->doubtful, held, doubtful_prev, doubtful_next);
	if (!held->settled)
		DL_DELETE2(n->unsettled, held, unsettled_prev, unsettled_next);
	HASH_DEL(n->held, held);
	free(held);
}

void netlink_held_doubt(struct netlink *n, struct held *held)
{
	if (!held->doubtful)
		DL_APPEND2(n->doubtful, held, doubtful_prev, doubtful_next);
	held->doubtful = true;
}

struct held *netlink_held_make(struct netlink *n, uint32_t index, struct ip ip)
{
	struct held *held = netlink_held_find(n, index, ip);

	if (held != NULL)
		return held;
	held = calloc(1, sizeof(*held));
	if (held == NULL)
		return NULL;
	held->key = held_key_of(index, ip);
	held->expires = INSTANT_NEVER;
	DL_APPEND2(n->unsettled, held, unsettled_prev, unsettled_next);
	HASH_ADD(hh, n->held, key, sizeof(held->key), held);
	return held;
}

bool netlink_has(const struct netlink *n, uint32_t index, struct ip ip)
{
	struct route *route;

	if (index != NETLINK_LOCAL_ROUTE)
		return netlink_table_has_address(n->table, index, ip);
	HASH_FIND(hh, n->routes, &ip, sizeof(ip), route);
	return route != NULL;
}
