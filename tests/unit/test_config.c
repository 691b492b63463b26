/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/config*.c: what a good file gives, and the words with which bad ones are refused. */
#include "tests/unit/test_config_parse.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/config_tree.h"
#include "daemon/config_value.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define KEY_A "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

/* What most files here begin with; it is line 1. */
#define OPEN "gossip: {insecure: true}\n"
#define POOL OPEN "pools:\n- {name: p, addresses: [10.0.1.0/24]}\n"
#define SERVICE OPEN "services:\n- name: web\n  addresses: [10.0.0.100]\n"

static bool same_span(struct span a, int64_t ms)
{
	return a.us == ms * 1000;
}

START_TEST(defaults)
{
	struct config *config = parse_good(OPEN);
	struct gossip_timers lan;
	char host[256];

	gossip_timers_lan(&lan);
	ck_assert_int_eq(gethostname(host, sizeof(host)), 0);
	ck_assert_str_eq(config->node.name, host);
	ck_assert_str_eq(config->path, "f");
	ck_assert_uint_eq(config->node.labels.label_n, 0);
	ck_assert_uint_eq(config->gossip.bind_n, 0);
	ck_assert_int_eq(config->gossip.witness, CONFIG_WITNESS_NONE);
	ck_assert_int_eq(config->process.realtime_priority, 10);
	ck_assert(config->process.lock_memory);
	ck_assert_uint_eq(config->gossip.port, 7946);
	ck_assert_uint_eq(config->gossip.seed_n, 0);
	ck_assert(config->gossip.insecure);
	ck_assert_uint_eq(config->gossip.ring.key_n, 1);
	ck_assert_int_eq(config->gossip.profile, CONFIG_PROFILE_LAN);
	ck_assert_int_eq(config->gossip.timers.probe_interval.us, lan.probe_interval.us);
	ck_assert_int_eq(config->gossip.timers.reap_after.us, lan.reap_after.us);
	ck_assert_uint_eq(config->gossip.timers.retransmit_mult, lan.retransmit_mult);
	ck_assert_uint_eq(config->gossip.packet_len_max, PACKET_LEN_DEFAULT);
	ck_assert_uint_eq(config->service_n, 0);
	ck_assert_str_eq(config->control.socket, "/run/mlb/mlbd.sock");
	ck_assert(!config->control.listen_set);
	ck_assert(!config->log.level_set);
	ck_assert(!config->log.json);
	config_free(config);
}
END_TEST

static const char full[] = "# everything\n"
			   "node:\n"
			   "  name: n1.example\n"
			   "  labels: {rack: a, \"example.com/zone\": b-2, empty: \"\"}\n"
			   "gossip:\n"
			   "  join: [10.0.0.1, \"10.0.0.2:9000\", \"[fd00::3]:7946\", fd00::4]\n"
			   "  timers: {probeInterval: 2s, probeTimeout: 300ms, suspicion: 5s, reapAfter: 24h}\n"
			   "  bind: 10.0.0.1\n"
			   "  witness: 10.0.0.254\n"
			   "  port: 8000\n"
			   "  profile: wan\n"
			   "  packetSize: 1200\n"
			   "  keyFile: /nonexistent\n"
			   "services:\n"
			   "  - name: web\n"
			   "    addresses: [10.0.0.100, \"fd00:100::1\"]\n"
			   "    interfaces: [eth0, br-lan.5]\n"
			   "    claim: address\n"
			   "    nodeSelectors:\n"
			   "      - matchLabels: {rack: a}\n"
			   "        matchExpressions:\n"
			   "          - {key: zone, operator: NotIn, values: [x, y]}\n"
			   "          - {key: rack, operator: Exists}\n"
			   "      - {}\n"
			   "  - {name: default/dns, addresses: [10.0.0.101]}\n"
			   "control:\n"
			   "  socket: /tmp/s\n"
			   "  listen: \"[::]:7472\"\n"
			   "process: {realtimePriority: 99, lockMemory: false}\n";

START_TEST(everything)
{
	struct config *config = parse_good(full);
	struct endpoint third;
	struct gossip_timers wan;
	struct ip witness;

	ck_assert_str_eq(config->node.name, "n1.example");
	ck_assert_str_eq(label_get(&config->node.labels, "example.com/zone"), "b-2");
	ck_assert_str_eq(label_get(&config->node.labels, "empty"), "");
	ck_assert_uint_eq(config->gossip.bind_n, 1);
	ck_assert_str_eq(config->gossip.binds[0], "10.0.0.1");
	ck_assert_uint_eq(config->gossip.bind_lines[0], 8);
	ck_assert_int_eq(config->gossip.witness, CONFIG_WITNESS_ADDRESS);
	ck_assert_int_eq(ip_parse("10.0.0.254", &witness), 0);
	ck_assert(ip_equal(config->gossip.witness_ip, witness));
	ck_assert_int_eq(config->process.realtime_priority, 99);
	ck_assert(!config->process.lock_memory);
	ck_assert_uint_eq(config->gossip.port, 8000);
	ck_assert_uint_eq(config->gossip.seed_n, 4);
	ck_assert_uint_eq(config->gossip.seeds[0].port, 8000); /* although `port` comes later in the file */
	ck_assert_uint_eq(config->gossip.seeds[1].port, 9000);
	ck_assert_int_eq(endpoint_parse("[fd00::3]:7946", 0, &third), 0);
	ck_assert_int_eq(endpoint_compare(config->gossip.seeds[2], third), 0);
	ck_assert_str_eq(config->gossip.key_file, "/nonexistent");
	ck_assert_uint_eq(config->gossip.ring.key_n, 0); /* read_keys was false */
	ck_assert_int_eq(config->gossip.profile, CONFIG_PROFILE_WAN);
	gossip_timers_wan(&wan);
	ck_assert(same_span(config->gossip.timers.probe_interval, 2000));
	ck_assert(same_span(config->gossip.timers.probe_timeout, 300));
	ck_assert(same_span(config->gossip.timers.suspicion, 5000));
	ck_assert(same_span(config->gossip.timers.reap_after, 86400000));
	ck_assert_int_eq(config->gossip.timers.sync_interval.us, wan.sync_interval.us);
	ck_assert_uint_eq(config->gossip.packet_len_max, 1200);
	ck_assert_uint_eq(config->gossip.line, 5);
	ck_assert_str_eq(config->control.socket, "/tmp/s");
	ck_assert(config->control.listen_set);
	ck_assert_uint_eq(config->control.listen.port, 7472);
	config_free(config);
}
END_TEST

START_TEST(services_of_a_file)
{
	struct config *config = parse_good(full);
	const struct config_service *web = &config->services[0];
	const struct label_requirement *requirements = web->selectors[0].requirements;
	char text[IP_TEXT_MAX];

	ck_assert_uint_eq(config->service_n, 2);
	ck_assert_str_eq(web->name, "web");
	ck_assert_uint_eq(web->line, 15);
	ck_assert_uint_eq(web->address_n, 2);
	ck_assert_str_eq(ip_format(web->addresses[1], text), "fd00:100::1");
	ck_assert_uint_eq(web->interface_n, 2);
	ck_assert_str_eq(web->interfaces[1], "br-lan.5");
	ck_assert_int_eq(web->mode, CLAIM_ADDRESS);
	ck_assert_uint_eq(web->selector_n, 2);
	ck_assert_uint_eq(web->selectors[0].requirement_n, 3);
	ck_assert_uint_eq(web->selectors[1].requirement_n, 0);
	ck_assert_str_eq(requirements[0].key, "rack");
	ck_assert_int_eq(requirements[0].operator, LABEL_IN);
	ck_assert_str_eq(requirements[0].values[0], "a");
	ck_assert_int_eq(requirements[1].operator, LABEL_NOT_IN);
	ck_assert_uint_eq(requirements[1].value_n, 2);
	ck_assert_str_eq(requirements[1].values[1], "y");
	ck_assert_int_eq(requirements[2].operator, LABEL_EXISTS);
	ck_assert_str_eq(config->services[1].name, "default/dns");
	config_free(config);
}
END_TEST

START_TEST(pools_of_a_file)
{
	struct config *config = parse_good(
		OPEN "pools:\n"
		     "- {name: a, addresses: [10.0.1.0/24, \"fd00::/64\"], autoAssign: false, avoidBuggyIPs: true}\n"
		     "- {name: b, addresses: [\"10.0.2.5-10.0.2.6\"]}\n"
		     "poolState: /tmp/state\n"
		     "services:\n"
		     "- {name: x, pool: a}\n"
		     "- {name: y, ipFamilies: [IPv4]}\n"
		     "- {name: z, addresses: [10.0.1.1]}\n"
		     "- {name: w, pool: a, ipFamilies: [IPv6]}\n");

	ck_assert_uint_eq(config->pool_n, 2);
	ck_assert_str_eq(config->pools[0].name, "a");
	ck_assert_uint_eq(config->pools[0].cidr_n, 2);
	ck_assert(!config->pools[0].auto_assign && config->pools[0].avoid_buggy_ips);
	ck_assert_uint_eq(config->pools[1].cidr_n, 2);
	ck_assert(config->pools[1].auto_assign && !config->pools[1].avoid_buggy_ips);
	ck_assert_str_eq(config->pool_state, "/tmp/state");
	ck_assert(config->services[0].pooled && config->services[0].families == ALLOC_DUAL);
	ck_assert(config->services[1].pooled && config->services[1].families == ALLOC_V4);
	ck_assert_ptr_null(config->services[1].pool);
	ck_assert(!config->services[2].pooled);
	ck_assert_uint_eq(config->services[3].families, ALLOC_V6);
	ck_assert_uint_eq(config_fixed_n(config), 1);
	config_free(config);
	config = parse_good(POOL "services:\n- {name: a, pool: p}\n");
	ck_assert_str_eq(config->pool_state, "/var/lib/mlb/pools");
	ck_assert_uint_eq(config->services[0].families, ALLOC_V4);
	config_free(config);
	config = parse_good(OPEN "pools: []\n");
	ck_assert_ptr_null(config->pool_state);
	config_free(config);
}
END_TEST

START_TEST(for_election)
{
	struct config *config = parse_good(full);
	struct config *empty = parse_good(OPEN);
	struct election_service *services = config_election_services(config, NULL, 0);
	struct election_service *none = config_election_services(empty, NULL, 0);

	ck_assert_ptr_nonnull(none);
	ck_assert_str_eq(services[0].name, "web");
	ck_assert_uint_eq(services[0].address_n, 2);
	ck_assert_ptr_eq(services[0].addresses, config->services[0].addresses);
	ck_assert_uint_eq(services[0].interface_n, 2);
	ck_assert_str_eq(services[0].interfaces[0], "eth0");
	ck_assert_uint_eq(services[0].selector_n, 2);
	ck_assert_str_eq(services[1].name, "default/dns");
	ck_assert_uint_eq(services[1].interface_n, 0);
	free(services);
	free(none);
	config_free(config);
	config_free(empty);
}
END_TEST

/* Files that must be accepted, for a reason of their own each. */
static const char *const goods[] = {
	"gossip: {keyFile: k, insecure: false}",
	"gossip: {insecure: true, profile: fast, timers: {probeTimeout: 1ms}}",
	"gossip: {insecure: true, profile: wan, timers: {probeTimeout: 1ms}}",
	"gossip: {insecure: true, timers: {probeTimeout: 1ms}}",
	"gossip: {insecure: true, timers: , join: }",
	"gossip: {insecure: true, bind: eth0.5}",
	"gossip: {insecure: true, bind: \"fd00::1\", join: [127.0.0.1, \"::1\"]}",
	OPEN "services:\n",
	OPEN "services: []\n",
	OPEN "services: ~\nnode: null\ncontrol:\n",
	"\xef\xbb\xbf" OPEN, /* a byte order mark */
	"---\n" OPEN "...\n",
	"{gossip: {insecure: true}}",
	"gossip:\r\n  insecure: true\r\n",
	OPEN "node: {name: 1}\n",
	SERVICE "- {name: b, addresses: &a [10.0.0.1]}\n- {name: c, addresses: [10.0.0.2], interfaces: &i [eth0]}\n"
		"- {name: d, addresses: [10.0.0.3], interfaces: *i}\n",
	OPEN "services:\n- name: !!str 5\n  addresses: [10.0.0.100]\n",
};

START_TEST(accepted)
{
	config_free(parse_good(goods[_i]));
}
END_TEST

#define BAD_EXPRESSIONS                                                                     \
	SERVICE "  nodeSelectors:\n  - matchExpressions:\n"                                 \
		"    - {key: a, operator: in, values: [b]}\n    - {key: a, operator: In}\n" \
		"    - {key: a, operator: Exists, values: [b]}\n    - {values: [b c, [d]]}\n"

/* A bad file, and how each of its errors begins. */
static const struct {
	const char *text;
	const char *errors[8];
} bads[] = {
	/* the file as a whole */
	{ "", { "f:1: file: is empty" } },
	{ "# nothing\n", { "f:1: file: is empty" } },
	{ "hello\n", { "f:1: file: must be a mapping" } },
	{ "\n- a\n", { "f:2: file: must be a mapping" } },
	{ OPEN "node: {name: n1}\nnode: {name: n2}\n", { "f:3: node: duplicate key, it is in line 2 already" } },
	{ OPEN "servces: []\n", { "f:2: servces: unknown key: did you mean services?" } },
	{ OPEN "Services: []\n", { "f:2: Services: unknown key: did you mean services?" } },
	{ OPEN "vrrp: {}\n",
	  { "f:2: vrrp: unknown key: known here are node, gossip, services, control, pools, poolState, kubernetes" } },
	{ OPEN "pools: {}\n", { "f:2: pools: must be a list" } },
	{ OPEN "pools: [a]\n", { "f:2: pools[0]: must be a mapping with name and addresses" } },
	{ OPEN "pools:\n- {}\n",
	  { "f:3: pools[0].name: is missing",
	    "f:3: pools[0].addresses: is missing: a pool needs at least one range" } },
	{ OPEN "pools:\n- {name: a b, addresses: []}\n",
	  { "f:3: pools[0].name: \"a b\" must be 1 to 127 letters", "f:3: pools[0].addresses: is empty" } },
	{ POOL "- {name: p, addresses: [10.0.2.0/24]}\n", { "f:4: pools[1]: p is the name of another pool" } },
	{ POOL "- {name: q, addresses: [\"10.0.1.9 - 10.0.1.200\"]}\n",
	  { "f:2: pools: 10.0.1.9 is in the pools p and q" } },
	{ OPEN "pools:\n- {name: q, addresses: [10.0.1.0/24, 10.0.1.4-10.0.1.7]}\n",
	  { "f:2: pools: 10.0.1.4 is in the pools q and q" } },
	{ OPEN "pools:\n- {name: p, addresses: [10.0.0.5, 10.0.0.9-10.0.0.1, 127.0.0.0/8, \"fe80::/64\", 0.0.0.0/0]}\n",
	  { "f:3: pools[0].addresses[0]: \"10.0.0.5\" is neither a CIDR, such as 10.0.100.0/24, nor a range",
	    "f:3: pools[0].addresses[1]: \"10.0.0.9-10.0.0.1\" begins with the higher address",
	    "f:3: pools[0].addresses[2]: \"127.0.0.0/8\" has loopback",
	    "f:3: pools[0].addresses[3]: \"fe80::/64\" has link-local",
	    "f:3: pools[0].addresses[4]: \"0.0.0.0/0\" is every address" } },
	{ OPEN "pools:\n- {name: p, addresses: [10.0.1.0/24], autoAssign: 1, avoidBuggyIPs: maybe, priority: 1}\n",
	  { "f:3: pools[0].autoAssign: \"1\" must be true or false",
	    "f:3: pools[0].avoidBuggyIPs: \"maybe\" must be true or false", "f:3: pools[0].priority: unknown key" } },
	{ OPEN "poolState: pools\n", { "f:2: poolState: must be an absolute path" } },
	{ OPEN "kubernetes: yes\n", { "f:2: kubernetes: must be a mapping" } },
	{ OPEN "kubernetes: {kubeconfig: here, snapshot: there}\n",
	  { "f:2: kubernetes.kubeconfig: must be an absolute path",
	    "f:2: kubernetes.snapshot: must be an absolute path" } },
	{ OPEN "kubernetes: {namespace: \"\"}\n", { "f:2: kubernetes.namespace: must not be empty" } },
	{ OPEN "kubernetes: {claim: bind}\n", { "f:2: kubernetes.claim: \"bind\" must be address, route or none" } },
	{ OPEN "kubernetes: {unreadyAfter: 0s}\n", { "f:2: kubernetes.unreadyAfter: \"0s\" is out of range" } },
	{ OPEN "kubernetes: {lbClass: x}\n", { "f:2: kubernetes.lbClass: unknown key" } },
	{ OPEN "node: [a]\n", { "f:2: node: must be a mapping of \"key: value\", not a list" } },
	{ OPEN "node: 5\n", { "f:2: node: must be a mapping of \"key: value\", not a single value" } },
	/* syntax: one error, and the end */
	{ OPEN "node: {name: \"n1}\n", { "f:3: syntax: found unexpected end of stream" } },
	{ OPEN "node:\n\tname: n1\n",
	  { "f:3: syntax: found character that cannot start any token: indent with blanks" } },
	{ OPEN "node: \xff\n", { "f:2: syntax: invalid leading UTF-8 octet: the file must be UTF-8" } },
	{ OPEN "\n\nnode: \x01\n", { "f:4: syntax: control characters are not allowed" } },
	{ OPEN "node: {name: \"a\\0b\"}\n", { "f:2: syntax: a text must not contain a zero byte" } },
	{ OPEN "---\nnode: {}\n", { "f:2: syntax: a second document begins here" } },
	{ OPEN "? [a]\n: b\n", { "f:2: syntax: a key must be a text, not a list" } },
	{ OPEN "? {a: b}\n: b\n", { "f:2: syntax: a key must be a text, not a mapping" } },
	{ OPEN "&a node: {}\n", { "f:2: syntax: an anchor on a key" } },
	{ OPEN "node: !!set {a}\n", { "f:2: syntax: tags such as tag:yaml.org,2002:set are not supported" } },
	{ OPEN "node: {name: !x n}\n", { "f:2: syntax: tags such as !x are not supported" } },
	{ OPEN "node: *a\n", { "f:2: syntax: the alias *a has no anchor before it" } },
	{ OPEN "node: &a [*a]\n", { "f:2: syntax: the alias *a stands for a value that it is part of" } },
	{ OPEN "node: &a {b: *a}\n", { "f:2: syntax: the alias *a stands for a value that it is part of" } },
	{ OPEN "node: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\n", { "f:2: syntax: nested deeper than 32 levels" } },
	{ "%YAML 3.0\n---\n" OPEN, { "f:1: syntax: found incompatible YAML document" } },
	/* node */
	{ OPEN "node: {name: \"\"}\n", { "f:2: node.name: \"\" must be 1 to 63" } },
	{ OPEN "node: {name: a b}\n", { "f:2: node.name: \"a b\" must be 1 to 63" } },
	{ OPEN "node: {name: n/1}\n", { "f:2: node.name: \"n/1\" must be 1 to 63" } },
	{ OPEN "node: {name: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx}\n",
	  { "f:2: node.name: \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\" must" } },
	{ OPEN "node: {name: [a]}\n", { "f:2: node.name: must be a single value, not a list" } },
	{ OPEN "node: {name: }\n", { "f:2: node.name: has no value" } },
	{ OPEN "node: {labels: {-a: b}}\n", { "f:2: node.labels.-a: a label's key is letters" } },
	{ OPEN "node: {labels: {a/b/c: b}}\n", { "f:2: node.labels.a/b/c: a label's key is letters" } },
	{ OPEN "node: {labels: {\"\": b}}\n", { "f:2: node.labels.: a label's key must not be empty" } },
	{ OPEN "node: {labels: {a: b c}}\n", { "f:2: node.labels.a: a label's value is letters" } },
	{ OPEN "node: {labels: {a: }}\n", { "f:2: node.labels.a: has no value" } },
	{ OPEN "node: {labels: {a: {b: c}}}\n", { "f:2: node.labels.a: must be a single value, not a mapping" } },
	{ OPEN "node: {labels: {a: b, a: c}}\n", { "f:2: node.labels.a: duplicate key" } },
	{ OPEN "node: {labels: {a: 0123456789012345678901234567890123456789012345678901234567890123}}\n",
	  { "f:2: node.labels.a: a label's value has at most 63 bytes" } },
	{ OPEN "node: {labels: {a: 1, b: 1, c: 1, d: 1, e: 1, f: 1, g: 1, h: 1, i: 1, j: 1, k: 1, l: 1, m: 1, n: 1,"
	       " o: 1, p: 1, q: 1}}\n",
	  { "f:2: node.labels.q: is one label too many: a node has at most 16" } },
	{ OPEN "node:\n  labels:\n"
	       "    a: 012345678901234567890123456789012345678901234567890123456789012\n"
	       "    b: 012345678901234567890123456789012345678901234567890123456789012\n"
	       "    c: 012345678901234567890123456789012345678901234567890123456789012\n"
	       "    d: 012345678901234567890123456789012345678901234567890123456789012\n",
	  { "f:3: node.labels: the labels take 264 bytes" } },
	/* gossip */
	{ "node: {name: n1}\n",
	  { "f:1: gossip.keyFile: is missing; make a key with: head -c 32 /dev/urandom | base64 > FILE" } },
	{ "\ngossip: {port: 1}\n", { "f:2: gossip.keyFile: is missing; make a key with" } },
	{ "gossip: {insecure: false}\n", { "f:1: gossip.keyFile: is missing; make a key with" } },
	{ "gossip: {insecure: true, keyFile: k}\n",
	  { "f:1: gossip.insecure: insecure: true and keyFile exclude each other" } },
	{ "gossip: {insecure: yes}\n",
	  { "f:1: gossip.insecure: \"yes\" must be true or false", "f:1: gossip.keyFile: is missing" } },
	{ "gossip: {keyFile: k, insecure: \"true\"}\n",
	  { "f:1: gossip.insecure: \"true\" must be true or false, without quotes" } },
	{ "gossip: {keyFile: \"\"}\n", { "f:1: gossip.keyFile: must not be empty" } },
	/* process */
	{ OPEN "process: {realtimePriority: 100}\n",
	  { "f:2: process.realtimePriority: 100 is out of range: from 0 to 99" } },
	{ OPEN "process: {realtimePriority: off}\n",
	  { "f:2: process.realtimePriority: \"off\" must be a whole number from 0 to 99" } },
	{ OPEN "process: {lockMemory: 1}\n", { "f:2: process.lockMemory: \"1\" must be true or false" } },
	{ OPEN "process: {nice: 1}\n", { "f:2: process.nice: unknown key" } },
	{ OPEN "process: []\n", { "f:2: process: must be a mapping" } },
	/* control */
	{ OPEN "control: {listen: 127.0.0.1}\n",
	  { "f:2: control.listen: \"127.0.0.1\" is not an address with a port" } },
	{ OPEN "control: {listen: \":80\"}\n", { "f:2: control.listen: \":80\" is not an address with a port" } },
	{ OPEN "control: {socket: }\n", { "f:2: control.socket: has no value" } },
	{ OPEN "control: {socket: "
	       "/0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456"
	       "7890123456}\n",
	  { "f:2: control.socket: the path of a Unix socket has at most 107 bytes" } },
	/* log */
	{ OPEN "log: {level: notice}\n", { "f:2: log.level: \"notice\" must be error, warning, info or debug" } },
	{ OPEN "log: {format: xml}\n", { "f:2: log.format: \"xml\" must be text or json" } },
	{ OPEN "log: {file: /x}\n", { "f:2: log.file: unknown key" } },
	/* services */
	{ OPEN "services: {name: web}\n", { "f:2: services: must be a list" } },
	{ OPEN "services: [web]\n", { "f:2: services[0]: must be a mapping with name and addresses" } },
	{ OPEN "services:\n-\n", { "f:3: services[0]: must be a mapping with name and addresses" } },
	{ OPEN "services:\n- {}\n", { "f:3: services[0].name: is missing", "f:3: services[0].addresses: is missing" } },
	{ OPEN "services:\n- {name: web, addresses: []}\n", { "f:3: services[0].addresses: is empty" } },
	{ OPEN "services:\n- {name: web, addresses: 10.0.0.1}\n", { "f:3: services[0].addresses: must be a list" } },
	{ OPEN "services:\n- {name: we b, addresses: [10.0.0.1]}\n",
	  { "f:3: services[0].name: \"we b\" must be 1 to 127" } },
	{ OPEN "services:\n- {name: web, addresses: [10.0.0.1], adresses: []}\n",
	  { "f:3: services[0].adresses: unknown key: did you mean addresses?" } },
	{ OPEN "services:\n- name: web\n  addresses:\n  - 10.0.0.0/24\n  - 10.0.0.300\n  - 127.0.0.1\n  - fe80::1\n  - "
	       "ff02::5\n"
	       "  - ::ffff:10.0.0.1\n",
	  { "f:5: services[0].addresses[0]: \"10.0.0.0/24\" is a range, and a service has single addresses",
	    "f:6: services[0].addresses[1]: \"10.0.0.300\" is not an IPv4 or IPv6 address",
	    "f:7: services[0].addresses[2]: \"127.0.0.1\" is a loopback, multicast",
	    "f:8: services[0].addresses[3]: \"fe80::1\" is a link-local address",
	    "f:9: services[0].addresses[4]: \"ff02::5\" is a loopback, multicast",
	    "f:10: services[0].addresses[5]: \"::ffff:10.0.0.1\" is an IPv4 address written as IPv6" } },
	{ SERVICE "- name: web\n  addresses: [10.0.0.101]\n",
	  { "f:5: services[1].name: web is used twice, in line 3 as services[0].name already" } },
	{ SERVICE "- name: a\n  addresses: [10.0.0.1, 10.0.0.100]\n- name: b\n  addresses: [\"10.0.0.1\"]\n",
	  { "f:8: services[2].addresses[0]: 10.0.0.1 is used twice, in line 6 as services[1].addresses[0] already",
	    "f:6: services[1].addresses[1]: 10.0.0.100 is used twice, in line 4 as services[0].addresses[0] "
	    "already" } },
	{ SERVICE "- name: a\n  addresses: [\"fd00:0::1\", \"fd00::1\", \"FD00::0001\"]\n",
	  { "f:6: services[1].addresses[1]: fd00::1 is used twice, in line 6 as services[1].addresses[0] already",
	    "f:6: services[1].addresses[2]: fd00::1 is used twice" } },
	{ SERVICE "  claim: arp\n", { "f:5: services[0].claim: \"arp\" must be address, route or none" } },
	{ SERVICE "  ipFamilies: [IPv4]\n", { "f:3: services[0]: has addresses and a pool: keep one of them" } },
	{ OPEN "services:\n- {name: a, pool: p}\n", { "f:3: services[0].pool: there is no pool of that name" } },
	{ OPEN "services:\n- {name: a, ipFamilies: [IPv4]}\n",
	  { "f:3: services[0]: there is no pool with autoAssign: name one" } },
	{ POOL "services:\n- {name: a, pool: p, ipFamilies: [IPv6]}\n",
	  { "f:5: services[0].pool: the pool has no addresses of that family" } },
	{ POOL "services:\n- {name: a, ipFamilies: [IPv4, IPv6]}\n",
	  { "f:5: services[0]: the pool has no addresses of that family" } },
	{ POOL "services:\n- {name: a, pool: p, ipFamilies: [IPv4, IPv4]}\n",
	  { "f:5: services[0].ipFamilies[1]: IPv4 is in the list already" } },
	{ POOL "services:\n- {name: a, pool: p, ipFamilies: [ipv6]}\n",
	  { "f:5: services[0].ipFamilies[0]: \"ipv6\" must be IPv4 or IPv6" } },
	{ POOL "services:\n- {name: a, pool: p, ipFamilies: []}\n", { "f:5: services[0].ipFamilies: is empty" } },
	{ POOL "services:\n- {name: a, pool: p, addresses: [10.0.1.1]}\n",
	  { "f:5: services[0]: has addresses and a pool: keep one of them" } },
	{ SERVICE "  interfaces: [eth0, eth0, a/b, \"eth0:1\", .., interface-of-16-]\n",
	  { "f:5: services[0].interfaces[1]: \"eth0\" is in the list already",
	    "f:5: services[0].interfaces[2]: \"a/b\" cannot be an interface",
	    "f:5: services[0].interfaces[3]: \"eth0:1\" cannot be an interface",
	    "f:5: services[0].interfaces[4]: \"..\" cannot be an interface",
	    "f:5: services[0].interfaces[5]: \"interface-of-16-\" cannot be an interface" } },
	{ SERVICE "  interfaces: [a, b, c, d, e, f, g, h, i]\n",
	  { "f:5: services[0].interfaces: has 9 items, at most 8 are possible" } },
	/* selectors */
	{ SERVICE "  nodeSelectors: {matchLabels: {a: b}}\n", { "f:5: services[0].nodeSelectors: must be a list" } },
	{ SERVICE "  nodeSelectors: [a]\n",
	  { "f:5: services[0].nodeSelectors[0]: must be a mapping of \"key: value\", not a single value" } },
	{ SERVICE "  nodeSelectors: [{matchlabel: {a: b}}]\n",
	  { "f:5: services[0].nodeSelectors[0].matchlabel: unknown key: did you mean matchLabels?" } },
	{ SERVICE "  nodeSelectors: [{matchLabels: {a: , /b: c, c: d e}}]\n",
	  { "f:5: services[0].nodeSelectors[0].matchLabels.a: has no value",
	    "f:5: services[0].nodeSelectors[0].matchLabels./b: a label's key",
	    "f:5: services[0].nodeSelectors[0].matchLabels.c: a label's value" } },
	{ BAD_EXPRESSIONS,
	  { "f:7: services[0].nodeSelectors[0].matchExpressions[0].operator: \"in\" must be In, NotIn, Exists or "
	    "DoesNotExist",
	    "f:8: services[0].nodeSelectors[0].matchExpressions[1].values: In and NotIn need at least one value",
	    "f:9: services[0].nodeSelectors[0].matchExpressions[2].values: Exists and DoesNotExist take no values",
	    "f:10: services[0].nodeSelectors[0].matchExpressions[3].values[0]: a label's value",
	    "f:10: services[0].nodeSelectors[0].matchExpressions[3].values[1]: must be a single value",
	    "f:10: services[0].nodeSelectors[0].matchExpressions[3].key: is missing",
	    "f:10: services[0].nodeSelectors[0].matchExpressions[3].operator: is missing" } },
};

START_TEST(refused)
{
	expect_refused(bads[_i].text, bads[_i].errors, ARRAY_LEN(bads[_i].errors));
}
END_TEST

/* Parse a text that must fail; returns the number of errors and the first one in buf. */
static size_t parse_bad(const char *text, size_t len, char buf[256])
{
	struct config_errors errors = { 0 };
	struct config *config = NULL;
	size_t n;

	ck_assert_int_eq(config_parse("f", text, len, false, &config, &errors), -EINVAL);
	snprintf(buf, 256, "%s", errors.texts[0]);
	n = errors.error_n;
	config_errors_free(&errors);
	return n;
}

START_TEST(many_errors)
{
	static char text[20000];
	char first[256];
	size_t len = (size_t)sprintf(text, OPEN "services:\n");

	for (int i = 0; i < 200; i++)
		len += (size_t)sprintf(text + len, "- {name: s%d, addresses: [x]}\n", i);
	ck_assert_uint_eq(parse_bad(text, len, first), 200); /* all counted, the texts of the first 64 kept */
	ck_assert_str_eq(first, "f:3: services[0].addresses[0]: \"x\" is not an IPv4 or IPv6 address");
}
END_TEST

START_TEST(other_encodings)
{
	static const char utf16[] =
		"\xff\xfeg\0o\0s\0s\0i\0p\0:\0 \0{\0i\0n\0s\0e\0c\0u\0r\0e\0:\0 \0t\0r\0u\0e\0}\0\n";
	char first[256];

	ck_assert_uint_eq(parse_bad(utf16, sizeof(utf16), first), 1);
	ck_assert_str_eq(first, "f:1: syntax: invalid leading UTF-8 octet: the file must be UTF-8 text");
}
END_TEST

START_TEST(alias_bomb)
{
	/* 10 levels of 10: 10^10 values out of 500 bytes. */
	char text[2000] = "gossip: {insecure: true}\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
	size_t len = strlen(text);
	char first[256];

	for (int i = 1; i <= 10; i++)
		len += (size_t)sprintf(text + len,
				       "a%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n", i, i,
				       i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
	ck_assert_uint_eq(parse_bad(text, len, first), 1);
	ck_assert_ptr_nonnull(strstr(first, ": syntax: too much in one file"));
}
END_TEST

START_TEST(too_much)
{
	static char text[CONFIG_FILE_MAX];
	char first[256];
	size_t len;

	/* seeds */
	len = (size_t)sprintf(text, "gossip: {insecure: true, join: [");
	for (int i = 0; i <= SEED_MAX; i++)
		len += (size_t)sprintf(text + len, "10.0.0.%d, ", i + 1);
	len += (size_t)sprintf(text + len, "]}\n");
	ck_assert_uint_eq(parse_bad(text, len, first), 1);
	ck_assert_str_eq(first, "f:1: gossip.join: has 65 items, at most 64 are possible");
	/* keys of one mapping */
	len = 0;
	for (int i = 0; i <= CONFIG_MAPPING_MAX; i++)
		len += (size_t)sprintf(text + len, "k%d: 1\n", i);
	ck_assert_uint_eq(parse_bad(text, len, first), 1);
	ck_assert_str_eq(first, "f:257: syntax: more than 256 keys in one mapping");
	/* services, and addresses of all of them */
	len = (size_t)sprintf(text, OPEN "services:\n");
	for (int i = 0; i <= SERVICE_MAX; i++)
		len += (size_t)sprintf(text + len, "-\n");
	ck_assert_uint_eq(parse_bad(text, len, first), 1);
	ck_assert_str_eq(first, "f:2: services: has 16385 items, at most 16384 are possible");
	len = (size_t)sprintf(text, OPEN "services:\n");
	for (int i = 0; i <= 16; i++) {
		len += (size_t)sprintf(text + len, "- name: s%d\n  addresses: [", i);
		for (int j = 0; j < (i < 16 ? 1024 : 1); j++)
			len += (size_t)sprintf(text + len, "10.%d.%d.%d, ", i, j / 200, j % 200 + 1);
		len += (size_t)sprintf(text + len, "]\n");
	}
	ck_assert_uint_eq(parse_bad(text, len, first), 1);
	ck_assert_str_eq(first, "f:2: services: 16385 addresses in all, at most 16384 are possible");
}
END_TEST

START_TEST(most)
{
	static char text[CONFIG_FILE_MAX];
	size_t len = (size_t)sprintf(text, OPEN "services:\n");
	struct config *config;

	/* The design's upper end: as many services as there may be, with one address each. */
	for (int i = 0; i < SERVICE_MAX; i++)
		len += (size_t)sprintf(text + len, "- {name: s%d, addresses: [10.0.%d.%d]}\n", i, i / 200, i % 200 + 1);
	config = parse_good(text);
	ck_assert_uint_eq(config->service_n, SERVICE_MAX);
	config_free(config);
}
END_TEST

START_TEST(truncated)
{
	/* Each prefix is parsed or refused, and the tools see no byte read past its end and no leak. */
	for (size_t len = 0; len < sizeof(full); len++) {
		char *exact = malloc(len + 1);
		struct config_errors errors = { 0 };
		struct config *config = NULL;
		int r;

		memcpy(exact, full, len);
		r = config_parse("f", exact, len, false, &config, &errors);
		ck_assert_int_eq(r == 0, config != NULL);
		ck_assert_int_eq(r == 0, errors.error_n == 0);
		config_errors_free(&errors);
		config_free(config);
		free(exact);
	}
	config_free(NULL);
}
END_TEST

START_TEST(quoting)
{
	char buf[CONFIG_QUOTE_MAX];

	ck_assert_str_eq(config_quote("a\nb\x7f\x1b", buf), "\"a?b??\"");
	ck_assert_str_eq(config_quote("", buf), "\"\"");
	/* Cut between two characters, not within one. */
	config_quote("\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
		     "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
		     "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4",
		     buf);
	ck_assert_uint_eq(strlen(buf) % 2, (2 + 3) % 2); /* two quotes, three dots, whole characters */
	ck_assert_str_eq(buf + strlen(buf) - 6, "\xc3\xa4...\"");
}
END_TEST

START_TEST(spans)
{
	static const struct {
		int64_t us;
		const char *text;
	} cases[] = { { 0, "0ms" },	   { 1000, "1ms" },	{ 1500000, "1500ms" }, { 2000000, "2s" },
		      { 90000000, "90s" }, { 120000000, "2m" }, { 7200000000, "2h" },  { 5400000000, "90m" } };
	char buf[CONFIG_SPAN_MAX];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		ck_assert_str_eq(config_span_format(span_us(cases[i].us), buf), cases[i].text);
}
END_TEST

/* A temporary folder with a configuration and a key file. */
struct files {
	char dir[64];
	char config[96];
	char key[96];
};

static struct files files_new(void)
{
	struct files files;

	strcpy(files.dir, "/tmp/test_config.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(files.dir));
	snprintf(files.config, sizeof(files.config), "%s/mlbd.yaml", files.dir);
	snprintf(files.key, sizeof(files.key), "%s/key", files.dir);
	return files;
}

static void files_free(const struct files *files)
{
	unlink(files->config);
	unlink(files->key);
	ck_assert_int_eq(rmdir(files->dir), 0);
}

static void write_file(const char *path, const char *text, size_t len, mode_t mode)
{
	FILE *file = fopen(path, "we");

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(text, 1, len, file), len);
	ck_assert_int_eq(fclose(file), 0);
	ck_assert_int_eq(chmod(path, mode), 0);
}

static const struct {
	const char *text; /* NULL: no such file */
	mode_t mode;
	const char *error; /* what it contains; NULL: good */
} key_files[] = {
	{ KEY_A "\n", 0600, NULL },
	{ "# ours\n" KEY_A "\n" KEY_A "\n", 0640, NULL },
	{ KEY_A "\n", 0644, "key\" must not be readable or writable by others: chmod 600 (or 640)" },
	{ KEY_A "\n", 0602, "key\" must not be readable or writable by others" },
	{ NULL, 0,
	  "key\" cannot be opened: No such file or directory: make one with head -c 32 /dev/urandom | base64 > FILE" },
	{ "", 0600, "key\" holds no key: make one with head -c 32 /dev/urandom | base64" },
	{ KEY_A "\nc2hvcnQ=\n", 0600, "key\": line 2 is not base64 of 32 bytes" },
	{ "not base64 at all\n", 0600, "key\": line 1 is not base64 of 32 bytes" },
};

START_TEST(key_file)
{
	struct files files = files_new();
	struct config_errors errors = { 0 };
	struct config *config = NULL;
	char text[256];
	int r;

	snprintf(text, sizeof(text), "node: {name: n1}\ngossip:\n  keyFile: %s\n", files.key);
	write_file(files.config, text, strlen(text), 0644);
	if (key_files[_i].text != NULL)
		write_file(files.key, key_files[_i].text, strlen(key_files[_i].text), key_files[_i].mode);
	r = config_load(files.config, &config, &errors);
	if (key_files[_i].error == NULL) {
		ck_assert_int_eq(r, 0);
		ck_assert_uint_ge(config->gossip.ring.key_n, 1);
		ck_assert_uint_eq(config->gossip.ring.keys[0].bytes[31], 31);
	} else {
		ck_assert_int_eq(r, -EINVAL);
		ck_assert_uint_eq(errors.error_n, 1);
		snprintf(text, sizeof(text), "%s:3: gossip.keyFile: \"", files.config);
		ck_assert_msg(strncmp(errors.texts[0], text, strlen(text)) == 0, "%s", errors.texts[0]);
		ck_assert_msg(strstr(errors.texts[0], key_files[_i].error) != NULL, "%s", errors.texts[0]);
	}
	config_errors_free(&errors);
	config_free(config);
	files_free(&files);
}
END_TEST

/* config_load must fail with exactly one error that contains these words. */
static void load_bad(const char *path, const char *words)
{
	struct config_errors errors = { 0 };
	struct config *config = NULL;

	ck_assert_int_eq(config_load(path, &config, &errors), -EINVAL);
	ck_assert_ptr_null(config);
	ck_assert_uint_eq(errors.error_n, 1);
	ck_assert_msg(strstr(errors.texts[0], words) != NULL, "%s", errors.texts[0]);
	config_errors_free(&errors);
}

START_TEST(files_of_all_kinds)
{
	struct files files = files_new();
	static char big[CONFIG_FILE_MAX + 1];
	struct config_errors errors = { 0 };
	struct config *config = NULL;
	char text[256];

	load_bad(files.config, ":1: file: cannot be read: No such file or directory");
	load_bad(files.dir, ":1: file: cannot be read: Is a directory");
	memset(big, '#', sizeof(big));
	memcpy(big, OPEN, sizeof(OPEN) - 1);
	write_file(files.config, big, sizeof(big), 0644);
	load_bad(files.config, ":1: file: is larger than 1048576 bytes");
	write_file(files.config, big, sizeof(big) - 1, 0644);
	ck_assert_int_eq(config_load(files.config, &config, &errors), 0);
	config_free(config);
	/* Key files that are none: a folder, a FIFO without a writer, far too large. */
	snprintf(text, sizeof(text), "gossip: {keyFile: %s}\n", files.dir);
	write_file(files.config, text, strlen(text), 0644);
	load_bad(files.config, ":1: gossip.keyFile: ");
	snprintf(text, sizeof(text), "gossip: {keyFile: %s}\n", files.key);
	write_file(files.config, text, strlen(text), 0644);
	ck_assert_int_eq(mkfifo(files.key, 0600), 0);
	load_bad(files.config, "key\" is not a regular file");
	unlink(files.key);
	write_file(files.key, big, 20000, 0600);
	load_bad(files.config, "key\" is larger than 16384 bytes");
	files_free(&files);
}
END_TEST

START_TEST(errors_of_others)
{
	struct config_errors errors = { 0 };

	config_errors_add(&errors, "f", 7, "services[0].addresses[0]", "%s is on no interface", "10.0.0.1");
	ck_assert_uint_eq(errors.error_n, 1);
	ck_assert_str_eq(errors.texts[0], "f:7: services[0].addresses[0]: 10.0.0.1 is on no interface");
	for (int i = 0; i < 100; i++)
		config_errors_add(&errors, "f", 1, "x", "y");
	ck_assert_uint_eq(errors.error_n, 101);
	ck_assert_str_eq(errors.texts[CONFIG_ERROR_MAX - 1], "f:1: x: y");
	config_errors_free(&errors);
	config_errors_free(&errors);
}
END_TEST

START_TEST(kubernetes)
{
	struct config *config = parse_good(OPEN "kubernetes: {}\n");
	struct config *other;

	ck_assert(config->kubernetes.on);
	ck_assert_int_eq(config->kubernetes.claim, CLAIM_NONE);
	ck_assert_ptr_null(config->kubernetes.kubeconfig);
	other = parse_good(
		OPEN "kubernetes: {kubeconfig: /k, context: c, namespace: n, loadBalancerClass: x/y, claim: route,"
		     " ignoreExcludeLabel: true, unreadyAfter: 1m, snapshot: /s}\n");
	ck_assert_str_eq(other->kubernetes.namespace, "n");
	ck_assert_str_eq(other->kubernetes.class, "x/y");
	ck_assert_int_eq(other->kubernetes.claim, CLAIM_ROUTE);
	ck_assert_int_eq(other->kubernetes.unready.us, 60000000);
	ck_assert(!config_kubernetes_equal(&config->kubernetes, &other->kubernetes));
	ck_assert(config_kubernetes_equal(&other->kubernetes, &other->kubernetes));
	config_free(config);
	config_free(other);
	/* a pod's host name may be another than its node's */
	setenv("NODE_NAME", "worker-7", 1);
	config = parse_good(OPEN "kubernetes:\n");
	ck_assert_str_eq(config->node.name, "worker-7");
	config_free(config);
	config = parse_good(OPEN);
	ck_assert_str_ne(config->node.name, "worker-7");
	config_free(config);
	unsetenv("NODE_NAME");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("config");
	TCase *tcase = tcase_create("config");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, defaults);
	tcase_add_test(tcase, everything);
	tcase_add_test(tcase, services_of_a_file);
	tcase_add_test(tcase, pools_of_a_file);
	tcase_add_test(tcase, for_election);
	tcase_add_loop_test(tcase, accepted, 0, ARRAY_LEN(goods));
	tcase_add_loop_test(tcase, refused, 0, ARRAY_LEN(bads));
	tcase_add_test(tcase, many_errors);
	tcase_add_test(tcase, other_encodings);
	tcase_add_test(tcase, alias_bomb);
	tcase_add_test(tcase, too_much);
	tcase_add_test(tcase, most);
	tcase_add_test(tcase, truncated);
	tcase_add_test(tcase, quoting);
	tcase_add_test(tcase, spans);
	tcase_add_loop_test(tcase, key_file, 0, ARRAY_LEN(key_files));
	tcase_add_test(tcase, files_of_all_kinds);
	tcase_add_test(tcase, errors_of_others);
	tcase_add_test(tcase, kubernetes);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
