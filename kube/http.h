/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shell: HTTP requests of libcurl's multi interface on a libuv loop, never blocking it. One transport keeps one connection to the server
 * where that speaks HTTP/2, and as many as there are requests where not. Knows nothing of Kubernetes.
 *
 * Answers come by three functions of the transfer's owner: `response` once, `data` any number of times, `done` last and exactly once, unless
 * the owner cancels. `done` may start and cancel transfers; the other two must not, for libcurl is at work when they are called.
 */
#ifndef MLB_KUBE_HTTP_H
#define MLB_KUBE_HTTP_H

#include <curl/curl.h>
#include <stdbool.h>
#include <uv.h>

struct http;
struct http_pool;

struct transfer_end {
	int error;	 /* 0: the answer is whole; or a negative errno */
	const char *why; /* for people; borrowed */
	bool lost; /* the connection broke: the server may or may not have acted, and may well answer when asked again */
};

struct transfer_owner {
	/* Status and Retry-After in seconds; negative: absent. */
	void (*response)(void *arg, int code, int retry_after_s);
	/* Anything but 0 ends the transfer; `done` says -ECANCELED. */
	int (*data)(void *arg, const char *data, size_t len);
	void (*done)(void *arg, const struct transfer_end *end);
	void *arg;
};

/* One request, in its owner's memory. Zeroed: not in flight. */
struct transfer {
	struct transfer_owner owner;
	CURL *easy; /* owned while in flight; NULL: it is not */
	struct curl_slist *headers;
	struct http_pool *pool;
	bool responded;
	char error[CURL_ERROR_SIZE];
};

/* 0 or -ENOMEM. */
int http_new(uv_loop_t *loop, struct http **ret);
/* No transfer may be in flight. Its memory is freed when the loop has closed its handles. NULL is fine. */
void http_free(struct http *http);
/*
 * The connection is not to be trusted any more: new transfers get a new one. Those in flight stay on theirs. Done by itself after a
 * time-out, since libcurl would go on using a connection that only looks alive.
 */
void http_renew(struct http *http);

/*
 * Send it: everything about the request is set in `easy`, which is taken over with the headers, also on failure. 0 or -ENOMEM.
 * The transfer's owner is set before. Set here: callbacks, error buffer, TCP options.
 */
int http_start(struct http *http, struct transfer *transfer, CURL *easy, struct curl_slist *headers);
/* End it without a call of `done`. One that is not in flight is fine. Not from `response` or `data`. */
void http_cancel(struct transfer *transfer);
bool transfer_running(const struct transfer *transfer);

#endif
