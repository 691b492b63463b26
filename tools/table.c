/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tools/table.h"

#define GAP 2
/* A cut cell keeps so many characters, its dots included. */
#define CUT_MIN 8

struct table {
	const struct table_column *columns; /* borrowed */
	size_t column_n;
	size_t row_n;
	size_t row_cap;
	char **cells; /* owned, row by row, each cell too */
};

static void *checked(void *memory)
{
	if (!memory) {
		fputs("out of memory\n", stderr);
		exit(1);
	}
	return memory;
}

struct table *table_new(const struct table_column *columns, size_t column_n)
{
	struct table *table = checked(calloc(1, sizeof(*table)));

	assert(column_n > 0 && column_n <= TABLE_COLUMN_MAX);
	table->columns = columns;
	table->column_n = column_n;
	return table;
}

void table_free(struct table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->row_n * table->column_n; i++)
		free(table->cells[i]);
	free(table->cells);
	free(table);
}

char *table_text_clean(const char *text)
{
	char *copy = checked(strdup(text));

	for (unsigned char *s = (unsigned char *)copy; *s != '\0'; s++) {
		/* C0, DEL, and C1, which is U+0080 to U+009F: all of them may steer a terminal. */
		if (*s < 0x20 || *s == 0x7f) {
			*s = '?';
		} else if (*s == 0xc2 && s[1] >= 0x80 && s[1] <= 0x9f) {
			*s = '?';
			s[1] = '?';
		}
	}
	return copy;
}

void table_add(struct table *table, const char *const *cells)
{
	if (table->row_n == table->row_cap) {
		table->row_cap = table->row_cap * 2 + 16;
		table->cells = checked(realloc(table->cells, table->row_cap * table->column_n * sizeof(char *)));
	}
	for (size_t i = 0; i < table->column_n; i++) {
		const char *text = cells[i] && cells[i][0] != '\0' ? cells[i] : "-";

		table->cells[table->row_n * table->column_n + i] = table_text_clean(text);
	}
	table->row_n++;
}

/* Characters of UTF-8 text: bytes that begin one. Wide and combining characters count as one. */
size_t table_text_width(const char *text, size_t len)
{
	size_t width = 0;

	for (size_t i = 0; i < len; i++)
		width += ((unsigned char)text[i] & 0xc0) != 0x80;
	return width;
}

static size_t text_width(const char *text)
{
	return table_text_width(text, strlen(text));
}

/* Bytes of the first `width` characters. */
static size_t text_prefix(const char *text, size_t width)
{
	size_t at = 0;

	for (; text[at] != '\0'; at++) {
		if (((unsigned char)text[at] & 0xc0) == 0x80)
			continue;
		if (width-- == 0)
			break;
	}
	return at;
}

/* The widest column that may still be cut, or column_n. */
static size_t widest_cuttable(const struct table *table, const size_t *widths)
{
	size_t best = table->column_n;

	for (size_t i = 0; i < table->column_n; i++) {
		if (table->columns[i].may_cut && widths[i] > CUT_MIN &&
		    (best == table->column_n || widths[i] > widths[best]))
			best = i;
	}
	return best;
}

static void widths_set(const struct table *table, size_t width_max, size_t widths[TABLE_COLUMN_MAX])
{
	size_t total = GAP * (table->column_n - 1);

	for (size_t i = 0; i < table->column_n; i++) {
		widths[i] = text_width(table->columns[i].title);
		for (size_t row = 0; row < table->row_n; row++) {
			size_t width = text_width(table->cells[row * table->column_n + i]);

			widths[i] = width > widths[i] ? width : widths[i];
		}
		total += widths[i];
	}
	while (width_max > 0 && total > width_max) {
		size_t i = widest_cuttable(table, widths);

		if (i == table->column_n)
			break;
		widths[i]--;
		total--;
	}
}

static void cell_print(FILE *out, const char *text, size_t width, const char *colour, bool last)
{
	size_t have = text_width(text);
	bool cut = have > width;

	if (colour)
		fputs(colour, out);
	if (cut)
		fprintf(out, "%.*s...", (int)text_prefix(text, width - 3), text);
	else
		fputs(text, out);
	if (colour)
		fputs(TABLE_COLOUR_END, out);
	if (last)
		fputc('\n', out);
	else
		fprintf(out, "%*s", (int)((cut ? 0 : width - have) + GAP), "");
}

void table_print(const struct table *table, FILE *out, size_t width_max, bool colour)
{
	size_t widths[TABLE_COLUMN_MAX];
	size_t n = table->column_n;

	widths_set(table, width_max, widths);
	for (size_t i = 0; i < n; i++)
		cell_print(out, table->columns[i].title, widths[i], NULL, i + 1 == n);
	for (size_t row = 0; row < table->row_n; row++) {
		for (size_t i = 0; i < n; i++) {
			const char *text = table->cells[row * n + i];
			bool paint = colour && table->columns[i].is_state;

			cell_print(out, text, widths[i], paint ? table_state_colour(text) : NULL, i + 1 == n);
		}
	}
}

const char *table_state_colour(const char *word)
{
	static const struct {
		const char *word;
		const char *colour;
	} colours[] = {
		{ "alive", "\033[32m" },    { "owned", "\033[32m" },	{ "ready", "\033[32m" },
		{ "suspect", "\033[33m" },  { "handover", "\033[33m" }, { "starting", "\033[33m" },
		{ "draining", "\033[33m" }, { "dead", "\033[31m" },	{ "unowned", "\033[31m" },
	};

	for (size_t i = 0; i < sizeof(colours) / sizeof(colours[0]); i++) {
		if (strcmp(colours[i].word, word) == 0)
			return colours[i].colour;
	}
	return NULL;
}

void table_line_print(FILE *out, const char *text, size_t width_max)
{
	char *clean = table_text_clean(text);
	size_t have = text_width(clean);

	cell_print(out, clean, width_max > 0 && have > width_max ? width_max : have, NULL, true);
	free(clean);
}
