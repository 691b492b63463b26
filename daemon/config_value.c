/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config_value.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A key that is further away than this from a known one is not a slip of the finger. */
#define SUGGEST_DISTANCE_MAX 2
#define SUGGEST_LEN_MAX 24

static void fail_with(struct config_reader *r, unsigned int line, const char *key, const char *format, va_list args)
	__attribute__((format(printf, 4, 0)));

static void fail_with(struct config_reader *r, unsigned int line, const char *key, const char *format, va_list args)
{
	char what[1024];

	vsnprintf(what, sizeof(what), format, args);
	config_errors_add(r->errors, r->path, line, key, "%s", what);
}

void config_fail(struct config_reader *r, const struct config_node *node, const char *format, ...)
{
	char key[CONFIG_KEY_MAX];
	va_list args;

	config_node_path(node, key);
	va_start(args, format);
	fail_with(r, node->line, *key != '\0' ? key : "file", format, args);
	va_end(args);
}

void config_fail_missing(struct config_reader *r, const struct config_node *node, const char *key, const char *format,
			 ...)
{
	char parent[CONFIG_KEY_MAX] = "";
	char path[CONFIG_KEY_MAX + 64];
	va_list args;

	if (node != NULL)
		config_node_path(node, parent);
	snprintf(path, sizeof(path), "%s%s%s", parent, *parent != '\0' ? "." : "", key);
	va_start(args, format);
	fail_with(r, node != NULL ? node->line : 1, path, format, args);
	va_end(args);
}

void *config_alloc(struct config_reader *r, const struct config_node *node, size_t n, size_t size)
{
	void *memory = calloc(n > 0 ? n : 1, size);

	if (memory == NULL)
		config_fail(r, node, "out of memory");
	return memory;
}

const char *config_text(struct config_reader *r, const struct config_node *node)
{
	if (node->kind != CONFIG_SCALAR) {
		config_fail(r, node, "must be a single value, not a %s",
			    node->kind == CONFIG_SEQUENCE ? "list" : "mapping");
		return NULL;
	}
	if (config_node_is_null(node)) {
		config_fail(r, node, "has no value: give one, or remove the key");
		return NULL;
	}
	return node->text;
}

char *config_text_copy(struct config_reader *r, const struct config_node *node)
{
	const char *text = config_text(r, node);
	char *copy = NULL;

	if (text != NULL && *text == '\0')
		config_fail(r, node, "must not be empty");
	else if (text != NULL)
		copy = config_alloc(r, node, strlen(text) + 1, 1);
	return copy != NULL ? strcpy(copy, text) : NULL;
}

void config_bool(struct config_reader *r, const struct config_node *node, bool *ret)
{
	const char *text = config_text(r, node);
	char quote[CONFIG_QUOTE_MAX];

	if (text == NULL)
		return;
	if (!node->quoted && strcmp(text, "true") == 0)
		*ret = true;
	else if (!node->quoted && strcmp(text, "false") == 0)
		*ret = false;
	else
		config_fail(r, node, "%s must be true or false%s", config_quote(text, quote),
			    node->quoted ? ", without quotes" : "");
}

/* Digits at the start of text, as a number that is cut at ULONG_MAX / 10; returns what follows them. */
static const char *read_digits(const char *text, unsigned long *ret)
{
	unsigned long value = 0;

	for (; *text >= '0' && *text <= '9'; text++)
		value = value < 100000000000000ul ? value * 10 + (unsigned long)(*text - '0') : value;
	*ret = value;
	return text;
}

void config_number(struct config_reader *r, const struct config_node *node, unsigned long low, unsigned long high,
		   unsigned long *ret)
{
	const char *text = config_text(r, node);
	char quote[CONFIG_QUOTE_MAX];
	unsigned long value;
	const char *end;

	if (text == NULL)
		return;
	end = read_digits(text, &value);
	if (node->quoted || end == text || *end != '\0' || (*text == '0' && text[1] != '\0'))
		config_fail(r, node, "%s must be a whole number from %lu to %lu%s", config_quote(text, quote), low,
			    high, node->quoted ? ", without quotes" : "");
	else if (value < low || value > high)
		config_fail(r, node, "%s is out of range: from %lu to %lu", text, low, high);
	else
		*ret = value;
}

static const struct {
	const char *name;
	int64_t us;
} units[] = { { "h", 3600000000 }, { "m", 60000000 }, { "s", 1000000 }, { "ms", 1000 } };

#define UNIT_N (sizeof(units) / sizeof(units[0]))

char *config_span_format(struct span span, char buf[CONFIG_SPAN_MAX])
{
	size_t i = 0;

	while (i + 1 < UNIT_N && (span.us % units[i].us != 0 || span.us == 0))
		i++;
	snprintf(buf, CONFIG_SPAN_MAX, "%lld%s", (long long)(span.us / units[i].us), units[i].name);
	return buf;
}

void config_span(struct config_reader *r, const struct config_node *node, struct span low, struct span high,
		 struct span *ret)
{
	const char *text = config_text(r, node);
	char quote[CONFIG_QUOTE_MAX], low_text[CONFIG_SPAN_MAX], high_text[CONFIG_SPAN_MAX];
	unsigned long value;
	const char *unit;
	size_t i = 0;

	if (text == NULL)
		return;
	unit = read_digits(text, &value);
	while (i < UNIT_N && strcmp(unit, units[i].name) != 0)
		i++;
	if (unit == text || i == UNIT_N) {
		config_fail(r, node, "%s is not a duration: a whole number with ms, s, m or h, such as 250ms",
			    config_quote(text, quote));
		return;
	}
	if (value > INT64_MAX / 3600000000 || span_us((int64_t)value * units[i].us).us < low.us ||
	    (int64_t)value * units[i].us > high.us) {
		config_fail(r, node, "%s is out of range: from %s to %s", config_quote(text, quote),
			    config_span_format(low, low_text), config_span_format(high, high_text));
		return;
	}
	*ret = span_us((int64_t)value * units[i].us);
}

bool config_list(struct config_reader *r, const struct config_node *node, size_t max)
{
	if (config_node_is_null(node))
		return true;
	if (node->kind != CONFIG_SEQUENCE) {
		config_fail(r, node, "must be a list: [a, b], or a line with \"- \" for each");
		return false;
	}
	if (node->child_n > max) {
		config_fail(r, node, "has %zu items, at most %zu are possible", node->child_n, max);
		return false;
	}
	return true;
}

/* Levenshtein's distance of two short texts. */
static size_t distance(const char *a, const char *b)
{
	size_t row[SUGGEST_LEN_MAX + 1];
	size_t b_len = strlen(b);

	for (size_t j = 0; j <= b_len; j++)
		row[j] = j;
	for (size_t i = 0; a[i] != '\0'; i++) {
		size_t diagonal = row[0]++;

		for (size_t j = 0; j < b_len; j++) {
			size_t best = diagonal + (tolower((unsigned char)a[i]) != tolower((unsigned char)b[j]));

			diagonal = row[j + 1];
			best = best < row[j] + 1 ? best : row[j] + 1;
			row[j + 1] = best < diagonal + 1 ? best : diagonal + 1;
		}
	}
	return row[b_len];
}

static void fail_unknown(struct config_reader *r, const struct config_node *node, const struct config_key *keys,
			 size_t key_n)
{
	size_t nearest = SUGGEST_DISTANCE_MAX + 1;
	const char *suggestion = NULL;
	char known[256] = "";
	size_t len = 0;

	for (size_t i = 0; i < key_n; i++) {
		size_t d = strlen(node->key) <= SUGGEST_LEN_MAX && strlen(keys[i].name) <= SUGGEST_LEN_MAX
				   ? distance(node->key, keys[i].name)
				   : SIZE_MAX;

		if (d < nearest) {
			nearest = d;
			suggestion = keys[i].name;
		}
		if (len < sizeof(known))
			len += (size_t)snprintf(known + len, sizeof(known) - len, "%s%s", i > 0 ? ", " : "",
						keys[i].name);
	}
	if (suggestion != NULL)
		config_fail(r, node, "unknown key: did you mean %s?", suggestion);
	else
		config_fail(r, node, "unknown key: known here are %s", known);
}

/* Has the key been seen before in this mapping? Then that is an error. */
static bool is_duplicate(struct config_reader *r, const struct config_node *node)
{
	const struct config_node *first = config_node_child(node->parent, node->key);

	if (first == node)
		return false;
	config_fail(r, node, "duplicate key, it is in line %u already: keep one", first->line);
	return true;
}

static bool is_mapping(struct config_reader *r, const struct config_node *node)
{
	if (node->kind == CONFIG_MAPPING)
		return true;
	if (!config_node_is_null(node))
		config_fail(r, node, "must be a mapping of \"key: value\", not a %s",
			    node->kind == CONFIG_SEQUENCE ? "list" : "single value");
	return false;
}

void config_mapping(struct config_reader *r, const struct config_node *node, const struct config_key *keys,
		    size_t key_n, void *target)
{
	if (!is_mapping(r, node))
		return;
	for (const struct config_node *child = node->first; child != NULL; child = child->next) {
		size_t i = 0;

		if (is_duplicate(r, child))
			continue;
		while (i < key_n && strcmp(keys[i].name, child->key) != 0)
			i++;
		if (i < key_n)
			keys[i].read(r, child, target);
		else
			fail_unknown(r, child, keys, key_n);
	}
}

void config_any_mapping(struct config_reader *r, const struct config_node *node,
			void (*read)(struct config_reader *r, const struct config_node *node, void *target),
			void *target)
{
	if (!is_mapping(r, node))
		return;
	for (const struct config_node *child = node->first; child != NULL; child = child->next) {
		if (!is_duplicate(r, child))
			read(r, child, target);
	}
}

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool config_name_is_good(const char *text, size_t max, const char *others)
{
	size_t len = strlen(text);

	for (const char *c = text; *c != '\0'; c++) {
		if (!is_alnum(*c) && strchr(others, *c) == NULL)
			return false;
	}
	return len > 0 && len <= max;
}

bool config_iface_is_good(const char *text)
{
	size_t len = strlen(text);

	for (const char *c = text; *c != '\0'; c++) {
		if (isspace((unsigned char)*c) || iscntrl((unsigned char)*c) || *c == '/' || *c == ':')
			return false;
	}
	return len > 0 && len <= IFACE_NAME_MAX && strcmp(text, ".") != 0 && strcmp(text, "..") != 0;
}

const char *config_label_key_problem(const char *text)
{
	const char *slash = strchr(text, '/');
	const char *name = slash != NULL ? slash + 1 : text;

	if (*text == '\0')
		return "a label's key must not be empty";
	if (strlen(text) > LABEL_TEXT_MAX)
		return "a label's key has at most 63 bytes";
	if (!config_name_is_good(text, LABEL_TEXT_MAX, "-_./") || strchr(name, '/') != NULL || !is_alnum(*text) ||
	    !is_alnum(*name) || !is_alnum(text[strlen(text) - 1]))
		return "a label's key is letters, digits, '-', '_' and '.', perhaps with prefix and '/' before, and "
		       "begins and "
		       "ends with a letter or digit";
	return NULL;
}

const char *config_label_value_problem(const char *text)
{
	if (*text == '\0')
		return NULL;
	if (strlen(text) > LABEL_TEXT_MAX)
		return "a label's value has at most 63 bytes";
	if (!config_name_is_good(text, LABEL_TEXT_MAX, "-_.") || !is_alnum(*text) || !is_alnum(text[strlen(text) - 1]))
		return "a label's value is letters, digits, '-', '_' and '.', and begins and ends with a letter or "
		       "digit";
	return NULL;
}
