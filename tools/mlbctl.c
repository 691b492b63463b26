/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: mlbctl
 *
 * The administrator's view of one mlbd: asks it over its Unix socket (docs/API.md) and shows the answer. One table
 * (command.c) names every command with its help, operands, options and function; main parses the line against it,
 * mlbctl_command.c does the commands, client.c speaks HTTP, render.c and table.c make the text.
 */
#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "tools/command.h"
#include "tools/mlbctl.h"

#define TIMEOUT_DEFAULT_MS 5000
#define TIMEOUT_MAX_S 86400

/* Of --since, whatever the unit: far more than a daemon remembers, and no overflow. */
#define AGE_MAX_UNITS 100000

/* Entries of command_options at most, and the end of getopt_long's own table. */
#define OPTION_N_MAX 32

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

/* What a unit of --since is in milliseconds; 0: no unit. */
static int64_t unit_ms(const char *unit)
{
	static const struct {
		const char *name;
		int64_t ms;
	} units[] = { { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 } };

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(units[i].name, unit) == 0)
			return units[i].ms;
	}
	return 0;
}

/* The number of an event, or how long ago. */
static int since_parse(const char *text, struct invocation *invocation)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (*text >= '0' && *text <= '9' && errno == 0) {
		if (*end == '\0') {
			invocation->since = value;
			return 0;
		}
		if (unit_ms(end) > 0 && value > 0 && value <= AGE_MAX_UNITS) {
			invocation->since_ms = (int64_t)value * unit_ms(end);
			return 0;
		}
	}
	return usage_error("--since %s: is neither the number of an event nor a time such as 30s, 10m, 2h, 1d", text);
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
		return since_parse(optarg, invocation);
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
	case LONG_EFFECTIVE:
		*given |= OPTION_EFFECTIVE;
		invocation->effective = true;
		return 0;
	case LONG_POOL:
		*given |= OPTION_POOL;
		invocation->pool = optarg;
		return 0;
	case LONG_FAMILY:
		*given |= OPTION_FAMILY;
		invocation->families = optarg;
		return 0;
	case LONG_ADDRESS:
		*given |= OPTION_ADDRESS;
		invocation->address = optarg;
		return 0;
	case LONG_GENERATE:
		*given |= OPTION_GENERATE;
		invocation->generate = true;
		return 0;
	}
	fputs("see mlbctl --help\n", stderr); /* getopt_long has said what is wrong */
	return EXIT_USAGE;
}

/* The command of the line, checked against its table row. NULL: a mistake of usage, which has been said. */
static const struct command *command_take(int argc, char **argv, unsigned int given, struct invocation *invocation)
{
	const struct command *command;
	int word_n, operand_n;

	if (optind >= argc) {
		command_help(stderr);
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

/* A command that needs no daemon. */
static int command_alone(const struct command *command, const struct invocation *invocation)
{
	if (command->run)
		return finish(command->run(invocation));
	command_help(stdout);
	return finish(0);
}

/* The options of our table as getopt_long wants them. */
static void options_fill(struct option options[OPTION_N_MAX])
{
	size_t n = 0;

	for (const struct command_option *option = command_options; option->name; option++) {
		assert(n < OPTION_N_MAX - 1);
		options[n++] = (struct option){ .name = option->name,
						.has_arg = option->argument ? required_argument : no_argument,
						.val = option->id };
	}
	options[n] = (struct option){ 0 };
}

int main(int argc, char **argv)
{
	struct option options[OPTION_N_MAX];
	const char *socket = getenv("MLB_SOCKET");
	struct invocation invocation = { .socket = socket && socket[0] != '\0' ? socket : MLBCTL_SOCKET_DEFAULT };
	const struct command *command;
	unsigned int given = 0;
	int option, status;

	options_fill(options);
	while ((option = getopt_long(argc, argv, "o:h", options, NULL)) != -1) {
		if (option == 'h') {
			command_help(stdout);
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
	if (command->alone)
		return command_alone(command, &invocation);
	if (curl_global_init(CURL_GLOBAL_NOTHING) != CURLE_OK) {
		fputs("mlbctl: libcurl does not start\n", stderr);
		return CLIENT_REFUSED;
	}
	status = command_do(command, &invocation);
	curl_global_cleanup();
	return finish(status);
}
