/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/http.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/*
 * Dead peers and paths: a probe after 15 s of silence, three in 5 s steps; data that nobody acknowledges for 30 s. What answers on TCP and
 * does nothing is found by the time-outs of each request.
 */
#define KEEPALIVE_IDLE_S 15L
#define KEEPALIVE_INTERVAL_S 5L
#define KEEPALIVE_COUNT 3
#define USER_TIMEOUT_MS 30000U
#define CONNECT_TIMEOUT_MS 10000L

/* A multi handle with its timer. Retired ones live until their last transfer has ended. */
struct http_pool {
	CURLM *multi;
	struct http *http;
	uv_timer_t timer; /* its data is the pool */
	size_t running_n;
	bool retired;
	bool inside; /* libcurl is at work */
};

struct http {
	uv_loop_t *loop;
	struct http_pool *pool; /* the one for new transfers; owned. Retired ones own themselves */
};

/* One socket of libcurl's. */
struct http_socket {
	uv_poll_t poll; /* its data is this struct */
	struct http_pool *pool;
	curl_socket_t fd;
};

static void pool_finish(struct http_pool *pool);

static void on_pool_closed(uv_handle_t *handle)
{
	free(handle->data);
}

/* Close what nobody will use any more. Not while libcurl is at work. */
static void pool_tidy(struct http_pool *pool)
{
	if (!pool->retired || pool->running_n > 0 || pool->inside || pool->multi == NULL)
		return;
	pool->inside = true; /* closing connections calls back */
	curl_multi_cleanup(pool->multi);
	pool->multi = NULL;
	uv_close((uv_handle_t *)&pool->timer, on_pool_closed);
}

static void pool_act(struct http_pool *pool, curl_socket_t fd, int what)
{
	int running;

	if (pool->multi == NULL)
		return;
	pool->inside = true;
	curl_multi_socket_action(pool->multi, fd, what, &running);
	pool->inside = false;
	pool_finish(pool);
	pool_tidy(pool);
}

static void on_timer(uv_timer_t *timer)
{
	pool_act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static int on_multi_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct http_pool *pool = arg;

	(void)multi;
	if (timeout_ms < 0)
		uv_timer_stop(&pool->timer);
	else
		uv_timer_start(&pool->timer, on_timer, (uint64_t)timeout_ms, 0);
	return 0;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct http_socket *socket = poll->data;
	int what = status < 0 ? CURL_CSELECT_ERR : 0;

	if ((events & UV_READABLE) != 0)
		what |= CURL_CSELECT_IN;
	if ((events & UV_WRITABLE) != 0)
		what |= CURL_CSELECT_OUT;
	pool_act(socket->pool, socket->fd, what);
}

static void on_socket_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static struct http_socket *socket_new(struct http_pool *pool, curl_socket_t fd)
{
	struct http_socket *socket = calloc(1, sizeof(*socket));

	if (socket == NULL)
		return NULL;
	socket->pool = pool;
	socket->fd = fd;
	if (uv_poll_init_socket(pool->http->loop, &socket->poll, fd) != 0) {
		free(socket);
		return NULL;
	}
	socket->poll.data = socket;
	curl_multi_assign(pool->multi, fd, socket);
	return socket;
}

static int on_multi_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct http_pool *pool = arg;
	struct http_socket *socket = socket_arg;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (socket != NULL) {
			uv_poll_stop(&socket->poll);
			uv_close((uv_handle_t *)&socket->poll, on_socket_closed);
			curl_multi_assign(pool->multi, fd, NULL);
		}
		return 0;
	}
	if (socket == NULL)
		socket = socket_new(pool, fd);
	/* Without it the transfer waits for its time-out, as with a dead server. */
	if (socket != NULL)
		uv_poll_start(&socket->poll,
			      (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0),
			      on_poll);
	return 0;
}

static struct http_pool *pool_new(struct http *http)
{
	struct http_pool *pool = calloc(1, sizeof(*pool));

	if (pool == NULL)
		return NULL;
	pool->http = http;
	pool->multi = curl_multi_init();
	if (pool->multi == NULL) {
		free(pool);
		return NULL;
	}
	uv_timer_init(http->loop, &pool->timer);
	pool->timer.data = pool;
	curl_multi_setopt(pool->multi, CURLMOPT_SOCKETFUNCTION, on_multi_socket);
	curl_multi_setopt(pool->multi, CURLMOPT_SOCKETDATA, pool);
	curl_multi_setopt(pool->multi, CURLMOPT_TIMERFUNCTION, on_multi_timer);
	curl_multi_setopt(pool->multi, CURLMOPT_TIMERDATA, pool);
	return pool;
}

int http_new(uv_loop_t *loop, struct http **ret)
{
	struct http *http = calloc(1, sizeof(*http));

	if (http == NULL)
		return -ENOMEM;
	http->loop = loop;
	http->pool = pool_new(http);
	if (http->pool == NULL) {
		free(http);
		return -ENOMEM;
	}
	*ret = http;
	return 0;
}

void http_free(struct http *http)
{
	if (http == NULL)
		return;
	assert(http->pool->running_n == 0);
	http->pool->retired = true;
	pool_tidy(http->pool);
	free(http);
}

void http_renew(struct http *http)
{
	struct http_pool *old = http->pool;
	struct http_pool *fresh;

	if (old->running_n == 0 && old->multi == NULL)
		return;
	fresh = pool_new(http);
	if (fresh == NULL)
		return; /* then we go on with the old one */
	http->pool = fresh;
	old->retired = true;
	pool_tidy(old);
}

static void transfer_clear(struct transfer *transfer)
{
	curl_easy_cleanup(transfer->easy);
	curl_slist_free_all(transfer->headers);
	transfer->easy = NULL;
	transfer->headers = NULL;
	transfer->pool = NULL;
}

static int error_of(CURLcode code)
{
	switch ((int)code) {
	case CURLE_OK:
		return 0;
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_COULDNT_CONNECT:
		return -ECONNREFUSED;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return -EHOSTUNREACH;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
		return -EPROTO;
	case CURLE_OUT_OF_MEMORY:
		return -ENOMEM;
	case CURLE_WRITE_ERROR:
		return -ECANCELED;
	default:
		return -ECONNRESET;
	}
}

/* kube.md 5.1: what a server that goes away, a GOAWAY, or a connection that was closed meanwhile looks like. */
static bool is_lost(CURLcode code)
{
	return code == CURLE_HTTP2 || code == CURLE_HTTP2_STREAM || code == CURLE_GOT_NOTHING ||
	       code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR || code == CURLE_PARTIAL_FILE ||
	       code == CURLE_SSL_CONNECT_ERROR;
}

static void pool_finish(struct http_pool *pool)
{
	CURLMsg *message;
	int left;

	while (pool->multi != NULL && (message = curl_multi_info_read(pool->multi, &left)) != NULL) {
		struct transfer *transfer;
		struct transfer_owner owner;
		struct transfer_end end;
		char error[CURL_ERROR_SIZE];
		CURLcode code = message->data.result;

		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
		memcpy(error, transfer->error, sizeof(error));
		end = (struct transfer_end){ error_of(code), error[0] != '\0' ? error : curl_easy_strerror(code),
					     is_lost(code) };
		owner = transfer->owner;
		curl_multi_remove_handle(pool->multi, transfer->easy);
		transfer_clear(transfer);
		pool->running_n--;
		if (code == CURLE_OPERATION_TIMEDOUT && !pool->retired)
			http_renew(pool->http);
		owner.done(owner.arg, &end);
	}
}

static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
	struct transfer *transfer = arg;
	size_t len = size * n;
	curl_off_t retry_after = 0;
	long code = 0;

	/* The empty line ends the header. Of 1xx there may be any number before the answer. */
	if (transfer->responded || len == 0 || (data[0] != '\r' && data[0] != '\n'))
		return len;
	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &code);
	if (code < 200)
		return len;
	curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &retry_after);
	transfer->responded = true;
	transfer->owner.response(transfer->owner.arg, (int)code,
				 retry_after <= 0	   ? -1
				 : retry_after > INT32_MAX ? INT32_MAX
							   : (int)retry_after);
	return len;
}

static size_t on_data(char *data, size_t size, size_t n, void *arg)
{
	struct transfer *transfer = arg;

	return transfer->owner.data(transfer->owner.arg, data, size * n) == 0 ? size * n : 0;
}

static int on_socket_made(void *arg, curl_socket_t fd, curlsocktype purpose)
{
	int count = KEEPALIVE_COUNT;
	unsigned int timeout_ms = USER_TIMEOUT_MS;

	(void)arg;
	(void)purpose;
	/* Where the kernel knows neither, the time-outs of the requests remain. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
	return CURL_SOCKOPT_OK;
}

int http_start(struct http *http, struct transfer *transfer, CURL *easy, struct curl_slist *headers)
{
	struct http_pool *pool = http->pool;

	assert(transfer->easy == NULL && !pool->inside);
	transfer->easy = easy;
	transfer->headers = headers;
	transfer->pool = pool;
	transfer->responded = false;
	transfer->error[0] = '\0';
	curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
	curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_socket_made);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
	curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	/* Wait for the connection that is being made, and share it: otherwise each request makes its own. */
	curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
	if (curl_multi_add_handle(pool->multi, easy) != CURLM_OK) {
		transfer_clear(transfer);
		return -ENOMEM;
	}
	pool->running_n++;
	return 0;
}

void http_cancel(struct transfer *transfer)
{
	struct http_pool *pool = transfer->pool;

	if (transfer->easy == NULL)
		return;
	assert(!pool->inside);
	pool->inside = true;
	curl_multi_remove_handle(pool->multi, transfer->easy);
	pool->inside = false;
	transfer_clear(transfer);
	pool->running_n--;
	pool_tidy(pool);
}

bool transfer_running(const struct transfer *transfer)
{
	return transfer->easy != NULL;
}
