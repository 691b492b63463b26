/* SPDX-License-Identifier: Apache-2.0 */
/* `mlbctl service`, what `mlbctl services` shows of services that wait for an address, and the metrics of pools. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/config_value.h"
#include "daemon/log.h"
#include "daemon/metrics_text.h"
#include "daemon/pools_internal.h"

/* --- who waits, and for what --- */

static const char *refusal_of(const struct pools *p, uint64_t service)
{
	for (size_t i = 0; i < p->refusal_n; i++) {
		if (p->refusals[i].service == service)
			return alloc_verdict_text(p->refusals[i].verdict);
	}
	return NULL;
}

/* It is one that waits. */
static const char *why(const struct pools *p, uint64_t service)
{
	const struct ledger_record *record = ledger_find(p->ledger, service);
	const char *reason = "an address is being given";
	static char text[NODE_NAME_MAX + 80];

	if (p->giver == 0)
		return "no node with pools is a member yet";
	if (record != NULL && ledger_holds(p->ledger, record))
		return "its address is in no pool of this node, or another service here has it";
	if (pools_gives(p, &reason)) {
		const char *refusal = refusal_of(p, service);

		return refusal != NULL ? refusal : reason;
	}
	if (p->giver == gossip_instance(node_gossip(p->app->node)))
		return reason;
	snprintf(text, sizeof(text), "%s gives the addresses: its log and its mlbctl services say why not",
		 p->giver_name);
	return text;
}

const char *pools_why(const struct app *app, const char *service)
{
	const struct pools *p = app->pools;
	uint64_t number = ledger_service(service);
	const struct config_service *configured;
	const struct ledger_record *record;

	if (p == NULL || app->config->pool_n == 0 || pools_is_served(p, number))
		return NULL;
	configured = pools_configured(p, number);
	record = ledger_find(p->ledger, number);
	if (configured != NULL ? !configured->pooled : record == NULL || !record->added || record->removed)
		return NULL;
	return why(p, number);
}

typedef void waiting_fn(void *arg, const struct pools *p, const char *name, uint64_t service);

static void each_waiting(const struct pools *p, waiting_fn *say, void *arg)
{
	const struct config *config = p->app->config;
	char name[SERVICE_NAME_MAX + 1];

	for (size_t i = 0; i < config->service_n; i++) {
		uint64_t service = config->services[i].pooled ? ledger_service(config->services[i].name) : 0;

		if (service != 0 && !pools_is_served(p, service))
			say(arg, p, config->services[i].name, service);
	}
	for (size_t i = 0; i < ledger_n(p->ledger); i++) {
		const struct ledger_record *record = ledger_at(p->ledger, i);

		if (record->stamp != 0 && record->added && !record->removed && !pools_is_served(p, record->service) &&
		    pools_configured(p, record->service) == NULL)
			say(arg, p, pools_name(p, record->service, name), record->service);
	}
}

static void add_waiting(void *arg, const struct pools *p, const char *name, uint64_t service)
{
	cJSON *list = arg;
	cJSON *object = cJSON_CreateObject();

	cJSON_AddStringToObject(object, "name", name);
	cJSON_AddArrayToObject(object, "addresses");
	cJSON_AddStringToObject(object, "waiting", why(p, service));
	cJSON_AddItemToArray(list, object);
}

void pools_add_waiting(const struct app *app, cJSON *list)
{
	if (app->pools != NULL && app->config->pool_n > 0)
		each_waiting(app->pools, add_waiting, list);
}

/* --- commands --- */

struct request {
	struct pools *p;
	const cJSON *body;
	char *error;
	size_t error_cap;
};

__attribute__((format(printf, 3, 4))) static int refuse(const struct request *request, int status, const char *format,
							...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(request->error, request->error_cap, format, args);
	va_end(args);
	return status;
}

static const char *text_of(const struct request *request, const char *key)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(request->body, key));
}

static int read_families(const struct request *request, struct ledger_record *record)
{
	const char *text = text_of(request, "families");

	if (text == NULL)
		return 200;
	if (strcmp(text, "4") == 0)
		record->families = ALLOC_V4;
	else if (strcmp(text, "6") == 0)
		record->families = ALLOC_V6;
	else if (strcmp(text, "dual") == 0)
		record->families = ALLOC_DUAL;
	else
		return refuse(request, 400, "families: must be 4, 6 or dual");
	return 200;
}

static bool uses(const struct election_service *service, struct ip ip)
{
	for (size_t i = 0; i < service->address_n; i++) {
		if (ip_equal(service->addresses[i], ip))
			return true;
	}
	return false;
}

/* One address that is asked for: it must be in a pool that may be meant, and free as far as this node knows. */
static int read_address(const struct request *request, const char *pool, struct ledger_record *record)
{
	const struct app *app = request->p->app;
	const char *text = text_of(request, "address");
	const char *has;
	struct ip ip;

	if (text == NULL)
		return 200;
	if (ip_parse(text, &ip) != 0)
		return refuse(request, 400, "address: is no IP address");
	has = allocator_pool_of(request->p->allocator, &ip, 1);
	if (has == NULL)
		return refuse(request, 409, "%s: is in no pool", text);
	if (pool != NULL && strcmp(pool, has) != 0)
		return refuse(request, 409, "%s: is in the pool %s", text, has);
	for (size_t i = 0; i < app->service_n; i++) {
		if (uses(&app->services[i], ip))
			return refuse(request, 409, "%s: %s has it", text, app->services[i].name);
	}
	if (record->families != 0 && record->families != (ip.family == IP_V4 ? ALLOC_V4 : ALLOC_V6))
		return refuse(request, 400, "families: is not that of the address: leave it out");
	record->families = ip.family == IP_V4 ? ALLOC_V4 : ALLOC_V6;
	*(ip.family == IP_V4 ? &record->v4 : &record->v6) = ip;
	return 200;
}

static int check_name(const struct request *request, const char *name)
{
	const struct pools *p = request->p;
	const struct ledger_record *record = ledger_find(p->ledger, ledger_service(name));

	if (!config_name_is_good(name, LEDGER_NAME_MAX, "-_."))
		return refuse(request, 400, "name: must be 1 to %d letters, digits, '-', '_' and '.'", LEDGER_NAME_MAX);
	if (pools_configured(p, ledger_service(name)) != NULL)
		return refuse(request, 409, "%s: is in the configuration file", name);
	if (record != NULL && record->added && !record->removed)
		return refuse(request, 409, "%s: is there already", name);
	return 200;
}

/* Into the ledger; the node that gives addresses hears of it. `done`: what the log says. */
static int merge(const struct request *request, const char *name, const struct ledger_record *record, const char *done)
{
	const struct app *app = request->p->app;
	int error = ledger_merge(request->p->ledger, record);

	if (error >= 0 && record->added)
		error = ledger_name_set(request->p->ledger, record->service, name, strlen(name));
	if (error < 0)
		return refuse(request, 500, "%s: %s", name,
			      error == -ENOSPC ? "there are too many services with addresses of pools"
					       : strerror(-error));
	pools_kick(request->p);
	log_info("service-%s name=%s", done, name);
	(void)event_ring_push(app->events, clock_wall_ms(), EVENT_CONFIG, "%s: %s by command", name, done);
	return 200;
}

static int add(const struct request *request)
{
	const struct config *config = request->p->app->config;
	const char *name = text_of(request, "name");
	const char *pool = text_of(request, "pool");
	struct ledger_record record = { .service = ledger_service(name),
					.stamp = ledger_stamp(request->p->ledger),
					.pool = pool != NULL ? ledger_service(pool) : 0,
					.added = true };
	const char *problem;
	int status = check_name(request, name);

	if (status == 200)
		status = read_families(request, &record);
	if (status != 200)
		return status;
	if (text_of(request, "address") == NULL || pool != NULL) { /* an address may be of a pool without autoAssign */
		unsigned int families = record.families;

		problem = config_pool_problem(config, pool, &families);
		if (problem != NULL)
			return refuse(request, 409, "%s: %s", pool != NULL ? pool : "pool", problem);
		if (text_of(request, "address") == NULL)
			record.families = families;
	}
	status = read_address(request, pool, &record);
	return status == 200 ? merge(request, name, &record, "added") : status;
}

static int take_away(const struct request *request)
{
	const struct pools *p = request->p;
	const char *name = text_of(request, "name");
	const struct ledger_record *former = ledger_find(p->ledger, ledger_service(name));
	struct ledger_record record;

	if (pools_configured(p, ledger_service(name)) != NULL)
		return refuse(request, 409, "%s: is in the configuration file: remove it there, on all nodes", name);
	if (former == NULL || !former->added || former->removed)
		return refuse(request, 404, "%s: no such service was added", name);
	record = (struct ledger_record){ .service = former->service,
					 .stamp = ledger_stamp(p->ledger),
					 .pool = former->pool,
					 .families = former->families,
					 .removed = true };
	return merge(request, name, &record, "removed");
}

int pools_command(struct app *app, const char *verb, const cJSON *body, char *error, size_t error_cap)
{
	const struct request request = { app->pools, body, error, error_cap };

	if (app->config->pool_n == 0)
		return refuse(&request, 409, "the configuration has no pools");
	if (!node_joined(app->node))
		return refuse(&request, 409, "this node has not heard the cluster yet");
	return strcmp(verb, "services/add") == 0 ? add(&request) : take_away(&request);
}

/* --- metrics --- */

enum family { ADDRESSES, IN_USE, WAITING, FAMILY_N };

static const struct metric_family families[FAMILY_N] = {
	[ADDRESSES] = { "mlb_pool_addresses", METRIC_GAUGE, "Addresses of a pool of the configuration file." },
	[IN_USE] = { "mlb_pool_addresses_in_use", METRIC_GAUGE, "Those that services have." },
	[WAITING] = { "mlb_pool_services_waiting", METRIC_GAUGE, "Services that wait for an address of a pool." },
};

size_t pools_metric_family_n(void)
{
	return FAMILY_N;
}

const struct metric_family *pools_metric_family_at(size_t index)
{
	return index < FAMILY_N ? &families[index] : NULL;
}

/* Pools are in the order of their names. */
static size_t index_of(const struct allocator *allocator, const char *pool)
{
	size_t low = 0, high = allocator_pool_n(allocator);

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(allocator_pool_name(allocator, middle), pool) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Addresses of each pool that services of this node's view have. */
static void count_used(const struct pools *p, size_t used[CONFIG_POOL_MAX])
{
	for (size_t i = 0; i < p->view.n; i++) {
		const struct ip *addresses = p->view.entries[i].addresses;

		for (size_t j = 0; j < ALLOC_ADDRESS_MAX && addresses[j].family != IP_NONE; j++) {
			const char *pool = allocator_pool_of(p->allocator, &addresses[j], 1);

			if (pool != NULL)
				used[index_of(p->allocator, pool)]++;
		}
	}
}

static void count_waiting(void *arg, const struct pools *p, const char *name, uint64_t service)
{
	(void)p;
	(void)name;
	(void)service;
	++*(size_t *)arg;
}

void pools_metrics(void *arg, struct metrics_text *text)
{
	const struct pools *p = arg;
	size_t used[CONFIG_POOL_MAX] = { 0 }, waiting = 0;

	if (p->app->config->pool_n == 0)
		return;
	count_used(p, used);
	each_waiting(p, count_waiting, &waiting);
	metrics_family(text, &families[ADDRESSES]);
	for (size_t i = 0; i < allocator_pool_n(p->allocator); i++) {
		struct alloc_counters counters = allocator_counters(p->allocator, i);

		metrics_sample(text, families[ADDRESSES].name,
			       (double)counters.capacity_v4 + (double)counters.capacity_v6, "pool",
			       allocator_pool_name(p->allocator, i), NULL);
	}
	metrics_family(text, &families[IN_USE]);
	for (size_t i = 0; i < allocator_pool_n(p->allocator); i++)
		metrics_sample(text, families[IN_USE].name, (double)used[i], "pool",
			       allocator_pool_name(p->allocator, i), NULL);
	metrics_family(text, &families[WAITING]);
	metrics_sample(text, families[WAITING].name, (double)waiting, NULL);
}
