/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/announced.h"

#include <errno.h>
#include <string.h>

#include "allocator/store.h"

/* A service's wish for an address. Found by address, and counted by service. */
struct wish {
	struct link link; /* by address */
	struct ip ip;
	char *service;	   /* owned */
	char **interfaces; /* owned with its names; none: all */
	size_t interface_n;
};

struct announced {
	struct table wishes;
	uint64_t rounds;
};

static uint64_t hash_of(struct ip ip)
{
	return store_hash(ip.family, (const char *)ip.bytes, sizeof(ip.bytes));
}

static struct wish *wish_at(const struct announced *a, uint32_t index)
{
	return table_at(&a->wishes, index);
}

/* The next wish for the address from a place in its chain on; NONE. */
static uint32_t next_for(const struct announced *a, uint32_t index, struct ip ip)
{
	while (index != NONE && !ip_equal(wish_at(a, index)->ip, ip))
		index = table_next(&a->wishes, index);
	return index;
}

static uint32_t first_for(const struct announced *a, struct ip ip)
{
	return next_for(a, table_first(&a->wishes, hash_of(ip)), ip);
}

static uint32_t find(const struct announced *a, const char *service, struct ip ip)
{
	uint32_t index = first_for(a, ip);

	while (index != NONE && strcmp(wish_at(a, index)->service, service) != 0)
		index = next_for(a, table_next(&a->wishes, index), ip);
	return index;
}

static void names_free(char **names, size_t n)
{
	for (size_t i = 0; names != NULL && i < n; i++)
		store_free(names[i]);
	store_free(names);
}

static char **names_copy(const char *const *names, size_t n)
{
	char **copies = store_new(n, sizeof(*copies));

	for (size_t i = 0; copies != NULL && i < n; i++) {
		copies[i] = store_text(names[i]);
		if (copies[i] == NULL) {
			names_free(copies, n);
			return NULL;
		}
	}
	return copies;
}

int announced_put(struct announced *a, const char *service, struct ip ip, const char *const *interfaces,
		  size_t interface_n)
{
	uint32_t index = find(a, service, ip);
	char **names = names_copy(interfaces, interface_n);
	char *owner = index == NONE ? store_text(service) : NULL;
	struct wish *wish;

	if (names == NULL || (index == NONE && (owner == NULL || !table_reserve(&a->wishes, 1)))) {
		names_free(names, interface_n);
		store_free(owner);
		return -ENOMEM;
	}
	if (index == NONE) {
		wish = wish_at(a, table_add(&a->wishes, hash_of(ip)));
		wish->ip = ip;
		wish->service = owner;
	} else {
		wish = wish_at(a, index);
		names_free(wish->interfaces, wish->interface_n);
	}
	wish->interfaces = names;
	wish->interface_n = interface_n;
	a->rounds++;
	return 0;
}

bool announced_drop(struct announced *a, const char *service, struct ip ip)
{
	uint32_t index = find(a, service, ip);

	if (index == NONE)
		return false;
	store_free(wish_at(a, index)->service);
	names_free(wish_at(a, index)->interfaces, wish_at(a, index)->interface_n);
	table_remove(&a->wishes, index);
	return first_for(a, ip) == NONE;
}

size_t announced_of_service(const struct announced *a, const char *service)
{
	size_t n = 0;

	for (uint32_t i = 0; i < a->wishes.item_n; i++)
		n += wish_at(a, i)->link.live && strcmp(wish_at(a, i)->service, service) == 0;
	return n;
}

size_t announced_holders(const struct announced *a, struct ip ip)
{
	size_t n = 0;

	for (uint32_t i = first_for(a, ip); i != NONE; i = next_for(a, table_next(&a->wishes, i), ip))
		n++;
	return n;
}

bool announced_on(const struct announced *a, struct ip ip, const char *interface)
{
	for (uint32_t i = first_for(a, ip); i != NONE; i = next_for(a, table_next(&a->wishes, i), ip)) {
		const struct wish *wish = wish_at(a, i);

		if (wish->interface_n == 0)
			return true;
		for (size_t j = 0; j < wish->interface_n; j++) {
			if (strcmp(wish->interfaces[j], interface) == 0)
				return true;
		}
	}
	return false;
}

uint64_t announced_rounds(const struct announced *a)
{
	return a->rounds;
}

struct announced *announced_new(void)
{
	struct announced *a = store_new(1, sizeof(*a));

	if (a != NULL)
		table_init(&a->wishes, sizeof(struct wish));
	return a;
}

void announced_free(struct announced *a)
{
	if (a == NULL)
		return;
	for (uint32_t i = 0; i < a->wishes.item_n; i++) {
		struct wish *wish = wish_at(a, i);

		if (wish->link.live) {
			store_free(wish->service);
			names_free(wish->interfaces, wish->interface_n);
		}
	}
	table_free(&a->wishes);
	store_free(a);
}
