/* SPDX-License-Identifier: Apache-2.0 */
/* tools/render.c and tools/table.c: fixed documents in, exact text out. */
#include "tools/render.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "tools/table.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* 2026-01-01T00:10:00Z */
#define NOW_MS 1767226200000

struct render_case {
	render_document *render;
	bool wide, colour;
	const char *doc;
	const char *text;
};

#define STATUS                                                                                                         \
	"{\"version\":\"0.1.0\",\"name\":\"n1\",\"instance\":\"00c0ffee00c0ffee\",\"state\":\"ready\","                \
	"\"joined\":true,\"members\":{\"alive\":3,\"suspect\":0,\"dead\":1,\"left\":0},"                               \
	"\"addresses\":{\"total\":12,\"held\":4,\"unowned\":0},\"drops\":{\"short\":0,\"auth\":2,"                     \
	"\"replay\":1},\"fencing\":{\"mayHold\":false,\"gate\":\"shut\",\"guardPid\":null},\"uptimeSeconds\":93784.5," \
	"\"loop\":{\"latenessMaxUs\":1234},"                                                                           \
	"\"configFile\":\"/etc/mlb/mlbd.yaml\",\"pid\":4711,\"traffic\":{\"sentPackets\":100,"                         \
	"\"sentBytes\":12345678901,\"receivedPackets\":99},\"detection\":{\"suspicions\":1,"                           \
	"\"verifications\":7,\"refutations\":2,\"amnesties\":3}}"

#define MEMBERS                                                                                                       \
	"[{\"name\":\"n1\",\"address\":\"10.0.0.1:7946\",\"addresses\":[\"10.0.0.1:7946\"],\"state\":\"alive\","      \
	"\"incarnation\":3,\"labels\":{\"rack\":\"a\",\"zone\":\"1\"},\"rttUs\":null,\"lossIn\":null,"                \
	"\"lossOut\":null,\"watches\":false,\"watched\":false,\"health\":1,"                                          \
	"\"since\":\"2026-01-01T00:00:00.000Z\",\"self\":true,\"instance\":\"01\"},"                                  \
	"{\"name\":\"node-two\",\"address\":\"[fd00::2]:7946\",\"addresses\":[\"[fd00::2]:7946\",\"10.1.0.2:7946\"]," \
	"\"state\":\"dead\",\"incarnation\":0,\"labels\":{},\"rttUs\":250,\"lossIn\":0.2034,\"lossOut\":0,"           \
	"\"watches\":true,\"watched\":true,\"health\":0,\"since\":\"2026-01-01T00:09:48.500Z\",\"self\":false,"       \
	"\"instance\":\"02\"},"                                                                                       \
	"{\"name\":\"n3\",\"address\":\"10.0.0.3:7946\",\"state\":\"alive\",\"incarnation\":1,\"labels\":{},"         \
	"\"rttUs\":300,\"lossIn\":1e-6,\"lossOut\":1,\"watches\":true,\"watched\":false,\"health\":8,"                \
	"\"since\":\"2026-01-01T00:09:48.500Z\",\"self\":false,\"instance\":\"03\"},"                                 \
	"{\"name\":\"n4\",\"address\":\"10.0.0.4:7946\",\"addresses\":[],\"state\":\"left\",\"incarnation\":1,"       \
	"\"labels\":{},\"rttUs\":300,\"watched\":true,\"since\":\"2026-01-01T00:09:48.500Z\",\"self\":false,"         \
	"\"instance\":\"04\"}]"

#define CONFLICTS                                                                                                    \
	"{\"conflicts\":[{\"ip\":\"10.0.100.1\",\"mac\":\"02:00:00:00:00:99\",\"who\":\"stranger\",\"node\":null,"   \
	"\"first\":\"2026-01-01T00:00:00.000Z\",\"last\":\"2026-01-01T00:09:48.500Z\",\"frames\":3,"                 \
	"\"action\":\"defend\"},{\"ip\":\"fd00::1\",\"mac\":\"02:00:00:00:00:02\",\"who\":\"member\","               \
	"\"node\":\"n2\",\"first\":\"2026-01-01T00:00:00.000Z\",\"last\":\"2026-01-01T00:09:48.500Z\",\"frames\":1," \
	"\"action\":\"none\"}],\"frames\":{\"stranger\":3,\"member\":1}}"

#define SERVICES                                                                                         \
	"[{\"name\":\"web\",\"addresses\":[{\"ip\":\"10.0.100.1\",\"owner\":\"n1\",\"state\":\"owned\"," \
	"\"epoch\":7,\"since\":\"2026-01-01T00:08:00Z\",\"interface\":\"eth0\"},"                        \
	"{\"ip\":\"fd00:100::1\",\"owner\":null,\"state\":\"unowned\",\"epoch\":0,\"since\":null,"       \
	"\"interface\":null}],\"check\":{\"state\":\"passing\"}},{\"name\":\"empty\",\"addresses\":[]}]"

#define EXPLAIN                                                                                                        \
	"{\"service\":\"web\",\"addresses\":[{\"ip\":\"10.0.100.1\",\"owner\":\"n1\",\"state\":\"owned\",\"nodes\":["  \
	"{\"name\":\"n2\",\"owner\":false,\"next\":true,\"rank\":0,\"whyNot\":null,\"score\":50,\"weight\":100,"       \
	"\"load\":3,\"bound\":5},{\"name\":\"n1\",\"owner\":true,\"next\":false,\"rank\":1,\"whyNot\":null,\"score\":" \
	"20,"                                                                                                          \
	"\"weight\":300,\"load\":4,\"bound\":null},{\"name\":\"n4\",\"owner\":false,\"next\":false,\"rank\":2,"        \
	"\"whyNot\":null,\"score\":0,\"weight\":1,\"load\":0,\"bound\":null},{\"name\":\"n3\",\"owner\":false,"        \
	"\"next\":false,\"rank\":null,\"whyNot\":\"node selector\",\"score\":0,\"weight\":100,\"load\":1,"             \
	"\"bound\":null}]},{\"ip\":\"fd00::1\",\"owner\":null,\"state\":\"unowned\",\"nodes\":[]}],\"omitted\":2}"

#define EVENTS                                                                                            \
	"[{\"seq\":9,\"time\":\"2026-01-01T00:09:59.900Z\",\"kind\":\"owner\",\"message\":\"10.0.100.1: " \
	"n2 -> n1\",\"ip\":\"10.0.100.1\",\"epoch\":\"7\"},"                                              \
	"{\"seq\":10,\"time\":\"2025-12-01T00:00:00.000Z\",\"kind\":\"daemon\",\"message\":\"ready\"}]"

#define KEYS                                                                                                           \
	"{\"file\":\"/k\",\"stored\":false,\"members\":3,\"silent\":[\"n4\"],\"notStored\":[\"n1\",\"n2\"],"           \
	"\"keys\":[{\"fingerprint\":\"0a1b2c3d4e\",\"state\":\"sealing\",\"present\":3,\"sealing\":2,\"missing\":[]}," \
	"{\"fingerprint\":\"ffffffffff\",\"state\":\"accepted\",\"present\":1,\"sealing\":1,"                          \
	"\"missing\":[\"n2\",\"n3\"]}]}"

static const struct render_case cases[] = {
	{ render_status, false, false, STATUS,
	  "node:       n1\n"
	  "version:    0.1.0\n"
	  "state:      ready\n"
	  "uptime:     1d 2h\n"
	  "members:    3 alive, 0 suspect, 1 dead, 0 left\n"
	  "addresses:  12 in all, 4 held here, 0 unowned\n"
	  "fencing:    may not hold addresses, gate shut, guard none\n"
	  "traffic:    100 packets sent, 12345678901 bytes sent, 99 packets received\n"
	  "dropped:    2 auth, 1 replay\n"
	  "detection:  7 verifications, 1 suspicions, 2 refutations, 3 amnesties\n"
	  "lateness:   1.23 ms at most\n"
	  "config:     /etc/mlb/mlbd.yaml\n"
	  "pid:        4711\n" },
	{ render_status, true, true, "{\"state\":\"draining\",\"joined\":false,\"name\":\"a\\u001b[2Jb\"}",
	  "node:       a?[2Jb\n"
	  "instance:   -\n"
	  "version:    -\n"
	  "state:      \033[33mdraining\033[0m, not joined\n"
	  "uptime:     -\n"
	  "members:    - alive, - suspect, - dead, - left\n"
	  "addresses:  - in all, - held here, - unowned\n"
	  "fencing:    -\n"
	  "traffic:    - packets sent, - bytes sent, - packets received\n"
	  "dropped:    none\n"
	  "detection:  - verifications, - suspicions, - refutations, - amnesties\n"
	  "lateness:   - at most\n"
	  "config:     -\n"
	  "pid:        -\n" },
	{ render_members, false, false, MEMBERS,
	  "NAME      ADDRESS         STATE  RTT      SINCE    LABELS\n"
	  "n1 *      10.0.0.1:7946   alive  -        10m ago  rack=a,zone=1\n"
	  "node-two  [fd00::2]:7946  dead   0.25 ms  11s ago  -\n"
	  "n3        10.0.0.3:7946   alive  0.30 ms  11s ago  -\n"
	  "n4        10.0.0.4:7946   left   0.30 ms  11s ago  -\n" },
	{ render_members, true, true, MEMBERS,
	  "NAME      ADDRESS                       STATE  RTT      LOSS-IN  LOSS-OUT  WATCH  HEALTH  INCARNATION  "
	  "LABELS\n"
	  "n1 *      10.0.0.1:7946                 \033[32malive\033[0m  -        -        -         -      1       3"
	  "            rack=a,zone=1\n"
	  "node-two  [fd00::2]:7946,10.1.0.2:7946  \033[31mdead\033[0m   0.25 ms  20.3%    0.0%      both   0       0"
	  "            -\n"
	  "n3        10.0.0.3:7946                 \033[32malive\033[0m  0.30 ms  0.0%     100.0%    us     8       1"
	  "            -\n"
	  "n4        10.0.0.4:7946                 left   0.30 ms  -        -         it     -       1            "
	  "-\n" },
	{ render_members, false, false, "[]", "NAME  ADDRESS  STATE  RTT  SINCE  LABELS\n" },
	/* Another version's document, or none at all: dashes, no crash. */
	{ render_members, false, false, "[1,{\"name\":7,\"labels\":[\"x\"],\"rttUs\":\"fast\"}]",
	  "NAME  ADDRESS  STATE  RTT  SINCE  LABELS\n"
	  "-     -        -      -    -      -\n"
	  "-     -        -      -    -      -\n" },
	{ render_conflicts, false, false, CONFLICTS,
	  "ADDRESS     MAC                WHO       NODE  LAST     FRAMES  ACTION\n"
	  "10.0.100.1  02:00:00:00:00:99  stranger  -     11s ago  3       defend\n"
	  "fd00::1     02:00:00:00:00:02  member    n2    11s ago  1       none\n" },
	{ render_conflicts, true, false, CONFLICTS,
	  "ADDRESS     MAC                WHO       NODE  LAST                      FRAMES  ACTION\n"
	  "10.0.100.1  02:00:00:00:00:99  stranger  -     2026-01-01T00:09:48.500Z  3       defend\n"
	  "fd00::1     02:00:00:00:00:02  member    n2    2026-01-01T00:09:48.500Z  1       none\n" },
	{ render_conflicts, false, false, "{}", "ADDRESS  MAC  WHO  NODE  LAST  FRAMES  ACTION\n" },
	{ render_services, false, false, SERVICES,
	  "SERVICE  ADDRESS      OWNER  STATE    SINCE\n"
	  "web      10.0.100.1   n1     owned    2m ago\n"
	  "web      fd00:100::1  -      unowned  -\n"
	  "empty    -            -      -        -\n" },
	{ render_services, true, false, SERVICES,
	  "SERVICE  ADDRESS      OWNER  STATE    SINCE                 EPOCH  INTERFACE  CHECK\n"
	  "web      10.0.100.1   n1     owned    2026-01-01T00:08:00Z  7      eth0       passing\n"
	  "web      fd00:100::1  -      unowned  -                     0      -          passing\n"
	  "empty    -            -      -        -                     -      -          -\n" },
	{ render_explain, false, false, EXPLAIN,
	  "service:    web\n"
	  "\n"
	  "10.0.100.1  owned by n1\n"
	  "RANK  NODE  ROLE                         SCORE  LOAD    WEIGHT\n"
	  "0     n2    next                         50     3 of 5  100\n"
	  "1     n1    owner                        20     4 of -  300\n"
	  "2     n4    candidate                    0      0 of -  1\n"
	  "-     n3    not possible: node selector  0      1 of -  100\n"
	  "\n"
	  "fd00::1     unowned\n"
	  "RANK  NODE  ROLE  SCORE  LOAD  WEIGHT\n"
	  "\n"
	  "2 more addresses: name one of them\n" },
	{ render_explain, false, false, "[]", "service:    -\n" },
	{ render_events, false, false, EVENTS,
	  "SEQ  WHEN      KIND    MESSAGE\n"
	  "9    just now  owner   10.0.100.1: n2 -> n1\n"
	  "10   31d ago   daemon  ready\n" },
	{ render_events, true, false, EVENTS,
	  "SEQ  WHEN                      KIND    MESSAGE               FIELDS\n"
	  "9    2026-01-01T00:09:59.900Z  owner   10.0.100.1: n2 -> n1  ip=10.0.100.1 epoch=7\n"
	  "10   2025-12-01T00:00:00.000Z  daemon  ready                 -\n" },
	{ render_keys, false, false, KEYS,
	  "KEY         STATE     PRESENT  SEALING  MISSING\n"
	  "0a1b2c3d4e  sealing   3 of 3   2 of 3   -\n"
	  "ffffffffff  accepted  1 of 3   1 of 3   n2,n3\n"
	  "no report:  n4\n"
	  "not stored: n1, n2\n" },
	{ render_keys, true, false, "{\"file\":\"/k\",\"members\":1,\"silent\":[],\"keys\":[]}",
	  "KEY  STATE  PRESENT  SEALING  MISSING\n"
	  "file:       /k\n" },
	{ render_keys, false, false, "{\"keys\":[{}, 7]}",
	  "KEY  STATE  PRESENT  SEALING  MISSING\n"
	  "-    -      - of -   - of -   -\n"
	  "-    -      - of -   - of -   -\n" },
	{ render_key_change, false, false, "{\"fingerprint\":\"0a1b2c3d4e\",\"away\":[]}",
	  "key:        0a1b2c3d4e; `mlbctl keys list` shows when all nodes have followed\n" },
	{ render_key_change, false, false, "{\"fingerprint\":\"0a1b2c3d4e\",\"away\":[\"n2\",\"n\\u001b\"]}",
	  "key:        0a1b2c3d4e; `mlbctl keys list` shows when all nodes have followed\n"
	  "away:       n2, n?\n" },
	{ render_event_line, false, false,
	  "{\"seq\":9,\"time\":\"2026-01-01T00:09:59.900Z\",\"kind\":\"owner\",\"message\":\"m\\n\",\"ip\":\"::1\"}",
	  "2026-01-01T00:09:59.900Z  owner   m?\n" },
	{ render_event_line, false, false,
	  "{\"kind\":\"link\",\"message\":\"10.77.0.101 is announced by 02:00:00:00:00:99 on eth0 too (stranger, "
	  "again)\"}",
	  "-                         link    10.77.0.101 is announced by 02:00:00:00:00:99 on eth0 too (stra...\n" },
	{ render_event_line, true, false, "{\"kind\":\"link\",\"message\":\"m\",\"ip\":\"::1\"}",
	  "-                         link    m  ip=::1\n" },
};

/* What a renderer writes; caller frees. */
static char *rendered(render_document *render, const char *json, const struct render_options *options)
{
	cJSON *doc = cJSON_Parse(json);
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	ck_assert_msg(doc != NULL, "%s", json);
	render(out, doc, options);
	ck_assert_int_eq(fclose(out), 0);
	cJSON_Delete(doc);
	return text;
}

START_TEST(documents)
{
	const struct render_case *c = &cases[_i];
	struct render_options options = { .wide = c->wide, .colour = c->colour, .now_ms = NOW_MS };
	char *text = rendered(c->render, c->doc, &options);

	ck_assert_str_eq(text, c->text);
	free(text);
}
END_TEST

/* The longest names that there are: no line over RENDER_WIDTH, the address and the state whole. */
START_TEST(fits_width)
{
	struct render_options options = { .now_ms = NOW_MS };
	char name[NODE_NAME_MAX + 1], service[SERVICE_NAME_MAX + 1], doc[1024], *text, *rest;

	memset(name, 'n', NODE_NAME_MAX);
	name[NODE_NAME_MAX] = '\0';
	memset(service, 's', SERVICE_NAME_MAX);
	service[SERVICE_NAME_MAX] = '\0';
	if (_i == 0)
		snprintf(doc, sizeof(doc),
			 "[{\"name\":\"%s\",\"address\":\"[2001:db8:1111:2222:3333:4444:5555:6666]:65535\","
			 "\"state\":\"suspect\",\"rttUs\":12345,\"since\":\"2026-01-01T00:00:00Z\","
			 "\"labels\":{\"rack\":\"%s\"}}]",
			 name, name);
	else
		snprintf(doc, sizeof(doc),
			 "[{\"name\":\"%s\",\"addresses\":[{\"ip\":\"2001:db8:1111:2222:3333:4444:5555:6666\","
			 "\"owner\":\"%s\",\"state\":\"suspect\",\"since\":\"2026-01-01T00:00:00Z\"}]}]",
			 service, name);
	text = rendered(_i == 0 ? render_members : render_services, doc, &options);
	ck_assert_ptr_nonnull(strstr(text, "2001:db8:1111:2222:3333:4444:5555:6666"));
	ck_assert_ptr_nonnull(strstr(text, " suspect "));
	ck_assert_ptr_nonnull(strstr(text, "... "));
	rest = text;
	for (char *row; (row = strsep(&rest, "\n")) != NULL;)
		ck_assert_msg(strlen(row) <= RENDER_WIDTH, "%zu: %s", strlen(row), row);
	free(text);
}
END_TEST

/* Of usual names and numbers all ten columns fit too. */
START_TEST(wide_fits)
{
	struct render_options options = { .wide = true, .now_ms = NOW_MS };
	char *text = rendered(render_members,
			      "[{\"name\":\"node-12\",\"address\":\"10.20.30.40:7946\",\"state\":\"alive\","
			      "\"rttUs\":1234,\"lossIn\":0.123,\"lossOut\":0.2,\"watches\":true,\"watched\":true,"
			      "\"health\":8,\"incarnation\":12,\"labels\":{\"rack\":\"a1\"}}]",
			      &options);

	ck_assert_msg(strcspn(text, "\n") <= RENDER_WIDTH && strlen(text) <= 2 * RENDER_WIDTH, "%s", text);
	free(text);
}
END_TEST

static const struct {
	const char *time, *age;
} ages[] = {
	{ "2026-01-01T00:10:00Z", "just now" },
	{ "2026-01-01T00:09:59.001Z", "just now" },
	{ "2026-01-01T00:09:59.000Z", "1s ago" },
	{ "2026-01-01T00:11:00Z", "just now" },
	{ "2026-01-01T00:08:01Z", "119s ago" },
	{ "2026-01-01T00:08:00Z", "2m ago" },
	{ "2025-12-31T22:10:01Z", "119m ago" },
	{ "2025-12-31T22:10:00Z", "2h ago" },
	{ "2025-12-30T00:10:00Z", "2d ago" },
	{ "2024-02-29T00:10:00.123456789Z", "671d ago" },
	{ "2026-01-01T00:10:00", "-" },
	{ "2026-01-01T00:10:00+01:00", "-" },
	{ "yesterday", "-" },
	{ "", "-" },
	{ NULL, "-" },
};

START_TEST(age)
{
	char buf[RENDER_AGE_MAX];

	ck_assert_str_eq(render_age(ages[_i].time, NOW_MS, buf), ages[_i].age);
}
END_TEST

static const struct {
	const char *json, *text;
} pretty[] = {
	{ "{}", "{}\n" },
	{ "[ ]", "[]\n" },
	{ "[{}]\n", "[\n  {}\n]\n" },
	{ "{\"a\":[1,{\"b\":null}],\"c\":\"x\"}",
	  "{\n  \"a\": [\n    1,\n    {\n      \"b\": null\n    }\n  ],\n  \"c\": \"x\"\n}\n" },
	/* Strings and numbers stay as they are, byte for byte. */
	{ "[\"{\\\"a\\\": [1,2]}\\\\\",18446744073709551615,1.50]",
	  "[\n  \"{\\\"a\\\": [1,2]}\\\\\",\n  18446744073709551615,\n  1.50\n]\n" },
	{ " { \"a\" : 1 , \"b\" : 2 } ", "{\n  \"a\": 1,\n  \"b\": 2\n}\n" },
};

START_TEST(json)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	render_json(out, pretty[_i].json);
	fclose(out);
	ck_assert_str_eq(text, pretty[_i].text);
	free(text);
}
END_TEST

/* Characters, not bytes, decide on columns, and a cut never tears one apart. */
START_TEST(table_utf8)
{
	static const struct table_column columns[] = { { "A", true, false }, { "B", false, false } };
	struct table *table = table_new(columns, ARRAY_LEN(columns));
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	table_add(table,
		  (const char *const[]){ "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
					 "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9",
					 "one" });
	table_add(table, (const char *const[]){ "\xc3\xa9\x1b\xc2\x9b", NULL });
	table_print(table, out, 17, false);
	fclose(out);
	ck_assert_str_eq(text, "A             B\n"
			       "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9...  one\n"
			       "\xc3\xa9???          -\n");
	free(text);
	table_free(table);
	table_free(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("render");
	TCase *tc = tcase_create("render");
	SRunner *sr = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tc, documents, 0, (int)ARRAY_LEN(cases));
	tcase_add_loop_test(tc, fits_width, 0, 2);
	tcase_add_test(tc, wide_fits);
	tcase_add_loop_test(tc, age, 0, (int)ARRAY_LEN(ages));
	tcase_add_loop_test(tc, json, 0, (int)ARRAY_LEN(pretty));
	tcase_add_test(tc, table_utf8);
	suite_add_tcase(suite, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
