/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two sorted arrays: links by index, addresses by (link, ip, prefix length). Sorted, because every renewal of one of
 * thousands of addresses comes back as an event and must be found in a few steps, and because the addresses of a link,
 * and in it those of a subnet, then stand together.
 */
#include "netlink/table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct link_entry {
	struct netlink_link link;
	uint32_t generation; /* of the last dump or event that named it */
};

struct address_entry {
	struct netlink_address address;
	uint32_t generation;
};

struct netlink_table {
	uint32_t generation; /* counts dumps */
	size_t link_n;
	size_t address_n;
	struct link_entry links[LINK_MAX];
	struct address_entry addresses[LINK_ADDRESS_MAX];
};

struct netlink_table *netlink_table_new(void)
{
	return calloc(1, sizeof(struct netlink_table));
}

void netlink_table_free(struct netlink_table *t)
{
	free(t);
}

/* Position of the first link with that index or a higher one. */
static size_t link_find(const struct netlink_table *t, uint32_t index)
{
	size_t low = 0;
	size_t high = t->link_n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (t->links[middle].link.index < index)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int address_compare(const struct netlink_address *a, uint32_t index, struct subnet subnet)
{
	if (a->index != index)
		return a->index < index ? -1 : 1;
	return subnet_compare(a->subnet, subnet);
}

/* Position of the first address that is not before (index, subnet). */
static size_t address_find(const struct netlink_table *t, uint32_t index, struct subnet subnet)
{
	size_t low = 0;
	size_t high = t->address_n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (address_compare(&t->addresses[middle].address, index, subnet) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool link_equal(const struct netlink_link *a, const struct netlink_link *b)
{
	return a->index == b->index && a->master == b->master && strcmp(a->name, b->name) == 0 &&
	       mac_equal(a->mac, b->mac) && a->ethernet == b->ethernet && a->loopback == b->loopback &&
	       a->up == b->up && a->running == b->running;
}

static bool address_equal(const struct netlink_address *a, const struct netlink_address *b)
{
	return a->index == b->index && subnet_compare(a->subnet, b->subnet) == 0 && a->protocol == b->protocol &&
	       a->ours == b->ours && a->tentative == b->tentative;
}

static bool link_set(struct netlink_table *t, const struct netlink_link *link)
{
	size_t at = link_find(t, link->index);
	struct link_entry *entry = &t->links[at];
	bool changed;

	if (at == t->link_n || entry->link.index != link->index) {
		if (t->link_n == LINK_MAX)
			return false;
		memmove(entry + 1, entry, (t->link_n - at) * sizeof(*entry));
		t->link_n++;
		changed = true;
	} else {
		changed = !link_equal(&entry->link, link);
	}
	*entry = (struct link_entry){ *link, t->generation };
	return changed;
}

/* Drop the addresses at [from, to). */
static void addresses_remove(struct netlink_table *t, size_t from, size_t to)
{
	memmove(&t->addresses[from], &t->addresses[to], (t->address_n - to) * sizeof(t->addresses[0]));
	t->address_n -= to - from;
}

static bool link_gone(struct netlink_table *t, uint32_t index)
{
	const struct subnet lowest = { 0 };
	size_t at = link_find(t, index);
	size_t address_n = t->address_n;

	assert(index < UINT32_MAX);
	/* the kernel says so for each address first; should that be lost, an index used again must not inherit them */
	addresses_remove(t, address_find(t, index, lowest), address_find(t, index + 1, lowest));
	if (at == t->link_n || t->links[at].link.index != index)
		return t->address_n != address_n;
	t->link_n--;
	memmove(&t->links[at], &t->links[at + 1], (t->link_n - at) * sizeof(t->links[0]));
	return true;
}

static bool address_set(struct netlink_table *t, const struct netlink_address *address)
{
	size_t at = address_find(t, address->index, address->subnet);
	struct address_entry *entry = &t->addresses[at];
	bool changed;

	if (at == t->address_n || address_compare(&entry->address, address->index, address->subnet) != 0) {
		if (t->address_n == LINK_ADDRESS_MAX)
			return false;
		memmove(entry + 1, entry, (t->address_n - at) * sizeof(*entry));
		t->address_n++;
		changed = true;
	} else {
		changed = !address_equal(&entry->address, address);
	}
	*entry = (struct address_entry){ *address, t->generation };
	return changed;
}

static bool address_gone(struct netlink_table *t, const struct netlink_address *address)
{
	size_t at = address_find(t, address->index, address->subnet);

	if (at == t->address_n || address_compare(&t->addresses[at].address, address->index, address->subnet) != 0)
		return false;
	addresses_remove(t, at, at + 1);
	return true;
}

bool netlink_table_apply(struct netlink_table *t, const struct netlink_change *change)
{
	switch (change->kind) {
	case NETLINK_LINK_SET:
		return link_set(t, &change->link);
	case NETLINK_LINK_GONE:
		return link_gone(t, change->link.index);
	case NETLINK_ADDRESS_SET:
		return address_set(t, &change->address);
	case NETLINK_ADDRESS_GONE:
		return address_gone(t, &change->address);
	case NETLINK_ROUTE_SET:
	case NETLINK_ROUTE_GONE:
	case NETLINK_DONE:
	case NETLINK_ERROR:
		return false;
	}
	return false;
}

void netlink_table_dump_begin(struct netlink_table *t)
{
	t->generation++;
}

void netlink_table_dump_end(struct netlink_table *t)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->link_n; i++) {
		if (t->links[i].generation == t->generation)
			t->links[kept++] = t->links[i];
	}
	t->link_n = kept;
	kept = 0;
	for (size_t i = 0; i < t->address_n; i++) {
		if (t->addresses[i].generation == t->generation)
			t->addresses[kept++] = t->addresses[i];
	}
	t->address_n = kept;
}

const struct netlink_link *netlink_table_link(const struct netlink_table *t, uint32_t index)
{
	size_t at = link_find(t, index);

	return at < t->link_n && t->links[at].link.index == index ? &t->links[at].link : NULL;
}

const struct netlink_link *netlink_table_link_named(const struct netlink_table *t, const char *name)
{
	for (size_t i = 0; i < t->link_n; i++) {
		if (strcmp(t->links[i].link.name, name) == 0)
			return &t->links[i].link;
	}
	return NULL;
}

size_t netlink_table_link_n(const struct netlink_table *t)
{
	return t->link_n;
}

const struct netlink_link *netlink_table_link_at(const struct netlink_table *t, size_t i)
{
	assert(i < t->link_n);
	return &t->links[i].link;
}

size_t netlink_table_address_n(const struct netlink_table *t)
{
	return t->address_n;
}

const struct netlink_address *netlink_table_address_at(const struct netlink_table *t, size_t i)
{
	assert(i < t->address_n);
	return &t->addresses[i].address;
}

bool netlink_table_has_address(const struct netlink_table *t, uint32_t index, struct ip ip)
{
	size_t at = address_find(t, index, (struct subnet){ ip, 0 });

	return at < t->address_n && t->addresses[at].address.index == index &&
	       ip_equal(t->addresses[at].address.subnet.ip, ip);
}

/* ---- segments ---- */

struct segment_list {
	const char *const *first; /* borrowed; interfaces that come first */
	size_t first_n;
	struct segment *out; /* borrowed; sorted, SEGMENT_MAX of them */
	size_t out_n;
	size_t total; /* including those that did not fit */
};

static bool is_first(const struct segment_list *list, const char *iface)
{
	for (size_t i = 0; i < list->first_n; i++) {
		if (strcmp(list->first[i], iface) == 0)
			return true;
	}
	return false;
}

static bool segment_before(const struct segment_list *list, const struct segment *a, const struct segment *b)
{
	bool a_first = is_first(list, a->iface);
	bool b_first = is_first(list, b->iface);
	bool a_bare = a->subnet.ip.family == IP_NONE;
	bool b_bare = b->subnet.ip.family == IP_NONE;
	int names = strcmp(a->iface, b->iface);

	if (a_first != b_first)
		return a_first;
	if (a_bare != b_bare)
		return b_bare; /* the many links of a container host carry no subnet and must not crowd out those that do */
	return names != 0 ? names < 0 : subnet_compare(a->subnet, b->subnet) < 0;
}

/* Insert in order; the last one falls out of a full list. */
/* `own`: an address of ours and its subnet; family IP_NONE: the link has none. */
static void segment_insert(struct segment_list *list, const struct netlink_link *link, struct subnet own)
{
	struct segment segment = { .mac = link->mac, .subnet = subnet_network(own), .self = own.ip };
	size_t at;

	list->total++;
	memcpy(segment.iface, link->name, sizeof(segment.iface));
	for (at = list->out_n; at > 0 && segment_before(list, &segment, &list->out[at - 1]); at--)
		;
	if (at == SEGMENT_MAX)
		return;
	if (list->out_n < SEGMENT_MAX)
		list->out_n++;
	memmove(&list->out[at + 1], &list->out[at], (list->out_n - at - 1) * sizeof(segment));
	list->out[at] = segment;
}

/* Does it tell which other addresses its link reaches? A host prefix, such as another program's VIP, does not. */
static bool has_subnet(const struct netlink_address *address)
{
	return !address->ours && !ip_is_link_local(address->subnet.ip) &&
	       address->subnet.prefix_len < ip_bits(address->subnet.ip);
}

/* Has an earlier address of the same link the same subnet? The table's order puts such addresses near. */
static bool is_repeated(const struct netlink_table *t, size_t at)
{
	const struct netlink_address *address = &t->addresses[at].address;
	struct subnet network = subnet_network(address->subnet);

	for (size_t i = at; i > 0; i--) {
		const struct netlink_address *earlier = &t->addresses[i - 1].address;

		if (earlier->index != address->index || !subnet_contains(network, earlier->subnet.ip))
			return false;
		if (earlier->subnet.prefix_len == network.prefix_len && has_subnet(earlier))
			return true;
	}
	return false;
}

static void add_link(const struct netlink_table *t, const struct netlink_link *link, struct segment_list *list)
{
	const struct subnet none = { 0 };
	size_t before = list->total;

	for (size_t i = address_find(t, link->index, none); i < t->address_n; i++) {
		const struct netlink_address *address = &t->addresses[i].address;

		if (address->index != link->index)
			break;
		if (has_subnet(address) && !is_repeated(t, i))
			segment_insert(list, link, address->subnet);
	}
	if (list->total == before)
		segment_insert(list, link, none);
}

size_t netlink_table_segments(const struct netlink_table *t, const char *const *first, size_t first_n,
			      struct segment out[SEGMENT_MAX], size_t *out_n)
{
	struct segment_list list = { .first = first, .first_n = first_n, .out = out };

	for (size_t i = 0; i < t->link_n; i++) {
		const struct netlink_link *link = &t->links[i].link;

		if (link->ethernet && link->running && !link->loopback && link->master == 0)
			add_link(t, link, &list);
	}
	*out_n = list.out_n;
	return list.total;
}
