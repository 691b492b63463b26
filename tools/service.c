/* SPDX-License-Identifier: Apache-2.0 */
/* mlbctl service: services beside those of the configuration file, with addresses of its pools. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "tools/mlbctl.h"

/* Another node gives the address: so long we wait to see it, unless told, and ask so often. */
#define WAIT_MS 5000
#define ASK_MS 100

static enum client_result post(const struct invocation *invocation, const cJSON *body)
{
	struct client_answer answer;
	enum client_result result = CLIENT_REFUSED;
	char *text = cJSON_PrintUnformatted(body);

	if (!text) {
		fputs("mlbctl: out of memory\n", stderr);
		return CLIENT_REFUSED;
	}
	result = client_request(invocation->client, invocation->url_path, text, &answer);
	free(text);
	if (result == CLIENT_DONE)
		client_answer_free(&answer);
	else
		(void)mlbctl_failed(invocation, result);
	return result;
}

/* The service alone, as an array like that of GET /v1/services; NULL: it is not there. Caller deletes. */
static cJSON *pick(cJSON *services, const char *name)
{
	cJSON *service, *list;

	cJSON_ArrayForEach(service, services)
	{
		const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(service, "name"));

		if (!text || strcmp(text, name) != 0)
			continue;
		list = cJSON_CreateArray();
		cJSON_AddItemToArray(list, cJSON_DetachItemViaPointer(services, service));
		return list;
	}
	return NULL;
}

static bool has_address(const cJSON *list)
{
	const cJSON *service = cJSON_GetArrayItem(list, 0);

	return cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(service, "addresses")) > 0;
}

static void show(const struct invocation *invocation, const cJSON *list)
{
	struct render_options options = mlbctl_render_options(invocation);
	char *text;

	if (invocation->output != OUTPUT_JSON) {
		invocation->render(stdout, list, &options);
		return;
	}
	text = cJSON_PrintUnformatted(list);
	if (text)
		render_json(stdout, text);
	free(text);
}

/* Show the service when it has an address, or when the time is over. */
static int show_later(const struct invocation *invocation, const char *name)
{
	struct instant end =
		instant_add(clock_now(), span_ms(invocation->timeout_ms > 0 ? invocation->timeout_ms : WAIT_MS));
	const struct timespec pause = { .tv_nsec = ASK_MS * 1000000L };

	for (;;) {
		struct client_answer answer;
		enum client_result result = client_request(invocation->client, "/v1/services", NULL, &answer);
		bool over = instant_reached(end, clock_now());
		cJSON *list;

		if (result != CLIENT_DONE)
			return mlbctl_failed(invocation, result);
		list = pick(answer.doc, name);
		client_answer_free(&answer);
		if (list && (over || has_address(list))) {
			show(invocation, list);
			cJSON_Delete(list);
			return 0;
		}
		cJSON_Delete(list);
		if (over) { /* somebody has removed it again */
			fprintf(stderr, "mlbctl: %s: is not there any more\n", name);
			return CLIENT_REFUSED;
		}
		nanosleep(&pause, NULL);
	}
}

int command_service_add(const struct invocation *invocation)
{
	cJSON *body = cJSON_CreateObject();
	enum client_result result;

	cJSON_AddStringToObject(body, "name", invocation->operands[0]);
	if (invocation->pool)
		cJSON_AddStringToObject(body, "pool", invocation->pool);
	if (invocation->families)
		cJSON_AddStringToObject(body, "families", invocation->families);
	if (invocation->address)
		cJSON_AddStringToObject(body, "address", invocation->address);
	result = post(invocation, body);
	cJSON_Delete(body);
	return result == CLIENT_DONE ? show_later(invocation, invocation->operands[0]) : (int)result;
}
