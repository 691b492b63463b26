/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/selector.h"

#include <stdlib.h>
#include <string.h>

/* Text that is written twice: to know its length, and to have it. */
struct writer {
	char *to; /* NULL: only count */
	size_t len;
};

static void put(struct writer *w, const char *text)
{
	size_t len = strlen(text);

	if (w->to != NULL)
		memcpy(w->to + w->len, text, len);
	w->len += len;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char *kube_repeated(const char **texts, size_t n)
{
	if (n > 1)
		qsort(texts, n, sizeof(*texts), compare_texts);
	for (size_t i = 1; i < n; i++) {
		if (strcmp(texts[i - 1], texts[i]) == 0)
			return texts[i];
	}
	return NULL;
}

static int compare_requirements(const void *a, const void *b)
{
	const struct label_requirement *const *x = a;
	const struct label_requirement *const *y = b;
	int order = strcmp((*x)->key, (*y)->key);

	if (order != 0)
		return order;
	if ((*x)->operator!=(*y)->operator)
		return (*x)->operator<(*y)->operator? -1 : 1;
	if ((*x)->value_n != (*y)->value_n)
		return (*x)->value_n < (*y)->value_n ? -1 : 1;
	for (size_t i = 0; i < (*x)->value_n && order == 0; i++)
		order = strcmp((*x)->values[i], (*y)->values[i]);
	return order;
}

static void put_requirement(struct writer *w, const struct label_requirement *requirement)
{
	bool listed = requirement->operator== LABEL_IN || requirement->operator== LABEL_NOT_IN;

	if (requirement->operator== LABEL_DOES_NOT_EXIST)
		put(w, "!");
	put(w, requirement->key);
	if (!listed)
		return;
	if (requirement->operator== LABEL_IN && requirement->value_n == 1) {
		put(w, "=");
		put(w, requirement->values[0]);
		return;
	}
	put(w, requirement->operator== LABEL_IN ? " in (" : " notin (");
	for (size_t i = 0; i < requirement->value_n; i++) {
		put(w, i == 0 ? "" : ",");
		put(w, requirement->values[i]);
	}
	put(w, ")");
}

char *kube_selector_text(struct arena *arena, const struct label_selector *selector)
{
	const struct label_requirement **sorted =
		arena_take(arena, selector->requirement_n, sizeof(struct label_requirement *));
	struct writer w = { 0 };

	if (sorted == NULL)
		return NULL;
	for (size_t i = 0; i < selector->requirement_n; i++)
		sorted[i] = &selector->requirements[i];
	if (selector->requirement_n > 1)
		qsort(sorted, selector->requirement_n, sizeof(struct label_requirement *), compare_requirements);
	for (int pass = 0; pass < 2; pass++) {
		if (pass == 1)
			w = (struct writer){ arena_take(arena, w.len + 1, 1), 0 };
		if (pass == 1 && w.to == NULL)
			return NULL;
		for (size_t i = 0; i < selector->requirement_n; i++) {
			put(&w, i == 0 ? "" : ",");
			put_requirement(&w, sorted[i]);
		}
	}
	return w.to;
}

char *kube_pairs_text(struct arena *arena, const struct label_pair *pairs, size_t n)
{
	struct writer w = { 0 };

	for (int pass = 0; pass < 2; pass++) {
		if (pass == 1)
			w = (struct writer){ arena_take(arena, w.len + 1, 1), 0 };
		if (pass == 1 && w.to == NULL)
			return NULL;
		for (size_t i = 0; i < n; i++) {
			put(&w, i == 0 ? "" : ",");
			put(&w, pairs[i].key);
			put(&w, "=");
			put(&w, pairs[i].value);
		}
	}
	return w.to;
}
