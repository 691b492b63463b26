/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/config_gossip.c: addresses, witness, profiles and timers, and the words with which bad ones are refused. */
#include "tests/unit/test_config_parse.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

START_TEST(several_binds)
{
	struct config *config = parse_good("gossip:\n  insecure: true\n  bind:\n  - 10.0.0.1\n\n  - eth1\n"
					   "  - \"fd00::1\"\n  - eth0\n  witness: gateway\n");

	ck_assert_uint_eq(config->gossip.bind_n, 4);
	ck_assert_str_eq(config->gossip.binds[0], "10.0.0.1");
	ck_assert_str_eq(config->gossip.binds[1], "eth1");
	ck_assert_str_eq(config->gossip.binds[2], "fd00::1");
	ck_assert_str_eq(config->gossip.binds[3], "eth0");
	ck_assert_uint_eq(config->gossip.bind_lines[0], 4);
	ck_assert_uint_eq(config->gossip.bind_lines[1], 6);
	ck_assert_int_eq(config->gossip.witness, CONFIG_WITNESS_GATEWAY);
	config_free(config);
}
END_TEST

/* The timers of a profile, written out one by one, are as good as the profile. */
START_TEST(profiles_fit)
{
	static const struct {
		const char *name;
		enum config_profile profile;
		void (*timers)(struct gossip_timers *timers);
	} profiles[] = {
		{ "lan", CONFIG_PROFILE_LAN, gossip_timers_lan },
		{ "fast", CONFIG_PROFILE_FAST, gossip_timers_fast },
		{ "quiet", CONFIG_PROFILE_QUIET, gossip_timers_quiet },
		{ "wan", CONFIG_PROFILE_WAN, gossip_timers_wan },
	};
	struct gossip_timers t;
	struct config *config;
	char text[1024];

	profiles[_i].timers(&t);
	(void)snprintf(
		text, sizeof(text),
		"gossip:\n  insecure: true\n  profile: %s\n  timers:\n    probeInterval: %ldms\n    probeTimeout: "
		"%ldms\n    suspicion: %ldms\n    gossipInterval: %ldms\n    syncInterval: %ldms\n    "
		"redialInterval: %ldms\n    joinTimeout: %ldms\n    beatInterval: %ldms\n    silence: %ldms\n    "
		"verify: %ldms\n    reapAfter: %ldms\n",
		profiles[_i].name, (long)t.probe_interval.us / 1000, (long)t.probe_timeout.us / 1000,
		(long)t.suspicion.us / 1000, (long)t.gossip_interval.us / 1000, (long)t.sync_interval.us / 1000,
		(long)t.redial_interval.us / 1000, (long)t.join_timeout.us / 1000, (long)t.beat_interval.us / 1000,
		(long)t.silence.us / 1000, (long)t.verify.us / 1000, (long)t.reap_after.us / 1000);
	config = parse_good(text);
	ck_assert_int_eq(config->gossip.profile, profiles[_i].profile);
	ck_assert(gossip_timers_equal(&config->gossip.timers, &t));
	config_free(config);
}
END_TEST

/* A bad file, and how each of its errors begins. */
static const struct {
	const char *text;
	const char *errors[6];
} bads[] = {
	{ "gossip: {insecure: true, port: 0}\n", { "f:1: gossip.port: 0 is out of range: from 1 to 65535" } },
	{ "gossip: {insecure: true, port: 65536}\n", { "f:1: gossip.port: 65536 is out of range" } },
	{ "gossip: {insecure: true, port: 99999999999999999999999}\n",
	  { "f:1: gossip.port: 99999999999999999999999 is out" } },
	{ "gossip: {insecure: true, port: \"80\"}\n",
	  { "f:1: gossip.port: \"80\" must be a whole number from 1 to 65535, w" } },
	{ "gossip: {insecure: true, port: 0x50}\n", { "f:1: gossip.port: \"0x50\" must be a whole number" } },
	{ "gossip: {insecure: true, port: -1}\n", { "f:1: gossip.port: \"-1\" must be a whole number" } },
	{ "gossip: {insecure: true, packetSize: 799}\n",
	  { "f:1: gossip.packetSize: 799 is out of range: from 800 to 8900" } },
	{ "gossip: {insecure: true, profile: LAN}\n",
	  { "f:1: gossip.profile: \"LAN\" must be lan, fast, quiet or wan" } },
	{ "gossip: {insecure: true, prot: 1}\n", { "f:1: gossip.prot: unknown key: did you mean port?" } },
	{ "gossip: {insecure: true, bind: 10.0.0.1/24}\n",
	  { "f:1: gossip.bind: \"10.0.0.1/24\" is neither an address" } },
	{ "gossip: {insecure: true, bind: 10.0.0.256}\n",
	  { "f:1: gossip.bind: \"10.0.0.256\" is neither an address" } },
	{ "gossip: {insecure: true, bind: \"10.0.0.1:80\"}\n",
	  { "f:1: gossip.bind: \"10.0.0.1:80\" is neither an address" } },
	{ "gossip: {insecure: true, bind: 0.0.0.0}\n",
	  { "f:1: gossip.bind: \"0.0.0.0\" is not the address of one host" } },
	{ "gossip: {insecure: true, bind: \"fe80::1\"}\n",
	  { "f:1: gossip.bind: \"fe80::1\" is a link-local address" } },
	{ "gossip: {insecure: true, bind: interface-of-16-}\n",
	  { "f:1: gossip.bind: \"interface-of-16-\" is neither" } },
	{ "gossip: {insecure: true, bind: }\n", { "f:1: gossip.bind: has no value" } },
	{ "gossip: {insecure: true, bind: []}\n", { "f:1: gossip.bind: is empty: leave it out" } },
	{ "gossip: {insecure: true, bind: {a: b}}\n", { "f:1: gossip.bind: must be a single value" } },
	{ "gossip: {insecure: true, bind: [a, b, c, d, e]}\n",
	  { "f:1: gossip.bind: has 5 items, at most 4 are possible" } },
	{ "gossip:\n  insecure: true\n  bind:\n  - 10.0.0.1\n  - 10.0.0.1\n  - eth0\n  - eth0\n",
	  { "f:5: gossip.bind[1]: \"10.0.0.1\" is in the list already: keep one",
	    "f:7: gossip.bind[3]: \"eth0\" is in the list already: keep one" } },
	{ "gossip:\n  insecure: true\n  bind:\n  - \"fd00::1\"\n  - \"fd00:0::1\"\n  - 0.0.0.0\n  - []\n",
	  { "f:5: gossip.bind[1]: \"fd00:0::1\" is in the list already",
	    "f:6: gossip.bind[2]: \"0.0.0.0\" is not the address of one host",
	    "f:7: gossip.bind[3]: must be a single value" } },
	{ "gossip: {insecure: true, witness: }\n", { "f:1: gossip.witness: has no value" } },
	{ "gossip: {insecure: true, witness: gatway}\n",
	  { "f:1: gossip.witness: \"gatway\" is neither gateway nor an address" } },
	{ "gossip: {insecure: true, witness: \"10.0.0.1:80\"}\n",
	  { "f:1: gossip.witness: \"10.0.0.1:80\" is neither gateway nor an address" } },
	{ "gossip: {insecure: true, witness: 127.0.0.1}\n",
	  { "f:1: gossip.witness: \"127.0.0.1\" must be the address of one other host" } },
	{ "gossip: {insecure: true, witness: \"fe80::1\"}\n",
	  { "f:1: gossip.witness: \"fe80::1\" must be the address of one other host" } },
	{ "gossip: {insecure: true, witness: 10.0.0.2, join: [10.0.0.1, \"10.0.0.2:80\"]}\n",
	  { "f:1: gossip.witness: \"10.0.0.2\" is a peer of gossip.join: a witness is a third host" } },
	{ "gossip: {insecure: true, witness: \"fd00:0::1\", bind: [eth0, \"fd00::1\"]}\n",
	  { "f:1: gossip.witness: \"fd00:0::1\" is this node's own address in gossip.bind" } },
	{ "gossip: {insecure: true, join: 10.0.0.1}\n", { "f:1: gossip.join: must be a list" } },
	{ "gossip:\n  insecure: true\n  join:\n  - n1.example\n  - 10.0.0.0/24\n  - ff02::1\n  - 10.0.0.1\n  - "
	  "\"10.0.0.1:7946\"\n"
	  "  - []\n",
	  { "f:4: gossip.join[0]: \"n1.example\" is not an address",
	    "f:5: gossip.join[1]: \"10.0.0.0/24\" is not an address",
	    "f:6: gossip.join[2]: \"ff02::1\" is not the address of one host",
	    "f:8: gossip.join[4]: \"10.0.0.1:7946\" is in the list already",
	    "f:9: gossip.join[5]: must be a single value" } },
	/* timers */
	{ "gossip: {insecure: true, timers: {probeInterval: 1}}\n",
	  { "f:1: gossip.timers.probeInterval: \"1\" is not a duration: a whole number with ms, s, m or h" } },
	{ "gossip: {insecure: true, timers: {probeInterval: 1.5s}}\n",
	  { "f:1: gossip.timers.probeInterval: \"1.5s\" is not" } },
	{ "gossip: {insecure: true, timers: {probeInterval: s}}\n",
	  { "f:1: gossip.timers.probeInterval: \"s\" is not" } },
	{ "gossip: {insecure: true, timers: {probeInterval: 1d}}\n",
	  { "f:1: gossip.timers.probeInterval: \"1d\" is not" } },
	{ "gossip: {insecure: true, timers: {reapAfter: 721h}}\n",
	  { "f:1: gossip.timers.reapAfter: \"721h\" is out of range: from 1s to 720h" } },
	{ "gossip: {insecure: true, timers: {reapAfter: 99999999999999999999h}}\n",
	  { "f:1: gossip.timers.reapAfter: \"99999999999999999999h\" is out of range" } },
	{ "gossip: {insecure: true, timers: {probeTimout: 1s}}\n",
	  { "f:1: gossip.timers.probeTimout: unknown key: did you mean probeTimeout?" } },
	{ "gossip:\n  insecure: true\n  timers:\n    probeInterval: 1s\n    probeTimeout: 1s\n    suspicion: 10s\n"
	  "    joinTimeout: 5s\n",
	  { "f:5: gossip.timers.probeTimeout: probeTimeout (1s) must be shorter than probeInterval (1s)" } },
	{ "gossip:\n  insecure: true\n  timers: {probeInterval: 6s, suspicion: 5s, probeTimeout: 1s, joinTimeout: "
	  "5s}\n",
	  { "f:3: gossip.timers.probeInterval: probeInterval (6s) must be shorter than suspicion (5s)" } },
	{ "gossip:\n  insecure: true\n  timers: {suspicion: 10m, probeInterval: 1s, reapAfter: 10m}\n",
	  { "f:3: gossip.timers.suspicion: suspicion (10m) must be shorter than reapAfter (10m)" } },
	{ "gossip:\n  insecure: true\n  timers:\n    silence: 60ms\n",
	  { "f:4: gossip.timers.silence: silence (60ms) is less than 3 times beatInterval (25ms): every lost packet "
	    "would "
	    "be taken for a death" } },
	{ "gossip:\n  insecure: true\n  timers:\n    verify: 49ms\n    beatInterval: 25ms\n",
	  { "f:5: gossip.timers.beatInterval: verify (49ms) is less than 2 times beatInterval (25ms): heartbeats must "
	    "have "
	    "a chance" } },
	{ "gossip:\n  insecure: true\n  timers:\n    redialInterval: 1001ms\n",
	  { "f:4: gossip.timers.redialInterval: joinTimeout (2s) is less than 2 times redialInterval (1001ms): a "
	    "starting "
	    "node" } },
	{ "gossip:\n  insecure: true\n  timers:\n    joinTimeout: 235ms\n",
	  { "f:4: gossip.timers.joinTimeout: joinTimeout (235ms) must be longer than silence and verify together "
	    "(235ms): "
	    "a node that starts" } },
	{ "gossip:\n  insecure: true\n  timers:\n    silence: 1s\n    verify: 1s\n",
	  { "f:4: gossip.timers.silence: joinTimeout (2s) must be longer than silence and verify together (2s)" } },
};

START_TEST(refused)
{
	expect_refused(bads[_i].text, bads[_i].errors, ARRAY_LEN(bads[_i].errors));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("config_gossip");
	TCase *tcase = tcase_create("config_gossip");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, several_binds);
	tcase_add_loop_test(tcase, profiles_fit, 0, 4);
	tcase_add_loop_test(tcase, refused, 0, ARRAY_LEN(bads));
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
