/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/stream.h"

#include <errno.h>
#include <string.h>

/* What a buffer keeps between objects: most Services, slices and nodes are shorter. */
#define BUFFER_KEEP (64 * 1024)
#define BUFFER_FIRST 4096

void stream_buffer_init(struct stream_buffer *buffer, size_t max)
{
	*buffer = (struct stream_buffer){ .max = max };
}

void stream_buffer_free(struct stream_buffer *buffer)
{
	arena_free(&buffer->arena);
	stream_buffer_init(buffer, buffer->max);
}

int stream_buffer_add(struct stream_buffer *buffer, const char *data, size_t len)
{
	size_t need = buffer->len + len;
	size_t size = buffer->size == 0 ? BUFFER_FIRST : buffer->size;
	struct arena arena;
	char *grown;

	if (len > buffer->max || need > buffer->max)
		return -EMSGSIZE;
	if (len == 0)
		return 0;
	if (need > buffer->size) {
		while (size < need)
			size *= 2;
		arena_init(&arena);
		grown = arena_take(&arena, size, 1);
		if (grown == NULL)
			return -ENOMEM;
		if (buffer->len > 0)
			memcpy(grown, buffer->data, buffer->len);
		arena_free(&buffer->arena);
		buffer->arena = arena;
		buffer->data = grown;
		buffer->size = size;
	}
	memcpy(buffer->data + buffer->len, data, len);
	buffer->len = need;
	return 0;
}

void stream_buffer_clear(struct stream_buffer *buffer)
{
	if (buffer->size > BUFFER_KEEP)
		stream_buffer_free(buffer);
	buffer->len = 0;
}

void line_splitter_init(struct line_splitter *splitter, size_t max)
{
	stream_buffer_init(&splitter->line, max);
}

void line_splitter_free(struct line_splitter *splitter)
{
	stream_buffer_free(&splitter->line);
}

void line_splitter_reset(struct line_splitter *splitter)
{
	stream_buffer_clear(&splitter->line);
}

/* A whole line. One that came in one piece is given where it stands. */
static int give_line(struct line_splitter *splitter, const char *data, size_t len, stream_object_fn *line, void *arg)
{
	int r;

	if (splitter->line.len == 0)
		return len == 0 ? 0 : len > splitter->line.max ? -EMSGSIZE : line(arg, data, len);
	r = stream_buffer_add(&splitter->line, data, len);
	if (r == 0)
		r = line(arg, splitter->line.data, splitter->line.len);
	stream_buffer_clear(&splitter->line);
	return r;
}

int line_splitter_feed(struct line_splitter *splitter, const char *data, size_t len, stream_object_fn *line, void *arg)
{
	const char *end = data + len;
	const char *newline;
	int r;

	while (data < end) {
		newline = memchr(data, '\n', (size_t)(end - data));
		if (newline == NULL)
			return stream_buffer_add(&splitter->line, data, (size_t)(end - data));
		r = give_line(splitter, data, (size_t)(newline - data), line, arg);
		if (r != 0)
			return r;
		data = newline + 1;
	}
	return 0;
}

void item_splitter_init(struct item_splitter *splitter, size_t item_max, size_t envelope_max)
{
	*splitter = (struct item_splitter){ 0 };
	stream_buffer_init(&splitter->item, item_max);
	stream_buffer_init(&splitter->envelope, envelope_max);
}

void item_splitter_free(struct item_splitter *splitter)
{
	stream_buffer_free(&splitter->item);
	stream_buffer_free(&splitter->envelope);
}

void item_splitter_reset(struct item_splitter *splitter)
{
	stream_buffer_clear(&splitter->item);
	stream_buffer_clear(&splitter->envelope);
	*splitter = (struct item_splitter){ .item = splitter->item, .envelope = splitter->envelope };
}

bool item_splitter_whole(const struct item_splitter *splitter)
{
	return splitter->state == ITEM_DONE;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static const char items_key[] = "items";
#define ITEMS_LEN (sizeof(items_key) - 1)

/* A character within a string, quotes included. */
static void step_string(struct item_splitter *s, char c)
{
	bool at_key = s->state == ITEM_ENVELOPE && s->depth == 1 && s->key;

	if (s->escaped) {
		s->escaped = false;
	} else if (c == '"') {
		s->quoted = false;
		if (at_key) {
			s->items_follow = s->key_match == ITEMS_LEN;
			s->key = false;
		}
		return;
	} else if (c == '\\') {
		s->escaped = true;
	}
	if (at_key)
		s->key_match =
			s->key_match < ITEMS_LEN && c == items_key[s->key_match] ? s->key_match + 1 : ITEMS_LEN + 1;
}

/* A character of the envelope outside strings, not white space. */
static int step_envelope(struct item_splitter *s, char c)
{
	bool value_of_items = s->items_follow && c != ':';

	if (value_of_items)
		s->items_follow = false;
	switch (c) {
	case '"':
		s->quoted = true;
		s->key_match = 0;
		break;
	case '{':
	case '[':
		s->depth++;
		s->key = s->depth == 1;
		if (value_of_items && s->depth == 2 && c == '[') {
			s->state = ITEM_BETWEEN;
			s->comma = false;
		}
		break;
	case '}':
	case ']':
		if (--s->depth == 0)
			s->state = ITEM_DONE;
		break;
	case ',':
		if (s->depth == 1)
			s->key = true;
		break;
	default:
		break;
	}
	return 0;
}

/* A character of the array between items, not white space. */
static int step_between(struct item_splitter *s, char c)
{
	switch (c) {
	case '{':
		if (s->item_n > 0 && !s->comma)
			return -EBADMSG;
		s->state = ITEM_INSIDE;
		s->depth = 1;
		s->comma = false;
		return 0;
	case ',':
		if (s->comma || s->item_n == 0)
			return -EBADMSG;
		s->comma = true;
		return 0;
	case ']':
		if (s->comma)
			return -EBADMSG;
		s->state = ITEM_ENVELOPE;
		s->depth = 1;
		return 0;
	default:
		return -EBADMSG;
	}
}

/* A character of an item outside strings. */
static void step_inside(struct item_splitter *s, char c)
{
	if (c == '"')
		s->quoted = true;
	else if (c == '{' || c == '[')
		s->depth++;
	else if (c == '}' || c == ']')
		s->depth--;
}

/* One character outside items. */
static int step_outside(struct item_splitter *s, char c)
{
	enum item_state before = s->state;
	int r = 0;

	if (s->quoted)
		step_string(s, c);
	else if (is_space(c))
		return 0;
	else if (before == ITEM_BETWEEN)
		r = step_between(s, c);
	else if (before == ITEM_DONE || (before == ITEM_START && c != '{'))
		return -EBADMSG;
	else {
		s->state = ITEM_ENVELOPE;
		r = step_envelope(s, c);
	}
	if (r == 0 && (before != ITEM_BETWEEN || s->state == ITEM_ENVELOPE))
		r = stream_buffer_add(&s->envelope, &c, 1);
	return r;
}

/* From the inside of an item to its end or the data's. Returns how many characters those are. */
static size_t run_inside(struct item_splitter *s, const char *data, size_t len)
{
	size_t i = 0;

	for (; i < len && s->depth > 0; i++) {
		if (s->quoted)
			step_string(s, data[i]);
		else
			step_inside(s, data[i]);
	}
	return i;
}

/* The item that ends with these bytes. One that came in one piece is given where it stands. */
static int give_item(struct item_splitter *s, const char *data, size_t len, stream_object_fn *item, void *arg)
{
	int r;

	s->state = ITEM_BETWEEN;
	s->item_n++;
	if (s->item.len == 0)
		return len > s->item.max ? -EMSGSIZE : item(arg, data, len);
	r = stream_buffer_add(&s->item, data, len);
	if (r == 0)
		r = item(arg, s->item.data, s->item.len);
	stream_buffer_clear(&s->item);
	return r;
}

int item_splitter_feed(struct item_splitter *splitter, const char *data, size_t len, stream_object_fn *item, void *arg)
{
	size_t i = 0, start, n;
	int r = 0;

	while (i < len && r == 0) {
		start = i;
		if (splitter->state != ITEM_INSIDE) {
			r = step_outside(splitter, data[i++]);
			if (splitter->state != ITEM_INSIDE)
				continue;
		}
		n = run_inside(splitter, data + i, len - i);
		i += n;
		if (r == 0)
			r = splitter->depth > 0 ? stream_buffer_add(&splitter->item, data + start, i - start)
						: give_item(splitter, data + start, i - start, item, arg);
	}
	return r;
}
