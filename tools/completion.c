/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scripts by which shells complete command lines of mlbctl, made from the tables of command.c.
 *
 * bash and zsh get the same function but for the words of their own: it drops options from the words before the cursor and
 * looks the rest up, two words before one, in a `case` that we fill from the table. fish has rules instead, one for each
 * thing that may come.
 */
#include <stdio.h>
#include <string.h>

#include "tools/command.h"

/* What the generated function says in each of the two shells. */
struct dialect {
	const char *head; /* up to the `case` over the option before the cursor */
	const char *loop; /* collects the words before the cursor that are no options: up to the `case` in it */
	const char *body; /* between the loop and the `case` over those words */
	const char *files;
	const char *tail;
};

static const struct dialect bash = {
	.head = "# bash completion for mlbctl, made by `mlbctl completion bash`\n"
		"_mlbctl()\n{\n"
		"\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} seen='' list='' i\n"
		"\tCOMPREPLY=()\n",
	.loop = "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n\t\tcase ${COMP_WORDS[i]} in\n",
	.body = "\t\t-*) ;;\n\t\t*) seen+=\"${COMP_WORDS[i]} \" ;;\n\t\tesac\n\tdone\n",
	.files = "mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")",
	.tail = "\t[[ $cur != -* ]] || list+=' '$global\n"
		"\tmapfile -t COMPREPLY < <(compgen -W \"$list\" -- \"$cur\")\n"
		"}\ncomplete -o filenames -F _mlbctl mlbctl\n",
};

static const struct dialect zsh = {
	.head = "#compdef mlbctl\n# zsh completion for mlbctl, made by `mlbctl completion zsh`\n"
		"_mlbctl()\n{\n"
		"\tlocal cur=${words[CURRENT]} prev=${words[CURRENT - 1]} seen='' list='' i\n",
	.loop = "\tfor ((i = 2; i < CURRENT; i++)); do\n\t\tcase ${words[i]} in\n",
	.body = "\t\t-*) ;;\n\t\t*) seen+=\"${words[i]} \" ;;\n\t\tesac\n\tdone\n",
	.files = "_files",
	.tail = "\t[[ $cur != -* ]] || list+=' '$global\n"
		"\tcompadd -- ${=list}\n"
		"}\n"
		"if [ \"$funcstack[1]\" = _mlbctl ]; then _mlbctl \"$@\"; else compdef _mlbctl mlbctl; fi\n",
};

/* "--name", and "-x" before it where there is one. */
static void option_print(const struct command_option *option, const char *between)
{
	if (option->letter)
		printf("-%c%s", option->letter, between);
	printf("--%s", option->name);
}

static bool is_file(const char *values)
{
	return values && strcmp(values, COMMAND_VALUES_FILE) == 0;
}

/* Is the option before the cursor one whose argument is being written? */
static void arguments_print(const struct dialect *dialect)
{
	printf("\tcase $prev in\n");
	for (const struct command_option *option = command_options; option->name; option++) {
		if (!option->argument)
			continue;
		printf("\t");
		option_print(option, " | ");
		if (is_file(option->values))
			printf(") %s; return ;;\n", dialect->files);
		else if (dialect == &bash)
			printf(") mapfile -t COMPREPLY < <(compgen -W '%s' -- \"$cur\"); return ;;\n",
			       option->values ? option->values : "");
		else
			printf(") compadd -- %s; return ;;\n", option->values ? option->values : "");
	}
	printf("\tesac\n%s", dialect->loop);
	for (const struct command_option *option = command_options; option->name; option++) {
		if (!option->argument)
			continue;
		printf("\t\t");
		option_print(option, " | ");
		printf(") i=$((i + 1)) ;;\n");
	}
	printf("%s", dialect->body);
}

static size_t first_word_len(const struct command *command)
{
	return strcspn(command->name, " ");
}

/* Has a row above it the same first word? */
static bool is_repeated(const struct command *command)
{
	size_t len = first_word_len(command);

	for (const struct command *other = command_table; other < command; other++) {
		if (first_word_len(other) == len && strncmp(other->name, command->name, len) == 0)
			return true;
	}
	return false;
}

static void own_options_print(const struct command *command)
{
	for (const struct command_option *option = command_options; option->name; option++) {
		if ((option->bit & command->options) != 0)
			printf(" --%s", option->name);
	}
}

/* What may follow a whole command. */
static void after_print(const struct dialect *dialect, const struct command *command)
{
	if (is_file(command->values))
		printf("[[ $cur == -* ]] || { %s; return; }; ", dialect->files);
	printf("list='%s", command->values && !is_file(command->values) ? command->values : "");
	own_options_print(command);
	printf("' ;;\n");
}

/* The words that may follow this first one, whether it is a command itself or not. */
static void second_words_print(const struct dialect *dialect, const struct command *first)
{
	size_t len = first_word_len(first);
	const struct command *itself = NULL;

	printf("\t'%.*s ') list='", (int)len, first->name);
	for (const struct command *command = command_table; command->name; command++) {
		if (first_word_len(command) != len || strncmp(command->name, first->name, len) != 0)
			continue;
		if (command->name[len] == ' ')
			printf("%s ", command->name + len + 1);
		else
			itself = command;
	}
	if (!itself) {
		printf("' ;;\n");
		return;
	}
	printf("'");
	if (is_file(itself->values))
		printf("; [[ $cur == -* ]] || { %s; return; }", dialect->files);
	printf("; list+='%s", itself->values && !is_file(itself->values) ? itself->values : "");
	own_options_print(itself);
	printf("' ;;\n");
}

static void function_print(const struct dialect *dialect)
{
	printf("%s\tlocal global='", dialect->head);
	for (const struct command_option *option = command_options; option->name; option++) {
		if (option->bit != 0)
			continue;
		option_print(option, " ");
		printf(" ");
	}
	printf("'\n");
	arguments_print(dialect);
	printf("\tcase $seen in\n\t'') list='");
	for (const struct command *command = command_table; command->name; command++) {
		if (!is_repeated(command))
			printf("%.*s ", (int)first_word_len(command), command->name);
	}
	printf("' ;;\n");
	for (const struct command *command = command_table; command->name; command++) {
		if (strchr(command->name, ' ')) {
			printf("\t'%s ') ", command->name);
			after_print(dialect, command);
		}
	}
	for (const struct command *command = command_table; command->name; command++) {
		if (!is_repeated(command))
			second_words_print(dialect, command);
	}
	printf("\tesac\n%s", dialect->tail);
}

/* A text in single quotes, as fish reads it. */
static void fish_quoted(const char *text)
{
	putchar('\'');
	for (; *text != '\0'; text++) {
		if (*text == '\'' || *text == '\\')
			putchar('\\');
		putchar(*text);
	}
	putchar('\'');
}

/* The condition that just this command stands in the line. */
static void fish_condition(const struct command *command)
{
	const char *blank = strchr(command->name, ' ');

	printf("complete -c mlbctl -n '__fish_seen_subcommand_from %.*s", (int)first_word_len(command), command->name);
	if (blank)
		printf("; and __fish_seen_subcommand_from %s", blank + 1);
	printf("'");
}

static void fish_option(const struct command_option *option)
{
	if (option->letter)
		printf(" -s %c", option->letter);
	printf(" -l %s", option->name);
	if (is_file(option->values))
		printf(" -r -F");
	else if (option->argument)
		printf(" -x -a '%s'", option->values ? option->values : "");
	printf(" -d ");
	fish_quoted(option->help);
	printf("\n");
}

static void fish_second_words(const struct command *command)
{
	const char *blank = strchr(command->name, ' ');
	size_t len = first_word_len(command);

	printf("complete -c mlbctl -n '__fish_seen_subcommand_from %.*s; and not __fish_seen_subcommand_from", (int)len,
	       command->name);
	for (const struct command *other = command_table; other->name; other++) {
		if (first_word_len(other) == len && strncmp(other->name, command->name, len) == 0 &&
		    other->name[len] == ' ')
			printf(" %s", other->name + len + 1);
	}
	printf("' -a %s -d ", blank + 1);
	fish_quoted(command->help);
	printf("\n");
}

static void fish_print(void)
{
	printf("# fish completion for mlbctl, made by `mlbctl completion fish`\ncomplete -c mlbctl -f\n");
	for (const struct command_option *option = command_options; option->name; option++) {
		if (option->bit == 0) {
			printf("complete -c mlbctl");
			fish_option(option);
		}
	}
	for (const struct command *command = command_table; command->name; command++) {
		if (!is_repeated(command)) {
			printf("complete -c mlbctl -n __fish_use_subcommand -a %.*s -d ", (int)first_word_len(command),
			       command->name);
			fish_quoted(strchr(command->name, ' ') ? "" : command->help);
			printf("\n");
		}
		if (strchr(command->name, ' '))
			fish_second_words(command);
		for (const struct command_option *option = command_options; option->name; option++) {
			if ((option->bit & command->options) != 0) {
				fish_condition(command);
				fish_option(option);
			}
		}
		if (command->values) {
			fish_condition(command);
			if (is_file(command->values))
				printf(" -F\n");
			else
				printf(" -a '%s'\n", command->values);
		}
	}
}

int command_completion(const struct invocation *invocation)
{
	const char *shell = invocation->operands[0];

	if (strcmp(shell, "bash") == 0) {
		function_print(&bash);
	} else if (strcmp(shell, "zsh") == 0) {
		function_print(&zsh);
	} else if (strcmp(shell, "fish") == 0) {
		fish_print();
	} else {
		fprintf(stderr, "mlbctl: completion: %s: is none of bash, zsh, fish\n", shell);
		return EXIT_USAGE;
	}
	return 0;
}
