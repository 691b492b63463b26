/* SPDX-License-Identifier: Apache-2.0 */
/* The section `services`: addresses, where they may go and what may not be there twice. */
#include "daemon/config_value.h"

#include <stdlib.h>
#include <string.h>

/* Requirements of one selector by either way, and values of one requirement: more than anyone has labels for. */
#define SELECTOR_REQUIREMENT_MAX 16
#define SELECTOR_VALUE_MAX 64

/* Where a name or an address was seen first; sorted to find the second one. */
struct seen {
	const char *name; /* borrowed; NULL for an address */
	struct ip ip;
	const struct config_node *node;
	size_t order; /* in the file */
};

struct services {
	struct seen *names; /* owned, room for every node of the tree */
	size_t name_n;
	struct seen *addresses; /* owned, likewise */
	size_t address_n;
};

/* The service that is being read. */
struct service_target {
	struct services *all;
	struct config_service *service;
};

static void read_name(struct config_reader *r, const struct config_node *node, void *target)
{
	struct service_target *t = target;
	char quote[CONFIG_QUOTE_MAX];
	char *name = config_text_copy(r, node);

	if (name == NULL)
		return;
	t->service->name = name;
	if (!config_name_is_good(name, SERVICE_NAME_MAX, "-_./")) {
		config_fail(r, node, "%s must be 1 to %d letters, digits, '-', '_', '.' and '/'",
			    config_quote(name, quote), SERVICE_NAME_MAX);
		return;
	}
	t->all->names[t->all->name_n] = (struct seen){ .name = name, .node = node, .order = t->all->name_n };
	t->all->name_n++;
}

/* What is wrong with a service address, or NULL. */
static const char *address_problem(const char *text, struct ip *ret)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (strchr(text, '/') != NULL)
		return "is a range, and a service has single addresses: leave out the prefix length";
	if (ip_parse(text, ret) != 0)
		return "is not an IPv4 or IPv6 address";
	if (ip_is_special(*ret))
		return "is a loopback, multicast, broadcast or unspecified address, which no service can have";
	if (ip_is_link_local(*ret))
		return "is a link-local address, which clients beyond the link cannot reach: use another one";
	if (ret->family == IP_V6 && memcmp(ret->bytes, mapped, sizeof(mapped)) == 0)
		return "is an IPv4 address written as IPv6 (RFC 4291 2.5.5.2): write it as IPv4";
	return NULL;
}

static void read_address(struct config_reader *r, const struct config_node *node, struct service_target *t)
{
	const char *text = config_text(r, node);
	char quote[CONFIG_QUOTE_MAX];
	const char *problem;
	struct ip ip;

	if (text == NULL)
		return;
	problem = address_problem(text, &ip);
	if (problem != NULL) {
		config_fail(r, node, "%s %s", config_quote(text, quote), problem);
		return;
	}
	t->service->addresses[t->service->address_n++] = ip;
	t->all->addresses[t->all->address_n] = (struct seen){ .ip = ip, .node = node, .order = t->all->address_n };
	t->all->address_n++;
}

static void read_addresses(struct config_reader *r, const struct config_node *list, void *target)
{
	struct service_target *t = target;

	if (!config_list(r, list, SERVICE_ADDRESS_MAX))
		return;
	if (list->child_n == 0) {
		config_fail(r, list, "is empty: a service needs at least one address");
		return;
	}
	t->service->addresses = config_alloc(r, list, list->child_n, sizeof(*t->service->addresses));
	for (const struct config_node *node = list->first; node != NULL && t->service->addresses != NULL;
	     node = node->next)
		read_address(r, node, t);
}

static void read_interface(struct config_reader *r, const struct config_node *node, struct config_service *service)
{
	char *name = config_text_copy(r, node);
	char quote[CONFIG_QUOTE_MAX];

	if (name == NULL)
		return;
	service->interfaces[service->interface_n++] = name;
	config_quote(name, quote);
	if (!config_iface_is_good(name))
		config_fail(r, node, "%s cannot be an interface: 1 to %d bytes, without blank, '/' and ':'", quote,
			    IFACE_NAME_MAX);
	for (size_t i = 0; i + 1 < service->interface_n; i++) {
		if (strcmp(service->interfaces[i], name) == 0) {
			config_fail(r, node, "%s is in the list already: keep one", quote);
			return;
		}
	}
}

static void read_interfaces(struct config_reader *r, const struct config_node *list, void *target)
{
	struct config_service *service = ((struct service_target *)target)->service;

	if (!config_list(r, list, SERVICE_INTERFACE_MAX))
		return;
	service->interfaces = config_alloc(r, list, list->child_n, sizeof(*service->interfaces));
	for (const struct config_node *node = list->first; node != NULL && service->interfaces != NULL;
	     node = node->next)
		read_interface(r, node, service);
}

void config_claim(struct config_reader *r, const struct config_node *node, enum claim_mode *ret)
{
	static const char *const names[] = { "address", "route", "none" }; /* as in enum claim_mode */
	const char *text = config_text(r, node);
	char quote[CONFIG_QUOTE_MAX];

	for (size_t i = 0; text != NULL && i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(text, names[i]) == 0) {
			*ret = (enum claim_mode)i;
			return;
		}
	}
	if (text != NULL)
		config_fail(r, node, "%s must be address, route or none", config_quote(text, quote));
}

static void read_claim(struct config_reader *r, const struct config_node *node, void *target)
{
	config_claim(r, node, &((struct service_target *)target)->service->mode);
}

static void read_priority(struct config_reader *r, const struct config_node *node, void *target)
{
	struct config_service *service = ((struct service_target *)target)->service;
	unsigned long priority = 0;

	config_number(r, node, 0, SERVICE_PRIORITY_MAX, &priority);
	service->priority = (unsigned int)priority;
}

/* A requirement at the end of a selector that has room for it. */
static struct label_requirement *add_requirement(struct label_selector *selector)
{
	return &selector->requirements[selector->requirement_n++];
}

static void read_match_label(struct config_reader *r, const struct config_node *node, void *target)
{
	struct label_requirement *requirement = add_requirement(target);
	const char *value = config_text(r, node);
	const char *problem = config_label_key_problem(node->key);

	if (problem != NULL)
		config_fail(r, node, "%s", problem);
	problem = value != NULL ? config_label_value_problem(value) : NULL;
	if (problem != NULL)
		config_fail(r, node, "%s", problem);
	if (value == NULL)
		return;
	requirement->operator= LABEL_IN;
	requirement->key = config_alloc(r, node, strlen(node->key) + 1, 1);
	requirement->values = config_alloc(r, node, 1, sizeof(*requirement->values));
	if (requirement->key == NULL || requirement->values == NULL)
		return;
	strcpy(requirement->key, node->key);
	requirement->values[0] = config_alloc(r, node, strlen(value) + 1, 1);
	if (requirement->values[0] == NULL)
		return;
	strcpy(requirement->values[0], value);
	requirement->value_n = 1;
}

static void read_expression_key(struct config_reader *r, const struct config_node *node, void *target)
{
	struct label_requirement *requirement = target;
	const char *problem;

	requirement->key = config_text_copy(r, node);
	problem = requirement->key != NULL ? config_label_key_problem(requirement->key) : NULL;
	if (problem != NULL)
		config_fail(r, node, "%s", problem);
}

static void read_expression_operator(struct config_reader *r, const struct config_node *node, void *target)
{
	static const char *const names[] = { "In", "NotIn", "Exists", "DoesNotExist" }; /* as in enum label_operator */
	struct label_requirement *requirement = target;
	const char *text = config_text(r, node);
	char quote[CONFIG_QUOTE_MAX];

	for (size_t i = 0; text != NULL && i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(text, names[i]) == 0) {
			requirement->operator=(enum label_operator) i;
			return;
		}
	}
	if (text != NULL)
		config_fail(r, node, "%s must be In, NotIn, Exists or DoesNotExist", config_quote(text, quote));
}

static void read_expression_values(struct config_reader *r, const struct config_node *list, void *target)
{
	struct label_requirement *requirement = target;

	if (!config_list(r, list, SELECTOR_VALUE_MAX))
		return;
	requirement->values = config_alloc(r, list, list->child_n, sizeof(*requirement->values));
	if (requirement->values == NULL)
		return;
	for (const struct config_node *node = list->first; node != NULL; node = node->next) {
		const char *text = config_text(r, node);
		char *value = text != NULL ? config_alloc(r, node, strlen(text) + 1, 1) : NULL;

		if (value == NULL)
			continue;
		requirement->values[requirement->value_n++] = strcpy(value, text);
		if (config_label_value_problem(text) != NULL)
			config_fail(r, node, "%s", config_label_value_problem(text));
	}
}

static const struct config_key expression_keys[] = {
	{ "key", read_expression_key },
	{ "operator", read_expression_operator },
	{ "values", read_expression_values },
};

static void read_expression(struct config_reader *r, const struct config_node *node, struct label_selector *selector)
{
	struct label_requirement *requirement = add_requirement(selector);
	const struct config_node *values = config_node_child(node, "values");
	size_t value_n = values != NULL ? values->child_n : 0;
	bool wants_values;

	config_mapping(r, node, expression_keys, sizeof(expression_keys) / sizeof(expression_keys[0]), requirement);
	if (config_node_child(node, "key") == NULL)
		config_fail_missing(r, node, "key", "is missing");
	if (config_node_child(node, "operator") == NULL) {
		config_fail_missing(r, node, "operator", "is missing: In, NotIn, Exists or DoesNotExist");
		return;
	}
	wants_values = requirement->operator== LABEL_IN || requirement->operator== LABEL_NOT_IN;
	if (wants_values && value_n == 0)
		config_fail_missing(r, node, "values", "In and NotIn need at least one value");
	else if (!wants_values && value_n > 0)
		config_fail(r, values, "Exists and DoesNotExist take no values: remove them");
}

void config_read_match_labels(struct config_reader *r, const struct config_node *node, void *target)
{
	if (node->child_n > SELECTOR_REQUIREMENT_MAX)
		config_fail(r, node, "has %zu labels, at most %d are possible", node->child_n,
			    SELECTOR_REQUIREMENT_MAX);
	else
		config_any_mapping(r, node, read_match_label, target);
}

void config_read_match_expressions(struct config_reader *r, const struct config_node *list, void *target)
{
	if (!config_list(r, list, SELECTOR_REQUIREMENT_MAX))
		return;
	for (const struct config_node *node = list->first; node != NULL; node = node->next)
		read_expression(r, node, target);
}

static const struct config_key selector_keys[] = {
	{ "matchLabels", config_read_match_labels },
	{ "matchExpressions", config_read_match_expressions },
};

bool config_selector_alloc(struct config_reader *r, const struct config_node *node, struct label_selector *selector)
{
	selector->requirements = config_alloc(r, node, 2 * SELECTOR_REQUIREMENT_MAX, sizeof(*selector->requirements));
	return selector->requirements != NULL;
}

static void read_selectors(struct config_reader *r, const struct config_node *list, void *target)
{
	struct config_service *service = ((struct service_target *)target)->service;

	if (!config_list(r, list, SELECTOR_MAX))
		return;
	service->selectors = config_alloc(r, list, list->child_n, sizeof(*service->selectors));
	for (const struct config_node *node = list->first; node != NULL && service->selectors != NULL;
	     node = node->next) {
		struct label_selector *selector = &service->selectors[service->selector_n++];

		if (config_selector_alloc(r, node, selector))
			config_mapping(r, node, selector_keys, sizeof(selector_keys) / sizeof(selector_keys[0]),
				       selector);
	}
}

static void read_placement(struct config_reader *r, const struct config_node *node, void *target)
{
	config_read_service_placement(r, node, ((struct service_target *)target)->service);
}

static void read_pool(struct config_reader *r, const struct config_node *node, void *target)
{
	struct config_service *service = ((struct service_target *)target)->service;

	service->pooled = true;
	service->pool = config_text_copy(r, node);
}

static void read_families(struct config_reader *r, const struct config_node *list, void *target)
{
	config_read_families(r, list, ((struct service_target *)target)->service);
}

static void read_check(struct config_reader *r, const struct config_node *node, void *target)
{
	config_read_check(r, node, ((struct service_target *)target)->service);
}

static const struct config_key service_keys[] = {
	{ "name", read_name },
	{ "addresses", read_addresses },
	{ "interfaces", read_interfaces },
	{ "claim", read_claim },
	{ "priority", read_priority },
	{ "nodeSelectors", read_selectors },
	{ "preferences", read_placement },
	{ "group", read_placement },
	{ "spread", read_placement },
	{ "apart", read_placement },
	{ "antiAffinity", read_placement },
	{ "pool", read_pool },
	{ "ipFamilies", read_families },
	{ "check", read_check },
};

static void read_service(struct config_reader *r, const struct config_node *node, struct services *all,
			 struct config_service *service)
{
	struct service_target target = { all, service };

	service->line = node->line;
	service->mode = CLAIM_ADDRESS;
	if (node->kind != CONFIG_MAPPING) {
		config_fail(r, node, "must be a mapping with name and addresses");
		return;
	}
	config_mapping(r, node, service_keys, sizeof(service_keys) / sizeof(service_keys[0]), &target);
	if (config_node_child(node, "name") == NULL)
		config_fail_missing(r, node, "name", "is missing");
	if (config_node_child(node, "addresses") == NULL && !service->pooled)
		config_fail_missing(r, node, "addresses",
				    "is missing: a service needs at least one address, or a pool");
	else if (config_node_child(node, "addresses") != NULL && service->pooled)
		config_fail(r, node, "has addresses and a pool: keep one of them");
}

/* By name, or by address where there are no names. */
static int compare_what(const struct seen *x, const struct seen *y)
{
	return x->name != NULL && y->name != NULL ? strcmp(x->name, y->name) : ip_compare(x->ip, y->ip);
}

static int compare_seen(const void *a, const void *b)
{
	const struct seen *x = a;
	const struct seen *y = b;
	int order = compare_what(x, y);

	if (order != 0)
		return order;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* Two of the same are neighbours after sorting; the later one in the file is at fault. */
static void check_unique(struct config_reader *r, struct seen *seen, size_t n)
{
	char first[CONFIG_KEY_MAX];
	char ip[IP_TEXT_MAX];

	qsort(seen, n, sizeof(*seen), compare_seen);
	for (size_t i = 1, head = 0; i < n; i++) {
		if (compare_what(&seen[i], &seen[head]) != 0) {
			head = i;
			continue;
		}
		config_fail(r, seen[i].node, "%s is used twice, in line %u as %s already: remove one",
			    seen[i].name != NULL ? seen[i].name : ip_format(seen[i].ip, ip), seen[head].node->line,
			    config_node_path(seen[head].node, first));
	}
}

void config_read_services(struct config_reader *r, const struct config_node *list, void *target)
{
	struct config *config = r->config;
	struct services all = { 0 };

	(void)target;
	if (!config_list(r, list, SERVICE_MAX))
		return;
	config->services = config_alloc(r, list, list->child_n, sizeof(*config->services));
	all.names = config_alloc(r, list, list->child_n, sizeof(*all.names));
	all.addresses = config_alloc(r, list, r->tree->node_n, sizeof(*all.addresses));
	if (config->services != NULL && all.names != NULL && all.addresses != NULL) {
		for (const struct config_node *node = list->first; node != NULL; node = node->next)
			read_service(r, node, &all, &config->services[config->service_n++]);
		if (all.address_n > ADDRESS_MAX)
			config_fail(r, list, "%zu addresses in all, at most %d are possible", all.address_n,
				    ADDRESS_MAX);
		check_unique(r, all.names, all.name_n);
		check_unique(r, all.addresses, all.address_n);
		config_check_placement(r, list);
	}
	free(all.names);
	free(all.addresses);
}

void config_selector_free(struct label_selector *selector)
{
	for (size_t i = 0; i < selector->requirement_n; i++) {
		for (size_t j = 0; j < selector->requirements[i].value_n; j++)
			free(selector->requirements[i].values[j]);
		free(selector->requirements[i].values);
		free(selector->requirements[i].key);
	}
	free(selector->requirements);
}

void config_service_free(struct config_service *service)
{
	for (size_t i = 0; i < service->interface_n; i++)
		free(service->interfaces[i]);
	for (size_t i = 0; i < service->selector_n; i++)
		config_selector_free(&service->selectors[i]);
	free(service->name);
	free(service->pool);
	free(service->addresses);
	free(service->interfaces);
	free(service->selectors);
	config_service_placement_free(service);
	config_check_free(service->check);
}
