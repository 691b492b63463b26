/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: mlbctl
 *
 * The administrator's view of one mlbd: asks it over its Unix socket (docs/API.md) and shows the answer. One table below
 * names every command with its help, operands, options and function; main parses the line against it, mlbctl_command.c does
 * the commands, client.c speaks HTTP, render.c and table.c make the text.
 */
#include <curl/curl.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "tools/mlbctl.h"

#define SOCKET_DEFAULT "/run/mlb/mlbd.sock"
#define TIMEOUT_DEFAULT_MS 5000
#define TIMEOUT_MAX_S 86400

/* Options that only some commands take, as bits of command.options. */
enum {
	OPTION_SINCE = 1,
	OPTION_FOLLOW = 2,
	OPTION_WAIT = 4,
	OPTION_FORCE = 8,
	OPTION_GENERATE = 16,
	OPTION_EXPLAIN = 32
};

struct command {
	const char *name;     /* one word, or two with a blank between them */
	const char *operands; /* as help shows them, options of the command included */
	const char *help;
	int operand_n; /* one less with --generate, which stands for it */
	unsigned int options;
	const char *url_path;
	command_run *run; /* NULL: help */
	render_document *render;
	const char *words; /* said when done */
};

static const struct command commands[] = {
	{ "status", "", "this node: state, members, addresses, dropped packets", 0, 0, "/v1/status", command_show,
	  render_status, NULL },
	{ "members", "", "the nodes of the cluster as this one sees them", 0, 0, "/v1/members", command_show,
	  render_members, NULL },
	{ "services", "[--explain NAME]", "every address and its owner; or why", 0, OPTION_EXPLAIN, "/v1/services",
	  command_services, render_services, NULL },
	{ "events", "[--since SEQ] [--follow]", "what happened, oldest first", 0, OPTION_SINCE | OPTION_FOLLOW,
	  "/v1/events", command_events, render_events, NULL },
	{ "drain", "[--wait]", "hand all addresses over and take none", 0, OPTION_WAIT, "/v1/drain", command_drain,
	  NULL, "draining; `mlbctl status` shows what is still held" },
	{ "undrain", "", "take addresses again", 0, 0, "/v1/undrain", command_post, NULL, "not draining" },
	{ "rebalance", "", "hand over what would be placed better elsewhere", 0, 0, "/v1/rebalance", command_post, NULL,
	  "handing over; `mlbctl services` shows the owners" },
	{ "handover", "SERVICE NODE", "move the addresses of a service that this node holds", 2, 0, "/v1/handover",
	  command_handover, NULL, "handing over; `mlbctl services` shows the owners" },
	{ "reload", "", "read the configuration again", 0, 0, "/v1/reload", command_post, NULL,
	  "configuration reloaded" },
	{ "keys list", "", "the keys that seal gossip, and where they are", 0, 0, "/v1/keys", command_show, render_keys,
	  NULL },
	{ "keys add", "BASE64|-|--generate", "let every node accept a key", 1, OPTION_GENERATE, "/v1/keys/add",
	  command_keys_add, render_key_change, NULL },
	{ "keys use", "[--force] FINGERPRINT", "let every node seal with a key", 1, OPTION_FORCE, "/v1/keys/use",
	  command_keys_change, render_key_change, NULL },
	{ "keys remove", "[--force] FINGERPRINT", "let no node accept a key any more", 1, OPTION_FORCE,
	  "/v1/keys/remove", command_keys_change, render_key_change, NULL },
	{ "version", "", "versions of this program and of the daemon", 0, 0, "/v1/version", command_version, NULL,
	  NULL },
	{ "help", "", "this text", 0, 0, NULL, NULL, NULL, NULL },
};

#define COMMAND_N (sizeof(commands) / sizeof(commands[0]))

/* What getopt_long returns for options without a short form. */
enum { LONG_SOCKET = 256, LONG_TIMEOUT, LONG_SINCE, LONG_FOLLOW, LONG_WAIT, LONG_FORCE, LONG_GENERATE, LONG_EXPLAIN };

static const struct option long_options[] = {
	{ "socket", required_argument, NULL, LONG_SOCKET },
	{ "output", required_argument, NULL, 'o' },
	{ "timeout", required_argument, NULL, LONG_TIMEOUT },
	{ "since", required_argument, NULL, LONG_SINCE },
	{ "follow", no_argument, NULL, LONG_FOLLOW },
	{ "wait", no_argument, NULL, LONG_WAIT },
	{ "force", no_argument, NULL, LONG_FORCE },
	{ "generate", no_argument, NULL, LONG_GENERATE },
	{ "explain", required_argument, NULL, LONG_EXPLAIN },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static void help_print(FILE *out)
{
	fputs("usage: mlbctl [--socket PATH] [-o text|json|wide] [--timeout SECONDS] COMMAND\n\ncommands:\n", out);
	for (size_t i = 0; i < COMMAND_N; i++) {
		char left[64];

		snprintf(left, sizeof(left), "%s %s", commands[i].name, commands[i].operands);
		fprintf(out, "  %-32s  %s\n", left, commands[i].help);
	}
	fputs("\noptions:\n"
	      "  --socket PATH                     the daemon's socket; else $MLB_SOCKET, else " SOCKET_DEFAULT "\n"
	      "  -o, --output text|json|wide       tables, the daemon's document, or tables with all columns\n"
	      "  --timeout SECONDS                 for an answer: 5; for drain --wait: 60\n"
	      "  --since SEQ                       events after this number\n"
	      "  --follow                          go on with new events until interrupted\n"
	      "  --wait                            return when the node holds no address\n"
	      "  --force                           whatever other nodes have said about their keys\n"
	      "  --generate                        a key that the daemon makes\n"
	      "  --explain NAME                    who may own a service, or one address, and who is next\n"
	      "\nexit status: 0 done, 1 refused by the daemon, 2 usage, 3 no daemon\n",
	      out);
}

__attribute__((format(printf, 1, 2))) static int usage_error(const char *format, ...)
{
	va_list args;

	fputs("mlbctl: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputs("; see mlbctl --help\n", stderr);
	return EXIT_USAGE;
}

static int output_parse(const char *text, enum output *ret)
{
	static const char *const names[] = { [OUTPUT_TEXT] = "text", [OUTPUT_JSON] = "json", [OUTPUT_WIDE] = "wide" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], text) == 0) {
			*ret = (enum output)i;
			return 0;
		}
	}
	return usage_error("-o %s: is none of text, json, wide", text);
}

static int timeout_parse(const char *text, long *ret_ms)
{
	char *end;
	double seconds = strtod(text, &end);

	if (*text == '\0' || *end != '\0' || !(seconds >= 0.001 && seconds <= TIMEOUT_MAX_S))
		return usage_error("--timeout %s: is no number of seconds from 0.001 to %d", text, TIMEOUT_MAX_S);
	*ret_ms = (long)(seconds * 1000);
	return 0;
}

static int since_parse(const char *text, uint64_t *ret)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0' || errno != 0)
		return usage_error("--since %s: is no number of an event", text);
	*ret = value;
	return 0;
}

/* One option; *given gets its bit where only some commands take it. 0, or the exit status. */
static int option_take(int option, struct invocation *invocation, unsigned int *given)
{
	switch (option) {
	case LONG_SOCKET:
		invocation->socket = optarg;
		return 0;
	case 'o':
		return output_parse(optarg, &invocation->output);
	case LONG_TIMEOUT:
		return timeout_parse(optarg, &invocation->timeout_ms);
	case LONG_SINCE:
		*given |= OPTION_SINCE;
		return since_parse(optarg, &invocation->since);
	case LONG_FOLLOW:
		*given |= OPTION_FOLLOW;
		invocation->follow = true;
		return 0;
	case LONG_WAIT:
		*given |= OPTION_WAIT;
		invocation->wait = true;
		return 0;
	case LONG_FORCE:
		*given |= OPTION_FORCE;
		invocation->force = true;
		return 0;
	case LONG_EXPLAIN:
		*given |= OPTION_EXPLAIN;
		invocation->explain = optarg;
		return 0;
	case LONG_GENERATE:
		*given |= OPTION_GENERATE;
		invocation->generate = true;
		return 0;
	}
	fputs("see mlbctl --help\n", stderr); /* getopt_long has said what is wrong */
	return EXIT_USAGE;
}

/* The row whose words are the first of those given; *ret_n: how many. */
static const struct command *command_find(char *const *words, int word_n, int *ret_n)
{
	for (size_t i = 0; i < COMMAND_N; i++) {
		const char *name = commands[i].name;
		const char *blank = strchr(name, ' ');
		size_t len = blank ? (size_t)(blank - name) : strlen(name);

		*ret_n = blank ? 2 : 1;
		if (word_n >= *ret_n && strlen(words[0]) == len && strncmp(words[0], name, len) == 0 &&
		    (!blank || strcmp(words[1], blank + 1) == 0))
			return &commands[i];
	}
	return NULL;
}

/* The command of the line, checked against its table row. NULL: a mistake of usage, which has been said. */
static const struct command *command_take(int argc, char **argv, unsigned int given, struct invocation *invocation)
{
	const struct command *command;
	int word_n, operand_n;

	if (optind >= argc) {
		help_print(stderr);
		return NULL;
	}
	command = command_find(&argv[optind], argc - optind, &word_n);
	if (!command) {
		usage_error("%s%s%s: no such command", argv[optind], optind + 1 < argc ? " " : "",
			    optind + 1 < argc ? argv[optind + 1] : "");
		return NULL;
	}
	if ((given & ~command->options) != 0) {
		usage_error("%s: does not take this option", command->name);
		return NULL;
	}
	operand_n = command->operand_n - (invocation->generate ? 1 : 0);
	if (argc - optind - word_n != operand_n) {
		usage_error("%s: takes %d operands", command->name, operand_n);
		return NULL;
	}
	invocation->operands = &argv[optind + word_n];
	invocation->url_path = command->url_path;
	invocation->render = command->render;
	invocation->words = command->words;
	return command;
}

static int command_do(const struct command *command, struct invocation *invocation)
{
	int status;

	/* drain --wait has the time-out as a whole; each of its requests keeps the default. */
	invocation->client =
		client_new(invocation->socket, invocation->timeout_ms > 0 && !invocation->wait ? invocation->timeout_ms
											       : TIMEOUT_DEFAULT_MS);
	if (!invocation->client) {
		fputs("mlbctl: out of memory\n", stderr);
		return CLIENT_REFUSED;
	}
	status = command->run(invocation);
	client_free(invocation->client);
	return status;
}

/* The exit status, or that of an output that could not be written. */
static int finish(int status)
{
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("mlbctl: standard output");
		return status != 0 ? status : CLIENT_REFUSED;
	}
	return status;
}

int main(int argc, char **argv)
{
	const char *socket = getenv("MLB_SOCKET");
	struct invocation invocation = { .socket = socket && socket[0] != '\0' ? socket : SOCKET_DEFAULT };
	const struct command *command;
	unsigned int given = 0;
	int option, status;

	while ((option = getopt_long(argc, argv, "o:h", long_options, NULL)) != -1) {
		if (option == 'h') {
			help_print(stdout);
			return finish(0);
		}
		status = option_take(option, &invocation, &given);
		if (status != 0)
			return status;
	}
	command = command_take(argc, argv, given, &invocation);
	if (!command)
		return EXIT_USAGE;
	if (strlen(invocation.socket) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return usage_error("%s: too long for the path of a socket", invocation.socket);
	if (!command->run) {
		help_print(stdout);
		return finish(0);
	}
	if (curl_global_init(CURL_GLOBAL_NOTHING) != CURLE_OK) {
		fputs("mlbctl: libcurl does not start\n", stderr);
		return CLIENT_REFUSED;
	}
	status = command_do(command, &invocation);
	curl_global_cleanup();
	return finish(status);
}
