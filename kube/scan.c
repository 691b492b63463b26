/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *skip_space(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r'))
		at++;
	return at;
}

/* Behind the string that starts at `at`; NULL: it does not end. */
static const char *skip_string(const char *at, const char *end)
{
	for (at++; at < end; at++) {
		if (*at == '"')
			return at + 1;
		if (*at == '\\' && ++at == end)
			break;
	}
	return NULL;
}

/* Behind the object or array that starts at `at`, by its brackets alone. */
static const char *skip_container(const char *at, const char *end)
{
	size_t depth = 0;

	while (at < end) {
		switch (*at) {
		case '"':
			at = skip_string(at, end);
			if (at == NULL)
				return NULL;
			continue;
		case '{':
		case '[':
			depth++;
			break;
		case '}':
		case ']':
			if (--depth == 0)
				return at + 1;
			break;
		default:
			break;
		}
		at++;
	}
	return NULL;
}

static const char *skip_word(const char *at, const char *end)
{
	const char *start = at;

	while (at < end && ((*at >= '0' && *at <= '9') || (*at >= 'a' && *at <= 'z') || *at == '-' || *at == '+' ||
			    *at == '.' || *at == 'E'))
		at++;
	return at > start ? at : NULL;
}

static const char *skip_value(const char *at, const char *end)
{
	if (at >= end)
		return NULL;
	if (*at == '"')
		return skip_string(at, end);
	if (*at == '{' || *at == '[')
		return skip_container(at, end);
	return skip_word(at, end);
}

struct json_span json_span_of(const char *text, size_t len)
{
	const char *end = text + len;
	const char *at = skip_space(text, end);
	const char *behind = skip_value(at, end);

	if (behind == NULL || skip_space(behind, end) != end)
		return (struct json_span){ 0 };
	return (struct json_span){ at, (size_t)(behind - at) };
}

struct json_walk json_walk_of(struct json_span value)
{
	struct json_walk walk = { .broken = true };

	if (value.len < 2 || (value.at[0] != '{' && value.at[0] != '['))
		return walk;
	return (struct json_walk){ .at = value.at + 1, .end = value.at + value.len - 1 };
}

/* To the start of the next element: behind white space, and behind a comma when there was one before. */
static bool walk_on(struct json_walk *walk)
{
	if (walk->broken)
		return false;
	walk->at = skip_space(walk->at, walk->end);
	if (walk->at == walk->end)
		return false;
	if (walk->begun) {
		if (*walk->at != ',') {
			walk->broken = true;
			return false;
		}
		walk->at = skip_space(walk->at + 1, walk->end);
	}
	walk->begun = true;
	return true;
}

bool json_walk_value(struct json_walk *walk, struct json_span *value)
{
	const char *behind;

	if (!walk_on(walk))
		return false;
	behind = skip_value(walk->at, walk->end);
	if (behind == NULL) {
		walk->broken = true;
		return false;
	}
	*value = (struct json_span){ walk->at, (size_t)(behind - walk->at) };
	walk->at = behind;
	return true;
}

static bool walk_key(struct json_walk *walk, struct json_span *key)
{
	const char *behind;

	if (walk->at == walk->end || *walk->at != '"')
		return false;
	behind = skip_string(walk->at, walk->end);
	if (behind == NULL)
		return false;
	*key = (struct json_span){ walk->at + 1, (size_t)(behind - walk->at) - 2 };
	walk->at = skip_space(behind, walk->end);
	if (walk->at == walk->end || *walk->at != ':')
		return false;
	walk->at = skip_space(walk->at + 1, walk->end);
	return true;
}

bool json_walk_field(struct json_walk *walk, struct json_span *key, struct json_span *value)
{
	const char *behind;

	if (!walk_on(walk))
		return false;
	behind = walk_key(walk, key) ? skip_value(walk->at, walk->end) : NULL;
	if (behind == NULL) {
		walk->broken = true;
		return false;
	}
	*value = (struct json_span){ walk->at, (size_t)(behind - walk->at) };
	walk->at = behind;
	return true;
}

bool json_key_is(struct json_span key, const char *text)
{
	size_t len = strlen(text);

	return key.len == len && memcmp(key.at, text, len) == 0;
}

struct json_span json_span_field(struct json_span object, const char *name)
{
	struct json_walk walk = json_walk_of(object);
	struct json_span key, value;

	if (object.len == 0 || object.at[0] != '{')
		return (struct json_span){ 0 };
	while (json_walk_field(&walk, &key, &value))
		if (json_key_is(key, name))
			return json_key_is(value, "null") ? (struct json_span){ 0 } : value;
	return (struct json_span){ 0 };
}

bool json_span_is(struct json_span value, const char *text)
{
	size_t len = strlen(text);

	return value.len == len + 2 && value.at[0] == '"' && memcmp(value.at + 1, text, len) == 0;
}

/* The four hex digits at `at`; negative: they are none. */
static int32_t hex4(const char *at, const char *end)
{
	int32_t unit = 0;

	if (end - at < 4)
		return -1;
	for (size_t i = 0; i < 4; i++) {
		char c = at[i];
		int32_t digit = c >= '0' && c <= '9'   ? c - '0'
				: c >= 'a' && c <= 'f' ? c - 'a' + 10
				: c >= 'A' && c <= 'F' ? c - 'A' + 10
						       : -1;

		if (digit < 0)
			return -1;
		unit = unit * 16 + digit;
	}
	return unit;
}

static size_t put_utf8(uint32_t c, char out[4])
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* RFC 8259 7: \uXXXX, and two of them for what lies beyond the BMP. *at is behind the 'u'. 0: no escape. */
static size_t unescape_unicode(const char **at, const char *end, char out[4])
{
	int32_t unit = hex4(*at, end);
	int32_t low;

	if (unit <= 0)
		return 0;
	*at += 4;
	if (unit < 0xd800 || unit > 0xdfff)
		return put_utf8((uint32_t)unit, out);
	low = unit < 0xdc00 && end - *at >= 6 && (*at)[0] == '\\' && (*at)[1] == 'u' ? hex4(*at + 2, end) : -1;
	if (low < 0xdc00 || low > 0xdfff)
		return put_utf8(0xfffd, out);
	*at += 6;
	return put_utf8(0x10000 + ((uint32_t)(unit - 0xd800) << 10) + (uint32_t)(low - 0xdc00), out);
}

/* One escape; *at is behind the backslash. Bytes in `out`; 0: it is none. */
static size_t unescape(const char **at, const char *end, char out[4])
{
	static const char from[] = "\"\\/bfnrt";
	static const char to[] = "\"\\/\b\f\n\r\t";
	const char *found;
	char c;

	if (*at == end)
		return 0;
	c = *(*at)++;
	if (c == 'u')
		return unescape_unicode(at, end, out);
	found = c == '\0' ? NULL : strchr(from, c);
	if (found == NULL)
		return 0;
	out[0] = to[found - from];
	return 1;
}

int json_span_text(struct json_span value, char *buf, size_t size)
{
	const char *at, *end;
	size_t len = 0;

	buf[0] = '\0';
	if (value.at == NULL || value.len < 2 || value.at[0] != '"')
		return -EINVAL;
	at = value.at + 1;
	end = value.at + value.len - 1;
	while (at < end) {
		char out[4] = { *at++ };
		size_t n = out[0] == '\\' ? unescape(&at, end, out) : 1;
		int r = n == 0 || out[0] == '\0' ? -EINVAL : len + n >= size ? -EMSGSIZE : 0;

		if (r != 0) {
			buf[0] = '\0';
			return r;
		}
		memcpy(buf + len, out, n);
		len += n;
	}
	buf[len] = '\0';
	return (int)len;
}

int64_t json_span_integer(struct json_span value, int64_t low, int64_t high, int64_t otherwise)
{
	char text[24];
	char *end;
	long long n;

	if (value.at == NULL || value.len == 0 || value.len >= sizeof(text))
		return otherwise;
	memcpy(text, value.at, value.len);
	text[value.len] = '\0';
	if (strspn(text, "-0123456789") != value.len)
		return otherwise;
	errno = 0;
	n = strtoll(text, &end, 10);
	if (errno != 0 || *end != '\0' || end == text || n < low || n > high)
		return otherwise;
	return n;
}
