/* SPDX-License-Identifier: Apache-2.0 */
/* kube_request: single requests, begun in order, a few at a time, tried again where that is right. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "kube/request.h"

#define TIMEOUT_S 30
/* client-go's with_retry.go */
#define TRIES_MAX 10
/* A connection that broke: the server may need a moment. */
#define LOST_PAUSE_MS 100
/* A server that asks for more is told later, when the caller asks again. */
#define PAUSE_MAX_S 60

struct kube_call_state {
	struct kube_call_state *next;
	struct kube_client *client;
	enum kube_method method;
	char *path; /* owned, as the next three */
	char *body; /* NULL: none */
	char *content_type;
	size_t body_len;
	struct span timeout;
	bool urgent;
	kube_answer_fn *answered;
	void *arg;
	struct transfer transfer;
	unsigned int tries;
	bool reread; /* a 401 was tried again */
	int code;
	int retry_after_s;
	bool too_long;
	struct stream_buffer answer;
};

static void call_free(struct kube_call_state *call)
{
	http_cancel(&call->transfer);
	stream_buffer_free(&call->answer);
	free(call->path);
	free(call->body);
	free(call->content_type);
	free(call);
}

/* The last word to who asked. */
static void call_answer(struct kube_call_state *call, int code, const char *why)
{
	struct kube_answer answer = { .code = code, .body = "", .why = why };

	/* The terminator is no part of it. */
	if (code != 0 && stream_buffer_add(&call->answer, "", 1) == 0) {
		answer.body = call->answer.data;
		answer.len = call->answer.len - 1;
	}
	call->answered(call->arg, &answer);
	call_free(call);
}

static void unlink_running(struct kube_call_state *call)
{
	struct kube_client *client = call->client;
	struct kube_call_state **at = &client->running;

	while (*at != call)
		at = &(*at)->next;
	*at = call->next;
	call->next = NULL;
	client->counters.running--;
	client->flight_n -= !call->urgent;
}

static void put_first(struct kube_client *client, struct kube_call_state *call)
{
	call->next = client->waiting;
	if (client->waiting == NULL)
		client->waiting_end = &call->next;
	client->waiting = call;
	client->counters.waiting++;
}

/* Up to half as long again: others were told the same. */
static void pause_for(struct kube_client *client, struct span time)
{
	int64_t more = (int64_t)(clock_random_u64() % (uint64_t)(time.us / 2 + 1));
	struct instant until = instant_add(clock_now(), span_us(time.us + more));

	if (instant_before(client->pause_until, until))
		client->pause_until = until;
}

/* How many may be in flight: half when the server has too much to do, one more for each that it serves (RFC 5681 3.1's idea). */
static void adjust_window(struct kube_client *client, bool busy)
{
	if (busy && !instant_before(clock_now(), client->pause_until)) /* once for all that were in flight together */
		client->window = client->window > 1 ? client->window / 2 : 1;
	else if (!busy && client->window < KUBE_FLIGHT_MAX)
		client->window++;
}

/* Should it be sent again? Then the pause before that is set. */
static bool call_again(struct kube_call_state *call, const struct transfer_end *end)
{
	struct kube_client *client = call->client;
	bool busy = end->error == 0 && (call->code == 429 || call->code >= 500) && call->retry_after_s > 0;

	if (!call->urgent && end->error == 0)
		adjust_window(client, busy);
	if (call->urgent || call->tries >= TRIES_MAX)
		return false;
	if (end->error == 0 && call->code == 401 && !call->reread) {
		call->reread = true;
		return client_doubt_token(client);
	}
	if (busy) {
		pause_for(client, span_s(call->retry_after_s < PAUSE_MAX_S ? call->retry_after_s : PAUSE_MAX_S));
		return true;
	}
	/* It may have been done: what is created would be there twice, or refused for being there. */
	if (end->lost && call->method != KUBE_POST) {
		pause_for(client, span_ms(LOST_PAUSE_MS));
		return true;
	}
	return false;
}

static void on_response(void *arg, int code, int retry_after_s)
{
	struct kube_call_state *call = arg;

	call->code = code;
	call->retry_after_s = retry_after_s;
}

static int on_data(void *arg, const char *data, size_t len)
{
	struct kube_call_state *call = arg;
	int r = stream_buffer_add(&call->answer, data, len);

	call->too_long = r == -EMSGSIZE;
	return r;
}

static void on_done(void *arg, const struct transfer_end *end)
{
	struct kube_call_state *call = arg;
	struct kube_client *client = call->client;

	unlink_running(call);
	client->counters.lost += end->error != 0;
	client->counters.refused += end->error == 0 && call->code >= 400;
	client->counters.throttled += end->error == 0 && call->code == 429;
	/* Before the caller is told: it may free the client. */
	client_pump_at(client, clock_now());
	if (call_again(call, end)) {
		client->counters.retries++;
		put_first(client, call);
	} else if (end->error == 0) {
		call_answer(call, call->code, "");
	} else {
		call_answer(call, 0, call->too_long ? "the answer is too long" : end->why);
	}
}

static void set_method(const struct kube_call_state *call, CURL *easy)
{
	static const char *const names[] = {
		[KUBE_POST] = "POST", [KUBE_PUT] = "PUT", [KUBE_PATCH] = "PATCH", [KUBE_DELETE] = "DELETE"
	};

	if (call->body != NULL) {
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body_len);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->body); /* borrowed by libcurl */
	}
	if (call->method != KUBE_GET)
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, names[call->method]);
}

/* 0; or a negative errno: it was not begun. */
static int call_begin(struct kube_call_state *call)
{
	struct kube_client *client = call->client;
	struct curl_slist *headers;
	CURL *easy;
	int r = client_prepare(client, call->path, NULL, call->body == NULL ? NULL : call->content_type, call->timeout,
			       &easy, &headers);

	if (r != 0)
		return r;
	set_method(call, easy);
	stream_buffer_clear(&call->answer);
	call->code = 0;
	call->retry_after_s = -1;
	r = http_start(client->writing, &call->transfer, easy, headers);
	if (r != 0)
		return r;
	call->tries++;
	client->counters.requests++;
	client->counters.running++;
	client->flight_n += !call->urgent;
	call->next = client->running;
	client->running = call;
	return 0;
}

static struct kube_call_state *take_first(struct kube_call_state **list, struct kube_call_state ***end)
{
	struct kube_call_state *call = *list;

	*list = call->next;
	call->next = NULL;
	if (*list == NULL)
		*end = list;
	return call;
}

/* The next request that may be begun now; NULL: none. */
static struct kube_call_state *next_call(struct kube_client *client, struct instant now)
{
	if (client->urgent != NULL) {
		client->counters.waiting--;
		return take_first(&client->urgent, &client->urgent_end);
	}
	if (client->waiting == NULL || client->flight_n >= client->window ||
	    !instant_reached(client->pause_until, now) || !bucket_has(&client->bucket, 1, now))
		return NULL;
	bucket_take(&client->bucket, 1);
	client->counters.waiting--;
	return take_first(&client->waiting, &client->waiting_end);
}

void client_pump(struct kube_client *client)
{
	struct instant now = clock_now(), when;
	struct kube_call_state *call = next_call(client, now);

	if (call != NULL) {
		/* Once more for the next; and before an answer, after which there may be no client. */
		client_pump_at(client, now);
		if (call_begin(call) != 0)
			call_answer(call, 0, "out of memory");
		return;
	}
	if (client->waiting == NULL || client->flight_n >= client->window)
		return; /* whoever changes that says so */
	when = bucket_ready(&client->bucket, 1);
	client_pump_at(client, instant_before(when, client->pause_until) ? client->pause_until : when);
}

static struct kube_call_state *call_new(struct kube_client *client, const struct kube_call *call)
{
	const char *type = call->content_type == NULL ? "application/json" : call->content_type;
	struct kube_call_state *state = calloc(1, sizeof(*state));

	if (state == NULL)
		return NULL;
	state->client = client;
	state->method = call->method;
	state->path = strdup(call->path);
	state->content_type = strdup(type);
	state->timeout = call->timeout.us > 0 ? call->timeout : span_s(TIMEOUT_S);
	state->urgent = call->urgent;
	state->transfer.owner = (struct transfer_owner){ on_response, on_data, on_done, state };
	stream_buffer_init(&state->answer, KUBE_BODY_LEN_MAX);
	if (call->body != NULL) {
		state->body = malloc(call->body_len + 1);
		state->body_len = call->body_len;
		if (state->body != NULL)
			memcpy(state->body, call->body, call->body_len);
	}
	if (state->path == NULL || state->content_type == NULL || (call->body != NULL && state->body == NULL)) {
		call_free(state);
		return NULL;
	}
	return state;
}

int kube_request(struct kube_client *client, const struct kube_call *call, kube_answer_fn *answered, void *arg)
{
	struct kube_call_state *state;

	if (call->path == NULL || call->path[0] != '/' || strlen(call->path) >= KUBE_PATH_MAX)
		return -EINVAL;
	if (!call->urgent && client->counters.waiting >= KUBE_QUEUE_MAX)
		return -ENOBUFS;
	state = call_new(client, call);
	if (state == NULL)
		return -ENOMEM;
	state->answered = answered;
	state->arg = arg;
	if (call->urgent) {
		*client->urgent_end = state;
		client->urgent_end = &state->next;
	} else {
		*client->waiting_end = state;
		client->waiting_end = &state->next;
	}
	client->counters.waiting++;
	client_pump_at(client, clock_now());
	return 0;
}

static void drop_list(struct kube_call_state *list)
{
	while (list != NULL) {
		struct kube_call_state *call = list;

		list = call->next;
		call_free(call);
	}
}

void client_drop_calls(struct kube_client *client)
{
	drop_list(client->urgent);
	drop_list(client->waiting);
	drop_list(client->running);
	client->urgent = client->waiting = client->running = NULL;
}

static void drop_of(struct kube_client *client, struct kube_call_state **list, const void *arg)
{
	while (*list != NULL) {
		struct kube_call_state *call = *list;

		if (call->arg != arg) {
			list = &call->next;
			continue;
		}
		*list = call->next;
		if (transfer_running(&call->transfer))
			client->counters.running--;
		else
			client->counters.waiting--;
		call_free(call);
	}
}

void client_drop_urgent(struct kube_client *client, const void *arg)
{
	struct kube_call_state **end = &client->urgent;

	drop_of(client, &client->urgent, arg);
	drop_of(client, &client->running, arg);
	while (*end != NULL)
		end = &(*end)->next;
	client->urgent_end = end;
}

void kube_requests_cancel(struct kube_client *client)
{
	struct kube_call_state *list = client->waiting, **end = client->waiting_end, *call, *next;

	/* What is in flight goes behind what waits; then all of it is out of the client's lists before anyone is told. */
	client->waiting = NULL;
	client->waiting_end = &client->waiting;
	for (call = list; call != NULL; call = call->next)
		client->counters.waiting--;
	if (list == NULL)
		end = &list;
	for (call = client->running; call != NULL; call = next) {
		next = call->next;
		if (call->urgent)
			continue;
		unlink_running(call);
		http_cancel(&call->transfer);
		*end = call;
		end = &call->next;
	}
	while (list != NULL) {
		call = list;
		list = call->next;
		call_answer(call, 0, "cancelled");
	}
}
