/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/metrics_text.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CAP_FIRST 16384

/* Room for a double as "%.17g" or a 64-bit number. */
#define NUMBER_MAX 40

/* Doubles hold whole numbers exactly up to here. */
#define EXACT_MAX 9007199254740992.0

void metrics_text_free(struct metrics_text *text)
{
	free(text->bytes);
	*text = (struct metrics_text){ 0 };
}

static bool reserve(struct metrics_text *text, size_t more)
{
	size_t cap = text->cap > 0 ? text->cap : CAP_FIRST;
	char *bytes;

	if (text->error != 0)
		return false;
	if (text->len + more <= text->cap)
		return true;
	if (text->len + more > METRICS_TEXT_MAX) {
		text->error = -EFBIG;
		return false;
	}
	while (cap < text->len + more)
		cap *= 2;
	bytes = realloc(text->bytes, cap);
	if (bytes == NULL) {
		text->error = -ENOMEM;
		return false;
	}
	text->bytes = bytes;
	text->cap = cap;
	return true;
}

static void put(struct metrics_text *text, const char *s, size_t len)
{
	if (!reserve(text, len))
		return;
	memcpy(text->bytes + text->len, s, len);
	text->len += len;
}

static void put_string(struct metrics_text *text, const char *s)
{
	put(text, s, strlen(s));
}

/* Backslash and line feed everywhere, the quote in label values only (exposition formats, "Comments, help text"). */
static void put_escaped(struct metrics_text *text, const char *s, bool quoted)
{
	for (; *s != '\0'; s++) {
		if (*s == '\\')
			put(text, "\\\\", 2);
		else if (*s == '\n')
			put(text, "\\n", 2);
		else if (*s == '"' && quoted)
			put(text, "\\\"", 2);
		else
			put(text, s, 1);
	}
}

static void put_number(struct metrics_text *text, double value)
{
	char number[NUMBER_MAX];

	if (isinf(value))
		snprintf(number, sizeof(number), value > 0 ? "+Inf" : "-Inf");
	else if (isnan(value))
		snprintf(number, sizeof(number), "NaN");
	else if (fabs(value) < EXACT_MAX && value == (double)(int64_t)value)
		snprintf(number, sizeof(number), "%lld", (long long)value);
	else
		snprintf(number, sizeof(number), "%.9g", value);
	put_string(text, number);
}

static const char *type_name(enum metric_type type)
{
	switch (type) {
	case METRIC_COUNTER:
		return "counter";
	case METRIC_GAUGE:
		return "gauge";
	case METRIC_HISTOGRAM:
		return "histogram";
	}
	return "untyped";
}

void metrics_family(struct metrics_text *text, const struct metric_family *family)
{
	put_string(text, "# HELP ");
	put_string(text, family->name);
	put_string(text, " ");
	put_escaped(text, family->help, false);
	put_string(text, "\n# TYPE ");
	put_string(text, family->name);
	put_string(text, " ");
	put_string(text, type_name(family->type));
	put_string(text, "\n");
}

static void put_label(struct metrics_text *text, const char *name, const char *value, bool first)
{
	put_string(text, first ? "{" : ",");
	put_string(text, name);
	put_string(text, "=\"");
	put_escaped(text, value, true);
	put_string(text, "\"");
}

void metrics_sample(struct metrics_text *text, const char *name, double value, ...)
{
	bool first = true;
	const char *label;
	va_list args;

	put_string(text, name);
	va_start(args, value);
	while ((label = va_arg(args, const char *)) != NULL) {
		put_label(text, label, va_arg(args, const char *), first);
		first = false;
	}
	va_end(args);
	put_string(text, first ? " " : "} ");
	put_number(text, value);
	put_string(text, "\n");
}

static void put_bucket(struct metrics_text *text, const char *name, const char *label, const char *label_value,
		       const char *bound, uint64_t count)
{
	put_string(text, name);
	put_string(text, "_bucket");
	if (label != NULL)
		put_label(text, label, label_value, true);
	put_label(text, "le", bound, label == NULL);
	put_string(text, "} ");
	put_number(text, (double)count);
	put_string(text, "\n");
}

static void put_total(struct metrics_text *text, const char *name, const char *suffix, const char *label,
		      const char *label_value, double value)
{
	put_string(text, name);
	put_string(text, suffix);
	if (label != NULL) {
		put_label(text, label, label_value, true);
		put_string(text, "}");
	}
	put_string(text, " ");
	put_number(text, value);
	put_string(text, "\n");
}

void metrics_histogram(struct metrics_text *text, const char *name, const struct metric_histogram *h, const char *label,
		       const char *label_value)
{
	uint64_t count = 0;

	for (size_t i = 0; i < h->bound_n; i++) {
		char bound[NUMBER_MAX];

		snprintf(bound, sizeof(bound), "%g", (double)h->bounds_us[i] / 1e6);
		count += h->counts[i];
		put_bucket(text, name, label, label_value, bound, count);
	}
	count += h->counts[h->bound_n];
	put_bucket(text, name, label, label_value, "+Inf", count);
	put_total(text, name, "_sum", label, label_value, (double)h->sum.us / 1e6);
	put_total(text, name, "_count", label, label_value, (double)count);
}

void metric_histogram_add(struct metric_histogram *h, struct span sample)
{
	int64_t us = sample.us > 0 ? sample.us : 0;
	size_t i = 0;

	assert(h->bound_n <= METRICS_BUCKET_MAX);
	while (i < h->bound_n && us > h->bounds_us[i]) /* "le": the bound belongs to the bucket */
		i++;
	h->counts[i]++;
	h->sum.us += us;
}
