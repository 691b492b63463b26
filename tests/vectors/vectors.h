/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs cases of tests/vectors/ and of files like them against the real code. A suite builds what it got as JSON with the keys that the case
 * expects; comparing and reporting is done in one place.
 */
#ifndef MLB_TESTS_VECTORS_VECTORS_H
#define MLB_TESTS_VECTORS_VECTORS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "allocator/allocator.h"
#include "kube/arena.h"
#include "kube/pools.h"

struct run {
	size_t passed;
	size_t failed;
	size_t skipped;
	const char *file;  /* being read */
	const char *suite; /* its id */
};

/* --- reporting --- */
/* Compare and count. Lists are compared as sets but for those under the names "cidrs" and "exact". Takes `got`. */
void judge(struct run *run, const char *id, cJSON *got, const cJSON *expected);
/* The case cannot be run: it fails. */
__attribute__((format(printf, 3, 4))) void broken(struct run *run, const char *id, const char *format, ...);
void skip(struct run *run, const char *id, const char *why);
/* Is each key of the object one of these words? If not, the case fails: what is not understood is not passed. */
bool keys_known(struct run *run, const char *id, const cJSON *object, const char *words);
bool json_equal(const cJSON *got, const cJSON *expected);

/* --- reading --- */
const cJSON *get(const cJSON *object, const char *name);
/* NULL if it is no text. */
const char *get_text(const cJSON *object, const char *name);
bool get_bool(const cJSON *object, const char *name, bool absent);
/* The id of a case, or "suite-n". Static until the next call. */
const char *id_of(const struct run *run, const cJSON *item);
/* Fails the suite, and leaves it, where memory or a vector's own syntax is at fault. */
void must(bool good, const char *what);

struct ip ip_of(const char *text);
cJSON *ip_list(const struct ip *ips, size_t n);
/* A label selector as text ("a=1,b in (x,y),!c"), into the arena. */
struct label_selector selector_of(struct arena *arena, const char *text);
/* The text that all forms of a selector have in common. */
const char *selector_same(struct arena *arena, const char *text);
const struct label_pair *pairs_of(struct arena *arena, const cJSON *object, size_t *ret_n);
/* Pools as allocator.json writes them. */
struct alloc_pool *pools_of(struct arena *arena, const cJSON *list, size_t *ret_n);
/* "tcp/80" */
struct alloc_port *ports_of(struct arena *arena, const cJSON *list, size_t *ret_n);
const char **texts_of(struct arena *arena, const cJSON *list, size_t *ret_n);

/* --- suites: one function for each id --- */
struct suite {
	const char *id;
	void (*run)(struct run *run, const cJSON *suite);
};
extern const struct suite allocator_suites[];
extern const struct suite config_suites[];
extern const struct suite controller_suites[];
extern const struct suite layer2_suites[];

#endif
