/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/control_request.c: what each request is answered, and what reaches the handler. */
#include "daemon/control_request.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* The handler writes its calls here, one after the other. */
static char calls[256];

static cJSON *note(const char *name)
{
	snprintf(calls + strlen(calls), sizeof(calls) - strlen(calls), "%s;", name);
	return cJSON_CreateArray();
}

static cJSON *fake_status(void *arg)
{
	(void)arg;
	cJSON_Delete(note("status"));
	return cJSON_Parse("{\"name\":\"n1\"}");
}

static cJSON *fake_members(void *arg)
{
	(void)arg;
	return note("members");
}

static cJSON *fake_services(void *arg)
{
	(void)arg;
	cJSON_Delete(note("services"));
	return NULL; /* no memory */
}

static cJSON *fake_events(void *arg, uint64_t since)
{
	char text[64];

	(void)arg;
	snprintf(text, sizeof(text), "events %llu", (unsigned long long)since);
	return note(text);
}

static int fake_command(void *arg, const char *verb, const cJSON *body, cJSON *reply, char *error, size_t error_cap)
{
	const char *service = cJSON_GetStringValue(cJSON_GetObjectItem(body, "service"));
	const char *node = cJSON_GetStringValue(cJSON_GetObjectItem(body, "node"));
	char text[128];

	(void)arg;
	if (strcmp(verb, "services/add") == 0 || strcmp(verb, "services/remove") == 0) {
		service = cJSON_GetStringValue(cJSON_GetObjectItem(body, "name"));
		node = cJSON_GetStringValue(cJSON_GetObjectItem(body, "pool"));
	}
	if (strncmp(verb, "keys", 4) == 0) {
		service = cJSON_GetStringValue(cJSON_GetObjectItem(body, "key"));
		node = cJSON_GetStringValue(cJSON_GetObjectItem(body, "fingerprint"));
		cJSON_AddBoolToObject(reply, "forced", cJSON_IsTrue(cJSON_GetObjectItem(body, "force")));
	}
	snprintf(text, sizeof(text), "%s %s %s", verb, service ? service : "-", node ? node : "-");
	cJSON_Delete(note(text));
	if (service && strcmp(service, "gone") == 0) {
		snprintf(error, error_cap, "no service \"%s\"", service);
		return 404;
	}
	if (service && strcmp(service, "bytes\xff") == 0) {
		snprintf(error, error_cap, "no service %s", service);
		return 404;
	}
	return strcmp(verb, "undrain") == 0 ? 409 : 200;
}

static const struct control_handler handler = {
	.status = fake_status,
	.members = fake_members,
	.services = fake_services,
	.events = fake_events,
	.command = fake_command,
};

struct request_case {
	const char *method, *path, *since, *body;
	unsigned int status;
	const char *text;
	const char *calls;
};

#define HANDOVER "POST", "/v1/handover", NULL
#define KEYS_USE "POST", "/v1/keys/use", NULL

static const struct request_case cases[] = {
	{ "GET", "/v1/status", NULL, NULL, 200, "{\"name\":\"n1\"}\n", "status;" },
	{ "GET", "/v1/members", NULL, NULL, 200, "[]\n", "members;" },
	{ "GET", "/v1/services", NULL, NULL, 500, NULL, "services;" },
	{ "GET", "/v1/version", NULL, NULL, 200, "{\"version\":\"" MLB_VERSION "\"}\n", "" },
	{ "GET", "/v1/events", NULL, NULL, 200, "[]\n", "events 0;" },
	{ "GET", "/v1/events", "17", NULL, 200, "[]\n", "events 17;" },
	{ "GET", "/v1/events", "18446744073709551615", NULL, 200, "[]\n", "events 18446744073709551615;" },
	{ "GET", "/v1/events", "18446744073709551616", NULL, 400, "{\"error\":\"since: not a number\"}\n", "" },
	{ "GET", "/v1/events", "99999999999999999999", NULL, 400, "{\"error\":\"since: not a number\"}\n", "" },
	{ "GET", "/v1/events", "", NULL, 400, "{\"error\":\"since: not a number\"}\n", "" },
	{ "GET", "/v1/events", "-1", NULL, 400, "{\"error\":\"since: not a number\"}\n", "" },
	{ "GET", "/v1/events", "1x", NULL, 400, "{\"error\":\"since: not a number\"}\n", "" },
	{ "GET", "/", NULL, NULL, 404, "{\"error\":\"no such path; docs/API.md lists them\"}\n", "" },
	{ "GET", "/v1/status/", NULL, NULL, 404, "{\"error\":\"no such path; docs/API.md lists them\"}\n", "" },
	{ "GET", "/v2/status", NULL, NULL, 404, "{\"error\":\"no such path; docs/API.md lists them\"}\n", "" },
	{ "POST", "/v1/status", NULL, NULL, 405, "{\"error\":\"this path takes another method\"}\n", "" },
	{ "HEAD", "/v1/status", NULL, NULL, 405, "{\"error\":\"this path takes another method\"}\n", "" },
	{ "GET", "/v1/drain", NULL, NULL, 405, "{\"error\":\"this path takes another method\"}\n", "" },
	{ "GET", "/v1/conflicts", NULL, NULL, 200, "{}\n", "conflicts - -;" },
	{ "POST", "/v1/conflicts", NULL, NULL, 405, "{\"error\":\"this path takes another method\"}\n", "" },
	{ "POST", "/v1/drain", NULL, NULL, 200, "{}\n", "drain - -;" },
	{ "POST", "/v1/drain", NULL, " \r\n", 200, "{}\n", "drain - -;" },
	{ "POST", "/v1/reload", NULL, "{}", 200, "{}\n", "reload - -;" },
	{ "POST", "/v1/undrain", NULL, NULL, 409, "{\"error\":\"refused\"}\n", "undrain - -;" },
	{ "POST", "/v1/drain", NULL, "{\"now\":true}", 400, "{\"error\":\"now: unknown field\"}\n", "" },
	{ "POST", "/v1/drain", NULL, "[]", 400, "{\"error\":\"the body is no JSON object\"}\n", "" },
	{ "POST", "/v1/drain", NULL, "null", 400, "{\"error\":\"the body is no JSON object\"}\n", "" },
	{ "POST", "/v1/drain", NULL, "{", 400, "{\"error\":\"the body is no JSON\"}\n", "" },
	{ "POST", "/v1/drain", NULL, "{} {}", 400, "{\"error\":\"the body is no JSON\"}\n", "" },
	{ "POST", "/v1/log-level", NULL, "{\"level\":\"debug\"}", 200, "{}\n", "log-level - -;" },
	{ "POST", "/v1/log-level", NULL, "{}", 400, "{\"error\":\"level: missing\"}\n", "" },
	{ HANDOVER, "{\"service\":\"web\",\"node\":\"n2\"}", 200, "{}\n", "handover web n2;" },
	{ HANDOVER, " {\"node\":\"n2\", \"service\":\"web\"} \n", 200, "{}\n", "handover web n2;" },
	{ HANDOVER, "{\"service\":\"gone\",\"node\":\"n2\"}", 404, "{\"error\":\"no service \\\"gone\\\"\"}\n",
	  "handover gone n2;" },
	{ HANDOVER, "{\"service\":\"bytes\xff\",\"node\":\"n2\"}", 404, "{\"error\":\"no service bytes?\"}\n",
	  "handover bytes\xff n2;" },
	{ "POST", "/v1/services/explain", NULL, "{\"service\":\"web\"}", 200, "{}\n", "services/explain web -;" },
	{ "POST", "/v1/services/explain", NULL, NULL, 400, "{\"error\":\"service: missing\"}\n", "" },
	{ "GET", "/v1/services/explain", NULL, NULL, 405, "{\"error\":\"this path takes another method\"}\n", "" },
	{ "POST", "/v1/services/add", NULL,
	  "{\"name\":\"a\",\"address\":\"10.0.0.1\",\"pool\":\"p\",\"families\":\"4\"}", 200, "{}\n",
	  "services/add a p;" },
	{ "POST", "/v1/services/add", NULL, "{\"name\":\"a\"}", 200, "{}\n", "services/add a -;" },
	{ "POST", "/v1/services/add", NULL, "{\"pool\":\"p\"}", 400, "{\"error\":\"name: missing\"}\n", "" },
	{ "POST", "/v1/services/add", NULL, "{\"name\":\"a\",\"pools\":\"p\"}", 400,
	  "{\"error\":\"pools: unknown field\"}\n", "" },
	{ "POST", "/v1/services/add", NULL, "{\"name\":\"a\",\"families\":4}", 400,
	  "{\"error\":\"families: not a non-empty string\"}\n", "" },
	{ "POST", "/v1/services/remove", NULL, "{\"name\":\"a\"}", 200, "{}\n", "services/remove a -;" },
	{ "POST", "/v1/services/remove", NULL, NULL, 400, "{\"error\":\"name: missing\"}\n", "" },
	{ HANDOVER, NULL, 400, "{\"error\":\"service: missing\"}\n", "" },
	{ HANDOVER, "{\"service\":\"web\"}", 400, "{\"error\":\"node: missing\"}\n", "" },
	{ HANDOVER, "{\"Service\":\"web\",\"node\":\"n2\"}", 400, "{\"error\":\"Service: unknown field\"}\n", "" },
	{ HANDOVER, "{\"service\":\"\",\"node\":\"n2\"}", 400, "{\"error\":\"service: not a non-empty string\"}\n",
	  "" },
	{ HANDOVER, "{\"service\":7,\"node\":\"n2\"}", 400, "{\"error\":\"service: not a non-empty string\"}\n", "" },
	{ HANDOVER, "{\"node\":\"a\",\"service\":\"s\",\"node\":\"b\"}", 400, "{\"error\":\"node: given twice\"}\n",
	  "" },
	{ HANDOVER, "{\"service\":\"web\\u0000x\",\"node\":\"n2\"}", 400, "{\"error\":\"the body holds a NUL\"}\n",
	  "" },
	{ "GET", "/v1/keys", NULL, NULL, 200, "{\"forced\":false}\n", "keys - -;" },
	{ "POST", "/v1/keys", NULL, NULL, 405, "{\"error\":\"this path takes another method\"}\n", "" },
	{ "GET", "/v1/keys/add", NULL, NULL, 405, "{\"error\":\"this path takes another method\"}\n", "" },
	{ "POST", "/v1/keys/add", NULL, NULL, 200, "{\"forced\":false}\n", "keys/add - -;" },
	{ "POST", "/v1/keys/add", NULL, "{\"key\":\"AA==\"}", 200, "{\"forced\":false}\n", "keys/add AA== -;" },
	{ "POST", "/v1/keys/add", NULL, "{\"key\":true}", 400, "{\"error\":\"key: not a non-empty string\"}\n", "" },
	{ "POST", "/v1/keys/add", NULL, "{\"key\":\"\"}", 400, "{\"error\":\"key: not a non-empty string\"}\n", "" },
	{ "POST", "/v1/keys/add", NULL, "{\"force\":true}", 400, "{\"error\":\"force: unknown field\"}\n", "" },
	{ KEYS_USE, NULL, 400, "{\"error\":\"fingerprint: missing\"}\n", "" },
	{ KEYS_USE, "{\"fingerprint\":\"ab\"}", 200, "{\"forced\":false}\n", "keys/use - ab;" },
	{ KEYS_USE, "{\"fingerprint\":\"ab\",\"force\":true}", 200, "{\"forced\":true}\n", "keys/use - ab;" },
	{ KEYS_USE, "{\"fingerprint\":\"ab\",\"force\":false}", 200, "{\"forced\":false}\n", "keys/use - ab;" },
	{ KEYS_USE, "{\"fingerprint\":\"ab\",\"force\":\"yes\"}", 400,
	  "{\"error\":\"force: neither true nor false\"}\n", "" },
	{ KEYS_USE, "{\"force\":true,\"fingerprint\":\"ab\",\"force\":true}", 400,
	  "{\"error\":\"force: given twice\"}\n", "" },
	{ KEYS_USE, "{\"fingerprint\":\"ab\",\"key\":\"x\"}", 400, "{\"error\":\"key: unknown field\"}\n", "" },
	{ "POST", "/v1/keys/remove", NULL, "{\"fingerprint\":\"ab\"}", 200, "{\"forced\":false}\n",
	  "keys/remove - ab;" },
	{ HANDOVER, "{\"\xc3\xa9\xed\xa0\x80\":\"\"}", 400, "{\"error\":\"\xc3\xa9???: unknown field\"}\n", "" },
};

START_TEST(answers)
{
	const struct request_case *c = &cases[_i];
	struct control_request request = { .method = c->method, .path = c->path, .since = c->since, .body = c->body };
	struct control_response response;

	request.body_len = c->body ? strlen(c->body) : 0;
	control_request_handle(&request, &handler, &response);
	ck_assert_msg(response.status == c->status, "%s %s %s: %u", c->method, c->path, c->body, response.status);
	ck_assert_pstr_eq(response.text, c->text);
	ck_assert_uint_eq(response.len, response.text ? strlen(response.text) : 0);
	ck_assert_str_eq(calls, c->calls);
	ck_assert_int_eq(response.allow != NULL, c->status == 405);
	free(response.text);
}
END_TEST

/* The log names who changed something, and only that. */
static const struct {
	const char *method, *path, *body, *change; /* change NULL: nothing to log */
} changes[] = {
	{ "POST", "/v1/drain", "", "drain" },
	{ "POST", "/v1/keys/add", "{\"key\":\"x\"}", "keys/add" },
	{ "POST", "/v1/handover", "{\"service\":\"web\",\"node\":\"n2\"}", "handover" },
	{ "POST", "/v1/drain", "{\"a\":1}", NULL },
	{ "POST", "/v1/drain", "[", NULL },
	{ "GET", "/v1/drain", "", NULL },
	{ "POST", "/v1/nothing", "", NULL },
	{ "POST", "/v1/services/explain", "{\"service\":\"web\"}", NULL },
	{ "POST", "/v1/services/add", "{\"name\":\"web\"}", "services/add" },
	{ "POST", "/v1/services/remove", "{\"name\":\"web\"}", "services/remove" },
	{ "GET", "/v1/keys", "", NULL },
	{ "GET", "/v1/status", "", NULL },
};

START_TEST(change_is_named)
{
	struct control_request request = { .method = changes[_i].method,
					   .path = changes[_i].path,
					   .body = changes[_i].body };
	struct control_response response;

	request.body_len = strlen(request.body);
	control_request_handle(&request, &handler, &response);
	ck_assert_pstr_eq(response.change, changes[_i].change);
	free(response.text);
}
END_TEST

START_TEST(allow_names_method)
{
	struct control_request request = { .method = "GET", .path = "/v1/drain" };
	struct control_response response;

	control_request_handle(&request, &handler, &response);
	ck_assert_str_eq(response.allow, "POST");
	free(response.text);
	request = (struct control_request){ .method = "DELETE", .path = "/v1/events" };
	control_request_handle(&request, &handler, &response);
	ck_assert_str_eq(response.allow, "GET");
	free(response.text);
}
END_TEST

/* The body is bytes, not a C string. */
START_TEST(body_nul)
{
	static const char body[] = "{}\0{\"x\":1}";
	struct control_request request = { "POST", "/v1/drain", NULL, body, sizeof(body) - 1, false };
	struct control_response response;

	control_request_handle(&request, &handler, &response);
	ck_assert_uint_eq(response.status, 400);
	ck_assert_str_eq(calls, "");
	free(response.text);
}
END_TEST

START_TEST(body_too_long)
{
	struct control_request request = { .method = "POST", .path = "/v1/drain", .body_too_long = true };
	struct control_response response;

	control_request_handle(&request, &handler, &response);
	ck_assert_uint_eq(response.status, 413);
	ck_assert_str_eq(calls, "");
	free(response.text);
}
END_TEST

/* Nesting is bounded by the parser: refused, no overflow of the stack. */
START_TEST(body_deep)
{
	static char body[CONTROL_BODY_MAX];
	struct control_request request = { "POST", "/v1/drain", NULL, body, sizeof(body), false };
	struct control_response response;

	memset(body, '[', sizeof(body));
	control_request_handle(&request, &handler, &response);
	ck_assert_uint_eq(response.status, 400);
	free(response.text);
}
END_TEST

static void setup(void)
{
	calls[0] = '\0';
}

int main(void)
{
	Suite *suite = suite_create("control_request");
	TCase *tc = tcase_create("control_request");
	SRunner *sr = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_loop_test(tc, answers, 0, (int)ARRAY_LEN(cases));
	tcase_add_test(tc, allow_names_method);
	tcase_add_loop_test(tc, change_is_named, 0, (int)(sizeof(changes) / sizeof(changes[0])));
	tcase_add_test(tc, body_nul);
	tcase_add_test(tc, body_too_long);
	tcase_add_test(tc, body_deep);
	suite_add_tcase(suite, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
