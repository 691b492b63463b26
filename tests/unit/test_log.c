/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/log.c: one line per event, in the form that the reader of standard error wants. */
#include "daemon/log.h"

#include <check.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/log_json.h"

#define TEXT_MAX 65536

/* Standard error is a file while a test runs. */
static int saved_stderr;
static int capture;

static void capture_start(void)
{
	char path[] = "/tmp/test_log.XXXXXX";

	saved_stderr = dup(STDERR_FILENO);
	capture = mkstemp(path);
	ck_assert_int_ge(capture, 0);
	unlink(path);
	ck_assert_int_ge(dup2(capture, STDERR_FILENO), 0);
	unsetenv("JOURNAL_STREAM");
	log_init(LOG_LEVEL_INFO);
}

static void capture_stop(void)
{
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(capture);
}

/* What has been written since the start. */
static const char *captured(void)
{
	static char text[TEXT_MAX];
	ssize_t n = pread(capture, text, sizeof(text) - 1, 0);

	ck_assert_int_ge(n, 0);
	text[n] = '\0';
	return text;
}

/* Make JOURNAL_STREAM name the file that standard error is, or another one. */
static void set_journal_stream(unsigned long long inode_offset)
{
	struct stat st;
	char text[64];

	ck_assert_int_eq(fstat(STDERR_FILENO, &st), 0);
	snprintf(text, sizeof(text), "%llu:%llu", (unsigned long long)st.st_dev, st.st_ino + inode_offset);
	setenv("JOURNAL_STREAM", text, 1);
	log_init(LOG_LEVEL_INFO);
}

START_TEST(for_eyes)
{
	const char *text;

	log_info("member name=%s to=%s", "n1", "alive");
	text = captured();
	/* 2026-11-23T00:00:00.000Z info ... */
	ck_assert_uint_eq(strcspn(text, "Z"), 23);
	ck_assert_str_eq(text + 24, " info member name=n1 to=alive\n");
}
END_TEST

static size_t count(const char *text, const char *what)
{
	size_t n = 0;

	for (const char *at = strstr(text, what); at != NULL; at = strstr(at + 1, what))
		n++;
	return n;
}

START_TEST(a_flood)
{
	uint64_t n = 0;
	const char *event = NULL;

	for (int i = 0; i < 300; i++) {
		log_warning("flood n=%d", i);
		log_info("owner n=%d", i);
		if (i % 2 == 0)
			log_error("flood e=%d", i);
	}
	/* the machine may be slow, so that some more are let through */
	ck_assert_uint_ge(count(captured(), " flood n="), 100);
	ck_assert_uint_lt(count(captured(), " flood n="), 200);
	ck_assert_uint_eq(count(captured(), " owner n="), 300);
	ck_assert_uint_eq(count(captured(), " flood e="), 150);
	for (size_t i = 0; event == NULL || strcmp(event, "flood") != 0; i++) {
		event = log_suppressed_at(i, &n);
		ck_assert_ptr_nonnull(event);
	}
	ck_assert_uint_eq(n, 300 - count(captured(), " flood n="));
}
END_TEST

START_TEST(for_the_journal)
{
	set_journal_stream(0);
	log_error("a");
	log_warning("b=%d", 2);
	log_info("c");
	log_level_set(LOG_LEVEL_DEBUG);
	log_debug("d");
	ck_assert_str_eq(captured(), "<3>a\n<4>b=2\n<6>c\n<7>d\n");
}
END_TEST

START_TEST(journal_of_another)
{
	set_journal_stream(1); /* inherited, but standard error goes elsewhere */
	log_error("a");
	ck_assert_ptr_nonnull(strstr(captured(), "Z error a\n"));
	setenv("JOURNAL_STREAM", "nonsense", 1);
	log_init(LOG_LEVEL_INFO);
	log_warning("b");
	ck_assert_ptr_nonnull(strstr(captured(), "Z warning b\n"));
}
END_TEST

START_TEST(levels)
{
	log_debug("hidden");
	log_level_set(LOG_LEVEL_ERROR);
	log_warning("hidden");
	log_info("hidden");
	ck_assert_str_eq(captured(), "");
	log_error("shown");
	ck_assert_ptr_nonnull(strstr(captured(), "shown"));
}
END_TEST

START_TEST(one_line)
{
	set_journal_stream(0);
	log_info("name=%s", "a\n<0>b\x1b[31m\x7f");
	ck_assert_str_eq(captured(), "<6>name=a?<0>b?[31m?\n");
}
END_TEST

START_TEST(long_line)
{
	static char text[8000];

	memset(text, 'x', sizeof(text) - 1);
	set_journal_stream(0);
	log_info("%s", text);
	log_info("next");
	ck_assert_uint_eq(strcspn(captured(), "\n"), 4095);
	ck_assert_str_eq(captured() + 4095, "\n<6>next\n");
}
END_TEST

START_TEST(keeps_errno)
{
	set_journal_stream(0);
	close(STDERR_FILENO); /* so that writing fails */
	errno = ENOENT;
	log_info("lost");
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_str_eq(captured(), "");
}
END_TEST

static const struct {
	const char *message;
	const char *wanted; /* behind time and level */
} lines[] = {
	{ "owner ip=10.0.0.1 from=n1 to=n2", "\"event\":\"owner\",\"ip\":\"10.0.0.1\",\"from\":\"n1\",\"to\":\"n2\"" },
	{ "drained", "\"event\":\"drained\"" },
	{ "joined alone=true reason=\"no peer answered\"",
	  "\"event\":\"joined\",\"alone\":\"true\",\"reason\":\"no peer answered\"" },
	{ "e a=\"it says \"no\" twice\" b=1", "\"event\":\"e\",\"a\":\"it says \\\"no\\\" twice\",\"b\":\"1\"" },
	{ "e a=\"cut short", "\"event\":\"e\",\"a\":\"cut short\"" },
	{ "e a= b=x", "\"event\":\"e\",\"a\":\"\",\"b\":\"x\"" },
	{ "e time=1 level=2 a=3 a=4", "\"event\":\"e\",\"a\":\"3\"" },
	{ "control.socket: /run: denied", "\"message\":\"control.socket: /run: denied\"" },
	{ "missing capability: x=1", "\"message\":\"missing capability: x=1\"" },
	{ "e a=1 trailing", "\"message\":\"e a=1 trailing\"" },
	{ "e p=C:\\x\xff", "\"event\":\"e\",\"p\":\"C:\\\\x\\u00ff\"" },
	{ "", "\"message\":\"\"" },
};

START_TEST(json)
{
	const char *text, *at;
	cJSON *doc;

	log_json_set(true);
	log_info("%s", lines[_i].message);
	log_json_set(false);
	text = captured();
	ck_assert_int_eq(text[strlen(text) - 1], '\n');
	doc = cJSON_Parse(text);
	ck_assert_msg(cJSON_IsObject(doc), "%s", text);
	cJSON_Delete(doc);
	at = strstr(text, "\"level\":\"info\",");
	ck_assert_msg(at != NULL, "%s", text);
	at += strlen("\"level\":\"info\",");
	ck_assert_uint_eq(strlen(at), strlen(lines[_i].wanted) + 2);
	ck_assert_msg(strncmp(at, lines[_i].wanted, strlen(lines[_i].wanted)) == 0, "%s", at);
}
END_TEST

/* Every length: what does not fit is left out whole, and the object stays one. */
START_TEST(json_cut)
{
	char message[1024];
	char out[LOG_JSON_MIN + 1];
	size_t cut = 0;

	for (size_t len = 0; len < 900; len++) {
		size_t n;
		cJSON *doc;

		memset(message, '\xe4', sizeof(message));
		memcpy(message, "event a=", 8);
		strcpy(message + 8 + len, " b=2");
		n = log_json(out, LOG_JSON_MIN, "2026-11-23T00:00:00.000Z", "info", message);
		ck_assert_uint_le(n, LOG_JSON_MIN);
		out[n] = '\0';
		doc = cJSON_Parse(out);
		ck_assert_msg(cJSON_IsObject(doc), "%s", out);
		cut += cJSON_IsTrue(cJSON_GetObjectItem(doc, "cut")) ? 1 : 0;
		ck_assert(cJSON_IsTrue(cJSON_GetObjectItem(doc, "cut")) || cJSON_GetObjectItem(doc, "b") != NULL);
		cJSON_Delete(doc);
	}
	ck_assert_uint_gt(cut, 0);
	ck_assert_uint_lt(cut, 900);
}
END_TEST

START_TEST(json_journal)
{
	log_json_set(true);
	set_journal_stream(0);
	log_warning("a b=1");
	log_json_set(false);
	ck_assert_msg(strncmp(captured(), "<4>{\"time\":", 11) == 0, "%s", captured());
}
END_TEST

START_TEST(level_names)
{
	enum log_level level = LOG_LEVEL_INFO;

	ck_assert_int_eq(log_level_parse("debug", &level), 0);
	ck_assert_int_eq(level, LOG_LEVEL_DEBUG);
	ck_assert_int_eq(log_level_parse("DEBUG", &level), -EINVAL);
	ck_assert_int_eq(log_level_parse("", &level), -EINVAL);
	ck_assert_int_eq(level, LOG_LEVEL_DEBUG);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log");
	TCase *tcase = tcase_create("log");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, capture_start, capture_stop);
	tcase_add_test(tcase, for_eyes);
	tcase_add_test(tcase, a_flood);
	tcase_add_test(tcase, for_the_journal);
	tcase_add_test(tcase, journal_of_another);
	tcase_add_test(tcase, levels);
	tcase_add_loop_test(tcase, json, 0, (int)(sizeof(lines) / sizeof(lines[0])));
	tcase_add_test(tcase, json_cut);
	tcase_add_test(tcase, json_journal);
	tcase_add_test(tcase, level_names);
	tcase_add_test(tcase, one_line);
	tcase_add_test(tcase, long_line);
	tcase_add_test(tcase, keeps_errno);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
