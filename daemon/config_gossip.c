/* SPDX-License-Identifier: Apache-2.0 */
/* The section `gossip`: addresses, key, profile and timers. */
#include "daemon/config_value.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#define PORT_DEFAULT 7946
#define HOUR_MS (60 * 60 * 1000)

/* Keys that can be judged only when others are known (which may come later in the file). */
struct gossip_nodes {
	const struct config_node *join;
	const struct config_node *key_file;
	const struct config_node *insecure;
	const struct config_node *timers;
	const struct config_node *witness;
};

/* Why an address is useless as a peer's, or NULL. Loopback is allowed: a cluster on one host is a good first try. */
static const char *peer_problem(struct ip ip)
{
	bool loopback = ip.family == IP_V4 ? ip.bytes[0] == 127 : ip.bytes[0] == 0 && ip.bytes[15] == 1;

	if (ip.family == IP_V6 && ip_is_link_local(ip))
		return "is a link-local address, which has a meaning on one link only: give a global or unique local "
		       "one";
	if (ip_is_special(ip) && !loopback)
		return "is not the address of one host: other nodes must reach it";
	return NULL;
}

static void add_bind(struct config_reader *r, const struct config_node *node)
{
	struct config *config = r->config;
	const char *text = config_text(r, node);
	char quote[CONFIG_QUOTE_MAX];
	struct ip ip, other;
	bool is_ip;

	if (text == NULL)
		return;
	config_quote(text, quote);
	is_ip = ip_parse(text, &ip) == 0;
	if (is_ip && peer_problem(ip) != NULL) {
		config_fail(r, node, "%s %s", quote, peer_problem(ip));
		return;
	}
	if (!is_ip && (!config_iface_is_good(text) || strspn(text, "0123456789.") == strlen(text))) {
		config_fail(r, node, "%s is neither an address (without port or prefix length) nor an interface",
			    quote);
		return;
	}
	for (size_t i = 0; i < config->gossip.bind_n; i++) {
		const char *former = config->gossip.binds[i];

		if (is_ip ? ip_parse(former, &other) == 0 && ip_equal(other, ip) : strcmp(former, text) == 0) {
			config_fail(r, node, "%s is in the list already: keep one", quote);
			return;
		}
	}
	config->gossip.bind_lines[config->gossip.bind_n] = node->line;
	config->gossip.binds[config->gossip.bind_n] = config_text_copy(r, node);
	if (config->gossip.binds[config->gossip.bind_n] != NULL)
		config->gossip.bind_n++;
}

static void read_bind(struct config_reader *r, const struct config_node *node, void *target)
{
	(void)target;
	if (node->kind != CONFIG_SEQUENCE) {
		add_bind(r, node);
		return;
	}
	if (!config_list(r, node, PATH_MAX_N))
		return;
	if (node->first == NULL)
		config_fail(r, node, "is empty: leave it out for the address that reaches the first peer of join");
	for (const struct config_node *item = node->first; item != NULL; item = item->next)
		add_bind(r, item);
}

static void read_port(struct config_reader *r, const struct config_node *node, void *target)
{
	unsigned long port = r->config->gossip.port;

	(void)target;
	config_number(r, node, 1, UINT16_MAX, &port);
	r->config->gossip.port = (uint16_t)port;
}

static void read_packet_size(struct config_reader *r, const struct config_node *node, void *target)
{
	unsigned long size = r->config->gossip.packet_len_max;

	(void)target;
	config_number(r, node, PACKET_LEN_MIN, PACKET_LEN_MAX, &size);
	r->config->gossip.packet_len_max = size;
}

static void read_profile(struct config_reader *r, const struct config_node *node, void *target)
{
	static const char *const names[] = { "lan", "fast", "quiet", "wan" }; /* as in enum config_profile */
	const char *text = config_text(r, node);
	char quote[CONFIG_QUOTE_MAX];

	(void)target;
	for (size_t i = 0; text != NULL && i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(text, names[i]) == 0) {
			r->config->gossip.profile = (enum config_profile)i;
			return;
		}
	}
	if (text != NULL)
		config_fail(r, node, "%s must be lan, fast, quiet or wan", config_quote(text, quote));
}

static void read_join(struct config_reader *r, const struct config_node *node, void *target)
{
	struct gossip_nodes *nodes = target;

	(void)r;
	nodes->join = node;
}

static void read_timers(struct config_reader *r, const struct config_node *node, void *target)
{
	struct gossip_nodes *nodes = target;

	(void)r;
	nodes->timers = node;
}

static void read_witness(struct config_reader *r, const struct config_node *node, void *target)
{
	struct gossip_nodes *nodes = target;

	(void)r;
	nodes->witness = node;
}

static void read_key_file(struct config_reader *r, const struct config_node *node, void *target)
{
	struct gossip_nodes *nodes = target;

	nodes->key_file = node;
	r->config->gossip.key_file = config_text_copy(r, node);
}

static void read_insecure(struct config_reader *r, const struct config_node *node, void *target)
{
	struct gossip_nodes *nodes = target;

	nodes->insecure = node;
	config_bool(r, node, &r->config->gossip.insecure);
}

static const struct config_key gossip_keys[] = {
	{ "bind", read_bind },	       { "port", read_port },
	{ "join", read_join },	       { "keyFile", read_key_file },
	{ "insecure", read_insecure }, { "profile", read_profile },
	{ "timers", read_timers },     { "packetSize", read_packet_size },
	{ "witness", read_witness },
};

static void add_seed(struct config_reader *r, const struct config_node *node)
{
	struct config *config = r->config;
	const char *text = config_text(r, node);
	char quote[CONFIG_QUOTE_MAX];
	struct endpoint seed;

	if (text == NULL)
		return;
	config_quote(text, quote);
	if (endpoint_parse(text, config->gossip.port, &seed) != 0) {
		config_fail(r, node,
			    "%s is not an address, with or without port (10.0.0.1, \"10.0.0.1:7946\", "
			    "\"[fd00::1]:7946\"; names are not looked up)",
			    quote);
		return;
	}
	if (peer_problem(seed.ip) != NULL) {
		config_fail(r, node, "%s %s", quote, peer_problem(seed.ip));
		return;
	}
	for (size_t i = 0; i < config->gossip.seed_n; i++) {
		if (endpoint_compare(config->gossip.seeds[i], seed) == 0) {
			config_fail(r, node, "%s is in the list already: keep one", quote);
			return;
		}
	}
	config->gossip.seeds[config->gossip.seed_n++] = seed;
}

static void read_seeds(struct config_reader *r, const struct config_node *list)
{
	if (list == NULL || !config_list(r, list, SEED_MAX))
		return;
	for (const struct config_node *node = list->first; node != NULL; node = node->next)
		add_seed(r, node);
}

#define TIMER(name, field, low_ms, high_ms)                                  \
	{                                                                    \
		name, offsetof(struct gossip_timers, field), low_ms, high_ms \
	}

/* Limits that keep out slips of the unit; they hold the profiles. What fits together is the business of `relations`. */
static const struct {
	const char *name;
	size_t offset;
	int64_t low_ms, high_ms;
} timers[] = {
	TIMER("probeInterval", probe_interval, 5, 60 * 1000),
	TIMER("probeTimeout", probe_timeout, 1, 60 * 1000),
	TIMER("suspicion", suspicion, 5, 10 * 60 * 1000),
	TIMER("gossipInterval", gossip_interval, 1, 60 * 1000),
	TIMER("syncInterval", sync_interval, 50, HOUR_MS),
	TIMER("redialInterval", redial_interval, 10, HOUR_MS),
	TIMER("joinTimeout", join_timeout, 50, 10 * 60 * 1000),
	TIMER("beatInterval", beat_interval, 2, 60 * 1000),
	TIMER("silence", silence, 5, 10 * 60 * 1000),
	TIMER("verify", verify, 5, 10 * 60 * 1000),
	TIMER("reapAfter", reap_after, 1000, 30 * 24 * (int64_t)HOUR_MS),
};

#define TIMER_N (sizeof(timers) / sizeof(timers[0]))

/* The first must be shorter than the second, or the second at least so many times as long. */
static const struct {
	const char *shorter;
	int times;
	const char *longer, *reason;
} relations[] = {
	{ "probeTimeout", 1, "probeInterval", "relays must be asked and answer before the next probe" },
	{ "probeInterval", 1, "suspicion", "a suspect must be probed again before it is declared dead" },
	{ "gossipInterval", 1, "suspicion", "a suspect must hear of it before it is declared dead" },
	{ "probeTimeout", 1, "joinTimeout", "a peer must have time to answer" },
	{ "redialInterval", 2, "joinTimeout",
	  "a starting node must try more than one peer before it takes itself for alone" },
	{ "beatInterval", 3, "silence", "every lost packet would be taken for a death" },
	{ "beatInterval", 2, "verify", "heartbeats must have a chance to end the verification" },
	{ "suspicion", 1, "reapAfter", "a dead member must be remembered until all know that it is dead" },
	{ "syncInterval", 1, "reapAfter", "a dead member must be remembered until all know that it is dead" },
};

static struct span *timer_field(struct config_reader *r, size_t index)
{
	return (struct span *)(void *)((char *)&r->config->gossip.timers + timers[index].offset);
}

static size_t timer_index(const char *name)
{
	size_t i = 0;

	while (i < TIMER_N && strcmp(timers[i].name, name) != 0)
		i++;
	return i;
}

static void read_timer(struct config_reader *r, const struct config_node *node, void *target)
{
	size_t i = timer_index(node->key);

	(void)target;
	config_span(r, node, span_ms(timers[i].low_ms), span_ms(timers[i].high_ms), timer_field(r, i));
}

/* Only where the file sets one of the two: the profiles fit by themselves. */
static void check_relation(struct config_reader *r, const struct config_node *node, size_t i)
{
	const char *shorter_name = relations[i].shorter, *longer_name = relations[i].longer;
	struct span shorter = *timer_field(r, timer_index(shorter_name));
	struct span longer = *timer_field(r, timer_index(longer_name));
	const struct config_node *culprit = config_node_child(node, shorter_name);
	char shorter_text[CONFIG_SPAN_MAX], longer_text[CONFIG_SPAN_MAX];

	if (culprit == NULL)
		culprit = config_node_child(node, longer_name);
	if (culprit == NULL)
		return;
	config_span_format(shorter, shorter_text);
	config_span_format(longer, longer_text);
	if (relations[i].times == 1 && shorter.us >= longer.us)
		config_fail(r, culprit, "%s (%s) must be shorter than %s (%s): %s", shorter_name, shorter_text,
			    longer_name, longer_text, relations[i].reason);
	if (relations[i].times > 1 && span_mul(shorter, relations[i].times).us > longer.us)
		config_fail(r, culprit, "%s (%s) is less than %d times %s (%s): %s", longer_name, longer_text,
			    relations[i].times, shorter_name, shorter_text, relations[i].reason);
}

/* How long a death takes to be noticed is the sum of two. */
static void check_detection(struct config_reader *r, const struct config_node *node)
{
	static const char *const names[] = { "joinTimeout", "silence", "verify" };
	const struct gossip_timers *t = &r->config->gossip.timers;
	struct span detection = span_us(t->silence.us + t->verify.us);
	const struct config_node *culprit = NULL;
	char join_text[CONFIG_SPAN_MAX], detection_text[CONFIG_SPAN_MAX];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && culprit == NULL; i++)
		culprit = config_node_child(node, names[i]);
	if (culprit != NULL && t->join_timeout.us <= detection.us)
		config_fail(r, culprit,
			    "joinTimeout (%s) must be longer than silence and verify together (%s): a node that starts "
			    "must not "
			    "take itself for alone before the others can have noticed that their peers died",
			    config_span_format(t->join_timeout, join_text),
			    config_span_format(detection, detection_text));
}

static void set_timers(struct config_reader *r, const struct config_node *node)
{
	struct config_key keys[TIMER_N];

	switch (r->config->gossip.profile) {
	case CONFIG_PROFILE_LAN:
		gossip_timers_lan(&r->config->gossip.timers);
		break;
	case CONFIG_PROFILE_FAST:
		gossip_timers_fast(&r->config->gossip.timers);
		break;
	case CONFIG_PROFILE_QUIET:
		gossip_timers_quiet(&r->config->gossip.timers);
		break;
	case CONFIG_PROFILE_WAN:
		gossip_timers_wan(&r->config->gossip.timers);
		break;
	}
	if (node == NULL)
		return;
	for (size_t i = 0; i < TIMER_N; i++)
		keys[i] = (struct config_key){ timers[i].name, read_timer };
	config_mapping(r, node, keys, TIMER_N, NULL);
	for (size_t i = 0; i < sizeof(relations) / sizeof(relations[0]); i++)
		check_relation(r, node, i);
	check_detection(r, node);
}

/* Why an address cannot tell whether it is us or the other node, or NULL. */
static const char *witness_problem(const struct config *config, struct ip ip)
{
	struct ip bind;

	if (ip_is_link_local(ip) || ip_is_special(ip))
		return "must be the address of one other host (a link-local one has a meaning on one link only)";
	for (size_t i = 0; i < config->gossip.seed_n; i++) {
		if (ip_equal(config->gossip.seeds[i].ip, ip))
			return "is a peer of gossip.join: a witness is a third host, that both nodes reach the same "
			       "way";
	}
	for (size_t i = 0; i < config->gossip.bind_n; i++) {
		if (ip_parse(config->gossip.binds[i], &bind) == 0 && ip_equal(bind, ip))
			return "is this node's own address in gossip.bind, which answers always";
	}
	return NULL;
}

static void set_witness(struct config_reader *r, const struct config_node *node)
{
	struct config *config = r->config;
	const char *text = node != NULL ? config_text(r, node) : NULL;
	char quote[CONFIG_QUOTE_MAX];
	struct ip ip;

	if (text == NULL)
		return;
	config_quote(text, quote);
	if (strcmp(text, "gateway") == 0) {
		config->gossip.witness = CONFIG_WITNESS_GATEWAY;
	} else if (ip_parse(text, &ip) != 0) {
		config_fail(r, node, "%s is neither gateway nor an address (without port; names are not looked up)",
			    quote);
	} else if (witness_problem(config, ip) != NULL) {
		config_fail(r, node, "%s %s", quote, witness_problem(config, ip));
	} else {
		config->gossip.witness = CONFIG_WITNESS_ADDRESS;
		config->gossip.witness_ip = ip;
	}
}

static void set_ring(struct config_reader *r, const struct config_node *node, const struct gossip_nodes *nodes)
{
	bool insecure = r->config->gossip.insecure;

	if (insecure && nodes->key_file != NULL)
		config_fail(r, nodes->insecure, "insecure: true and keyFile exclude each other: remove one");
	else if (insecure)
		seal_ring_insecure(&r->config->gossip.ring);
	else if (nodes->key_file == NULL)
		config_fail_missing(
			r, node, node != NULL ? "keyFile" : "gossip.keyFile",
			"is missing; make a key with: head -c 32 /dev/urandom | base64 > FILE; chmod 600 FILE; "
			"give it to all nodes (or set insecure: true where an attacker does no harm)");
	else if (r->config->gossip.key_file != NULL && r->read_keys)
		config_read_key_file(r, nodes->key_file);
}

void config_read_gossip(struct config_reader *r, const struct config_node *node)
{
	struct gossip_nodes nodes = { 0 };
	struct config *config = r->config;

	config->gossip.port = PORT_DEFAULT;
	config->gossip.packet_len_max = PACKET_LEN_DEFAULT;
	config->gossip.line = node != NULL ? node->line : 1;
	if (node != NULL)
		config_mapping(r, node, gossip_keys, sizeof(gossip_keys) / sizeof(gossip_keys[0]), &nodes);
	read_seeds(r, nodes.join);
	set_witness(r, nodes.witness);
	set_timers(r, nodes.timers);
	set_ring(r, node, &nodes);
}
