/* SPDX-License-Identifier: Apache-2.0 */
/* Suites of allocator.json. */
#include <stdio.h>
#include <string.h>

#include "tests/vectors/vectors.h"

static struct allocator *allocator_with(const cJSON *pools)
{
	struct arena arena = { 0 };
	struct allocator *a = allocator_new();
	size_t n;
	struct alloc_pool *list = pools_of(&arena, pools, &n);

	must(a != NULL && allocator_pools_set(a, list, n) == 0, "pools that the allocator does not take");
	arena_free(&arena);
	return a;
}

/* Everything that is held, as text: to see that a refusal changed nothing. */
static char *state_of(const struct allocator *a)
{
	cJSON *all = cJSON_CreateObject();
	struct alloc_holding holding;
	size_t cursor = 0;
	char *text;

	while (allocator_next(a, &cursor, &holding)) {
		cJSON *one = cJSON_AddArrayToObject(all, holding.service);

		cJSON_AddItemToArray(one, ip_list(holding.addresses, holding.address_n));
		cJSON_AddItemToArray(one, cJSON_CreateString(holding.pool));
		cJSON_AddItemToArray(one, cJSON_CreateString(holding.sharing_key));
	}
	text = cJSON_PrintUnformatted(all);
	cJSON_Delete(all);
	return text;
}

static enum alloc_policy policy_of(const char *text)
{
	if (text != NULL && strcmp(text, "PreferDualStack") == 0)
		return ALLOC_PREFER_DUAL_STACK;
	return text != NULL && strcmp(text, "RequireDualStack") == 0 ? ALLOC_REQUIRE_DUAL_STACK : ALLOC_SINGLE_STACK;
}

static unsigned int families_of(const char *text)
{
	if (text == NULL)
		return 0;
	return strcmp(text, "ipv4") == 0 ? ALLOC_V4 : strcmp(text, "ipv6") == 0 ? ALLOC_V6 : ALLOC_DUAL;
}

static struct alloc_request request_of(struct arena *arena, const cJSON *step)
{
	const cJSON *attrs = get(step, "attrs");
	const cJSON *first_family = cJSON_GetArrayItem(get(attrs, "ipFamilies"), 0);
	struct ip *addresses = arena_take(arena, (size_t)cJSON_GetArraySize(get(step, "ips")), sizeof(*addresses));
	struct alloc_request request = { .service = get_text(step, "service"),
					 .namespace = get_text(attrs, "namespace"),
					 .families = families_of(get_text(step, "family")),
					 .policy = policy_of(get_text(attrs, "familyPolicy")),
					 .addresses = addresses,
					 .sharing_key = get_text(step, "sharingKey"),
					 .backend_key = get_text(step, "backendKey") };
	const cJSON *item;

	must(addresses != NULL && request.service != NULL, "a step without a service");
	cJSON_ArrayForEach(item, get(step, "ips")) addresses[request.address_n++] = ip_of(item->valuestring);
	request.labels = pairs_of(arena, get(attrs, "labels"), &request.label_n);
	request.ports = ports_of(arena, get(step, "ports"), &request.port_n);
	if (cJSON_IsString(first_family))
		request.primary = strcmp(first_family->valuestring, "IPv6") == 0 ? IP_V6 : IP_V4;
	return request;
}

/* False: the operation is not understood. */
static bool operate(struct allocator *a, const cJSON *step, bool *accepted)
{
	const char *op = get_text(step, "op");
	struct arena arena = { 0 };
	struct alloc_request request;
	bool known = true;

	if (op == NULL)
		return false;
	if (strcmp(op, "replacePools") == 0) {
		size_t n;
		struct alloc_pool *pools = pools_of(&arena, get(step, "pools"), &n);

		*accepted = allocator_pools_set(a, pools, n) == 0;
		arena_free(&arena);
		return true;
	}
	request = request_of(&arena, step);
	if (strcmp(op, "allocateFromPool") == 0)
		request.pool = get_text(step, "pool");
	if (strcmp(op, "assign") == 0)
		*accepted = allocator_assign(a, &request) == ALLOC_OK;
	else if (strcmp(op, "allocate") == 0 || strcmp(op, "allocateFromPool") == 0)
		*accepted = allocator_allocate(a, &request) == ALLOC_OK;
	else if (strcmp(op, "release") == 0)
		*accepted = allocator_release(a, request.service);
	else
		known = false;
	arena_free(&arena);
	return known;
}

static bool all_allowed(const struct alloc_holding *holding, const cJSON *set)
{
	for (size_t i = 0; i < holding->address_n; i++) {
		char text[IP_TEXT_MAX];
		bool listed = false;
		const cJSON *item;

		ip_format(holding->addresses[i], text);
		cJSON_ArrayForEach(item, set) listed = listed || strcmp(item->valuestring, text) == 0;
		if (!listed)
			return false;
	}
	return holding->address_n > 0;
}

static cJSON *pools_held(const struct allocator *a, const cJSON *expected)
{
	cJSON *got = cJSON_CreateObject();
	const cJSON *item;

	cJSON_ArrayForEach(item, expected)
	{
		struct alloc_holding holding;

		cJSON_AddItemToObject(got, item->string,
				      allocator_find(a, item->string, &holding) ? cJSON_CreateString(holding.pool)
										: cJSON_CreateNull());
	}
	return got;
}

/* Counters of the suite's first pool, and how many pools said that they had changed. */
static void add_counters(struct allocator *a, cJSON *got, const cJSON *expected)
{
	struct alloc_counters counters = allocator_counters(a, 0);
	const struct {
		const char *name;
		int64_t value;
	} values[] = {
		{ "inUse", counters.assigned_v4 + counters.assigned_v6 },
		{ "assignedIPv4", counters.assigned_v4 },
		{ "assignedIPv6", counters.assigned_v6 },
		{ "availableIPv4", counters.available_v4 },
		{ "availableIPv6", counters.available_v6 },
	};
	int changed = 0;

	while (allocator_changed(a) != SIZE_MAX)
		changed++;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		if (get(expected, values[i].name) != NULL)
			cJSON_AddNumberToObject(got, values[i].name, (double)values[i].value);
	}
	if (get(expected, "changeNotifications") != NULL)
		cJSON_AddNumberToObject(got, "changeNotifications", changed);
}

#define STEP_KEYS                                                                                        \
	"accept holds allowed exact poolOf inUse assignedIPv4 assignedIPv6 availableIPv4 availableIPv6 " \
	"changeNotifications"

static void run_step(struct run *run, const cJSON *suite, struct allocator *a, const cJSON *step)
{
	const char *id = id_of(run, step);
	const cJSON *expected = get(step, "expect");
	const char *allowed = get_text(expected, "allowed");
	const char *service = get_text(step, "service");
	cJSON *got = cJSON_CreateObject();
	char *before = state_of(a);
	char *after;
	struct alloc_holding holding = { 0 };
	bool accepted = false;

	if (!keys_known(run, id, expected, STEP_KEYS))
		goto out;
	if (!operate(a, step, &accepted)) {
		broken(run, id, "a step that is not understood");
		goto out;
	}
	if (get(expected, "accept") != NULL)
		cJSON_AddBoolToObject(got, "accept", accepted);
	after = state_of(a);
	if (!accepted && strcmp(before, after) != 0)
		cJSON_AddStringToObject(got, "refusedButChanged", after);
	cJSON_free(after);
	if (service != NULL)
		(void)allocator_find(a, service, &holding);
	if (allowed != NULL)
		cJSON_AddStringToObject(got, "allowed",
					all_allowed(&holding, get(get(suite, "allowedSets"), allowed))
						? allowed
						: "an address beyond it");
	if (get(expected, "holds") != NULL)
		cJSON_AddItemToObject(got, "holds", ip_list(holding.addresses, holding.address_n));
	if (get(expected, "exact") != NULL)
		cJSON_AddItemToObject(got, "exact", ip_list(holding.addresses, holding.address_n));
	if (get(expected, "poolOf") != NULL)
		cJSON_AddItemToObject(got, "poolOf", pools_held(a, get(expected, "poolOf")));
	add_counters(a, got, expected);
	judge(run, id, got, expected);
	got = NULL;
out:
	cJSON_Delete(got);
	cJSON_free(before);
}

static void run_sequence(struct run *run, const cJSON *suite)
{
	struct allocator *a = allocator_with(get(suite, "pools"));
	const cJSON *step;

	while (allocator_changed(a) != SIZE_MAX)
		;
	cJSON_ArrayForEach(step, get(suite, "steps")) run_step(run, suite, a, step);
	allocator_free(a);
}

static void hold(struct allocator *a, const cJSON *holdings)
{
	const cJSON *service;

	cJSON_ArrayForEach(service, holdings)
	{
		struct ip addresses[ALLOC_ADDRESS_MAX];
		struct alloc_request request = { .service = service->string, .addresses = addresses };
		const cJSON *item;

		cJSON_ArrayForEach(item, service)
		{
			must(request.address_n < ALLOC_ADDRESS_MAX, "too many addresses");
			addresses[request.address_n++] = ip_of(item->valuestring);
		}
		must(allocator_assign(a, &request) == ALLOC_OK, "initial holdings that are refused");
	}
}

static void run_reload(struct run *run, const cJSON *suite)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, get(suite, "cases"))
	{
		const cJSON *expected = get(item, "expect");
		struct allocator *a = allocator_with(get(suite, "initialPools"));
		struct arena arena = { 0 };
		size_t n;
		struct alloc_pool *pools = pools_of(&arena, get(item, "newPools"), &n);
		cJSON *got = cJSON_CreateObject();

		hold(a, get(suite, "initialHoldings"));
		must(allocator_pools_set(a, pools, n) == 0, "pools that the allocator does not take");
		cJSON_AddItemToObject(got, "poolOf", pools_held(a, get(expected, "poolOf")));
		judge(run, id_of(run, item), got, expected);
		arena_free(&arena);
		allocator_free(a);
	}
}

static void run_capacity(struct run *run, const cJSON *suite)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, get(suite, "cases"))
	{
		cJSON *pools = cJSON_CreateArray();
		cJSON *pool = cJSON_Duplicate(item, true);
		cJSON *got = cJSON_CreateObject();
		struct alloc_counters counters;
		struct allocator *a;

		cJSON_AddStringToObject(pool, "name", "pool");
		cJSON_AddItemToArray(pools, pool);
		a = allocator_with(pools);
		counters = allocator_counters(a, 0);
		cJSON_AddNumberToObject(got, "total",
					counters.capacity_v4 > INT64_MAX - counters.capacity_v6
						? (double)INT64_MAX
						: (double)(counters.capacity_v4 + counters.capacity_v6));
		cJSON_AddNumberToObject(got, "ipv4", (double)counters.capacity_v4);
		cJSON_AddNumberToObject(got, "ipv6", (double)counters.capacity_v6);
		judge(run, id_of(run, item), got, get(item, "expect"));
		cJSON_Delete(pools);
		allocator_free(a);
	}
}

const struct suite allocator_suites[] = {
	{ "assign-sequence", run_sequence }, { "pool-sequence", run_sequence },	    { "auto-sequence", run_sequence },
	{ "buggy-sequence", run_sequence },  { "counters", run_sequence },	    { "reload", run_reload },
	{ "capacity", run_capacity },	     { "capacity-computed", run_capacity }, { NULL, NULL },
};
