/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is freed as a whole: what belongs to one object lies together. All heap of kube/'s cores. Pure but for calloc and free. */
#ifndef MLB_KUBE_ARENA_H
#define MLB_KUBE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct arena_chunk;

struct arena {
	struct arena_chunk *chunks; /* owned; the newest first */
	size_t used;		    /* bytes that all of it would take in one chunk */
};

void arena_init(struct arena *arena);
void arena_free(struct arena *arena);
/* Zeroed, for any type, until arena_free. NULL: no memory. n 0: some pointer that is not NULL. */
void *arena_take(struct arena *arena, size_t n, size_t size);
/* NULL also when text is NULL: check for that first where it matters. */
char *arena_text(struct arena *arena, const char *text);

/*
 * One object in one block: `fill` is called twice with the same input, to learn the size and to fill a block of it. *object has
 * `size` bytes at the start of the block. 0 and the block in *ret, freed by arena_object_free; or what `fill` returned; -ENOMEM.
 */
int arena_object(size_t size, int (*fill)(struct arena *arena, void *object, void *ctx), void *ctx, void **ret);
void arena_object_free(void *object);

#endif
