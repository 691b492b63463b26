/* SPDX-License-Identifier: Apache-2.0 */
/*
 * daemon/control_request.c over any request. Input: method, path, since and body, each but the last ended by a newline; an
 * empty since is an absent one. Whatever comes, the answer is one JSON document in UTF-8 with a fitting status.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/control_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static cJSON *fake_document(void *arg)
{
	(void)arg;
	return cJSON_Parse("[{\"name\":\"n1\"}]");
}

static cJSON *fake_events(void *arg, uint64_t since)
{
	(void)arg;
	return cJSON_CreateNumber((double)since);
}

/* Gives the names that it got back, as the daemon does in "no such service". */
static int fake_command(void *arg, const char *verb, const cJSON *body, cJSON *reply, char *error, size_t error_cap)
{
	const char *service = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(body, "service"));
	const char *node = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(body, "node"));

	(void)arg;
	if (strncmp(verb, "keys", 4) == 0) {
		const char *key = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(body, "key"));
		const char *fingerprint = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(body, "fingerprint"));

		assert((fingerprint != NULL) == (strcmp(verb, "keys/use") == 0 || strcmp(verb, "keys/remove") == 0));
		assert(!key || (key[0] != '\0' && strcmp(verb, "keys/add") == 0));
		assert(cJSON_AddStringToObject(reply, "fingerprint", fingerprint ? fingerprint : "none"));
		return 200;
	}
	if (strcmp(verb, "log-level") == 0 || strcmp(verb, "services/explain") == 0) {
		const char *text = strcmp(verb, "log-level") == 0
					   ? cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(body, "level"))
					   : service;

		assert(text && text[0] != '\0');
		return cJSON_AddStringToObject(reply, "text", text) ? 200 : 500;
	}
	if (strcmp(verb, "handover") != 0) {
		assert(!body || !body->child);
		return 200;
	}
	assert(service && service[0] != '\0' && node && node[0] != '\0');
	snprintf(error, error_cap, "no service %s", service);
	return strlen(service) % 2 == 0 ? 404 : 200;
}

static const struct control_handler handler = {
	.status = fake_document,
	.members = fake_document,
	.services = fake_document,
	.events = fake_events,
	.command = fake_command,
};

/* The text up to the next newline or the end, as a string of its own; *data and *size go behind it. */
static char *line_take(const uint8_t **data, size_t *size)
{
	const uint8_t *end = *size > 0 ? memchr(*data, '\n', *size) : NULL;
	size_t len = end ? (size_t)(end - *data) : *size;
	char *text = strndup((const char *)*data, len);

	assert(text);
	len += end ? 1 : 0;
	*data += len;
	*size -= len;
	return text;
}

static void check(const struct control_response *response)
{
	cJSON *doc = cJSON_ParseWithOpts(response->text, NULL, 1);
	const char *words = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(doc, "error"));

	assert(doc);
	assert(response->len == strlen(response->text));
	assert(response->text[response->len - 1] == '\n');
	assert((response->status == 405) == (response->allow != NULL));
	assert(!response->change || response->status == 200 || words);
	switch (response->status) {
	case 200:
		assert(!words);
		break;
	case 400:
	case 404:
	case 405:
	case 413:
		assert(words && words[0] != '\0');
		break;
	default:
		abort();
	}
	cJSON_Delete(doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *method = line_take(&data, &size);
	char *path = line_take(&data, &size);
	char *since = line_take(&data, &size);
	struct control_request request = { .method = method, .path = path, .since = since[0] != '\0' ? since : NULL };
	struct control_response response;
	char *body = NULL;

	request.body_too_long = size > CONTROL_BODY_MAX;
	if (!request.body_too_long && size > 0) {
		/* A copy of its own size, so that a read past its end is seen. */
		body = malloc(size);
		assert(body);
		memcpy(body, data, size);
		request.body = body;
		request.body_len = size;
	}
	control_request_handle(&request, &handler, &response);
	check(&response);
	free(response.text);
	free(body);
	free(since);
	free(path);
	free(method);
	return 0;
}
