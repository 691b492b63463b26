/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/client.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "kube/request.h"

/* client-go: a token's file is looked at again after a minute; certificates and authorities change by the day. */
#define TOKEN_AGE_S 60
#define CERTIFICATE_AGE_S 60
#define REQUESTS_PER_S 400

uint64_t client_ms_until(struct instant t, struct instant now)
{
	int64_t us = instant_since(t, now).us;

	if (t.us == INT64_MAX)
		return UINT32_MAX;
	return us <= 0 ? 0 : ((uint64_t)us + 999) / 1000;
}

static void on_pump(uv_timer_t *timer)
{
	client_pump(timer->data);
}

void client_pump_at(struct kube_client *client, struct instant when)
{
	/* From the timer, always: the caller may be in the middle of anything. */
	uv_timer_start(&client->pump, on_pump, client_ms_until(when, clock_now()), 0);
}

int kube_client_new(uv_loop_t *loop, struct kube_config *config, const struct kube_client_options *options,
		    struct kube_client **ret, struct kube_reason *why)
{
	uint32_t per_s = options->per_s == 0 ? REQUESTS_PER_S : options->per_s;
	struct kube_client *client = calloc(1, sizeof(*client));

	if (client == NULL || http_new(loop, &client->watching) != 0 || http_new(loop, &client->writing) != 0)
		goto no_memory;
	if (config->connect_to != NULL) {
		client->connect_to = curl_slist_append(NULL, config->connect_to);
		if (client->connect_to == NULL)
			goto no_memory;
	}
	client->loop = loop;
	client->config = *config;
	*config = (struct kube_config){ 0 };
	/* Not to begin like a browser or curl: the server would print for people, half as long again. */
	snprintf(client->user_agent, sizeof(client->user_agent), "%.63s/%s (linux)",
		 options->program == NULL ? "mlbd" : options->program, MLB_VERSION);
	client->bucket = bucket_of(per_s, per_s);
	client->window = KUBE_FLIGHT_MAX;
	client->urgent_end = &client->urgent;
	client->waiting_end = &client->waiting;
	uv_timer_init(loop, &client->pump);
	client->pump.data = client;
	*ret = client;
	return 0;

no_memory:
	snprintf(why->text, sizeof(why->text), "out of memory");
	if (client != NULL) {
		http_free(client->watching);
		http_free(client->writing);
	}
	free(client);
	kube_config_free(config);
	return -ENOMEM;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void kube_client_free(struct kube_client *client)
{
	if (client == NULL)
		return;
	while (client->watches != NULL)
		kube_watch_stop(client->watches);
	while (client->elects != NULL)
		elect_free(client->elects);
	client_drop_calls(client);
	http_free(client->watching);
	http_free(client->writing);
	curl_slist_free_all(client->connect_to);
	kube_config_free(&client->config);
	uv_close((uv_handle_t *)&client->pump, on_closed);
}

const struct kube_config *kube_client_config(const struct kube_client *client)
{
	return &client->config;
}

struct kube_counters kube_client_counters(const struct kube_client *client)
{
	return client->counters;
}

bool client_doubt_token(struct kube_client *client)
{
	struct kube_config *config = &client->config;

	config->token.doubted = config->certificate.doubted = config->key.doubted = true;
	return config->token.path != NULL || config->certificate.path != NULL;
}

static void set_blob(CURL *easy, CURLoption option, const struct kube_secret *secret)
{
	struct curl_blob blob = { secret->data, secret->len, CURL_BLOB_COPY };

	if (secret->data != NULL)
		curl_easy_setopt(easy, option, &blob);
}

/*
 * As bytes and not as file names: libcurl keeps what it read of an authority's file for a day, and would go on with a connection that another
 * authority or certificate vouched for. With other bytes it makes a new one.
 */
static void set_tls(CURL *easy, struct kube_config *config)
{
	struct instant now = clock_now();
	struct span age = span_s(CERTIFICATE_AGE_S);

	/* On failure what was read before goes on; whether that is good, the server says. */
	(void)kube_secret_refresh(&config->authority, now, age);
	(void)kube_secret_refresh(&config->certificate, now, age);
	(void)kube_secret_refresh(&config->key, now, age);
	set_blob(easy, CURLOPT_CAINFO_BLOB, &config->authority);
	set_blob(easy, CURLOPT_SSLCERT_BLOB, &config->certificate);
	set_blob(easy, CURLOPT_SSLKEY_BLOB, &config->key);
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (config->insecure) {
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	}
}

__attribute__((format(printf, 2, 3))) static int add_header(struct curl_slist **headers, const char *format, ...)
{
	struct curl_slist *list = NULL;
	va_list args;
	char *line;
	int n;

	va_start(args, format);
	n = vasprintf(&line, format, args);
	va_end(args);
	if (n < 0)
		return -ENOMEM;
	list = curl_slist_append(*headers, line);
	free(line);
	if (list == NULL)
		return -ENOMEM;
	*headers = list;
	return 0;
}

static int add_headers(struct kube_config *config, const char *accept, const char *content_type,
		       struct curl_slist **headers)
{
	int r;

	(void)kube_secret_refresh(&config->token, clock_now(), span_s(TOKEN_AGE_S));
	r = add_header(headers, "Accept: %s", accept == NULL ? "application/json" : accept);
	/* libcurl would wait for a "100 Continue" that some proxies never send. */
	if (r == 0)
		r = add_header(headers, "Expect:");
	if (r == 0 && content_type != NULL)
		r = add_header(headers, "Content-Type: %s", content_type);
	/* A file may have anything in it: nothing of that becomes another header. */
	if (r == 0 && config->token.data != NULL && strpbrk(config->token.data, "\r\n") == NULL)
		r = add_header(headers, "Authorization: Bearer %s", config->token.data);
	return r;
}

static int set_all(struct kube_client *client, CURL *easy, const char *path, struct span timeout)
{
	struct kube_config *config = &client->config;
	char *url;

	if (asprintf(&url, "%s%s", config->server, path) < 0)
		return -ENOMEM;
	curl_easy_setopt(easy, CURLOPT_URL, url);
	free(url);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, client->user_agent);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(timeout.us / 1000));
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
			 config->http1 ? (long)CURL_HTTP_VERSION_1_1 : (long)CURL_HTTP_VERSION_2TLS);
	/* "" is "none": a proxy of the environment would be asked for the cluster's own addresses. */
	curl_easy_setopt(easy, CURLOPT_PROXY, config->proxy == NULL ? "" : config->proxy);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https,http");
	set_tls(easy, config);
	if (client->connect_to != NULL)
		curl_easy_setopt(easy, CURLOPT_CONNECT_TO, client->connect_to); /* borrowed by libcurl */
	return 0;
}

int client_prepare(struct kube_client *client, const char *path, const char *accept, const char *content_type,
		   struct span timeout, CURL **ret, struct curl_slist **headers)
{
	struct curl_slist *list = NULL;
	CURL *easy = curl_easy_init();
	int r = easy == NULL ? -ENOMEM : add_headers(&client->config, accept, content_type, &list);

	if (r == 0)
		r = set_all(client, easy, path, timeout);
	if (r != 0) {
		curl_slist_free_all(list);
		curl_easy_cleanup(easy);
		return r;
	}
	*ret = easy;
	*headers = list;
	return 0;
}
