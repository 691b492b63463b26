/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writer of the Prometheus text exposition format 0.0.4: HELP and TYPE lines, escaped label values, histograms. The text
 * grows up to METRICS_TEXT_MAX; the first failure sticks, and the whole text is then not to be used.
 */
#ifndef MLB_DAEMON_METRICS_TEXT_H
#define MLB_DAEMON_METRICS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/time.h"

/* Some lines for each of ADDRESS_MAX addresses, and as much again for other sources. */
#define METRICS_TEXT_MAX (16 * 1024 * 1024)

/* Bounds of a histogram; +Inf is not among them. */
#define METRICS_BUCKET_MAX 16

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric_family {
	const char *name;
	enum metric_type type;
	const char *help;
};

struct metrics_text {
	char *bytes; /* owned, not terminated; NULL: empty */
	size_t len;
	size_t cap;
	int error; /* 0, -ENOMEM or -EFBIG */
};

/* Durations since the start, counted by upper bounds that the caller keeps: ascending, in microseconds. */
struct metric_histogram {
	const int64_t *bounds_us; /* borrowed for ever */
	size_t bound_n;		  /* up to METRICS_BUCKET_MAX */
	uint64_t counts[METRICS_BUCKET_MAX + 1];
	struct span sum;
};

void metrics_text_free(struct metrics_text *text);

/* The two lines before the samples of a family. */
void metrics_family(struct metrics_text *text, const struct metric_family *family);
/* One sample. Labels come as pairs of name and value (valid UTF-8), ended by NULL. */
void metrics_sample(struct metrics_text *text, const char *name, double value, ...) __attribute__((sentinel));
/* All lines of one histogram, in seconds, with one label of its own or NULL. */
void metrics_histogram(struct metrics_text *text, const char *name, const struct metric_histogram *h, const char *label,
		       const char *label_value);

/* Negative durations count as 0. */
void metric_histogram_add(struct metric_histogram *h, struct span sample);

#endif
