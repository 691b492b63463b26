/* SPDX-License-Identifier: Apache-2.0 */
/* An election comes and goes: everything it will ever need is reserved here. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "election/internal.h"

void election_config_defaults(struct election_config *config)
{
	config->partition = PARTITION_AVAILABLE;
	config->right_grace = span_ms(500);
	config->regain_delay = span_ms(50);
	config->meeting = span_ms(500);
	config->path_ahead = span_ms(100);
	config->ask_interval = span_ms(5);
	config->claim_backoff = span_ms(300);
	config->handover_timeout = span_s(1);
	config->handover_linger = span_ms(10);
	config->failed_hold = span_s(5);
	config->isolation_grace = span_ms(300);
	config->majority_stable = span_s(3);
	config->rebalance = REBALANCE_NEVER;
	config->rebalance_delay = span_s(60);
	config->rebalance_rate = 10;
	config->hold_down = true;
	config->node_max = MEMBER_DEFAULT;
	config->address_max = ADDRESS_MAX;
}

struct election *election_new(const struct election_config *config, struct instant now)
{
	struct election *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return NULL;
	assert(config->node_max > 0 && config->address_max > 0);
	e->config = *config;
	e->now = now;
	e->wake = INSTANT_NEVER;
	e->ask_wake = INSTANT_NEVER;
	e->lease_until = now;
	e->path_until = now;
	e->right = true;
	e->right_since = now;
	e->right_at = INSTANT_NEVER;
	e->own_ask_at = INSTANT_NEVER;
	e->majority_since = INSTANT_NEVER;
	e->announce_at = SIZE_MAX;
	e->publish_at = SIZE_MAX;
	for (e->by_ip_len = 16; e->by_ip_len < 2 * config->address_max; e->by_ip_len *= 2)
		;
	for (e->by_instance_len = 16; e->by_instance_len < config->node_max; e->by_instance_len *= 2)
		;
	e->by_instance = calloc(e->by_instance_len, sizeof(*e->by_instance));
	e->placement = placement_new(e);
	e->nodes = calloc(config->node_max, sizeof(*e->nodes));
	e->addresses = calloc(config->address_max, sizeof(*e->addresses));
	e->by_ip = calloc(e->by_ip_len, sizeof(*e->by_ip));
	e->list = calloc(config->address_max, sizeof(*e->list));
	e->unfit_max = config->address_max + CHECK_MAX;
	for (e->unfit_heads_len = 16; e->unfit_heads_len < e->unfit_max; e->unfit_heads_len *= 2)
		;
	e->unfits = calloc(e->unfit_max, sizeof(*e->unfits));
	e->unfit_heads = calloc(e->unfit_heads_len, sizeof(*e->unfit_heads));
	if (e->nodes == NULL || e->addresses == NULL || e->by_ip == NULL || e->list == NULL || e->by_instance == NULL ||
	    e->placement == NULL || e->unfits == NULL || e->unfit_heads == NULL) {
		election_free(e);
		return NULL;
	}
	memset(e->by_ip, 0xff, e->by_ip_len * sizeof(*e->by_ip));
	fitness_init(e);
	memset(e->by_instance, 0xff, e->by_instance_len * sizeof(*e->by_instance));
	return e;
}

void election_free(struct election *e)
{
	if (e == NULL)
		return;
	free(e->nodes);
	free(e->addresses);
	free(e->by_ip);
	free(e->by_instance);
	placement_free(e->placement);
	free(e->list);
	free(e->unfits);
	free(e->unfit_heads);
	free(e);
}
