/* SPDX-License-Identifier: Apache-2.0 */
/* libyaml's events -> the tree of config_tree.h. The parent pointers are the stack of open containers. */
#include "daemon/config_tree.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct anchor {
	char *name; /* owned */
	const struct config_node *node;
};

struct builder {
	const char *path;
	const char *text; /* the whole file */
	size_t len;
	struct config_tree *tree;
	struct config_errors *errors;
	struct config_node *open; /* the innermost container that is not closed yet; NULL outside the root */
	size_t depth;
	char *key; /* owned: a key of `open` whose value has not come yet */
	unsigned int key_line;
	size_t anchor_n;
	struct anchor anchors[CONFIG_ANCHOR_MAX];
	bool document_seen;
	bool failed;
};

static void fail(struct builder *b, unsigned int line, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void fail(struct builder *b, unsigned int line, const char *format, ...)
{
	char what[512];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	config_errors_add(b->errors, b->path, line, "syntax", "%s", what);
	b->failed = true;
}

static unsigned int line_of(yaml_mark_t mark)
{
	return (unsigned int)mark.line + 1;
}

/* Is the next event a key? */
static bool at_key(const struct builder *b)
{
	return b->open != NULL && b->open->kind == CONFIG_MAPPING && b->key == NULL;
}

static char *copy_text(struct builder *b, unsigned int line, const char *text, size_t len)
{
	char *copy;

	if (memchr(text, '\0', len) != NULL) {
		fail(b, line, "a text must not contain a zero byte");
		return NULL;
	}
	copy = malloc(len + 1);
	if (copy == NULL) {
		fail(b, line, "out of memory");
		return NULL;
	}
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

static bool within_limits(struct builder *b, unsigned int line)
{
	if (b->tree->node_n >= CONFIG_NODE_MAX)
		fail(b, line, "too much in one file (aliases count as what they stand for): at most %d values",
		     CONFIG_NODE_MAX);
	else if (b->depth >= CONFIG_DEPTH_MAX)
		fail(b, line, "nested deeper than %d levels", CONFIG_DEPTH_MAX);
	else if (b->open != NULL && b->open->kind == CONFIG_MAPPING && b->open->child_n >= CONFIG_MAPPING_MAX)
		fail(b, line, "more than %d keys in one mapping", CONFIG_MAPPING_MAX);
	return !b->failed;
}

static void append_child(struct config_node *parent, struct config_node *node)
{
	node->parent = parent;
	node->index = parent->child_n++;
	if (parent->last != NULL)
		parent->last->next = node;
	else
		parent->first = node;
	parent->last = node;
}

/* A new node at the place where the file is now; takes the pending key. NULL: failed. */
static struct config_node *add_node(struct builder *b, enum config_kind kind, unsigned int line)
{
	struct config_node *node;

	if (!within_limits(b, line))
		return NULL;
	node = calloc(1, sizeof(*node));
	if (node == NULL) {
		fail(b, line, "out of memory");
		return NULL;
	}
	node->all = b->tree->all;
	b->tree->all = node;
	b->tree->node_n++;
	node->kind = kind;
	node->line = b->key != NULL ? b->key_line : line;
	node->key = b->key;
	b->key = NULL;
	if (b->open != NULL)
		append_child(b->open, node);
	else
		b->tree->root = node;
	return node;
}

static struct config_node *add_scalar(struct builder *b, unsigned int line, const char *text, size_t len, bool quoted)
{
	struct config_node *node = add_node(b, CONFIG_SCALAR, line);

	if (node == NULL)
		return NULL;
	node->text = copy_text(b, line, text, len);
	node->quoted = quoted;
	return node->text != NULL ? node : NULL;
}

static void open_container(struct builder *b, struct config_node *node)
{
	b->open = node;
	b->depth++;
}

static void close_container(struct builder *b)
{
	assert(b->open != NULL); /* libyaml's events are paired */
	b->open = b->open->parent;
	b->depth--;
}

static void take_key(struct builder *b, unsigned int line, const char *text, size_t len)
{
	b->key = copy_text(b, line, text, len);
	b->key_line = line;
}

/* Put a copy of what an alias stands for here. Recursion ends at CONFIG_DEPTH_MAX, by add_node. */
static void copy_node(struct builder *b, const struct config_node *source, unsigned int line)
{
	struct config_node *node;

	if (source->kind == CONFIG_SCALAR) {
		(void)add_scalar(b, line, source->text, strlen(source->text), source->quoted);
		return;
	}
	node = add_node(b, source->kind, line);
	if (node == NULL)
		return;
	open_container(b, node);
	for (const struct config_node *child = source->first; child != NULL && !b->failed; child = child->next) {
		if (child->key != NULL)
			take_key(b, child->line, child->key, strlen(child->key));
		if (!b->failed)
			copy_node(b, child, child->line);
	}
	close_container(b);
}

static void on_alias(struct builder *b, unsigned int line, const char *name)
{
	const struct config_node *target = NULL;

	for (size_t i = 0; i < b->anchor_n; i++) {
		if (strcmp(b->anchors[i].name, name) == 0)
			target = b->anchors[i].node; /* YAML 1.1 3.2.2.2: the latest of that name */
	}
	for (const struct config_node *node = b->open; node != NULL && target != NULL; node = node->parent) {
		if (node == target) {
			fail(b, line, "the alias *%.60s stands for a value that it is part of", name);
			return;
		}
	}
	if (target == NULL)
		fail(b, line, "the alias *%.60s has no anchor before it", name);
	else
		copy_node(b, target, line);
}

static void add_anchor(struct builder *b, unsigned int line, const yaml_char_t *name, const struct config_node *node)
{
	if (name == NULL || node == NULL)
		return;
	if (b->anchor_n == CONFIG_ANCHOR_MAX) {
		fail(b, line, "more than %d anchors", CONFIG_ANCHOR_MAX);
		return;
	}
	b->anchors[b->anchor_n].node = node;
	b->anchors[b->anchor_n].name = copy_text(b, line, (const char *)name, strlen((const char *)name));
	if (b->anchors[b->anchor_n].name != NULL)
		b->anchor_n++;
}

static void on_scalar(struct builder *b, const yaml_event_t *event)
{
	const char *tag = (const char *)event->data.scalar.tag;
	const char *text = (const char *)event->data.scalar.value;
	size_t len = event->data.scalar.length;
	unsigned int line = line_of(event->start_mark);
	bool quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	struct config_node *node;

	if (tag != NULL && strcmp(tag, YAML_STR_TAG) != 0) {
		fail(b, line, "tags such as %.60s are not supported: leave it out", tag);
	} else if (!at_key(b)) {
		node = add_scalar(b, line, text, len, quoted || tag != NULL);
		add_anchor(b, line, event->data.scalar.anchor, node);
	} else if (event->data.scalar.anchor != NULL) {
		fail(b, line, "an anchor on a key is not supported: put it on a value");
	} else {
		take_key(b, line, text, len);
	}
}

static void on_container(struct builder *b, enum config_kind kind, unsigned int line, const yaml_char_t *anchor,
			 const yaml_char_t *tag)
{
	struct config_node *node;

	if (tag != NULL) {
		fail(b, line, "tags such as %.60s are not supported: leave it out", (const char *)tag);
		return;
	}
	if (at_key(b)) {
		fail(b, line, "a key must be a text, not a %s (in YAML, a text that begins with %c needs quotes)",
		     kind == CONFIG_SEQUENCE ? "list" : "mapping", kind == CONFIG_SEQUENCE ? '[' : '{');
		return;
	}
	node = add_node(b, kind, line);
	if (node == NULL)
		return;
	add_anchor(b, line, anchor, node);
	open_container(b, node);
}

static void on_event(struct builder *b, const yaml_event_t *event)
{
	unsigned int line = line_of(event->start_mark);

	switch (event->type) {
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_END_EVENT:
		break;
	case YAML_DOCUMENT_START_EVENT:
		if (b->document_seen)
			fail(b, line, "a second document begins here: one file holds one");
		b->document_seen = true;
		break;
	case YAML_ALIAS_EVENT:
		if (at_key(b))
			fail(b, line, "a key must be a text, not an alias");
		else
			on_alias(b, line, (const char *)event->data.alias.anchor);
		break;
	case YAML_SCALAR_EVENT:
		on_scalar(b, event);
		break;
	case YAML_SEQUENCE_START_EVENT:
		on_container(b, CONFIG_SEQUENCE, line, event->data.sequence_start.anchor,
			     event->data.sequence_start.tag);
		break;
	case YAML_MAPPING_START_EVENT:
		on_container(b, CONFIG_MAPPING, line, event->data.mapping_start.anchor, event->data.mapping_start.tag);
		break;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		close_container(b);
		break;
	}
}

/* Is there a tab in the indentation of that line? It is the commonest mistake, and libyaml's words do not name it. */
static bool tab_indented(const struct builder *b, unsigned int line)
{
	const char *at = b->text;
	const char *end = b->text + b->len;

	for (unsigned int i = 1; i < line && at != NULL; i++) {
		at = memchr(at, '\n', (size_t)(end - at));
		at = at != NULL ? at + 1 : NULL;
	}
	while (at != NULL && at < end && *at == ' ')
		at++;
	return at != NULL && at < end && *at == '\t';
}

/* libyaml's reader works ahead of its marks, and tells of a bad byte only where it is. */
static unsigned int line_of_offset(const struct builder *b, size_t offset)
{
	unsigned int line = 1;

	for (size_t i = 0; i < offset && i < b->len; i++)
		line += b->text[i] == '\n';
	return line;
}

static void on_parser_error(struct builder *b, const yaml_parser_t *parser)
{
	const char *problem = parser->problem != NULL ? parser->problem : "not YAML";
	unsigned int line = line_of(parser->problem_mark);

	if (parser->error == YAML_MEMORY_ERROR) {
		fail(b, line_of(parser->mark), "out of memory");
	} else if (parser->error == YAML_READER_ERROR) {
		fail(b, line_of_offset(b, parser->problem_offset), "%s: the file must be UTF-8 text", problem);
	} else if (tab_indented(b, line)) {
		fail(b, line, "%s: indent with blanks, not with tabs", problem);
	} else if (parser->context != NULL) {
		fail(b, line, "%s, %s that begins in line %u", problem, parser->context, line_of(parser->context_mark));
	} else {
		fail(b, line, "%s", problem);
	}
}

static void read_events(struct builder *b, yaml_parser_t *parser)
{
	yaml_event_t event = { .type = YAML_NO_EVENT };
	bool end = false;

	while (!b->failed && !end) {
		if (!yaml_parser_parse(parser, &event)) {
			on_parser_error(b, parser);
			break;
		}
		end = event.type == YAML_STREAM_END_EVENT;
		on_event(b, &event);
		yaml_event_delete(&event);
	}
}

int config_tree_read(const char *path, const char *text, size_t len, struct config_tree *tree,
		     struct config_errors *errors)
{
	struct builder b = { .path = path, .text = text, .len = len, .tree = tree, .errors = errors };
	yaml_parser_t parser;

	*tree = (struct config_tree){ 0 };
	if (!yaml_parser_initialize(&parser)) {
		fail(&b, 1, "out of memory");
		return -EINVAL;
	}
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	read_events(&b, &parser);
	yaml_parser_delete(&parser);
	for (size_t i = 0; i < b.anchor_n; i++)
		free(b.anchors[i].name);
	free(b.key);
	return b.failed ? -EINVAL : 0;
}

void config_tree_free(struct config_tree *tree)
{
	while (tree->all != NULL) {
		struct config_node *node = tree->all;

		tree->all = node->all;
		free(node->text);
		free(node->key);
		free(node);
	}
	*tree = (struct config_tree){ 0 };
}

/* Append to a text of cap bytes that has len; returns the new length, cut at the end of the buffer. */
static size_t append(char *buf, size_t cap, size_t len, const char *text)
{
	for (; *text != '\0' && len + 1 < cap; text++)
		buf[len++] = (unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text;
	buf[len] = '\0';
	return len;
}

char *config_node_path(const struct config_node *node, char buf[CONFIG_KEY_MAX])
{
	const struct config_node *chain[CONFIG_DEPTH_MAX + 1];
	size_t chain_n = 0;
	size_t len = 0;
	char index[32];

	for (; node->parent != NULL && chain_n < CONFIG_DEPTH_MAX; node = node->parent)
		chain[chain_n++] = node;
	buf[0] = '\0';
	for (; chain_n > 0; chain_n--) {
		node = chain[chain_n - 1];
		if (node->key != NULL) {
			len = append(buf, CONFIG_KEY_MAX, len, len > 0 ? "." : "");
			len = append(buf, CONFIG_KEY_MAX, len, node->key);
		} else {
			snprintf(index, sizeof(index), "[%zu]", node->index);
			len = append(buf, CONFIG_KEY_MAX, len, index);
		}
	}
	return buf;
}

bool config_node_is_null(const struct config_node *node)
{
	/* YAML 1.1, https://yaml.org/type/null.html */
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL" };

	if (node->kind != CONFIG_SCALAR || node->quoted)
		return false;
	for (size_t i = 0; i < sizeof(nulls) / sizeof(nulls[0]); i++) {
		if (strcmp(node->text, nulls[i]) == 0)
			return true;
	}
	return false;
}

const struct config_node *config_node_child(const struct config_node *node, const char *key)
{
	const struct config_node *child = node->kind == CONFIG_MAPPING ? node->first : NULL;

	while (child != NULL && strcmp(child->key, key) != 0)
		child = child->next;
	return child;
}

char *config_quote(const char *text, char buf[CONFIG_QUOTE_MAX])
{
	size_t room = CONFIG_QUOTE_MAX - sizeof("\"...\"");
	size_t len = strlen(text);
	size_t keep = len <= room ? len : room;

	while (keep < len && keep > 0 && ((unsigned char)text[keep] & 0xc0) == 0x80)
		keep--; /* no half character */
	snprintf(buf, CONFIG_QUOTE_MAX, "\"%.*s%s\"", (int)keep, text, keep < len ? "..." : "");
	for (char *c = buf; *c != '\0'; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	}
	return buf;
}
