/* SPDX-License-Identifier: Apache-2.0 */
/* What is printed as in force is read as the same again. */
#include "daemon/config_effective.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/check.h"
#include "tests/unit/test_config_parse.h"

#define OPEN "gossip: {insecure: true}\n"

static const char *const files[] = {
	OPEN,
	OPEN "node: {name: n1, labels: {rack: a, \"x/y\": \"\"}, weight: 7}\n",
	"gossip: {insecure: true, bind: [10.0.0.1, eth1], join: [10.0.0.2, \"[fd00::3]:99\"], port: 99, profile: "
	"quiet,\n"
	"  timers: {suspicion: 7s, silence: 1500ms}, packetSize: 1300, witness: gateway}\n",
	"gossip: {insecure: true, join: [10.0.0.1], witness: 10.0.0.9, profile: wan}\n",
	OPEN "services:\n"
	     "- {name: a, addresses: [10.0.0.1, \"fd00::1\"], interfaces: [eth0], claim: route, priority: 3, spread: "
	     "true, apart: x}\n"
	     "- {name: b/c, addresses: [10.0.0.2], claim: none, group: g, antiAffinity: [a],\n"
	     "   nodeSelectors: [{matchLabels: {r: a}}, {matchExpressions: [{key: k, operator: NotIn, values: [v, w]}, "
	     "{key: l, operator: Exists}]}],\n"
	     "   preferences: [{weight: 9, matchLabels: {r: b}}]}\n",
	OPEN "services:\n"
	     "- {name: a, addresses: [10.0.0.1], check: {command: [/bin/true, \"a \\\"b\\\" #c: d\"], user: nobody, "
	     "interval: 2s, timeout: 1500ms, rise: 4, fall: 5}}\n"
	     "- {name: b, addresses: [10.0.0.2], check: {http: {url: \"https://web.example/x\", address: 127.0.0.1, "
	     "status: [200, 204], insecure: true}}}\n"
	     "- {name: c, addresses: [10.0.0.3], check: {tcp: {address: \"[::1]:80\"}}}\n",
	OPEN "pools:\n"
	     "- {name: p, addresses: [10.0.1.0/24, \"10.0.2.3-10.0.2.9\", \"fd00::/64\"], avoidBuggyIPs: true}\n"
	     "- {name: q, addresses: [10.0.3.0/24], autoAssign: false}\n"
	     "poolState: /tmp/x\n"
	     "services: [{name: a, pool: p}, {name: b, ipFamilies: [IPv6]}, {name: c, pool: q}]\n",
	OPEN "partition: safe\nplacement: {rebalance: onJoin, delay: 90s, rate: 5}\n"
	     "fencing: {gate: required, guard: true, guardSocket: /tmp/g, hang: 250ms}\n"
	     "conflict: {defend: once, holdDown: false, probeBeforeFirstClaim: true, selfProbe: 30s}\n",
	OPEN "kubernetes: {kubeconfig: /k, context: c, namespace: n, loadBalancerClass: x/y, claim: address, "
	     "ignoreExcludeLabel: true, unreadyAfter: 2m, snapshot: /s}\n",
	OPEN "kubernetes: {}\n",
	OPEN "control: {socket: /tmp/s, listen: \"[::1]:7472\"}\nprocess: {realtimePriority: 0, lockMemory: "
	     "false}\nlog: {level: debug, format: json}\n",
};

START_TEST(round_trip)
{
	struct config *config = parse_good(files[_i]);
	char *text = config_effective(config, config);
	struct config *again;
	char *twice;

	ck_assert_ptr_nonnull(text);
	again = parse_good(text);
	twice = config_effective(again, again);
	ck_assert_ptr_nonnull(twice);
	ck_assert_str_eq(text, twice);
	/* the same, not merely stable */
	ck_assert_uint_eq(config->service_n, again->service_n);
	ck_assert_uint_eq(config->pool_n, again->pool_n);
	ck_assert_int_eq(gossip_timers_equal(&config->gossip.timers, &again->gossip.timers), true);
	ck_assert_int_eq(config_kubernetes_equal(&config->kubernetes, &again->kubernetes), true);
	for (size_t i = 0; i < config->service_n; i++)
		ck_assert_int_eq(check_config_equal(config->services[i].check, again->services[i].check), true);
	free(text);
	free(twice);
	config_free(config);
	config_free(again);
}
END_TEST

START_TEST(defaults_are_there)
{
	struct config *config = parse_good(OPEN "node: {name: n1}\nservices: [{name: a, addresses: [10.0.0.1]}]\n");
	char *text = config_effective(config, config);
	static const char *const lines[] = {
		"node:\n  name: \"n1\"\n  weight: 100\n",
		"  port: 7946\n",
		"    silence: \"135ms\"\n",
		"  - name: \"a\"\n    addresses: [\"10.0.0.1\"]\n    claim: \"address\"\n    priority: 0\n",
		"partition: \"available\"\n",
		"  hang: \"2s\"\n",
		"    reapAfter: \"24h\"\n"
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		ck_assert_msg(strstr(text, lines[i]) != NULL, "no %s in %s", lines[i], text);
	free(text);
	config_free(config);
}
END_TEST

START_TEST(what_needs_a_restart)
{
	struct config *first = parse_good("gossip: {insecure: true, port: 1}\nnode: {weight: 1}\npartition: safe\n");
	struct config *now = parse_good("gossip: {insecure: true, port: 2}\nnode: {weight: 2}\n");
	char *text = config_effective(now, first);

	ck_assert_ptr_nonnull(strstr(text, "  port: 1\n"));
	ck_assert_ptr_nonnull(strstr(text, "partition: \"safe\"\n"));
	ck_assert_ptr_nonnull(strstr(text, "  weight: 2\n"));
	free(text);
	config_free(first);
	config_free(now);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("config_effective");
	TCase *tcase = tcase_create("yaml");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, round_trip, 0, sizeof(files) / sizeof(files[0]));
	tcase_add_test(tcase, defaults_are_there);
	tcase_add_test(tcase, what_needs_a_restart);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
