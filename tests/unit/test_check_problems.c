/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/check_problems.c: what a configuration says of checks, held against this host; with files of its own in a folder of /tmp. */
#include "tests/unit/test_config_parse.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/check.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* In each text, % is this folder: ours alone. */
static char folder[] = "/tmp/mlbd-check-XXXXXX";

static const char *in_folder(const char *name, char path[64])
{
	snprintf(path, 64, "%s/%s", folder, name);
	return path;
}

static void make_file(const char *name, mode_t mode)
{
	char path[64];
	FILE *file = fopen(in_folder(name, path), "we");

	ck_assert_ptr_nonnull(file);
	fclose(file);
	ck_assert_int_eq(chmod(path, mode), 0);
}

static void make_folder(const char *name, mode_t mode)
{
	char path[64];

	ck_assert_int_eq(mkdir(in_folder(name, path), 0700), 0);
	ck_assert_int_eq(chmod(path, mode), 0);
}

static void setup(void)
{
	char from[64], to[64];

	ck_assert_ptr_nonnull(mkdtemp(folder));
	make_file("good", 0755);
	make_file("plain", 0644);
	make_file("open", 0757);
	make_file("open-sticky", 01757);
	make_folder("anyone", 0777);
	make_file("anyone/good", 0755);
	make_folder("sticky", 01777);
	make_file("sticky/good", 0755);
	ck_assert_int_eq(symlink(in_folder("anyone/good", from), in_folder("link", to)), 0);
}

static void teardown(void)
{
	static const char *const names[] = { "link", "sticky/good", "sticky", "anyone/good", "anyone",
					     "open", "open-sticky", "plain",  "good" };
	char path[64];

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		ck_assert_int_eq(remove(in_folder(names[i], path)), 0);
	ck_assert_int_eq(rmdir(folder), 0);
	memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
}

/* The text with the folder in it. */
static const char *expand(const char *text, char *buf, size_t cap)
{
	size_t len = 0;

	for (; *text != '\0'; text++) {
		ck_assert_uint_lt(len + sizeof(folder), cap);
		if (*text == '%')
			len += (size_t)snprintf(buf + len, cap - len, "%s", folder);
		else
			buf[len++] = *text;
	}
	buf[len] = '\0';
	return buf;
}

/* The configuration of one service with that check. */
static struct config *config_with(const char *check)
{
	char text[1024], expanded[512];

	snprintf(text, sizeof(text),
		 "gossip: {insecure: true}\nnode: {labels: {rack: a}}\nservices:\n- name: web\n"
		 "  addresses: [10.0.0.1, \"fd00::1\"]\n  %s\n",
		 expand(check, expanded, sizeof(expanded)));
	return parse_good(text);
}

static const struct {
	const char *check;
	const char *error; /* is in the only one; NULL: there is none */
} cases[] = {
	{ "check: {command: [%/good]}", NULL },
	{ "check: {command: [%/sticky/good]}", NULL },
	{ "check: {command: [/bin/sh, -c, \"exit 0\"]}", NULL },
	{ "check: {command: [%/missing]}", "f:6: services[0].check: %/missing: No such file or directory" },
	{ "check: {command: [%/plain]}", "%/plain is not an executable file" },
	{ "check: {command: [%/anyone]}", "%/anyone is not an executable file" },
	{ "check: {command: [%/open]}", "%/open can be changed by others" },
	{ "check: {command: [%/open-sticky]}", "%/open-sticky can be changed by others" }, /* means nothing of a file */
	{ "check: {command: [%/anyone/good]}", "%/anyone can be changed by others" },
	{ "check: {command: [%/link]}", "%/anyone can be changed by others" }, /* where it leads to */
	{ "check: {command: [%/good], user: no-such-user}", "there is no user no-such-user in /etc/passwd" },
	{ "check: {tcp: {address: \"10.0.0.1:80\"}}", "10.0.0.1 is an address of the service" },
	{ "check: {http: {url: \"http://[fd00::1]/\"}}", "fd00::1 is an address of the service" },
	{ "check: {http: {url: \"http://a.example/\", address: 10.0.0.1}}", "10.0.0.1 is an address of the service" },
	{ "check: {tcp: {address: \"10.0.0.2:80\"}}", NULL },
	/* not for this node, which need not have the program */
	{ "nodeSelectors: [{matchLabels: {rack: b}}]\n  check: {command: [%/missing]}", NULL },
};

START_TEST(problems)
{
	struct config *config = config_with(cases[_i].check);
	struct config_errors errors = { 0 };
	char expected[256];

	check_problems(config, &errors);
	if (cases[_i].error == NULL) {
		ck_assert_msg(errors.error_n == 0, "%s: %s", cases[_i].check, errors.texts[0]);
	} else {
		ck_assert_msg(errors.error_n == 1, "%s: %zu errors", cases[_i].check, errors.error_n);
		expand(cases[_i].error, expected, sizeof(expected));
		ck_assert_msg(strstr(errors.texts[0], expected) != NULL, "%s: %s", cases[_i].check, errors.texts[0]);
	}
	config_errors_free(&errors);
	config_free(config);
}
END_TEST

START_TEST(users)
{
	struct check_config check = { 0 };
	char root[] = "root", missing[] = "no-such-user";
	uint32_t uid, gid;

	check.user = root;
	ck_assert_int_eq(check_user(&check, &uid, &gid), 0);
	ck_assert_uint_eq(uid, 0);
	ck_assert_uint_eq(gid, 0);
	check.user = missing;
	ck_assert_int_eq(check_user(&check, &uid, &gid), -ENOENT);
	check.user = NULL;
	ck_assert_int_eq(check_user(&check, &uid, &gid), 0);
	ck_assert_int_ne(uid, 0);
	if (geteuid() != 0)
		ck_assert_uint_eq(uid, geteuid());
}
END_TEST

/* Each differs from all others, and none from itself. */
START_TEST(equality)
{
	static const char *const checks[] = {
		"check: {command: [/bin/true]}",
		"check: {command: [/bin/true, a]}",
		"check: {command: [/bin/true, b]}",
		"check: {command: [/bin/true], user: root}",
		"check: {command: [/bin/true], interval: 2s}",
		"check: {command: [/bin/true], timeout: 400ms}",
		"check: {command: [/bin/true], rise: 9}",
		"check: {command: [/bin/true], fall: 9}",
		"check: {http: {url: \"http://127.0.0.1/\"}}",
		"check: {http: {url: \"http://127.0.0.1/\", address: 127.0.0.2}}",
		"check: {http: {url: \"http://127.0.0.1/\", status: [200, 300]}}",
		"check: {http: {url: \"http://127.0.0.1/\", status: [201, 299]}}",
		"check: {http: {url: \"http://127.0.0.1/\", insecure: true}}",
		"check: {tcp: {address: \"127.0.0.1:1\"}}",
		"check: {tcp: {address: \"127.0.0.1:2\"}}",
		"check: {tcp: {address: \"127.0.0.2:1\"}}",
		"claim: address", /* no check */
	};

	for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
		struct config *a = config_with(checks[i]);

		for (size_t j = 0; j < ARRAY_LEN(checks); j++) {
			struct config *b = config_with(checks[j]);

			ck_assert_msg(check_config_equal(a->services[0].check, b->services[0].check) == (i == j),
				      "%s and %s", checks[i], checks[j]);
			config_free(b);
		}
		config_free(a);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("check_problems");
	TCase *tcase = tcase_create("check_problems");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, problems, 0, (int)ARRAY_LEN(cases));
	tcase_add_test(tcase, users);
	tcase_add_test(tcase, equality);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
