/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/log_json.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define KEY_N_MAX 32

/* What must stay free for the end of the object. */
static const char end_cut[] = ",\"cut\":true}";

struct writer {
	char *out;
	size_t len;
	size_t cap; /* without the end */
	bool full;
};

struct part {
	const char *at; /* borrowed from the message */
	size_t len;
};

static void put(struct writer *w, const char *s, size_t len)
{
	if (w->full || len > w->cap - w->len) {
		w->full = true;
		return;
	}
	memcpy(w->out + w->len, s, len);
	w->len += len;
}

static void put_text(struct writer *w, struct part part)
{
	put(w, "\"", 1);
	for (size_t i = 0; i < part.len; i++) {
		unsigned char c = (unsigned char)part.at[i];
		char escaped[8];

		if (c == '"' || c == '\\')
			put(w, "\\", 1);
		if (c >= ' ' && c < 0x7f) {
			put(w, part.at + i, 1);
			continue;
		}
		snprintf(escaped, sizeof(escaped), "\\u%04x", (unsigned int)c);
		put(w, escaped, 6);
	}
	put(w, "\"", 1);
}

/* A field, whole or not at all. */
static void put_field(struct writer *w, struct part key, struct part value)
{
	size_t before = w->len;

	if (w->full)
		return;
	put(w, ",", 1);
	put_text(w, key);
	put(w, ":", 1);
	put_text(w, value);
	if (w->full)
		w->len = before;
}

static bool is_key(struct part part)
{
	for (size_t i = 0; i < part.len; i++) {
		char c = part.at[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
		      c == '-'))
			return false;
	}
	return part.len > 0;
}

/* Is this the end of the line, or " key="? */
static bool ends_value(const char *s)
{
	struct part key = { s + 1, *s == ' ' ? strcspn(s + 1, "= ") : 0 };

	return *s == '\0' || (is_key(key) && key.at[key.len] == '=');
}

/* The next " key=value" or " key=\"a value\"" at *at, which moves behind it. False: something else. */
static bool next_field(const char **at, struct part *key, struct part *value)
{
	const char *s = *at;
	const char *end;

	if (*s != ' ')
		return false;
	*key = (struct part){ s + 1, strcspn(s + 1, "= ") };
	s = key->at + key->len;
	if (*s++ != '=' || !is_key(*key))
		return false;
	if (*s != '"') {
		*value = (struct part){ s, strcspn(s, " ") };
		*at = s + value->len;
		return true;
	}
	/* text of others may hold quotes: the one that ends it stands before the next key or the end */
	for (end = strchr(s + 1, '"'); end != NULL && !ends_value(end + 1); end = strchr(end + 1, '"'))
		;
	if (end == NULL) /* the line was cut */
		end = s + strlen(s);
	*value = (struct part){ s + 1, (size_t)(end - s) - 1 };
	*at = *end == '"' ? end + 1 : end;
	return true;
}

static bool same(struct part a, struct part b)
{
	return a.len == b.len && memcmp(a.at, b.at, a.len) == 0;
}

/* Is the message "event key=value ..." to its end? */
static bool is_event(const char *message)
{
	struct part event = { message, strcspn(message, " ") };
	const char *at = message + event.len;
	struct part key, value;

	while (is_key(event) && next_field(&at, &key, &value))
		;
	return is_key(event) && *at == '\0';
}

static void put_fields(struct writer *w, const char *at)
{
	struct part seen[KEY_N_MAX] = { { "time", 4 }, { "level", 5 }, { "event", 5 }, { "cut", 3 } };
	size_t seen_n = 4;
	struct part key, value;

	while (next_field(&at, &key, &value)) {
		size_t i = 0;

		while (i < seen_n && !same(seen[i], key))
			i++;
		if (i < seen_n)
			continue;
		if (seen_n == KEY_N_MAX) {
			w->full = true;
			return;
		}
		seen[seen_n++] = key;
		put_field(w, key, value);
	}
}

size_t log_json(char *out, size_t cap, const char *time, const char *level, const char *message)
{
	struct writer w = { out, 0, cap - sizeof(end_cut) + 1, false };
	size_t event_len = strcspn(message, " ");

	assert(cap >= LOG_JSON_MIN);
	put(&w, "{\"time\":", 8);
	put_text(&w, (struct part){ time, strlen(time) });
	put_field(&w, (struct part){ "level", 5 }, (struct part){ level, strlen(level) });
	if (is_event(message)) {
		put_field(&w, (struct part){ "event", 5 }, (struct part){ message, event_len });
		put_fields(&w, message + event_len);
	} else {
		put_field(&w, (struct part){ "message", 7 }, (struct part){ message, strlen(message) });
	}
	memcpy(out + w.len, w.full ? end_cut : "}", w.full ? sizeof(end_cut) - 1 : 1);
	return w.len + (w.full ? sizeof(end_cut) - 1 : 1);
}
