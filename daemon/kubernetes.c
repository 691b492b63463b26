/* SPDX-License-Identifier: Apache-2.0 */
/* The agent: follows the API server's objects and makes of them what the election is given. */
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "daemon/kubernetes_internal.h"
#include "daemon/log.h"
#include "daemon/metrics.h"

/* Changes come in bursts: one plan for all that comes within this, or within ten times what a plan costs. */
#define PLAN_DELAY_MS 10
#define PLAN_COST_FACTOR 10
#define SAVE_DELAY_MS 1000
/* Gossip dials four peers a second at first: who is there has answered by then. */
#define MEET_S 3
/* A UUID has 36. */
#define UNSERVED_UID_MAX 64

const char *kubernetes_wall(char text[WALL_TEXT_MAX])
{
	time_t now = (time_t)(clock_wall_ms() / 1000);
	struct tm tm;

	if (gmtime_r(&now, &tm) == NULL || strftime(text, WALL_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		text[0] = '\0';
	return text;
}

struct call *call_new(struct kubernetes *k, const char *key)
{
	struct call *call = malloc(sizeof(*call) + strlen(key) + 1);

	if (call == NULL)
		return NULL;
	call->kubernetes = k;
	strcpy(call->key, key);
	call->next = k->calls;
	call->at = &k->calls;
	if (call->next != NULL)
		call->next->at = &call->next;
	k->calls = call;
	return call;
}

void call_free(struct call *call)
{
	if (call == NULL)
		return;
	*call->at = call->next;
	if (call->next != NULL)
		call->next->at = call->at;
	free(call);
}

/* Those that the client did not answer. */
static void free_calls(struct kubernetes *k)
{
	struct call *next;

	for (struct call *call = k->calls; call != NULL; call = next) {
		next = call->next;
		free(call);
	}
	k->calls = NULL;
}

/* ---- the plan ---- */

static uint64_t ms_of(struct span span)
{
	return span.us <= 0 ? 0 : (uint64_t)(span.us / 1000);
}

static void on_plan(uv_timer_t *timer);

static void plan_soon(struct kubernetes *k)
{
	uint64_t ms = PLAN_DELAY_MS + PLAN_COST_FACTOR * ms_of(k->plan_cost);

	if (!uv_is_active((uv_handle_t *)&k->plan_timer) || uv_timer_get_due_in(&k->plan_timer) > ms)
		uv_timer_start(&k->plan_timer, on_plan, ms, 0);
}

static bool all_synced(const struct kubernetes *k)
{
	for (size_t i = 0; i < KUBE_KIND_N; i++) {
		if (!k->followers[i].synced)
			return false;
	}
	return true;
}

/* Whom gossip is to meet. */
static void tell_seeds(struct kubernetes *k, const struct ip *peers, size_t n)
{
	const struct config *config = k->app->config;
	struct endpoint seeds[SEED_MAX];
	struct node_event event = { .kind = NODE_EVENT_SEEDS, .now = clock_now() };
	uint8_t family = k->app->endpoints[0].ip.family;
	size_t seed_n = config->gossip.seed_n;

	memcpy(seeds, config->gossip.seeds, seed_n * sizeof(seeds[0]));
	for (size_t i = 0; i < n && seed_n < SEED_MAX; i++) {
		if (peers[i].family == family)
			seeds[seed_n++] = (struct endpoint){ .ip = peers[i], .port = config->gossip.port };
	}
	event.seeds.endpoints = seeds;
	event.seeds.n = seed_n;
	app_node_event(k->app, &event);
	if (!k->seeds_told)
		k->apply_after = instant_add(event.now, span_s(MEET_S));
	k->seeds_told = true;
}

static void on_save(uv_timer_t *timer)
{
	struct kubernetes *k = timer->data;
	const char *path = k->config.snapshot;
	int error = snapshot_save(path, k->saving, k->saving_len);

	if (error != 0 && k->snapshot_errors++ == 0)
		log_warning("kubernetes-snapshot file=%s error=\"%s\" action=\"a restart without the API server will "
			    "not know the "
			    "services of now\"",
			    path, strerror(-error));
	free(k->saving);
	k->saving = NULL;
}

/* A copy, as the original is taken apart. */
static void save_later(struct kubernetes *k, const char *text, size_t len)
{
	char *copy = k->config.snapshot == NULL ? NULL : malloc(len);

	if (copy == NULL)
		return;
	memcpy(copy, text, len);
	free(k->saving);
	k->saving = copy;
	k->saving_len = len;
	if (!uv_is_active((uv_handle_t *)&k->save_timer))
		uv_timer_start(&k->save_timer, on_save, SAVE_DELAY_MS, 0);
}

/* The election gets it; the former one lives until it has. */
static int apply(struct kubernetes *k, struct snapshot *next)
{
	struct snapshot *former = k->snapshot;

	k->snapshot = next;
	if (app_apply_services(k->app) != 0) {
		k->snapshot = former;
		snapshot_free(next);
		return -ENOMEM;
	}
	snapshot_free(former);
	return 0;
}

/* Has gossip met those that there are? Who has gone on alone must not claim what others have. */
static bool has_met(const struct kubernetes *k)
{
	const struct gossip *gossip = node_gossip(k->app->node);
	struct gossip_member member;

	for (size_t i = 0; i < gossip_member_n(gossip); i++) {
		gossip_member_at(gossip, i, &member);
		if (member.state == GOSSIP_ALIVE && member.instance != gossip_instance(gossip))
			return true;
	}
	return instant_reached(k->apply_after, clock_now());
}

static void use_plan(struct kubernetes *k, const struct kube_plan *plan)
{
	struct snapshot *next = NULL;
	size_t len;
	char *text = snapshot_text(plan, &len);

	if (text == NULL)
		return;
	if (k->snapshot == NULL || k->from_disk ||
	    strncmp(text + len - 1 - strlen(k->snapshot->hash), k->snapshot->hash, strlen(k->snapshot->hash)) != 0) {
		tell_seeds(k, plan->peers, plan->peer_n);
		if (k->snapshot == NULL && node_joined(k->app->node) && !has_met(k)) {
			k->store.plan_changed = true;
			uv_timer_start(&k->plan_timer, on_plan, 100, 0);
			free(text);
			return;
		}
		save_later(k, text, len);
		if (snapshot_parse(text, len, k->config.claim, &next) != 0) {
			log_error("kubernetes-plan error=\"more than %d services, or names longer than %d\" "
				  "action=\"the former one stays\"",
				  SERVICE_MAX, SERVICE_NAME_MAX);
			return;
		}
		if (apply(k, next) == 0)
			log_debug("kubernetes-plan services=%zu nodes=%zu lists=%zu cost_us=%lld", next->service_n,
				  plan->peer_n, plan->list_n, (long long)k->plan_cost.us);
		k->from_disk = false;
		return;
	}
	free(text);
}

static void read_config(struct kubernetes *k)
{
	struct kube_refusals refusals = { 0 };
	struct kube_pools *pools = NULL;
	int r = kube_store_pools(&k->store, &pools, &refusals);

	k->store.config_changed = false;
	k->config_good = r == 0;
	k->problem[0] = '\0';
	if (r == 0) {
		kube_pools_free(k->pools);
		k->pools = pools;
		manager_configured(k);
	} else if (refusals.n > 0) {
		snprintf(k->problem, sizeof(k->problem), "%s %s: %s", refusals.items[0].kind, refusals.items[0].name,
			 refusals.items[0].text);
		log_error("kubernetes-config result=refused problems=%zu first=\"%s\" action=\"%s\"", refusals.n,
			  k->problem, k->pools != NULL ? "the last good one stays" : "nothing is announced");
	}
	report_config(k);
}

static void make_plan(struct kubernetes *k)
{
	const struct config_kubernetes *config = &k->config;
	struct kube_plan_options options = { config->ignore_exclude_label, config->class, config->unready };
	struct instant begun = clock_now();
	struct kube_plan *plan;

	if (k->store.config_changed)
		read_config(k);
	k->store.plan_changed = false;
	if (k->pools == NULL)
		return;
	plan = kube_plan_make(&k->store, k->pools, &options, begun);
	k->plan_cost = instant_since(clock_now(), begun);
	if (plan == NULL) {
		log_error("kubernetes-plan error=\"out of memory\" action=\"the former one stays\"");
		return;
	}
	if (plan->again.us != INSTANT_NEVER.us)
		uv_timer_start(&k->plan_timer, on_plan, ms_of(instant_since(plan->again, begun)) + 1, 0);
	use_plan(k, plan);
	kube_plan_free(plan);
}

static void on_plan(uv_timer_t *timer)
{
	struct kubernetes *k = timer->data;

	if (!all_synced(k) || k->stopping)
		return;
	make_plan(k);
	manager_wake(k);
}

static void changed(struct kubernetes *k)
{
	if (all_synced(k) && (k->store.plan_changed || k->store.config_changed))
		plan_soon(k);
}

/* ---- what is followed ---- */

static void on_begin(void *arg)
{
	(void)arg;
}

/* Most Services of a cluster are none of ours. */
static bool is_of_interest(const struct kube_service *service)
{
	return service->type == KUBE_LOAD_BALANCER || service->pool_given != NULL || service->ingress.n > 0;
}

static void on_object(void *arg, const char *key, const char *json, size_t len)
{
	struct follower *f = arg;
	struct kubernetes *k = f->kubernetes;
	cJSON *tree = cJSON_ParseWithLength(json, len);
	const struct kube_entry *entry;

	if (kube_store_put(&k->store, f->kind, key, tree, clock_now()) != 0)
		log_error("kubernetes-object key=%s error=\"out of memory\" action=\"left as it was\"", key);
	cJSON_Delete(tree);
	entry = kube_store_find(&k->store, f->kind, key);
	if (entry != NULL && entry->problem != NULL)
		log_warning("kubernetes-object key=%s error=\"%s\"", key, entry->problem->text);
	if (f->kind == KUBE_SERVICES && entry != NULL && entry->object != NULL && !is_of_interest(entry->object))
		kube_store_drop(&k->store, f->kind, key);
	changed(k);
}

static void on_deleted(void *arg, const char *key, const char *uid)
{
	struct follower *f = arg;

	(void)uid;
	kube_store_drop(&f->kubernetes->store, f->kind, key);
	changed(f->kubernetes);
}

static void on_end(void *arg)
{
	struct follower *f = arg;
	struct kubernetes *k = f->kubernetes;

	if (!f->synced) {
		f->synced = true;
		if (all_synced(k)) {
			log_info("kubernetes-synced services=%zu nodes=%zu pools=%zu advertisements=%zu",
				 k->store.tables[KUBE_SERVICES].n, k->store.tables[KUBE_NODES].n,
				 k->store.tables[KUBE_POOLS].n, k->store.tables[KUBE_ADVERTS].n);
			k->store.config_changed = true;
		}
	}
	changed(k);
}

static void on_stale(void *arg, const char *why)
{
	static const char *const names[KUBE_KIND_N] = { "services",   "endpointslices", "nodes",
							"namespaces", "ipaddresspools", "l2advertisements" };
	struct follower *f = arg;
	struct kubernetes *k = f->kubernetes;

	f->stale = why != NULL;
	if (why != NULL) {
		log_warning("kubernetes-stale kind=%s reason=\"%s\" action=\"what is known stays\"", names[f->kind],
			    why);
		return;
	}
	log_info("kubernetes-fresh kind=%s", names[f->kind]);
	for (size_t i = 0; i < KUBE_KIND_N; i++) {
		if (k->followers[i].stale)
			kube_watch_hurry(k->followers[i].watch);
	}
	if (f->kind == KUBE_SERVICES)
		report_again(k);
}

static int follow(struct kubernetes *k, enum kube_kind kind)
{
	static const struct kube_resource resources[KUBE_KIND_N] = {
		[KUBE_SERVICES] = { .group = "", .version = "v1", .plural = "services" },
		[KUBE_SLICES] = { .group = "discovery.k8s.io", .version = "v1", .plural = "endpointslices" },
		[KUBE_NODES] = { .group = "", .version = "v1", .plural = "nodes" },
		[KUBE_NAMESPACES] = { .group = "", .version = "v1", .plural = "namespaces", .metadata_only = true },
		[KUBE_POOLS] = { .group = "metallb.io", .version = "v1beta1", .plural = "ipaddresspools" },
		[KUBE_ADVERTS] = { .group = "metallb.io", .version = "v1beta1", .plural = "l2advertisements" },
	};
	struct follower *f = &k->followers[kind];
	struct reflector_sink sink = { on_begin, on_object, on_deleted, on_end, on_stale, f };
	struct kube_resource resource = resources[kind];

	*f = (struct follower){ .kubernetes = k, .kind = kind };
	if (kind == KUBE_POOLS || kind == KUBE_ADVERTS)
		resource.namespace = k->namespace;
	return kube_watch(k->client, &resource, &reflector_defaults, &sink, &f->watch);
}

/* ---- kinds of the BGP mode ---- */

/* key: "UID NAME". */
static void say_unserved(const struct unserved *u, const char *key)
{
	struct kube_about about = { .api_version = "metallb.io/v1beta1", .kind = u->kind, .once = true };
	char uid[UNSERVED_UID_MAX + 1];
	const char *blank = strchr(key, ' ');

	snprintf(uid, sizeof(uid), "%.*s", (int)(blank - key), key);
	about.namespace = u->kubernetes->namespace;
	about.name = blank + 1;
	about.uid = uid;
	report_event(u->kubernetes, &about, true, "NotServed",
		     "mlbd announces by layer 2 alone: this object has no effect");
}

void kubernetes_say_unserved(struct kubernetes *k)
{
	for (size_t i = 0; i < UNSERVED_N; i++) {
		struct kube_walk walk = { 0 };
		const struct kube_item *item;

		while ((item = kube_table_next(&k->unserved[i].objects, &walk)) != NULL)
			say_unserved(&k->unserved[i], item->key);
	}
}

static void unserved_key(char *out, size_t cap, const char *key, const char *uid)
{
	const char *slash = strchr(key, '/');

	snprintf(out, cap, "%.*s %s", UNSERVED_UID_MAX, uid != NULL ? uid : "", slash == NULL ? key : slash + 1);
}

static void on_unserved(void *arg, const char *key, const char *json, size_t len)
{
	struct unserved *u = arg;
	cJSON *tree = cJSON_ParseWithLength(json, len);
	const cJSON *metadata = cJSON_GetObjectItemCaseSensitive(tree, "metadata");
	char known[UNSERVED_UID_MAX + KNOWN_KEY_MAX + 2];

	unserved_key(known, sizeof(known), key,
		     cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(metadata, "uid")));
	cJSON_Delete(tree);
	if (!u->said)
		log_warning(
			"kubernetes-unserved kind=%s name=%s reason=\"BGP is not served by this version\" action=none",
			u->kind, strchr(known, ' ') + 1);
	u->said = true;
	if (kube_table_find(&u->objects, known) != NULL ||
	    kube_table_add(&u->objects, sizeof(struct kube_item), known) == NULL)
		return;
	if (u->kubernetes->leads)
		say_unserved(u, known);
}

static void on_unserved_gone(void *arg, const char *key, const char *uid)
{
	struct unserved *u = arg;
	char known[UNSERVED_UID_MAX + KNOWN_KEY_MAX + 2];
	struct kube_item *item;

	unserved_key(known, sizeof(known), key, uid);
	item = kube_table_find(&u->objects, known);
	if (item != NULL)
		kube_table_remove(&u->objects, item);
}

static void on_unserved_stale(void *arg, const char *why)
{
	(void)arg; /* that the kind is not installed is as good as no object */
	(void)why;
}

static void follow_unserved(struct kubernetes *k)
{
	static const struct {
		const char *kind, *plural, *version;
	} kinds[UNSERVED_N] = { { "BGPPeer", "bgppeers", "v1beta2" },
				{ "BGPAdvertisement", "bgpadvertisements", "v1beta1" },
				{ "BFDProfile", "bfdprofiles", "v1beta1" } };

	for (size_t i = 0; i < UNSERVED_N; i++) {
		struct kube_resource resource = { .group = "metallb.io", .metadata_only = true };
		struct unserved *u = &k->unserved[i];
		struct reflector_sink sink = {
			on_begin, on_unserved, on_unserved_gone, on_begin, on_unserved_stale, u
		};

		resource.version = kinds[i].version;
		resource.plural = kinds[i].plural;
		resource.namespace = k->namespace;
		*u = (struct unserved){ .kubernetes = k, .kind = kinds[i].kind };
		kube_table_init(&u->objects, k->unsaid.seed);
		if (kube_watch(k->client, &resource, &reflector_defaults, &sink, &u->watch) != 0)
			log_error("kubernetes-unserved kind=%s error=\"cannot be followed\"", u->kind);
	}
}

/* ---- begin and end ---- */

static void load_snapshot(struct kubernetes *k)
{
	const char *path = k->config.snapshot;
	struct snapshot *snapshot;
	char *text;
	size_t len;
	int error = path == NULL ? -ENOENT : snapshot_load(path, &text, &len);

	if (error == 0)
		error = snapshot_parse(text, len, k->config.claim, &snapshot);
	if (error != 0) {
		if (error != -ENOENT)
			log_warning("kubernetes-snapshot file=%s error=\"%s\" action=\"nothing is announced until the "
				    "API server "
				    "answers\"",
				    path, error == -EBADMSG ? "not a whole one" : strerror(-error));
		return;
	}
	log_info("kubernetes-snapshot file=%s services=%zu", path, snapshot->service_n);
	k->from_disk = true;
	tell_seeds(k, snapshot->peers, snapshot->peer_n);
	k->snapshot = snapshot; /* app_run hands it to the election with the configured services */
}

static int start(struct kubernetes *k, struct kube_config *access, struct kube_reason *why)
{
	const struct config_kubernetes *config = &k->config;
	struct kube_client_options options = { 0 };
	int error;

	k->namespace = strdup(config->namespace != NULL ? config->namespace : access->namespace);
	log_info("kubernetes server=%s from=%s namespace=%s", access->server, access->origin, k->namespace);
	error = kube_client_new(&k->app->loop, access, &options, &k->client, why);
	for (int kind = 0; error == 0 && kind < KUBE_KIND_N; kind++)
		error = follow(k, (enum kube_kind)kind);
	if (error == 0)
		error = manager_open(k);
	if (error == 0)
		follow_unserved(k);
	return error;
}

int kubernetes_open(struct app *app)
{
	const struct config_kubernetes *config = &app->config->kubernetes;
	struct kube_reason why = { "out of memory" };
	struct kube_config access;
	struct kubernetes *k;

	if (!config->on)
		return 0;
	curl_global_init(CURL_GLOBAL_DEFAULT);
	if (kube_config_load(config->kubeconfig, config->context, &access, &why) != 0) {
		log_error("kubernetes: %s", why.text);
		return 2;
	}
	k = calloc(1, sizeof(*k));
	if (k == NULL) {
		kube_config_free(&access);
		return 1;
	}
	app->kubernetes = k;
	k->app = app;
	strcpy(k->node, app->config->node.name);
	if (config_kubernetes_copy(config, &k->config) != 0) {
		kube_config_free(&access);
		log_error("kubernetes: out of memory");
		return 1;
	}
	kube_store_init(&k->store, clock_random_u64());
	kube_table_init(&k->unsaid, clock_random_u64());
	strcpy(k->state_said[0], "?");
	strcpy(k->state_said[1], "?");
	uv_timer_init(&app->loop, &k->plan_timer);
	uv_timer_init(&app->loop, &k->save_timer);
	uv_timer_init(&app->loop, &k->report_timer);
	k->plan_timer.data = k->save_timer.data = k->report_timer.data = k;
	if (start(k, &access, &why) != 0) {
		log_error("kubernetes: %s", why.text);
		return 1;
	}
	load_snapshot(k);
	return metrics_add_source(app, kubernetes_metrics, k) == 0 ? 0 : 1;
}

void kubernetes_close(struct app *app)
{
	struct kubernetes *k = app->kubernetes;

	if (k == NULL)
		return;
	app->kubernetes = NULL;
	if (k->saving != NULL)
		on_save(&k->save_timer);
	manager_close(k);
	kube_client_free(k->client);
	free_calls(k);
	kube_table_free(&k->unsaid, NULL);
	for (size_t i = 0; i < UNSERVED_N; i++)
		kube_table_free(&k->unserved[i].objects, NULL);
	uv_timer_stop(&k->report_timer);
	uv_close((uv_handle_t *)&k->report_timer, NULL);
	uv_timer_stop(&k->plan_timer);
	uv_timer_stop(&k->save_timer);
	uv_close((uv_handle_t *)&k->plan_timer, NULL);
	uv_close((uv_handle_t *)&k->save_timer, NULL);
	(void)uv_run(&app->loop, UV_RUN_NOWAIT); /* handles free themselves on the next turn */
	kube_store_free(&k->store);
	kube_pools_free(k->pools);
	snapshot_free(k->snapshot);
	free(k->namespace);
	config_kubernetes_free(&k->config);
	free(k);
	curl_global_cleanup();
}

const struct election_service *kubernetes_services(const struct app *app, size_t *ret_n)
{
	const struct kubernetes *k = app->kubernetes;

	*ret_n = k != NULL && k->snapshot != NULL ? k->snapshot->service_n : 0;
	return *ret_n > 0 ? k->snapshot->services : NULL;
}

bool kubernetes_view(const struct app *app, struct kubernetes_view *ret)
{
	const struct kubernetes *k = app->kubernetes;

	if (k == NULL)
		return false;
	*ret = (struct kubernetes_view){ .fresh = true,
					 .synced = all_synced(k),
					 .config_good = k->config_good,
					 .configured = k->pools != NULL,
					 .leads = k->leads,
					 .leader = k->elect == NULL ? "" : lease_holder(kube_elect_lease(k->elect)),
					 .why = k->problem,
					 .service_n = k->snapshot == NULL ? 0 : k->snapshot->service_n,
					 .writes = k->writes,
					 .write_errors = k->write_errors };
	for (size_t i = 0; i < KUBE_KIND_N; i++) {
		if (k->followers[i].stale || !k->followers[i].synced)
			ret->fresh = false;
		if (k->followers[i].stale)
			ret->why = kube_watch_reflector(k->followers[i].watch)->why;
	}
	return true;
}
