/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A text table for people: left-aligned columns, two blanks between them, cut to a width where the columns allow it.
 * Without memory the program ends with status 1.
 */
#ifndef MLB_TOOLS_TABLE_H
#define MLB_TOOLS_TABLE_H

#include <stdbool.h>
#include <stdio.h>

#define TABLE_COLUMN_MAX 10

struct table_column {
	const char *title;
	bool may_cut;  /* its cells may end in "..." where the table is too wide */
	bool is_state; /* coloured by table_state_colour */
};

struct table; /* opaque */

/* columns are borrowed. */
struct table *table_new(const struct table_column *columns, size_t column_n);
void table_free(struct table *table);
/* One cell for each column, copied; NULL or empty shows as "-". Control characters show as "?": they are others' names. */
void table_add(struct table *table, const char *const *cells);
/* width_max 0: no limit. Title line, then the rows as added; no blanks at the ends of lines. */
void table_print(const struct table *table, FILE *out, size_t width_max, bool colour);

/* The terminal's sequence for a word that says how something is ("alive", "dead"), or NULL: no colour. */
const char *table_state_colour(const char *word);
#define TABLE_COLOUR_END "\033[0m"
/* Columns that len bytes of text take: characters of UTF-8. */
size_t table_text_width(const char *text, size_t len);
/* A copy fit for a terminal, as table_add makes it (caller frees). */
char *table_text_clean(const char *text);
/* One line of its own, made fit for a terminal; it ends in "..." where it is wider. width_max: more than 3; 0: no limit. */
void table_line_print(FILE *out, const char *text, size_t width_max);

#endif
