/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be said to mlbctl: one table of commands and one of options. The command line is parsed against them, and help,
 * completion and the check of the manual are made from them, so that the four cannot differ.
 */
#ifndef MLB_TOOLS_COMMAND_H
#define MLB_TOOLS_COMMAND_H

#include <stddef.h>
#include <stdio.h>

#include "tools/mlbctl.h"

/* Options that only some commands take, as bits of command.options. The others every command takes. */
enum {
	OPTION_SINCE = 1 << 0,
	OPTION_FOLLOW = 1 << 1,
	OPTION_WAIT = 1 << 2,
	OPTION_FORCE = 1 << 3,
	OPTION_GENERATE = 1 << 4,
	OPTION_EXPLAIN = 1 << 5,
	OPTION_POOL = 1 << 6,
	OPTION_FAMILY = 1 << 7,
	OPTION_ADDRESS = 1 << 8,
	OPTION_EFFECTIVE = 1 << 9,
};

/* What getopt_long returns for each; those with a short form return its letter. */
enum {
	LONG_SOCKET = 256,
	LONG_TIMEOUT,
	LONG_SINCE,
	LONG_FOLLOW,
	LONG_WAIT,
	LONG_FORCE,
	LONG_GENERATE,
	LONG_EXPLAIN,
	LONG_POOL,
	LONG_FAMILY,
	LONG_ADDRESS,
	LONG_EFFECTIVE,
};

/* Values that stand for all files, where a list of words is wanted. */
#define COMMAND_VALUES_FILE "@file"

struct command_option {
	const char *name;     /* long form, without the dashes */
	const char *argument; /* as help shows it; NULL: takes none */
	const char *values;   /* the words that the argument may be, COMMAND_VALUES_FILE, or NULL: anything */
	const char *help;
	int letter;	  /* short form; 0: none */
	int id;		  /* what getopt_long returns */
	unsigned int bit; /* OPTION_...; 0: every command takes it */
};

struct command {
	const char *name;     /* one word, or two with a blank between them */
	const char *operands; /* as help shows them, options of the command included */
	const char *help;
	int operand_n;	      /* one less with --generate, which stands for it */
	unsigned int options; /* OPTION_... */
	const char *values;   /* the words that the operand may be, COMMAND_VALUES_FILE, or NULL: anything */
	const char *url_path;
	command_run *run;	 /* NULL: help */
	render_document *render; /* NULL: nothing to show */
	const char *words;	 /* said when done; NULL: nothing */
	bool alone;		 /* speaks with no daemon */
};

/* Both tables end with an entry whose name is NULL. */
extern const struct command command_table[];
extern const struct command_option command_options[];

/* The row whose words are the first of those given, or NULL; *ret_n: how many words it has. */
const struct command *command_find(char *const *words, int word_n, int *ret_n);
void command_help(FILE *out);

#endif
