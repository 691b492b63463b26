/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/config_conflict.c: the section `conflict`, its defaults, and the words with which bad values are refused. */
#include "tests/unit/test_config_parse.h"

#include <check.h>
#include <stdlib.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define GOSSIP "gossip: {insecure: true}\n"

static const struct {
	const char *text;
	struct conflict_config want;
} goods[] = {
	{ GOSSIP, { CONFLICT_DEFEND_ALWAYS, false, true, { 20000000 } } },
	{ GOSSIP "conflict: {}\n", { CONFLICT_DEFEND_ALWAYS, false, true, { 20000000 } } },
	{ GOSSIP "conflict: {defend: always, probeBeforeFirstClaim: false, selfProbe: 20s}\n",
	  { CONFLICT_DEFEND_ALWAYS, false, true, { 20000000 } } },
	{ GOSSIP "conflict: {defend: once}\n", { CONFLICT_DEFEND_ONCE, false, true, { 20000000 } } },
	{ GOSSIP "conflict: {defend: yield, probeBeforeFirstClaim: true}\n",
	  { CONFLICT_DEFEND_YIELD, true, true, { 20000000 } } },
	{ GOSSIP "conflict: {holdDown: false}\n", { CONFLICT_DEFEND_ALWAYS, false, false, { 20000000 } } },
	{ GOSSIP "conflict: {selfProbe: 10s}\n", { CONFLICT_DEFEND_ALWAYS, false, true, { 10000000 } } },
	{ GOSSIP "conflict: {selfProbe: 30000ms}\n", { CONFLICT_DEFEND_ALWAYS, false, true, { 30000000 } } },
};

START_TEST(accepted)
{
	struct config *config = parse_good(goods[_i].text);

	ck_assert_int_eq(config->conflict.defend, goods[_i].want.defend);
	ck_assert_int_eq(config->conflict.first_probe, goods[_i].want.first_probe);
	ck_assert_int_eq(config->conflict.hold_down, goods[_i].want.hold_down);
	ck_assert_int_eq(config->conflict.self_probe.us, goods[_i].want.self_probe.us);
	config_free(config);
}
END_TEST

static const struct {
	const char *text;
	const char *errors[3];
} bads[] = {
	{ GOSSIP "conflict: {defend: never}\n", { "f:2: conflict.defend: \"never\" must be always, once or yield" } },
	{ GOSSIP "conflict: {defend: Always}\n", { "f:2: conflict.defend: \"Always\" must be always" } },
	{ GOSSIP "conflict: {defend: [once]}\n", { "f:2: conflict.defend: must be a single value" } },
	{ GOSSIP "conflict: {defend: }\n", { "f:2: conflict.defend: has no value" } },
	{ GOSSIP "conflict: {selfProbe: 9999ms}\n",
	  { "f:2: conflict.selfProbe: \"9999ms\" is out of range: from 10s to 30s" } },
	{ GOSSIP "conflict: {selfProbe: 31s}\n", { "f:2: conflict.selfProbe: \"31s\" is out of range" } },
	{ GOSSIP "conflict: {selfProbe: 20}\n", { "f:2: conflict.selfProbe: \"20\" is not a duration" } },
	{ GOSSIP "conflict: {probeBeforeFirstClaim: 1}\n",
	  { "f:2: conflict.probeBeforeFirstClaim: \"1\" must be true or false" } },
	{ GOSSIP "conflict: {selfprobe: 20s}\n", { "f:2: conflict.selfprobe: unknown key: did you mean selfProbe?" } },
	{ GOSSIP "conflict: [always]\n", { "f:2: conflict: must be a mapping" } },
	{ GOSSIP "conflict:\n  defend: once\n  defend: yield\n", { "f:4: conflict.defend: " } },
	{ GOSSIP "conflict:\n  defend: x\n  selfProbe: 1h\n",
	  { "f:3: conflict.defend: \"x\" must be", "f:4: conflict.selfProbe: \"1h\" is out of range" } },
};

START_TEST(refused)
{
	expect_refused(bads[_i].text, bads[_i].errors, ARRAY_LEN(bads[_i].errors));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("config_conflict");
	TCase *tcase = tcase_create("config_conflict");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, accepted, 0, ARRAY_LEN(goods));
	tcase_add_loop_test(tcase, refused, 0, ARRAY_LEN(bads));
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
