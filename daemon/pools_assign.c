/* SPDX-License-Identifier: Apache-2.0 */
/* A round of the node that gives addresses: ledger_assign by this node's configuration, and what it says of it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/log.h"
#include "daemon/pools_internal.h"

/* "10.0.0.1,fd00::1" or "none". */
#define ADDRESSES_TEXT_MAX (2 * IP_TEXT_MAX)

static void addresses_text(const struct ledger_record *record, char out[ADDRESSES_TEXT_MAX])
{
	char text[IP_TEXT_MAX];
	const char *comma = "";

	strcpy(out, "");
	if (record != NULL && record->v4.family != IP_NONE) {
		strcat(out, ip_format(record->v4, text));
		comma = ",";
	}
	if (record != NULL && record->v6.family != IP_NONE) {
		strcat(out, comma);
		strcat(out, ip_format(record->v6, text));
	}
	if (out[0] == '\0')
		strcpy(out, "none");
}

static bool was_refused(const struct pools *p, uint64_t service, enum alloc_verdict verdict)
{
	for (size_t i = 0; i < p->former_refusal_n; i++) {
		if (p->former_refusals[i].service == service)
			return p->former_refusals[i].verdict == verdict;
	}
	return false;
}

static void note_refusal(struct pools *p, uint64_t service, enum alloc_verdict verdict)
{
	char name[SERVICE_NAME_MAX + 1];
	struct pools_refusal *all;
	struct event *event;

	if (p->refusal_n == p->refusal_cap) {
		all = realloc(p->refusals, (2 * p->refusal_cap + 16) * sizeof(*all));
		if (all == NULL)
			return;
		p->refusals = all;
		p->refusal_cap = 2 * p->refusal_cap + 16;
	}
	p->refusals[p->refusal_n++] = (struct pools_refusal){ service, verdict };
	if (was_refused(p, service, verdict))
		return;
	pools_name(p, service, name);
	log_warning("pools-refused service=%s reason=\"%s\"", name, alloc_verdict_text(verdict));
	event = event_ring_push(p->app->events, clock_wall_ms(), EVENT_CONFIG, "%s: no address: %s", name,
				alloc_verdict_text(verdict));
	event_field_add(event, "service", "%s", name);
}

static void on_note(void *arg, uint64_t service, const struct ledger_record *before, const struct ledger_record *after,
		    enum alloc_verdict verdict)
{
	char name[SERVICE_NAME_MAX + 1], from[ADDRESSES_TEXT_MAX], to[ADDRESSES_TEXT_MAX];
	struct pools *p = arg;
	struct event *event;

	if (verdict != ALLOC_OK) {
		note_refusal(p, service, verdict);
		return;
	}
	pools_name(p, service, name);
	addresses_text(before != NULL && before->given ? before : NULL, from);
	addresses_text(after, to);
	if (strcmp(from, to) == 0)
		return; /* it wants something else, and has it already */
	log_info("pools-given service=%s from=%s to=%s", name, from, to);
	event = event_ring_push(p->app->events, clock_wall_ms(), EVENT_CONFIG, "%s: addresses %s -> %s", name, from,
				to);
	event_field_add(event, "service", "%s", name);
	event_field_add(event, "from", "%s", from);
	event_field_add(event, "to", "%s", to);
}

static struct ledger_wish *wishes_of(const struct config *config, size_t *ret_n)
{
	struct ledger_wish *wishes = calloc(config->service_n + 1, sizeof(*wishes));

	*ret_n = 0;
	for (size_t i = 0; i < config->service_n && wishes != NULL; i++) {
		const struct config_service *service = &config->services[i];

		if (service->pooled)
			wishes[(*ret_n)++] = (struct ledger_wish){ service->name, service->pool, service->families };
	}
	return wishes;
}

static struct alloc_pool *pools_of_config(const struct config *config)
{
	struct alloc_pool *pools = calloc(config->pool_n + 1, sizeof(*pools));

	for (size_t i = 0; i < config->pool_n && pools != NULL; i++)
		pools[i] = config_alloc_pool(&config->pools[i]);
	return pools;
}

void pools_assign(struct pools *p)
{
	const struct config *config = p->app->config;
	struct ledger_rules rules = { .pool_n = config->pool_n, .taken = p->taken, .taken_n = p->taken_n };
	struct ledger_wish *wishes = wishes_of(config, &rules.wish_n);
	struct alloc_pool *pools = pools_of_config(config);
	int error = -ENOMEM;

	p->former_refusals = p->refusals;
	p->former_refusal_n = p->refusal_n;
	p->refusals = NULL;
	p->refusal_n = p->refusal_cap = 0;
	p->dirty = false;
	if (wishes != NULL && pools != NULL) {
		rules.wishes = wishes;
		rules.pools = pools;
		error = ledger_assign(p->ledger, &rules, on_note, p);
	}
	p->assigned_version = ledger_version(p->ledger);
	if (error != 0) {
		p->dirty = true;
		log_error("pools-round error=\"%s\" action=\"tried again\"", strerror(-error));
	}
	free(p->former_refusals);
	p->former_refusals = NULL;
	p->former_refusal_n = 0;
	free(wishes);
	free(pools);
}
