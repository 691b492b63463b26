/* SPDX-License-Identifier: Apache-2.0 */
/* MetalLB's kinds, group metallb.io/v1beta1: IPAddressPool, L2Advertisement. Shape only; kube/pool.c and kube/advert.c judge them. */
#include "base/limits.h"
#include "kube/json.h"

static void fill_allocation(struct decoder *d, const cJSON *json, struct kube_pool *pool)
{
	pool->pinned = json != NULL;
	pool->priority = (int32_t)json_integer(d, json, "priority", INT32_MIN, INT32_MAX, 0);
	pool->namespaces = decode_texts(d, json, "namespaces", KUBE_NAME_LIST_MAX, &pool->namespace_n);
	pool->namespace_selectors =
		decode_selectors(d, json, "namespaceSelectors", KUBE_SELECTOR_MAX, &pool->namespace_selector_n);
	pool->service_selectors =
		decode_selectors(d, json, "serviceSelectors", KUBE_SELECTOR_MAX, &pool->service_selector_n);
}

/* Somebody may have edited it: whatever it is, it will be written again. -1: not there. */
static int64_t counter(const cJSON *status, const char *name)
{
	const cJSON *field = json_field(status, name);

	if (field == NULL || !cJSON_IsNumber(field) || !(field->valuedouble >= 0))
		return -1;
	/* 2^63, which no int64_t reaches, is what INT64_MAX becomes as a double */
	return field->valuedouble >= 9223372036854775808.0 ? INT64_MAX : (int64_t)field->valuedouble;
}

static void fill_pool(struct decoder *d, void *object)
{
	struct kube_pool *pool = object;
	const cJSON *spec = json_object(d, d->json, "spec");
	const cJSON *status = json_field(d->json, "status");

	decode_meta(d, &pool->meta);
	pool->addresses = decode_texts(d, spec, "addresses", KUBE_RANGE_MAX, &pool->address_n);
	pool->auto_assign = json_bool(d, spec, "autoAssign", true);
	pool->avoid_buggy_ips = json_bool(d, spec, "avoidBuggyIPs", false);
	fill_allocation(d, json_object(d, spec, "serviceAllocation"), pool);
	pool->counters.assigned_v4 = counter(status, "assignedIPv4");
	pool->counters.assigned_v6 = counter(status, "assignedIPv6");
	pool->counters.available_v4 = counter(status, "availableIPv4");
	pool->counters.available_v6 = counter(status, "availableIPv6");
}

int kube_pool_decode(const cJSON *json, struct kube_pool **ret, struct kube_error *error)
{
	void *object = NULL;
	int r = decode_object(json, sizeof(**ret), fill_pool, &object, error);

	if (r == 0)
		*ret = object;
	return r;
}

static void fill_preferences(struct decoder *d, const cJSON *spec, struct kube_advert *advert)
{
	const cJSON *item = json_list(d, spec, "preferredNodeSelectors", KUBE_PREFERENCE_MAX, &advert->preference_n);
	struct kube_preference *preferences = decode_take(d, advert->preference_n, sizeof(*preferences));

	advert->preferences = preferences;
	for (size_t i = 0; item != NULL && d->r == 0; item = item->next, i++) {
		preferences[i].weight = (int32_t)json_integer(d, item, "weight", INT32_MIN, INT32_MAX, 0);
		decode_selector(d, json_field(item, "preference"), "preference", &preferences[i].selector);
	}
}

static void fill_advert(struct decoder *d, void *object)
{
	struct kube_advert *advert = object;
	const cJSON *spec = json_object(d, d->json, "spec");

	decode_meta(d, &advert->meta);
	advert->pools = decode_texts(d, spec, "ipAddressPools", KUBE_NAME_LIST_MAX, &advert->pool_n);
	advert->pool_selectors =
		decode_selectors(d, spec, "ipAddressPoolSelectors", KUBE_SELECTOR_MAX, &advert->pool_selector_n);
	advert->node_selectors =
		decode_selectors(d, spec, "nodeSelectors", KUBE_SELECTOR_MAX, &advert->node_selector_n);
	advert->interfaces = decode_texts(d, spec, "interfaces", KUBE_INTERFACE_MAX, &advert->interface_n);
	advert->service_selectors =
		decode_selectors(d, spec, "serviceSelectors", KUBE_SELECTOR_MAX, &advert->service_selector_n);
	fill_preferences(d, spec, advert);
}

int kube_advert_decode(const cJSON *json, struct kube_advert **ret, struct kube_error *error)
{
	void *object = NULL;
	int r = decode_object(json, sizeof(**ret), fill_advert, &object, error);

	if (r == 0)
		*ret = object;
	return r;
}
