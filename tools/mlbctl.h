/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of mlbctl share: one parsed command line, and the commands that its table names. */
#ifndef MLB_TOOLS_MLBCTL_H
#define MLB_TOOLS_MLBCTL_H

#include <stdbool.h>
#include <stdint.h>

#include "tools/client.h"
#include "tools/render.h"

#define MLBCTL_SOCKET_DEFAULT "/run/mlb/mlbd.sock"

/* Exit statuses of mlbctl; enum client_result has the others. */
#define EXIT_USAGE 2
#define EXIT_PROBLEMS 1 /* diagnose found some */

enum output { OUTPUT_TEXT, OUTPUT_JSON, OUTPUT_WIDE };

struct invocation {
	const char *url_path;	 /* of the command */
	render_document *render; /* of the command; NULL where there is nothing to show */
	const char *words;	 /* what text output says when the command is done; NULL: nothing */
	char **operands;	 /* borrowed; as many as the command takes */
	const char *socket;
	enum output output;
	long timeout_ms;  /* 0: not given */
	uint64_t since;	  /* number of an event; 0: all */
	int64_t since_ms; /* only events of the last so many milliseconds; 0: all */
	bool follow;
	bool wait;
	bool force;
	bool generate;
	bool effective;
	const char *explain;  /* a service or an address; NULL: not given */
	const char *pool;     /* NULL: not given */
	const char *families; /* 4, 6 or dual; NULL: not given */
	const char *address;  /* NULL: not given */
	struct client *client;
};

/* Each does one command and returns the exit status; what failed is said on standard error. */
typedef int command_run(const struct invocation *invocation);

command_run command_show;	 /* GET and print */
command_run command_post;	 /* POST without a body */
command_run command_services;	 /* --explain NAME */
command_run command_config;	 /* --effective */
command_run command_events;	 /* --since, --follow */
command_run command_drain;	 /* --wait */
command_run command_handover;	 /* SERVICE NODE */
command_run command_log_level;	 /* LEVEL */
command_run command_service_add; /* NAME, --pool, --family, --address */
command_run command_service_remove;
command_run command_support_bundle; /* FILE */
command_run command_keys_add;	    /* KEY, or - for standard input; --generate */
command_run command_keys_change;    /* FINGERPRINT, --force */
command_run command_version;
command_run command_diagnose;
command_run command_watch;	/* until interrupted */
command_run command_completion; /* SHELL; asks no daemon */

/* What the commands share. */
struct render_options mlbctl_render_options(const struct invocation *invocation);
/* Say why the last request failed; the exit status. */
int mlbctl_failed(const struct invocation *invocation, enum client_result result);
/* The daemon's findings and ours; text NULL without memory. Answer as client_request gives it. */
enum client_result mlbctl_diagnose(const struct invocation *invocation, struct client_answer *ret);
/* Between two looks at the daemon: half a second. */
void mlbctl_pause(void);

#endif
