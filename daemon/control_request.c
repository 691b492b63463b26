/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "daemon/control_request.h"

/* Fields of a body at most, in the table below. */
#define FIELD_MAX 2
#define OPTIONAL_MAX 3

struct route {
	const char *path;
	const char *method;
	/* The document. NULL: it goes to the handler as a command. */
	cJSON *(*document)(const struct control_handler *handler, uint64_t since);
	/* The fields that the body must have, non-empty strings all; other fields but the next ones are refused. */
	const char *fields[FIELD_MAX];
	const char *optional[OPTIONAL_MAX]; /* non-empty strings that may be missing */
	const char *flag;		    /* true or false, and may be missing; NULL: none */
	bool changes;			    /* something in the daemon, so that who did it is worth a line in the log */
};

static cJSON *get_status(const struct control_handler *handler, uint64_t since)
{
	(void)since;
	return handler->status(handler->arg);
}

static cJSON *get_members(const struct control_handler *handler, uint64_t since)
{
	(void)since;
	return handler->members(handler->arg);
}

static cJSON *get_services(const struct control_handler *handler, uint64_t since)
{
	(void)since;
	return handler->services(handler->arg);
}

static cJSON *get_events(const struct control_handler *handler, uint64_t since)
{
	return handler->events(handler->arg, since);
}

static cJSON *get_version(const struct control_handler *handler, uint64_t since)
{
	cJSON *doc = cJSON_CreateObject();

	(void)handler;
	(void)since;
	if (!cJSON_AddStringToObject(doc, "version", MLB_VERSION)) {
		cJSON_Delete(doc);
		return NULL;
	}
	return doc;
}

#define PATH_PREFIX "/v1/"

/* A route after its path. */
#define DOCUMENT(function) "GET", function, { NULL }, { NULL }, NULL, false
#define COMMAND(...) "POST", NULL, { __VA_ARGS__ }, { NULL }, NULL, true
#define QUESTION(...) "POST", NULL, { __VA_ARGS__ }, { NULL }, NULL, false

static const struct route routes[] = {
	{ PATH_PREFIX "status", DOCUMENT(get_status) },
	{ PATH_PREFIX "members", DOCUMENT(get_members) },
	{ PATH_PREFIX "services", DOCUMENT(get_services) },
	{ PATH_PREFIX "events", DOCUMENT(get_events) },
	{ PATH_PREFIX "version", DOCUMENT(get_version) },
	{ PATH_PREFIX "drain", COMMAND(NULL) },
	{ PATH_PREFIX "undrain", COMMAND(NULL) },
	{ PATH_PREFIX "rebalance", COMMAND(NULL) },
	{ PATH_PREFIX "reload", COMMAND(NULL) },
	{ PATH_PREFIX "log-level", COMMAND("level") },
	{ PATH_PREFIX "handover", COMMAND("service", "node") },
	{ PATH_PREFIX "services/explain", QUESTION("service") },
	{ PATH_PREFIX "services/add", "POST", NULL, { "name" }, { "pool", "families", "address" }, NULL, true },
	{ PATH_PREFIX "services/remove", COMMAND("name") },
	{ PATH_PREFIX "config", "GET", NULL, { NULL }, { NULL }, NULL, false },
	{ PATH_PREFIX "diagnose", "GET", NULL, { NULL }, { NULL }, NULL, false },
	{ PATH_PREFIX "conflicts", "GET", NULL, { NULL }, { NULL }, NULL, false },
	{ PATH_PREFIX "keys", "GET", NULL, { NULL }, { NULL }, NULL, false },
	{ PATH_PREFIX "keys/add", "POST", NULL, { NULL }, { "key" }, NULL, true },
	{ PATH_PREFIX "keys/use", "POST", NULL, { "fingerprint" }, { NULL }, "force", true },
	{ PATH_PREFIX "keys/remove", "POST", NULL, { "fingerprint" }, { NULL }, "force", true },
};

static const struct route *route_find(const char *path)
{
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (strcmp(routes[i].path, path) == 0)
			return &routes[i];
	}
	return NULL;
}

/* Length of the well-formed UTF-8 sequence at s (RFC 3629 4), 0 if there is none. Reads no further than the terminator. */
static size_t utf8_sequence(const unsigned char *s)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t len;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		len = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		len = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		len = 4;
	else
		return 0;
	/* The second byte is narrower where an overlong form, a surrogate or a value past U+10FFFF would begin. */
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++) {
		if (s[i] < 0x80 || s[i] > 0xbf)
			return 0;
	}
	return len;
}

/* RFC 8259 8.1: JSON is UTF-8. Names may have come from a request or a configuration in other bytes: show them as "?". */
static void utf8_clean(char *text)
{
	unsigned char *s = (unsigned char *)text;

	while (*s != '\0') {
		size_t len = utf8_sequence(s);

		if (len == 0) {
			*s = '?';
			len = 1;
		}
		s += len;
	}
}

/* Takes doc; NULL means that there was no memory for it. */
static void respond(struct control_response *ret, unsigned int status, cJSON *doc)
{
	char *text = doc ? cJSON_PrintUnformatted(doc) : NULL;
	size_t len = text ? strlen(text) : 0;
	char *grown = text ? realloc(text, len + 2) : NULL;

	cJSON_Delete(doc);
	*ret = (struct control_response){ .status = status };
	if (!grown) {
		free(text);
		ret->status = 500;
		return;
	}
	utf8_clean(grown);
	memcpy(grown + len, "\n", 2);
	ret->text = grown;
	ret->len = len + 1;
}

static void respond_error(struct control_response *ret, unsigned int status, const char *reason)
{
	cJSON *doc = cJSON_CreateObject();

	if (!cJSON_AddStringToObject(doc, "error", reason)) {
		cJSON_Delete(doc);
		doc = NULL;
	}
	respond(ret, status, doc);
}

/* A decimal number of 64 bits, digits only. */
static bool since_parse(const char *text, uint64_t *ret)
{
	uint64_t value = 0;

	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++) {
		uint64_t digit = (uint64_t)(*text - '0');

		if (*text < '0' || *text > '9' || value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*ret = value;
	return true;
}

static bool only_space(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!strchr(" \t\r\n", text[i]) || text[i] == '\0')
			return false;
	}
	return true;
}

/*
 * The body as a JSON object: *ret (caller deletes), or NULL for an empty body. False and a reason when it is none. A NUL,
 * bare or escaped, would cut the text for all who read it as a C string later: refused here, once.
 */
static bool body_parse(const char *body, size_t len, cJSON **ret, const char **reason)
{
	cJSON *doc;
	char *text;

	*ret = NULL;
	if (only_space(body, len))
		return true;
	if (memchr(body, '\0', len) || memmem(body, len, "\\u0000", 6)) {
		*reason = "the body holds a NUL";
		return false;
	}
	text = strndup(body, len);
	doc = text ? cJSON_ParseWithLengthOpts(text, len + 1, NULL, 1) : NULL;
	if (text)
		explicit_bzero(text, len);
	free(text);
	if (!cJSON_IsObject(doc)) {
		*reason = doc ? "the body is no JSON object" : "the body is no JSON";
		cJSON_Delete(doc);
		return false;
	}
	*ret = doc;
	return true;
}

static bool field_known(const struct route *route, const char *name)
{
	for (size_t i = 0; i < FIELD_MAX && route->fields[i]; i++) {
		if (strcmp(route->fields[i], name) == 0)
			return true;
	}
	for (size_t i = 0; i < OPTIONAL_MAX && route->optional[i]; i++) {
		if (strcmp(route->optional[i], name) == 0)
			return true;
	}
	return false;
}

/* What is wrong with one field, or NULL. */
static const char *field_fault(const struct route *route, const cJSON *body, const cJSON *item)
{
	bool is_flag = route->flag && strcmp(route->flag, item->string) == 0;

	if (!is_flag && !field_known(route, item->string))
		return "unknown field";
	if (is_flag && !cJSON_IsBool(item))
		return "neither true nor false";
	if (!is_flag && (!cJSON_IsString(item) || item->valuestring[0] == '\0'))
		return "not a non-empty string";
	if (cJSON_GetObjectItemCaseSensitive(body, item->string) != item)
		return "given twice";
	return NULL;
}

/* The fields of the route alone, each once, each of its type. */
static bool body_check(const struct route *route, const cJSON *body, char *error, size_t error_cap)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, body)
	{
		const char *fault = field_fault(route, body, item);

		if (fault) {
			snprintf(error, error_cap, "%s: %s", item->string, fault);
			return false;
		}
	}
	for (size_t i = 0; i < FIELD_MAX && route->fields[i]; i++) {
		if (!cJSON_GetObjectItemCaseSensitive(body, route->fields[i])) {
			snprintf(error, error_cap, "%s: missing", route->fields[i]);
			return false;
		}
	}
	return true;
}

/* A body may hold a key. */
static void body_forget(cJSON *body)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, body)
	{
		if (cJSON_IsString(item))
			explicit_bzero(item->valuestring, strlen(item->valuestring));
	}
	cJSON_Delete(body);
}

static void handle_command(const struct route *route, const struct control_request *request,
			   const struct control_handler *handler, struct control_response *ret)
{
	char error[CONTROL_ERROR_MAX] = "";
	const char *reason;
	cJSON *body, *reply;
	bool good;
	int status = 400;

	if (!body_parse(request->body, request->body_len, &body, &reason)) {
		respond_error(ret, 400, reason);
		return;
	}
	reply = cJSON_CreateObject();
	good = body_check(route, body, error, sizeof(error));
	if (good)
		status = handler->command(handler->arg, route->path + strlen(PATH_PREFIX), body, reply, error,
					  sizeof(error));
	body_forget(body);
	assert(status >= 200 && status <= 599);
	if (status == 200) {
		respond(ret, 200, reply);
	} else {
		cJSON_Delete(reply);
		respond_error(ret, (unsigned int)status, error[0] != '\0' ? error : "refused");
	}
	ret->change = good && route->changes ? route->path + strlen(PATH_PREFIX) : NULL;
}

void control_request_handle(const struct control_request *request, const struct control_handler *handler,
			    struct control_response *ret)
{
	const struct route *route = route_find(request->path);
	uint64_t since = 0;

	if (!route) {
		respond_error(ret, 404, "no such path; docs/API.md lists them");
		return;
	}
	if (strcmp(route->method, request->method) != 0) {
		respond_error(ret, 405, "this path takes another method");
		ret->allow = route->method;
		return;
	}
	if (request->body_too_long) {
		respond_error(ret, 413, "the body is too long");
		return;
	}
	if (!route->document) {
		handle_command(route, request, handler, ret);
		return;
	}
	if (request->since && !since_parse(request->since, &since)) {
		respond_error(ret, 400, "since: not a number");
		return;
	}
	respond(ret, 200, route->document(handler, since));
}
