/* SPDX-License-Identifier: Apache-2.0 */
/* Labels of a node and label selectors, with the meaning of Kubernetes' LabelSelector. Pure. */
#ifndef MLB_BASE_LABEL_H
#define MLB_BASE_LABEL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/limits.h"

struct label {
	char key[LABEL_TEXT_MAX + 1];
	char value[LABEL_TEXT_MAX + 1];
};

struct label_set {
	size_t label_n;
	struct label labels[LABEL_MAX]; /* no key twice */
};

enum label_operator { LABEL_IN, LABEL_NOT_IN, LABEL_EXISTS, LABEL_DOES_NOT_EXIST };

struct label_requirement {
	char *key; /* owned by the selector */
	enum label_operator operator;
	char **values; /* owned, value_n of them; none for EXISTS and DOES_NOT_EXIST */
	size_t value_n;
};

/* All requirements must hold; none: matches everything. */
struct label_selector {
	struct label_requirement *requirements; /* owned */
	size_t requirement_n;
};

/* A label of an object that may have any number of them, of any length. Borrowed texts. */
struct label_pair {
	const char *key;
	const char *value;
};

/* The value of a key, or NULL. */
const char *label_get(const struct label_set *set, const char *key);
/* Set or replace. 0, -ENOSPC (LABEL_MAX reached), -EINVAL (key empty, key or value too long). */
int label_set_put(struct label_set *set, const char *key, const char *value);
bool label_selector_matches(const struct label_selector *selector, const struct label_set *set);
/* Any of n selectors matches; n == 0 matches everything. */
bool label_selectors_match(const struct label_selector *selectors, size_t n, const struct label_set *set);
/* The same for pairs, no key twice. */
const char *label_pairs_get(const struct label_pair *pairs, size_t pair_n, const char *key);
bool label_selector_matches_pairs(const struct label_selector *selector, const struct label_pair *pairs, size_t pair_n);
bool label_selectors_match_pairs(const struct label_selector *selectors, size_t n, const struct label_pair *pairs,
				 size_t pair_n);

#endif
