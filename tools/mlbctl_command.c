/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "tools/mlbctl.h"

/* How often `events --follow` and `drain --wait` ask. Below the daemon's idle limit, so that one connection serves all. */
#define POLL_MS 500

/* `drain --wait` gives up after this, unless told. */
#define WAIT_DEFAULT_MS 60000

/* A line with a key: 44 characters of base64, and blanks. */
#define KEY_LINE_MAX 128

/* Room for "/v1/events?since=" and a number. */
#define URL_MAX 64

/* Colours are for a terminal that has some, and for whom they do not disturb (no-color.org). */
static bool colour_wanted(void)
{
	const char *off = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(off && off[0] != '\0') && !(term && strcmp(term, "dumb") == 0);
}

struct render_options mlbctl_render_options(const struct invocation *invocation)
{
	return (struct render_options){
		.wide = invocation->output == OUTPUT_WIDE,
		.colour = colour_wanted(),
		.now_ms = clock_wall_ms(),
	};
}

int mlbctl_failed(const struct invocation *invocation, enum client_result result)
{
	fprintf(stderr, "mlbctl: %s\n", client_error(invocation->client));
	return (int)result;
}

void mlbctl_pause(void)
{
	struct timespec pause = { .tv_nsec = POLL_MS * 1000000L };

	nanosleep(&pause, NULL);
}

/* Print an answer as the user asked for it, and forget it. */
static void answer_print(const struct invocation *invocation, struct client_answer *answer)
{
	struct render_options options = mlbctl_render_options(invocation);

	if (invocation->output == OUTPUT_JSON)
		render_json(stdout, answer->text);
	else if (invocation->render)
		invocation->render(stdout, answer->doc, &options);
	else if (invocation->words)
		puts(invocation->words);
	client_answer_free(answer);
}

static int request_and_print(const struct invocation *invocation, const char *url_path, const char *body)
{
	struct client_answer answer;
	enum client_result result = client_request(invocation->client, url_path, body, &answer);

	if (result != CLIENT_DONE)
		return mlbctl_failed(invocation, result);
	answer_print(invocation, &answer);
	return 0;
}

int command_show(const struct invocation *invocation)
{
	return request_and_print(invocation, invocation->url_path, NULL);
}

int command_post(const struct invocation *invocation)
{
	return request_and_print(invocation, invocation->url_path, "");
}

/* Give the body, which it takes, to the daemon. Its text may hold a key. */
static int body_post(const struct invocation *invocation, cJSON *body)
{
	char *text = cJSON_PrintUnformatted(body);
	int status = CLIENT_REFUSED;

	if (text) {
		status = request_and_print(invocation, invocation->url_path, text);
		explicit_bzero(text, strlen(text));
	} else {
		fputs("mlbctl: out of memory\n", stderr);
	}
	free(text);
	cJSON_Delete(body);
	return status;
}

int command_services(const struct invocation *invocation)
{
	struct invocation explain = *invocation;
	cJSON *body;

	if (!invocation->explain)
		return command_show(invocation);
	explain.url_path = "/v1/services/explain";
	explain.render = render_explain;
	body = cJSON_CreateObject();
	cJSON_AddStringToObject(body, "service", invocation->explain);
	return body_post(&explain, body);
}

int command_config(const struct invocation *invocation)
{
	struct invocation config = *invocation;

	if (invocation->effective)
		config.render = render_effective;
	return command_show(&config);
}

int command_handover(const struct invocation *invocation)
{
	cJSON *body = cJSON_CreateObject();

	cJSON_AddStringToObject(body, "service", invocation->operands[0]);
	cJSON_AddStringToObject(body, "node", invocation->operands[1]);
	return body_post(invocation, body);
}

int command_service_remove(const struct invocation *invocation)
{
	cJSON *body = cJSON_CreateObject();

	cJSON_AddStringToObject(body, "name", invocation->operands[0]);
	return body_post(invocation, body);
}

int command_log_level(const struct invocation *invocation)
{
	cJSON *body = cJSON_CreateObject();

	cJSON_AddStringToObject(body, "level", invocation->operands[0]);
	return body_post(invocation, body);
}

/* A key in the command line is seen by everybody on this host: "-" is the way without that. */
static int key_read(char *line, size_t cap)
{
	if (!fgets(line, (int)cap, stdin) || strcspn(line, " \t\r\n") == 0) {
		fputs("mlbctl: keys add: no key on standard input\n", stderr);
		return EXIT_USAGE;
	}
	line[strcspn(line, " \t\r\n")] = '\0';
	return 0;
}

int command_keys_add(const struct invocation *invocation)
{
	cJSON *body = cJSON_CreateObject();
	char line[KEY_LINE_MAX];
	const char *key = invocation->generate ? NULL : invocation->operands[0];
	int status;

	if (key && strcmp(key, "-") == 0) {
		status = key_read(line, sizeof(line));
		if (status != 0) {
			cJSON_Delete(body);
			return status;
		}
		key = line;
	}
	if (key)
		cJSON_AddStringToObject(body, "key", key);
	status = body_post(invocation, body);
	explicit_bzero(line, sizeof(line));
	return status;
}

int command_keys_change(const struct invocation *invocation)
{
	cJSON *body = cJSON_CreateObject();

	cJSON_AddStringToObject(body, "fingerprint", invocation->operands[0]);
	if (invocation->force)
		cJSON_AddTrueToObject(body, "force");
	return body_post(invocation, body);
}

static enum client_result events_get(const struct invocation *invocation, uint64_t since, struct client_answer *ret)
{
	char url_path[URL_MAX];

	snprintf(url_path, sizeof(url_path), "%s?since=%" PRIu64, invocation->url_path, since);
	return client_request(invocation->client, url_path, NULL, ret);
}

/* How far --follow has printed: the number of the last event, and its time to know a restarted daemon by. */
struct progress {
	uint64_t seq;
	char time[CLOCK_RFC3339_MAX];
	int64_t not_before_ms; /* older ones are not printed; 0: all are */
};

/* Is it older than what was asked for? */
static bool event_too_old(const cJSON *event, int64_t not_before_ms)
{
	const char *time = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(event, "time"));
	int64_t at_ms;

	return not_before_ms != 0 && render_time_parse(time, &at_ms) && at_ms < not_before_ms;
}

/* --since as a time; 0: none was given. */
static int64_t not_before(const struct invocation *invocation)
{
	return invocation->since_ms > 0 ? clock_wall_ms() - invocation->since_ms : 0;
}

static void event_print(const struct invocation *invocation, const cJSON *event, struct progress *progress)
{
	struct render_options options = mlbctl_render_options(invocation);
	const char *time = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(event, "time"));
	double seq = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(event, "seq"));
	char *text;

	if (seq >= 1 && seq < 9e15)
		progress->seq = (uint64_t)seq;
	snprintf(progress->time, sizeof(progress->time), "%s", time ? time : "");
	if (event_too_old(event, progress->not_before_ms))
		return;
	if (invocation->output != OUTPUT_JSON) {
		render_event_line(stdout, event, &options);
		return;
	}
	text = cJSON_PrintUnformatted(event);
	if (text)
		puts(text);
	free(text);
}

/* Is the event that we printed last among these? Then it is the same daemon still. */
static bool progress_known(const cJSON *events, const struct progress *progress)
{
	const cJSON *event;

	cJSON_ArrayForEach(event, events)
	{
		const char *time = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(event, "time"));
		double seq = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(event, "seq"));

		if (seq >= (double)progress->seq && seq <= (double)progress->seq && time &&
		    strcmp(time, progress->time) == 0)
			return true;
	}
	return false;
}

/*
 * The events that are new since the last call. Numbers begin anew with each start of the daemon, so after a new connection
 * all are fetched: where our last one is not among them, the daemon is another one and all of its events are new.
 */
static enum client_result events_new(const struct invocation *invocation, struct progress *progress,
				     struct client_answer *ret)
{
	enum client_result result = events_get(invocation, progress->seq, ret);
	struct client_answer all;

	if (result != CLIENT_DONE || !client_reconnected(invocation->client) || progress->time[0] == '\0')
		return result;
	result = events_get(invocation, 0, &all);
	if (result != CLIENT_DONE) {
		client_answer_free(ret);
		return result;
	}
	if (progress_known(all.doc, progress)) {
		client_answer_free(&all);
		return CLIENT_DONE;
	}
	client_answer_free(ret);
	*ret = all;
	return CLIENT_DONE;
}

/* Until the user stops it. A daemon that goes away is waited for: that is when one wants to look. */
static int events_follow(const struct invocation *invocation)
{
	struct progress progress = { .seq = invocation->since, .not_before_ms = not_before(invocation) };
	bool first = true, lost = false;

	for (;; mlbctl_pause()) {
		struct client_answer answer;
		const cJSON *event;
		enum client_result result = events_new(invocation, &progress, &answer);

		if (result != CLIENT_DONE) {
			if (first || result == CLIENT_REFUSED)
				return mlbctl_failed(invocation, result);
			if (!lost)
				fprintf(stderr, "mlbctl: %s; waiting for it\n", client_error(invocation->client));
			lost = true;
			continue;
		}
		first = lost = false;
		cJSON_ArrayForEach(event, answer.doc)
		{
			event_print(invocation, event, &progress);
		}
		client_answer_free(&answer);
		if (fflush(stdout) != 0)
			return CLIENT_REFUSED; /* main says why */
	}
}

/* Take out of the document what is too old. 0 or -ENOMEM. */
static int events_drop_old(struct client_answer *answer, int64_t not_before_ms)
{
	cJSON *event = answer->doc ? answer->doc->child : NULL;

	while (event) {
		cJSON *next = event->next;

		if (event_too_old(event, not_before_ms))
			cJSON_Delete(cJSON_DetachItemViaPointer(answer->doc, event));
		event = next;
	}
	free(answer->text);
	answer->text = cJSON_PrintUnformatted(answer->doc);
	return answer->text ? 0 : -ENOMEM;
}

int command_events(const struct invocation *invocation)
{
	struct client_answer answer;
	enum client_result result;

	if (invocation->follow)
		return events_follow(invocation);
	result = events_get(invocation, invocation->since, &answer);
	if (result != CLIENT_DONE)
		return mlbctl_failed(invocation, result);
	if (invocation->since_ms > 0 && events_drop_old(&answer, not_before(invocation)) < 0) {
		fputs("mlbctl: out of memory\n", stderr);
		client_answer_free(&answer);
		return CLIENT_REFUSED;
	}
	answer_print(invocation, &answer);
	return 0;
}

/* 1: drained; 0: not yet; -1: it is not draining any more. *held gets the number of addresses. */
static int drain_state(const cJSON *status, int *held)
{
	const cJSON *addresses = cJSON_GetObjectItemCaseSensitive(status, "addresses");
	const cJSON *number = cJSON_GetObjectItemCaseSensitive(addresses, "held");
	const char *state = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(status, "state"));

	if (!state || strcmp(state, "ready") == 0 || !cJSON_IsNumber(number))
		return -1;
	if (strcmp(state, "draining") != 0)
		return 0; /* "starting": it drains when it has joined */
	*held = number->valueint;
	return *held == 0;
}

static int drain_wait(const struct invocation *invocation)
{
	long limit_ms = invocation->timeout_ms > 0 ? invocation->timeout_ms : WAIT_DEFAULT_MS;
	struct instant end = instant_add(clock_now(), span_ms(limit_ms));

	for (;; mlbctl_pause()) {
		struct client_answer answer;
		enum client_result result = client_request(invocation->client, "/v1/status", NULL, &answer);
		int held = 0, drained;

		if (result != CLIENT_DONE)
			return mlbctl_failed(invocation, result);
		drained = drain_state(answer.doc, &held);
		client_answer_free(&answer);
		if (drained > 0)
			return 0;
		if (drained < 0) {
			fputs("mlbctl: the node is not draining any more\n", stderr);
			return CLIENT_REFUSED;
		}
		if (instant_reached(end, clock_now())) {
			fprintf(stderr, "mlbctl: the node still holds %d addresses after %g s\n", held,
				(double)limit_ms / 1000);
			return CLIENT_REFUSED;
		}
	}
}

int command_drain(const struct invocation *invocation)
{
	struct client_answer answer;
	enum client_result result = client_request(invocation->client, invocation->url_path, "", &answer);
	int status;

	if (result != CLIENT_DONE)
		return mlbctl_failed(invocation, result);
	if (!invocation->wait) {
		answer_print(invocation, &answer);
		return 0;
	}
	status = drain_wait(invocation);
	if (status == 0 && invocation->output != OUTPUT_JSON)
		puts("drained: the node holds no address");
	else if (status == 0)
		render_json(stdout, answer.text);
	client_answer_free(&answer);
	return status;
}

/* Works without a daemon: then only our own version is known. */
int command_version(const struct invocation *invocation)
{
	struct client_answer answer = { 0 };
	enum client_result result = client_request(invocation->client, invocation->url_path, NULL, &answer);
	const char *daemon = NULL;

	if (result == CLIENT_DONE)
		daemon = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(answer.doc, "version"));
	if (invocation->output == OUTPUT_JSON) {
		cJSON *doc = cJSON_CreateObject();
		char *text;

		cJSON_AddStringToObject(doc, "client", MLB_VERSION);
		cJSON_AddItemToObject(doc, "daemon", daemon ? cJSON_CreateString(daemon) : cJSON_CreateNull());
		text = cJSON_PrintUnformatted(doc);
		if (text)
			render_json(stdout, text);
		free(text);
		cJSON_Delete(doc);
	} else {
		printf("mlbctl  %s\n", MLB_VERSION);
		if (daemon)
			printf("mlbd    %s\n", daemon);
		else
			printf("mlbd    unknown: %s\n", client_error(invocation->client));
	}
	client_answer_free(&answer);
	return 0;
}
