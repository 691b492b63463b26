/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel has now: links and their addresses, kept by applying changes. Pure; memory is reserved at the start. */
#ifndef MLB_NETLINK_TABLE_H
#define MLB_NETLINK_TABLE_H

#include "base/meta.h"
#include "netlink/message.h"

struct netlink_table; /* opaque */

struct netlink_table *netlink_table_new(void);
void netlink_table_free(struct netlink_table *t);
/*
 * Apply one change; routes are not kept here. True when something that we look at is different now. Beyond LINK_MAX links or LINK_ADDRESS_MAX
 * addresses new ones are not kept.
 */
bool netlink_table_apply(struct netlink_table *t, const struct netlink_change *change);
/*
 * A full dump begins: what neither it nor an event names is dropped by netlink_table_dump_end. Call it no sooner than
 * the dump's first message is read: older events may still be queued before that. Beginning again without an end is
 * fine.
 */
void netlink_table_dump_begin(struct netlink_table *t);
void netlink_table_dump_end(struct netlink_table *t);
/* Pointers into the table are valid until the next change of it. Links are in the order of their index. */
const struct netlink_link *netlink_table_link(const struct netlink_table *t, uint32_t index);
const struct netlink_link *netlink_table_link_named(const struct netlink_table *t, const char *name);
size_t netlink_table_link_n(const struct netlink_table *t);
const struct netlink_link *netlink_table_link_at(const struct netlink_table *t, size_t i);
size_t netlink_table_address_n(const struct netlink_table *t);
const struct netlink_address *netlink_table_address_at(const struct netlink_table *t, size_t i);
/* With any prefix length. */
bool netlink_table_has_address(const struct netlink_table *t, uint32_t index, struct ip ip);
/*
 * The usable segments of this host, for base/meta.h: links that are Ethernet, running, not enslaved, each with the
 * subnets of its addresses that are not ours, not link-local and not host prefixes (/32, /128: they say nothing about
 * the link), or one entry without a subnet when it has none; each once, those with a subnet first, then ordered by name, then subnet; at most
 * SEGMENT_MAX. Interfaces in `first` (may be NULL) come first, so that configured ones are never cut off. Returns the
 * number of segments that existed (may exceed SEGMENT_MAX: log it).
 */
size_t netlink_table_segments(const struct netlink_table *t, const char *const *first, size_t first_n,
			      struct segment out[SEGMENT_MAX], size_t *out_n);

#endif
