/* SPDX-License-Identifier: Apache-2.0 */
/*
 * allocator/: rules that the vectors leave open, one by one; then random operations beside a naive model that scans everything, from seeds:
 * same answers, no address given twice, counters exact.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocator/allocator.h"
#include "allocator/tree.h"
#include "base/rng.h"

static struct subnet cidr(const char *text)
{
	struct subnet subnet;

	ck_assert_int_eq(subnet_parse(text, &subnet), 0);
	return subnet;
}

static struct ip address(const char *text)
{
	struct ip ip;

	ck_assert_int_eq(ip_parse(text, &ip), 0);
	return ip;
}

/* Pools of one CIDR each, named a, b, c ... */
#define POOL_MAX 8
static struct subnet subnets[POOL_MAX];
static struct alloc_pool pools[POOL_MAX];
static char pool_names[POOL_MAX][2];

static struct alloc_pool *pool(size_t i, const char *text)
{
	subnets[i] = cidr(text);
	pool_names[i][0] = (char)('a' + i);
	pools[i] = (struct alloc_pool){ .name = pool_names[i], .cidrs = &subnets[i], .cidr_n = 1, .auto_assign = true };
	return &pools[i];
}

static struct allocator *allocator_with(size_t pool_n)
{
	struct allocator *a = allocator_new();

	ck_assert_ptr_nonnull(a);
	ck_assert_int_eq(allocator_pools_set(a, pools, pool_n), 0);
	return a;
}

static struct alloc_request request(const char *service, unsigned int families)
{
	return (struct alloc_request){ .service = service, .families = families };
}

static void holds(const struct allocator *a, const char *service, const char *expected)
{
	struct alloc_holding holding;
	char got[128] = "";
	char text[IP_TEXT_MAX];

	if (allocator_find(a, service, &holding)) {
		for (size_t i = 0; i < holding.address_n; i++) {
			strcat(got, i == 0 ? "" : " ");
			strcat(got, ip_format(holding.addresses[i], text));
		}
	}
	ck_assert_str_eq(got, expected);
}

/* --- text ---------------------------------------------------------------------------------------------------------------- */

static const struct {
	const char *text;
	int r;
	size_t n;
	const char *first;
	const char *last;
} ranges[] = {
	{ "10.0.0.0/24", 0, 1, "10.0.0.0/24", "10.0.0.0/24" },
	{ "10.0.0.1/32", 0, 1, "10.0.0.1/32", "10.0.0.1/32" },
	{ "0.0.0.0-255.255.255.255", 0, 1, "0.0.0.0/0", "0.0.0.0/0" },
	{ "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 0, 1, "::/0", "::/0" },
	{ "::1-ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", 0, 254, "::1/128",
	  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/128" },
	{ "  10.0.0.1 - 10.0.0.2\t", 0, 2, "10.0.0.1/32", "10.0.0.2/32" },
	{ "10.0.0.7-10.0.0.7", 0, 1, "10.0.0.7/32", "10.0.0.7/32" },
	{ "10.0.0.2-10.0.0.1", -ERANGE, 0, NULL, NULL },
	{ "10.0.0.1", -EINVAL, 0, NULL, NULL },
	{ " 10.0.0.0/24", -EINVAL, 0, NULL, NULL },
	{ "10.0.0.0/24-10.0.1.0/24", -EINVAL, 0, NULL, NULL },
	{ "10.0.0.1-fd00::1", -EINVAL, 0, NULL, NULL },
	{ "10.0.0.1-", -EINVAL, 0, NULL, NULL },
	{ "-", -EINVAL, 0, NULL, NULL },
	{ "", -EINVAL, 0, NULL, NULL },
	{ "10.0.0.1-                                                      10.0.0.2", 0, 2, "10.0.0.1/32",
	  "10.0.0.2/32" },
	{ "10.0.0.1-10.0.0.200000000000000000000000000000000000000000000000", -EINVAL, 0, NULL, NULL },
};

START_TEST(range_text)
{
	struct subnet cidrs[ALLOC_RANGE_CIDR_MAX];
	char text[SUBNET_TEXT_MAX];
	size_t n = 0;

	ck_assert_int_eq(alloc_range_parse(ranges[_i].text, cidrs, &n), ranges[_i].r);
	ck_assert_uint_eq(n, ranges[_i].n);
	if (n == 0)
		return;
	ck_assert_str_eq(subnet_format(cidrs[0], text), ranges[_i].first);
	ck_assert_str_eq(subnet_format(cidrs[n - 1], text), ranges[_i].last);
}
END_TEST

/* --- pools ----------------------------------------------------------------------------------------------------------------- */

START_TEST(bad_pools)
{
	struct allocator *a;
	struct alloc_request one = request("one", ALLOC_V4);
	struct subnet overlap[2] = { cidr("10.0.0.0/24"), cidr("10.0.0.128/25") };

	(void)pool(0, "10.0.0.0/24");
	a = allocator_with(1);
	ck_assert_int_eq(allocator_allocate(a, &one), ALLOC_OK);
	(void)pool(1, "10.0.1.0/24");
	pools[1].name = "a";
	ck_assert_int_eq(allocator_pools_set(a, pools, 2), -EINVAL);
	pools[1].name = "";
	ck_assert_int_eq(allocator_pools_set(a, pools, 2), -EINVAL);
	pools[0].cidrs = overlap;
	pools[0].cidr_n = 2;
	ck_assert_int_eq(allocator_pools_set(a, pools, 1), -EINVAL);
	subnets[1].prefix_len = 33;
	pools[1].name = "b";
	ck_assert_int_eq(allocator_pools_set(a, &pools[1], 1), -EINVAL);
	/* nothing has changed */
	ck_assert_uint_eq(allocator_pool_n(a), 1);
	holds(a, "one", "10.0.0.0");
	allocator_free(a);
}
END_TEST

/* Lower first, 0 last, ties by name; the unpinned after them, by name; a pool for others never. */
START_TEST(pool_order)
{
	static const char *const expected[] = { "10.0.2.0", "10.0.1.0", "10.0.3.0", "10.0.0.0", "10.0.5.0", "" };
	static const int32_t priorities[] = { 0, 7, 3, 7 };
	static const char *const others[] = { "other" };
	struct allocator *a;

	for (size_t i = 0; i < 6; i++) {
		char text[] = "10.0.0.0/32";

		text[5] = (char)('0' + i);
		(void)pool(i, text);
		pools[i].pinned = i < 5;
		pools[i].priority = i < 4 ? priorities[i] : 1;
	}
	pools[4].has_namespaces = true;
	pools[4].namespaces = others;
	pools[4].namespace_n = 1;
	a = allocator_with(6);
	for (size_t i = 0; i < 6; i++) {
		char name[] = "s0";
		struct alloc_request r = request(name, ALLOC_V4);

		name[1] = (char)('0' + i);
		r.namespace = "mine";
		ck_assert_int_eq(allocator_allocate(a, &r), i < 5 ? ALLOC_OK : ALLOC_EXHAUSTED);
		holds(a, name, expected[i]);
	}
	allocator_free(a);
}
END_TEST

/* A pool whose namespace selectors match nothing is for nobody, also for those who name it (docs/adr/0011-metallb-rules.md). */
START_TEST(empty_namespaces)
{
	struct alloc_request r = request("one", ALLOC_V4);
	struct allocator *a;

	pool(0, "10.0.0.0/24")->pinned = true;
	pools[0].has_namespaces = true;
	a = allocator_with(1);
	ck_assert_int_eq(allocator_allocate(a, &r), ALLOC_EXHAUSTED);
	r.pool = "a";
	ck_assert_int_eq(allocator_allocate(a, &r), ALLOC_NOT_FOR_IT);
	allocator_free(a);
}
END_TEST

START_TEST(auto_assign_off)
{
	struct alloc_request r = request("one", ALLOC_V4);
	struct allocator *a;

	pool(0, "10.0.0.0/24")->auto_assign = false;
	a = allocator_with(1);
	ck_assert_int_eq(allocator_allocate(a, &r), ALLOC_EXHAUSTED);
	r.pool = "a";
	ck_assert_int_eq(allocator_allocate(a, &r), ALLOC_OK);
	allocator_free(a);
}
END_TEST

/* The whole of IPv6: the last address of all can be taken, and there is none behind it. */
START_TEST(edges)
{
	struct ip last = address("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
	struct alloc_request r = request("one", ALLOC_V6);
	struct allocator *a;

	(void)pool(0, "::/0");
	(void)pool(1, "0.0.0.0/0");
	a = allocator_with(2);
	r.addresses = &last;
	r.address_n = 1;
	ck_assert_int_eq(allocator_assign(a, &r), ALLOC_OK);
	r = request("two", ALLOC_V6);
	ck_assert_int_eq(allocator_allocate(a, &r), ALLOC_OK);
	holds(a, "two", "::");
	ck_assert_int_eq(allocator_counters(a, 0).capacity_v6, INT64_MAX);
	ck_assert_int_eq(allocator_counters(a, 0).available_v6, INT64_MAX - 2);
	ck_assert_int_eq(allocator_counters(a, 1).available_v4, INT64_C(1) << 32);
	(void)pool(0, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127");
	ck_assert_int_eq(allocator_pools_set(a, pools, 1), 0);
	holds(a, "two", "");
	ck_assert_int_eq(allocator_allocate(a, &r), ALLOC_OK);
	holds(a, "two", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe");
	r.service = "three";
	ck_assert_int_eq(allocator_allocate(a, &r), ALLOC_EXHAUSTED);
	allocator_free(a);
}
END_TEST

/* avoidBuggyIPs: all of a /22 without eight; and a pool of one address that is left out. */
START_TEST(buggy)
{
	struct allocator *a;
	char name[16];

	pool(0, "10.0.0.0/22")->avoid_buggy_ips = true;
	pool(1, "10.0.4.0/32")->avoid_buggy_ips = true;
	a = allocator_with(2);
	for (int i = 0; i < 1017; i++) {
		struct alloc_request r = request(name, ALLOC_V4);
		struct alloc_holding holding;

		(void)snprintf(name, sizeof(name), "s%d", i);
		ck_assert_int_eq(allocator_allocate(a, &r), i < 1016 ? ALLOC_OK : ALLOC_EXHAUSTED);
		if (allocator_find(a, name, &holding))
			ck_assert(holding.addresses[0].bytes[3] != 0 && holding.addresses[0].bytes[3] != 255);
	}
	ck_assert_int_eq(allocator_counters(a, 0).available_v4, 0);
	ck_assert_int_eq(allocator_counters(a, 1).capacity_v4, 0);
	allocator_free(a);
}
END_TEST

/* --- services ---------------------------------------------------------------------------------------------------------------- */

START_TEST(verdicts)
{
	struct ip first = address("10.0.0.0");
	struct ip two[2] = { address("10.0.0.5"), address("10.0.0.6") };
	struct alloc_port http = { 6, 80 };
	struct alloc_request r = request("one", ALLOC_V4);
	struct allocator *a;

	(void)pool(0, "10.0.0.0/30");
	a = allocator_with(1);
	r.sharing_key = "k";
	r.backend_key = "x";
	r.ports = &http;
	r.port_n = 1;
	ck_assert_int_eq(allocator_allocate(a, &r), ALLOC_OK);
	r.service = "two";
	r.addresses = &first;
	r.address_n = 1;
	ck_assert_int_eq(allocator_assign(a, &r), ALLOC_PORT_IN_USE);
	http.protocol = 17;
	ck_assert_int_eq(allocator_assign(a, &r), ALLOC_OK);
	ck_assert_uint_eq(allocator_users(a, first), 2);
	r.service = "three";
	r.backend_key = "y";
	ck_assert_int_eq(allocator_assign(a, &r), ALLOC_OTHER_BACKEND);
	r.sharing_key = "other";
	ck_assert_int_eq(allocator_assign(a, &r), ALLOC_OTHER_KEY);
	r.sharing_key = "";
	ck_assert_int_eq(allocator_assign(a, &r), ALLOC_IN_USE);
	r.addresses = two;
	ck_assert_int_eq(allocator_assign(a, &r), ALLOC_NOT_IN_POOL);
	r.address_n = 2;
	ck_assert_int_eq(allocator_assign(a, &r), ALLOC_BAD_REQUEST);
	r.pool = "z";
	ck_assert_int_eq(allocator_allocate(a, &r), ALLOC_NO_SUCH_POOL);
	/* two users: neither may change its key; one: it may */
	r = request("two", ALLOC_V4);
	r.sharing_key = "other";
	ck_assert_int_eq(allocator_allocate(a, &r), ALLOC_OTHER_KEY);
	ck_assert(allocator_release(a, "one"));
	ck_assert(!allocator_release(a, "one"));
	ck_assert_int_eq(allocator_allocate(a, &r), ALLOC_OK);
	holds(a, "two", "10.0.0.0");
	for (int v = ALLOC_OK; v <= ALLOC_NO_MEMORY; v++)
		ck_assert_ptr_nonnull(alloc_verdict_text((enum alloc_verdict)v));
	allocator_free(a);
}
END_TEST

/* A later second family comes from the pool of the first, or not at all; the first stays first. */
START_TEST(second_family)
{
	struct subnet both[2] = { cidr("10.0.0.0/31"), cidr("fd00::/127") };
	struct alloc_request r = request("one", ALLOC_V6);
	struct allocator *a;

	(void)pool(0, "10.0.0.0/31");
	pools[0].cidrs = both;
	pools[0].cidr_n = 2;
	(void)pool(1, "fd01::/64");
	a = allocator_with(2);
	ck_assert_int_eq(allocator_allocate(a, &r), ALLOC_OK);
	holds(a, "one", "fd00::");
	r.families = ALLOC_DUAL;
	r.policy = ALLOC_PREFER_DUAL_STACK;
	ck_assert_int_eq(allocator_add_family(a, &r), ALLOC_OK);
	holds(a, "one", "fd00:: 10.0.0.0");
	ck_assert_int_eq(allocator_add_family(a, &r), ALLOC_BAD_REQUEST);
	r.service = "two";
	r.families = ALLOC_V6;
	r.pool = "b";
	ck_assert_int_eq(allocator_allocate(a, &r), ALLOC_OK);
	ck_assert_int_eq(allocator_add_family(a, &r), ALLOC_EXHAUSTED);
	holds(a, "two", "fd01::");
	/* the pool loses a family: a service loses both addresses */
	pools[0].cidr_n = 1;
	ck_assert_int_eq(allocator_pools_set(a, pools, 1), 0);
	holds(a, "one", "");
	allocator_free(a);
}
END_TEST

/* Preferring two: a pool of both before all, then the primary family, then the other. */
START_TEST(prefer_dual)
{
	struct alloc_request r = request("one", ALLOC_DUAL);
	struct allocator *a;

	(void)pool(0, "fd00::/128");
	(void)pool(1, "10.0.0.0/32");
	a = allocator_with(2);
	ck_assert_int_eq(allocator_allocate(a, &r), ALLOC_EXHAUSTED);
	r.policy = ALLOC_REQUIRE_DUAL_STACK;
	ck_assert_int_eq(allocator_allocate(a, &r), ALLOC_EXHAUSTED);
	r.families = ALLOC_V4;
	ck_assert_int_eq(allocator_allocate(a, &r), ALLOC_BAD_REQUEST);
	r.families = ALLOC_DUAL;
	r.policy = ALLOC_PREFER_DUAL_STACK;
	ck_assert_int_eq(allocator_allocate(a, &r), ALLOC_OK);
	holds(a, "one", "10.0.0.0");
	ck_assert(allocator_release(a, "one"));
	r.primary = IP_V6;
	ck_assert_int_eq(allocator_allocate(a, &r), ALLOC_OK);
	holds(a, "one", "fd00::");
	r.service = "two";
	ck_assert_int_eq(allocator_allocate(a, &r), ALLOC_OK);
	holds(a, "two", "10.0.0.0");
	r.service = "three";
	ck_assert_int_eq(allocator_allocate(a, &r), ALLOC_EXHAUSTED);
	allocator_free(a);
}
END_TEST

/* A pool keeps its services by name, even where another one that comes first by name has their addresses too. */
START_TEST(reload_keeps_the_pool)
{
	struct alloc_request r = request("one", ALLOC_V4);
	struct alloc_holding holding;
	struct allocator *a;

	(void)pool(1, "10.0.0.0/24");
	a = allocator_new();
	ck_assert_int_eq(allocator_pools_set(a, &pools[1], 1), 0);
	ck_assert_int_eq(allocator_allocate(a, &r), ALLOC_OK);
	(void)pool(0, "10.0.0.0/25");
	ck_assert_int_eq(allocator_pools_set(a, pools, 2), 0);
	ck_assert(allocator_find(a, "one", &holding));
	ck_assert_str_eq(holding.pool, "b");
	ck_assert_int_eq(allocator_counters(a, 1).assigned_v4, 1);
	ck_assert_int_eq(allocator_pools_set(a, pools, 1), 0);
	ck_assert(allocator_find(a, "one", &holding));
	ck_assert_str_eq(holding.pool, "a");
	allocator_free(a);
}
END_TEST

/* Who waits is told when to try again, and not before. */
START_TEST(room)
{
	struct alloc_request one = request("one", ALLOC_V4);
	struct alloc_request two = request("two", ALLOC_V4);
	struct allocator *a;
	uint64_t mark;

	(void)pool(0, "10.0.0.0/32");
	a = allocator_with(1);
	ck_assert_uint_eq(allocator_changed(a), 0);
	ck_assert_uint_eq(allocator_changed(a), SIZE_MAX);
	ck_assert_int_eq(allocator_allocate(a, &one), ALLOC_OK);
	mark = allocator_room(a);
	ck_assert_int_eq(allocator_allocate(a, &two), ALLOC_EXHAUSTED);
	ck_assert_int_eq(allocator_allocate(a, &one), ALLOC_OK);
	ck_assert_uint_eq(allocator_room(a), mark);
	ck_assert_uint_eq(allocator_changed(a), 0);
	ck_assert(allocator_release(a, "one"));
	ck_assert_uint_ne(allocator_room(a), mark);
	ck_assert_uint_eq(allocator_changed(a), 0);
	ck_assert_uint_eq(allocator_changed(a), SIZE_MAX);
	ck_assert_int_eq(allocator_allocate(a, &two), ALLOC_OK);
	allocator_free(a);
}
END_TEST

/* A name of any length, and more holdings than a table starts with. */
START_TEST(many)
{
	struct alloc_holding holding;
	struct allocator *a;
	char name[160];
	size_t cursor = 0;
	size_t n = 0;

	(void)pool(0, "10.0.0.0/16");
	a = allocator_with(1);
	for (int i = 0; i < 1000; i++) {
		struct alloc_request r = request(name, ALLOC_V4);

		(void)snprintf(name, sizeof(name), "%0*d", 1 + i % 150, i + 1000);
		ck_assert_int_eq(allocator_allocate(a, &r), ALLOC_OK);
	}
	while (allocator_next(a, &cursor, &holding)) {
		ck_assert_uint_eq(holding.address_n, 1);
		n++;
	}
	ck_assert_uint_eq(n, 1000);
	ck_assert_int_eq(allocator_counters(a, 0).assigned_v4, 1000);
	allocator_free(a);
}
END_TEST

/* --- beside a naive model ---------------------------------------------------------------------------------------------------------- */

#define WORLD_SERVICES 24
#define WORLD_ADDRESSES 96 /* 10.0.0.224 to 10.0.1.63: over a .255 and a .0 */
#define WORLD_STEPS 4000
#define WORLD_SEEDS 20

struct naive_service {
	bool held;
	size_t at; /* address */
	int key;   /* 0: none */
	int backend;
	unsigned int ports; /* a set */
};

/* An assertion of libcheck writes to a file each time, which is dear in an inner loop. */
#define must(condition)                                 \
	do {                                            \
		if (!(condition))                       \
			ck_abort_msg("%s", #condition); \
	} while (0)

/* Two or three ranges of the world's addresses, in some order; with or without buggy ones. */
struct naive_pool {
	size_t first[3];
	size_t n[3];
	size_t range_n;
	bool avoid;
};

static struct naive_service naive[WORLD_SERVICES];
static struct naive_pool naive_pools[2];

static struct ip world_ip(size_t i)
{
	uint8_t bytes[4] = { 10, 0, (uint8_t)((224 + i) / 256), (uint8_t)((224 + i) % 256) };

	return ip_from_v4(bytes);
}

static bool naive_owns(const struct naive_pool *p, size_t at)
{
	uint8_t low = (uint8_t)(224 + at);

	if (p->avoid && (low == 0 || low == 255))
		return false;
	for (size_t i = 0; i < p->range_n; i++) {
		if (at >= p->first[i] && at < p->first[i] + p->n[i])
			return true;
	}
	return false;
}

static bool naive_can_have(size_t me, size_t at, const struct naive_service *wants)
{
	for (size_t i = 0; i < WORLD_SERVICES; i++) {
		if (i == me || !naive[i].held || naive[i].at != at)
			continue;
		if (wants->key == 0 || naive[i].key != wants->key || naive[i].backend != wants->backend ||
		    (naive[i].ports & wants->ports) != 0)
			return false;
	}
	return true;
}

/* Pool by pool, range by range, address by address. SIZE_MAX: none. */
static size_t naive_pick(size_t me, const struct naive_service *wants, size_t from, size_t to)
{
	for (size_t p = from; p < to; p++) {
		for (size_t i = 0; i < naive_pools[p].range_n; i++) {
			for (size_t at = naive_pools[p].first[i]; at < naive_pools[p].first[i] + naive_pools[p].n[i];
			     at++) {
				if (naive_owns(&naive_pools[p], at) && naive_can_have(me, at, wants))
					return at;
			}
		}
	}
	return SIZE_MAX;
}

/* Ranges that do not overlap; both pools together may, if the seed says so. */
static void world_pools(struct rng *rng, struct allocator *a, bool overlap)
{
	struct subnet cidrs[2][3 * 16];
	struct alloc_pool made[2];

	for (size_t p = 0; p < 2; p++) {
		struct naive_pool *np = &naive_pools[p];
		size_t base = overlap ? 0 : p * (WORLD_ADDRESSES / 2);
		size_t third = (overlap ? (size_t)WORLD_ADDRESSES : (size_t)WORLD_ADDRESSES / 2) / 3;
		size_t order[3] = { 0, 1, 2 };

		rng_shuffle(rng, order, 3, sizeof(order[0]));
		np->range_n = 1 + (size_t)rng_below(rng, 3);
		np->avoid = rng_chance(rng, 500000);
		made[p] = (struct alloc_pool){
			.name = p == 0 ? "a" : "b", .cidrs = cidrs[p], .auto_assign = true, .avoid_buggy_ips = np->avoid
		};
		for (size_t i = 0; i < np->range_n; i++) {
			struct subnet parts[ALLOC_RANGE_CIDR_MAX];
			char text[64];
			char one[IP_TEXT_MAX];
			char other[IP_TEXT_MAX];
			size_t n;

			np->first[i] = base + order[i] * third + (size_t)rng_below(rng, 2);
			np->n[i] = 1 + (size_t)rng_below(rng, third - 1);
			(void)snprintf(text, sizeof(text), "%s-%s", ip_format(world_ip(np->first[i]), one),
				       ip_format(world_ip(np->first[i] + np->n[i] - 1), other));
			ck_assert_int_eq(alloc_range_parse(text, parts, &n), 0);
			ck_assert_uint_le(n, 16);
			memcpy(cidrs[p] + made[p].cidr_n, parts, n * sizeof(parts[0]));
			made[p].cidr_n += n;
		}
	}
	ck_assert_int_eq(allocator_pools_set(a, made, 2), 0);
	for (size_t i = 0; i < WORLD_SERVICES; i++)
		naive[i].held = naive[i].held &&
				(naive_owns(&naive_pools[0], naive[i].at) || naive_owns(&naive_pools[1], naive[i].at));
}

static void world_compare(const struct allocator *a, bool overlap)
{
	int64_t used = 0;
	int64_t counted = 0;

	for (size_t i = 0; i < WORLD_SERVICES; i++) {
		struct alloc_holding holding;
		char name[8];

		(void)snprintf(name, sizeof(name), "s%zu", i);
		must(allocator_find(a, name, &holding) == naive[i].held);
		if (naive[i].held)
			must(holding.address_n == 1 && ip_equal(holding.addresses[0], world_ip(naive[i].at)));
	}
	for (size_t at = 0; at < WORLD_ADDRESSES; at++) {
		size_t users = 0;

		for (size_t i = 0; i < WORLD_SERVICES; i++)
			users += naive[i].held && naive[i].at == at;
		must(allocator_users(a, world_ip(at)) == users);
		used += users > 0;
	}
	for (size_t p = 0; p < 2; p++) {
		struct alloc_counters counters = allocator_counters(a, p);
		int64_t capacity = 0;

		for (size_t at = 0; at < WORLD_ADDRESSES; at++)
			capacity += naive_owns(&naive_pools[p], at);
		must(counters.capacity_v4 == capacity);
		must(counters.available_v4 == capacity - counters.assigned_v4);
		counted += counters.assigned_v4;
		if (!overlap)
			must(counters.available_v4 >= 0);
	}
	must(counted == used);
}

static void world_step(struct rng *rng, struct allocator *a)
{
	size_t me = (size_t)rng_below(rng, WORLD_SERVICES);
	struct naive_service wants = { .key = (int)rng_below(rng, 3), .backend = (int)rng_below(rng, 2) };
	char name[8];
	struct alloc_port ports[4];
	struct alloc_request r = request(name, ALLOC_V4);
	struct ip ip;
	bool done;

	(void)snprintf(name, sizeof(name), "s%zu", me);
	for (uint16_t p = 0; p < 4; p++) {
		if (rng_chance(rng, 300000)) {
			wants.ports |= 1u << p;
			ports[r.port_n++] = (struct alloc_port){ 6, (uint16_t)(p + 1) };
		}
	}
	r.ports = ports;
	r.sharing_key = wants.key == 0 ? NULL : wants.key == 1 ? "k1" : "k2";
	r.backend_key = wants.backend == 0 ? "" : "b";
	switch (rng_below(rng, 4)) {
	case 0:
		ck_assert_int_eq(allocator_release(a, name), naive[me].held);
		naive[me].held = false;
		return;
	case 1:
		wants.at = (size_t)rng_below(rng, WORLD_ADDRESSES);
		ip = world_ip(wants.at);
		r.addresses = &ip;
		r.address_n = 1;
		done = (naive_owns(&naive_pools[0], wants.at) || naive_owns(&naive_pools[1], wants.at)) &&
		       naive_can_have(me, wants.at, &wants);
		ck_assert_int_eq(allocator_assign(a, &r) == ALLOC_OK, done);
		break;
	default:
		if (naive[me].held) {
			wants.at = naive[me].at;
			done = naive_can_have(me, wants.at, &wants);
		} else {
			size_t p = (size_t)rng_below(rng, 3);

			r.pool = p == 2 ? NULL : p == 0 ? "a" : "b";
			wants.at = naive_pick(me, &wants, p == 2 ? 0 : p, p == 2 ? 2 : p + 1);
			done = wants.at != SIZE_MAX;
		}
		ck_assert_int_eq(allocator_allocate(a, &r) == ALLOC_OK, done);
	}
	if (done) {
		naive[me] = wants;
		naive[me].held = true;
	}
}

START_TEST(beside_a_model)
{
	struct rng rng = rng_of((uint64_t)_i + 1);
	struct allocator *a = allocator_new();
	bool overlap = _i % 2 == 1;

	memset(naive, 0, sizeof(naive));
	world_pools(&rng, a, overlap);
	for (int i = 0; i < WORLD_STEPS; i++) {
		world_step(&rng, a);
		if (rng_chance(&rng, 5000))
			world_pools(&rng, a, overlap);
		world_compare(a, overlap);
	}
	allocator_free(a);
}
END_TEST

/* Interval sets and ranks beside an array of bits. */
START_TEST(trees_beside_bits)
{
	struct rng rng = rng_of((uint64_t)_i + 100);
	struct forest forest;
	uint32_t root = NONE;
	bool bits[256] = { false };
	uint32_t set = NONE;

	forest_init(&forest);
	ck_assert(forest_reserve(&forest, 1024));
	for (int step = 0; step < 5000; step++) {
		unsigned int number = (unsigned int)rng_below(&rng, 256);
		struct tree_key key = { 7, number };
		unsigned int gap = number;
		uint32_t rank = 0;
		u128 found;

		if (bits[number]) {
			ranges_remove(&forest, &root, number);
			tree_remove(&forest, &set, key);
		} else {
			ranges_add(&forest, &root, number);
			(void)tree_insert(&forest, &set, key);
		}
		bits[number] = !bits[number];
		must(ranges_contain(&forest, root, number) == bits[number]);
		while (gap < 256 && bits[gap])
			gap++;
		must(ranges_gap(&forest, root, number, &found) && found == gap);
		for (unsigned int i = 0; i < number; i++)
			rank += bits[i];
		must(tree_rank(&forest, set, key) == rank);
		if (bits[number])
			must(forest.nodes[tree_select(&forest, set, rank)].key.number == number);
	}
	forest_free(&forest);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("allocator");
	TCase *tcase = tcase_create("allocator");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, range_text, 0, sizeof(ranges) / sizeof(ranges[0]));
	tcase_add_test(tcase, bad_pools);
	tcase_add_test(tcase, pool_order);
	tcase_add_test(tcase, empty_namespaces);
	tcase_add_test(tcase, auto_assign_off);
	tcase_add_test(tcase, edges);
	tcase_add_test(tcase, buggy);
	tcase_add_test(tcase, verdicts);
	tcase_add_test(tcase, second_family);
	tcase_add_test(tcase, prefer_dual);
	tcase_add_test(tcase, reload_keeps_the_pool);
	tcase_add_test(tcase, room);
	tcase_add_test(tcase, many);
	tcase_add_loop_test(tcase, beside_a_model, 0, WORLD_SEEDS);
	tcase_add_loop_test(tcase, trees_beside_bits, 0, 5);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
