/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/explain.c: the document that says why an address is where it is. */
#include "daemon/explain.h"

#include "tests/unit/test_placement_world.h"

static char error[256];

/* The answer as text, for a service or an address; empty: none, and `error` says why. */
static const char *answer(const char *name, int status)
{
	static char text[16384];
	cJSON *reply = cJSON_CreateObject();

	error[0] = '\0';
	ck_assert_int_eq(explain_service(e, name, reply, error, sizeof(error)), status);
	ck_assert(cJSON_PrintPreallocated(reply, text, sizeof(text), false));
	cJSON_Delete(reply);
	return text;
}

/* m0 owns s0, and is alone in being able to; s1 is free, and m1 is dead. */
static void setup_explain(void)
{
	struct election_service *s;

	world(2);
	put_rack(0, "a");
	put_rack(1, "b");
	s = service(1, 0);
	s->selectors = &select_a;
	s->selector_n = 1;
	s = service(9, 0);
	s->preferences = likes;
	s->preference_n = 2;
	w.owners[0] = member(0);
	observer(1);
}

START_TEST(documents)
{
	ck_assert_str_eq(answer("s0", 200),
			 "{\"addresses\":[{\"ip\":\"10.1.0.0\",\"owner\":\"m0\",\"state\":\"owned\",\"nodes\":["
			 "{\"name\":\"m0\",\"owner\":true,\"next\":true,\"rank\":0,\"whyNot\":null,\"score\":0,"
			 "\"weight\":100,\"load\":10,\"bound\":11},"
			 "{\"name\":\"m1\",\"owner\":false,\"next\":false,\"rank\":null,\"whyNot\":\"node selector\","
			 "\"score\":0,\"weight\":100,\"load\":0,\"bound\":null}]}],"
			 "\"service\":\"s0\",\"omitted\":0}");
	ck_assert_ptr_nonnull(
		strstr(answer("10.1.0.9", 200), "\"ip\":\"10.1.0.9\",\"owner\":null,\"state\":\"starting\""));
	ck_assert_ptr_nonnull(
		strstr(answer("10.1.0.9", 200), "\"name\":\"m1\",\"owner\":false,\"next\":false,\"rank\":1"));
	ck_assert_ptr_nonnull(strstr(answer("10.1.0.9", 200), "\"service\":\"s1\",\"omitted\":0}"));
}
END_TEST

/* A long list is cut, and says so; what it lacks can be asked for by address. */
START_TEST(many)
{
	ck_assert_ptr_nonnull(strstr(answer("s1", 200), "\"service\":\"s1\",\"omitted\":1}"));
	ck_assert_ptr_nonnull(strstr(answer("s1", 200), "10.1.0.8"));
	ck_assert_ptr_null(strstr(answer("s1", 200), "10.1.0.9"));
}
END_TEST

START_TEST(unknown)
{
	ck_assert_str_eq(answer("s", 404), "{\"addresses\":[]}");
	ck_assert_str_eq(error, "s: no such service or address");
	(void)answer("10.1.0.99", 404);
	ck_assert_str_eq(error, "10.1.0.99: no such service or address");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("explain");
	TCase *tcase = tcase_create("explain");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup_explain, teardown);
	tcase_add_test(tcase, documents);
	tcase_add_test(tcase, many);
	tcase_add_test(tcase, unknown);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
