/* SPDX-License-Identifier: Apache-2.0 */
/* A datagram of rtnetlink messages, decoded and applied to a table, which must stay in order and within its limits. */
#include "netlink/table.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_change(const struct netlink_change *change)
{
	switch (change->kind) {
	case NETLINK_LINK_SET:
	case NETLINK_LINK_GONE:
		require(change->link.index != 0);
		require(memchr(change->link.name, '\0', sizeof(change->link.name)) != NULL);
		require(!change->link.running || change->link.up);
		break;
	case NETLINK_ADDRESS_SET:
	case NETLINK_ADDRESS_GONE:
		require(ip_len(change->address.subnet.ip) != 0);
		require(change->address.subnet.prefix_len <= ip_bits(change->address.subnet.ip));
		break;
	case NETLINK_ROUTE_SET:
	case NETLINK_ROUTE_GONE:
		require(ip_len(change->route) != 0);
		break;
	case NETLINK_DONE:
		require(change->error == 0);
		break;
	case NETLINK_ERROR:
		require(change->error < 0);
		break;
	}
}

/* What has just been set is there, what is gone is not. */
static void check_applied(const struct netlink_table *table, const struct netlink_change *change)
{
	if (change->kind == NETLINK_LINK_SET)
		require(netlink_table_link(table, change->link.index) != NULL);
	else if (change->kind == NETLINK_LINK_GONE)
		require(netlink_table_link(table, change->link.index) == NULL);
	else if (change->kind == NETLINK_ADDRESS_SET)
		require(netlink_table_has_address(table, change->address.index, change->address.subnet.ip));
}

static void check_table(const struct netlink_table *table)
{
	const char *const first[] = { "eth0" };
	struct segment segments[SEGMENT_MAX];
	size_t n, total;

	for (size_t i = 1; i < netlink_table_link_n(table); i++)
		require(netlink_table_link_at(table, i - 1)->index < netlink_table_link_at(table, i)->index);
	for (size_t i = 1; i < netlink_table_address_n(table); i++) {
		const struct netlink_address *a = netlink_table_address_at(table, i - 1);
		const struct netlink_address *b = netlink_table_address_at(table, i);

		require(a->index < b->index || (a->index == b->index && subnet_compare(a->subnet, b->subnet) < 0));
	}
	total = netlink_table_segments(table, first, 1, segments, &n);
	require(n <= SEGMENT_MAX && n <= total && (n == total || n == SEGMENT_MAX));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct netlink_table *table; /* empty between inputs */
	uint8_t *copy = malloc(size + 1);   /* aligned, and exact for the sanitizer */
	struct netlink_change change;
	bool known;
	int used = 0;

	if (table == NULL)
		table = netlink_table_new();
	require(table != NULL && copy != NULL);
	if (size > 0)
		memcpy(copy, data, size);
	for (size_t at = 0; at < size; at += (size_t)used) {
		used = netlink_message_decode(copy + at, size - at, &change, &known);
		if (used < 0)
			break;
		require(used >= 16 && (size_t)used <= size - at);
		if (!known)
			continue;
		check_change(&change);
		netlink_table_apply(table, &change);
		check_applied(table, &change);
		require(!netlink_table_apply(table, &change));
	}
	check_table(table);
	netlink_table_dump_begin(table);
	netlink_table_dump_end(table);
	require(netlink_table_link_n(table) == 0 && netlink_table_address_n(table) == 0);
	free(copy);
	return 0;
}
