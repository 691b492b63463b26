/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/command.c: the tables hold together, the manual describes what is in them, and help fits a terminal. Runs in the
 * root of the tree, as make does.
 */
#include "tools/command.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define MANUAL "man/mlbctl.1"

static char *file_text(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = NULL;
	size_t cap = 0;

	ck_assert_msg(file != NULL, "%s", path);
	ck_assert_int_ge(getdelim(&text, &cap, '\0', file), 0);
	(void)fclose(file);
	return text;
}

static bool help_width_fits(const char *text)
{
	for (; *text != '\0'; text += strcspn(text, "\n") + 1) {
		if (strcspn(text, "\n") > RENDER_WIDTH)
			return false;
		if (strchr(text, '\n') == NULL)
			break;
	}
	return true;
}

START_TEST(manual_has_each_command)
{
	char *manual = file_text(MANUAL);

	for (const struct command *command = command_table; command->name; command++) {
		char entry[96];
		const char *at;

		snprintf(entry, sizeof(entry), "\n.It Cm %s", command->name);
		at = strstr(manual, entry);
		ck_assert_msg(at != NULL, "%s: no entry \".It Cm %s\"", MANUAL, command->name);
		ck_assert_msg(strchr(" \n", at[strlen(entry)]) != NULL, "%s: %s", MANUAL, command->name);
	}
	free(manual);
}
END_TEST

START_TEST(manual_has_each_option)
{
	char *manual = file_text(MANUAL);

	for (const struct command_option *option = command_options; option->name; option++) {
		char words[64];

		snprintf(words, sizeof(words), "%s-%s", option->letter ? ", " : "Fl ", option->name);
		ck_assert_msg(strstr(manual, words) != NULL, "%s: no --%s", MANUAL, option->name);
	}
	free(manual);
}
END_TEST

START_TEST(tables_hold_together)
{
	unsigned int taken = 0;

	for (const struct command_option *option = command_options; option->name; option++) {
		ck_assert_msg((taken & option->bit) == 0, "--%s shares its bit", option->name);
		taken |= option->bit;
		for (const struct command_option *other = command_options; other < option; other++) {
			ck_assert_int_ne(other->id, option->id);
			ck_assert_str_ne(other->name, option->name);
		}
	}
	for (const struct command *command = command_table; command->name; command++) {
		ck_assert_uint_eq(command->options & ~taken, 0);
		ck_assert_ptr_nonnull(command->help);
		ck_assert_msg(command->alone || command->url_path, "%s asks for nothing", command->name);
		for (const struct command *other = command_table; other < command; other++)
			ck_assert_str_ne(other->name, command->name);
	}
}
END_TEST

struct find_case {
	const char *line;
	const char *name; /* NULL: none */
	int used;
};

static const struct find_case find_cases[] = {
	{ "status", "status", 1 },
	{ "keys add -", "keys add", 2 },
	{ "keys", NULL, 0 },
	{ "keys status", NULL, 0 },
	{ "stat", NULL, 0 },
	{ "statuses", NULL, 0 },
	{ "handover a b", "handover", 1 },
};

START_TEST(find)
{
	const struct find_case *c = &find_cases[_i];
	char *line = strdup(c->line), *rest = line, *words[4];
	const struct command *command;
	int used, word_n = 0;

	for (char *word = strtok_r(rest, " ", &rest); word; word = strtok_r(rest, " ", &rest))
		words[word_n++] = word;
	command = command_find(words, word_n, &used);
	ck_assert_int_eq(used, c->used);
	if (c->name)
		ck_assert_str_eq(command->name, c->name);
	else
		ck_assert_ptr_null(command);
	free(line);
}
END_TEST

START_TEST(help_names_everything_and_fits)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	command_help(out);
	(void)fclose(out);
	ck_assert_msg(help_width_fits(text), "%s", text);
	for (const struct command *command = command_table; command->name; command++)
		ck_assert_ptr_nonnull(strstr(text, command->help));
	for (const struct command_option *option = command_options; option->name; option++)
		ck_assert_ptr_nonnull(strstr(text, option->help));
	free(text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("command");
	TCase *tcase = tcase_create("command");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, manual_has_each_command);
	tcase_add_test(tcase, manual_has_each_option);
	tcase_add_test(tcase, tables_hold_together);
	tcase_add_loop_test(tcase, find, 0, (int)ARRAY_LEN(find_cases));
	tcase_add_test(tcase, help_names_everything_and_fits);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
