/* SPDX-License-Identifier: Apache-2.0 */
/* What the decoders share: reading fields of JSON objects into an arena, with the path of what is wrong. Pure. */
#ifndef MLB_KUBE_JSON_H
#define MLB_KUBE_JSON_H

#include "kube/arena.h"
#include "kube/decode.h"

/* Where values go, and where an error. The first error stays. */
struct decoder {
	const cJSON *json;
	struct arena *arena;
	struct kube_error *error;
	int r; /* 0, or the first error */
};

/* Record an error about a path; no more than the first. */
__attribute__((format(printf, 3, 4))) void decode_fail(struct decoder *d, int r, const char *format, ...);

/* A field; NULL: absent or null. `object` may be NULL. */
const cJSON *json_field(const cJSON *object, const char *name);
/* A field that must be an object or absent. */
const cJSON *json_object(struct decoder *d, const cJSON *object, const char *name);
/* A list's first item and its length; more than max is an error. */
const cJSON *json_list(struct decoder *d, const cJSON *object, const char *name, size_t max, size_t *ret_n);
/* The text itself, borrowed from the JSON; NULL: absent. */
const char *json_text(struct decoder *d, const cJSON *object, const char *name);
bool json_bool(struct decoder *d, const cJSON *object, const char *name, bool absent);
int64_t json_integer(struct decoder *d, const cJSON *object, const char *name, int64_t low, int64_t high,
		     int64_t absent);

/* Zeroed memory of the object; NULL only with an error recorded. */
void *decode_take(struct decoder *d, size_t n, size_t size);
/* A copy; NULL: text is NULL, or an error is recorded. */
const char *decode_text(struct decoder *d, const char *text);
const char *const *decode_texts(struct decoder *d, const cJSON *object, const char *name, size_t max, size_t *ret_n);
/* An object of texts, by key. */
const struct label_pair *decode_pairs(struct decoder *d, const cJSON *object, const char *name, size_t max,
				      size_t *ret_n);
void decode_meta(struct decoder *d, struct kube_meta *meta);
/* A meta/v1 LabelSelector; NULL: absent, which matches nothing and is an error here. */
void decode_selector(struct decoder *d, const cJSON *json, const char *path, struct label_selector *selector);
const struct label_selector *decode_selectors(struct decoder *d, const cJSON *object, const char *name, size_t max,
					      size_t *ret_n);

/* Run one decoder of an object of `size` bytes. */
int decode_object(const cJSON *json, size_t size, void (*fill)(struct decoder *d, void *object), void **ret,
		  struct kube_error *error);

#endif
