/* SPDX-License-Identifier: Apache-2.0 */
/* Suites of controller.json: Services are given the shape of the API's objects, and go through the real decoder. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "kube/controller_rules.h"
#include "tests/vectors/vectors.h"

#define SERVICE_KEYS                                                                                               \
	"type namespace labels annotations clusterIP clusterIPs loadBalancerIP loadBalancerClass statusAddresses " \
	"ipFamilyPolicy ipFamilies externalTrafficPolicy ports selector"
#define EXPECT_KEYS "warningEvent statusWritten statusAddresses outcome reprocessAllServices"
#define POOL_ANNOTATION "metallb.io/ip-allocated-from-pool"
#define ORDER_N 100
#define SERVICE_MAX_N 64

struct world {
	struct allocator *allocator;
	struct kube_controller controller;
};

static struct world world_new(void)
{
	struct world w = { .allocator = allocator_new() };

	must(w.allocator != NULL, "out of memory");
	w.controller.allocator = w.allocator;
	return w;
}

/* What kube_controller_pools returns; *reprocess as it says. */
static int set_pools(struct world *w, const cJSON *list, bool *reprocess)
{
	struct arena arena = { 0 };
	size_t n = 0;
	struct alloc_pool *pools = list == NULL ? NULL : pools_of(&arena, list, &n);
	int r = kube_controller_pools(&w->controller, pools, n, reprocess);

	arena_free(&arena);
	return r;
}

static void move(cJSON *to, const cJSON *from, const char *name)
{
	if (get(from, name) != NULL)
		cJSON_AddItemToObject(to, name, cJSON_Duplicate(get(from, name), true));
}

static void add_ports(cJSON *spec, const cJSON *list)
{
	cJSON *ports = list == NULL ? NULL : cJSON_AddArrayToObject(spec, "ports");
	const cJSON *item;

	cJSON_ArrayForEach(item, list)
	{
		cJSON *port = cJSON_CreateObject();
		const char *slash = cJSON_IsString(item) ? strchr(item->valuestring, '/') : NULL;

		must(slash != NULL, "a port that is none");
		cJSON_AddStringToObject(port, "protocol",
					item->valuestring[0] == 'u'   ? "UDP"
					: item->valuestring[0] == 's' ? "SCTP"
								      : "TCP");
		cJSON_AddNumberToObject(port, "port", atoi(slash + 1));
		cJSON_AddItemToArray(ports, port);
	}
}

/* A Service as the API writes it. `pool`: the annotation that the controller wrote before; NULL: none. */
static cJSON *api_service(const cJSON *attrs, const char *name, const char *pool)
{
	static const char *const of_spec[] = { "type",
					       "clusterIP",
					       "clusterIPs",
					       "loadBalancerIP",
					       "loadBalancerClass",
					       "ipFamilyPolicy",
					       "ipFamilies",
					       "externalTrafficPolicy",
					       "selector" };
	cJSON *object = cJSON_CreateObject();
	cJSON *meta = cJSON_AddObjectToObject(object, "metadata");
	cJSON *spec = cJSON_AddObjectToObject(object, "spec");
	cJSON *status = cJSON_AddObjectToObject(object, "status");
	cJSON *ingress = cJSON_AddArrayToObject(cJSON_AddObjectToObject(status, "loadBalancer"), "ingress");
	const cJSON *item;

	cJSON_AddStringToObject(meta, "name", name);
	move(meta, attrs, "namespace");
	move(meta, attrs, "labels");
	move(meta, attrs, "annotations");
	if (pool != NULL && get(meta, "annotations") == NULL)
		cJSON_AddObjectToObject(meta, "annotations");
	if (pool != NULL && get(get(meta, "annotations"), POOL_ANNOTATION) == NULL)
		cJSON_AddStringToObject(cJSON_GetObjectItem(meta, "annotations"), POOL_ANNOTATION, pool);
	for (size_t i = 0; i < sizeof(of_spec) / sizeof(of_spec[0]); i++)
		move(spec, attrs, of_spec[i]);
	add_ports(spec, get(attrs, "ports"));
	cJSON_ArrayForEach(item, get(attrs, "statusAddresses"))
	{
		cJSON *entry = cJSON_CreateObject();

		cJSON_AddStringToObject(entry, "ip", item->valuestring);
		cJSON_AddItemToArray(ingress, entry);
	}
	return object;
}

/* attrs NULL: the Service is gone. */
static struct kube_patch converge(struct world *w, const char *name, const cJSON *attrs, const char *pool)
{
	cJSON *object = attrs == NULL ? NULL : api_service(attrs, name, pool);
	struct kube_service *service = NULL;
	struct kube_error error;
	struct kube_patch patch;

	if (object != NULL)
		must(kube_service_decode(object, &service, &error) == 0, error.text);
	kube_controller_converge(&w->controller, name, service, &patch);
	kube_object_free(service);
	cJSON_Delete(object);
	return patch;
}

/* With the keys that are expected. */
static cJSON *patch_model(const struct kube_patch *patch, const cJSON *expected)
{
	cJSON *got = cJSON_CreateObject();
	bool warning = false;

	for (size_t i = 0; i < patch->event_n; i++)
		warning = warning || patch->events[i].warning;
	if (get(expected, "warningEvent") != NULL)
		cJSON_AddBoolToObject(got, "warningEvent", warning);
	if (get(expected, "statusWritten") != NULL)
		cJSON_AddBoolToObject(got, "statusWritten", patch->write);
	if (get(expected, "statusAddresses") != NULL)
		cJSON_AddItemToObject(got, "statusAddresses", ip_list(patch->addresses, patch->address_n));
	if (get(expected, "reprocessAllServices") != NULL)
		cJSON_AddBoolToObject(got, "reprocessAllServices", patch->reprocess);
	if (get(expected, "outcome") != NULL)
		cJSON_AddStringToObject(got, "outcome",
					patch->reprocess ? "reprocessAllServices"
					: patch->failed	 ? "errorWithoutRetry"
							 : "success");
	return got;
}

/* --- one Service, whatever came before ---------------------------------------------------------------------------------------------- */

/* Run all cases in an order on one state, and note which did not end as expected: the first such outcome of each, owned. */
static void run_order(const cJSON *suite, const int *order, int n, cJSON **wrong)
{
	struct world w = world_new();
	bool reprocess;

	must(set_pools(&w, get(suite, "pools"), &reprocess) == 0, "pools that the allocator does not take");
	for (int i = 0; i < n; i++) {
		const cJSON *item = cJSON_GetArrayItem(get(suite, "cases"), order[i]);
		struct kube_patch patch = converge(&w, "test", get(item, "service"), NULL);
		cJSON *got = patch_model(&patch, get(item, "expect"));

		if (wrong[order[i]] == NULL && !json_equal(got, get(item, "expect")))
			wrong[order[i]] = got;
		else
			cJSON_Delete(got);
	}
	allocator_free(w.allocator);
}

static void run_converge(struct run *run, const cJSON *suite)
{
	int n = cJSON_GetArraySize(get(suite, "cases"));
	cJSON **wrong = calloc((size_t)n + 1, sizeof(cJSON *));
	int *order = calloc((size_t)n + 1, sizeof(*order));
	struct rng rng = rng_of(11);
	const cJSON *item;
	int i = 0;

	must(wrong != NULL && order != NULL, "out of memory");
	for (int j = 0; j < n; j++) {
		run_order(suite, &j, 1, wrong); /* alone */
		order[j] = j;
	}
	for (int round = 0; round < ORDER_N; round++) {
		run_order(suite, order, n, wrong);
		rng_shuffle(&rng, order, (size_t)n, sizeof(*order));
	}
	cJSON_ArrayForEach(item, get(suite, "cases"))
	{
		const char *id = id_of(run, item);
		cJSON *got = wrong[i] != NULL ? wrong[i] : cJSON_Duplicate(get(item, "expect"), true);

		if (keys_known(run, id, get(item, "service"), SERVICE_KEYS) &&
		    keys_known(run, id, get(item, "expect"), EXPECT_KEYS))
			judge(run, id, got, get(item, "expect"));
		else
			cJSON_Delete(got);
		i++;
	}
	free(wrong);
	free(order);
}

/* --- sequences ------------------------------------------------------------------------------------------------------------------------ */

/* What the API server would keep of our writes: the annotation of each Service. */
struct annotations {
	char names[SERVICE_MAX_N][128];
	char pools[SERVICE_MAX_N][128];
	size_t n;
};

static char *annotation_of(struct annotations *all, const char *name)
{
	size_t i = 0;

	while (i < all->n && strcmp(all->names[i], name) != 0)
		i++;
	must(i < SERVICE_MAX_N, "too many services");
	if (i == all->n)
		(void)snprintf(all->names[all->n++], sizeof(all->names[0]), "%s", name);
	return all->pools[i];
}

static cJSON *step_service(struct world *w, const cJSON *step, struct annotations *all)
{
	const char *name = get_text(step, "service");
	const cJSON *attrs = get(step, "attrs");
	char *pool = annotation_of(all, name != NULL ? name : "test");
	struct kube_patch patch = converge(w, name != NULL ? name : "test", attrs, pool[0] != '\0' ? pool : NULL);

	if (patch.write || attrs == NULL)
		(void)snprintf(pool, sizeof(all->pools[0]), "%s", patch.pool != NULL ? patch.pool : "");
	return patch_model(&patch, get(step, "expect"));
}

/* Pools alone write nothing. */
static cJSON *step_pools(struct world *w, const cJSON *step)
{
	struct kube_patch patch = { 0 };

	patch.failed = set_pools(w, get(step, "pools"), &patch.reprocess) != 0;
	return patch_model(&patch, get(step, "expect"));
}

static void run_sequence(struct run *run, const cJSON *sequence)
{
	const char *id = id_of(run, sequence);
	struct world w = world_new();
	struct annotations *all = calloc(1, sizeof(*all));
	cJSON *got = cJSON_CreateArray();
	cJSON *expected = cJSON_CreateArray();
	const cJSON *step;

	must(all != NULL, "out of memory");
	cJSON_ArrayForEach(step, get(sequence, "steps"))
	{
		const char *op = get_text(step, "op");

		if (!keys_known(run, id, step, "op service attrs pools expect n what") ||
		    !keys_known(run, id, get(step, "attrs"), SERVICE_KEYS) ||
		    !keys_known(run, id, get(step, "expect"), EXPECT_KEYS))
			goto out;
		if (op == NULL || (strcmp(op, "service") != 0 && strcmp(op, "pools") != 0)) {
			broken(run, id, "an operation that is not understood");
			goto out;
		}
		cJSON_AddItemToArray(got,
				     strcmp(op, "pools") == 0 ? step_pools(&w, step) : step_service(&w, step, all));
		cJSON_AddItemToArray(expected, get(step, "expect") == NULL
						       ? cJSON_CreateObject()
						       : cJSON_Duplicate(get(step, "expect"), true));
		/* step by step, for lists are compared as sets */
		if (!json_equal(cJSON_GetArrayItem(got, cJSON_GetArraySize(got) - 1),
				cJSON_GetArrayItem(expected, cJSON_GetArraySize(expected) - 1)))
			break;
	}
	judge(run, id, cJSON_Duplicate(got, true), expected);
out:
	cJSON_Delete(got);
	cJSON_Delete(expected);
	allocator_free(w.allocator);
	free(all);
}

static void run_lifecycle(struct run *run, const cJSON *suite)
{
	const cJSON *sequence;

	cJSON_ArrayForEach(sequence, get(suite, "sequences")) run_sequence(run, sequence);
}

const struct suite controller_suites[] = {
	{ "converge", run_converge },
	{ "lifecycle", run_lifecycle },
	{ NULL, NULL },
};
