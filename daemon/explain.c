/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Each address costs a comparison of every node with every other: with 1,000 nodes some milliseconds, in which the loop stands. */
#define EXPLAIN_ADDRESS_MAX 8

static void add_text(cJSON *object, const char *key, const char *text)
{
	if (text != NULL)
		cJSON_AddStringToObject(object, key, text);
	else
		cJSON_AddNullToObject(object, key);
}

static cJSON *candidate_document(const struct election_candidate *candidate)
{
	cJSON *object = cJSON_CreateObject();

	cJSON_AddStringToObject(object, "name", candidate->name);
	cJSON_AddBoolToObject(object, "owner", candidate->owner);
	cJSON_AddBoolToObject(object, "next", candidate->planned);
	if (candidate->candidate)
		cJSON_AddNumberToObject(object, "rank", (double)candidate->rank);
	else
		cJSON_AddNullToObject(object, "rank");
	add_text(object, "whyNot", candidate->why_not);
	cJSON_AddNumberToObject(object, "score", candidate->score);
	cJSON_AddNumberToObject(object, "weight", candidate->weight);
	cJSON_AddNumberToObject(object, "load", (double)candidate->load);
	if (candidate->bound > 0)
		cJSON_AddNumberToObject(object, "bound", (double)candidate->bound);
	else
		cJSON_AddNullToObject(object, "bound");
	return object;
}

static void add_address(const struct election *election, const struct election_address *address,
			struct election_candidate *rows, cJSON *list)
{
	cJSON *object = cJSON_CreateObject();
	size_t n = election_explain(election, address->ip, rows, MEMBER_DEFAULT);
	char text[IP_TEXT_MAX];
	cJSON *nodes;

	cJSON_AddStringToObject(object, "ip", ip_format(address->ip, text));
	add_text(object, "owner", address->owner);
	cJSON_AddStringToObject(object, "state", address->state);
	nodes = cJSON_AddArrayToObject(object, "nodes");
	for (size_t i = 0; i < n && i < MEMBER_DEFAULT; i++)
		cJSON_AddItemToArray(nodes, candidate_document(&rows[i]));
	cJSON_AddItemToArray(list, object);
}

static bool is_meant(const struct election_address *address, const char *name, bool is_ip, struct ip ip)
{
	return is_ip ? ip_equal(address->ip, ip) : strcmp(address->service, name) == 0;
}

int explain_service(const struct election *election, const char *name, cJSON *reply, char *error, size_t error_cap)
{
	struct election_candidate *rows = calloc(MEMBER_DEFAULT, sizeof(*rows));
	struct election_address address;
	const char *service = NULL;
	int status = rows != NULL ? 404 : 500;
	struct ip ip = { 0 };
	bool is_ip = ip_parse(name, &ip) == 0;
	cJSON *list = cJSON_AddArrayToObject(reply, "addresses");
	size_t n = 0;

	for (size_t i = 0; i < election_address_n(election) && rows != NULL; i++) {
		election_address_at(election, i, &address);
		if (!is_meant(&address, name, is_ip, ip))
			continue;
		service = address.service;
		status = 200;
		if (n++ < EXPLAIN_ADDRESS_MAX)
			add_address(election, &address, rows, list);
	}
	if (service != NULL) {
		cJSON_AddStringToObject(reply, "service", service);
		cJSON_AddNumberToObject(reply, "omitted",
					n > EXPLAIN_ADDRESS_MAX ? (double)(n - EXPLAIN_ADDRESS_MAX) : 0);
	} else {
		snprintf(error, error_cap, "%s: %s", name, rows != NULL ? "no such service or address" : "no memory");
	}
	free(rows);
	return status;
}
