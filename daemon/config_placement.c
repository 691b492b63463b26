/* SPDX-License-Identifier: Apache-2.0 */
/* Where services are placed: node.weight, the section `placement`, and the keys of a service that say with and without whom. */
#include "daemon/config_value.h"

#include <stdlib.h>
#include <string.h>

/* A delay shorter than this meets nodes that are still starting. A rate above that is no pace. */
#define REBALANCE_DELAY_MIN_S 1
#define REBALANCE_DELAY_MAX_S 86400
#define REBALANCE_RATE_MAX 1000

#define REBALANCE_DELAY_DEFAULT_S 60
#define REBALANCE_RATE_DEFAULT 10

/* --- the section --------------------------------------------------------------------------------------------------- */

static void read_rebalance(struct config_reader *r, const struct config_node *node, void *target)
{
	const char *text = config_text(r, node);
	char quote[CONFIG_QUOTE_MAX];

	(void)target;
	if (text == NULL)
		return;
	if (strcmp(text, "never") == 0)
		r->config->placement.rebalance = REBALANCE_NEVER;
	else if (strcmp(text, "onJoin") == 0)
		r->config->placement.rebalance = REBALANCE_ON_JOIN;
	else
		config_fail(r, node, "%s must be never or onJoin", config_quote(text, quote));
}

static void read_delay(struct config_reader *r, const struct config_node *node, void *target)
{
	(void)target;
	config_span(r, node, span_s(REBALANCE_DELAY_MIN_S), span_s(REBALANCE_DELAY_MAX_S), &r->config->placement.delay);
}

static void read_rate(struct config_reader *r, const struct config_node *node, void *target)
{
	unsigned long rate = r->config->placement.rate;

	(void)target;
	config_number(r, node, 1, REBALANCE_RATE_MAX, &rate);
	r->config->placement.rate = (unsigned int)rate;
}

void config_default_placement(struct config *config)
{
	config->placement.rebalance = REBALANCE_NEVER;
	config->placement.delay = span_s(REBALANCE_DELAY_DEFAULT_S);
	config->placement.rate = REBALANCE_RATE_DEFAULT;
	config->node.weight = NODE_WEIGHT_DEFAULT;
}

void config_read_placement(struct config_reader *r, const struct config_node *node, void *target)
{
	static const struct config_key keys[] = {
		{ "rebalance", read_rebalance },
		{ "delay", read_delay },
		{ "rate", read_rate },
	};

	config_mapping(r, node, keys, sizeof(keys) / sizeof(keys[0]), target);
}

void config_read_node_weight(struct config_reader *r, const struct config_node *node, void *target)
{
	unsigned long weight = r->config->node.weight;

	(void)target;
	config_number(r, node, 1, NODE_WEIGHT_MAX, &weight);
	r->config->node.weight = (uint16_t)weight;
}

/* --- keys of a service --------------------------------------------------------------------------------------------- */

static void read_weight(struct config_reader *r, const struct config_node *node, void *target)
{
	struct election_preference *preference = target;
	unsigned long weight = 1;

	config_number(r, node, 1, PREFERENCE_WEIGHT_MAX, &weight);
	preference->weight = (unsigned int)weight;
}

static void read_labels(struct config_reader *r, const struct config_node *node, void *target)
{
	config_read_match_labels(r, node, &((struct election_preference *)target)->selector);
}

static void read_expressions(struct config_reader *r, const struct config_node *node, void *target)
{
	config_read_match_expressions(r, node, &((struct election_preference *)target)->selector);
}

static void read_preference(struct config_reader *r, const struct config_node *node,
			    struct election_preference *preference)
{
	static const struct config_key keys[] = {
		{ "weight", read_weight },
		{ "matchLabels", read_labels },
		{ "matchExpressions", read_expressions },
	};

	if (node->kind != CONFIG_MAPPING) {
		config_fail(r, node, "must be a mapping with weight and matchLabels or matchExpressions");
		return;
	}
	if (!config_selector_alloc(r, node, &preference->selector))
		return;
	config_mapping(r, node, keys, sizeof(keys) / sizeof(keys[0]), preference);
	if (config_node_child(node, "weight") == NULL)
		config_fail_missing(r, node, "weight", "is missing: 1 to %d", PREFERENCE_WEIGHT_MAX);
	if (config_node_child(node, "matchLabels") == NULL && config_node_child(node, "matchExpressions") == NULL)
		config_fail_missing(r, node, "matchLabels",
				    "is missing, and matchExpressions too: which nodes are preferred?");
}

static void read_preferences(struct config_reader *r, const struct config_node *list, void *target)
{
	struct config_service *service = target;

	if (!config_list(r, list, PREFERENCE_MAX))
		return;
	service->preferences = config_alloc(r, list, list->child_n, sizeof(*service->preferences));
	for (const struct config_node *node = list->first; node != NULL && service->preferences != NULL;
	     node = node->next)
		read_preference(r, node, &service->preferences[service->preference_n++]);
}

/* A name that services share; the caller owns it. */
static char *read_tag(struct config_reader *r, const struct config_node *node)
{
	char *tag = config_text_copy(r, node);
	char quote[CONFIG_QUOTE_MAX];

	if (tag != NULL && !config_name_is_good(tag, SERVICE_NAME_MAX, "-_./"))
		config_fail(r, node, "%s must be 1 to %d letters, digits, '-', '_', '.' and '/'",
			    config_quote(tag, quote), SERVICE_NAME_MAX);
	return tag;
}

static void read_group(struct config_reader *r, const struct config_node *node, void *target)
{
	((struct config_service *)target)->group = read_tag(r, node);
}

static void read_apart(struct config_reader *r, const struct config_node *node, void *target)
{
	((struct config_service *)target)->apart = read_tag(r, node);
}

static void read_spread(struct config_reader *r, const struct config_node *node, void *target)
{
	config_bool(r, node, &((struct config_service *)target)->spread);
}

static void read_avoids(struct config_reader *r, const struct config_node *list, void *target)
{
	struct config_service *service = target;

	if (!config_list(r, list, SERVICE_AVOID_MAX))
		return;
	service->avoids = config_alloc(r, list, list->child_n, sizeof(*service->avoids));
	for (const struct config_node *node = list->first; node != NULL && service->avoids != NULL; node = node->next) {
		char *name = config_text_copy(r, node);

		if (name != NULL)
			service->avoids[service->avoid_n++] = name;
	}
}

static const struct config_key placement_keys[] = {
	{ "preferences", read_preferences }, { "group", read_group },
	{ "spread", read_spread },	     { "apart", read_apart },
	{ "antiAffinity", read_avoids },
};

void config_read_service_placement(struct config_reader *r, const struct config_node *node,
				   struct config_service *service)
{
	for (size_t i = 0; i < sizeof(placement_keys) / sizeof(placement_keys[0]); i++) {
		if (strcmp(node->key, placement_keys[i].name) == 0)
			placement_keys[i].read(r, node, service);
	}
}

/* --- what services say of each other ------------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names of all services in order; the caller frees. */
static const char **sorted_names(struct config_reader *r, const struct config_node *list, size_t *ret_n)
{
	const char **names = config_alloc(r, list, r->config->service_n, sizeof(*names));
	size_t n = 0;

	for (size_t i = 0; i < r->config->service_n && names != NULL; i++) {
		if (r->config->services[i].name != NULL)
			names[n++] = r->config->services[i].name;
	}
	if (names != NULL)
		qsort(names, n, sizeof(*names), compare_names);
	*ret_n = n;
	return names;
}

static void check_avoids(struct config_reader *r, const struct config_node *list, const char *own, const char **names,
			 size_t n)
{
	for (const struct config_node *node = list->first; node != NULL; node = node->next) {
		const char *name = node->kind == CONFIG_SCALAR ? node->text : NULL;
		char quote[CONFIG_QUOTE_MAX];

		if (name == NULL)
			continue; /* an error already */
		if (own != NULL && strcmp(name, own) == 0)
			config_fail(r, node, "%s is the service itself: name others", config_quote(name, quote));
		else if (bsearch(&name, names, n, sizeof(*names), compare_names) == NULL)
			config_fail(r, node, "%s is no service in this file", config_quote(name, quote));
	}
}

void config_check_placement(struct config_reader *r, const struct config_node *list)
{
	size_t n;
	const char **names = sorted_names(r, list, &n);
	size_t i = 0;

	for (const struct config_node *node = list->first; node != NULL && names != NULL; node = node->next, i++) {
		const struct config_service *service = &r->config->services[i];
		const struct config_node *avoids = config_node_child(node, "antiAffinity");

		if (avoids != NULL)
			check_avoids(r, avoids, service->name, names, n);
		if (service->spread && service->group != NULL)
			config_fail(r, config_node_child(node, "spread"),
				    "parts the addresses of a service, and a group keeps them together: remove one");
	}
	free(names);
}

void config_service_placement_free(struct config_service *service)
{
	for (size_t i = 0; i < service->preference_n; i++)
		config_selector_free(&service->preferences[i].selector);
	for (size_t i = 0; i < service->avoid_n; i++)
		free(service->avoids[i]);
	free(service->preferences);
	free(service->avoids);
	free(service->group);
	free(service->apart);
}
