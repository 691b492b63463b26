/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the allocator costs: filling pools, pairs of allocate and release in one that is nearly full, sharing. One line per figure; exit
 * status 1 where a promise of README is missed. `make bench-allocator`.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "allocator/allocator.h"
#include "base/rng.h"

#define SERVICE_N 65536
#define PAIR_N 1000000
#define SHARE_N 10000
#define FREE_N 64

static char names[SERVICE_N][24];
static int missed;

static double now_s(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void must(bool good, const char *what)
{
	if (!good) {
		fprintf(stderr, "bench-allocator: %s\n", what);
		exit(2);
	}
}

static struct allocator *pool_of(const char *cidr, bool avoid)
{
	struct allocator *a = allocator_new();
	struct alloc_pool pool = { .name = "bench", .cidr_n = 1, .auto_assign = true, .avoid_buggy_ips = avoid };
	struct subnet subnet;

	must(subnet_parse(cidr, &subnet) == 0, "bad CIDR");
	pool.cidrs = &subnet;
	must(a != NULL && allocator_pools_set(a, &pool, 1) == 0, "no pool");
	return a;
}

static struct alloc_request request_of(size_t i, bool v6)
{
	return (struct alloc_request){ .service = names[i], .families = v6 ? ALLOC_V6 : ALLOC_V4 };
}

static void fill(struct allocator *a, size_t n, bool v6)
{
	for (size_t i = 0; i < n; i++) {
		struct alloc_request request = request_of(i, v6);

		must(allocator_allocate(a, &request) == ALLOC_OK, "a pool was full too early");
	}
}

static void report(const char *what, const char *pool, double value, const char *unit, double promise, bool at_least)
{
	bool good = promise == 0 || (at_least ? value >= promise : value <= promise);

	printf("%-44s %-22s %12.0f %s%s\n", what, pool, value, unit, good ? "" : "  MISSED");
	missed += !good;
}

/* A pool of 65,536 from empty to full; or so many addresses of a larger one. */
static void bench_fill(const char *cidr, bool v6)
{
	struct allocator *a = pool_of(cidr, false);
	double start = now_s();

	fill(a, SERVICE_N, v6);
	report("fill 65,536", cidr, (now_s() - start) * 1e6, "us", 100e3, false);
	allocator_free(a);
}

/* One free address, taken and given back. */
static void bench_pairs(const char *cidr, bool v6)
{
	struct allocator *a = pool_of(cidr, false);
	struct alloc_request request = request_of(SERVICE_N - 1, v6);
	double start;

	fill(a, SERVICE_N - 1, v6);
	start = now_s();
	for (size_t i = 0; i < PAIR_N; i++) {
		must(allocator_allocate(a, &request) == ALLOC_OK, "no address though one is free");
		must(allocator_release(a, request.service), "nothing to release");
	}
	report("pairs, nearly full", cidr, PAIR_N / (now_s() - start), "pairs/s", 1e6, true);
	allocator_free(a);
}

/* Some random service gives its address back, another takes one: FREE_N random holes in what is full otherwise. */
static void bench_random(const char *cidr, bool v6, bool avoid, size_t service_n)
{
	struct allocator *a = pool_of(cidr, avoid);
	struct rng rng = rng_of(1);
	size_t waiting[FREE_N];
	double start;
	double s;

	fill(a, service_n, v6);
	for (size_t i = 0; i < FREE_N; i++) {
		do
			waiting[i] = (size_t)rng_below(&rng, service_n);
		while (!allocator_release(a, names[waiting[i]]));
	}
	start = now_s();
	for (size_t i = 0; i < PAIR_N; i++) {
		size_t slot = i % FREE_N;
		struct alloc_request request = request_of(waiting[slot], v6);
		size_t goes;

		must(allocator_allocate(a, &request) == ALLOC_OK, "no address though some are free");
		do
			goes = (size_t)rng_below(&rng, service_n);
		while (!allocator_release(a, names[goes]));
		waiting[slot] = goes;
	}
	s = now_s() - start;
	report(avoid ? "pairs, random services, avoidBuggyIPs" : "pairs, random services", cidr, PAIR_N / s, "pairs/s",
	       0, true);
	allocator_free(a);
}

/* Nothing free: what each further service costs. */
static void bench_full(const char *cidr)
{
	struct allocator *a = pool_of(cidr, false);
	struct alloc_request request = { .service = "late", .families = ALLOC_V4 };
	double start;

	fill(a, SERVICE_N, false);
	start = now_s();
	for (size_t i = 0; i < PAIR_N; i++)
		must(allocator_allocate(a, &request) == ALLOC_EXHAUSTED, "room in a full pool");
	report("refusal, full", cidr, (now_s() - start) * 1e9 / PAIR_N, "ns", 0, false);
	allocator_free(a);
}

/* All under one key: each with its own port on one address, or all with the same port, so that none can share. */
static void bench_sharing(bool same_port)
{
	struct allocator *a = pool_of("10.0.0.0/16", false);
	struct ip first;
	double start = now_s();

	for (size_t i = 0; i < SHARE_N; i++) {
		struct alloc_port port = { 6, same_port ? 80 : (uint16_t)(i + 1) };
		struct alloc_request request = request_of(i, false);

		request.sharing_key = "key";
		request.ports = &port;
		request.port_n = 1;
		must(allocator_allocate(a, &request) == ALLOC_OK, "sharing failed");
	}
	report(same_port ? "10,000 services, one key and one port" : "10,000 services share one address", "10.0.0.0/16",
	       (now_s() - start) * 1e6, "us", 0, false);
	must(ip_parse("10.0.0.0", &first) == 0 && allocator_users(a, first) == (same_port ? 1 : SHARE_N),
	     "shared wrongly");
	allocator_free(a);
}

int main(void)
{
	struct rusage usage;

	for (size_t i = 0; i < SERVICE_N; i++)
		(void)snprintf(names[i], sizeof(names[i]), "default/service-%zu", i);
	bench_fill("10.0.0.0/16", false);
	bench_fill("fd00::/64", true);
	bench_pairs("10.0.0.0/16", false);
	bench_pairs("fd00::/112", true);
	bench_pairs("fd00::/64", true);
	bench_random("10.0.0.0/16", false, false, SERVICE_N);
	bench_random("10.0.0.0/16", false, true, SERVICE_N / 256 * 254);
	bench_random("fd00::/64", true, false, SERVICE_N);
	bench_full("10.0.0.0/16");
	bench_sharing(false);
	bench_sharing(true);
	(void)getrusage(RUSAGE_SELF, &usage);
	printf("%-44s %-22s %12ld KB\n", "most memory, names of services included", "", usage.ru_maxrss);
	return missed > 0;
}
