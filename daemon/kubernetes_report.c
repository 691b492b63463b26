/* SPDX-License-Identifier: Apache-2.0 */
/* What the cluster's users see of it: events, ServiceL2Status, ConfigurationState. Written on changes alone. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/kubernetes_internal.h"
#include "daemon/log.h"

#define REPORT_AGAIN_MS 1000
#define REPORT_DOUBLED_MAX 6

static void log_failure(const char *plural, const struct kube_answer *answer)
{
	log_warning("kubernetes-write object=%s status=%d error=\"%.200s\"", plural, answer->code,
		    answer->code == 0 ? answer->why : answer->body);
}

/* ---- events ---- */

static void on_event(void *arg, const struct kube_answer *answer)
{
	struct kubernetes *k = arg;

	/* 403: its namespace is about to end; 404: it has; 409: it is there already. An event that is lost is no harm. */
	if (answer->code != 201 && answer->code != 403 && answer->code != 404 && answer->code != 409)
		k->write_errors++;
}

void report_event(struct kubernetes *k, const struct kube_about *about, bool warning, const char *reason,
		  const char *message)
{
	struct kube_resource resource = { .group = "", .version = "v1", .plural = "events" };
	char now[WALL_TEXT_MAX];
	struct url_path path;

	resource.namespace = about->namespace;
	url_path_resource(&path, &resource);
	kube_body_event(&k->body, about, warning, reason, message, k->node, kubernetes_wall(now));
	if (kubernetes_write(k, KUBE_POST, url_path_text(&path), NULL, on_event, k) != 0)
		k->write_errors++;
}

/* ---- ServiceL2Status ---- */

/* Of an object that is applied. */
static void apply_path(struct url_path *path, const struct kubernetes *k, const char *plural, const char *name,
		       const char *subresource)
{
	struct kube_resource resource = { .group = "metallb.io", .version = "v1beta1", .plural = plural };

	resource.namespace = k->namespace;
	url_path_object(path, &resource, name, subresource);
	url_path_parameter(path, "fieldManager", KUBE_FIELD_MANAGER);
	url_path_parameter(path, "force", "true");
}

/* Put a name into a table of names. False: no memory. */
static bool remember(struct kube_table *names, const char *name)
{
	return kube_table_find(names, name) != NULL || kube_table_add(names, sizeof(struct kube_item), name) != NULL;
}

/* The call's key: "UNIT SERVICE". */
static struct call *new_call(struct kubernetes *k, const char *unit, const char *service)
{
	struct call *call;
	char *key;

	if (asprintf(&key, "%s %s", unit, service) < 0)
		return NULL;
	call = call_new(k, key);
	free(key);
	return call;
}

static void on_report(uv_timer_t *timer)
{
	struct kubernetes *k = timer->data;

	/* a server that does not answer is waited for: report_again comes with its first answer */
	if (!k->stopping && !k->followers[KUBE_SERVICES].stale)
		report_again(k);
}

/* Something could not be said: once more after a second, or up to a minute where that fails again. */
static void report_later(struct kubernetes *k)
{
	uint64_t ms = (uint64_t)REPORT_AGAIN_MS
		      << (k->report_failures < REPORT_DOUBLED_MAX ? k->report_failures : REPORT_DOUBLED_MAX);

	if (k->stopping || uv_is_active((uv_handle_t *)&k->report_timer))
		return;
	k->report_failures++;
	uv_timer_start(&k->report_timer, on_report, ms + clock_random_u64() % (ms / 2), 0);
}

static void failed(struct call *call)
{
	*strchr(call->key, ' ') = '\0';
	/* once more later; without memory it is one report less. What a dead node left, its next life finds as a leftover */
	if (call->key[0] == '\0')
		call->kubernetes->leftovers_asked = false;
	else
		(void)remember(&call->kubernetes->unsaid, call->key);
	report_later(call->kubernetes);
	call_free(call);
}

static void on_l2_status(void *arg, const struct kube_answer *answer)
{
	struct call *call = arg;

	if (answer->code == 200 || answer->code == 201 || answer->code == 404) {
		call->kubernetes->report_failures = 0;
		call_free(call);
		return;
	}
	log_failure("servicel2statuses", answer);
	call->kubernetes->write_errors++;
	failed(call);
}

/* The interface that the election chose; none where it is not ours any more. */
static size_t interfaces_of(const struct kubernetes *k, const char *unit, const char *ret[1])
{
	size_t at = snapshot_find(k->snapshot, unit);
	struct election_address address;

	if (at == SIZE_MAX ||
	    !election_address_find(node_election(k->app->node), k->snapshot->services[at].addresses[0], &address) ||
	    address.iface == NULL)
		return 0;
	ret[0] = address.iface;
	return 1;
}

static void on_l2(void *arg, const struct kube_answer *answer)
{
	struct call *call = arg;
	struct kubernetes *k = call->kubernetes;
	const char *interfaces[1];
	struct url_path path;
	char *service = strchr(call->key, ' ') + 1;
	char name[KUBE_L2_NAME_MAX + 1];
	size_t n;

	if (answer->code != 200 && answer->code != 201) {
		on_l2_status(arg, answer);
		return;
	}
	service[-1] = '\0';
	n = interfaces_of(k, call->key, interfaces);
	kube_l2_name(name, service, k->node);
	kube_body_l2_status(&k->body, name, service, k->node, interfaces, n);
	service[-1] = ' ';
	apply_path(&path, k, "servicel2statuses", name, "status");
	if (kubernetes_write(k, KUBE_PATCH, url_path_text(&path), KUBE_APPLY_PATCH, on_l2_status, call) != 0)
		failed(call);
}

static void write_l2(struct kubernetes *k, const char *unit, const char *service)
{
	struct call *call = new_call(k, unit, service);
	struct url_path path;
	char name[KUBE_L2_NAME_MAX + 1];

	if (call == NULL)
		return;
	kube_l2_name(name, service, k->node);
	kube_body_l2(&k->body, name, service, k->node);
	apply_path(&path, k, "servicel2statuses", name, NULL);
	if (kubernetes_write(k, KUBE_PATCH, url_path_text(&path), KUBE_APPLY_PATCH, on_l2, call) != 0)
		failed(call);
}

/* unit "": a leftover. */
static void delete_named(struct kubernetes *k, const char *unit, const char *name)
{
	struct kube_resource resource = { .group = "metallb.io", .version = "v1beta1", .plural = "servicel2statuses" };
	struct call *call = new_call(k, unit, name);
	struct url_path path;

	if (call == NULL)
		return;
	resource.namespace = k->namespace;
	url_path_object(&path, &resource, name, NULL);
	if (kubernetes_write(k, KUBE_DELETE, url_path_text(&path), NULL, on_l2_status, call) != 0)
		failed(call);
}

static void delete_l2(struct kubernetes *k, const char *unit, const char *service, const char *node)
{
	char name[KUBE_L2_NAME_MAX + 1];

	kube_l2_name(name, service, node);
	delete_named(k, unit, name);
}

/* ---- a change of owner ---- */

static void say_assigned(struct kubernetes *k, const char *service, const char *ip)
{
	const char *slash = strchr(service, '/');
	const struct kube_entry *entry = kube_store_find(&k->store, KUBE_SERVICES, service);
	struct kube_about about = { .api_version = "v1", .kind = "Service" };
	char namespace[254], message[NODE_NAME_MAX + IP_TEXT_MAX + 64];

	if (slash == NULL)
		return;
	snprintf(namespace, sizeof(namespace), "%.*s", (int)(slash - service), service);
	about.namespace = namespace;
	about.name = slash + 1;
	about.uid =
		entry == NULL || entry->object == NULL ? NULL : ((const struct kube_service *)entry->object)->meta.uid;
	snprintf(message, sizeof(message), "announcing %s from node \"%s\" with protocol \"layer2\"", ip, k->node);
	report_event(k, &about, false, "nodeAssigned", message);
}

/* What this node has to say about a unit as it is now; `from`: who had it before, NULL: not known. */
static void report_unit(struct kubernetes *k, size_t at, const char *from, bool ours, bool news)
{
	const struct snapshot_unit *unit = &k->snapshot->units[at];
	const char *name = k->snapshot->services[at].name;
	char ip[IP_TEXT_MAX];

	ip_format(k->snapshot->services[at].addresses[0], ip);
	for (size_t i = 0; i < unit->service_n; i++) {
		const char *service = unit->services[i];

		if (ours && news)
			say_assigned(k, service, ip);
		if (ours)
			write_l2(k, name, service);
		if (ours && from != NULL && strcmp(from, k->node) != 0)
			delete_l2(k, name, service, from); /* it may be dead */
		else if (!ours)
			delete_l2(k, name, service, k->node);
	}
}

void kubernetes_owner(struct app *app, const struct node_action *action)
{
	struct kubernetes *k = app->kubernetes;
	struct election_address address;
	bool from_us, to_us;
	size_t at;

	if (k == NULL || k->snapshot == NULL ||
	    !election_address_find(node_election(app->node), action->owner.ip, &address))
		return;
	at = snapshot_find(k->snapshot, address.service);
	/* its addresses move together: once for all */
	if (at == SIZE_MAX || !ip_equal(k->snapshot->services[at].addresses[0], action->owner.ip))
		return;
	from_us = strcmp(action->owner.from, k->node) == 0;
	to_us = strcmp(action->owner.to, k->node) == 0;
	if (to_us)
		report_unit(k, at, action->owner.from[0] == '\0' ? NULL : action->owner.from, true, true);
	else if (from_us && action->owner.to[0] != '\0')
		report_unit(k, at, NULL, false, true);
}

/* ---- leftovers of a former life ---- */

/* The names that this node's objects have now, into the empty table. False: no memory. */
static bool own_names(const struct kubernetes *k, struct kube_table *ret)
{
	char name[KUBE_L2_NAME_MAX + 1];

	for (size_t i = 0; k->snapshot != NULL && i < k->snapshot->service_n; i++) {
		struct election_address address;

		if (!election_address_find(node_election(k->app->node), k->snapshot->services[i].addresses[0],
					   &address) ||
		    !address.held)
			continue;
		for (size_t j = 0; j < k->snapshot->units[i].service_n; j++) {
			kube_l2_name(name, k->snapshot->units[i].services[j], k->node);
			if (!remember(ret, name))
				return false;
		}
	}
	return true;
}

static void delete_others(struct kubernetes *k, const cJSON *list, const struct kube_table *own)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(list, "items"))
	{
		const cJSON *metadata = cJSON_GetObjectItemCaseSensitive(item, "metadata");
		const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(metadata, "name"));

		if (name != NULL && kube_table_find(own, name) == NULL)
			delete_named(k, "", name);
	}
}

static void on_leftovers(void *arg, const struct kube_answer *answer)
{
	struct kubernetes *k = arg;
	cJSON *list = answer->code == 200 ? cJSON_ParseWithLength(answer->body, answer->len) : NULL;
	struct kube_table own;

	kube_table_init(&own, k->unsaid.seed);
	k->leftovers_asked = list != NULL && own_names(k, &own);
	if (!k->leftovers_asked)
		report_later(k);
	if (k->leftovers_asked)
		delete_others(k, list, &own);
	kube_table_free(&own, NULL);
	cJSON_Delete(list);
}

static void ask_leftovers(struct kubernetes *k)
{
	struct kube_resource resource = { .group = "metallb.io", .version = "v1beta1", .plural = "servicel2statuses" };
	struct url_path path;
	char selector[NODE_NAME_MAX + 32];

	if (k->leftovers_asked)
		return;
	snprintf(selector, sizeof(selector), "metallb.io/node=%s", k->node);
	resource.namespace = k->namespace;
	resource.label_selector = selector;
	url_path_resource(&path, &resource);
	url_path_selectors(&path, &resource);
	k->leftovers_asked = kubernetes_write(k, KUBE_GET, url_path_text(&path), NULL, on_leftovers, k) == 0;
}

void report_again(struct kubernetes *k)
{
	struct kube_table again = k->unsaid;
	struct kube_walk walk = { 0 };
	struct kube_item *unsaid;

	kube_table_init(&k->unsaid, again.seed);
	while ((unsaid = kube_table_next(&again, &walk)) != NULL) {
		size_t at = snapshot_find(k->snapshot, unsaid->key);
		struct election_address address;

		if (at != SIZE_MAX && election_address_find(node_election(k->app->node),
							    k->snapshot->services[at].addresses[0], &address))
			report_unit(k, at, NULL, address.held, false);
	}
	kube_table_free(&again, NULL);
	report_config(k);
}

/* ---- the configuration ---- */

/* 0: as speaker; 1: as controller. */
static const char *const components[2] = { "speaker", "controller" };

/* The call's key: its index. */
static void state_failed(struct call *call)
{
	strcpy(call->kubernetes->state_said[call->key[0] - '0'], "?");
	report_later(call->kubernetes);
	call_free(call);
}

static void on_state_status(void *arg, const struct kube_answer *answer)
{
	struct call *call = arg;

	if (answer->code != 200) {
		log_failure("configurationstates", answer);
		call->kubernetes->write_errors++;
		state_failed(call);
		return;
	}
	call->kubernetes->report_failures = 0;
	call_free(call);
}

static const char *state_name(const struct kubernetes *k, size_t i, char name[NODE_NAME_MAX + 16])
{
	snprintf(name, NODE_NAME_MAX + 16, i == 0 ? "speaker-%s" : "controller", k->node);
	return name;
}

static void on_state(void *arg, const struct kube_answer *answer)
{
	struct call *call = arg;
	struct kubernetes *k = call->kubernetes;
	size_t i = (size_t)(call->key[0] - '0');
	char name[NODE_NAME_MAX + 16], now[WALL_TEXT_MAX];
	struct url_path path;

	if (answer->code != 200 && answer->code != 201) {
		on_state_status(arg, answer);
		return;
	}
	kube_body_state_status(&k->body, state_name(k, i, name), components[i], k->state_said[i], kubernetes_wall(now));
	apply_path(&path, k, "configurationstates", name, "status");
	if (kubernetes_write(k, KUBE_PATCH, url_path_text(&path), KUBE_APPLY_PATCH, on_state_status, call) != 0)
		state_failed(call);
}

static void say_state(struct kubernetes *k, size_t i)
{
	char name[NODE_NAME_MAX + 16];
	struct url_path path;
	struct call *call;

	if (strcmp(k->state_said[i], k->problem) == 0)
		return;
	call = call_new(k, i == 0 ? "0" : "1");
	if (call == NULL)
		return;
	strcpy(k->state_said[i], k->problem);
	kube_body_state(&k->body, state_name(k, i, name), components[i], i == 0 ? k->node : NULL);
	apply_path(&path, k, "configurationstates", name, NULL);
	if (kubernetes_write(k, KUBE_PATCH, url_path_text(&path), KUBE_APPLY_PATCH, on_state, call) != 0)
		state_failed(call);
}

void report_config(struct kubernetes *k)
{
	if (k->stopping || (!k->config_good && k->problem[0] == '\0'))
		return;
	say_state(k, 0);
	if (k->leads)
		say_state(k, 1);
	ask_leftovers(k);
}
