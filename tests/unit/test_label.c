/* SPDX-License-Identifier: Apache-2.0 */
/* base/label.c: label sets, and selectors with the meaning that Kubernetes gives them. */
#include "base/label.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

START_TEST(set_put)
{
	struct label_set set = { 0 };
	char long_text[LABEL_TEXT_MAX + 2];

	ck_assert_ptr_null(label_get(&set, "rack"));
	ck_assert_int_eq(label_set_put(&set, "rack", "a"), 0);
	ck_assert_int_eq(label_set_put(&set, "zone", ""), 0);
	ck_assert_int_eq(label_set_put(&set, "rack", "b"), 0);
	ck_assert_uint_eq(set.label_n, 2);
	ck_assert_str_eq(label_get(&set, "rack"), "b");
	ck_assert_str_eq(label_get(&set, "zone"), "");
	ck_assert_ptr_null(label_get(&set, "rac"));

	memset(long_text, 'x', sizeof(long_text));
	long_text[LABEL_TEXT_MAX + 1] = '\0';
	ck_assert_int_eq(label_set_put(&set, "", "a"), -EINVAL);
	ck_assert_int_eq(label_set_put(&set, long_text, "a"), -EINVAL);
	ck_assert_int_eq(label_set_put(&set, "a", long_text), -EINVAL);
	ck_assert_int_eq(label_set_put(&set, long_text + 1, long_text + 1), 0);
	ck_assert_str_eq(label_get(&set, long_text + 1), long_text + 1);
}
END_TEST

START_TEST(set_full)
{
	struct label_set set = { 0 };
	char key[16];

	for (int i = 0; i < LABEL_MAX; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		ck_assert_int_eq(label_set_put(&set, key, "v"), 0);
	}
	ck_assert_int_eq(label_set_put(&set, "more", "v"), -ENOSPC);
	ck_assert_int_eq(label_set_put(&set, "k3", "new"), 0); /* replacing needs no room */
	ck_assert_str_eq(label_get(&set, "k3"), "new");
	ck_assert_uint_eq(set.label_n, LABEL_MAX);
}
END_TEST

/* One requirement against {rack: a, empty: ""}. */
static const struct {
	const char *key;
	enum label_operator operator;
	const char *values[2];
	size_t value_n;
	bool matches;
} requirements[] = {
	{ "rack", LABEL_IN, { "a" }, 1, true },
	{ "rack", LABEL_IN, { "b", "a" }, 2, true },
	{ "rack", LABEL_IN, { "b" }, 1, false },
	{ "rack", LABEL_IN, { "A" }, 1, false },
	{ "rack", LABEL_IN, { NULL }, 0, false },
	{ "none", LABEL_IN, { "a" }, 1, false },
	{ "none", LABEL_IN, { "" }, 1, false },
	{ "empty", LABEL_IN, { "" }, 1, true },
	{ "rack", LABEL_NOT_IN, { "a" }, 1, false },
	{ "rack", LABEL_NOT_IN, { "b" }, 1, true },
	{ "none", LABEL_NOT_IN, { "a" }, 1, true }, /* as in Kubernetes: an absent key is not in the list */
	{ "rack", LABEL_EXISTS, { NULL }, 0, true },
	{ "empty", LABEL_EXISTS, { NULL }, 0, true },
	{ "none", LABEL_EXISTS, { NULL }, 0, false },
	{ "rack", LABEL_DOES_NOT_EXIST, { NULL }, 0, false },
	{ "none", LABEL_DOES_NOT_EXIST, { NULL }, 0, true },
};

static struct label_set example(void)
{
	struct label_set set = { 0 };

	ck_assert_int_eq(label_set_put(&set, "rack", "a"), 0);
	ck_assert_int_eq(label_set_put(&set, "empty", ""), 0);
	return set;
}

START_TEST(operators)
{
	struct label_set set = example();
	char key[16], values[2][16];
	char *pointers[2] = { values[0], values[1] };
	struct label_requirement requirement = { key, requirements[_i].operator, pointers, requirements[_i].value_n };
	struct label_selector selector = { &requirement, 1 };

	strcpy(key, requirements[_i].key);
	for (size_t i = 0; i < requirements[_i].value_n; i++)
		strcpy(values[i], requirements[_i].values[i]);
	ck_assert_int_eq(label_selector_matches(&selector, &set), requirements[_i].matches);
}
END_TEST

START_TEST(all_of_any)
{
	struct label_set set = example(), bare = { 0 };
	char rack[] = "rack", none[] = "none";
	struct label_requirement both[] = { { rack, LABEL_EXISTS, NULL, 0 }, { none, LABEL_EXISTS, NULL, 0 } };
	struct label_selector all = { both, 2 }, first = { both, 1 }, everything = { NULL, 0 };
	struct label_selector list[] = { all, first };

	ck_assert(!label_selector_matches(&all, &set)); /* every requirement must hold */
	ck_assert(label_selector_matches(&first, &set));
	ck_assert(label_selector_matches(&everything, &bare));
	ck_assert(label_selectors_match(list, 2, &set)); /* any selector will do */
	ck_assert(!label_selectors_match(list, 1, &set));
	ck_assert(!label_selectors_match(list, 2, &bare));
	ck_assert(label_selectors_match(NULL, 0, &bare)); /* none: everything */
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("label");
	TCase *tcase = tcase_create("label");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, set_put);
	tcase_add_test(tcase, set_full);
	tcase_add_loop_test(tcase, operators, 0, ARRAY_LEN(requirements));
	tcase_add_test(tcase, all_of_any);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
