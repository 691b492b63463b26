/* SPDX-License-Identifier: Apache-2.0 */
/* kube/scan.c, kube/status.c, kube/url.c: JSON looked into where it stands, refusals of the API server, paths. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kube/scan.h"
#include "kube/status.h"
#include "kube/url.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static struct json_span span_of(const char *text)
{
	return json_span_of(text, strlen(text));
}

static void expect(struct json_span span, const char *text)
{
	if (text == NULL) {
		ck_assert_ptr_null(span.at);
		return;
	}
	ck_assert_uint_eq(span.len, strlen(text));
	ck_assert_mem_eq(span.at, text, span.len);
}

static const struct field_case {
	const char *json, *name, *value; /* value NULL: absent */
} fields[] = {
	{ "{\"a\":1,\"b\":{\"a\":2}}", "a", "1" },
	{ " { \"a\" : 1 , \"b\" : { \"a\" : [ \"}\" , {} ] } } ", "b", "{ \"a\" : [ \"}\" , {} ] }" },
	{ "{\"a\":\"\\\"}\",\"b\":true}", "b", "true" },
	{ "{\"a\":null}", "a", NULL },
	{ "{\"aa\":1}", "a", NULL },
	{ "{}", "a", NULL },
	{ "[\"a\"]", "a", NULL },
	{ "{\"a\":1", "a", NULL },
	{ "{\"a\":1}}", "a", NULL },
	{ "{\"a\" 1}", "a", NULL },
	{ "{a:1}", "a", NULL },
	{ "{\"b\":1 \"a\":1}", "a", NULL },
	{ "\"a\"", "a", NULL },
	{ "", "a", NULL },
	{ "{\"b\":\"x", "a", NULL },
	{ "{\"b\":\"x\\", "a", NULL },
	{ "{\"a\":1,\"a\":2}", "a", "1" },
};

START_TEST(field)
{
	expect(json_span_field(span_of(fields[_i].json), fields[_i].name), fields[_i].value);
}
END_TEST

START_TEST(values)
{
	struct json_walk walk = json_walk_of(span_of("[1, \"two\" ,{\"x\":[3]},[],-4.5e6]"));
	const char *want[] = { "1", "\"two\"", "{\"x\":[3]}", "[]", "-4.5" };
	struct json_span value;
	size_t n = 0;

	while (json_walk_value(&walk, &value)) {
		if (n < 4)
			expect(value, want[n]);
		n++;
	}
	ck_assert(!walk.broken);
	ck_assert_uint_eq(n, 5);
	walk = json_walk_of(span_of("[1 2]"));
	ck_assert(json_walk_value(&walk, &value) && !json_walk_value(&walk, &value) && walk.broken);
}
END_TEST

static const struct text_case {
	const char *json, *text;
	int r; /* negative: the error */
} texts[] = {
	{ "\"plain\"", "plain", 0 },
	{ "\"\"", "", 0 },
	{ "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 0 },
	{ "\"\\u003cb\\u00e4\\u20ac\"", "<b\xc3\xa4\xe2\x82\xac", 0 },
	{ "\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80", 0 },
	{ "\"\\ud83d!\"", "\xef\xbf\xbd!", 0 },
	{ "\"\\ude00\"", "\xef\xbf\xbd", 0 },
	{ "\"\\u0000\"", "", -EINVAL },
	{ "\"\\u12g4\"", "", -EINVAL },
	{ "\"\\x\"", "", -EINVAL },
	{ "12", "", -EINVAL },
	{ "\"1234567890123456\"", "", -EMSGSIZE },
	{ "\"123456789012345\"", "123456789012345", 0 },
};

START_TEST(texts_decoded)
{
	const struct text_case *c = &texts[_i];
	char buf[16];
	int r = json_span_text(span_of(c->json), buf, sizeof(buf));

	ck_assert_int_eq(r, c->r < 0 ? c->r : (int)strlen(c->text));
	ck_assert_str_eq(buf, c->text);
}
END_TEST

START_TEST(absent_text)
{
	char buf[4] = "x";

	ck_assert_int_eq(json_span_text((struct json_span){ 0 }, buf, sizeof(buf)), -EINVAL);
	ck_assert_str_eq(buf, "");
}
END_TEST

START_TEST(integer)
{
	ck_assert_int_eq(json_span_integer(span_of("42"), 0, 100, -1), 42);
	ck_assert_int_eq(json_span_integer(span_of("-42"), -100, 100, -1), -42);
	ck_assert_int_eq(json_span_integer(span_of("101"), 0, 100, -1), -1);
	ck_assert_int_eq(json_span_integer(span_of("4.2"), 0, 100, -1), -1);
	ck_assert_int_eq(json_span_integer(span_of("4-2"), 0, 100, -1), -1);
	ck_assert_int_eq(json_span_integer(span_of("\"42\""), 0, 100, -1), -1);
	ck_assert_int_eq(json_span_integer(span_of("99999999999999999999"), INT64_MIN, INT64_MAX, -7), -7);
	ck_assert_int_eq(json_span_integer((struct json_span){ 0 }, 0, 1, 5), 5);
}
END_TEST

static const struct status_case {
	const char *body;
	int http_code;
	bool is_status;
	int code;
	const char *reason, *message, *cause;
	int retry_after_s;
	bool too_new;
} statuses[] = {
	{ "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"services is "
	  "forbidden\","
	  "\"reason\":\"Forbidden\",\"details\":{\"kind\":\"services\"},\"code\":403}",
	  403, true, 403, "Forbidden", "services is forbidden", "", 0, false },
	{ "{\"kind\":\"Status\",\"message\":\"too old resource version: 217 "
	  "(354)\",\"reason\":\"Expired\",\"code\":410}",
	  0, true, 410, "Expired", "too old resource version: 217 (354)", "", 0, false },
	{ "{\"kind\":\"Status\",\"message\":\"Timeout: Too large resource version: 9, current: "
	  "7\",\"reason\":\"Timeout\",\"details\":{"
	  "\"causes\":[{\"reason\":\"ResourceVersionTooLarge\",\"message\":\"Too large resource "
	  "version\"}],\"retryAfterSeconds\":1},"
	  "\"code\":504}",
	  504, true, 504, "Timeout", "Timeout: Too large resource version: 9, current: 7", "", 1, true },
	{ "{\"kind\":\"Status\",\"message\":\"rpc: required revision is a future revision\",\"code\":500}", 500, true,
	  500, "", "rpc: required revision is a future revision", "", 0, true },
	{ "{\"kind\":\"Status\",\"message\":\"no\",\"reason\":\"Invalid\",\"details\":{\"causes\":[{\"reason\":"
	  "\"FieldValueInvalid\","
	  "\"field\":\"metadata.uid\"}]},\"code\":422}",
	  422, true, 422, "Invalid", "no", "metadata.uid", 0, false },
	{ "Too many requests, please try again later.\n", 429, false, 429, "",
	  "Too many requests, please try again later.", "", 0, false },
	{ "", 502, false, 502, "", "", "", 0, false },
	{ "{\"kind\":\"Pod\"}", 500, false, 500, "", "{\"kind\":\"Pod\"}", "", 0, false },
	{ "{\"kind\":\"Status\",\"code\":99999,\"message\":7}", 503, true, 503, "", "", "", 0, false },
	{ "{\"kind\":\"Status\",\"message\":\"two\\nlines\"}", 400, true, 400, "", "two lines", "", 0, false },
};

START_TEST(status)
{
	const struct status_case *c = &statuses[_i];
	struct api_status got;

	ck_assert_int_eq(api_status_parse(c->body, strlen(c->body), c->http_code, &got), c->is_status);
	ck_assert_int_eq(got.code, c->code);
	ck_assert_str_eq(got.reason, c->reason);
	ck_assert_str_eq(got.message, c->message);
	ck_assert_str_eq(got.cause_field, c->cause);
	ck_assert_int_eq(got.retry_after_s, c->retry_after_s);
	ck_assert_int_eq(got.too_new, c->too_new);
}
END_TEST

/* A message that is too long is cut between characters. */
START_TEST(long_message)
{
	char body[1024];
	struct api_status got;

	memset(body, 'x', sizeof(body));
	for (size_t i = 0; i < 300; i += 2)
		memcpy(body + i + 1, "\xc3\xa4", 2);
	ck_assert(!api_status_parse(body, sizeof(body), 500, &got));
	ck_assert_uint_eq(strlen(got.message), API_MESSAGE_MAX);
	ck_assert(!api_status_parse(body + 2, sizeof(body) - 2, 500, &got));
	ck_assert_int_ne((unsigned char)got.message[strlen(got.message) - 1], 0xc3);
}
END_TEST

START_TEST(paths)
{
	struct kube_resource core = { .group = "", .version = "v1", .plural = "services" };
	struct kube_resource slice = { .group = "discovery.k8s.io",
				       .version = "v1",
				       .plural = "endpointslices",
				       .namespace = "a b",
				       .label_selector = "a in (b,c),!d",
				       .field_selector = "spec.type=LoadBalancer" };
	struct url_path path;

	url_path_resource(&path, &core);
	ck_assert_str_eq(url_path_text(&path), "/api/v1/services");
	core.namespace = "default";
	url_path_object(&path, &core, "web", "status");
	ck_assert_str_eq(url_path_text(&path), "/api/v1/namespaces/default/services/web/status");
	url_path_resource(&path, &slice);
	url_path_selectors(&path, &slice);
	url_path_number(&path, "limit", 500);
	url_path_parameter(&path, "continue", "a+/=&?%\xc3\xa4");
	ck_assert_str_eq(
		url_path_text(&path),
		"/apis/discovery.k8s.io/v1/namespaces/a%20b/endpointslices?labelSelector=a%20in%20%28b%2Cc%29%2C%21d&"
		"fieldSelector=spec.type%3DLoadBalancer&limit=500&continue=a%2B%2F%3D%26%3F%25%C3%A4");
}
END_TEST

/* A name must not lead elsewhere, and a path that is too long is none. */
START_TEST(bad_paths)
{
	struct kube_resource core = { .group = "", .version = "v1", .plural = "services", .namespace = "n" };
	const char *names[] = { "", ".", ".." };
	char text[KUBE_PATH_MAX];
	struct url_path path;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		url_path_object(&path, &core, names[i], NULL);
		ck_assert_ptr_null(url_path_text(&path));
	}
	url_path_object(&path, &core, "../x", NULL);
	ck_assert_str_eq(url_path_text(&path), "/api/v1/namespaces/n/services/..%2Fx");
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	url_path_object(&path, &core, text, NULL);
	ck_assert_ptr_null(url_path_text(&path));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kube_scan");
	TCase *tcase = tcase_create("kube_scan");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, field, 0, ARRAY_LEN(fields));
	tcase_add_test(tcase, values);
	tcase_add_loop_test(tcase, texts_decoded, 0, ARRAY_LEN(texts));
	tcase_add_test(tcase, absent_text);
	tcase_add_test(tcase, integer);
	tcase_add_loop_test(tcase, status, 0, ARRAY_LEN(statuses));
	tcase_add_test(tcase, long_message);
	tcase_add_test(tcase, paths);
	tcase_add_test(tcase, bad_paths);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
