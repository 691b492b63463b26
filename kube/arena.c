/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/arena.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_LEN 4096
#define ALIGNMENT_MAX 16

struct arena_chunk {
	struct arena_chunk *next;
	size_t len;
	size_t used;
	_Alignas(ALIGNMENT_MAX) unsigned char bytes[];
};

static struct arena_chunk *chunk_new(size_t len)
{
	struct arena_chunk *chunk = calloc(1, sizeof(*chunk) + len);

	if (chunk != NULL)
		chunk->len = len;
	return chunk;
}

void arena_init(struct arena *arena)
{
	*arena = (struct arena){ 0 };
}

void arena_free(struct arena *arena)
{
	while (arena->chunks != NULL) {
		struct arena_chunk *chunk = arena->chunks;

		arena->chunks = chunk->next;
		free(chunk);
	}
	arena_init(arena);
}

/* A type's alignment divides its size. */
static size_t aligned(size_t offset, size_t size)
{
	size_t alignment = size & (0 - size);

	if (alignment == 0)
		return offset;
	if (alignment > ALIGNMENT_MAX)
		alignment = ALIGNMENT_MAX;
	return (offset + alignment - 1) / alignment * alignment;
}

void *arena_take(struct arena *arena, size_t n, size_t size)
{
	struct arena_chunk *chunk = arena->chunks;
	size_t len = n * size;
	void *ret;

	if (size != 0 && n > (SIZE_MAX / 2) / size)
		return NULL;
	if (chunk == NULL || aligned(chunk->used, size) + len > chunk->len) {
		chunk = chunk_new(len > CHUNK_LEN ? len : CHUNK_LEN);
		if (chunk == NULL)
			return NULL;
		chunk->next = arena->chunks;
		arena->chunks = chunk;
	}
	chunk->used = aligned(chunk->used, size);
	ret = chunk->bytes + chunk->used;
	chunk->used += len;
	arena->used = aligned(arena->used, size) + len;
	return ret;
}

char *arena_text(struct arena *arena, const char *text)
{
	size_t len = text == NULL ? 0 : strlen(text) + 1;
	char *copy = text == NULL ? NULL : arena_take(arena, len, 1);

	return copy == NULL ? NULL : memcpy(copy, text, len);
}

/* The arena of an object is one chunk, which starts with the object; so the chunk can be found from it. */
static void *object_in(struct arena_chunk *chunk)
{
	return chunk->bytes;
}

int arena_object(size_t size, int (*fill)(struct arena *arena, void *object, void *ctx), void *ctx, void **ret)
{
	struct arena arena = { 0 };
	struct arena_chunk *chunk;
	void *object = arena_take(&arena, 1, size);
	size_t len;
	int r = object == NULL ? -ENOMEM : fill(&arena, object, ctx);

	len = arena.used;
	arena_free(&arena);
	if (r != 0)
		return r;
	chunk = chunk_new(len);
	if (chunk == NULL)
		return -ENOMEM;
	arena.chunks = chunk;
	r = fill(&arena, arena_take(&arena, 1, size), ctx);
	if (r != 0) {
		arena_free(&arena);
		return r;
	}
	assert(arena.chunks == chunk); /* the same input takes the same room */
	*ret = object_in(chunk);
	return 0;
}

void arena_object_free(void *object)
{
	if (object != NULL)
		free((unsigned char *)object - offsetof(struct arena_chunk, bytes));
}
