/* SPDX-License-Identifier: Apache-2.0 */
/* What the control API shows and does: the daemon's state as JSON documents (docs/API.md), and its commands. */
#include "daemon/app.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "daemon/checks.h"
#include "daemon/config_effective.h"
#include "daemon/conflicts.h"
#include "daemon/diagnose.h"
#include "daemon/explain.h"
#include "daemon/fencing.h"
#include "daemon/kubernetes.h"
#include "daemon/log.h"
#include "daemon/pools.h"

/* Wall-clock time of a monotonic instant, for people. */
static void add_time(cJSON *object, const char *key, struct instant at, struct instant now)
{
	char text[CLOCK_RFC3339_MAX];

	cJSON_AddStringToObject(object, key, clock_rfc3339(clock_wall_ms() - instant_since(now, at).us / 1000, text));
}

static void add_instance(cJSON *object, uint64_t instance)
{
	char text[20];

	snprintf(text, sizeof(text), "%016llx", (unsigned long long)instance);
	cJSON_AddStringToObject(object, "instance", text);
}

static void add_count(cJSON *object, const char *key, uint64_t count)
{
	cJSON_AddNumberToObject(object, key, (double)count);
}

static void add_member_counts(cJSON *status, const struct gossip *gossip)
{
	cJSON *members = cJSON_AddObjectToObject(status, "members");
	size_t counts[GOSSIP_LEFT + 1];

	gossip_member_counts(gossip, counts);
	for (enum gossip_state state = GOSSIP_ALIVE; state <= GOSSIP_LEFT; state++)
		add_count(members, gossip_state_name(state), counts[state]);
}

static void add_address_counts(cJSON *status, const struct election *election)
{
	cJSON *addresses = cJSON_AddObjectToObject(status, "addresses");
	size_t held, unowned;

	election_address_counts(election, &held, &unowned);
	add_count(addresses, "total", election_address_n(election));
	add_count(addresses, "held", held);
	add_count(addresses, "unowned", unowned);
}

static void add_traffic(cJSON *status, const struct app *app)
{
	cJSON *drops = cJSON_AddObjectToObject(status, "drops");
	cJSON *traffic = cJSON_AddObjectToObject(status, "traffic");
	cJSON *detection = cJSON_AddObjectToObject(status, "detection");
	struct gossip_stats stats;

	gossip_stats_get(node_gossip(app->node), &stats);
	for (enum gossip_drop drop = GOSSIP_DROP_NONE + 1; drop < GOSSIP_DROP_N; drop++)
		add_count(drops, gossip_drop_name(drop),
			  transport_stats_of(app->transport)->drops[drop] + stats.drops[drop]);
	add_count(traffic, "sentPackets", stats.sent_n);
	add_count(traffic, "sentBytes", stats.sent_bytes);
	add_count(traffic, "receivedPackets", stats.received_n);
	add_count(traffic, "sendErrors", transport_stats_of(app->transport)->send_errors);
	add_count(detection, "suspicions", stats.suspicions_n);
	add_count(detection, "verifications", stats.verifications_n);
	add_count(detection, "refutations", stats.refutations_n);
	add_count(detection, "amnesties", stats.amnesties_n);
}

static void add_fencing(cJSON *status, const struct app *app)
{
	cJSON *fencing = cJSON_AddObjectToObject(status, "fencing");
	struct fencing_status now;

	fencing_status_get(app, &now);
	cJSON_AddBoolToObject(fencing, "mayHold", now.right);
	cJSON_AddStringToObject(fencing, "gate", now.gate);
	add_count(fencing, "gateFlushes", now.gate_flushes);
	cJSON_AddNumberToObject(fencing, "gateAbsentUs", (double)now.gate_absent.us);
	if (now.guard != 0)
		cJSON_AddNumberToObject(fencing, "guardPid", now.guard);
	else
		cJSON_AddNullToObject(fencing, "guardPid");
}

static void add_kubernetes(cJSON *status, const struct app *app)
{
	struct kubernetes_view view;
	cJSON *kubernetes;

	if (!kubernetes_view(app, &view))
		return;
	kubernetes = cJSON_AddObjectToObject(status, "kubernetes");
	cJSON_AddBoolToObject(kubernetes, "fresh", view.fresh);
	cJSON_AddBoolToObject(kubernetes, "synced", view.synced);
	cJSON_AddBoolToObject(kubernetes, "configGood", view.config_good);
	cJSON_AddStringToObject(kubernetes, "leader", view.leader);
	add_count(kubernetes, "services", view.service_n);
	cJSON_AddStringToObject(kubernetes, "problem", view.why);
}

static cJSON *get_status(void *arg)
{
	const struct app *app = arg;
	struct instant now = clock_now();
	cJSON *status = cJSON_CreateObject();
	cJSON *loop;
	const char *state = "ready";
	char text[ENDPOINT_TEXT_MAX];

	if (!node_joined(app->node))
		state = "starting";
	else if (node_draining(app->node))
		state = "draining";
	cJSON_AddStringToObject(status, "version", MLB_VERSION);
	cJSON_AddStringToObject(status, "name", app->config->node.name);
	add_instance(status, gossip_instance(node_gossip(app->node)));
	cJSON_AddStringToObject(status, "state", state);
	cJSON_AddBoolToObject(status, "joined", node_joined(app->node));
	cJSON_AddStringToObject(status, "address", endpoint_format(app->endpoints[0], text));
	add_member_counts(status, node_gossip(app->node));
	add_address_counts(status, node_election(app->node));
	add_traffic(status, app);
	add_fencing(status, app);
	add_kubernetes(status, app);
	loop = cJSON_AddObjectToObject(status, "loop");
	add_count(loop, "latenessP99Us", (uint64_t)histogram_percentile(&app->lateness, 990).us);
	add_count(loop, "latenessMaxUs", (uint64_t)app->lateness.max.us);
	add_count(status, "uptimeSeconds", (uint64_t)(instant_since(now, app->started).us / 1000000));
	cJSON_AddStringToObject(status, "configFile", app->config->path);
	cJSON_AddNumberToObject(status, "pid", getpid());
	return status;
}

static void add_endpoints(cJSON *object, const struct gossip_member *member)
{
	char text[ENDPOINT_TEXT_MAX];
	cJSON *list;

	cJSON_AddStringToObject(object, "address", endpoint_format(member->endpoints[0], text));
	list = cJSON_AddArrayToObject(object, "addresses");
	for (size_t i = 0; i < member->endpoint_n; i++)
		cJSON_AddItemToArray(list, cJSON_CreateString(endpoint_format(member->endpoints[i], text)));
}

/* What heartbeats tell: known where we exchange them, that is between a node and its watchers. */
static void add_edge(cJSON *object, const struct gossip_member *member)
{
	bool known = member->watches_us || member->watched;

	cJSON_AddBoolToObject(object, "watches", member->watches_us);
	cJSON_AddBoolToObject(object, "watched", member->watched);
	cJSON_AddItemToObject(object, "lossIn",
			      known ? cJSON_CreateNumber(member->loss_in_ppm / 1e6) : cJSON_CreateNull());
	cJSON_AddItemToObject(object, "lossOut",
			      known ? cJSON_CreateNumber(member->loss_out_ppm / 1e6) : cJSON_CreateNull());
}

static cJSON *member_document(const struct gossip_member *member, struct instant now)
{
	cJSON *object = cJSON_CreateObject();
	cJSON *labels;
	struct meta meta;

	cJSON_AddStringToObject(object, "name", member->name);
	add_endpoints(object, member);
	cJSON_AddStringToObject(object, "state", gossip_state_name(member->state));
	cJSON_AddNumberToObject(object, "incarnation", member->incarnation);
	labels = cJSON_AddObjectToObject(object, "labels");
	if (meta_decode(member->meta, member->meta_len, &meta) == 0) {
		for (size_t i = 0; i < meta.labels.label_n; i++)
			cJSON_AddStringToObject(labels, meta.labels.labels[i].key, meta.labels.labels[i].value);
		cJSON_AddBoolToObject(object, "draining", meta.draining);
	}
	if (member->rtt.us >= 0)
		cJSON_AddNumberToObject(object, "rttUs", (double)member->rtt.us);
	else
		cJSON_AddNullToObject(object, "rttUs");
	add_edge(object, member);
	cJSON_AddNumberToObject(object, "health", member->health);
	add_time(object, "since", member->since, now);
	cJSON_AddBoolToObject(object, "self", member->self);
	add_instance(object, member->instance);
	return object;
}

static cJSON *get_members(void *arg)
{
	const struct app *app = arg;
	const struct gossip *gossip = node_gossip(app->node);
	struct instant now = clock_now();
	cJSON *list = cJSON_CreateArray();
	struct gossip_member member;

	for (size_t i = 0; i < gossip_member_n(gossip); i++) {
		gossip_member_at(gossip, i, &member);
		cJSON_AddItemToArray(list, member_document(&member, now));
	}
	return list;
}

static cJSON *address_document(const struct election_address *address, struct instant now)
{
	cJSON *object = cJSON_CreateObject();
	char text[IP_TEXT_MAX];

	cJSON_AddStringToObject(object, "ip", ip_format(address->ip, text));
	if (address->owner != NULL)
		cJSON_AddStringToObject(object, "owner", address->owner);
	else
		cJSON_AddNullToObject(object, "owner");
	cJSON_AddStringToObject(object, "state", address->state);
	add_count(object, "epoch", address->epoch);
	add_time(object, "since", address->since, now);
	if (address->iface != NULL)
		cJSON_AddStringToObject(object, "interface", address->iface);
	else
		cJSON_AddNullToObject(object, "interface");
	return object;
}

/* Of a service that this node checks. */
static void add_check(cJSON *object, const struct check *check, struct instant now)
{
	cJSON *to = cJSON_AddObjectToObject(object, "check");
	struct check_status status;

	check_status(check, &status);
	cJSON_AddStringToObject(to, "state", !status.decided ? "unknown" : status.passing ? "passing" : "failing");
	add_time(to, "since", status.since, now);
	cJSON_AddStringToObject(to, "output", status.text);
	add_count(to, "passed", status.passed_n);
	add_count(to, "failed", status.failed_n);
	add_count(to, "late", status.late_n);
	cJSON_AddNumberToObject(to, "tookMs", (double)status.took.us / 1000);
}

static cJSON *get_services(void *arg)
{
	const struct app *app = arg;
	const struct election *election = node_election(app->node);
	struct instant now = clock_now();
	cJSON *list = cJSON_CreateArray();
	cJSON *addresses = NULL;
	const char *service = NULL;
	struct election_address address;

	/* addresses come in order of service */
	for (size_t i = 0; i < election_address_n(election); i++) {
		election_address_at(election, i, &address);
		if (service == NULL || strcmp(service, address.service) != 0) {
			cJSON *object = cJSON_CreateObject();

			service = address.service;
			cJSON_AddStringToObject(object, "name", service);
			if (pools_of(app, service) != NULL)
				cJSON_AddStringToObject(object, "pool", pools_of(app, service));
			addresses = cJSON_AddArrayToObject(object, "addresses");
			if (checks_find(app, service) != NULL)
				add_check(object, checks_find(app, service), now);
			cJSON_AddItemToArray(list, object);
		}
		cJSON_AddItemToArray(addresses, address_document(&address, now));
	}
	pools_add_waiting(app, list);
	return list;
}

static cJSON *get_events(void *arg, uint64_t since)
{
	const struct app *app = arg;

	return event_ring_json(app->events, since);
}

static const char *text_of(const cJSON *body, const char *key)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(body, key);

	return cJSON_IsString(value) ? value->valuestring : NULL;
}

static int refuse(int code, char *error, size_t cap, const char *subject, const char *why)
{
	snprintf(error, cap, "%s: %s", subject, why);
	return code;
}

/* May every address of the service that this node holds move to the node? 200, or why not. */
static int check_handover(const struct app *app, const char *service, const char *node, char *error, size_t error_cap)
{
	const struct election *election = node_election(app->node);
	struct election_address address;
	bool known = false;
	bool held = false;

	for (size_t i = 0; i < election_address_n(election); i++) {
		election_address_at(election, i, &address);
		if (strcmp(address.service, service) != 0)
			continue;
		known = true;
		held = held || address.held;
		if (address.held && !election_is_candidate(election, address.ip, node))
			return refuse(409, error, error_cap, node,
				      "is no candidate: not alive, draining, or without a matching interface or label");
	}
	if (!known)
		return refuse(404, error, error_cap, service, "no such service");
	if (!held)
		return refuse(409, error, error_cap, service,
			      "is not held by this node: ask its owner (mlbctl services)");
	if (strcmp(node, app->config->node.name) == 0)
		return refuse(409, error, error_cap, service, "is here already");
	return 200;
}

/* Move every address of a service that this node holds to another node: all of them, or none. */
static int handover(struct app *app, const cJSON *body, char *error, size_t error_cap)
{
	const struct election *election = node_election(app->node);
	const char *service = text_of(body, "service");
	const char *node = text_of(body, "node");
	struct node_event event = { .kind = NODE_EVENT_HANDOVER, .now = clock_now() };
	struct election_address address;
	int code;

	if (service == NULL || node == NULL)
		return refuse(400, error, error_cap, "handover", "needs \"service\" and \"node\"");
	code = check_handover(app, service, node, error, error_cap);
	for (size_t i = 0; i < election_address_n(election) && code == 200; i++) {
		election_address_at(election, i, &address);
		if (strcmp(address.service, service) != 0 || !address.held)
			continue;
		event.handover.ip = address.ip;
		event.handover.node = node;
		app_node_event(app, &event);
	}
	return code;
}

/* A wish about keys; the tick publishes what has changed. */
static int command_keys(struct app *app, const char *verb, const cJSON *body, cJSON *reply, char *error,
			size_t error_cap)
{
	struct node_event tick = { .kind = NODE_EVENT_TICK, .now = clock_now() };
	int status = keyring_command(app->keyring, node_gossip(app->node), verb, body, reply, error, error_cap);

	app_node_event(app, &tick);
	return status;
}

/* Until the next reload whose configuration has a level, or the end of the daemon. */
static int set_log_level(struct app *app, const cJSON *body, char *error, size_t error_cap)
{
	const char *text = text_of(body, "level");
	enum log_level level;

	if (text == NULL || log_level_parse(text, &level) != 0)
		return refuse(400, error, error_cap, "level", "must be error, warning, info or debug");
	log_level_set(LOG_LEVEL_DEBUG); /* this line is always written */
	log_warning("log-level to=%s", text);
	log_level_set(level);
	(void)event_ring_push(app->events, clock_wall_ms(), EVENT_CONFIG, "log level: %s", text);
	return 200;
}

static int explain(const struct app *app, const char *service, cJSON *reply, char *error, size_t error_cap)
{
	const char *why = pools_why(app, service);

	if (why != NULL)
		return refuse(409, error, error_cap, service, why);
	return explain_service(node_election(app->node), service, reply, error, error_cap);
}

/* The file has paths of keys, never keys. */
static int config_document(const struct app *app, cJSON *reply)
{
	const struct config *config = app->config;
	char *effective = config_effective(config, app->first_config);
	int error = 0;

	if (config->text == NULL || effective == NULL || cJSON_AddStringToObject(reply, "file", config->path) == NULL ||
	    cJSON_AddStringToObject(reply, "text", config->text) == NULL ||
	    cJSON_AddStringToObject(reply, "effective", effective) == NULL)
		error = -ENOMEM;
	free(effective);
	return error;
}

static int run_command(void *arg, const char *verb, const cJSON *body, cJSON *reply, char *error, size_t error_cap)
{
	struct app *app = arg;
	struct node_event event = { .kind = NODE_EVENT_DRAIN, .now = clock_now() };

	if (strcmp(verb, "drain") == 0) {
		app_node_event(app, &event);
		return 200;
	}
	if (strcmp(verb, "undrain") == 0) {
		event.kind = NODE_EVENT_UNDRAIN;
		app_node_event(app, &event);
		return 200;
	}
	if (strcmp(verb, "rebalance") == 0) {
		event.kind = NODE_EVENT_REBALANCE;
		app_node_event(app, &event);
		return 200;
	}
	if (strcmp(verb, "reload") == 0)
		return app_reload(app, error, error_cap) == 0 ? 200 : 409;
	if (strcmp(verb, "log-level") == 0)
		return set_log_level(app, body, error, error_cap);
	if (strcmp(verb, "handover") == 0)
		return handover(app, body, error, error_cap);
	if (strcmp(verb, "services/explain") == 0)
		return explain(app, text_of(body, "service"), reply, error, error_cap);
	if (strcmp(verb, "services/add") == 0 || strcmp(verb, "services/remove") == 0)
		return pools_command(app, verb, body, error, error_cap);
	if (strcmp(verb, "config") == 0)
		return config_document(app, reply) == 0 ? 200 : refuse(500, error, error_cap, verb, "no memory");
	if (strcmp(verb, "conflicts") == 0) {
		conflicts_document(app, reply);
		return 200;
	}
	if (strcmp(verb, "diagnose") == 0)
		return diagnose_document(app, reply) == 0 ? 200 : refuse(500, error, error_cap, verb, "no memory");
	if (strcmp(verb, "keys") == 0 || strncmp(verb, "keys/", 5) == 0)
		return command_keys(app, verb, body, reply, error, error_cap);
	return refuse(404, error, error_cap, verb, "no such command");
}

struct control_handler app_control_handler(struct app *app)
{
	return (struct control_handler){ .status = get_status,
					 .members = get_members,
					 .services = get_services,
					 .events = get_events,
					 .command = run_command,
					 .arg = app };
}
