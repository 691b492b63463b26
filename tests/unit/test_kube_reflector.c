/* SPDX-License-Identifier: Apache-2.0 */
/* kube/reflector.c in virtual time: which request comes when, and what each answer makes of it. */
#include "kube/reflector.h"

#include <check.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define SECOND INT64_C(1000000)

static struct reflector r;
static struct instant now;
static char told[65536]; /* what the follower was told since the last look */
static char query[KUBE_PATH_MAX];
static struct reflector_request request;

__attribute__((format(printf, 1, 2))) static void note(const char *format, ...)
{
	size_t len = strlen(told);
	va_list args;

	va_start(args, format);
	vsnprintf(told + len, sizeof(told) - len, format, args);
	va_end(args);
}

static void on_begin(void *arg)
{
	(void)arg;
	note("begin ");
}

static void on_object(void *arg, const char *key, const char *json, size_t len)
{
	(void)arg;
	ck_assert(json[0] == '{' && json[len - 1] == '}');
	note("+%s ", key);
}

static void on_deleted(void *arg, const char *key, const char *uid)
{
	(void)arg;
	note("-%s/%s ", key, uid);
}

static void on_end(void *arg)
{
	(void)arg;
	note("end ");
}

static void on_stale(void *arg, const char *why)
{
	(void)arg;
	note("%s", why == NULL ? "fresh " : "stale ");
}

static const struct reflector_sink sink = { on_begin, on_object, on_deleted, on_end, on_stale, NULL };

static void start(bool streaming)
{
	struct reflector_config config = reflector_defaults;

	config.streaming = streaming;
	now = (struct instant){ 1000 * SECOND };
	told[0] = '\0';
	reflector_init(&r, &config, &sink, 42, now);
}

static void setup(void)
{
	start(true);
}

static void teardown(void)
{
	reflector_free(&r);
}

/* What was told since the last look is just this. */
static void expect_told(const char *want)
{
	ck_assert_str_eq(told, want);
	told[0] = '\0';
}

/* The next request comes after low to high ms, and is of that kind. Time goes on to it. */
static void expect_request(enum reflector_state kind, int64_t low_ms, int64_t high_ms)
{
	struct instant due = reflector_deadline(&r);
	struct url_path path;
	int64_t ms = instant_since(due, now).us / 1000;

	ck_assert_int_eq(r.state, REFLECTOR_WAIT);
	if (ms < 0)
		ms = 0;
	ck_assert_msg(ms >= low_ms && ms <= high_ms, "after %lld ms, not %lld to %lld", (long long)ms,
		      (long long)low_ms, (long long)high_ms);
	url_path_init(&path, "/x");
	if (ms > 0)
		ck_assert(!reflector_next(&r, (struct instant){ due.us - 1 }, &path, &request));
	now = due.us > now.us ? due : now;
	ck_assert(reflector_next(&r, now, &path, &request));
	ck_assert_int_eq(request.kind, kind);
	ck_assert(!reflector_next(&r, now, &path, &request)); /* one at a time */
	snprintf(query, sizeof(query), "%s", url_path_text(&path));
}

static void has(const char *parameter)
{
	ck_assert_msg(strstr(query, parameter) != NULL, "%s has no %s", query, parameter);
}

static void has_not(const char *parameter)
{
	ck_assert_msg(strstr(query, parameter) == NULL, "%s has %s", query, parameter);
}

static void after(int64_t ms)
{
	now = instant_add(now, span_ms(ms));
}

static void answer(int code, int retry_after_s)
{
	reflector_response(&r, now, code, retry_after_s);
}

static int data(const char *text)
{
	return reflector_data(&r, now, text, strlen(text));
}

static void end_well(void)
{
	reflector_end(&r, now, 0, "");
}

static void lose(void)
{
	reflector_end(&r, now, -ECONNRESET, "gone");
}

static void refuse(int code, int retry_after_s, const char *body)
{
	answer(code, retry_after_s);
	ck_assert_int_eq(data(body), 0);
	end_well();
}

#define META(name, version)                                                         \
	"{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"n\",\"uid\":\"u" name \
	"\",\"resourceVersion\":\"" version "\"}}"
#define EVENT(type, name, version) "{\"type\":\"" type "\",\"object\":" META(name, version) "}\n"
#define BOOKMARK(version) "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"" version "\"}}}\n"
#define ALL_CAME(version)                                                                 \
	"{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"" version \
	"\",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}}}}\n"
#define ERROR_EVENT(code) "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"message\":\"m\",\"code\":" code "}}\n"
#define LIST(version, token, items) \
	"{\"metadata\":{\"resourceVersion\":\"" version "\",\"continue\":\"" token "\"},\"items\":[" items "]}"

/* A full picture of a, b, c by a streaming list, which is a watch from version 10 now. */
static void picture(void)
{
	expect_request(REFLECTOR_STREAM, 0, 0);
	answer(200, -1);
	data(EVENT("ADDED", "a", "1") EVENT("ADDED", "b", "2") EVENT("ADDED", "c", "3") ALL_CAME("10"));
	expect_told("begin +n/a +n/b +n/c end ");
}

START_TEST(streaming)
{
	expect_request(REFLECTOR_STREAM, 0, 0);
	has("watch=1");
	has("sendInitialEvents=true");
	has("resourceVersionMatch=NotOlderThan");
	has("allowWatchBookmarks=true");
	has("timeoutSeconds=");
	has_not("resourceVersion=");
	answer(200, -1);
	expect_told("begin ");
	ck_assert_int_eq(data(EVENT("ADDED", "a", "1")), 0);
	expect_told("+n/a ");
	ck_assert_int_eq(data(BOOKMARK("5") EVENT("ADDED", "b", "2")), 0);
	ck_assert(!r.synced);
	ck_assert_int_eq(data(ALL_CAME("10")), 0);
	expect_told("+n/b end ");
	ck_assert(r.synced);
	ck_assert_str_eq(r.version, "10");
	data(EVENT("MODIFIED", "a", "11") EVENT("DELETED", "b", "12") BOOKMARK("20"));
	expect_told("+n/a -n/b/ub ");
	end_well();
	expect_request(REFLECTOR_WATCH, 0, 0);
	has("resourceVersion=20");
	has_not("sendInitialEvents");
	ck_assert_uint_eq(r.known.table.n, 1);
}
END_TEST

/* The same bytes in pieces of each length are the same events. */
START_TEST(pieces)
{
	static const char stream[] = EVENT("ADDED", "a", "1") EVENT("ADDED", "b", "2") ALL_CAME("10")
		EVENT("MODIFIED", "a", "11") EVENT("DELETED", "b", "12") EVENT("ADDED", "b", "13") BOOKMARK("20");
	static const char list[] = LIST("10", "", META("a", "1") "," META("b", "2"));

	for (size_t piece = 1; piece < sizeof(stream); piece++) {
		expect_request(REFLECTOR_STREAM, 0, 0);
		answer(200, -1);
		for (size_t at = 0; at < sizeof(stream) - 1; at += piece) {
			size_t left = sizeof(stream) - 1 - at;

			ck_assert_int_eq(reflector_data(&r, now, stream + at, left < piece ? left : piece), 0);
		}
		expect_told("begin +n/a +n/b end +n/a -n/b/ub +n/b ");
		ck_assert_str_eq(r.version, "20");
		reflector_free(&r);
		start(true);
	}
	for (size_t piece = 1; piece < sizeof(list); piece++) {
		reflector_free(&r);
		start(false);
		expect_request(REFLECTOR_LIST, 0, 0);
		answer(200, -1);
		for (size_t at = 0; at < sizeof(list) - 1; at += piece) {
			size_t left = sizeof(list) - 1 - at;

			ck_assert_int_eq(reflector_data(&r, now, list + at, left < piece ? left : piece), 0);
		}
		end_well();
		expect_told("begin +n/a +n/b end ");
		expect_request(REFLECTOR_WATCH, 0, 0);
		has("resourceVersion=10");
	}
}
END_TEST

/* kube.md 3: an old server says 422. It is asked by LIST from then on, in pages, until there was no connection. */
START_TEST(fall_back)
{
	expect_request(REFLECTOR_STREAM, 0, 0);
	refuse(422, -1, "{\"kind\":\"Status\",\"reason\":\"Invalid\",\"code\":422}");
	expect_told("");
	expect_request(REFLECTOR_LIST, 0, 0);
	has("resourceVersion=0");
	has("limit=500");
	answer(200, -1);
	data(LIST("10", "t1", META("a", "1")));
	end_well();
	expect_request(REFLECTOR_LIST, 0, 0);
	has("continue=t1");
	has("limit=500");
	has_not("resourceVersion");
	answer(200, -1);
	data(LIST("10", "t2", META("b", "2")));
	end_well();
	expect_request(REFLECTOR_LIST, 0, 0);
	has("continue=t2");
	answer(200, -1);
	data(LIST("10", "", META("c", "3")));
	expect_told("begin +n/a +n/b +n/c ");
	end_well();
	expect_told("end ");
	expect_request(REFLECTOR_WATCH, 0, 0);
	has("resourceVersion=10");
	answer(200, -1);
	data(ERROR_EVENT("410"));
	lose();
	expect_told("stale ");
	expect_request(REFLECTOR_LIST, 800, 1600);
	has("resourceVersion=10");
	has("resourceVersionMatch=NotOlderThan");
	has_not("limit");
	lose();
	expect_request(REFLECTOR_LIST, 1600, 3200);
	answer(500, -1);
	end_well();
	/* The first was lost without an answer: it may be another server now. */
	expect_request(REFLECTOR_STREAM, 3200, 6400);
}
END_TEST

/* 410 in the middle of a 200. What differs is told: what is gone first, nothing of what is the same. */
START_TEST(gone)
{
	picture();
	after(5000);
	ck_assert_int_ne(data(ERROR_EVENT("410") EVENT("ADDED", "x", "99")), 0);
	reflector_end(&r, now, -ECANCELED, "");
	expect_told("stale ");
	ck_assert_ptr_nonnull(strstr(r.why, "410"));
	ck_assert_uint_eq(r.counters.gone, 1);
	expect_request(REFLECTOR_STREAM, 800, 1600);
	answer(200, -1);
	/* a is the same, b is gone, c was made anew, d changed, e is new. */
	data(EVENT("ADDED", "e", "14") EVENT("ADDED", "a", "1"));
	data("{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"c\",\"namespace\":\"n\",\"uid\":\"other\","
	     "\"resourceVersion\":\"15\"}}}\n");
	expect_told("");
	data(ALL_CAME("30"));
	expect_told("begin -n/b/ub -n/c/uc +n/e +n/c end fresh ");
	ck_assert_uint_eq(r.known.table.n, 3);
}
END_TEST

/* A picture that breaks off changes nothing; what was held back is not remembered as told. */
START_TEST(broken_picture)
{
	picture();
	data(ERROR_EVENT("410"));
	lose();
	expect_request(REFLECTOR_STREAM, 800, 1600);
	answer(200, -1);
	data(EVENT("ADDED", "a", "20") EVENT("ADDED", "d", "21"));
	lose();
	expect_told("stale ");
	expect_request(REFLECTOR_STREAM, 1600, 3200);
	answer(200, -1);
	data(EVENT("ADDED", "a", "20") EVENT("ADDED", "b", "2") EVENT("ADDED", "c", "3") EVENT("DELETED", "c", "22")
		     ALL_CAME("30"));
	expect_told("begin -n/c/uc +n/a end fresh ");
}
END_TEST

/* The very first one is told as it comes, and once more from where it broke. */
START_TEST(broken_first)
{
	expect_request(REFLECTOR_STREAM, 0, 0);
	answer(200, -1);
	data(EVENT("ADDED", "a", "1") EVENT("ADDED", "b", "2"));
	lose();
	expect_told("begin +n/a +n/b stale ");
	expect_request(REFLECTOR_STREAM, 800, 1600);
	answer(200, -1);
	data(EVENT("ADDED", "b", "2") EVENT("ADDED", "c", "3") ALL_CAME("10"));
	expect_told("begin -n/a/ua +n/c end fresh ");
	/* A stream that ends well, but too early, is no picture either. */
	data(ERROR_EVENT("500"));
	lose();
	expect_told("stale ");
	expect_request(REFLECTOR_STREAM, 1600, 3200);
	answer(200, -1);
	end_well();
	expect_told("");
	ck_assert_ptr_nonnull(strstr(r.why, "before everything"));
}
END_TEST

/* kube.md 4: 0.8 s doubled up to 30 s, each up to twice as long; the version is kept; forgotten after two minutes. */
START_TEST(backoff)
{
	int64_t ms = 800;

	picture();
	lose();
	expect_told("stale ");
	for (int i = 0; i < 12; i++) {
		expect_request(REFLECTOR_WATCH, ms, 2 * ms);
		has("resourceVersion=10");
		lose();
		ms = ms * 2 > 30000 ? 30000 : ms * 2;
	}
	expect_told("");
	expect_request(REFLECTOR_WATCH, 30000, 60000);
	answer(200, -1);
	expect_told("fresh ");
	after(121000);
	data(BOOKMARK("11"));
	lose();
	expect_request(REFLECTOR_WATCH, 800, 1600);
	has("resourceVersion=11");
}
END_TEST

static const struct refused_case {
	int code, retry_after_s;
	const char *body;
	enum reflector_state next;
	int64_t low_ms, high_ms;
} refusals[] = {
	{ 429, 7, "Too many requests, please try again later.", REFLECTOR_WATCH, 7000, 8750 },
	{ 429, -1, "{\"kind\":\"Status\",\"code\":429,\"details\":{\"retryAfterSeconds\":9}}", REFLECTOR_WATCH, 9000,
	  11250 },
	{ 429, 100000, "", REFLECTOR_WATCH, 300000, 375000 },
	{ 429, 1, "", REFLECTOR_WATCH, 800, 1600 },
	{ 503, 5, "", REFLECTOR_WATCH, 5000, 6250 },
	{ 500, -1, "", REFLECTOR_WATCH, 800, 1600 },
	{ 401, -1, "", REFLECTOR_WATCH, 800, 1600 },
	{ 403, -1, "", REFLECTOR_WATCH, 30000, 60000 },
	{ 410, -1, "", REFLECTOR_STREAM, 800, 1600 },
	{ 400, -1, "", REFLECTOR_STREAM, 800, 1600 },
	{ 404, -1, "", REFLECTOR_STREAM, 800, 1600 },
	{ 504, -1,
	  "{\"kind\":\"Status\",\"code\":504,\"details\":{\"causes\":[{\"reason\":\"ResourceVersionTooLarge\"}]}}",
	  REFLECTOR_STREAM, 800, 1600 },
};

/* Refusals of a watch that begins. */
START_TEST(refused)
{
	const struct refused_case *c = &refusals[_i];

	picture();
	end_well();
	expect_request(REFLECTOR_WATCH, 0, 0);
	refuse(c->code, c->retry_after_s, c->body);
	expect_told("stale ");
	expect_request(c->next, c->low_ms, c->high_ms);
}
END_TEST

/* The first 401 may be a token that was replaced; who is refused twice waits. */
START_TEST(unauthorized)
{
	expect_request(REFLECTOR_STREAM, 0, 0);
	refuse(401, -1, "");
	expect_request(REFLECTOR_STREAM, 800, 1600);
	refuse(401, -1, "");
	expect_request(REFLECTOR_STREAM, 30000, 60000);
	answer(200, -1);
	data(ALL_CAME("1"));
	expect_told("stale begin end fresh ");
	after(60000);
	end_well();
	expect_request(REFLECTOR_WATCH, 0, 0);
	refuse(401, -1, "");
	expect_request(REFLECTOR_WATCH, 800, 6400);
}
END_TEST

static const struct {
	const char *code;
	enum reflector_state next;
} errors[] = {
	{ "410", REFLECTOR_STREAM }, { "429", REFLECTOR_WATCH },  { "500", REFLECTOR_STREAM },
	{ "403", REFLECTOR_STREAM }, { "504", REFLECTOR_STREAM }, { "null", REFLECTOR_STREAM },
};

/* Errors within a watch. */
START_TEST(error_events)
{
	char line[256];

	picture();
	snprintf(line, sizeof(line), "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":%s}}\n",
		 errors[_i].code);
	ck_assert_int_ne(data(line), 0);
	lose();
	expect_told("stale ");
	expect_request(errors[_i].next, 0, 60000);
}
END_TEST

/* kube.md 2: a server restored to an older state never answers a version from its future. */
START_TEST(future_version)
{
	reflector_free(&r);
	start(false);
	expect_request(REFLECTOR_LIST, 0, 0);
	answer(200, -1);
	data(LIST("900", "", META("a", "800")));
	end_well();
	expect_request(REFLECTOR_WATCH, 0, 0);
	answer(200, -1);
	ck_assert(!reflector_overdue(&r, instant_add(now, span_us(150 * SECOND - 1))));
	ck_assert_int_eq(instant_since(reflector_deadline(&r), now).us, 150 * SECOND);
	after(150000);
	ck_assert(reflector_overdue(&r, now));
	reflector_end(&r, now, -ETIMEDOUT, "nothing came");
	expect_told("begin +n/a end stale ");
	expect_request(REFLECTOR_LIST, 800, 1600);
	has("resourceVersion=900");
	refuse(504, 1,
	       "{\"kind\":\"Status\",\"code\":504,\"details\":{\"causes\":[{\"reason\":\"ResourceVersionTooLarge\"}]}"
	       "}");
	expect_request(REFLECTOR_LIST, 1600, 3200);
	has_not("resourceVersion");
	has("limit=500");
	answer(200, -1);
	data(LIST("50", "", META("b", "40")));
	end_well();
	expect_told("begin -n/a/ua +n/b end fresh ");
	expect_request(REFLECTOR_WATCH, 0, 0);
	has("resourceVersion=50");
}
END_TEST

/* A bookmark is a sign of life, and so is half a line. */
START_TEST(signs_of_life)
{
	picture();
	for (int i = 0; i < 4; i++) {
		after(100000);
		ck_assert(!reflector_overdue(&r, now));
		data(i % 2 == 0 ? "{\"type\":\"BOOKMARK\",\"object\":{"
				: "\"metadata\":{\"resourceVersion\":\"12\"}}}\n");
	}
	ck_assert_str_eq(r.version, "12");
	/* But for ever it must not go on. */
	now = instant_add(r.begun, request.timeout);
	data(BOOKMARK("13"));
	ck_assert(reflector_overdue(&r, now));
	ck_assert_int_ge(request.timeout.us, 330 * SECOND);
	ck_assert_int_le(request.timeout.us, 630 * SECOND);
}
END_TEST

/* client-go: a watch that ends at once with nothing in it is an error; one that gave something is not. */
START_TEST(short_watch)
{
	picture();
	after(400);
	end_well();
	expect_request(REFLECTOR_WATCH, 0, 0);
	answer(200, -1);
	after(999);
	end_well();
	expect_told("stale ");
	expect_request(REFLECTOR_WATCH, 800, 1600);
	answer(200, -1);
	data(EVENT("ADDED", "d", "11"));
	end_well();
	expect_request(REFLECTOR_WATCH, 0, 0);
	answer(200, -1);
	after(1000);
	end_well();
	expect_request(REFLECTOR_WATCH, 0, 0);
}
END_TEST

/* kube.md 1: the token of the next page dies with a compaction. Then everything at once, however old the first pages. */
START_TEST(token_expired)
{
	reflector_free(&r);
	start(false);
	expect_request(REFLECTOR_LIST, 0, 0);
	answer(200, -1);
	data(LIST("10", "t1", META("a", "1") "," META("b", "2")));
	end_well();
	expect_request(REFLECTOR_LIST, 0, 0);
	refuse(410, -1, "{\"kind\":\"Status\",\"reason\":\"Expired\",\"code\":410,\"metadata\":{\"continue\":\"t9\"}}");
	expect_told("begin +n/a +n/b stale ");
	expect_request(REFLECTOR_LIST, 800, 1600);
	has_not("continue");
	has_not("limit");
	has_not("resourceVersion");
	answer(200, -1);
	data(LIST("20", "", META("a", "1") "," META("c", "3")));
	end_well();
	expect_told("begin -n/b/ub +n/c end fresh ");
}
END_TEST

/* A page that was lost is asked for again, not all pages; what it brought twice is told once. */
START_TEST(page_again)
{
	reflector_free(&r);
	start(false);
	expect_request(REFLECTOR_LIST, 0, 0);
	answer(200, -1);
	data(LIST("10", "t1", META("a", "1")));
	end_well();
	expect_request(REFLECTOR_LIST, 0, 0);
	answer(200, -1);
	data("{\"items\":[" META("b", "2") "," META("c", "3"));
	lose();
	expect_told("begin +n/a +n/b +n/c stale ");
	expect_request(REFLECTOR_LIST, 800, 1600);
	has("continue=t1");
	refuse(429, 3, "slow down");
	expect_request(REFLECTOR_LIST, 3000, 3750);
	has("continue=t1");
	answer(200, -1);
	data(LIST("10", "", META("b", "2") "," META("c", "3") "," META("d", "4")));
	end_well();
	expect_told("+n/d end fresh ");
	ck_assert_uint_eq(r.known.table.n, 4);
}
END_TEST

static const char *const nonsense[] = {
	"<html>not you</html>\n",
	"{\"type\":\"ADDED\",\"object\":{\n",
	"{\"object\":{}}\n",
	"[]\n",
};

/* What is no event of a watch is not guessed at. */
START_TEST(bad_lines)
{
	picture();
	ck_assert_int_eq(data(nonsense[_i]), -EBADMSG);
	ck_assert_int_eq(data(EVENT("ADDED", "x", "50")), -EBADMSG);
	reflector_end(&r, now, -ECANCELED, "");
	expect_told("stale ");
	expect_request(REFLECTOR_STREAM, 800, 1600);
}
END_TEST

static const char *const bad_lists[] = {
	"{\"items\":[]}",
	"{\"metadata\":{},\"items\":[]}",
	"{\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[",
	"null",
	"",
};

/* Half a list, or none, must not delete anything. */
START_TEST(bad_lists_change_nothing)
{
	picture();
	data(ERROR_EVENT("410"));
	lose();
	r.no_streaming = true;
	r.next = REFLECTOR_LIST;
	expect_told("stale ");
	expect_request(REFLECTOR_LIST, 800, 1600);
	answer(200, -1);
	data(bad_lists[_i]);
	end_well();
	expect_told("");
	ck_assert_uint_eq(r.known.table.n, 3);
	expect_request(REFLECTOR_LIST, 1600, 3200);
}
END_TEST

/* What has no name, or a type that we do not know, is left out and counted. */
START_TEST(unknown)
{
	picture();
	ck_assert_int_eq(data("{\"type\":\"RENAMED\",\"object\":" META("z", "50") "}\n"), 0);
	ck_assert_int_eq(data("{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"uid\":\"x\"}}}\n"), 0);
	ck_assert_int_eq(
		data("{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"node\",\"resourceVersion\":\"51\"}}}\n"),
		0);
	expect_told("+node ");
	ck_assert_uint_eq(r.counters.skipped, 2);
}
END_TEST

/* A line beyond all limits ends the watch, not the program. */
START_TEST(huge_line)
{
	static char piece[65536];
	int error = 0;

	memset(piece, ' ', sizeof(piece) - 1);
	picture();
	for (size_t n = 0; n <= KUBE_OBJECT_LEN_MAX / (sizeof(piece) - 1) + 1 && error == 0; n++)
		error = data(piece);
	ck_assert_int_eq(error, -EMSGSIZE);
	reflector_end(&r, now, -ECANCELED, "");
	expect_request(REFLECTOR_STREAM, 800, 1600);
	ck_assert_ptr_nonnull(strstr(r.why, "more than"));
}
END_TEST

/* A server that never says that everything has come is asked in the old way. */
START_TEST(endless_stream)
{
	expect_request(REFLECTOR_STREAM, 0, 0);
	answer(200, -1);
	data(EVENT("ADDED", "a", "1"));
	after(30000);
	ck_assert(reflector_overdue(&r, now));
	reflector_end(&r, now, -ETIMEDOUT, "nothing came");
	expect_request(REFLECTOR_LIST, 800, 1600);
	lose();
	expect_request(REFLECTOR_LIST, 1600, 3200);
}
END_TEST

/* More than is held back: told as it comes, in order, and the deletions last. */
START_TEST(stage_overflows)
{
	static char big[KUBE_OBJECT_LEN_MAX];
	const char *names[] = { "p", "q", "r", "s", "t", "u" };
	size_t len;

	picture();
	data(ERROR_EVENT("410"));
	lose();
	expect_request(REFLECTOR_STREAM, 800, 1600);
	answer(200, -1);
	expect_told("stale ");
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		len = (size_t)snprintf(big, sizeof(big),
				       "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"%s\",\"uid\":\"u\","
				       "\"resourceVersion\":\"5%zu\"},"
				       "\"x\":\"",
				       names[i], i);
		memset(big + len, 'x', 3500000);
		len += 3500000;
		len += (size_t)snprintf(big + len, sizeof(big) - len, "\"}}\n");
		ck_assert_int_eq(reflector_data(&r, now, big, len), 0);
		if (i == 3)
			expect_told("");
	}
	expect_told("begin +p +q +r +s +t +u ");
	data(EVENT("ADDED", "a", "1") ALL_CAME("60"));
	ck_assert_uint_eq(strlen(told), strlen("-n/b/ub -n/c/uc end fresh "));
	ck_assert_ptr_nonnull(strstr(told, "-n/b/ub "));
	ck_assert_ptr_nonnull(strstr(told, "-n/c/uc "));
}
END_TEST

/* Many agents that start at once do not ask at once. */
START_TEST(spread)
{
	int64_t sum = 0;

	for (uint64_t seed = 1; seed <= 100; seed++) {
		struct reflector_config config = reflector_defaults;
		int64_t wait;

		config.spread = span_s(10);
		reflector_free(&r);
		reflector_init(&r, &config, &sink, seed, now);
		wait = instant_since(reflector_deadline(&r), now).us;
		ck_assert(wait >= 0 && wait <= 10 * SECOND);
		sum += wait;
	}
	ck_assert_int_gt(sum, 300 * SECOND);
	ck_assert_int_lt(sum, 700 * SECOND);
}
END_TEST

/* Who must not read old news says so. */
START_TEST(consistent)
{
	struct reflector_config config = reflector_defaults;

	config.streaming = false;
	config.consistent = true;
	reflector_free(&r);
	reflector_init(&r, &config, &sink, 1, now);
	expect_request(REFLECTOR_LIST, 0, 0);
	has_not("resourceVersion");
	has("limit=500");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kube_reflector");
	TCase *tcase = tcase_create("kube_reflector");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, streaming);
	tcase_add_test(tcase, pieces);
	tcase_add_test(tcase, fall_back);
	tcase_add_test(tcase, gone);
	tcase_add_test(tcase, broken_picture);
	tcase_add_test(tcase, broken_first);
	tcase_add_test(tcase, backoff);
	tcase_add_loop_test(tcase, refused, 0, ARRAY_LEN(refusals));
	tcase_add_test(tcase, unauthorized);
	tcase_add_loop_test(tcase, error_events, 0, ARRAY_LEN(errors));
	tcase_add_test(tcase, future_version);
	tcase_add_test(tcase, signs_of_life);
	tcase_add_test(tcase, short_watch);
	tcase_add_test(tcase, token_expired);
	tcase_add_test(tcase, page_again);
	tcase_add_loop_test(tcase, bad_lines, 0, ARRAY_LEN(nonsense));
	tcase_add_loop_test(tcase, bad_lists_change_nothing, 0, ARRAY_LEN(bad_lists));
	tcase_add_test(tcase, unknown);
	tcase_add_test(tcase, huge_line);
	tcase_add_test(tcase, endless_stream);
	tcase_add_test(tcase, stage_overflows);
	tcase_add_test(tcase, spread);
	tcase_add_test(tcase, consistent);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
