/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an API server may send, by the first byte: 'l', lines and lists, which must come out the same in any pieces; 's', a body as a Status
 * and as a Lease; 'r', a script for a reflector, records with 0x1e between them: "r" and a status, "d" and data, "e" for the end, "x" for a
 * lost connection, "t" for silence. A follower must never be told of an end without a beginning.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "kube/lease.h"
#include "kube/reflector.h"
#include "kube/scan.h"
#include "kube/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(bool good)
{
	if (!good)
		abort();
}

/* A hash over what a splitter gave, with the borders. */
struct taken {
	uint64_t hash;
	size_t n;
};

static int take(void *arg, const char *text, size_t len)
{
	struct taken *taken = arg;

	taken->hash = hash_bytes(taken->hash + len, text, len);
	taken->n++;
	return 0;
}

static int feed_lines(struct taken *taken, const char *data, size_t len, size_t piece)
{
	struct line_splitter splitter;
	int r = 0;

	line_splitter_init(&splitter, 4096);
	for (size_t at = 0; at < len && r == 0; at += piece)
		r = line_splitter_feed(&splitter, data + at, len - at < piece ? len - at : piece, take, taken);
	line_splitter_free(&splitter);
	return r;
}

static int feed_items(struct taken *taken, const char *data, size_t len, size_t piece)
{
	struct item_splitter splitter;
	int r = 0;

	item_splitter_init(&splitter, 4096, 4096);
	for (size_t at = 0; at < len && r == 0; at += piece)
		r = item_splitter_feed(&splitter, data + at, len - at < piece ? len - at : piece, take, taken);
	if (r == 0 && splitter.envelope.len > 0)
		(void)take(taken, splitter.envelope.data, splitter.envelope.len);
	check(r != 0 || splitter.state != ITEM_DONE || splitter.depth == 0);
	item_splitter_free(&splitter);
	return r;
}

static void try_pieces(const char *data, size_t len)
{
	int (*const feed[])(struct taken *, const char *, size_t, size_t) = { feed_lines, feed_items };
	static const size_t pieces[] = { 1, 3, 7, 1000 };

	for (size_t f = 0; f < 2; f++) {
		struct taken whole = { 0 };
		int r = feed[f](&whole, data, len, len + 1);

		for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
			struct taken taken = { 0 };

			check(feed[f](&taken, data, len, pieces[i]) == r);
			check(taken.n == whole.n && taken.hash == whole.hash);
		}
	}
}

static void try_body(const char *data, size_t len)
{
	struct lease_config config = lease_defaults;
	struct instant now = { 1000000 };
	struct lease_request request;
	struct api_status status;
	static struct lease lease;

	(void)api_status_parse(data, len, 500, &status);
	check(status.code >= 100 && status.code <= 599);
	check(strlen(status.message) <= API_MESSAGE_MAX && strchr(status.message, '\n') == NULL);
	config.namespace = config.name = config.identity = "x";
	lease_init(&lease, &config, 1, now);
	for (int i = 0; i < 4; i++) {
		now = instant_add(lease.due, span_us(0));
		check(lease_next(&lease, now, 0, &request));
		check(request.body_len == strlen(request.body) && request.body_len < LEASE_BODY_MAX);
		check(request.body_len == 0 || json_span_of(request.body, request.body_len).at != NULL);
		lease_answer(&lease, now, 200, data, len, "");
		/* Nobody holds what somebody else's name is on. */
		check(!lease_held(&lease, now) || strcmp(lease_holder(&lease), "x") == 0);
	}
}

#define TOLD_MAX 64

struct follower {
	char told[TOLD_MAX][KNOWN_KEY_MAX + 1];
	size_t n;
	bool overflow;
	bool stale;
	bool within;
};

static size_t find_told(const struct follower *f, const char *key)
{
	size_t i = 0;

	while (i < f->n && strcmp(f->told[i], key) != 0)
		i++;
	return i;
}

static void on_begin(void *arg)
{
	((struct follower *)arg)->within = true;
}

static void on_object(void *arg, const char *key, const char *json, size_t len)
{
	struct follower *f = arg;
	size_t i = find_told(f, key);

	check(json_span_of(json, len).len == len && key[0] != '\0');
	if (i < f->n)
		return;
	f->overflow |= f->n == TOLD_MAX;
	if (!f->overflow)
		memcpy(f->told[f->n++], key, strlen(key) + 1);
}

static void on_deleted(void *arg, const char *key, const char *uid)
{
	struct follower *f = arg;
	size_t i = find_told(f, key);

	check(uid != NULL && (i < f->n || f->overflow));
	if (i < f->n)
		memmove(f->told[i], f->told[--f->n], sizeof(f->told[0]));
}

static void on_end(void *arg)
{
	struct follower *f = arg;

	check(f->within);
	f->within = false;
}

static void on_stale(void *arg, const char *why)
{
	struct follower *f = arg;

	check(f->stale == (why == NULL));
	f->stale = why != NULL;
}

static void answer(struct reflector *r, struct instant now, const char *data, size_t len)
{
	switch (data[0]) {
	case 'r':
		reflector_response(r, now,
				   (int)json_span_integer((struct json_span){ data + 1, len - 1 }, 200, 599, 200), -1);
		break;
	case 'd':
		if (reflector_data(r, now, data + 1, len - 1) != 0)
			reflector_end(r, now, -ECANCELED, "");
		break;
	case 'e':
		reflector_end(r, now, 0, "");
		break;
	case 'x':
		reflector_end(r, now, -ECONNRESET, "lost");
		break;
	default:
		reflector_end(r, now, -ETIMEDOUT, "silence");
		break;
	}
}

static void try_script(const char *data, size_t len)
{
	struct reflector_sink sink = { on_begin, on_object, on_deleted, on_end, on_stale, NULL };
	struct instant now = { 1000000 };
	struct reflector_request request;
	static struct follower follower;
	static struct reflector r;
	static struct url_path path;
	const char *end = data + len;

	follower = (struct follower){ 0 };
	sink.arg = &follower;
	reflector_init(&r, &reflector_defaults, &sink, 7, now);
	while (data < end) {
		const char *next = memchr(data, 0x1e, (size_t)(end - data));
		size_t n = (size_t)((next == NULL ? end : next) - data);

		if (r.state == REFLECTOR_WAIT) {
			now = instant_add(reflector_deadline(&r), span_us(0));
			url_path_init(&path, "/x");
			check(reflector_next(&r, now, &path, &request) && url_path_text(&path) != NULL);
		}
		if (n > 0)
			answer(&r, now, data, n);
		data = next == NULL ? end : next + 1;
	}
	check(follower.overflow || follower.n == r.known.table.n);
	reflector_free(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *text = (const char *)data;

	if (len < 1)
		return 0;
	if (text[0] == 'l')
		try_pieces(text + 1, len - 1);
	else if (text[0] == 's')
		try_body(text + 1, len - 1);
	else if (text[0] == 'r')
		try_script(text + 1, len - 1);
	return 0;
}
