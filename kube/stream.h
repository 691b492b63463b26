/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What comes from the API server in pieces of any length, cut into what can be understood: a watch into its lines, a list into its items
 * and the rest. One object is held at a time, never a whole list. Pure.
 */
#ifndef MLB_KUBE_STREAM_H
#define MLB_KUBE_STREAM_H

#include <stdbool.h>
#include <stddef.h>

#include "kube/arena.h"

/* Bytes that grow up to a limit. */
struct stream_buffer {
	struct arena arena; /* of `data` */
	char *data;	    /* not terminated; NULL while nothing was ever in it */
	size_t len;
	size_t size;
	size_t max;
};

void stream_buffer_init(struct stream_buffer *buffer, size_t max);
void stream_buffer_free(struct stream_buffer *buffer);
/* 0; -EMSGSIZE: that would be more than the limit; -ENOMEM. It is unchanged then. */
int stream_buffer_add(struct stream_buffer *buffer, const char *data, size_t len);
/* Empty it; memory beyond what usual objects need is given back. */
void stream_buffer_clear(struct stream_buffer *buffer);

/* Gets one object's text, borrowed until it returns. Anything but 0 ends the feeding, and is what the feeder returns. */
typedef int stream_object_fn(void *arg, const char *text, size_t len);

struct line_splitter {
	struct stream_buffer line; /* the beginning of a line whose end has not come */
};

/* Lines longer than max are an error. */
void line_splitter_init(struct line_splitter *splitter, size_t max);
void line_splitter_free(struct line_splitter *splitter);
/* To be used for another stream. */
void line_splitter_reset(struct line_splitter *splitter);
/* Each whole line without its end, empty ones left out. 0, -EMSGSIZE, -ENOMEM, or what `line` returned. */
int line_splitter_feed(struct line_splitter *splitter, const char *data, size_t len, stream_object_fn *line, void *arg);

enum item_state {
	ITEM_START,    /* before the document */
	ITEM_ENVELOPE, /* in it, outside `items` */
	ITEM_BETWEEN,  /* in the array `items`, outside an object */
	ITEM_INSIDE,   /* in an item */
	ITEM_DONE,     /* behind the document */
};

struct item_splitter {
	enum item_state state;
	struct stream_buffer item; /* the beginning of one whose end has not come */
	/* The document with an empty array in place of the items: kind, metadata. Whole in ITEM_DONE. */
	struct stream_buffer envelope;
	size_t depth; /* open brackets: of the document, or of the item */
	bool quoted;
	bool escaped;
	bool key;	   /* the next string at depth 1 is a key */
	size_t key_match;  /* characters of this key that are those of "items"; beyond its length: another key */
	bool items_follow; /* that key was seen; its value has not begun */
	bool comma;	   /* in `items`: an item must follow or precede */
	size_t item_n;
};

void item_splitter_init(struct item_splitter *splitter, size_t item_max, size_t envelope_max);
void item_splitter_free(struct item_splitter *splitter);
void item_splitter_reset(struct item_splitter *splitter);
/* 0; -EBADMSG: no list; -EMSGSIZE: an item or the rest is too long; -ENOMEM; or what `item` returned. */
int item_splitter_feed(struct item_splitter *splitter, const char *data, size_t len, stream_object_fn *item, void *arg);
/* Has the document come to its end? */
bool item_splitter_whole(const struct item_splitter *splitter);

#endif
