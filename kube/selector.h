/* SPDX-License-Identifier: Apache-2.0 */
/* Label selectors as text, one for each meaning. Pure. */
#ifndef MLB_KUBE_SELECTOR_H
#define MLB_KUBE_SELECTOR_H

#include "base/label.h"
#include "kube/arena.h"

/*
 * As kubectl writes selectors: "app=web,tier in (a,b),!old,zone notin (c)", by key; "" matches everything. Values are in the order
 * that they have, which is sorted where kube/decode.h made them; then selectors with equal texts mean the same. NULL: no memory.
 */
char *kube_selector_text(struct arena *arena, const struct label_selector *selector);
/* The same for an equality selector, as services have: "a=1,b=2". Pairs are by key. */
char *kube_pairs_text(struct arena *arena, const struct label_pair *pairs, size_t n);
/* The first text that is in the list twice; NULL: none. Sorts the list. */
const char *kube_repeated(const char **texts, size_t n);

#endif
