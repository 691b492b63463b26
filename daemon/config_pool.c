/* SPDX-License-Identifier: Apache-2.0 */
/* The section `pools`, and what services want of them. */
#include "daemon/config_value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define POOL_STATE_DEFAULT "/var/lib/mlb/pools"

static void read_name(struct config_reader *r, const struct config_node *node, void *target)
{
	struct config_pool *pool = target;
	char quote[CONFIG_QUOTE_MAX];

	free(pool->name);
	pool->name = config_text_copy(r, node);
	if (pool->name != NULL && !config_name_is_good(pool->name, SERVICE_NAME_MAX, "-_."))
		config_fail(r, node, "%s must be 1 to %d letters, digits, '-', '_' and '.'",
			    config_quote(pool->name, quote), SERVICE_NAME_MAX);
}

/* What is wrong with a range, or NULL. */
static const char *range_problem(int error, const struct subnet *cidrs, size_t cidr_n)
{
	if (error == -ERANGE)
		return "begins with the higher address: turn them round";
	if (error != 0)
		return "is neither a CIDR, such as 10.0.100.0/24, nor a range, such as 10.0.100.5-10.0.100.9";
	for (size_t i = 0; i < cidr_n; i++) {
		if (ip_is_special(cidrs[i].ip) && cidrs[i].prefix_len > 0)
			return "has loopback, multicast, broadcast or unspecified addresses, which no service can have";
		if (ip_is_link_local(cidrs[i].ip))
			return "has link-local addresses, which clients beyond the link cannot reach";
		if (cidrs[i].prefix_len == 0)
			return "is every address there is";
	}
	return NULL;
}

static void read_range(struct config_reader *r, const struct config_node *node, struct config_pool *pool)
{
	struct subnet cidrs[ALLOC_RANGE_CIDR_MAX];
	const char *text = config_text(r, node);
	char quote[CONFIG_QUOTE_MAX];
	struct subnet *all;
	const char *problem;
	size_t n = 0;
	int error;

	if (text == NULL)
		return;
	error = alloc_range_parse(text, cidrs, &n);
	problem = range_problem(error, cidrs, n);
	if (problem != NULL) {
		config_fail(r, node, "%s %s", config_quote(text, quote), problem);
		return;
	}
	all = realloc(pool->cidrs, (pool->cidr_n + n) * sizeof(*all));
	if (all == NULL) {
		config_fail(r, node, "out of memory");
		return;
	}
	pool->cidrs = all;
	memcpy(all + pool->cidr_n, cidrs, n * sizeof(*all));
	pool->cidr_n += n;
}

static void read_addresses(struct config_reader *r, const struct config_node *list, void *target)
{
	if (!config_list(r, list, CONFIG_POOL_RANGE_MAX))
		return;
	if (list->child_n == 0)
		config_fail(r, list, "is empty: a pool needs at least one range");
	for (const struct config_node *node = list->first; node != NULL; node = node->next)
		read_range(r, node, target);
}

static void read_auto_assign(struct config_reader *r, const struct config_node *node, void *target)
{
	config_bool(r, node, &((struct config_pool *)target)->auto_assign);
}

static void read_avoid_buggy(struct config_reader *r, const struct config_node *node, void *target)
{
	config_bool(r, node, &((struct config_pool *)target)->avoid_buggy_ips);
}

static void read_pool(struct config_reader *r, const struct config_node *node, struct config_pool *pool)
{
	static const struct config_key keys[] = { { "name", read_name },
						  { "addresses", read_addresses },
						  { "autoAssign", read_auto_assign },
						  { "avoidBuggyIPs", read_avoid_buggy } };

	pool->auto_assign = true;
	if (node->kind != CONFIG_MAPPING) {
		config_fail(r, node, "must be a mapping with name and addresses");
		return;
	}
	config_mapping(r, node, keys, sizeof(keys) / sizeof(keys[0]), pool);
	if (config_node_child(node, "name") == NULL)
		config_fail_missing(r, node, "name", "is missing");
	if (config_node_child(node, "addresses") == NULL)
		config_fail_missing(r, node, "addresses", "is missing: a pool needs at least one range");
	for (const struct config_pool *other = r->config->pools; other < pool; other++) {
		if (other->name != NULL && pool->name != NULL && strcmp(other->name, pool->name) == 0)
			config_fail(r, node, "%s is the name of another pool", pool->name);
	}
}

/* A range and whose it is. */
struct owned_range {
	struct subnet cidr;
	const struct config_pool *pool;
};

static int compare_ranges(const void *a, const void *b)
{
	const struct owned_range *x = a;
	const struct owned_range *y = b;
	int order = ip_compare(x->cidr.ip, y->cidr.ip);

	return order != 0 ? order : (int)x->cidr.prefix_len - (int)y->cidr.prefix_len;
}

/* Two CIDRs lie in each other or apart: sorted, one that overlaps any before overlaps the widest that has not ended. */
static void check_overlap(struct config_reader *r, const struct config_node *list)
{
	const struct config *config = r->config;
	struct owned_range *ranges;
	char text[IP_TEXT_MAX];
	size_t n = 0;

	for (size_t i = 0; i < config->pool_n; i++)
		n += config->pools[i].cidr_n;
	ranges = config_alloc(r, list, n, sizeof(*ranges));
	if (ranges == NULL)
		return;
	n = 0;
	for (size_t i = 0; i < config->pool_n; i++) {
		for (size_t j = 0; j < config->pools[i].cidr_n; j++)
			ranges[n++] = (struct owned_range){ config->pools[i].cidrs[j], &config->pools[i] };
	}
	if (n > 0)
		qsort(ranges, n, sizeof(*ranges), compare_ranges);
	for (size_t i = 1, wide = 0; i < n; i++) {
		if (!subnet_contains(ranges[wide].cidr, ranges[i].cidr.ip)) {
			wide = i;
			continue;
		}
		config_fail(r, list, "%s is in the pools %s and %s: each address can be in one, once",
			    ip_format(ranges[i].cidr.ip, text),
			    ranges[wide].pool->name != NULL ? ranges[wide].pool->name : "?",
			    ranges[i].pool->name != NULL ? ranges[i].pool->name : "?");
		break;
	}
	free(ranges);
}

void config_read_pools(struct config_reader *r, const struct config_node *list, void *target)
{
	struct config *config = r->config;

	(void)target;
	if (!config_list(r, list, CONFIG_POOL_MAX))
		return;
	config->pools = config_alloc(r, list, list->child_n, sizeof(*config->pools));
	for (const struct config_node *node = list->first; node != NULL && config->pools != NULL; node = node->next)
		read_pool(r, node, &config->pools[config->pool_n++]);
	check_overlap(r, list);
}

void config_read_pool_state(struct config_reader *r, const struct config_node *node, void *target)
{
	char **path = &r->config->pool_state;

	(void)target;
	free(*path);
	*path = config_text_copy(r, node);
	if (*path != NULL && (*path)[0] != '/')
		config_fail(r, node, "must be an absolute path");
}

void config_read_families(struct config_reader *r, const struct config_node *list, struct config_service *service)
{
	service->pooled = true;
	if (!config_list(r, list, 2))
		return;
	if (list->child_n == 0)
		config_fail(r, list, "is empty: IPv4, IPv6, or both");
	for (const struct config_node *node = list->first; node != NULL; node = node->next) {
		const char *text = config_text(r, node);
		unsigned int family = 0;
		char quote[CONFIG_QUOTE_MAX];

		if (text == NULL)
			continue;
		if (strcmp(text, "IPv4") == 0)
			family = ALLOC_V4;
		else if (strcmp(text, "IPv6") == 0)
			family = ALLOC_V6;
		if (family == 0)
			config_fail(r, node, "%s must be IPv4 or IPv6", config_quote(text, quote));
		else if ((service->families & family) != 0)
			config_fail(r, node, "%s is in the list already: keep one", text);
		service->families |= family;
	}
}

unsigned int config_pool_families(const struct config_pool *pool)
{
	unsigned int families = 0;

	for (size_t i = 0; i < pool->cidr_n; i++)
		families |= pool->cidrs[i].ip.family == IP_V4 ? ALLOC_V4 : ALLOC_V6;
	return families;
}

struct alloc_pool config_alloc_pool(const struct config_pool *pool)
{
	return (struct alloc_pool){ .name = pool->name,
				    .cidrs = pool->cidrs,
				    .cidr_n = pool->cidr_n,
				    .auto_assign = pool->auto_assign,
				    .avoid_buggy_ips = pool->avoid_buggy_ips };
}

const struct config_pool *config_pool_find(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->pool_n; i++) {
		if (config->pools[i].name != NULL && strcmp(config->pools[i].name, name) == 0)
			return &config->pools[i];
	}
	return NULL;
}

const char *config_pool_problem(const struct config *config, const char *name, unsigned int *families)
{
	const struct config_pool *pool = name != NULL ? config_pool_find(config, name) : NULL;
	unsigned int possible = 0;
	bool found = pool != NULL;

	if (name != NULL && pool == NULL)
		return "there is no pool of that name";
	/* the first that has all; nothing said: the first, or one of both families */
	for (size_t i = 0; i < config->pool_n && name == NULL; i++) {
		unsigned int has = config_pool_families(&config->pools[i]);

		if (!config->pools[i].auto_assign)
			continue;
		found = true;
		if ((*families & ~has) == 0 && (possible == 0 || has == ALLOC_DUAL))
			possible = has;
	}
	if (!found)
		return "there is no pool with autoAssign: name one";
	if (pool != NULL)
		possible = config_pool_families(pool);
	if (*families == 0)
		*families = possible;
	return *families == 0 || (*families & ~possible) != 0 ? "the pool has no addresses of that family" : NULL;
}

/* The lists of the tree and of the configuration have the same order. */
void config_check_pools(struct config_reader *r)
{
	const struct config_node *list = config_node_child(r->tree->root, "services");
	struct config *config = r->config;
	size_t i = 0;

	if (config->pool_state == NULL && config->pool_n > 0) {
		config->pool_state = strdup(POOL_STATE_DEFAULT);
		if (config->pool_state == NULL)
			config_fail(r, r->tree->root, "out of memory");
	}
	for (const struct config_node *node = list != NULL ? list->first : NULL; node != NULL && i < config->service_n;
	     node = node->next, i++) {
		struct config_service *service = &config->services[i];
		const struct config_node *pool = config_node_child(node, "pool");
		const char *problem;

		if (!service->pooled || (pool != NULL && service->pool == NULL) ||
		    config_node_child(node, "addresses") != NULL) /* errors of their own */
			continue;
		problem = config_pool_problem(config, service->pool, &service->families);
		if (problem != NULL)
			config_fail(r, pool != NULL ? pool : node, "%s", problem);
	}
}

void config_pools_free(struct config *config)
{
	for (size_t i = 0; i < config->pool_n; i++) {
		free(config->pools[i].name);
		free(config->pools[i].cidrs);
	}
	free(config->pools);
	free(config->pool_state);
}
