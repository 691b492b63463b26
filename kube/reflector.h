/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Follows all objects of one kind: which request to make of the API server now, and what its answer means. Knows nothing of sockets: whoever
 * drives it makes the requests and says what came of them. After client-go's tools/cache/reflector.go. Pure.
 *
 *        +-----------------------> WAIT <-------------------------------+
 *        |   page done, failed      | due                               |
 *        |            +-------------+--------------+                    |
 *        |            v             v              v                    |
 *        +--------- LIST         STREAM --------> WATCH ----------------+
 *                                     everything came    ended, failed
 *
 * A full picture comes by a streaming list (a watch that starts with every object and says when that was all) or, where the server refuses
 * that, by LIST in pages. Then the watch says what changes. The server may end it at any time: we go on from the last version seen. It says
 * "410 Gone" in the middle of a stream when it cannot: a new picture is compared with what is known, and only the difference is told.
 */
#ifndef MLB_KUBE_REFLECTOR_H
#define MLB_KUBE_REFLECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/rng.h"
#include "base/time.h"
#include "kube/known.h"
#include "kube/status.h"
#include "kube/stream.h"
#include "kube/url.h"

#define REFLECTOR_WHY_MAX 383

/*
 * What the follower is told. Texts are borrowed until the function returns. None may call the reflector, or take long: the server cuts off
 * a watcher that reads slowly. Keys are "namespace/name", or "name" where there are no namespaces.
 *
 *   replace_begin, deleted*, object*, replace_end      a full picture, given as the difference with what was told before
 *   object, deleted                                    one change
 *
 * Within a picture `object` is called for new and changed objects alone, and deletions come first, so that what one object gives up is
 * free when another asks for it. The very first picture is given as it comes; when it breaks off, replace_begin comes again without
 * replace_end, and what was told stays true. Nothing is decided well before the first replace_end. An object that was deleted and made
 * again is told as deleted, then as new.
 */
struct reflector_sink {
	void (*replace_begin)(void *arg);
	/* The object's JSON: of a watch as it stands there, of a list without kind and apiVersion. */
	void (*object)(void *arg, const char *key, const char *json, size_t len);
	void (*deleted)(void *arg, const char *key, const char *uid);
	void (*replace_end)(void *arg);
	/* What was told may be out of date from now on, and why; NULL: no longer so. Never called twice with the same meaning. */
	void (*stale)(void *arg, const char *why);
	void *arg;
};

struct reflector_config {
	bool consistent;    /* the first picture is no older than the request; else as old as a server's cache may be */
	bool streaming;	    /* try streaming lists */
	struct span spread; /* the first request comes after a random part of this: many agents start at once */
	struct span watch_min; /* the server ends a watch after this to twice this */
	struct span silence;   /* a watch without a byte for so long is dead. Bookmarks come each minute */
	unsigned int page;     /* objects of one page */
};

/* What client-go does, and two bookmarks missed (kube.md: nothing else finds a dead server behind a live proxy). */
extern const struct reflector_config reflector_defaults;

enum reflector_state { REFLECTOR_WAIT, REFLECTOR_LIST, REFLECTOR_STREAM, REFLECTOR_WATCH };

struct reflector_request {
	enum reflector_state kind; /* not REFLECTOR_WAIT */
	struct span timeout;	   /* for the whole answer */
};

struct reflector_counters {
	uint64_t pictures, pages, watches; /* pictures complete; pages and watches begun */
	uint64_t events;		   /* lines of watches that are no bookmarks */
	uint64_t bookmarks;
	uint64_t failures; /* requests that failed, "410 Gone" included */
	uint64_t gone;	   /* 410 */
	uint64_t skipped;  /* objects without a name, events of unknown type */
};

struct reflector_stage; /* changed objects, held back until a picture is complete */

struct reflector {
	struct reflector_config config;
	struct reflector_sink sink;
	struct rng rng;
	struct reflector_counters counters;
	enum reflector_state state;
	struct instant due; /* WAIT: when the next request is to be made */
	enum reflector_state next;
	/* the request in flight */
	struct instant begun;
	struct instant heard;	/* when something came last */
	struct instant give_up; /* when it has taken too long as a whole */
	int code;		/* its HTTP status; 0: none yet */
	int retry_after_s;	/* its header; negative: none */
	struct line_splitter lines;
	struct item_splitter items;
	struct stream_buffer refusal; /* the body of an answer that is no 200 */
	int ended;		      /* why its data is no good, negative errno; 0: it is good so far */
	bool error_event;	      /* `error` was in the stream */
	struct api_status error;
	uint64_t request_events;
	/* where we are */
	struct known known;
	char version[KUBE_VERSION_MAX + 1]; /* "": none */
	char token[KUBE_CONTINUE_MAX + 1];  /* of the next page; "": the first */
	bool from_now;			    /* the next list is of the newest version, whatever the cost */
	bool unpaged;			    /* and in one page: the last one's token had expired */
	bool no_streaming;		    /* this server refuses streaming lists */
	bool hung;			    /* or never says that everything has come; then we do not try again */
	bool synced;			    /* there was a full picture */
	uint32_t list;			    /* number of the picture that comes in */
	bool direct;	     /* it is told as it comes: nothing was known before, or too much has changed */
	bool told;	     /* replace_begin was called for it */
	struct arena staged; /* of `stage` */
	struct reflector_stage *stage, **stage_end;
	size_t stage_len;
	/* failures */
	unsigned int failure_n; /* in a row, for the back-off */
	unsigned int refused_n; /* of these the last: 401 and 403 */
	struct instant failed;	/* the last one */
	bool stale;
	char why[REFLECTOR_WHY_MAX + 1];
};

/* sink's functions must all be there. The sink's arg and everything it needs outlive the reflector. */
void reflector_init(struct reflector *r, const struct reflector_config *config, const struct reflector_sink *sink,
		    uint64_t seed, struct instant now);
void reflector_free(struct reflector *r);

/* When to call reflector_next or reflector_overdue. */
struct instant reflector_deadline(const struct reflector *r);
/* The server was seen to answer: a back-off is cut short to a second at most. What the server itself asked for stays. */
void reflector_hurry(struct reflector *r, struct instant now);
/*
 * Is a request to be made now? Then the parameters that it needs are appended to path, selectors are the caller's; the answer is told by
 * the functions below, reflector_end last.
 */
bool reflector_next(struct reflector *r, struct instant now, struct url_path *path, struct reflector_request *ret);
/* Has the request in flight been silent, or gone on, for too long? Then break it off and call reflector_end. */
bool reflector_overdue(const struct reflector *r, struct instant now);
/* The header of the answer. retry_after_s negative: absent. */
void reflector_response(struct reflector *r, struct instant now, int code, int retry_after_s);
/* A piece of its body. Not 0: break the request off and call reflector_end. */
int reflector_data(struct reflector *r, struct instant now, const char *data, size_t len);
/* The answer is complete (error 0), or broke off: a negative errno, and why for people. */
void reflector_end(struct reflector *r, struct instant now, int error, const char *why);

#endif
