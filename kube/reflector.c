/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/reflector.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kube/picture.h"

const struct reflector_config reflector_defaults = {
	.streaming = true,
	.watch_min = { 300 * INT64_C(1000000) },
	.silence = { 150 * INT64_C(1000000) },
	.page = 500,
};

/* client-go: 0.8 s, doubled up to 30 s, each lengthened by up to as much; forgotten after 2 min without a failure. */
#define BACKOFF_FIRST_MS 800
#define BACKOFF_MAX_MS 30000
#define BACKOFF_FORGET_S 120
/* Who is refused will be refused again: rights and secrets do not change by the second. */
#define REFUSED_S 30
/* A server does not ask for more than this; a proxy's fault must not silence us for hours. */
#define RETRY_AFTER_MAX_S 300
/* A list as a whole, and its longest pause: the server itself gives up after 60 s. */
#define LIST_MAX_S 300
#define LIST_SILENCE_S 65
/* In a streaming list something comes all the time, until everything has come. */
#define STREAM_SILENCE_S 30
/* The server ends a watch by itself; this long after, it has not. */
#define WATCH_GRACE_S 30
/* After the server was seen to answer others. */
#define HURRY_MS 1000

/* client-go's VeryShortWatchError */
#define WATCH_SHORT_S 1

void reflector_init(struct reflector *r, const struct reflector_config *config, const struct reflector_sink *sink,
		    uint64_t seed, struct instant now)
{
	assert(sink->replace_begin != NULL && sink->object != NULL && sink->deleted != NULL &&
	       sink->replace_end != NULL && sink->stale != NULL);
	assert(config->page > 0 && config->watch_min.us >= 1000000);
	*r = (struct reflector){ .config = *config, .sink = *sink, .rng = rng_of(seed), .due = now };
	known_init(&r->known, rng_u64(&r->rng));
	line_splitter_init(&r->lines, KUBE_OBJECT_LEN_MAX);
	item_splitter_init(&r->items, KUBE_OBJECT_LEN_MAX, KUBE_ENVELOPE_LEN_MAX);
	stream_buffer_init(&r->refusal, KUBE_STATUS_LEN_MAX);
	arena_init(&r->staged);
	r->stage_end = &r->stage;
	r->next = config->streaming ? REFLECTOR_STREAM : REFLECTOR_LIST;
	r->failed = (struct instant){ now.us - span_s(BACKOFF_FORGET_S).us - 1 };
	if (config->spread.us > 0)
		r->due = instant_add(now, span_us(rng_between(&r->rng, 0, config->spread.us)));
}

void reflector_free(struct reflector *r)
{
	known_free(&r->known);
	line_splitter_free(&r->lines);
	item_splitter_free(&r->items);
	stream_buffer_free(&r->refusal);
	arena_free(&r->staged);
}

/* The kind of request that gives a full picture. */
static enum reflector_state picture_kind(const struct reflector *r)
{
	return r->config.streaming && !r->no_streaming ? REFLECTOR_STREAM : REFLECTOR_LIST;
}

static struct span silence_of(const struct reflector *r)
{
	struct span stream = span_s(STREAM_SILENCE_S);

	switch (r->state) {
	case REFLECTOR_LIST:
		return span_s(LIST_SILENCE_S);
	case REFLECTOR_STREAM:
		return r->config.silence.us < stream.us ? r->config.silence : stream;
	case REFLECTOR_WATCH:
	case REFLECTOR_WAIT:
		break;
	}
	return r->config.silence;
}

struct instant reflector_deadline(const struct reflector *r)
{
	if (r->state == REFLECTOR_WAIT)
		return r->due;
	return instant_min(r->give_up, instant_add(r->heard, silence_of(r)));
}

bool reflector_overdue(const struct reflector *r, struct instant now)
{
	return r->state != REFLECTOR_WAIT && instant_reached(reflector_deadline(r), now);
}

static void list_parameters(const struct reflector *r, struct url_path *path)
{
	bool page = !r->unpaged;

	if (r->token[0] != '\0') {
		url_path_parameter(path, "continue", r->token);
	} else if (r->from_now || (r->version[0] == '\0' && r->config.consistent)) {
		/* no version: the newest */
	} else if (r->version[0] == '\0') {
		/* What the server's cache has. It gives all at once then; one without a cache gives pages. */
		url_path_parameter(path, "resourceVersion", "0");
	} else {
		/* With a limit, old servers would not take this from the cache. */
		page = false;
		url_path_parameter(path, "resourceVersion", r->version);
		url_path_parameter(path, "resourceVersionMatch", "NotOlderThan");
	}
	if (page)
		url_path_number(path, "limit", r->config.page);
}

/* Each watch ends at another time, so that not all begin anew at once. */
static void watch_parameters(struct reflector *r, struct url_path *path, struct reflector_request *ret)
{
	int64_t seconds =
		rng_between(&r->rng, r->config.watch_min.us / 1000000, 2 * (r->config.watch_min.us / 1000000));

	url_path_parameter(path, "watch", "1");
	url_path_parameter(path, "allowWatchBookmarks", "true");
	if (r->next == REFLECTOR_STREAM) {
		/* Without the last one, a server that knows nothing of the other starts a plain watch. */
		url_path_parameter(path, "sendInitialEvents", "true");
		url_path_parameter(path, "resourceVersionMatch", "NotOlderThan");
	} else {
		url_path_parameter(path, "resourceVersion", r->version);
	}
	url_path_number(path, "timeoutSeconds", seconds);
	ret->timeout = span_s(seconds + WATCH_GRACE_S);
}

bool reflector_next(struct reflector *r, struct instant now, struct url_path *path, struct reflector_request *ret)
{
	if (r->state != REFLECTOR_WAIT || !instant_reached(r->due, now))
		return false;
	*ret = (struct reflector_request){ .kind = r->next, .timeout = span_s(LIST_MAX_S) };
	if (r->next == REFLECTOR_LIST)
		list_parameters(r, path);
	else
		watch_parameters(r, path, ret);
	r->state = r->next;
	r->begun = r->heard = now;
	r->give_up = instant_add(now, ret->timeout);
	r->code = 0;
	r->retry_after_s = -1;
	r->ended = 0;
	r->error_event = false;
	r->request_events = 0;
	line_splitter_reset(&r->lines);
	item_splitter_reset(&r->items);
	stream_buffer_clear(&r->refusal);
	return true;
}

static void wait_for(struct reflector *r, struct instant due, enum reflector_state next)
{
	r->state = REFLECTOR_WAIT;
	r->due = due;
	r->next = next;
}

/* The server answers again. */
static void fresh(struct reflector *r)
{
	r->refused_n = 0;
	if (!r->stale)
		return;
	r->stale = false;
	r->why[0] = '\0';
	r->sink.stale(r->sink.arg, NULL);
}

void reflector_response(struct reflector *r, struct instant now, int code, int retry_after_s)
{
	assert(r->state != REFLECTOR_WAIT);
	r->heard = now;
	r->code = code;
	r->retry_after_s = retry_after_s;
	if (code != 200)
		return;
	switch (r->state) {
	case REFLECTOR_LIST:
		r->counters.pages++;
		if (r->token[0] == '\0')
			picture_begin(r);
		break;
	case REFLECTOR_STREAM:
		picture_begin(r);
		break;
	case REFLECTOR_WATCH:
		r->counters.watches++;
		fresh(r);
		break;
	case REFLECTOR_WAIT:
		break;
	}
}

static void remember_version(struct reflector *r, const char *version)
{
	if (version[0] != '\0')
		snprintf(r->version, sizeof(r->version), "%s", version);
}

static int on_bookmark(struct reflector *r, const struct object_meta *meta)
{
	int error;

	r->counters.bookmarks++;
	if (r->state == REFLECTOR_WATCH) {
		remember_version(r, meta->version);
		return 0;
	}
	if (!meta->all_came)
		return 0;
	error = picture_end(r);
	if (error != 0)
		return error;
	/* The same stream goes on as the watch. */
	remember_version(r, meta->version);
	r->state = REFLECTOR_WATCH;
	r->from_now = false;
	fresh(r);
	return 0;
}

static int on_error_event(struct reflector *r, struct json_span object)
{
	r->error_event = true;
	if (object.at == NULL)
		api_status_parse("", 0, 500, &r->error);
	else
		api_status_parse(object.at, object.len, 500, &r->error);
	return -ECANCELED;
}

static int on_event(struct reflector *r, struct json_span type, struct json_span object)
{
	bool deleted = json_span_is(type, "DELETED");
	struct object_meta meta;
	bool named = object_meta_read(object, &meta);
	int error = 0;

	if (json_span_is(type, "BOOKMARK"))
		return on_bookmark(r, &meta);
	if (!named || (!deleted && !json_span_is(type, "ADDED") && !json_span_is(type, "MODIFIED"))) {
		r->counters.skipped++;
		return 0;
	}
	r->counters.events++;
	r->request_events++;
	if (r->state == REFLECTOR_STREAM)
		return deleted ? picture_deleted(r, object) : picture_object(r, object);
	if (deleted)
		change_deleted(r, &meta);
	else
		error = change_object(r, &meta, object);
	if (error == 0)
		remember_version(r, meta.version);
	return error;
}

/* {"type":"ADDED","object":{...}} */
static int on_line(void *arg, const char *text, size_t len)
{
	struct reflector *r = arg;
	struct json_span event = json_span_of(text, len);
	struct json_span type = json_span_field(event, "type");
	struct json_span object = json_span_field(event, "object");

	if (event.at == NULL || type.at == NULL)
		return -EBADMSG;
	if (json_span_is(type, "ERROR"))
		return on_error_event(r, object);
	return on_event(r, type, object);
}

static int on_item(void *arg, const char *text, size_t len)
{
	return picture_object(arg, (struct json_span){ text, len });
}

int reflector_data(struct reflector *r, struct instant now, const char *data, size_t len)
{
	assert(r->state != REFLECTOR_WAIT);
	r->heard = now;
	if (r->ended != 0)
		return r->ended;
	if (r->code != 200) {
		/* A refusal that is longer than any is cut: its beginning says enough. */
		(void)stream_buffer_add(&r->refusal, data, len);
		return 0;
	}
	if (r->state == REFLECTOR_LIST)
		r->ended = item_splitter_feed(&r->items, data, len, on_item, r);
	else
		r->ended = line_splitter_feed(&r->lines, data, len, on_line, r);
	return r->ended;
}

/* How long to wait after a failure. */
static struct span backoff(struct reflector *r, struct instant now, int code, int retry_after_s)
{
	int64_t ms;

	if (instant_since(now, r->failed).us > span_s(BACKOFF_FORGET_S).us)
		r->failure_n = 0;
	r->failed = now;
	ms = BACKOFF_FIRST_MS;
	for (unsigned int i = 0; i < r->failure_n && ms < BACKOFF_MAX_MS; i++)
		ms *= 2;
	r->failure_n++;
	if (ms > BACKOFF_MAX_MS)
		ms = BACKOFF_MAX_MS;
	/* A first 401 may be a token that has just been replaced: the next request reads it anew. */
	if (code == 401 || code == 403)
		r->refused_n++;
	if (code == 403 || (code == 401 && r->refused_n > 1))
		ms = ms > REFUSED_S * 1000 ? ms : REFUSED_S * 1000;
	ms += rng_between(&r->rng, 0, ms);
	if (retry_after_s > RETRY_AFTER_MAX_S)
		retry_after_s = RETRY_AFTER_MAX_S;
	if (retry_after_s > 0 && ms < retry_after_s * INT64_C(1000))
		ms = retry_after_s * INT64_C(1000) + rng_between(&r->rng, 0, retry_after_s * INT64_C(250));
	return span_ms(ms);
}

void reflector_hurry(struct reflector *r, struct instant now)
{
	struct instant soon = instant_add(now, span_ms(rng_between(&r->rng, 0, HURRY_MS)));

	if (r->state == REFLECTOR_WAIT && r->stale && r->retry_after_s <= 0)
		r->due = instant_min(r->due, soon);
}

static const char *name_of(enum reflector_state state)
{
	switch (state) {
	case REFLECTOR_LIST:
		return "list";
	case REFLECTOR_STREAM:
		return "streaming list";
	case REFLECTOR_WATCH:
		return "watch";
	case REFLECTOR_WAIT:
		break;
	}
	return "wait";
}

/* What the failure of a list means for the next one. */
static enum reflector_state list_failed(struct reflector *r, const struct api_status *status)
{
	bool later = status->code == 0 || status->code == 429 || (status->code == 503 && !status->too_new);

	if (later && r->ended == 0)
		return REFLECTOR_LIST; /* the same page again; what came of it twice is told once */
	if (status->code == 410 && r->token[0] != '\0')
		r->unpaged = true; /* the next would take as long as this one took */
	/* 504 is how a server says that it never had this version: restored, or another one behind the same address. */
	if (status->code == 410 || status->code == 504 || status->code == 500 || status->too_new)
		r->from_now = true;
	r->token[0] = '\0';
	picture_drop(r);
	return picture_kind(r);
}

static enum reflector_state stream_failed(struct reflector *r, const struct api_status *status, bool silent)
{
	picture_drop(r);
	if (status->code == 422 || status->code == 400)
		r->no_streaming = true;
	if (silent && r->code == 200)
		r->no_streaming = r->hung = true;
	return picture_kind(r);
}

static enum reflector_state watch_failed(const struct reflector *r, const struct api_status *status, bool silent)
{
	/*
	 * Silence: a server that was restored to an older state says nothing to a version from its future, for ever. Lines that
	 * make no sense: start over.
	 */
	bool go_on = status->code == 429 || (status->code == 0 && !silent && r->ended == 0) ||
		     (!r->error_event &&
		      (status->code == 401 || status->code == 403 || (status->code >= 500 && !status->too_new)));

	return go_on ? REFLECTOR_WATCH : picture_kind(r);
}

static void explain(struct reflector *r, const struct api_status *status, const char *why)
{
	if (status->code != 0)
		snprintf(r->why, sizeof(r->why), "%s: %d %s%s%s", name_of(r->state), status->code, status->reason,
			 status->reason[0] == '\0' ? "" : ": ", status->message);
	else if (r->ended == -EBADMSG)
		snprintf(r->why, sizeof(r->why), "%s: the answer is not what the API gives", name_of(r->state));
	else if (r->ended == -EMSGSIZE)
		snprintf(r->why, sizeof(r->why), "%s: an object of more than %d bytes", name_of(r->state),
			 KUBE_OBJECT_LEN_MAX);
	else if (r->ended == -ENOBUFS)
		snprintf(r->why, sizeof(r->why), "%s: more than %d objects", name_of(r->state), KUBE_FOLLOWED_MAX);
	else if (r->ended == -ENOMEM)
		snprintf(r->why, sizeof(r->why), "%s: out of memory", name_of(r->state));
	else
		snprintf(r->why, sizeof(r->why), "%s: %s", name_of(r->state), why);
}

static void failed(struct reflector *r, struct instant now, int error, const char *why)
{
	struct api_status status = { 0 };
	bool silent = error == -ETIMEDOUT && r->code == 200 && r->ended == 0;
	enum reflector_state next = REFLECTOR_WATCH;
	struct span wait;

	if (r->error_event)
		status = r->error;
	else if (r->code != 0 && r->code != 200)
		api_status_parse(r->refusal.data == NULL ? "" : r->refusal.data, r->refusal.len, r->code, &status);
	explain(r, &status, why);
	r->counters.failures++;
	r->counters.gone += status.code == 410;
	switch (r->state) {
	case REFLECTOR_LIST:
		next = list_failed(r, &status);
		break;
	case REFLECTOR_STREAM:
		next = stream_failed(r, &status, silent);
		if (next == REFLECTOR_LIST && !silent) { /* this server is too old for it: no failure of anything */
			wait_for(r, now, next);
			return;
		}
		break;
	case REFLECTOR_WATCH:
		next = watch_failed(r, &status, silent);
		break;
	case REFLECTOR_WAIT:
		break;
	}
	/* Where there was no connection, the next server may be another one. */
	if (r->code == 0 && !r->hung)
		r->no_streaming = false;
	wait = backoff(r, now, status.code,
		       r->retry_after_s > status.retry_after_s ? r->retry_after_s : status.retry_after_s);
	wait_for(r, instant_add(now, wait), next);
	if (!r->stale) {
		r->stale = true;
		r->sink.stale(r->sink.arg, r->why);
	}
}

/* metadata.continue and metadata.resourceVersion of a list's envelope. Another page, everything, or no list at all? */
static int list_ended(struct reflector *r, struct instant now)
{
	struct json_span envelope = json_span_of(r->items.envelope.data, r->items.envelope.len);
	struct json_span metadata = json_span_field(envelope, "metadata");
	char version[KUBE_VERSION_MAX + 1];
	int error;

	if (json_span_text(json_span_field(metadata, "resourceVersion"), version, sizeof(version)) <= 0)
		return -EBADMSG;
	error = json_span_text(json_span_field(metadata, "continue"), r->token, sizeof(r->token));
	if (error == -EMSGSIZE)
		return error;
	if (r->token[0] != '\0') {
		wait_for(r, now, REFLECTOR_LIST);
		return 0;
	}
	error = picture_end(r);
	if (error != 0)
		return error;
	remember_version(r, version);
	r->from_now = r->unpaged = false;
	fresh(r);
	wait_for(r, now, REFLECTOR_WATCH);
	return 0;
}

/* The answer came to its end as it should. */
static int ended_well(struct reflector *r, struct instant now, const char **why)
{
	switch (r->state) {
	case REFLECTOR_LIST:
		return item_splitter_whole(&r->items) ? list_ended(r, now) : -EBADMSG;
	case REFLECTOR_STREAM:
		*why = "ended before everything had come";
		return -ECONNRESET;
	case REFLECTOR_WATCH:
		if (r->request_events == 0 && instant_since(now, r->begun).us < span_s(WATCH_SHORT_S).us) {
			*why = "ended at once";
			return -ECONNRESET;
		}
		wait_for(r, now, REFLECTOR_WATCH);
		return 0;
	case REFLECTOR_WAIT:
		break;
	}
	return 0;
}

void reflector_end(struct reflector *r, struct instant now, int error, const char *why)
{
	assert(r->state != REFLECTOR_WAIT);
	if (error == 0 && r->ended == 0 && r->code == 200) {
		/* A last line that was cut off is none; the next watch brings it again. */
		error = ended_well(r, now, &why);
		if (error == -EBADMSG || error == -EMSGSIZE || error == -ENOMEM || error == -ENOBUFS)
			r->ended = error;
		if (error == 0)
			return;
	}
	failed(r, now, error, why);
}
