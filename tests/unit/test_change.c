/* SPDX-License-Identifier: Apache-2.0 */
/* tools/change.c: two looks at a daemon in, the lines that tell the difference out. */
#include "tools/change.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* status, members, services; NULL: no such look */
struct look {
	const char *documents[3];
};

struct change_case {
	struct look before, after;
	const char *lines;
};

#define N1 "{\"name\":\"n1\",\"state\":\"ready\"}"
#define MEMBERS "[{\"name\":\"n2\",\"state\":\"alive\"},{\"name\":\"n1\",\"state\":\"alive\"}]"
#define WEB(owner, state) \
	"[{\"name\":\"web\",\"addresses\":[{\"ip\":\"10.0.0.1\",\"owner\":" owner ",\"state\":" state "}]}]"

static const struct change_case cases[] = {
	/* The first look: all is new, in order. */
	{ { { NULL, NULL, NULL } },
	  { { N1, MEMBERS, WEB("\"n1\"", "\"owned\"") } },
	  "address web 10.0.0.1 nothing -> n1/owned\n"
	  "member - n1 nothing -> -/alive\n"
	  "member - n2 nothing -> -/alive\n"
	  "node - n1 nothing -> -/ready\n" },
	{ { { N1, MEMBERS, WEB("\"n1\"", "\"owned\"") } }, { { N1, MEMBERS, WEB("\"n1\"", "\"owned\"") } }, "" },
	{ { { NULL, NULL, WEB("\"n1\"", "\"owned\"") } },
	  { { NULL, NULL, WEB("null", "\"unowned\"") } },
	  "address web 10.0.0.1 n1/owned -> -/unowned\n" },
	{ { { NULL, NULL, WEB("\"n1\"", "\"owned\"") } },
	  { { NULL, NULL, WEB("\"n1\"", "\"handover\"") } },
	  "address web 10.0.0.1 n1/owned -> n1/handover\n" },
	/* One goes, one comes, one stays. */
	{ { { NULL, "[{\"name\":\"a\",\"state\":\"alive\"},{\"name\":\"b\",\"state\":\"dead\"}]", NULL } },
	  { { NULL, "[{\"name\":\"c\",\"state\":\"alive\"},{\"name\":\"a\",\"state\":\"alive\"}]", NULL } },
	  "member - b -/dead -> nothing\n"
	  "member - c nothing -> -/alive\n" },
	/* The same address in another service is another thing. */
	{ { { NULL, NULL,
	      "[{\"name\":\"a\",\"addresses\":[{\"ip\":\"::1\",\"owner\":null,\"state\":\"unowned\"}]}]" } },
	  { { NULL, NULL,
	      "[{\"name\":\"b\",\"addresses\":[{\"ip\":\"::1\",\"owner\":null,\"state\":\"unowned\"}]}]" } },
	  "address a ::1 -/unowned -> nothing\n"
	  "address b ::1 nothing -> -/unowned\n" },
	/* Another version's documents. */
	{ { { "[]", "{}", "7" } },
	  { { "{\"name\":7}", "[3,{\"state\":[]}]", "[{\"addresses\":[{}]}]" } },
	  "address -  nothing -> -/-\n"
	  "member -  nothing -> -/-\n"
	  "member -  nothing -> -/-\n" },
};

static const char *or_dash(const char *text)
{
	return text ? text : "-";
}

static void on_change(const struct change *change, void *arg)
{
	FILE *out = arg;

	fprintf(out, "%s %s %s ", change->kind, or_dash(change->service), change->subject);
	if (change->was)
		fprintf(out, "%s/%s -> ", or_dash(change->from_owner), or_dash(change->from_state));
	else
		fputs("nothing -> ", out);
	if (change->is)
		fprintf(out, "%s/%s\n", or_dash(change->to_owner), or_dash(change->to_state));
	else
		fputs("nothing\n", out);
}

static struct change_view *view_of(const struct look *look)
{
	cJSON *docs[3];

	for (size_t i = 0; i < 3; i++)
		docs[i] = look->documents[i] ? cJSON_Parse(look->documents[i]) : NULL;
	return change_view_new(docs[0], docs[1], docs[2]);
}

START_TEST(lines)
{
	const struct change_case *c = &cases[_i];
	bool first = !c->before.documents[0] && !c->before.documents[1] && !c->before.documents[2];
	struct change_view *before = first ? NULL : view_of(&c->before);
	struct change_view *after = view_of(&c->after);
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	change_between(before, after, on_change, out);
	(void)fclose(out);
	ck_assert_str_eq(text, c->lines);
	free(text);
	change_view_free(before);
	change_view_free(after);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("change");
	TCase *tcase = tcase_create("change");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tcase, lines, 0, (int)ARRAY_LEN(cases));
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
