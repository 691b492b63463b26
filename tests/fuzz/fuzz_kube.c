/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kube/decode*.c: JSON of any content as each kind of object. What comes out is whole, a refusal says why, and the rules that read
 * such objects cope with them. Every kind is tried.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kube/agent_rules.h"
#include "kube/controller_rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(bool good)
{
	if (!good)
		abort();
}

static void check_decode(int r, const void *object, const struct kube_error *error)
{
	check((r == 0) == (object != NULL) && (r == 0) == (error->text[0] == '\0'));
	check(r == 0 || r == -EINVAL || r == -E2BIG);
}

static void check_meta(const struct kube_meta *meta)
{
	check(meta->name != NULL && meta->namespace != NULL);
	for (size_t i = 0; i < meta->label_n; i++)
		check(meta->labels[i].key != NULL && meta->labels[i].value != NULL);
}

/* Through the controller, on a small pool, twice: the second time there is nothing to do but to say it again. */
static void try_service(const cJSON *json)
{
	struct subnet cidrs[2];
	struct alloc_pool pool = { .name = "p", .cidrs = cidrs, .cidr_n = 2, .auto_assign = true };
	struct kube_service *service = NULL;
	struct kube_error error;
	struct kube_controller c = { .allocator = allocator_new() };
	struct kube_patch patch;
	bool reprocess;
	char key[KUBE_KEY_MAX];
	int r;

	r = kube_service_decode(json, &service, &error);
	check_decode(r, service, &error);
	check(subnet_parse("10.0.0.0/30", &cidrs[0]) == 0 && subnet_parse("fd00::/64", &cidrs[1]) == 0);
	check(c.allocator != NULL && kube_controller_pools(&c, &pool, 1, &reprocess) == 0);
	if (service != NULL) {
		check_meta(&service->meta);
		(void)kube_service_state(service);
		kube_controller_converge(&c, kube_service_key(service, key), service, &patch);
		kube_controller_converge(&c, key, service, &patch);
		check(patch.address_n <= ALLOC_ADDRESS_MAX && patch.event_n <= KUBE_EVENT_MAX);
		check(patch.address_n == 0 || service->type == KUBE_LOAD_BALANCER);
		kube_controller_converge(&c, key, NULL, &patch);
		check(allocator_counters(c.allocator, 0).assigned_v4 == 0);
	}
	kube_object_free(service);
	allocator_free(c.allocator);
}

static void try_config(const struct kube_objects *objects)
{
	struct kube_refusals refusals;
	struct kube_pools *pools = NULL;
	struct allocator *a = allocator_new();
	int r = kube_pools_make(objects, &pools, &refusals);

	check((r == 0) == (pools != NULL) && (r == -EINVAL) == (refusals.n > 0) && (r == 0 || r == -EINVAL));
	for (size_t i = 0; i < refusals.n && i < KUBE_REFUSAL_MAX; i++)
		check(refusals.items[i].text[0] != '\0');
	/* what was not refused the allocator takes */
	if (pools != NULL)
		check(a != NULL && allocator_pools_set(a, pools->allocs, pools->pool_n) == 0);
	kube_pools_free(pools);
	allocator_free(a);
}

static void try_pool_and_advert(const cJSON *json, const struct kube_node *node)
{
	struct kube_pool *pool = NULL;
	struct kube_advert *advert = NULL;
	struct kube_error error;
	const struct kube_pool *pools[1];
	const struct kube_advert *adverts[1];
	const struct kube_node *nodes[] = { node };
	struct kube_objects objects = { .pools = pools, .adverts = adverts, .nodes = nodes, .node_n = node != NULL };
	int r;

	r = kube_pool_decode(json, &pool, &error);
	check_decode(r, pool, &error);
	r = kube_advert_decode(json, &advert, &error);
	check_decode(r, advert, &error);
	pools[0] = pool;
	adverts[0] = advert;
	objects.pool_n = pool != NULL;
	objects.advert_n = advert != NULL;
	try_config(&objects);
	kube_object_free(pool);
	kube_object_free(advert);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	cJSON *json = cJSON_ParseWithLength((const char *)data, len);
	struct kube_slice *slice = NULL;
	struct kube_node *node = NULL;
	struct kube_namespace *namespace = NULL;
	struct kube_error error;
	int r;

	if (json == NULL)
		return 0;
	r = kube_slice_decode(json, &slice, &error);
	check_decode(r, slice, &error);
	r = kube_node_decode(json, &node, &error);
	check_decode(r, node, &error);
	r = kube_namespace_decode(json, &namespace, &error);
	check_decode(r, namespace, &error);
	try_service(json);
	try_pool_and_advert(json, node);
	kube_object_free(slice);
	kube_object_free(node);
	kube_object_free(namespace);
	cJSON_Delete(json);
	return 0;
}
