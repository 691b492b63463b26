/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's JSON documents (docs/API.md) as text for people. Reads no clock and no environment: the caller gives both.
 * A field that is missing or of another type shows as "-": the daemon may be older or newer than this program.
 */
#ifndef MLB_TOOLS_RENDER_H
#define MLB_TOOLS_RENDER_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Width of tables, unless wide. */
#define RENDER_WIDTH 100

struct render_options {
	bool wide;	/* all columns, no cutting, full times */
	bool colour;	/* states in colour */
	int64_t now_ms; /* wall clock, since 1970, for "12s ago" */
};

typedef void render_document(FILE *out, const cJSON *doc, const struct render_options *options);

render_document render_status;
/* The same in one line. */
render_document render_summary;
render_document render_members;
render_document render_services;
/* What `services --explain` is answered. */
render_document render_explain;
render_document render_events;
render_document render_conflicts;
render_document render_config;
/* The same with what is in force. */
render_document render_effective;
render_document render_diagnose; /* tools/diagnose.c */
render_document render_keys;
/* What `keys add` and its likes are answered. */
render_document render_key_change;
/* One event as one line with its full time, for --follow. */
render_document render_event_line;

/* The text of a valid JSON document, indented by two blanks; nothing but white space between its tokens is changed. */
void render_json(FILE *out, const char *text);

/* Room for the longest text of render_age. */
#define RENDER_AGE_MAX 32

/* "just now" (less than a second, or ahead of now), "12s ago", "3m ago", "5h ago", "2d ago"; "-" for what is no time. */
char *render_age(const char *rfc3339, int64_t now_ms, char buf[RENDER_AGE_MAX]);

/* A date and time in UTC with or without a fraction, as the daemon writes them; NULL is none. */
bool render_time_parse(const char *text, int64_t *ret_ms);

#endif
