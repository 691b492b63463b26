/* SPDX-License-Identifier: Apache-2.0 */
#include "base/label.h"

#include <errno.h>
#include <string.h>

const char *label_get(const struct label_set *set, const char *key)
{
	for (size_t i = 0; i < set->label_n; i++) {
		if (strcmp(set->labels[i].key, key) == 0)
			return set->labels[i].value;
	}
	return NULL;
}

int label_set_put(struct label_set *set, const char *key, const char *value)
{
	size_t key_len = strlen(key);
	size_t value_len = strlen(value);
	size_t i;

	if (key_len == 0 || key_len > LABEL_TEXT_MAX || value_len > LABEL_TEXT_MAX)
		return -EINVAL;
	for (i = 0; i < set->label_n && strcmp(set->labels[i].key, key) != 0; i++)
		;
	if (i == LABEL_MAX)
		return -ENOSPC;
	memcpy(set->labels[i].key, key, key_len + 1);
	memcpy(set->labels[i].value, value, value_len + 1);
	if (i == set->label_n)
		set->label_n++;
	return 0;
}

static bool value_listed(const struct label_requirement *requirement, const char *value)
{
	for (size_t i = 0; i < requirement->value_n; i++) {
		if (strcmp(requirement->values[i], value) == 0)
			return true;
	}
	return false;
}

/* For an object that has this value under the requirement's key; NULL: it has not the key. */
static bool requirement_holds(const struct label_requirement *requirement, const char *value)
{
	switch (requirement->operator) {
	case LABEL_IN:
		return value != NULL && value_listed(requirement, value);
	case LABEL_NOT_IN:
		return value == NULL || !value_listed(requirement, value);
	case LABEL_EXISTS:
		return value != NULL;
	case LABEL_DOES_NOT_EXIST:
		return value == NULL;
	}
	return false;
}

bool label_selector_matches(const struct label_selector *selector, const struct label_set *set)
{
	for (size_t i = 0; i < selector->requirement_n; i++) {
		const struct label_requirement *requirement = &selector->requirements[i];

		if (!requirement_holds(requirement, label_get(set, requirement->key)))
			return false;
	}
	return true;
}

bool label_selectors_match(const struct label_selector *selectors, size_t n, const struct label_set *set)
{
	for (size_t i = 0; i < n; i++) {
		if (label_selector_matches(&selectors[i], set))
			return true;
	}
	return n == 0;
}

const char *label_pairs_get(const struct label_pair *pairs, size_t pair_n, const char *key)
{
	for (size_t i = 0; i < pair_n; i++) {
		if (strcmp(pairs[i].key, key) == 0)
			return pairs[i].value;
	}
	return NULL;
}

bool label_selector_matches_pairs(const struct label_selector *selector, const struct label_pair *pairs, size_t pair_n)
{
	for (size_t i = 0; i < selector->requirement_n; i++) {
		const struct label_requirement *requirement = &selector->requirements[i];

		if (!requirement_holds(requirement, label_pairs_get(pairs, pair_n, requirement->key)))
			return false;
	}
	return true;
}

bool label_selectors_match_pairs(const struct label_selector *selectors, size_t n, const struct label_pair *pairs,
				 size_t pair_n)
{
	for (size_t i = 0; i < n; i++) {
		if (label_selector_matches_pairs(&selectors[i], pairs, pair_n))
			return true;
	}
	return n == 0;
}
