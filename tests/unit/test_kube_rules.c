/* SPDX-License-Identifier: Apache-2.0 */
/* kube/agent_rules.c, kube/announced.c, kube/controller_rules.c: what the vectors leave open. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kube/agent_rules.h"
#include "kube/announced.h"
#include "kube/controller_rules.h"

static struct allocator *allocator;
static struct kube_controller controller;
static struct kube_patch patch;
static struct kube_service service;
static char addresses_text[128];

static struct ip address(const char *text)
{
	struct ip ip;

	ck_assert_int_eq(ip_parse(text, &ip), 0);
	return ip;
}

static struct kube_addresses one(const char *text)
{
	return (struct kube_addresses){ .ips = { address(text) }, .n = 1 };
}

static struct subnet subnets[4];
static struct alloc_pool pools[4];

static void pool(size_t i, const char *name, const char *cidr)
{
	ck_assert_int_eq(subnet_parse(cidr, &subnets[i]), 0);
	pools[i] = (struct alloc_pool){ .name = name, .cidrs = &subnets[i], .cidr_n = 1, .auto_assign = true };
}

static void set_pools(size_t n)
{
	bool reprocess;

	ck_assert_int_eq(kube_controller_pools(&controller, pools, n, &reprocess), 0);
	ck_assert(reprocess);
}

static void set_up(void)
{
	allocator = allocator_new();
	controller = (struct kube_controller){ .allocator = allocator };
	service = (struct kube_service){ .meta = { .name = "web", .namespace = "shop" }, .type = KUBE_LOAD_BALANCER };
	service.cluster_ips = one("10.96.0.1");
	pool(0, "a", "10.0.0.0/31");
	pool(1, "b", "10.0.1.0/31");
}

static void tear_down(void)
{
	allocator_free(allocator);
}

/* The status of the service follows what was written. */
static void converge(void)
{
	kube_controller_converge(&controller, "shop/web", &service, &patch);
	if (!patch.write)
		return;
	memcpy(service.ingress.ips, patch.addresses, sizeof(patch.addresses));
	service.ingress.n = patch.address_n;
	service.ingress.bad = 0;
	service.pool_given = patch.pool;
}

static const char *status(void)
{
	char text[IP_TEXT_MAX];

	addresses_text[0] = '\0';
	for (size_t i = 0; i < service.ingress.n; i++) {
		strcat(addresses_text, i == 0 ? "" : " ");
		strcat(addresses_text, ip_format(service.ingress.ips[i], text));
	}
	return addresses_text;
}

/* Reasons in order, warnings with a "!". */
static void said(const char *expected)
{
	static char got[256];

	got[0] = '\0';
	for (size_t i = 0; i < patch.event_n; i++) {
		strcat(got, i == 0 ? "" : " ");
		strcat(got, patch.events[i].warning ? "!" : "");
		strcat(got, patch.events[i].reason);
		ck_assert(patch.events[i].message[0] != '\0');
	}
	ck_assert_str_eq(got, expected);
}

/* --- controller -------------------------------------------------------------------------------------------------------------- */

START_TEST(quiet_when_settled)
{
	bool reprocess;
	char key[KUBE_KEY_MAX];

	ck_assert_str_eq(kube_service_key(&service, key), "shop/web");
	converge();
	ck_assert(!patch.write && !patch.failed); /* no configuration yet */
	ck_assert_int_eq(kube_controller_pools(&controller, NULL, 0, &reprocess), -ENOENT);
	set_pools(2);
	converge();
	said("IPAllocated");
	ck_assert(patch.write && !patch.reprocess);
	ck_assert_str_eq(status(), "10.0.0.0");
	ck_assert_str_eq(service.pool_given, "a");
	converge();
	said("");
	ck_assert(!patch.write && !patch.reprocess && !patch.failed);
}
END_TEST

/* A controller that starts finds its state in the Services. */
START_TEST(restart)
{
	service.ingress = one("10.0.1.1");
	service.pool_given = "b";
	set_pools(2);
	converge();
	said("");
	ck_assert(!patch.write && allocator_users(allocator, address("10.0.1.1")) == 1);
}
END_TEST

/* Request withdrawn: nothing moves. Request changed to what cannot be: nothing is left. */
START_TEST(requests)
{
	set_pools(2);
	service.addresses = "10.0.1.1";
	converge();
	ck_assert_str_eq(status(), "10.0.1.1");
	service.addresses = NULL;
	converge();
	ck_assert(!patch.write);
	service.pool = "b";
	converge();
	ck_assert(!patch.write);
	service.pool = "a";
	converge();
	ck_assert_str_eq(status(), "10.0.0.0");
	said("IPAllocated");
	ck_assert(patch.reprocess); /* 10.0.1.1 is free for others */
	service.addresses = "10.0.0.1 , 10.0.0.0";
	converge();
	said("!LoadBalancerFailed"); /* two of one family: not a request, all stays */
	ck_assert(!patch.write && patch.failed);
	service.addresses = "10.0.1.0";
	converge();
	said("!AllocationFailed"); /* it is not in the pool that is asked for too */
	ck_assert_str_eq(status(), "");
	ck_assert(patch.failed);
	service.load_balancer_ip = "10.0.0.1";
	converge();
	said("!AllocationFailed");
	service.addresses = NULL;
	converge();
	ck_assert_str_eq(status(), "10.0.0.1");
}
END_TEST

static const struct {
	const char *list;
	const char *load_balancer_ip;
	int r;
	size_t n;
} requests_text[] = {
	{ NULL, NULL, 0, 0 },
	{ "", NULL, 0, 0 },
	{ "1.2.3.4", NULL, 0, 1 },
	{ " 1.2.3.4 ,fd00::1 ", NULL, 0, 2 },
	{ "1.2.3.4,", NULL, -EINVAL, 0 },
	{ ",1.2.3.4", NULL, -EINVAL, 0 },
	{ "1.2.3.4,1.2.3.5", NULL, -EINVAL, 0 },
	{ "1.2.3.4,fd00::1,fd00::2", NULL, -EINVAL, 0 },
	{ "x", NULL, -EINVAL, 0 },
	{ NULL, "1.2.3.4", 0, 1 },
	{ NULL, "1.2.3.4,fd00::1", -EINVAL, 0 },
	{ "1.2.3.4", "1.2.3.4", -EEXIST, 0 },
	{ "", "1.2.3.4", 0, 1 },
	{ "1111111111111111111111111111111111111111111111111111111111111", NULL, -EINVAL, 0 },
};

START_TEST(request_text)
{
	struct ip asked[ALLOC_ADDRESS_MAX];
	size_t n;

	service.addresses = requests_text[_i].list;
	service.load_balancer_ip = requests_text[_i].load_balancer_ip;
	ck_assert_int_eq(kube_service_request(&service, asked, &n), requests_text[_i].r);
	if (requests_text[_i].r == 0)
		ck_assert_uint_eq(n, requests_text[_i].n);
}
END_TEST

/* Without pools, and without cluster addresses, a Service has nothing; the annotation is part of what is written. */
START_TEST(nothing_to_give)
{
	set_pools(2);
	converge();
	service.pool_given = NULL;
	converge();
	said("");
	ck_assert(patch.write && strcmp(patch.pool, "a") == 0);
	service.cluster_ips.n = 0;
	converge();
	said("");
	ck_assert(patch.write && !patch.failed && patch.pool == NULL);
	ck_assert_str_eq(status(), "");
	service.cluster_ips.n = 1;
	set_pools(0);
	converge();
	said("");
	ck_assert(!patch.write && patch.failed);
}
END_TEST

START_TEST(events)
{
	set_pools(2);
	service.ingress = one("192.168.0.1");
	converge();
	said("ClearAssignment IPAllocated");
	service.family_policy = ALLOC_REQUIRE_DUAL_STACK;
	converge();
	said("!not enough clusterips");
	ck_assert_str_eq(status(), "");
	service.family_policy = ALLOC_SINGLE_STACK;
	service.cluster_ips.n = 2;
	service.cluster_ips.ips[1] = address("10.96.0.2");
	converge();
	said("!noclusterIPsIPFamily");
	service.cluster_ips.ips[1] = address("fd00::2");
	service.family_policy = ALLOC_PREFER_DUAL_STACK;
	service.old_annotations = true;
	converge();
	said("IPAllocated !deprecatedAnnotation");
	converge();
	said("AdditionalAssignFailed");
	ck_assert(!patch.write && !patch.failed);
	service.ingress.bad = 1;
	converge();
	said("!nolbIPsIPFamily IPAllocated !deprecatedAnnotation");
}
END_TEST

/* A pool that becomes dual gives the second address and keeps the first. */
START_TEST(later_second_family)
{
	struct subnet both[2];

	set_pools(1);
	service.cluster_ips.n = 2;
	service.cluster_ips.ips[1] = address("fd00::2");
	service.family_policy = ALLOC_PREFER_DUAL_STACK;
	converge();
	ck_assert_str_eq(status(), "10.0.0.0");
	both[0] = subnets[0];
	ck_assert_int_eq(subnet_parse("fd00::/64", &both[1]), 0);
	pools[0].cidrs = both;
	pools[0].cidr_n = 2;
	set_pools(1);
	converge();
	said("IPAllocated");
	ck_assert_str_eq(status(), "10.0.0.0 fd00::");
}
END_TEST

/* Ours are those of our class; a Service that loses type and class is still cleaned up. */
START_TEST(classes)
{
	set_pools(2);
	service.load_balancer_class = "other.io/x";
	converge();
	ck_assert(!patch.write && !patch.failed);
	controller.class = "mlbd.io/x";
	service.load_balancer_class = NULL;
	converge();
	ck_assert(!patch.write);
	service.load_balancer_class = "mlbd.io/x";
	converge();
	ck_assert_str_eq(status(), "10.0.0.0");
	service.load_balancer_class = NULL;
	service.type = KUBE_NODE_PORT;
	converge();
	ck_assert(patch.write && patch.reprocess && patch.pool == NULL);
	ck_assert_str_eq(status(), "");
	/* somebody else's */
	service.ingress = one("192.168.0.1");
	converge();
	ck_assert(!patch.write);
}
END_TEST

/* Policy Local shares only with the same endpoints; a deleted Service makes others be looked at. */
START_TEST(sharing)
{
	static const struct label_pair web[] = { { "app", "web" } };
	static const struct label_pair dns[] = { { "app", "dns" } };
	static const struct alloc_port http[] = { { 6, 80 } };
	struct kube_service other = service;

	set_pools(1);
	service.sharing_key = other.sharing_key = "k";
	service.local = other.local = true;
	service.selector = web;
	other.selector = dns;
	service.selector_n = other.selector_n = 1;
	service.ports = http;
	service.port_n = 1;
	converge();
	kube_controller_converge(&controller, "shop/dns", &other, &patch);
	ck_assert(ip_equal(patch.addresses[0], address("10.0.0.1")));
	kube_controller_converge(&controller, "shop/dns", NULL, &patch);
	ck_assert(patch.reprocess && !patch.write);
	kube_controller_converge(&controller, "shop/dns", NULL, &patch);
	ck_assert(!patch.reprocess);
	other.selector = web;
	kube_controller_converge(&controller, "shop/dns", &other, &patch);
	ck_assert(ip_equal(patch.addresses[0], address("10.0.0.0")));
}
END_TEST

/* --- agent ---------------------------------------------------------------------------------------------------------------------- */

static const char *const node_names[] = { "n0", "n1", "n2", "n3" };
static uint64_t live = 0xf;
static uint64_t barred;
static uint64_t serving;
static const uint64_t all_nodes = 0xf;
static const struct kube_nodes view = { node_names, 4, &live, &barred };
static uint64_t reached;
static uint64_t set;
static uint32_t scores[4];
static struct kube_candidates candidates = { .reached = &reached, .set = &set, .scores = scores };

START_TEST(candidates_and_scores)
{
	static const uint32_t likes[] = { 0, 5, 5, 9 };
	const struct kube_ad plain = { .nodes = &all_nodes };
	const struct kube_ad loving = { .nodes = &all_nodes, .scores = likes };
	const struct kube_ad *ads[] = { &plain, &loving };
	struct kube_contest contest = {
		.ip = address("10.0.0.1"), .ads = ads, .ad_n = 2, .serving = &serving, .served = true
	};

	kube_judge(&view, &contest, &candidates);
	ck_assert(set == 0xf && scores[3] == 9);
	ck_assert_uint_eq(kube_first_owner(&view, &contest, &candidates), 3);
	contest.shares = true; /* matters with service selectors alone */
	kube_judge(&view, &contest, &candidates);
	ck_assert_int_eq(kube_decide(&view, &contest, &candidates, 3), KUBE_ANNOUNCE);
	barred = 1 << 3;
	kube_judge(&view, &contest, &candidates);
	ck_assert_uint_eq(set, 7);
	ck_assert_int_eq(kube_decide(&view, &contest, &candidates, 3), KUBE_NOT_OWNER);
	ck_assert_uint_ge(kube_first_owner(&view, &contest, &candidates), 1); /* n1 or n2, by hash */
	contest.local = true;
	serving = 1 << 0 | 1 << 3;
	kube_judge(&view, &contest, &candidates);
	ck_assert_uint_eq(kube_first_owner(&view, &contest, &candidates), 0);
	live = 0xe;
	kube_judge(&view, &contest, &candidates);
	ck_assert_uint_eq(kube_first_owner(&view, &contest, &candidates), SIZE_MAX);
	ck_assert_int_eq(kube_decide(&view, &contest, &candidates, SIZE_MAX), KUBE_NO_MATCHING_AD);
	contest.served = false;
	kube_judge(&view, &contest, &candidates);
	ck_assert_int_eq(kube_decide(&view, &contest, &candidates, 1), KUBE_NOT_OWNER);
}
END_TEST

START_TEST(states)
{
	ck_assert_int_eq(kube_service_state(&service), KUBE_NO_ADDRESS);
	service.ingress = one("10.0.0.1");
	ck_assert_int_eq(kube_service_state(&service), KUBE_ANNOUNCE);
	service.ingress.bad = 1;
	ck_assert_int_eq(kube_service_state(&service), KUBE_INVALID_ADDRESS);
	service.type = KUBE_CLUSTER_IP;
	ck_assert_int_eq(kube_service_state(&service), KUBE_NOT_ANNOUNCEABLE);
	ck_assert_str_eq(kube_decision_name(KUBE_NOT_ALLOWED), "ipNotAllowed");
}
END_TEST

START_TEST(barred_nodes)
{
	static const struct label_pair exclude[] = { { KUBE_EXCLUDE_LABEL, "" } };
	struct kube_node node = { .meta = { .name = "n" } };

	ck_assert(!kube_node_barred(&node, false, false));
	ck_assert(kube_node_barred(&node, false, true));
	node.meta.labels = exclude;
	node.meta.label_n = 1;
	ck_assert(kube_node_barred(&node, false, false));
	ck_assert(!kube_node_barred(&node, true, false));
	node.going = true;
	ck_assert(kube_node_barred(&node, true, false));
	node.going = false;
	node.network_unavailable = true;
	ck_assert(kube_node_barred(&node, true, false));
}
END_TEST

START_TEST(slices)
{
	const struct kube_pools known = { .nodes = node_names, .node_n = 4 };
	const struct kube_endpoint endpoints[] = {
		{ NULL, true, false }, { "n2", true, false }, { "n3", false, false }, { "n9", true, false }
	};
	struct kube_slice slice = { .endpoints = endpoints, .endpoint_n = 1 };
	uint64_t found = 0;

	ck_assert(kube_slice_serving(&slice, &known, &found));
	ck_assert_uint_eq(found, 0);
	slice.endpoint_n = 4;
	ck_assert(kube_slice_serving(&slice, &known, &found));
	ck_assert_uint_eq(found, 1 << 2);
	slice.endpoints = &endpoints[2];
	slice.endpoint_n = 1;
	ck_assert(!kube_slice_serving(&slice, &known, &found));
}
END_TEST

START_TEST(interfaces)
{
	static const char *const names[] = { "eth0", "eth1" };
	static const uint64_t first = 1;
	const struct kube_ad named = { .nodes = &first, .interfaces = names, .interface_n = 2 };
	const struct kube_ad again = { .nodes = &all_nodes, .interfaces = names + 1, .interface_n = 1 };
	const struct kube_ad open = { .nodes = &first };
	const struct kube_ad *ads[] = { &named, &again };
	const struct kube_contest contest = { .ads = ads, .ad_n = 2 };
	const char *got[8];

	ck_assert_uint_eq(kube_interfaces(&contest, 0, got), 2);
	ck_assert_str_eq(got[1], "eth1");
	ck_assert_uint_eq(kube_interfaces(&contest, 1, got), 1);
	ck_assert_str_eq(got[0], "eth1");
	ads[0] = &open;
	ck_assert_uint_eq(kube_interfaces(&contest, 0, got), 0);
	ck_assert_uint_eq(kube_interfaces(&contest, 1, got), 1);
}
END_TEST

START_TEST(announcements)
{
	static const char *const eth1[] = { "eth1" };
	struct announced *a = announced_new();
	struct ip ip = address("10.0.0.1");

	ck_assert_int_eq(announced_put(a, "one", ip, eth1, 1), 0);
	ck_assert(announced_on(a, ip, "eth1") && !announced_on(a, ip, "eth0"));
	ck_assert_int_eq(announced_put(a, "two", ip, NULL, 0), 0);
	ck_assert(announced_on(a, ip, "eth0"));
	ck_assert_uint_eq(announced_holders(a, ip), 2);
	ck_assert_int_eq(announced_put(a, "two", ip, eth1, 1), 0);
	ck_assert(!announced_on(a, ip, "eth0"));
	ck_assert_uint_eq(announced_holders(a, ip), 2);
	ck_assert_uint_eq(announced_rounds(a), 3);
	ck_assert(!announced_drop(a, "three", ip) && !announced_drop(a, "one", ip));
	ck_assert(announced_drop(a, "two", ip) && !announced_drop(a, "two", ip));
	ck_assert(!announced_on(a, ip, "eth1") && announced_of_service(a, "one") == 0);
	ck_assert_int_eq(announced_put(a, "one", ip, eth1, 1), 0);
	announced_free(a);
	announced_free(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kube rules");
	TCase *tcase = tcase_create("kube rules");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, quiet_when_settled);
	tcase_add_test(tcase, restart);
	tcase_add_test(tcase, requests);
	tcase_add_loop_test(tcase, request_text, 0, sizeof(requests_text) / sizeof(requests_text[0]));
	tcase_add_test(tcase, nothing_to_give);
	tcase_add_test(tcase, events);
	tcase_add_test(tcase, later_second_family);
	tcase_add_test(tcase, classes);
	tcase_add_test(tcase, sharing);
	tcase_add_test(tcase, candidates_and_scores);
	tcase_add_test(tcase, states);
	tcase_add_test(tcase, barred_nodes);
	tcase_add_test(tcase, slices);
	tcase_add_test(tcase, interfaces);
	tcase_add_test(tcase, announcements);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
