/* SPDX-License-Identifier: Apache-2.0 */
/* From the neutral JSON of vectors to the structs of the code under test. */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kube/selector.h"
#include "tests/vectors/vectors.h"

const cJSON *get(const cJSON *object, const char *name)
{
	const cJSON *field = cJSON_IsObject(object) ? cJSON_GetObjectItemCaseSensitive(object, name) : NULL;

	return cJSON_IsNull(field) ? NULL : field;
}

const char *get_text(const cJSON *object, const char *name)
{
	return cJSON_GetStringValue(get(object, name));
}

bool get_bool(const cJSON *object, const char *name, bool absent)
{
	const cJSON *field = get(object, name);

	return field == NULL ? absent : cJSON_IsTrue(field);
}

struct ip ip_of(const char *text)
{
	struct ip ip = { 0 };

	must(text != NULL && ip_parse(text, &ip) == 0, "an address that is none");
	return ip;
}

cJSON *ip_list(const struct ip *ips, size_t n)
{
	cJSON *list = cJSON_CreateArray();
	char text[IP_TEXT_MAX];

	for (size_t i = 0; i < n; i++)
		cJSON_AddItemToArray(list, cJSON_CreateString(ip_format(ips[i], text)));
	return list;
}

static void *take(struct arena *arena, size_t n, size_t size)
{
	void *memory = arena_take(arena, n, size);

	must(memory != NULL, "out of memory");
	return memory;
}

static char *text_of(struct arena *arena, const char *text, size_t len)
{
	char *copy = take(arena, len + 1, 1);

	return memcpy(copy, text, len);
}

const char **texts_of(struct arena *arena, const cJSON *list, size_t *ret_n)
{
	const char **texts = take(arena, (size_t)cJSON_GetArraySize(list), sizeof(*texts));

	*ret_n = 0;
	for (const cJSON *item = list == NULL ? NULL : list->child; item != NULL; item = item->next) {
		must(cJSON_IsString(item), "a list of texts that is none");
		texts[(*ret_n)++] = item->valuestring;
	}
	return texts;
}

const struct label_pair *pairs_of(struct arena *arena, const cJSON *object, size_t *ret_n)
{
	struct label_pair *pairs = take(arena, (size_t)cJSON_GetArraySize(object), sizeof(*pairs));

	*ret_n = 0;
	for (const cJSON *item = object == NULL ? NULL : object->child; item != NULL; item = item->next)
		pairs[(*ret_n)++] = (struct label_pair){ item->string, item->valuestring };
	return pairs;
}

/* --- label selectors as text --------------------------------------------------------------------------------------------------- */

static size_t skip_spaces(const char *text, size_t at)
{
	return at + strspn(text + at, " ");
}

static int compare_values(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "(x,y)" */
static size_t read_values(struct arena *arena, const char *text, size_t at, struct label_requirement *requirement)
{
	requirement->values = take(arena, strlen(text), sizeof(char *));
	must(text[at] == '(', "a selector that is none");
	do {
		size_t len;

		at = skip_spaces(text, at + 1);
		len = strcspn(text + at, ",) ");
		requirement->values[requirement->value_n++] = text_of(arena, text + at, len);
		at = skip_spaces(text, at + len);
	} while (text[at] == ',');
	must(text[at] == ')', "a selector that is none");
	qsort(requirement->values, requirement->value_n, sizeof(char *), compare_values);
	return at + 1;
}

static size_t read_value(struct arena *arena, const char *text, size_t at, struct label_requirement *requirement)
{
	size_t len = strcspn(text + at, ",");

	requirement->values = take(arena, 1, sizeof(char *));
	requirement->values[requirement->value_n++] = text_of(arena, text + at, len);
	return at + len;
}

static size_t read_requirement(struct arena *arena, const char *text, size_t at, struct label_requirement *requirement)
{
	bool negated = text[at] == '!';
	size_t len;

	at += negated;
	len = strcspn(text + at, " =!,");
	requirement->key = text_of(arena, text + at, len);
	at = skip_spaces(text, at + len);
	if (text[at] == '=' || text[at] == '!') {
		requirement->operator= text[at] == '!' ? LABEL_NOT_IN : LABEL_IN;
		return read_value(arena, text, at + 1 + (text[at + 1] == '='), requirement);
	}
	if (strncmp(text + at, "in ", 3) == 0 || strncmp(text + at, "in(", 3) == 0) {
		requirement->operator= LABEL_IN;
		return read_values(arena, text, skip_spaces(text, at + 2), requirement);
	}
	if (strncmp(text + at, "notin", 5) == 0) {
		requirement->operator= LABEL_NOT_IN;
		return read_values(arena, text, skip_spaces(text, at + 5), requirement);
	}
	requirement->operator= negated ? LABEL_DOES_NOT_EXIST : LABEL_EXISTS;
	return at;
}

struct label_selector selector_of(struct arena *arena, const char *text)
{
	struct label_selector selector = { take(arena, strlen(text) + 1, sizeof(*selector.requirements)), 0 };
	size_t at = skip_spaces(text, 0);

	while (text[at] != '\0') {
		at = read_requirement(arena, text, at, &selector.requirements[selector.requirement_n++]);
		at = skip_spaces(text, at);
		must(text[at] == ',' || text[at] == '\0', "a selector that is none");
		at = skip_spaces(text, at + (text[at] == ','));
	}
	return selector;
}

const char *selector_same(struct arena *arena, const char *text)
{
	struct label_selector selector = selector_of(arena, text);
	const char *same = kube_selector_text(arena, &selector);

	must(same != NULL, "out of memory");
	return same;
}

/* --- pools and ports ------------------------------------------------------------------------------------------------------------- */

static void read_allocation(struct arena *arena, const cJSON *json, struct alloc_pool *pool)
{
	const cJSON *selectors = get(json, "serviceSelectors");
	const cJSON *priority = get(json, "priority");
	struct label_selector *list = take(arena, (size_t)cJSON_GetArraySize(selectors), sizeof(*list));
	const cJSON *item;

	if (json == NULL)
		return;
	pool->pinned = true;
	pool->priority = priority == NULL ? 0 : priority->valueint;
	pool->namespaces = texts_of(arena, get(json, "namespaces"), &pool->namespace_n);
	pool->has_namespaces = pool->namespace_n > 0;
	cJSON_ArrayForEach(item, selectors) list[pool->selector_n++] = selector_of(arena, item->valuestring);
	pool->selectors = list;
}

struct alloc_pool *pools_of(struct arena *arena, const cJSON *list, size_t *ret_n)
{
	struct alloc_pool *pools = take(arena, (size_t)cJSON_GetArraySize(list), sizeof(*pools));
	const cJSON *json;

	*ret_n = 0;
	cJSON_ArrayForEach(json, list)
	{
		struct alloc_pool *pool = &pools[(*ret_n)++];
		const cJSON *cidrs = get(json, "cidrs");
		struct subnet *subnets =
			take(arena, (size_t)cJSON_GetArraySize(cidrs) * ALLOC_RANGE_CIDR_MAX, sizeof(*subnets));
		const cJSON *item;

		pool->name = get_text(json, "name");
		must(pool->name != NULL, "a pool without a name");
		pool->auto_assign = get_bool(json, "autoAssign", true);
		pool->avoid_buggy_ips = get_bool(json, "avoidBuggyIPs", false);
		cJSON_ArrayForEach(item, cidrs)
		{
			size_t n = 0;

			must(cJSON_IsString(item) &&
				     alloc_range_parse(item->valuestring, subnets + pool->cidr_n, &n) == 0,
			     "a CIDR that is none");
			pool->cidr_n += n;
		}
		pool->cidrs = subnets;
		read_allocation(arena, get(json, "allocation"), pool);
	}
	return pools;
}

struct alloc_port *ports_of(struct arena *arena, const cJSON *list, size_t *ret_n)
{
	struct alloc_port *ports = take(arena, (size_t)cJSON_GetArraySize(list), sizeof(*ports));
	const cJSON *item;

	*ret_n = 0;
	cJSON_ArrayForEach(item, list)
	{
		const char *slash = cJSON_IsString(item) ? strchr(item->valuestring, '/') : NULL;
		struct alloc_port *port = &ports[(*ret_n)++];

		must(slash != NULL, "a port that is none");
		port->protocol = item->valuestring[0] == 'u'   ? IPPROTO_UDP
				 : item->valuestring[0] == 's' ? IPPROTO_SCTP
							       : IPPROTO_TCP;
		port->port = (uint16_t)atoi(slash + 1);
	}
	return ports;
}
