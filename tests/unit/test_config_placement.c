/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/config_placement.c: node.weight, the section `placement`, where services go; and the words with which bad values are refused. */
#include "tests/unit/test_config_parse.h"

#include <check.h>
#include <stdlib.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define GOSSIP "gossip: {insecure: true}\n"

static const struct {
	const char *text;
	enum rebalance_policy rebalance;
	int64_t delay_us;
	unsigned int rate;
	uint16_t weight;
} goods[] = {
	{ GOSSIP, REBALANCE_NEVER, 60000000, 10, 100 },
	{ GOSSIP "placement: {}\n", REBALANCE_NEVER, 60000000, 10, 100 },
	{ GOSSIP "placement: {rebalance: never, delay: 1s, rate: 1}\n", REBALANCE_NEVER, 1000000, 1, 100 },
	{ GOSSIP "placement: {rebalance: onJoin, delay: 24h, rate: 1000}\n", REBALANCE_ON_JOIN, 86400000000, 1000,
	  100 },
	{ GOSSIP "node: {weight: 1}\n", REBALANCE_NEVER, 60000000, 10, 1 },
	{ GOSSIP "node: {weight: 1000}\n", REBALANCE_NEVER, 60000000, 10, 1000 },
};

START_TEST(accepted)
{
	struct config *config = parse_good(goods[_i].text);

	ck_assert_int_eq(config->placement.rebalance, goods[_i].rebalance);
	ck_assert_int_eq(config->placement.delay.us, goods[_i].delay_us);
	ck_assert_uint_eq(config->placement.rate, goods[_i].rate);
	ck_assert_uint_eq(config->node.weight, goods[_i].weight);
	config_free(config);
}
END_TEST

/* What a service says reaches the election. */
START_TEST(services)
{
	struct config *config =
		parse_good(GOSSIP "services:\n"
				  "- name: web\n"
				  "  addresses: [10.0.0.1]\n"
				  "  preferences:\n"
				  "  - {weight: 50, matchLabels: {rack: a}}\n"
				  "  - weight: 100\n"
				  "    matchExpressions: [{key: disk, operator: In, values: [ssd, nvme]}]\n"
				  "  apart: front\n"
				  "  antiAffinity: [dns, mail]\n"
				  "- {name: dns, addresses: [10.0.0.2], group: infra/core}\n"
				  "- {name: mail, addresses: [10.0.0.3, 10.0.0.4], spread: true}\n");
	struct election_service *s = config_election_services(config, NULL, 0);

	ck_assert_ptr_nonnull(s);
	ck_assert_uint_eq(s[0].preference_n, 2);
	ck_assert_uint_eq(s[0].preferences[0].weight, 50);
	ck_assert_str_eq(s[0].preferences[0].selector.requirements[0].key, "rack");
	ck_assert_str_eq(s[0].preferences[0].selector.requirements[0].values[0], "a");
	ck_assert_uint_eq(s[0].preferences[1].weight, 100);
	ck_assert_uint_eq(s[0].preferences[1].selector.requirements[0].value_n, 2);
	ck_assert_str_eq(s[0].apart, "front");
	ck_assert_uint_eq(s[0].avoid_n, 2);
	ck_assert_str_eq(s[0].avoids[0], "dns");
	ck_assert_str_eq(s[0].avoids[1], "mail");
	ck_assert(s[0].group == NULL && !s[0].spread);
	ck_assert_str_eq(s[1].group, "infra/core");
	ck_assert(s[1].apart == NULL && s[1].avoid_n == 0 && s[1].preference_n == 0);
	ck_assert(s[2].spread && s[2].group == NULL);
	free(s);
	config_free(config);
}
END_TEST

/* The election looks at services in the order of their priority, and of the file. */
START_TEST(priorities)
{
	static const char *const order[] = { "c", "e", "a", "d", "b" };
	static const unsigned int want[] = { 100, 100, 7, 7, 0 };
	struct config *config = parse_good(GOSSIP "services:\n"
						  "- {name: a, addresses: [10.0.0.1], priority: 7}\n"
						  "- {name: b, addresses: [10.0.0.2]}\n"
						  "- {name: c, addresses: [10.0.0.3], priority: 100}\n"
						  "- {name: d, addresses: [10.0.0.4], priority: 7}\n"
						  "- {name: e, addresses: [10.0.0.5], priority: 100}\n");
	struct election_service *s = config_election_services(config, NULL, 0);

	ck_assert_ptr_nonnull(s);
	for (size_t i = 0; i < ARRAY_LEN(order); i++) {
		ck_assert_str_eq(s[i].name, order[i]);
		ck_assert_uint_eq(s[i].priority, want[i]);
	}
	free(s);
	config_free(config);
}
END_TEST

#define SERVICE(keys) GOSSIP "services:\n- {name: web, addresses: [10.0.0.1], " keys "}\n"
#define NINE "[{}, {}, {}, {}, {}, {}, {}, {}, {}]"

static const struct {
	const char *text;
	const char *errors[3];
} bads[] = {
	{ GOSSIP "placement: {rebalance: always}\n",
	  { "f:2: placement.rebalance: \"always\" must be never or onJoin" } },
	{ GOSSIP "placement: {rebalance: onjoin}\n",
	  { "f:2: placement.rebalance: \"onjoin\" must be never or onJoin" } },
	{ GOSSIP "placement: {delay: 999ms}\n", { "f:2: placement.delay: \"999ms\" is out of range: from 1s to 24h" } },
	{ GOSSIP "placement: {delay: 25h}\n", { "f:2: placement.delay: \"25h\" is out of range" } },
	{ GOSSIP "placement: {rate: 0}\n", { "f:2: placement.rate: " } },
	{ GOSSIP "placement: {rate: 1001}\n", { "f:2: placement.rate: " } },
	{ GOSSIP "placement: never\n", { "f:2: placement: must be a mapping" } },
	{ GOSSIP "node: {weight: 0}\n", { "f:2: node.weight: " } },
	{ GOSSIP "node: {weight: 1001}\n", { "f:2: node.weight: " } },
	{ GOSSIP "node: {weight: heavy}\n", { "f:2: node.weight: " } },
	{ SERVICE("preferences: [{weight: 0, matchLabels: {a: b}}]"), { "f:3: services[0].preferences[0].weight: " } },
	{ SERVICE("preferences: [{weight: 101, matchLabels: {a: b}}]"),
	  { "f:3: services[0].preferences[0].weight: " } },
	{ SERVICE("preferences: [{matchLabels: {a: b}}]"),
	  { "f:3: services[0].preferences[0].weight: is missing: 1 to 100" } },
	{ SERVICE("preferences: [{weight: 1}]"),
	  { "f:3: services[0].preferences[0].matchLabels: is missing, and matchExpressions too" } },
	{ SERVICE("preferences: [rack]"), { "f:3: services[0].preferences[0]: must be a mapping with weight" } },
	{ SERVICE("preferences: [{weight: 1, matchLabel: {a: b}}]"),
	  { "f:3: services[0].preferences[0].matchLabel: unknown key",
	    "f:3: services[0].preferences[0].matchLabels: is missing" } },
	{ SERVICE("preferences: " NINE), { "f:3: services[0].preferences: " } },
	{ SERVICE("priority: 101"), { "f:3: services[0].priority: " } },
	{ SERVICE("priority: -1"), { "f:3: services[0].priority: " } },
	{ SERVICE("priority: high"), { "f:3: services[0].priority: " } },
	{ SERVICE("group: ''"), { "f:3: services[0].group: must not be empty" } },
	{ SERVICE("group: a b"), { "f:3: services[0].group: \"a b\" must be 1 to 127 letters" } },
	{ SERVICE("apart: 'x!'"), { "f:3: services[0].apart: \"x!\" must be 1 to 127 letters" } },
	{ SERVICE("spread: maybe"), { "f:3: services[0].spread: \"maybe\" must be true or false" } },
	{ SERVICE("group: g, spread: true"), { "f:3: services[0].spread: parts the addresses" } },
	{ SERVICE("antiAffinity: [web]"), { "f:3: services[0].antiAffinity[0]: \"web\" is the service itself" } },
	{ SERVICE("antiAffinity: [dns, 10]"),
	  { "f:3: services[0].antiAffinity[0]: \"dns\" is no service in this file",
	    "f:3: services[0].antiAffinity[1]: \"10\" is no service in this file" } },
	{ SERVICE("antiAffinity: dns"), { "f:3: services[0].antiAffinity: must be a list" } },
	{ SERVICE("antiAffinity: " NINE), { "f:3: services[0].antiAffinity: " } },
	{ SERVICE("antiAffinity: [[web]]"), { "f:3: services[0].antiAffinity[0]: must be a single value" } },
};

START_TEST(refused)
{
	expect_refused(bads[_i].text, bads[_i].errors, ARRAY_LEN(bads[_i].errors));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("config_placement");
	TCase *tcase = tcase_create("config_placement");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, accepted, 0, ARRAY_LEN(goods));
	tcase_add_test(tcase, services);
	tcase_add_test(tcase, priorities);
	tcase_add_loop_test(tcase, refused, 0, ARRAY_LEN(bads));
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
