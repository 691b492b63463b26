/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/config_check.c: the key `check` of a service, its defaults, and the words with which bad values are refused. */
#include "tests/unit/test_config_parse.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MS INT64_C(1000)
#define BEFORE "gossip: {insecure: true}\nservices:\n- name: a\n  addresses: [10.0.0.1]\n  check: "
#define KEY "services[0].check"

static struct check_config *check_of(struct config *config)
{
	ck_assert_uint_eq(config->service_n, 1);
	ck_assert_uint_eq(config->check_n, 1);
	ck_assert_ptr_nonnull(config->services[0].check);
	return config->services[0].check;
}

START_TEST(command)
{
	struct config *config =
		parse_good(BEFORE "{command: [/usr/bin/curl, -fsS, \"http://127.0.0.1/\"], user: www-data, "
				  "interval: 2s, timeout: 700ms, rise: 4, fall: 5}\n");
	const struct check_config *check = check_of(config);

	ck_assert_int_eq(check->kind, CHECK_COMMAND);
	ck_assert_uint_eq(check->arg_n, 3);
	ck_assert_str_eq(check->args[0], "/usr/bin/curl");
	ck_assert_str_eq(check->args[2], "http://127.0.0.1/");
	ck_assert_str_eq(check->user, "www-data");
	ck_assert_int_eq(check->timing.interval.us, 2000 * MS);
	ck_assert_int_eq(check->timing.timeout.us, 700 * MS);
	ck_assert_uint_eq(check->timing.rise, 4);
	ck_assert_uint_eq(check->timing.fall, 5);
	config_free(config);
}
END_TEST

START_TEST(defaults)
{
	struct config *config = parse_good(BEFORE "{command: [/bin/true]}\n");
	const struct check_config *check = check_of(config);

	ck_assert_ptr_null(check->user);
	ck_assert_int_eq(check->timing.interval.us, 1000 * MS);
	ck_assert_int_eq(check->timing.timeout.us, 500 * MS);
	ck_assert_uint_eq(check->timing.rise, 2);
	ck_assert_uint_eq(check->timing.fall, 3);
	config_free(config);
}
END_TEST

/* Half of a short interval, and never more than the default. */
START_TEST(timeout_by_interval)
{
	struct config *config = parse_good(BEFORE "{command: [/bin/true], interval: 300ms}\n");

	ck_assert_int_eq(check_of(config)->timing.timeout.us, 150 * MS);
	config_free(config);
	config = parse_good(BEFORE "{command: [/bin/true], interval: 10s}\n");
	ck_assert_int_eq(check_of(config)->timing.timeout.us, 500 * MS);
	config_free(config);
}
END_TEST

START_TEST(http)
{
	struct config *config = parse_good(BEFORE "{http: {url: \"https://web.example/health\", address: \"fd00::1\", "
						  "status: [200, 399], insecure: true}}\n");
	const struct check_config *check = check_of(config);
	char text[IP_TEXT_MAX];

	ck_assert_int_eq(check->kind, CHECK_HTTP);
	ck_assert_str_eq(check->http.url, "https://web.example/health");
	ck_assert_str_eq(ip_format(check->http.ip, text), "fd00::1");
	ck_assert_uint_eq(check->http.status_low, 200);
	ck_assert_uint_eq(check->http.status_high, 399);
	ck_assert(check->http.insecure);
	config_free(config);
	config = parse_good(BEFORE "{http: {url: \"http://127.0.0.1:8080/\"}}\n");
	check = check_of(config);
	ck_assert_str_eq(ip_format(check->http.ip, text), "127.0.0.1");
	ck_assert_uint_eq(check->http.status_high, 299);
	ck_assert(!check->http.insecure);
	config_free(config);
}
END_TEST

START_TEST(tcp)
{
	struct config *config = parse_good(BEFORE "{tcp: {address: \"[::1]:80\"}}\n");
	char text[ENDPOINT_TEXT_MAX];

	ck_assert_int_eq(check_of(config)->kind, CHECK_TCP);
	ck_assert_str_eq(endpoint_format(check_of(config)->tcp, text), "[::1]:80");
	config_free(config);
}
END_TEST

static const struct {
	const char *text;
	const char *errors[3];
} bads[] = {
	{ "{}\n", { "f:5: " KEY ": must have one of command, http and tcp" } },
	{ "[a]\n", { "f:5: " KEY ": must be a mapping" } },
	{ "{command: [/bin/true], tcp: {address: \"127.0.0.1:1\"}}\n",
	  { "f:5: " KEY ": must have only one of command, http and tcp" } },
	{ "{command: []}\n", { "f:5: " KEY ".command: is empty" } },
	{ "{command: /bin/true}\n", { "f:5: " KEY ".command: must be a list" } },
	{ "{command: [true]}\n", { "f:5: " KEY ".command[0]: must be an absolute path" } },
	{ "{command: [/bin/true], interval: 1s, timeout: 1s}\n",
	  { "f:5: " KEY ".timeout: must be shorter than the interval, which is 1s" } },
	{ "{command: [/bin/true], interval: 49ms}\n", { "f:5: " KEY ".interval: \"49ms\" is out of range" } },
	{ "{command: [/bin/true], rise: 0, fall: 101}\n", { "f:5: " KEY ".rise: ", "f:5: " KEY ".fall: " } },
	{ "{command: [/bin/true], retries: 3}\n", { "f:5: " KEY ".retries: unknown key" } },
	{ "{http: {}}\n", { "f:5: " KEY ".http.url: is missing" } },
	{ "{http: {url: \"ftp://127.0.0.1/\"}}\n", { "f:5: " KEY ".http.url: \"ftp://127.0.0.1/\" must be a URL" } },
	{ "{http: {url: \"http://localhost/\"}}\n",
	  { "f:5: " KEY ".http.url: \"http://localhost/\" has a name, and names are not looked up" } },
	{ "{http: {url: \"http://me:secret@127.0.0.1/\"}}\n",
	  { "f:5: " KEY ".http.url: must have no user or password" } },
	{ "{http: {url: \"http://127.0.0.1/\", status: [299, 200]}}\n",
	  { "f:5: " KEY ".http.status: begins with the higher one" } },
	{ "{http: {url: \"http://127.0.0.1/\", status: 200}}\n", { "f:5: " KEY ".http.status: must be a list" } },
	{ "{http: {url: \"http://127.0.0.1/\"}, user: root}\n", { "f:5: " KEY ".user: is for a command" } },
	{ "{tcp: {}}\n", { "f:5: " KEY ".tcp.address: is missing" } },
	{ "{tcp: {address: 127.0.0.1}}\n",
	  { "f:5: " KEY ".tcp.address: \"127.0.0.1\" must be an address and a port" } },
	{ "{tcp: {address: \"[fe80::1]:80\"}}\n",
	  { "f:5: " KEY ".tcp.address: \"[fe80::1]:80\" is a link-local address" } },
};

START_TEST(refused)
{
	char text[1024];

	snprintf(text, sizeof(text), "%s%s", BEFORE, bads[_i].text);
	expect_refused(text, bads[_i].errors, ARRAY_LEN(bads[_i].errors));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("config_check");
	TCase *tcase = tcase_create("config_check");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, command);
	tcase_add_test(tcase, defaults);
	tcase_add_test(tcase, timeout_by_interval);
	tcase_add_test(tcase, http);
	tcase_add_test(tcase, tcp);
	tcase_add_loop_test(tcase, refused, 0, (int)ARRAY_LEN(bads));
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
