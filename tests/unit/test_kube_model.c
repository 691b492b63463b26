/* SPDX-License-Identifier: Apache-2.0 */
/* kube/decode*.c, kube/pool.c, kube/advert.c: objects of the API into structs, and pools and advertisements into what they mean. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "kube/decode.h"
#include "kube/pools.h"
#include "kube/selector.h"

static struct kube_error error;

static cJSON *parse(const char *text)
{
	cJSON *json = cJSON_Parse(text);

	ck_assert_msg(json != NULL, "%s", text);
	return json;
}

#define DECODER(kind)                                                                                              \
	static struct kube_##kind *kind##_of(const char *text)                                                     \
	{                                                                                                          \
		cJSON *json = parse(text);                                                                         \
		struct kube_##kind *ret = NULL;                                                                    \
		int r = kube_##kind##_decode(json, &ret, &error);                                                  \
                                                                                                                   \
		cJSON_Delete(json);                                                                                \
		ck_assert_msg((r == 0) == (ret != NULL) && (r == 0) == (error.text[0] == '\0'), "%s", error.text); \
		return ret;                                                                                        \
	}
DECODER(service)
DECODER(slice)
DECODER(node)
DECODER(pool)
DECODER(advert)

/* --- decoders ------------------------------------------------------------------------------------------------------------ */

START_TEST(service_full)
{
	struct kube_service *s = service_of(
		"{\"metadata\":{\"name\":\"web\",\"namespace\":\"shop\",\"uid\":\"u\",\"resourceVersion\":\"7\","
		"\"generation\":3,"
		"\"deletionTimestamp\":\"t\",\"managedFields\":[1,{}],\"labels\":{\"b\":\"2\",\"a\":\"1\"},"
		"\"annotations\":{"
		"\"metallb.io/address-pool\":\"p\",\"metallb.universe.tf/address-pool\":\"old\","
		"\"metallb.universe.tf/loadBalancerIPs\":\"1.2.3.4\",\"metallb.io/allow-shared-ip\":\"\","
		"\"metallb.io/"
		"ip-allocated-from-pool\":\"q\"}},\"spec\":{\"type\":\"LoadBalancer\",\"clusterIP\":\"10.0.0.1\","
		"\"clusterIPs\":[\"10.0.0.1\",\"fd00::1\"],\"ipFamilies\":[\"IPv6\",\"IPv4\"],\"ipFamilyPolicy\":"
		"\"PreferDualStack\","
		"\"externalTrafficPolicy\":\"Local\",\"loadBalancerIP\":\"\",\"loadBalancerClass\":\"c\",\"ports\":[{"
		"\"port\":80},"
		"{\"port\":53,\"protocol\":\"UDP\",\"nodePort\":30000,\"name\":\"dns\"},{\"port\":9,\"protocol\":"
		"\"SCTP\"}],"
		"\"selector\":{\"z\":\"1\",\"app\":\"web\"},\"unknown\":{}},"
		"\"status\":{\"loadBalancer\":{\"ingress\":[{\"hostname\":\"h\"},{\"ip\":\"1.2.3.4\",\"ipMode\":"
		"\"VIP\"}]}}}");

	ck_assert_ptr_nonnull(s);
	ck_assert_str_eq(s->meta.name, "web");
	ck_assert_str_eq(s->meta.namespace, "shop");
	ck_assert_str_eq(s->meta.resource_version, "7");
	ck_assert(s->meta.generation == 3 && s->meta.deleting && s->meta.label_n == 2);
	ck_assert_str_eq(s->meta.labels[0].key, "a"); /* sorted */
	ck_assert(s->type == KUBE_LOAD_BALANCER && s->local && s->family_policy == ALLOC_PREFER_DUAL_STACK);
	ck_assert(s->first_family == IP_V6 && s->cluster_ips.n == 2 && s->cluster_ips.bad == 0);
	ck_assert(s->cluster_ips.ips[1].family == IP_V6);
	ck_assert_ptr_null(s->load_balancer_ip);
	ck_assert_str_eq(s->load_balancer_class, "c");
	ck_assert_str_eq(s->pool, "p"); /* the new prefix wins */
	ck_assert_str_eq(s->addresses, "1.2.3.4");
	ck_assert_str_eq(s->sharing_key, "");
	ck_assert_str_eq(s->pool_given, "q");
	ck_assert(s->old_annotations);
	ck_assert(s->port_n == 3 && s->ports[0].protocol == 6 && s->ports[1].protocol == 17 &&
		  s->ports[2].protocol == 132);
	ck_assert(s->ports[1].port == 53);
	ck_assert(s->selector_n == 2 && strcmp(s->selector[0].key, "app") == 0);
	ck_assert(s->ingress.n == 1 && s->ingress.bad == 0);
	kube_object_free(s);
}
END_TEST

START_TEST(service_empty)
{
	struct kube_service *s = service_of("{\"spec\":null,\"metadata\":{\"labels\":null}}");

	ck_assert_str_eq(s->meta.name, "");
	ck_assert_str_eq(s->meta.namespace, "");
	ck_assert_ptr_null(s->meta.uid);
	ck_assert(s->type == KUBE_CLUSTER_IP && s->cluster_ips.n == 0 && s->port_n == 0 && !s->local);
	ck_assert_ptr_null(s->sharing_key);
	kube_object_free(s);
	s = service_of("{\"spec\":{\"clusterIP\":\"None\",\"clusterIPs\":[\"None\"]}}");
	ck_assert_uint_eq(s->cluster_ips.n, 0);
	kube_object_free(s);
	s = service_of(
		"{\"spec\":{\"clusterIP\":\"10.0.0.1\"},\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"x\"},"
		"{\"ip\":\"1.1.1.1\"},{\"ip\":\"1.1.1.2\"},{\"ip\":\"1.1.1.3\"},{\"ip\":\"1.1.1.4\"}]}}}");
	ck_assert(s->cluster_ips.n == 1 && s->ingress.n == 5 && s->ingress.bad == 1);
	kube_object_free(s);
	kube_object_free(NULL);
}
END_TEST

/* What is read has its type, and the error says where. */
static const struct {
	const char *json;
	const char *error;
} bad_services[] = {
	{ "[]", "not an object" },
	{ "{\"metadata\":[]}", "metadata is not an object" },
	{ "{\"metadata\":{\"name\":1}}", "name is not a string" },
	{ "{\"metadata\":{\"labels\":{\"a\":1}}}", "labels: the value of \"a\" is not a string" },
	{ "{\"spec\":{\"ports\":{}}}", "ports is not a list" },
	{ "{\"spec\":{\"ports\":[{\"port\":65536}]}}", "port is not a number from 0 to 65535" },
	{ "{\"spec\":{\"ports\":[{\"port\":1.5}]}}", "port is not a number from 0 to 65535" },
	{ "{\"spec\":{\"ports\":[{\"port\":\"80\"}]}}", "port is not a number from 0 to 65535" },
	{ "{\"spec\":{\"clusterIPs\":[1]}}", "spec.clusterIPs has an entry that is not a string" },
};

START_TEST(service_bad)
{
	ck_assert_ptr_null(service_of(bad_services[_i].json));
	ck_assert_str_eq(error.text, bad_services[_i].error);
}
END_TEST

START_TEST(slice)
{
	struct kube_slice *s = slice_of("{\"metadata\":{\"name\":\"web-x\",\"namespace\":\"n\",\"labels\":{"
					"\"kubernetes.io/service-name\":\"web\"}},"
					"\"endpoints\":[{\"nodeName\":\"a\"},{\"nodeName\":\"b\",\"conditions\":{"
					"\"ready\":false,\"serving\":true,"
					"\"terminating\":true}},{\"conditions\":{\"ready\":false,\"serving\":null}},{"
					"\"nodeName\":\"c\",\"conditions\":"
					"{\"ready\":true,\"serving\":false}}]}");

	ck_assert_str_eq(s->service, "web");
	ck_assert_uint_eq(s->endpoint_n, 4);
	ck_assert(s->endpoints[0].can_serve && !s->endpoints[0].terminating);
	ck_assert(s->endpoints[1].can_serve && s->endpoints[1].terminating);
	ck_assert(!s->endpoints[2].can_serve && s->endpoints[2].node == NULL);
	ck_assert(s->endpoints[3].can_serve);
	kube_object_free(s);
	ck_assert_ptr_null(slice_of("{\"endpoints\":[{\"conditions\":{\"ready\":\"yes\"}}]}"));
	ck_assert_str_eq(error.text, "ready is not true or false");
}
END_TEST

START_TEST(too_many)
{
	cJSON *json = cJSON_CreateObject();
	cJSON *list = cJSON_AddArrayToObject(json, "endpoints");
	struct kube_slice *s = NULL;

	for (int i = 0; i <= KUBE_ENDPOINT_MAX; i++)
		cJSON_AddItemToArray(list, cJSON_CreateObject());
	ck_assert_int_eq(kube_slice_decode(json, &s, &error), -E2BIG);
	ck_assert_ptr_null(s);
	cJSON_DeleteItemFromArray(list, 0);
	ck_assert_int_eq(kube_slice_decode(json, &s, &error), 0);
	ck_assert_uint_eq(s->endpoint_n, KUBE_ENDPOINT_MAX);
	kube_object_free(s);
	cJSON_Delete(json);
}
END_TEST

START_TEST(node)
{
	struct kube_node *n = node_of(
		"{\"metadata\":{\"name\":\"n1\"},\"spec\":{\"unschedulable\":true,\"taints\":[{\"key\":\"x\"},"
		"{\"key\":\"ToBeDeletedByClusterAutoscaler\"}]},\"status\":{\"conditions\":["
		"{\"type\":\"NetworkUnavailable\",\"status\":\"True\"},{\"type\":\"Ready\",\"status\":\"False\"}]}}");

	ck_assert(n->network_unavailable && n->ready == KUBE_FALSE && n->going && n->unschedulable);
	kube_object_free(n);
	n = node_of("{\"status\":{\"conditions\":[{\"type\":\"NetworkUnavailable\",\"status\":\"Unknown\"}]}}");
	ck_assert(!n->network_unavailable && n->ready == KUBE_UNKNOWN && !n->going && !n->unschedulable);
	kube_object_free(n);
}
END_TEST

START_TEST(pool_status)
{
	struct kube_pool *p =
		pool_of("{\"metadata\":{\"name\":\"p\"},\"spec\":{\"addresses\":[\"10.0.0.0/24\"]},\"status\":{"
			"\"assignedIPv4\":3,\"availableIPv4\":253,\"availableIPv6\":9223372036854775807,"
			"\"assignedIPv6\":\"edited by hand\"}}");

	ck_assert(p->auto_assign && !p->avoid_buggy_ips && !p->pinned && p->address_n == 1);
	ck_assert(p->counters.assigned_v4 == 3 && p->counters.available_v4 == 253);
	ck_assert(p->counters.available_v6 == INT64_MAX && p->counters.assigned_v6 == -1);
	kube_object_free(p);
}
END_TEST

/* Selectors that no API object can hold, and those that say something twice. */
static const struct {
	const char *selector;
	bool good;
	const char *text;
} selectors[] = {
	{ "{}", true, "" },
	{ "{\"matchLabels\":{\"b\":\"2\",\"a\":\"1\"}}", true, "a=1,b=2" },
	{ "{\"matchLabels\":{\"app-x\":\"2\",\"app\":\"1\"}}", true, "app=1,app-x=2" },
	{ "{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"In\",\"values\":[\"y\",\"x\"]},{\"key\":\"b\","
	  "\"operator\":\"Exists\"},"
	  "{\"key\":\"c\",\"operator\":\"DoesNotExist\"},{\"key\":\"d\",\"operator\":\"NotIn\",\"values\":[\"\"]}]}",
	  true, "a in (x,y),b,!c,d notin ()" },
	{ "{\"matchLabels\":{\"x9\":\"9\"}}", true, "x9=9" },
	{ "{\"matchLabels\":{\"example.com/app\":\"\"}}", true, "example.com/app=" },
	{ "{\"matchLabels\":{\"a\":\"b\"},\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"In\",\"values\":[\"b\"]}]"
	  "}",
	  true, "a=b,a=b" },
	{ "{\"matchLabels\":{\"a b\":\"1\"}}", false, "" },
	{ "{\"matchLabels\":{\"\":\"1\"}}", false, "" },
	{ "{\"matchLabels\":{\"/a\":\"1\"}}", false, "" },
	{ "{\"matchLabels\":{\"Ex.com/a\":\"1\"}}", false, "" },
	{ "{\"matchLabels\":{\"a..b/a\":\"1\"}}", false, "" },
	{ "{\"matchLabels\":{\"a\":\"-\"}}", false, "" },
	{ "{\"matchLabels\":{\"a\":\"x123456789x123456789x123456789x123456789x123456789x123456789x123\"}}", false, "" },
	{ "{\"matchLabels\":{\"a\":1}}", false, "" },
	{ "{\"matchExpressions\":[{\"operator\":\"Exists\"}]}", false, "" },
	{ "{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"exists\"}]}", false, "" },
	{ "{\"matchExpressions\":[{\"key\":\"a\"}]}", false, "" },
	{ "{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"In\"}]}", false, "" },
	{ "{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"Exists\",\"values\":[\"x\"]}]}", false, "" },
	{ "{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"In\",\"values\":[\"x\",\"x\"]}]}", false, "" },
	{ "{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"Exists\"},{\"key\":\"a\",\"operator\":\"Exists\"}]}",
	  false, "" },
	{ "[]", false, "" },
	{ "\"a=b\"", false, "" },
};

START_TEST(selector)
{
	char json[1024];
	struct kube_advert *advert;
	struct arena arena = { 0 };

	(void)snprintf(json, sizeof(json), "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"nodeSelectors\":[%s]}}",
		       selectors[_i].selector);
	advert = advert_of(json);
	ck_assert_msg((advert != NULL) == selectors[_i].good, "%s: %s", selectors[_i].selector, error.text);
	if (advert == NULL)
		return;
	ck_assert_str_eq(kube_selector_text(&arena, &advert->node_selectors[0]), selectors[_i].text);
	arena_free(&arena);
	kube_object_free(advert);
}
END_TEST

/* --- configuration ---------------------------------------------------------------------------------------------------------- */

#define OBJECT_MAX 8
static struct kube_pool *pools[OBJECT_MAX];
static struct kube_advert *adverts[OBJECT_MAX];
static struct kube_node *nodes[OBJECT_MAX];
static size_t pool_n;
static size_t advert_n;
static size_t node_n;
static struct kube_refusals refusals;

static void add_pool(const char *name, const char *spec)
{
	char json[1024];

	(void)snprintf(json, sizeof(json), "{\"metadata\":{\"name\":\"%s\",\"labels\":{\"pool\":\"%s\"}},\"spec\":%s}",
		       name, name, spec);
	pools[pool_n++] = pool_of(json);
	ck_assert_msg(pools[pool_n - 1] != NULL, "%s", error.text);
}

static void add_advert(const char *name, const char *spec)
{
	char json[1024];

	(void)snprintf(json, sizeof(json), "{\"metadata\":{\"name\":\"%s\"},\"spec\":%s}", name, spec);
	adverts[advert_n++] = advert_of(json);
	ck_assert_msg(adverts[advert_n - 1] != NULL, "%s", error.text);
}

static void add_node(const char *name)
{
	char json[256];

	(void)snprintf(json, sizeof(json), "{\"metadata\":{\"name\":\"%s\",\"labels\":{\"node\":\"%s\"}}}", name, name);
	nodes[node_n++] = node_of(json);
}

static struct kube_pools *made(void)
{
	const struct kube_objects objects = { .pools = (const struct kube_pool *const *)pools,
					      .pool_n = pool_n,
					      .adverts = (const struct kube_advert *const *)adverts,
					      .advert_n = advert_n,
					      .nodes = (const struct kube_node *const *)nodes,
					      .node_n = node_n };
	struct kube_pools *ret = NULL;
	int r = kube_pools_make(&objects, &ret, &refusals);

	ck_assert_msg((r == 0) == (ret != NULL) && (r == -EINVAL) == (refusals.n > 0), "%d", r);
	/* nothing of the objects is needed any more */
	for (size_t i = 0; i < OBJECT_MAX; i++) {
		kube_object_free(pools[i]);
		kube_object_free(adverts[i]);
		kube_object_free(nodes[i]);
		pools[i] = NULL;
		adverts[i] = NULL;
		nodes[i] = NULL;
	}
	pool_n = advert_n = node_n = 0;
	return ret;
}

static const struct {
	const char *first;
	const char *second;
	const char *name;
	const char *error;
} refused[] = {
	{ "{\"addresses\":[\"10.0.0.0/24\"]}", "{\"addresses\":[\"10.0.0.9-10.0.0.10\"]}", "b",
	  "10.0.0.9/32 overlaps 10.0.0.0/24 of pool a" },
	{ "{\"addresses\":[\"10.0.1.0/24\",\"10.0.0.0/16\"]}", "{\"addresses\":[\"fd00::/64\"]}", "a",
	  "10.0.1.0/24 overlaps 10.0.0.0/16 of pool a" },
	{ "{\"addresses\":[\"fd00::/16\",\"10.0.0.0/24\"]}", "{\"addresses\":[\"fd00:0:0:1::/64\"]}", "b",
	  "fd00:0:0:1::/64 overlaps fd00::/16 of pool a" },
	{ "{\"addresses\":[\"10.0.0.1\"]}", "{\"addresses\":[\"10.1.0.0/24\"]}", "a",
	  "\"10.0.0.1\" is neither a CIDR nor a range" },
	{ "{\"addresses\":[\"10.0.0.9-10.0.0.1\"]}", "{\"addresses\":[\"10.1.0.0/24\"]}", "a",
	  "\"10.0.0.9-10.0.0.1\" starts after it ends" },
	{ "{}", "{\"addresses\":[\"10.1.0.0/24\"]}", "a", "no addresses" },
	{ "{\"addresses\":[\"10.0.0.0/24\"],\"serviceAllocation\":{\"namespaces\":[\"x\",\"y\",\"x\"]}}",
	  "{\"addresses\":[\"10.1.0.0/24\"]}", "a", "namespaces has \"x\" twice" },
	{ "{\"addresses\":[\"10.0.0.0/"
	  "24\"],\"serviceAllocation\":{\"serviceSelectors\":[{\"matchLabels\":{\"a\":\"b\"}},{\"matchLabels\":"
	  "{\"a\":\"b\"}}]}}",
	  "{\"addresses\":[\"10.1.0.0/24\"]}", "a", "serviceSelectors has \"a=b\" twice" },
	/* what reaches furthest is not always the neighbour */
	{ "{\"addresses\":[\"10.0.0.0/16\"]}", "{\"addresses\":[\"10.0.0.0/24\",\"10.0.9.0/24\"]}", "b",
	  "10.0.0.0/24 overlaps 10.0.0.0/16 of pool a" },
};

START_TEST(refusal)
{
	add_pool("b", refused[_i].second);
	add_pool("a", refused[_i].first);
	ck_assert_ptr_null(made());
	ck_assert_uint_eq(refusals.n, 1);
	ck_assert_str_eq(refusals.items[0].kind, "IPAddressPool");
	ck_assert_str_eq(refusals.items[0].name, refused[_i].name);
	ck_assert_str_eq(refusals.items[0].text, refused[_i].error);
}
END_TEST

/* Two within one that is wider, and one behind it. */
START_TEST(refusal_of_each)
{
	add_pool("a", "{\"addresses\":[\"10.0.0.0/16\"]}");
	add_pool("b", "{\"addresses\":[\"10.0.1.0/24\"]}");
	add_pool("c", "{\"addresses\":[\"10.0.3.0/24\"]}");
	add_pool("d", "{\"addresses\":[\"10.1.0.0/24\"]}");
	ck_assert_ptr_null(made());
	ck_assert_uint_eq(refusals.n, 2);
	ck_assert_str_eq(refusals.items[0].text, "10.0.1.0/24 overlaps 10.0.0.0/16 of pool a");
	ck_assert_str_eq(refusals.items[1].text, "10.0.3.0/24 overlaps 10.0.0.0/16 of pool a");
}
END_TEST

START_TEST(refusal_advert)
{
	add_pool("a", "{\"addresses\":[\"10.0.0.0/24\"]}");
	add_advert("x", "{\"preferredNodeSelectors\":[{\"weight\":101,\"preference\":{}}]}");
	add_advert("y", "{\"ipAddressPools\":[\"a\",\"a\"]}");
	ck_assert_ptr_null(made());
	ck_assert_uint_eq(refusals.n, 2);
	ck_assert_str_eq(refusals.items[0].text, "preferredNodeSelectors[0]: weight 101 is not from 1 to 100");
	ck_assert_str_eq(refusals.items[1].text, "ipAddressPools has \"a\" twice");
}
END_TEST

START_TEST(adverts_on_pools)
{
	struct kube_pools *config;
	const struct kube_pool_rules *a;
	const struct kube_pool_rules *b;

	add_node("n2");
	add_node("n1");
	add_pool("b", "{\"addresses\":[\"10.0.1.0/24\"]}");
	add_pool("a", "{\"addresses\":[\"10.0.0.0/"
		      "24\"],\"serviceAllocation\":{\"priority\":-5,\"namespaceSelectors\":[{}]}}");
	add_advert("by-name", "{\"ipAddressPools\":[\"a\",\"gone\"],\"interfaces\":[\"eth1\",\"eth0\"]}");
	add_advert(
		"same-by-label",
		"{\"ipAddressPoolSelectors\":[{\"matchLabels\":{\"pool\":\"a\"}}],\"interfaces\":[\"eth0\",\"eth1\"]}");
	add_advert("nothing", "{\"ipAddressPoolSelectors\":[{\"matchLabels\":{\"pool\":\"none\"}}]}");
	add_advert("all", "{\"nodeSelectors\":[{\"matchLabels\":{\"node\":\"n2\"}}],\"preferredNodeSelectors\":[{"
			  "\"weight\":7,\"preference\":{}}]}");
	add_advert("all-again", "{\"nodeSelectors\":[{\"matchLabels\":{\"node\":\"n2\"}}],\"preferredNodeSelectors\":[{"
				"\"weight\":7,\"preference\":{}}]}");
	config = made();
	ck_assert_msg(config != NULL, "%s", refusals.items[0].text);
	ck_assert_uint_eq(config->pool_n, 2);
	a = kube_pools_find(config, "a");
	b = kube_pools_find(config, "b");
	ck_assert_ptr_null(kube_pools_find(config, "c"));
	/* two that say the same are one, unless they have preferences */
	ck_assert_uint_eq(a->ad_n, 3);
	ck_assert_uint_eq(b->ad_n, 2);
	ck_assert(a->alloc->pinned && a->alloc->priority == -5 && a->alloc->has_namespaces &&
		  a->alloc->namespace_n == 0);
	ck_assert_str_eq(b->ads[0]->name, "all");
	ck_assert_uint_eq(kube_pools_node(config, "n1"), 0);
	ck_assert_uint_eq(kube_pools_node(config, "n2"), 1);
	ck_assert_uint_eq(kube_pools_node(config, "n3"), SIZE_MAX);
	ck_assert(!node_set_has(b->ads[0]->nodes, 0) && node_set_has(b->ads[0]->nodes, 1));
	ck_assert(b->ads[0]->scores[0] == 0 && b->ads[0]->scores[1] == 7);
	ck_assert_str_eq(a->ads[2]->interfaces[0], "eth0");
	kube_pools_free(config);
	kube_pools_free(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kube model");
	TCase *tcase = tcase_create("kube model");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, service_full);
	tcase_add_test(tcase, service_empty);
	tcase_add_loop_test(tcase, service_bad, 0, sizeof(bad_services) / sizeof(bad_services[0]));
	tcase_add_test(tcase, slice);
	tcase_add_test(tcase, too_many);
	tcase_add_test(tcase, node);
	tcase_add_test(tcase, pool_status);
	tcase_add_loop_test(tcase, selector, 0, sizeof(selectors) / sizeof(selectors[0]));
	tcase_add_loop_test(tcase, refusal, 0, sizeof(refused) / sizeof(refused[0]));
	tcase_add_test(tcase, refusal_of_each);
	tcase_add_test(tcase, refusal_advert);
	tcase_add_test(tcase, adverts_on_pools);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
