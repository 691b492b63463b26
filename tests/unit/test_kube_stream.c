/* SPDX-License-Identifier: Apache-2.0 */
/* kube/stream.c: lines and items come out the same however the bytes come in; limits hold; what is no list is refused. */
#include "kube/stream.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* What came, each with a "|" behind it. */
struct sink {
	char text[4096];
	size_t len;
	size_t n;
	size_t stop_at; /* the n-th ends the feeding; 0: none */
};

static int take(void *arg, const char *text, size_t len)
{
	struct sink *sink = arg;

	ck_assert_uint_lt(sink->len + len + 2, sizeof(sink->text));
	memcpy(sink->text + sink->len, text, len);
	sink->len += len;
	sink->text[sink->len++] = '|';
	sink->text[sink->len] = '\0';
	return ++sink->n == sink->stop_at ? -ECANCELED : 0;
}

static const struct {
	const char *in, *out;
} lines[] = {
	{ "{\"a\":1}\n{\"b\":2}\n", "{\"a\":1}|{\"b\":2}|" },
	{ "one\n\n\ntwo\n", "one|two|" },
	{ "cut off", "" },
	{ "whole\ncut", "whole|" },
	{ "", "" },
	{ "\n", "" },
};

START_TEST(split_lines)
{
	const char *in = lines[_i].in;
	size_t len = strlen(in);

	for (size_t piece = 1; piece <= len + 1; piece++) {
		struct line_splitter splitter;
		struct sink sink = { 0 };

		line_splitter_init(&splitter, 64);
		for (size_t at = 0; at < len; at += piece)
			ck_assert_int_eq(line_splitter_feed(&splitter, in + at, len - at < piece ? len - at : piece,
							    take, &sink),
					 0);
		ck_assert_str_eq(sink.text, lines[_i].out);
		/* Nothing of it gets into another stream. */
		line_splitter_reset(&splitter);
		ck_assert_int_eq(line_splitter_feed(&splitter, "x\n", 2, take, &sink), 0);
		ck_assert_str_eq(sink.text + strlen(lines[_i].out), "x|");
		line_splitter_free(&splitter);
	}
}
END_TEST

START_TEST(line_limit)
{
	char line[66];

	memset(line, 'x', sizeof(line));
	for (size_t piece = 1; piece <= 66; piece++) {
		struct line_splitter splitter;
		struct sink sink = { 0 };
		int r = 0;

		line[64] = '\n';
		line_splitter_init(&splitter, 64);
		for (size_t at = 0; at < 65 && r == 0; at += piece)
			r = line_splitter_feed(&splitter, line + at, 65 - at < piece ? 65 - at : piece, take, &sink);
		ck_assert_int_eq(r, 0);
		ck_assert_uint_eq(sink.n, 1);
		line[64] = 'x';
		line[65] = '\n';
		for (size_t at = 0; at < 66 && r == 0; at += piece)
			r = line_splitter_feed(&splitter, line + at, 66 - at < piece ? 66 - at : piece, take, &sink);
		ck_assert_int_eq(r, -EMSGSIZE);
		ck_assert_uint_eq(sink.n, 1);
		line_splitter_free(&splitter);
	}
}
END_TEST

/* Who takes a line may say that it is enough. */
START_TEST(line_stop)
{
	struct line_splitter splitter;
	struct sink sink = { .stop_at = 2 };

	line_splitter_init(&splitter, 64);
	ck_assert_int_eq(line_splitter_feed(&splitter, "a\nb\nc\n", 6, take, &sink), -ECANCELED);
	ck_assert_str_eq(sink.text, "a|b|");
	line_splitter_free(&splitter);
}
END_TEST

static const struct list_case {
	const char *in, *items, *envelope;
} lists[] = {
	/* core */
	{ "{\"kind\":\"List\",\"metadata\":{\"resourceVersion\":\"7\"},\"items\":[{\"a\":1},{\"b\":{\"items\":[{}]}}]}"
	  "\n",
	  "{\"a\":1}|{\"b\":{\"items\":[{}]}}|",
	  "{\"kind\":\"List\",\"metadata\":{\"resourceVersion\":\"7\"},\"items\":[]}" },
	/* custom resources: items come before the version */
	{ "{\"apiVersion\":\"v1\",\"items\":[{\"a\":\"}]\\\"{\"}],\"kind\":\"L\",\"metadata\":{\"continue\":\"\"}}",
	  "{\"a\":\"}]\\\"{\"}|",
	  "{\"apiVersion\":\"v1\",\"items\":[],\"kind\":\"L\",\"metadata\":{\"continue\":\"\"}}" },
	/* as people print it */
	{ "{\n  \"items\" : [\n    { \"a\": [ 1, 2 ] } ,\n    {}\n  ],\n  \"metadata\" : { \"x\": \"a b\" }\n}\n",
	  "{ \"a\": [ 1, 2 ] }|{}|", "{\"items\":[],\"metadata\":{\"x\":\"a b\"}}" },
	{ "{\"items\":[]}", "", "{\"items\":[]}" },
	{ "{\"items\":null,\"metadata\":{}}", "", "{\"items\":null,\"metadata\":{}}" },
	{ "{\"metadata\":{}}", "", "{\"metadata\":{}}" },
	/* keys and values that only look like it */
	{ "{\"metadata\":{\"items\":[{\"x\":1}]},\"item\":[{}],\"itemss\":[{}],\"k\":\"items\",\"items\":[{\"y\":2}]}",
	  "{\"y\":2}|",
	  "{\"metadata\":{\"items\":[{\"x\":1}]},\"item\":[{}],\"itemss\":[{}],\"k\":\"items\",\"items\":[]}" },
	{ "{\"it\\u0065ms\":[{\"x\":1}]}", "", "{\"it\\u0065ms\":[{\"x\":1}]}" },
};

START_TEST(split_items)
{
	const struct list_case *c = &lists[_i];
	size_t len = strlen(c->in);

	for (size_t piece = 1; piece <= len; piece++) {
		struct item_splitter splitter;
		struct sink sink = { 0 };

		item_splitter_init(&splitter, 64, 256);
		for (int round = 0; round < 2; round++) {
			sink = (struct sink){ 0 };
			for (size_t at = 0; at < len; at += piece) {
				ck_assert(!item_splitter_whole(&splitter) || c->in[at] == '\n');
				ck_assert_int_eq(item_splitter_feed(&splitter, c->in + at,
								    len - at < piece ? len - at : piece, take, &sink),
						 0);
			}
			ck_assert_str_eq(sink.text, c->items);
			ck_assert(item_splitter_whole(&splitter));
			ck_assert_uint_eq(splitter.envelope.len, strlen(c->envelope));
			ck_assert_mem_eq(splitter.envelope.data, c->envelope, splitter.envelope.len);
			item_splitter_reset(&splitter);
		}
		item_splitter_free(&splitter);
	}
}
END_TEST

static const char *const no_lists[] = {
	"[]",
	"x",
	"{\"items\":[1]}",
	"{\"items\":[{},]}",
	"{\"items\":[,{}]}",
	"{} {}",
	"{}x",
	"{\"items\":[{}{}]}",
	"\"items\"",
	"{\"items\":[[]]}",
	"{\"items\":[\"a\"]}",
	"{\"items\":[{}],\"items\":[{}]}",
};

START_TEST(refuse)
{
	struct item_splitter splitter;
	struct sink sink = { 0 };

	item_splitter_init(&splitter, 64, 256);
	ck_assert_int_eq(item_splitter_feed(&splitter, no_lists[_i], strlen(no_lists[_i]), take, &sink), -EBADMSG);
	item_splitter_free(&splitter);
}
END_TEST

/* A list that was cut off anywhere is not whole. */
START_TEST(cut_list)
{
	const char *in = lists[0].in;

	for (size_t len = 0; len + 1 < strlen(in); len++) {
		struct item_splitter splitter;
		struct sink sink = { 0 };

		item_splitter_init(&splitter, 64, 256);
		ck_assert_int_eq(item_splitter_feed(&splitter, in, len, take, &sink), 0);
		ck_assert(!item_splitter_whole(&splitter));
		item_splitter_free(&splitter);
	}
}
END_TEST

/* An item, and everything but the items, are bounded; the number of items is not. */
START_TEST(item_limits)
{
	struct item_splitter splitter;
	struct sink sink = { 0 };
	char text[128];
	int r;

	for (size_t piece = 1; piece < 80; piece++) {
		for (int too_long = 0; too_long < 2; too_long++) {
			int len = snprintf(text, sizeof(text), "{\"items\":[{\"a\":\"%.*s\"}]}", 64 - 8 + too_long,
					   "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");

			r = 0;
			item_splitter_init(&splitter, 64, 64);
			for (size_t at = 0; at < (size_t)len && r == 0; at += piece)
				r = item_splitter_feed(&splitter, text + at,
						       (size_t)len - at < piece ? (size_t)len - at : piece, take,
						       &sink);
			ck_assert_int_eq(r, too_long ? -EMSGSIZE : 0);
			item_splitter_free(&splitter);
			sink = (struct sink){ 0 };
		}
	}
	item_splitter_init(&splitter, 64, 64);
	ck_assert_int_eq(item_splitter_feed(&splitter, "{\"items\":[{}", 12, take, &sink), 0);
	for (int i = 0; i < 1000; i++) {
		sink = (struct sink){ 0 };
		ck_assert_int_eq(item_splitter_feed(&splitter, ",{}", 3, take, &sink), 0);
	}
	ck_assert_uint_eq(splitter.item_n, 1001);
	ck_assert_int_eq(item_splitter_feed(&splitter, "],\"x\":\"", 7, take, &sink), 0);
	r = 0;
	for (int i = 0; i < 64 && r == 0; i++)
		r = item_splitter_feed(&splitter, "x", 1, take, &sink);
	ck_assert_int_eq(r, -EMSGSIZE);
	item_splitter_free(&splitter);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kube_stream");
	TCase *tcase = tcase_create("kube_stream");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, split_lines, 0, ARRAY_LEN(lines));
	tcase_add_test(tcase, line_limit);
	tcase_add_test(tcase, line_stop);
	tcase_add_loop_test(tcase, split_items, 0, ARRAY_LEN(lists));
	tcase_add_loop_test(tcase, refuse, 0, ARRAY_LEN(no_lists));
	tcase_add_test(tcase, cut_list);
	tcase_add_test(tcase, item_limits);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
