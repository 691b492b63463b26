/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking into JSON text (RFC 8259) without a tree: walks the fields of an object where they stand, copies nothing, allocates nothing.
 * Only as strict as finding values needs; whoever takes an object apart parses it anew. Pure.
 */
#ifndef MLB_KUBE_SCAN_H
#define MLB_KUBE_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A value's own text, from its first character to its last; borrowed. at NULL: no value. */
struct json_span {
	const char *at;
	size_t len;
};

struct json_walk {
	const char *at;
	const char *end;
	bool broken; /* the text is not JSON; nothing more comes */
	bool begun;
};

/* The text's only value, without white space around it; at NULL: it is not one whole value. */
struct json_span json_span_of(const char *text, size_t len);
/* Walk over the fields of an object, or over the values of an array. Anything else has none. */
struct json_walk json_walk_of(struct json_span value);
/* The next field. The key is as it stands between its quotes, escapes and all. False: no more, or broken. */
bool json_walk_field(struct json_walk *walk, struct json_span *key, struct json_span *value);
bool json_walk_value(struct json_walk *walk, struct json_span *value);

/* Is this key (as json_walk_field gives it) the plain text? */
bool json_key_is(struct json_span key, const char *text);
/* The first field of that name; at NULL: absent, null, or no object. */
struct json_span json_span_field(struct json_span object, const char *name);
/* Is the value a string of just this text? For texts that JSON does not escape. */
bool json_span_is(struct json_span value, const char *text);
/*
 * A string's text, unescaped, with a terminator. Its length; -EINVAL: no string, or with a zero or an escape that is none; -EMSGSIZE: longer
 * than size - 1. On failure buf is "". A surrogate without its other half becomes U+FFFD, as in Go.
 */
int json_span_text(struct json_span value, char *buf, size_t size);
/* An integer without fraction or exponent, in [low, high]; anything else is `otherwise`. */
int64_t json_span_integer(struct json_span value, int64_t low, int64_t high, int64_t otherwise);

#endif
