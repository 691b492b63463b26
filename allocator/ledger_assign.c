/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one node that gives addresses: ledger.h says what for. Everything is made anew for each call: an allocator of the pools, in it
 * what is used otherwise and what the ledger has given; then those that have nothing good come in the order of their names' hashes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocator/ledger.h"
#include "allocator/store.h"

/* "s" or "x", and 16 digits or an address. */
#define IDENTITY_MAX (IP_TEXT_MAX + 2)

/* One service that wants addresses. */
struct want {
	uint64_t service;
	uint64_t pool;	  /* hash; 0: any */
	const char *name; /* of the pool; NULL: any, or none of that name (missing) */
	bool missing;	  /* there is no pool of that name */
	bool added;	  /* by command */
	unsigned int families;
	struct ip asked[ALLOC_ADDRESS_MAX];
	size_t asked_n;
	bool good; /* has what it wants */
};

struct job {
	struct ledger *l;
	const struct ledger_rules *rules;
	struct allocator *allocator;
	struct want *wants; /* owned, sorted by service */
	size_t want_n;
	ledger_note_fn *note;
	void *arg;
};

static void identity_of(uint64_t service, char out[IDENTITY_MAX])
{
	snprintf(out, IDENTITY_MAX, "s%016llx", (unsigned long long)service);
}

static int compare_wants(const void *a, const void *b)
{
	const struct want *x = a;
	const struct want *y = b;

	if (x->service != y->service)
		return x->service < y->service ? -1 : 1;
	return (int)x->added - (int)y->added; /* the configuration file before a command */
}

static void resolve_pool(const struct ledger_rules *rules, struct want *want)
{
	want->missing = want->pool != 0;
	for (size_t i = 0; i < rules->pool_n && want->missing; i++) {
		if (ledger_service(rules->pools[i].name) != want->pool)
			continue;
		want->name = rules->pools[i].name;
		want->missing = false;
	}
}

static struct want want_of_record(const struct ledger_record *record)
{
	struct want want = {
		.service = record->service, .pool = record->pool, .added = true, .families = record->families
	};

	if (!record->given && record->v4.family != IP_NONE)
		want.asked[want.asked_n++] = record->v4;
	if (!record->given && record->v6.family != IP_NONE)
		want.asked[want.asked_n++] = record->v6;
	return want;
}

/* Services of the file and those that were added. 0 or -ENOMEM. */
static int collect(struct job *job)
{
	const struct ledger_rules *rules = job->rules;
	size_t n = 0;

	job->wants = store_new(rules->wish_n + ledger_n(job->l) + 1, sizeof(*job->wants));
	if (job->wants == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < rules->wish_n; i++) {
		const struct ledger_wish *wish = &rules->wishes[i];

		job->wants[n++] = (struct want){ .service = ledger_service(wish->name),
						 .pool = wish->pool != NULL ? ledger_service(wish->pool) : 0,
						 .families = wish->families };
	}
	for (size_t i = 0; i < ledger_n(job->l); i++) {
		const struct ledger_record *record = ledger_at(job->l, i);

		if (record->stamp != 0 && record->added && !record->removed)
			job->wants[n++] = want_of_record(record);
	}
	qsort(job->wants, n, sizeof(*job->wants), compare_wants);
	for (size_t i = 0; i < n; i++) {
		if (job->want_n > 0 && job->wants[job->want_n - 1].service == job->wants[i].service)
			continue;
		job->wants[job->want_n] = job->wants[i];
		resolve_pool(rules, &job->wants[job->want_n++]);
	}
	return 0;
}

static struct want *want_find(const struct job *job, uint64_t service)
{
	struct want key = { .service = service };
	size_t low = 0, high = job->want_n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (job->wants[middle].service < key.service)
			low = middle + 1;
		else
			high = middle;
	}
	return low < job->want_n && job->wants[low].service == service ? &job->wants[low] : NULL;
}

/* What is used otherwise, where it is in a pool at all. */
static void take_others(struct job *job)
{
	for (size_t i = 0; i < job->rules->taken_n; i++) {
		struct alloc_request request = { .addresses = &job->rules->taken[i], .address_n = 1 };
		char identity[IDENTITY_MAX] = "x";

		ip_format(job->rules->taken[i], identity + 1);
		request.service = identity;
		(void)allocator_assign(job->allocator, &request);
	}
}

/* A request of what is wanted, without addresses. */
static struct alloc_request request_of(const struct want *want, const char *identity)
{
	return (struct alloc_request){
		.service = identity,
		.families = want->families,
		.policy = want->families == ALLOC_DUAL ? ALLOC_REQUIRE_DUAL_STACK : ALLOC_SINGLE_STACK,
		.pool = want->name,
	};
}

/* What the ledger has given, as far as it is good for who has it. */
static enum alloc_verdict keep(struct job *job, const struct ledger_record *record)
{
	struct want *want = want_find(job, record->service);
	struct alloc_request request = { 0 };
	struct ip addresses[ALLOC_ADDRESS_MAX];
	char identity[IDENTITY_MAX];
	unsigned int families = want != NULL ? want->families : record->families;
	enum alloc_verdict verdict;

	identity_of(record->service, identity);
	if (want != NULL)
		request = request_of(want, identity);
	request.service = identity;
	request.families = 0;
	request.addresses = addresses;
	if (record->v4.family == IP_V4 && (families & ALLOC_V4) != 0)
		addresses[request.address_n++] = record->v4;
	if (record->v6.family == IP_V6 && (families & ALLOC_V6) != 0)
		addresses[request.address_n++] = record->v6;
	if (request.address_n == 0)
		return ALLOC_BAD_REQUEST;
	verdict = allocator_assign(job->allocator, &request);
	if (verdict != ALLOC_OK || want == NULL)
		return verdict;
	if (families == ALLOC_DUAL && request.address_n == 1) {
		request = request_of(want, identity);
		return allocator_add_family(job->allocator, &request);
	}
	return ALLOC_OK;
}

/* Write down what the allocator has for it now. */
static int write_down(struct job *job, const struct want *want)
{
	const struct ledger_record *former = ledger_find(job->l, want->service);
	struct ledger_record before = former != NULL ? *former : (struct ledger_record){ 0 };
	struct ledger_record after = { .service = want->service,
				       .stamp = ledger_stamp(job->l),
				       .pool = want->pool,
				       .families = want->families,
				       .added = want->added,
				       .given = true };
	struct alloc_holding holding;
	char identity[IDENTITY_MAX];
	int error;

	identity_of(want->service, identity);
	if (!allocator_find(job->allocator, identity, &holding))
		return 0;
	for (size_t i = 0; i < holding.address_n; i++)
		*(holding.addresses[i].family == IP_V4 ? &after.v4 : &after.v6) = holding.addresses[i];
	if (former != NULL && former->given && !former->removed && former->added == after.added &&
	    former->pool == after.pool && former->families == after.families && ip_equal(former->v4, after.v4) &&
	    ip_equal(former->v6, after.v6) && ledger_holds(job->l, former))
		return 0;
	error = ledger_merge(job->l, &after);
	if (error == 1)
		job->note(job->arg, want->service, former != NULL ? &before : NULL, &after, ALLOC_OK);
	return error < 0 ? error : 0;
}

/* The first given of those that nobody names any more and whose addresses the pool could use. NULL: none. */
static const struct ledger_record *find_unnamed(const struct job *job, const char *pool)
{
	const struct ledger_record *found = NULL;
	struct alloc_holding holding;
	char identity[IDENTITY_MAX];

	for (size_t i = 0; i < ledger_n(job->l); i++) {
		const struct ledger_record *record = ledger_at(job->l, i);

		if (record->stamp == 0 || record->removed || !record->given ||
		    (found != NULL && found->stamp < record->stamp) || want_find(job, record->service) != NULL)
			continue;
		identity_of(record->service, identity);
		if (allocator_find(job->allocator, identity, &holding) &&
		    (pool == NULL || strcmp(holding.pool, pool) == 0))
			found = record;
	}
	return found;
}

/* 1: there is room now that was not; 0: nobody to take it from. */
static int reclaim(struct job *job, const char *pool)
{
	const struct ledger_record *record = find_unnamed(job, pool);
	struct ledger_record before, after;
	char identity[IDENTITY_MAX];
	int error;

	if (record == NULL)
		return 0;
	before = *record;
	after = (struct ledger_record){ .service = before.service,
					.stamp = ledger_stamp(job->l),
					.pool = before.pool,
					.families = before.families,
					.removed = true };
	identity_of(before.service, identity);
	(void)allocator_release(job->allocator, identity);
	error = ledger_merge(job->l, &after);
	if (error == 1)
		job->note(job->arg, before.service, &before, &after, ALLOC_OK);
	return error;
}

static enum alloc_verdict try_to_give(struct job *job, const struct want *want)
{
	char identity[IDENTITY_MAX];
	struct alloc_request request;

	if (want->missing)
		return ALLOC_NO_SUCH_POOL;
	identity_of(want->service, identity);
	request = request_of(want, identity);
	if (want->asked_n == 0)
		return allocator_allocate(job->allocator, &request);
	request.addresses = want->asked;
	request.address_n = want->asked_n;
	request.families = 0;
	return allocator_assign(job->allocator, &request);
}

static int give(struct job *job, const struct want *want)
{
	const struct ledger_record *former = ledger_find(job->l, want->service);
	struct ledger_record before = former != NULL ? *former : (struct ledger_record){ 0 };
	enum alloc_verdict verdict = try_to_give(job, want);
	int error = 0;

	while (verdict == ALLOC_EXHAUSTED && (error = reclaim(job, want->name)) > 0)
		verdict = try_to_give(job, want);
	if (error < 0)
		return error;
	if (verdict == ALLOC_OK)
		return write_down(job, want);
	if (verdict == ALLOC_NO_MEMORY)
		return -ENOMEM;
	job->note(job->arg, want->service, former != NULL ? &before : NULL, NULL, verdict);
	return 0;
}

static int assign(struct job *job)
{
	int error = allocator_pools_set(job->allocator, job->rules->pools, job->rules->pool_n);

	if (error == 0)
		error = collect(job);
	if (error != 0)
		return error;
	take_others(job);
	for (size_t i = 0; i < ledger_n(job->l); i++) {
		const struct ledger_record *record = ledger_at(job->l, i);
		struct want *want = want_find(job, record->service);

		if (record->stamp != 0 && ledger_holds(job->l, record) && keep(job, record) == ALLOC_OK && want != NULL)
			want->good = true;
	}
	for (size_t i = 0; i < job->want_n && error == 0; i++)
		error = job->wants[i].good ? write_down(job, &job->wants[i]) : give(job, &job->wants[i]);
	return error;
}

int ledger_assign(struct ledger *l, const struct ledger_rules *rules, ledger_note_fn *note, void *arg)
{
	struct job job = { .l = l, .rules = rules, .note = note, .arg = arg, .allocator = allocator_new() };
	int error = job.allocator == NULL ? -ENOMEM : assign(&job);

	allocator_free(job.allocator);
	store_free(job.wants);
	return error;
}
