/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kube/reflector.c against a model of an API server that loses connections at any byte, forgets old versions, is too old for streaming
 * lists, refuses, and is restored to an older state. Whatever happens: what the follower was told is a state that the server had, object by
 * object; each end is told once; and when the server is well for a while, the follower has what the server has.
 */
#include <check.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kube/reflector.h"

#define OBJECT_N 12
#define HISTORY_MAX 4096
#define SECOND INT64_C(1000000)

struct object {
	bool there;
	unsigned int uid;
	uint64_t version;
};

struct event {
	uint64_t version;
	unsigned int name, uid;
	char type; /* 'A', 'M', 'D' */
};

static struct {
	struct rng rng;
	struct instant now;
	/* the server */
	struct object objects[OBJECT_N];
	struct event history[HISTORY_MAX];
	size_t history_n;
	uint64_t version, oldest; /* watches from before `oldest` are gone */
	unsigned int restored;	  /* how often */
	uint64_t common;	  /* up to here its history is that from before it was restored */
	unsigned int uids;
	bool streaming, well;
	unsigned int page;
	/* the list that is being read in pages: a state of its own */
	struct object listed[OBJECT_N];
	uint64_t listed_version;
	/* the watch in flight */
	bool watching;
	size_t sent; /* of the history */
	/* the follower */
	struct object told[OBJECT_N];
	unsigned int pictures;
	char version_known[KUBE_VERSION_MAX + 1];
	unsigned int restored_known; /* `restored` when it got that version */
} w;

static struct reflector r;

static unsigned int name_of(const char *key)
{
	unsigned int name;

	ck_assert_int_eq(sscanf(key, "n/o%u", &name), 1);
	ck_assert_uint_lt(name, OBJECT_N);
	return name;
}

static void on_begin(void *arg)
{
	(void)arg;
}

static void on_object(void *arg, const char *key, const char *json, size_t len)
{
	struct object *told = &w.told[name_of(key)];
	struct object got = { .there = true };
	char text[512];

	(void)arg;
	ck_assert_uint_lt(len, sizeof(text));
	memcpy(text, json, len);
	text[len] = '\0';
	ck_assert_ptr_nonnull(strstr(text, "\"uid\":\"u"));
	got.uid = (unsigned int)strtoul(strstr(text, "\"uid\":\"u") + 8, NULL, 10);
	got.version = strtoull(strstr(text, "\"resourceVersion\":\"") + 19, NULL, 10);
	/* Another object of that name was told to be gone before; and the same thing is not told twice. */
	ck_assert(!told->there || told->uid == got.uid);
	ck_assert(!told->there || told->version != got.version);
	*told = got;
}

static void on_deleted(void *arg, const char *key, const char *uid)
{
	struct object *told = &w.told[name_of(key)];

	(void)arg;
	ck_assert(told->there);
	ck_assert_uint_eq(strtoul(uid + 1, NULL, 10), told->uid);
	told->there = false;
}

static void on_end(void *arg)
{
	(void)arg;
	w.pictures++;
}

static void on_stale(void *arg, const char *why)
{
	(void)arg;
	(void)why;
}

/* ---- the server ---- */

static void change(void)
{
	unsigned int name = (unsigned int)rng_below(&w.rng, OBJECT_N);
	struct object *object = &w.objects[name];
	struct event event = { .version = ++w.version, .name = name };

	if (w.history_n == HISTORY_MAX)
		return;
	if (!object->there) {
		*object = (struct object){ true, ++w.uids, w.version };
		event.type = 'A';
	} else if (rng_chance(&w.rng, 400000)) {
		object->there = false;
		event.type = 'D';
	} else {
		object->version = w.version;
		event.type = 'M';
	}
	event.uid = object->uid;
	w.history[w.history_n++] = event;
}

/* What lies before is forgotten: compaction, or a new server process. */
static void forget(void)
{
	w.oldest = w.version;
}

/* From a backup: the newest objects are not there, the version is one that was given before. */
static void restore(void)
{
	uint64_t back = w.version > 30 ? w.version - 30 : 1;

	for (size_t i = 0; i < OBJECT_N; i++)
		w.objects[i].there &= w.objects[i].version <= back;
	if (w.restored == w.restored_known || back < w.common)
		w.common = back;
	w.version = back;
	w.oldest = back;
	w.restored++;
	w.history_n = 0;
	w.watching = false;
}

static void give(const char *text, size_t len);

__attribute__((format(printf, 1, 2))) static void send_text(const char *format, ...)
{
	static char text[OBJECT_N * 256];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	ck_assert_int_lt(len, (int)sizeof(text));
	give(text, (size_t)len);
}

static void lose(void)
{
	w.watching = false;
	if (r.state != REFLECTOR_WAIT)
		reflector_end(&r, w.now, -ECONNRESET, "lost");
}

/* In pieces; and it may break off at any byte. */
static void give(const char *text, size_t len)
{
	size_t cut = !w.well && rng_chance(&w.rng, 30000) ? (size_t)rng_below(&w.rng, len + 1) : len + 1;

	for (size_t at = 0; at < len && r.state != REFLECTOR_WAIT;) {
		size_t n = 1 + (size_t)rng_below(&w.rng, len - at);

		if (at >= cut) {
			lose();
			return;
		}
		if (at + n > cut)
			n = cut - at;
		if (reflector_data(&r, w.now, text + at, n) != 0) {
			w.watching = false;
			reflector_end(&r, w.now, -ECANCELED, "");
		}
		at += n;
	}
}

static const char *json_of(unsigned int name, unsigned int uid, uint64_t version)
{
	static char json[256];

	snprintf(json, sizeof(json),
		 "{\"metadata\":{\"name\":\"o%u\",\"namespace\":\"n\",\"uid\":\"u%u\",\"resourceVersion\":\"%llu\"}}",
		 name, uid, (unsigned long long)version);
	return json;
}

static void refuse(int code, const char *cause)
{
	char body[256];

	reflector_response(&r, w.now, code, rng_chance(&w.rng, 500000) ? 2 : -1);
	snprintf(body, sizeof(body), "{\"kind\":\"Status\",\"code\":%d,\"details\":{\"causes\":[{\"reason\":\"%s\"}]}}",
		 code, cause);
	(void)reflector_data(&r, w.now, body, strlen(body));
	reflector_end(&r, w.now, 0, "");
}

static uint64_t parameter(const char *query, const char *name)
{
	const char *at = strstr(query, name);

	return at == NULL ? 0 : strtoull(at + strlen(name), NULL, 10);
}

static void serve_page(const char *query)
{
	uint64_t token = parameter(query, "continue=");
	uint64_t limit = parameter(query, "limit=") == 0 ? OBJECT_N : w.page;
	unsigned int from = token == 0 ? 0 : (unsigned int)(token % 100), name = from;
	const char *comma = "";

	if (token == 0) {
		memcpy(w.listed, w.objects, sizeof(w.listed));
		w.listed_version = w.version;
	} else if (token / 100 != w.listed_version || w.listed_version < w.oldest) {
		refuse(410, "");
		return;
	}
	reflector_response(&r, w.now, 200, -1);
	send_text("{\"items\":[");
	for (; name < OBJECT_N && name < from + limit && r.state == REFLECTOR_LIST; name++) {
		if (!w.listed[name].there)
			continue;
		send_text("%s%s", comma, json_of(name, w.listed[name].uid, w.listed[name].version));
		comma = ",";
	}
	if (r.state != REFLECTOR_LIST)
		return;
	if (name < OBJECT_N)
		send_text("],\"metadata\":{\"resourceVersion\":\"%llu\",\"continue\":\"%llu\"}}",
			  (unsigned long long)w.listed_version, (unsigned long long)w.listed_version * 100 + name);
	else
		send_text("],\"metadata\":{\"resourceVersion\":\"%llu\"}}", (unsigned long long)w.listed_version);
	if (r.state == REFLECTOR_LIST)
		reflector_end(&r, w.now, 0, "");
}

static void serve_stream(void)
{
	reflector_response(&r, w.now, 200, -1);
	w.watching = true;
	w.sent = w.history_n;
	for (unsigned int name = 0; name < OBJECT_N && w.watching; name++)
		if (w.objects[name].there)
			send_text("{\"type\":\"ADDED\",\"object\":%s}\n",
				  json_of(name, w.objects[name].uid, w.objects[name].version));
	if (w.watching)
		send_text("{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"%llu\","
			  "\"annotations\":{"
			  "\"k8s.io/initial-events-end\":\"true\"}}}}\n",
			  (unsigned long long)w.version);
}

static void serve_watch(const char *query)
{
	uint64_t from = parameter(query, "resourceVersion=");

	reflector_response(&r, w.now, 200, -1);
	/*
	 * Nothing in the protocol tells a version of the other history from one of this, once the numbers have caught up: whoever
	 * restores has to say that they are compacted ("etcdutl snapshot restore --mark-compacted"), as this server does.
	 */
	if (from < w.oldest || (w.restored != w.restored_known && from > w.common && from <= w.version)) {
		send_text("{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410}}\n");
		return;
	}
	w.watching = true;
	/* From the server's future: silence. */
	for (w.sent = 0; w.sent < w.history_n && w.history[w.sent].version <= from; w.sent++)
		;
	if (from > w.version)
		w.sent = SIZE_MAX;
}

static void serve(const char *query)
{
	uint64_t version = parameter(query, "resourceVersion=");

	w.watching = false;
	if (!w.well && rng_chance(&w.rng, 150000)) {
		static const int codes[] = { 429, 500, 503, 401, 410, 504 };

		refuse(codes[rng_below(&w.rng, 6)], "");
	} else if (!w.well && rng_chance(&w.rng, 100000)) {
		lose();
	} else if (strstr(query, "sendInitialEvents") != NULL) {
		if (w.streaming)
			serve_stream();
		else
			refuse(422, "");
	} else if (strstr(query, "watch=1") != NULL) {
		serve_watch(query);
	} else if (version > w.version) {
		refuse(504, "ResourceVersionTooLarge");
	} else {
		serve_page(query);
	}
}

static void push_events(void)
{
	static const char *const types[] = { ['A'] = "ADDED", ['M'] = "MODIFIED", ['D'] = "DELETED" };

	while (w.watching && w.sent < w.history_n) {
		struct event e = w.history[w.sent++];

		send_text("{\"type\":\"%s\",\"object\":%s}\n", types[(int)e.type], json_of(e.name, e.uid, e.version));
	}
	if (w.watching && w.sent != SIZE_MAX && rng_chance(&w.rng, 20000))
		send_text("{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"%llu\"}}}\n",
			  (unsigned long long)w.version);
}

static void step(void)
{
	struct reflector_request request;
	struct url_path path;

	w.now = instant_add(w.now, span_ms(rng_between(&w.rng, 1, 1000)));
	push_events();
	if (reflector_overdue(&r, w.now)) {
		w.watching = false;
		reflector_end(&r, w.now, -ETIMEDOUT, "nothing came");
	}
	if (w.watching && rng_chance(&w.rng, 5000)) { /* the server's time is over */
		w.watching = false;
		if (r.state != REFLECTOR_WAIT)
			reflector_end(&r, w.now, 0, "");
	}
	url_path_init(&path, "/x");
	if (reflector_next(&r, w.now, &path, &request))
		serve(url_path_text(&path));
	if (strcmp(w.version_known, r.version) != 0) {
		snprintf(w.version_known, sizeof(w.version_known), "%s", r.version);
		w.restored_known = w.restored;
	}
}

static void misfortune(void)
{
	if (rng_chance(&w.rng, 3000))
		forget();
	if (rng_chance(&w.rng, 500))
		restore();
	if (rng_chance(&w.rng, 3000))
		lose();
	if (rng_chance(&w.rng, 1000))
		w.streaming = !w.streaming;
}

START_TEST(follows)
{
	struct reflector_sink sink = { on_begin, on_object, on_deleted, on_end, on_stale, NULL };
	struct reflector_config config = reflector_defaults;

	memset(&w, 0, sizeof(w));
	w.rng = rng_of((uint64_t)_i + 1);
	w.now = (struct instant){ 1000 * SECOND };
	w.version = 1;
	w.page = (unsigned int)rng_between(&w.rng, 1, 5);
	w.streaming = rng_chance(&w.rng, 500000);
	config.consistent = rng_chance(&w.rng, 500000);
	reflector_init(&r, &config, &sink, rng_u64(&w.rng), w.now);
	for (int i = 0; i < 3000; i++) {
		if (rng_chance(&w.rng, 300000))
			change();
		misfortune();
		step();
	}
	/* Well again: bookmarks come, nothing breaks. Silence is found after 150 s, the back-off is a minute at most. */
	w.well = true;
	for (int i = 0; i < 1500; i++)
		step();
	ck_assert_uint_gt(w.pictures, 0);
	for (size_t i = 0; i < OBJECT_N; i++) {
		ck_assert_msg(w.told[i].there == w.objects[i].there, "o%zu", i);
		ck_assert(!w.told[i].there ||
			  (w.told[i].uid == w.objects[i].uid && w.told[i].version == w.objects[i].version));
	}
	reflector_free(&r);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kube_reflector_model");
	TCase *tcase = tcase_create("kube_reflector_model");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, follows, 0, 200);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
