/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/command.h"

#include <string.h>

const struct command command_table[] = {
	{ .name = "status",
	  .help = "this node: state, members, addresses, dropped packets",
	  .url_path = "/v1/status",
	  .run = command_show,
	  .render = render_status },
	{ .name = "members",
	  .help = "the nodes of the cluster as this one sees them",
	  .url_path = "/v1/members",
	  .run = command_show,
	  .render = render_members },
	{ .name = "services",
	  .operands = "[--explain NAME]",
	  .help = "every address and its owner; or why",
	  .options = OPTION_EXPLAIN,
	  .url_path = "/v1/services",
	  .run = command_services,
	  .render = render_services },
	{ .name = "service add",
	  .operands = "[OPTION...] NAME",
	  .help = "a service beside the file's, with addresses of a pool",
	  .operand_n = 1,
	  .options = OPTION_POOL | OPTION_FAMILY | OPTION_ADDRESS,
	  .url_path = "/v1/services/add",
	  .run = command_service_add,
	  .render = render_services },
	{ .name = "service remove",
	  .operands = "NAME",
	  .help = "a service that was added so",
	  .operand_n = 1,
	  .url_path = "/v1/services/remove",
	  .run = command_service_remove,
	  .words = "removed; its addresses are free" },
	{ .name = "events",
	  .operands = "[--since SEQ|TIME] [--follow]",
	  .help = "what happened, oldest first",
	  .options = OPTION_SINCE | OPTION_FOLLOW,
	  .url_path = "/v1/events",
	  .run = command_events,
	  .render = render_events },
	{ .name = "watch",
	  .help = "members and services, again and again, or each change",
	  .url_path = "/v1/status",
	  .run = command_watch },
	{ .name = "conflicts",
	  .help = "other hosts that spoke for addresses of this node",
	  .url_path = "/v1/conflicts",
	  .run = command_show,
	  .render = render_conflicts },
	{ .name = "diagnose",
	  .help = "what is wrong with node, host and cluster, and what to do",
	  .url_path = "/v1/diagnose",
	  .run = command_diagnose },
	{ .name = "support-bundle",
	  .operands = "FILE.tar",
	  .help = "what daemon and host say, in one file, without keys",
	  .operand_n = 1,
	  .values = COMMAND_VALUES_FILE,
	  .url_path = "/v1/status",
	  .run = command_support_bundle },
	{ .name = "config",
	  .operands = "[--effective]",
	  .help = "the configuration as the daemon read it last",
	  .options = OPTION_EFFECTIVE,
	  .url_path = "/v1/config",
	  .run = command_config,
	  .render = render_config },
	{ .name = "drain",
	  .operands = "[--wait]",
	  .help = "hand all addresses over and take none",
	  .options = OPTION_WAIT,
	  .url_path = "/v1/drain",
	  .run = command_drain,
	  .words = "draining; `mlbctl status` shows what is still held" },
	{ .name = "undrain",
	  .help = "take addresses again",
	  .url_path = "/v1/undrain",
	  .run = command_post,
	  .words = "not draining" },
	{ .name = "rebalance",
	  .help = "hand over what would be placed better elsewhere",
	  .url_path = "/v1/rebalance",
	  .run = command_post,
	  .words = "handing over; `mlbctl services` shows the owners" },
	{ .name = "handover",
	  .operands = "SERVICE NODE",
	  .help = "move the addresses of a service that this node holds",
	  .operand_n = 2,
	  .url_path = "/v1/handover",
	  .run = command_handover,
	  .words = "handing over; `mlbctl services` shows the owners" },
	{ .name = "reload",
	  .help = "read the configuration again",
	  .url_path = "/v1/reload",
	  .run = command_post,
	  .words = "configuration reloaded" },
	{ .name = "log-level",
	  .operands = "LEVEL",
	  .help = "log error, warning, info or debug and what is graver",
	  .operand_n = 1,
	  .values = "error warning info debug",
	  .url_path = "/v1/log-level",
	  .run = command_log_level,
	  .words = "log level set" },
	{ .name = "keys list",
	  .help = "the keys that seal gossip, and where they are",
	  .url_path = "/v1/keys",
	  .run = command_show,
	  .render = render_keys },
	{ .name = "keys add",
	  .operands = "BASE64|-|--generate",
	  .help = "let every node accept a key",
	  .operand_n = 1,
	  .options = OPTION_GENERATE,
	  .url_path = "/v1/keys/add",
	  .run = command_keys_add,
	  .render = render_key_change },
	{ .name = "keys use",
	  .operands = "[--force] FINGERPRINT",
	  .help = "let every node seal with a key",
	  .operand_n = 1,
	  .options = OPTION_FORCE,
	  .url_path = "/v1/keys/use",
	  .run = command_keys_change,
	  .render = render_key_change },
	{ .name = "keys remove",
	  .operands = "[--force] FINGERPRINT",
	  .help = "let no node accept a key any more",
	  .operand_n = 1,
	  .options = OPTION_FORCE,
	  .url_path = "/v1/keys/remove",
	  .run = command_keys_change,
	  .render = render_key_change },
	{ .name = "version",
	  .help = "versions of this program and of the daemon",
	  .url_path = "/v1/version",
	  .run = command_version },
	{ .name = "completion",
	  .operands = "bash|zsh|fish",
	  .help = "a script that completes command lines",
	  .operand_n = 1,
	  .values = "bash zsh fish",
	  .run = command_completion,
	  .alone = true },
	{ .name = "help", .help = "this text", .alone = true },
	{ 0 },
};

#define OUTPUT_VALUES "text json wide"

const struct command_option command_options[] = {
	{ "socket", "PATH", COMMAND_VALUES_FILE, "default: $MLB_SOCKET, else " MLBCTL_SOCKET_DEFAULT, 0, LONG_SOCKET,
	  0 },
	{ "output", "text|json|wide", OUTPUT_VALUES, "tables, the daemon's document, or tables with all columns", 'o',
	  'o', 0 },
	{ "timeout", "SECONDS", NULL, "for an answer: 5; for drain --wait: 60", 0, LONG_TIMEOUT, 0 },
	{ "help", NULL, NULL, "this text", 'h', 'h', 0 },
	{ "since", "SEQ|TIME", NULL, "events after this number, or of the last 30s, 10m, 2h, 1d", 0, LONG_SINCE,
	  OPTION_SINCE },
	{ "follow", NULL, NULL, "go on with new events until interrupted", 0, LONG_FOLLOW, OPTION_FOLLOW },
	{ "wait", NULL, NULL, "return when the node holds no address", 0, LONG_WAIT, OPTION_WAIT },
	{ "force", NULL, NULL, "whatever other nodes have said about their keys", 0, LONG_FORCE, OPTION_FORCE },
	{ "generate", NULL, NULL, "a key that the daemon makes", 0, LONG_GENERATE, OPTION_GENERATE },
	{ "explain", "NAME", NULL, "who may own a service, or one address, and who is next", 0, LONG_EXPLAIN,
	  OPTION_EXPLAIN },
	{ "effective", NULL, NULL, "with all defaults, as it is in force", 0, LONG_EFFECTIVE, OPTION_EFFECTIVE },
	{ "pool", "POOL", NULL, "give it addresses of this pool; else of any with autoAssign", 0, LONG_POOL,
	  OPTION_POOL },
	{ "family", "4|6|dual", "4 6 dual", "IPv4, IPv6 or one of each; else what the pool has", 0, LONG_FAMILY,
	  OPTION_FAMILY },
	{ "address", "IP", NULL, "this address of a pool", 0, LONG_ADDRESS, OPTION_ADDRESS },
	{ 0 },
};

const struct command *command_find(char *const *words, int word_n, int *ret_n)
{
	const struct command *found = NULL;

	/* "keys" alone is no command, but one word may be one and begin another of two: the longer one is meant. */
	*ret_n = 0;
	for (const struct command *command = command_table; command->name; command++) {
		const char *blank = strchr(command->name, ' ');
		size_t len = blank ? (size_t)(blank - command->name) : strlen(command->name);
		int n = blank ? 2 : 1;

		if (n > *ret_n && word_n >= n && strlen(words[0]) == len &&
		    strncmp(words[0], command->name, len) == 0 && (!blank || strcmp(words[1], blank + 1) == 0)) {
			found = command;
			*ret_n = n;
		}
	}
	return found;
}

void command_help(FILE *out)
{
	char left[64];

	fputs("usage: mlbctl [--socket PATH] [-o text|json|wide] [--timeout SECONDS] COMMAND\n\ncommands:\n", out);
	for (const struct command *command = command_table; command->name; command++) {
		snprintf(left, sizeof(left), "%s %s", command->name, command->operands ? command->operands : "");
		fprintf(out, "  %-37s  %s\n", left, command->help);
	}
	fputs("\noptions:\n", out);
	for (const struct command_option *option = command_options; option->name; option++) {
		char letter[] = { '-', (char)option->letter, ',', ' ', '\0' };

		snprintf(left, sizeof(left), "%s--%s %s", option->letter ? letter : "", option->name,
			 option->argument ? option->argument : "");
		fprintf(out, "  %-37s  %s\n", left, option->help);
	}
	fputs("\nexit status: 0 done, 1 refused by the daemon or problems found, 2 usage, 3 no daemon\n", out);
}
