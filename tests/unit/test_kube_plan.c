/* SPDX-License-Identifier: Apache-2.0 */
/* kube/store.c, plan.c, controller.c, body.c and daemon/kube_snapshot.c: objects of the API in, plans and writes out. */
#include <cjson/cJSON.h>
#include <check.h>
#include <errno.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/kube_snapshot.h"
#include "kube/body.h"
#include "kube/controller.h"

static struct kube_store store;
static struct kube_pools *pools;
static struct kube_manager manager;
static struct instant now = { 1000000000 };
static char text[65536];
static unsigned int version;

__attribute__((format(printf, 3, 4))) static void put(enum kube_kind kind, const char *key, const char *format, ...)
{
	char json[4096];
	cJSON *tree;
	va_list args;

	va_start(args, format);
	vsnprintf(json, sizeof(json), format, args);
	va_end(args);
	tree = cJSON_Parse(json);
	ck_assert_int_eq(kube_store_put(&store, kind, key, tree, now), 0);
	cJSON_Delete(tree);
}

static void put_node(const char *name, const char *labels, const char *ready)
{
	put(KUBE_NODES, name,
	    "{\"metadata\":{\"name\":\"%s\",\"labels\":{%s}},\"status\":{\"addresses\":[{\"type\":\"InternalIP\","
	    "\"address\":"
	    "\"10.1.0.%c\"}],\"conditions\":[{\"type\":\"Ready\",\"status\":\"%s\"}]}}",
	    name, labels, name[1], ready);
}

static void put_pool(const char *name, const char *range)
{
	static int generation;
	char key[64];

	snprintf(key, sizeof(key), "sys/%s", name);
	put(KUBE_POOLS, key,
	    "{\"metadata\":{\"name\":\"%s\",\"namespace\":\"sys\",\"generation\":%d},\"spec\":{\"addresses\":[\"%s\"]}"
	    "}",
	    name, ++generation, range);
}

/* `more`: of the spec, with its comma. ip NULL: none yet. */
static void put_service(const char *name, const char *ip, const char *more)
{
	char key[64], status[128] = "";

	snprintf(key, sizeof(key), "d/%s", name);
	if (ip != NULL)
		snprintf(status, sizeof(status), "\"ingress\":[{\"ip\":\"%s\"}]", ip);
	put(KUBE_SERVICES, key,
	    "{\"metadata\":{\"name\":\"%s\",\"namespace\":\"d\",\"uid\":\"u-%s\",\"resourceVersion\":\"%u\"%s},"
	    "\"spec\":{"
	    "\"type\":\"LoadBalancer\",\"clusterIP\":\"10.96.0.9\",\"clusterIPs\":[\"10.96.0.9\"]%s},\"status\":{"
	    "\"loadBalancer\":{%s}}}",
	    name, name, ++version,
	    ip == NULL ? ""
		       : ",\"annotations\":{\"metallb.io/ip-allocated-from-pool\":\"a\",\"metallb.io/"
			 "allow-shared-ip\":\"k\"}",
	    more, status);
}

static void put_slice(const char *service, const char *name, const char *node, bool ready)
{
	char key[64];

	snprintf(key, sizeof(key), "d/%s", name);
	put(KUBE_SLICES, key,
	    "{\"metadata\":{\"name\":\"%s\",\"namespace\":\"d\",\"labels\":{\"kubernetes.io/service-name\":\"%s\"}},"
	    "\"endpoints\":[{\"addresses\":[\"10.2.0.1\"],\"nodeName\":\"%s\",\"conditions\":{\"ready\":%s}}]}",
	    name, service, node, ready ? "true" : "false");
}

static void configure(void)
{
	struct kube_refusals refusals = { 0 };

	kube_pools_free(pools);
	pools = NULL;
	ck_assert_int_eq(kube_store_pools(&store, &pools, &refusals), 0);
}

static void set_up(void)
{
	ck_assert_int_ge(sodium_init(), 0);
	kube_store_init(&store, 7);
	ck_assert_int_eq(kube_manager_init(&manager, NULL), 0);
	put_node("n1", "", "True");
	put_node("n2", "", "True");
	put_node("n3", "", "True");
	put(KUBE_NAMESPACES, "d", "{\"metadata\":{\"name\":\"d\"}}");
	put_pool("a", "10.0.0.0-10.0.0.3");
	put(KUBE_ADVERTS, "sys/all",
	    "{\"metadata\":{\"name\":\"all\",\"namespace\":\"sys\",\"generation\":1},\"spec\":{}}");
	configure();
}

static void tear_down(void)
{
	kube_manager_free(&manager);
	kube_pools_free(pools);
	pools = NULL;
	kube_store_free(&store);
}

/* The plan as its text, without the hash; and it comes back as it went. */
static const char *planned_with(struct kube_plan_options options)
{
	struct kube_plan *plan = kube_plan_make(&store, pools, &options, now);
	struct snapshot *snapshot;
	size_t len;
	char *made;

	ck_assert_ptr_nonnull(plan);
	made = snapshot_text(plan, &len);
	ck_assert_ptr_nonnull(made);
	snprintf(text, sizeof(text), "%.*s", (int)(strstr(made, "end ") - made), made);
	ck_assert_int_eq(snapshot_parse(made, len, CLAIM_NONE, &snapshot), 0);
	ck_assert_uint_eq(snapshot->service_n, plan->unit_n);
	for (size_t i = 0; i < plan->unit_n; i++) {
		const struct kube_unit *unit = &plan->units[i];
		const struct election_service *service = &snapshot->services[i];

		ck_assert_str_eq(service->name, unit->name);
		ck_assert_uint_eq(snapshot_find(snapshot, unit->name), i);
		ck_assert_uint_eq(service->address_n, unit->ip_n);
		ck_assert_uint_eq(service->place_n, unit->places->n);
		ck_assert_uint_eq(snapshot->units[i].service_n, unit->service_n);
	}
	ck_assert_uint_eq(snapshot_find(snapshot, "d/nobody"), SIZE_MAX);
	snapshot_free(snapshot);
	kube_plan_free(plan);
	return text;
}

static const char *planned(void)
{
	return planned_with((struct kube_plan_options){ 0 });
}

#define PEERS "mlbd-plan 1\npeer 10.1.0.1\npeer 10.1.0.2\npeer 10.1.0.3\n"
#define ALL "list\nplace n1 0\nplace n2 0\nplace n3 0\n"

START_TEST(cluster_policy)
{
	put_service("web", "10.0.0.1", "");
	ck_assert_str_eq(planned(), PEERS "list\nunit 0 d/web 10.0.0.1\n"); /* nothing serves it yet */
	put_slice("web", "web-1", "n2", false);
	ck_assert_str_eq(planned(), PEERS "list\nunit 0 d/web 10.0.0.1\n");
	put_slice("web", "web-2", "n3", true);
	ck_assert_str_eq(planned(), PEERS ALL "unit 0 d/web 10.0.0.1\n");
	kube_store_drop(&store, KUBE_SLICES, "d/web-2");
	ck_assert_str_eq(planned(), PEERS "list\nunit 0 d/web 10.0.0.1\n");
}
END_TEST

START_TEST(local_policy)
{
	put_slice("web", "web-1", "n2", true); /* before its Service */
	put_service("web", "10.0.0.1", ",\"externalTrafficPolicy\":\"Local\"");
	ck_assert_str_eq(planned(), PEERS "list\nplace n2 0\nunit 0 d/web 10.0.0.1\n");
	put_slice("web", "web-2", "n3", true);
	ck_assert_str_eq(planned(), PEERS "list\nplace n2 0\nplace n3 0\nunit 0 d/web 10.0.0.1\n");
}
END_TEST

START_TEST(nodes)
{
	struct kube_plan_options late = { .unready = span_s(60) };

	put_service("web", "10.0.0.1", "");
	put_slice("web", "web-1", "n2", true);
	put_node("n1", "\"" KUBE_EXCLUDE_LABEL "\":\"\"", "True");
	configure();
	ck_assert_str_eq(planned(), PEERS "list\nplace n2 0\nplace n3 0\nunit 0 d/web 10.0.0.1\n");
	ck_assert_str_eq(planned_with((struct kube_plan_options){ .ignore_exclude_label = true }),
			 PEERS ALL "unit 0 d/web 10.0.0.1\n");
	/* Ready counts where it is asked for, and after the time */
	put_node("n2", "", "Unknown");
	ck_assert_str_eq(planned_with(late), PEERS "list\nplace n2 0\nplace n3 0\nunit 0 d/web 10.0.0.1\n");
	now = instant_add(now, span_s(60));
	ck_assert_str_eq(planned_with(late), PEERS "list\nplace n3 0\nunit 0 d/web 10.0.0.1\n");
	put_node("n2", "", "True");
	ck_assert_str_eq(planned_with(late), PEERS "list\nplace n2 0\nplace n3 0\nunit 0 d/web 10.0.0.1\n");
}
END_TEST

START_TEST(adverts)
{
	put_node("n2", "\"rack\":\"b\"", "True");
	put(KUBE_ADVERTS, "sys/all",
	    "{\"metadata\":{\"name\":\"all\",\"namespace\":\"sys\",\"generation\":2},\"spec\":{\"interfaces\":["
	    "\"eth1\",\"eth0\"],"
	    "\"preferredNodeSelectors\":[{\"weight\":30,\"preference\":{\"matchLabels\":{\"rack\":\"b\"}}}]}}");
	put_service("web", "10.0.0.1", "");
	put_slice("web", "web-1", "n2", true);
	configure();
	ck_assert_str_eq(planned(), PEERS "list\nplace n1 0 eth0 eth1\nplace n2 30 eth0 eth1\nplace n3 0 eth0 eth1\n"
					  "unit 0 d/web 10.0.0.1\n");
}
END_TEST

/* Services that share an address are one unit; equal lists are one. */
START_TEST(shared)
{
	put_service("a", "10.0.0.1", "");
	put_service("b", "10.0.0.1", "");
	put_service("c", "10.0.0.2", "");
	put_slice("a", "a-1", "n1", true);
	put_slice("b", "b-1", "n1", true);
	put_slice("c", "c-1", "n1", true);
	ck_assert_str_eq(planned(), PEERS ALL "unit 0 d/a 10.0.0.1 d/b\nunit 0 d/c 10.0.0.2\n");
	kube_store_drop(&store, KUBE_SERVICES, "d/a");
	ck_assert_str_eq(planned(), PEERS ALL "unit 0 d/b 10.0.0.1\nunit 0 d/c 10.0.0.2\n");
}
END_TEST

START_TEST(not_ours)
{
	put_service("far", "10.9.9.9", ""); /* in no pool */
	put_service("class", "10.0.0.1", ",\"loadBalancerClass\":\"x/y\"");
	ck_assert_str_eq(planned(), PEERS);
	ck_assert_str_eq(planned_with((struct kube_plan_options){ .class = "x/y" }),
			 PEERS "list\nunit 0 d/class 10.0.0.1\n");
}
END_TEST

START_TEST(changes_that_matter)
{
	store.config_changed = store.plan_changed = false;
	put_node("n1", "", "True"); /* a heartbeat */
	put(KUBE_NAMESPACES, "d", "{\"metadata\":{\"name\":\"d\",\"annotations\":{\"x\":\"y\"}}}");
	ck_assert(!store.config_changed && !store.plan_changed);
	put_slice("web", "web-1", "n2", true);
	ck_assert(store.plan_changed);
	store.plan_changed = false;
	put_slice("web", "web-1", "n2", true);
	ck_assert(!store.plan_changed);
	put_node("n1", "\"a\":\"b\"", "True");
	ck_assert(store.config_changed);
}
END_TEST

/* What cannot be read refuses the configuration, and says what. */
START_TEST(unreadable)
{
	struct kube_refusals refusals = { 0 };
	struct kube_pools *none = NULL;

	put(KUBE_POOLS, "sys/bad",
	    "{\"metadata\":{\"name\":\"bad\",\"namespace\":\"sys\"},\"spec\":{\"addresses\":7}}");
	ck_assert_int_eq(kube_store_pools(&store, &none, &refusals), -EINVAL);
	ck_assert_uint_eq(refusals.n, 1);
	ck_assert_str_eq(refusals.items[0].name, "bad");
	kube_store_drop(&store, KUBE_POOLS, "sys/bad");
	configure();
}
END_TEST

/* --- the controller -------------------------------------------------------------------------------------------------------------- */

/* Run until nothing is left; each write is taken, and comes back. "name=ip " for each. */
static const char *run(void)
{
	size_t budget = 1000;
	struct kube_task task;
	struct kube_body body;
	char ip[IP_TEXT_MAX];

	text[0] = '\0';
	while (kube_manager_next(&manager, &store, &budget, &task)) {
		char key[KUBE_KEY_MAX], name[64];
		cJSON *tree;

		if (!task.patch.write)
			continue;
		kube_body_service(&body, task.service, &task.patch);
		ck_assert(!body.failed);
		tree = cJSON_Parse(body.text);
		ck_assert_ptr_nonnull(tree);
		cJSON_Delete(tree);
		snprintf(key, sizeof(key), "%s", task.entry->item.key);
		snprintf(name, sizeof(name), "%s", task.service->meta.name);
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s=%s ", name,
			 task.patch.address_n > 0 ? ip_format(task.patch.addresses[0], ip) : "none");
		put_service(name, task.patch.address_n > 0 ? ip : NULL, "");
		kube_manager_wrote(&manager, &store, key, KUBE_WRITTEN);
	}
	ck_assert_uint_gt(budget, 0);
	return text;
}

static void lead(void)
{
	ck_assert_int_eq(kube_manager_begin(&manager, &store, pools), 0);
}

/* Whoever has an address keeps it, whatever the order; then the others. */
START_TEST(rebuilds_first)
{
	put_service("a", NULL, "");
	put_service("z", "10.0.0.0", "");
	lead();
	ck_assert_str_eq(run(), "a=10.0.0.1 ");
	ck_assert_str_eq(run(), "");
	kube_manager_end(&manager, &store);
	lead();
	ck_assert_str_eq(run(), ""); /* another leader writes nothing that is there */
}
END_TEST

START_TEST(exhausted_and_given_back)
{
	static const char *const names[] = { "a", "b", "c", "d", "e" };

	for (size_t i = 0; i < 5; i++)
		put_service(names[i], NULL, "");
	lead();
	ck_assert_str_eq(run(), "a=10.0.0.0 b=10.0.0.1 c=10.0.0.2 d=10.0.0.3 ");
	kube_store_drop(&store, KUBE_SERVICES, "d/b");
	ck_assert_str_eq(run(), "e=10.0.0.1 ");
	ck_assert_ptr_null(kube_store_find(&store, KUBE_SERVICES, "d/b"));
}
END_TEST

/* A refused write waits for the version that the server has; one that is lost is tried again; the same is not said twice. */
START_TEST(refused_writes)
{
	size_t budget = 100;
	struct kube_task task;

	put_service("a", NULL, "");
	lead();
	ck_assert(kube_manager_next(&manager, &store, &budget, &task));
	ck_assert(task.patch.write && task.patch.event_n == 1);
	kube_manager_wrote(&manager, &store, "d/a", KUBE_OUTDATED);
	ck_assert(!kube_manager_next(&manager, &store, &budget, &task));
	ck_assert(kube_manager_sweep(&manager, &store));
	ck_assert(kube_manager_next(&manager, &store, &budget, &task));
	kube_manager_wrote(&manager, &store, "d/a", KUBE_OUTDATED);
	put_service("a", NULL, "");
	ck_assert(kube_manager_next(&manager, &store, &budget, &task));
	put_service("a", NULL, ""); /* news while the write is on its way */
	ck_assert(!kube_manager_next(&manager, &store, &budget, &task));
	kube_manager_wrote(&manager, &store, "d/a", KUBE_OUTDATED);
	ck_assert(kube_manager_next(&manager, &store, &budget, &task));
	kube_manager_wrote(&manager, &store, "d/a", KUBE_UNWRITTEN);
	ck_assert(kube_manager_next(&manager, &store, &budget, &task));
	ck_assert(task.patch.write && task.patch.event_n == 0);
}
END_TEST

/* Gone while its write is on its way: its address is free, and nothing is left of it. */
START_TEST(gone_while_written)
{
	size_t budget = 100;
	struct kube_task task;

	put_service("a", NULL, "");
	lead();
	ck_assert(kube_manager_next(&manager, &store, &budget, &task));
	kube_store_drop(&store, KUBE_SERVICES, "d/a");
	ck_assert(!kube_manager_next(&manager, &store, &budget, &task));
	kube_manager_wrote(&manager, &store, "d/a", KUBE_OUTDATED);
	(void)run();
	put_service("b", NULL, "");
	ck_assert_str_eq(run(), "b=10.0.0.0 ");
	ck_assert_ptr_null(kube_store_find(&store, KUBE_SERVICES, "d/a"));
}
END_TEST

/* Without a controller nothing piles up. */
START_TEST(idle)
{
	put_service("a", NULL, "");
	kube_store_drop(&store, KUBE_SERVICES, "d/a");
	ck_assert_uint_eq(store.queue_n, 0);
	ck_assert_uint_eq(store.tables[KUBE_SERVICES].n, 0);
}
END_TEST

/* --- bodies ------------------------------------------------------------------------------------------------------------------------ */

static cJSON *parsed(const struct kube_body *body)
{
	cJSON *tree = cJSON_Parse(body->text);

	ck_assert_msg(tree != NULL && !body->failed, "%s", body->text);
	return tree;
}

START_TEST(bodies)
{
	static const char *const interfaces[] = { "eth0", "eth1" };
	struct kube_about about = { "v1", "Service", "d", "we\"b", "u-1", false };
	struct alloc_counters counters = { 0, 0, 1, 2, 3, INT64_MAX };
	struct kube_body body;
	char name[32], other[32], long_name[300], once[1024];
	cJSON *tree;

	kube_body_event(&body, &about, true, "AllocationFailed", "a \"quote\", a \\ and a \n line", "n1",
			"2026-01-01T00:00:00Z");
	tree = parsed(&body);
	ck_assert_str_eq(cJSON_GetStringValue(cJSON_GetObjectItem(tree, "message")), "a \"quote\", a \\ and a \n line");
	cJSON_Delete(tree);
	/* one that comes once has a name that follows from what it is about */
	about.once = true;
	kube_body_event(&body, &about, true, "NotServed", "text", "n1", "2026-01-01T00:00:00Z");
	ck_assert_ptr_null(strstr(body.text, "generateName"));
	ck_assert_int_eq(strncmp(strstr(body.text, "\"name\":"), "\"name\":\"we\\\"b.", 14), 0);
	strcpy(once, body.text);
	kube_body_event(&body, &about, true, "NotServed", "text", "n2", "2026-01-01T00:00:00Z");
	ck_assert_int_eq(strncmp(once, body.text, (size_t)(strstr(once, "\"namespace\"") - once)), 0);
	about.uid = "u-2";
	kube_body_event(&body, &about, true, "NotServed", "text", "n2", "2026-01-01T00:00:00Z");
	ck_assert_int_ne(strncmp(once, body.text, (size_t)(strstr(once, "\"namespace\"") - once)), 0);
	kube_body_pool(&body, &counters);
	tree = parsed(&body);
	cJSON_Delete(tree);
	ck_assert_ptr_nonnull(strstr(body.text, "\"availableIPv6\":9223372036854775807"));
	kube_l2_name(name, "d/web", "n1");
	kube_l2_name(other, "d/web", "n2");
	ck_assert_str_ne(name, other);
	kube_body_l2_status(&body, name, "d/web", "n1", interfaces, 2);
	cJSON_Delete(parsed(&body));
	ck_assert_ptr_nonnull(strstr(body.text, "\"interfaces\":[{\"name\":\"eth0\"},{\"name\":\"eth1\"}]"));
	/* a name that no label may have */
	memset(long_name, 'x', sizeof(long_name));
	memcpy(long_name, "d/", 2);
	long_name[200] = '\0';
	kube_body_l2(&body, name, long_name, "n1");
	tree = parsed(&body);
	ck_assert_ptr_nonnull(strstr(body.text, "\"metallb.io/service-name\":\"\""));
	cJSON_Delete(tree);
	kube_body_state(&body, "speaker-n1", "speaker", "n1");
	cJSON_Delete(parsed(&body));
	kube_body_state_status(&body, "speaker-n1", "speaker", "pool \"x\"", "2026-01-01T00:00:00Z");
	cJSON_Delete(parsed(&body));
	ck_assert_ptr_nonnull(strstr(body.text, "\"result\":\"Invalid\""));
}
END_TEST

/* --- snapshots ---------------------------------------------------------------------------------------------------------------------- */

static int parse(const char *body, const char *hash)
{
	unsigned char bytes[16];
	char hex[33], *copy;
	struct snapshot *snapshot;
	int r;

	crypto_generichash(bytes, sizeof(bytes), (const unsigned char *)body, strlen(body), NULL, 0);
	sodium_bin2hex(hex, sizeof(hex), bytes, sizeof(bytes));
	ck_assert_int_gt(asprintf(&copy, "%send %s\n", body, hash == NULL ? hex : hash), 0);
	r = snapshot_parse(copy, strlen(copy), CLAIM_NONE, &snapshot);
	if (r == 0)
		snapshot_free(snapshot);
	return r;
}

#define HEAD "mlbd-plan 1\n"
#define LIST HEAD "list\nplace n1 0\n"

static const struct {
	const char *body;
	bool good;
} snapshots[] = {
	{ HEAD, true },
	{ LIST "unit 0 d/a 10.0.0.1\n", true },
	{ LIST "unit 0 d/a 10.0.0.1,fd00::1 d/b d/c\n", true },
	{ "", false },
	{ "mlbd-plan 2\n", false },
	{ HEAD "peer x\n", false },
	{ HEAD "peer 10.0.0.1 10.0.0.2\n", false },
	{ HEAD "place n1 0\n", false },				/* in no list */
	{ LIST "place n1 0\n", false },				/* twice */
	{ HEAD "list\nplace n1 -1\n", false },			/* no number */
	{ HEAD "list\nplace n1 0 a-name-too-long-x\n", false }, /* no interface */
	{ HEAD "unit 0 d/a 10.0.0.1\n", false },		/* no such list */
	{ LIST "unit 1 d/a 10.0.0.1\n", false },
	{ LIST "unit 0 d/a\n", false },
	{ LIST "unit 0 d/a 10.0.0.1,10.0.0.2,10.0.0.3\n", false },
	{ LIST "unit 0 d/b 10.0.0.1\nunit 0 d/a 10.0.0.2\n", false }, /* not in order */
	{ LIST "unit 0 d/a  10.0.0.1\n", false },
	{ LIST "nothing\n", false },
	{ LIST "\n", false },
};

START_TEST(snapshot_texts)
{
	ck_assert_int_eq(parse(snapshots[_i].body, NULL), snapshots[_i].good ? 0 : -EBADMSG);
	ck_assert_int_eq(parse(snapshots[_i].body, "00112233445566778899aabbccddeeff"), -EBADMSG);
}
END_TEST

START_TEST(snapshot_files)
{
	char path[] = "/tmp/test_kube_plan.XXXXXX";
	int fd = mkstemp(path);
	struct stat info;
	char *back;
	size_t len;

	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(snapshot_save(path, "hello\n", 6), 0);
	ck_assert_int_eq(stat(path, &info), 0);
	ck_assert_uint_eq(info.st_mode & 0777, 0600);
	ck_assert_int_eq(snapshot_load(path, &back, &len), 0);
	ck_assert_uint_eq(len, 6);
	ck_assert_str_eq(back, "hello\n");
	free(back);
	unlink(path);
	ck_assert_int_eq(snapshot_load(path, &back, &len), -ENOENT);
	ck_assert_int_eq(snapshot_load("/dev/null", &back, &len), -EBADMSG);
	ck_assert_int_eq(snapshot_save("/nowhere/at/all", "x", 1), -ENOENT);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kube_plan");
	TCase *tcase = tcase_create("kube_plan");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, cluster_policy);
	tcase_add_test(tcase, local_policy);
	tcase_add_test(tcase, nodes);
	tcase_add_test(tcase, adverts);
	tcase_add_test(tcase, shared);
	tcase_add_test(tcase, not_ours);
	tcase_add_test(tcase, changes_that_matter);
	tcase_add_test(tcase, unreadable);
	tcase_add_test(tcase, rebuilds_first);
	tcase_add_test(tcase, exhausted_and_given_back);
	tcase_add_test(tcase, refused_writes);
	tcase_add_test(tcase, gone_while_written);
	tcase_add_test(tcase, idle);
	tcase_add_test(tcase, bodies);
	tcase_add_loop_test(tcase, snapshot_texts, 0, sizeof(snapshots) / sizeof(snapshots[0]));
	tcase_add_test(tcase, snapshot_files);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
