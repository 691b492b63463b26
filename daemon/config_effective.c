/* SPDX-License-Identifier: Apache-2.0 */
/* A tree of what is in force, and the tree as YAML in blocks: texts in double quotes, as JSON has them, which YAML reads alike. */
#include "daemon/config_effective.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPAN_TEXT_MAX 32

/* ---- the tree ---- */

static cJSON *section(cJSON *to, const char *key)
{
	return cJSON_AddObjectToObject(to, key);
}

static void add_text(cJSON *to, const char *key, const char *text)
{
	if (text != NULL)
		cJSON_AddStringToObject(to, key, text);
}

/* In the largest unit that has a whole number of them. */
static void add_span(cJSON *to, const char *key, struct span span)
{
	static const struct {
		const char *unit;
		int64_t us;
	} units[] = { { "h", 3600000000 }, { "m", 60000000 }, { "s", 1000000 }, { "ms", 1000 } };
	char text[SPAN_TEXT_MAX];
	size_t i = 0;

	while (i < sizeof(units) / sizeof(units[0]) - 1 && (span.us == 0 || span.us % units[i].us != 0))
		i++;
	snprintf(text, sizeof(text), "%" PRId64 "%s", span.us / units[i].us, units[i].unit);
	add_text(to, key, text);
}

static void add_texts(cJSON *to, const char *key, char *const *texts, size_t n)
{
	cJSON *list = n > 0 ? cJSON_AddArrayToObject(to, key) : NULL;

	for (size_t i = 0; i < n; i++)
		cJSON_AddItemToArray(list, cJSON_CreateString(texts[i]));
}

static const char *claim_name(enum claim_mode mode)
{
	static const char *const names[] = { "address", "route", "none" }; /* as in enum claim_mode */

	return names[mode];
}

static void add_node(cJSON *to, const struct config *now, const struct config *first)
{
	cJSON *node = section(to, "node");
	cJSON *labels = now->node.labels.label_n > 0 ? section(node, "labels") : NULL;

	add_text(node, "name", first->node.name);
	for (size_t i = 0; i < now->node.labels.label_n; i++)
		add_text(labels, now->node.labels.labels[i].key, now->node.labels.labels[i].value);
	cJSON_AddNumberToObject(node, "weight", now->node.weight);
}

static void add_timers(cJSON *to, const struct gossip_timers *timers)
{
	cJSON *list = section(to, "timers");

	add_span(list, "probeInterval", timers->probe_interval);
	add_span(list, "probeTimeout", timers->probe_timeout);
	add_span(list, "suspicion", timers->suspicion);
	add_span(list, "gossipInterval", timers->gossip_interval);
	add_span(list, "syncInterval", timers->sync_interval);
	add_span(list, "redialInterval", timers->redial_interval);
	add_span(list, "joinTimeout", timers->join_timeout);
	add_span(list, "beatInterval", timers->beat_interval);
	add_span(list, "silence", timers->silence);
	add_span(list, "verify", timers->verify);
	add_span(list, "reapAfter", timers->reap_after);
}

static void add_gossip(cJSON *to, const struct config *now, const struct config *first)
{
	static const char *const profiles[] = { "lan", "fast", "quiet", "wan" }; /* as in enum config_profile */
	cJSON *gossip = section(to, "gossip");
	cJSON *join = first->gossip.seed_n > 0 ? cJSON_AddArrayToObject(gossip, "join") : NULL;
	char text[ENDPOINT_TEXT_MAX];

	for (size_t i = 0; i < first->gossip.seed_n; i++)
		cJSON_AddItemToArray(join, cJSON_CreateString(endpoint_format(first->gossip.seeds[i], text)));
	add_texts(gossip, "bind", first->gossip.binds, first->gossip.bind_n);
	cJSON_AddNumberToObject(gossip, "port", first->gossip.port);
	add_text(gossip, "keyFile", now->gossip.key_file);
	if (now->gossip.insecure)
		cJSON_AddTrueToObject(gossip, "insecure");
	add_text(gossip, "profile", profiles[first->gossip.profile]);
	add_timers(gossip, &first->gossip.timers);
	cJSON_AddNumberToObject(gossip, "packetSize", (double)first->gossip.packet_len_max);
	if (first->gossip.witness == CONFIG_WITNESS_GATEWAY)
		add_text(gossip, "witness", "gateway");
	else if (first->gossip.witness == CONFIG_WITNESS_ADDRESS)
		add_text(gossip, "witness", ip_format(first->gossip.witness_ip, text));
}

static void add_selector(cJSON *to, const struct label_selector *selector)
{
	static const char *const operators[] = { "In", "NotIn", "Exists",
						 "DoesNotExist" }; /* as in enum label_operator */
	cJSON *list = selector->requirement_n > 0 ? cJSON_AddArrayToObject(to, "matchExpressions") : NULL;

	for (size_t i = 0; i < selector->requirement_n; i++) {
		const struct label_requirement *requirement = &selector->requirements[i];
		cJSON *item = cJSON_CreateObject();

		add_text(item, "key", requirement->key);
		add_text(item, "operator", operators[requirement->operator]);
		add_texts(item, "values", requirement->values, requirement->value_n);
		cJSON_AddItemToArray(list, item);
	}
}

static void add_check(cJSON *to, const struct check_config *check)
{
	cJSON *object = section(to, "check");
	char text[ENDPOINT_TEXT_MAX];
	cJSON *way, *status;

	switch (check->kind) {
	case CHECK_COMMAND:
		add_texts(object, "command", check->args, check->arg_n);
		add_text(object, "user", check->user);
		break;
	case CHECK_HTTP:
		way = section(object, "http");
		add_text(way, "url", check->http.url);
		if (check->http.ip.family != IP_NONE)
			add_text(way, "address", ip_format(check->http.ip, text));
		status = cJSON_AddArrayToObject(way, "status");
		cJSON_AddItemToArray(status, cJSON_CreateNumber(check->http.status_low));
		cJSON_AddItemToArray(status, cJSON_CreateNumber(check->http.status_high));
		cJSON_AddBoolToObject(way, "insecure", check->http.insecure);
		break;
	case CHECK_TCP:
		add_text(section(object, "tcp"), "address", endpoint_format(check->tcp, text));
		break;
	}
	add_span(object, "interval", check->timing.interval);
	add_span(object, "timeout", check->timing.timeout);
	cJSON_AddNumberToObject(object, "rise", check->timing.rise);
	cJSON_AddNumberToObject(object, "fall", check->timing.fall);
}

static void add_addresses(cJSON *to, const struct config_service *service)
{
	cJSON *list;
	char text[IP_TEXT_MAX];

	if (service->pooled) {
		add_text(to, "pool", service->pool);
		list = cJSON_AddArrayToObject(to, "ipFamilies");
		if ((service->families & ALLOC_V4) != 0)
			cJSON_AddItemToArray(list, cJSON_CreateString("IPv4"));
		if ((service->families & ALLOC_V6) != 0)
			cJSON_AddItemToArray(list, cJSON_CreateString("IPv6"));
		return;
	}
	list = cJSON_AddArrayToObject(to, "addresses");
	for (size_t i = 0; i < service->address_n; i++)
		cJSON_AddItemToArray(list, cJSON_CreateString(ip_format(service->addresses[i], text)));
}

static cJSON *service_tree(const struct config_service *service)
{
	cJSON *object = cJSON_CreateObject();
	cJSON *list;

	add_text(object, "name", service->name);
	add_addresses(object, service);
	add_texts(object, "interfaces", service->interfaces, service->interface_n);
	add_text(object, "claim", claim_name(service->mode));
	cJSON_AddNumberToObject(object, "priority", service->priority);
	list = service->selector_n > 0 ? cJSON_AddArrayToObject(object, "nodeSelectors") : NULL;
	for (size_t i = 0; i < service->selector_n; i++) {
		cJSON *selector = cJSON_CreateObject();

		add_selector(selector, &service->selectors[i]);
		cJSON_AddItemToArray(list, selector);
	}
	list = service->preference_n > 0 ? cJSON_AddArrayToObject(object, "preferences") : NULL;
	for (size_t i = 0; i < service->preference_n; i++) {
		cJSON *preference = cJSON_CreateObject();

		cJSON_AddNumberToObject(preference, "weight", service->preferences[i].weight);
		add_selector(preference, &service->preferences[i].selector);
		cJSON_AddItemToArray(list, preference);
	}
	add_text(object, "group", service->group);
	if (service->spread)
		cJSON_AddTrueToObject(object, "spread");
	add_text(object, "apart", service->apart);
	add_texts(object, "antiAffinity", service->avoids, service->avoid_n);
	if (service->check != NULL)
		add_check(object, service->check);
	return object;
}

static void add_pools(cJSON *to, const struct config *config)
{
	cJSON *list = config->pool_n > 0 ? cJSON_AddArrayToObject(to, "pools") : NULL;

	for (size_t i = 0; i < config->pool_n; i++) {
		const struct config_pool *pool = &config->pools[i];
		cJSON *object = cJSON_CreateObject();
		cJSON *ranges;

		add_text(object, "name", pool->name);
		ranges = cJSON_AddArrayToObject(object, "addresses");
		for (size_t j = 0; j < pool->cidr_n; j++) {
			char ip[IP_TEXT_MAX], text[IP_TEXT_MAX + 8];

			snprintf(text, sizeof(text), "%s/%u", ip_format(pool->cidrs[j].ip, ip),
				 pool->cidrs[j].prefix_len);
			cJSON_AddItemToArray(ranges, cJSON_CreateString(text));
		}
		cJSON_AddBoolToObject(object, "autoAssign", pool->auto_assign);
		cJSON_AddBoolToObject(object, "avoidBuggyIPs", pool->avoid_buggy_ips);
		cJSON_AddItemToArray(list, object);
	}
	add_text(to, "poolState", config->pool_state);
}

static void add_safety(cJSON *to, const struct config *now, const struct config *first)
{
	static const char *const gates[] = { "auto", "off", "required" }; /* as in enum config_gate */
	cJSON *placement = section(to, "placement");
	cJSON *fencing, *conflict;

	add_text(placement, "rebalance", now->placement.rebalance == REBALANCE_NEVER ? "never" : "onJoin");
	add_span(placement, "delay", now->placement.delay);
	cJSON_AddNumberToObject(placement, "rate", now->placement.rate);
	add_text(to, "partition", first->partition == PARTITION_SAFE ? "safe" : "available");
	fencing = section(to, "fencing");
	add_text(fencing, "gate", gates[first->fencing.gate]);
	cJSON_AddBoolToObject(fencing, "guard", first->fencing.guard);
	add_text(fencing, "guardSocket", first->fencing.guard_socket);
	add_span(fencing, "hang", first->fencing.hang);
	conflict = section(to, "conflict");
	add_text(conflict, "defend", conflict_defend_name(now->conflict.defend));
	cJSON_AddBoolToObject(conflict, "holdDown", first->conflict.hold_down);
	cJSON_AddBoolToObject(conflict, "probeBeforeFirstClaim", first->conflict.first_probe);
	add_span(conflict, "selfProbe", now->conflict.self_probe);
}

static void add_kubernetes(cJSON *to, const struct config_kubernetes *from)
{
	cJSON *kubernetes = from->on ? section(to, "kubernetes") : NULL;

	if (!from->on)
		return;
	add_text(kubernetes, "kubeconfig", from->kubeconfig);
	add_text(kubernetes, "context", from->context);
	add_text(kubernetes, "namespace", from->namespace);
	add_text(kubernetes, "loadBalancerClass", from->class);
	add_text(kubernetes, "claim", claim_name(from->claim));
	cJSON_AddBoolToObject(kubernetes, "ignoreExcludeLabel", from->ignore_exclude_label);
	if (from->unready.us > 0)
		add_span(kubernetes, "unreadyAfter", from->unready);
	add_text(kubernetes, "snapshot", from->snapshot);
}

static void add_process(cJSON *to, const struct config *now, const struct config *first)
{
	cJSON *control = section(to, "control");
	cJSON *process, *log;
	char text[ENDPOINT_TEXT_MAX];

	add_text(control, "socket", first->control.socket);
	if (now->control.listen_set)
		add_text(control, "listen", endpoint_format(now->control.listen, text));
	process = section(to, "process");
	cJSON_AddNumberToObject(process, "realtimePriority", first->process.realtime_priority);
	cJSON_AddBoolToObject(process, "lockMemory", first->process.lock_memory);
	log = section(to, "log");
	if (now->log.level_set)
		add_text(log, "level", log_level_name(now->log.level));
	add_text(log, "format", now->log.json ? "json" : "text");
}

static cJSON *tree_of(const struct config *now, const struct config *first)
{
	cJSON *tree = cJSON_CreateObject();
	cJSON *services;

	add_node(tree, now, first);
	add_gossip(tree, now, first);
	services = now->service_n > 0 ? cJSON_AddArrayToObject(tree, "services") : NULL;
	for (size_t i = 0; i < now->service_n; i++)
		cJSON_AddItemToArray(services, service_tree(&now->services[i]));
	add_pools(tree, now);
	add_safety(tree, now, first);
	add_kubernetes(tree, &first->kubernetes);
	add_process(tree, now, first);
	return tree;
}

/* ---- YAML ---- */

static bool is_plain(const cJSON *list)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, list)
	{
		if (cJSON_IsObject(item) || cJSON_IsArray(item))
			return false;
	}
	return true;
}

static void write_scalar(FILE *out, const cJSON *item)
{
	char *text = cJSON_PrintUnformatted(item);

	fputs(text != NULL ? text : "", out);
	free(text);
}

static void write_object(FILE *out, const cJSON *object, int indent, bool first_in_line);

static void write_list(FILE *out, const cJSON *list, int indent)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, list)
	{
		fprintf(out, "%*s- ", indent, "");
		write_object(out, item, indent + 2, true);
	}
}

static void write_object(FILE *out, const cJSON *object, int indent, bool first_in_line)
{
	const cJSON *item;

	if (object->child == NULL)
		fputs("{}\n", out);
	cJSON_ArrayForEach(item, object)
	{
		fprintf(out, "%*s%s:", first_in_line ? 0 : indent, "", item->string);
		first_in_line = false;
		if (cJSON_IsObject(item) && item->child != NULL) {
			fputc('\n', out);
			write_object(out, item, indent + 2, false);
		} else if (cJSON_IsArray(item) && !is_plain(item)) {
			fputc('\n', out);
			write_list(out, item, indent + 2);
		} else {
			fputc(' ', out);
			write_scalar(out, item);
			fputc('\n', out);
		}
	}
}

char *config_effective(const struct config *now, const struct config *first)
{
	cJSON *tree = tree_of(now, first);
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	bool failed = out == NULL || tree == NULL;

	if (!failed) {
		write_object(out, tree, 0, false);
		failed = ferror(out) != 0;
	}
	if (out != NULL && fclose(out) != 0)
		failed = true;
	cJSON_Delete(tree);
	if (!failed)
		return text;
	free(text);
	return NULL;
}
