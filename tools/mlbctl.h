/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of mlbctl share: one parsed command line, and the commands that its table names. */
#ifndef MLB_TOOLS_MLBCTL_H
#define MLB_TOOLS_MLBCTL_H

#include <stdbool.h>
#include <stdint.h>

#include "tools/client.h"
#include "tools/render.h"

/* Exit statuses of mlbctl; enum client_result has the others. */
#define EXIT_USAGE 2

enum output { OUTPUT_TEXT, OUTPUT_JSON, OUTPUT_WIDE };

struct invocation {
	const char *url_path;	 /* of the command */
	render_document *render; /* of the command; NULL where there is nothing to show */
	const char *words;	 /* what text output says when the command is done; NULL: nothing */
	char **operands;	 /* borrowed; as many as the command takes */
	const char *socket;
	enum output output;
	long timeout_ms; /* 0: not given */
	uint64_t since;
	bool follow;
	bool wait;
	bool force;
	bool generate;
	const char *explain; /* a service or an address; NULL: not given */
	struct client *client;
};

/* Each does one command and returns the exit status; what failed is said on standard error. */
typedef int command_run(const struct invocation *invocation);

command_run command_show;	 /* GET and print */
command_run command_post;	 /* POST without a body */
command_run command_services;	 /* --explain NAME */
command_run command_events;	 /* --since, --follow */
command_run command_drain;	 /* --wait */
command_run command_handover;	 /* SERVICE NODE */
command_run command_keys_add;	 /* KEY, or - for standard input; --generate */
command_run command_keys_change; /* FINGERPRINT, --force */
command_run command_version;

#endif
