/* SPDX-License-Identifier: Apache-2.0 */
/* kube_watch: what a reflector asks for goes to the server, what comes goes to the reflector. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "kube/request.h"

/* The reflector's own time-out comes first; this is for a clock that stood still. */
#define BACKSTOP_S 10

struct kube_watch {
	struct kube_watch *next; /* of the same client */
	struct kube_client *client;
	struct kube_resource resource; /* its texts are owned */
	struct reflector reflector;
	struct transfer transfer;
	uv_timer_t timer; /* its data is this struct */
};

static void on_response(void *arg, int code, int retry_after_s)
{
	struct kube_watch *watch = arg;

	reflector_response(&watch->reflector, clock_now(), code, retry_after_s);
	if (code == 401)
		(void)client_doubt_token(watch->client);
}

static int on_data(void *arg, const char *data, size_t len)
{
	struct kube_watch *watch = arg;

	return reflector_data(&watch->reflector, clock_now(), data, len);
}

static void watch_tick(struct kube_watch *watch);

static void on_done(void *arg, const struct transfer_end *end)
{
	struct kube_watch *watch = arg;

	reflector_end(&watch->reflector, clock_now(), end->error, end->why);
	watch_tick(watch);
}

/* meta/v1: what is only wanted by its labels need not come whole. */
static const char *accept_of(const struct kube_watch *watch, enum reflector_state kind)
{
	if (!watch->resource.metadata_only)
		return NULL;
	return kind == REFLECTOR_LIST ? "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
				      : "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
}

static int send_request(struct kube_watch *watch, const char *path, const struct reflector_request *request)
{
	struct curl_slist *headers;
	CURL *easy;
	int r = client_prepare(watch->client, path, accept_of(watch, request->kind), NULL,
			       span_us(request->timeout.us + span_s(BACKSTOP_S).us), &easy, &headers);

	if (r != 0)
		return r;
	/* A plain watch is not compressed by the server, and a compressor could hold back what is due. */
	if (request->kind != REFLECTOR_WATCH)
		curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
	return http_start(watch->client->watching, &watch->transfer, easy, headers);
}

/* Begin what is due. */
static void watch_begin(struct kube_watch *watch)
{
	struct reflector_request request;
	struct url_path path;
	int r;

	url_path_resource(&path, &watch->resource);
	url_path_selectors(&path, &watch->resource);
	if (!reflector_next(&watch->reflector, clock_now(), &path, &request))
		return;
	/* Its parts are bounded, so it fits: kube_watch tried. */
	r = send_request(watch, url_path_text(&path), &request);
	if (r != 0)
		reflector_end(&watch->reflector, clock_now(), r, strerror(-r));
}

static void on_timer(uv_timer_t *timer)
{
	watch_tick(timer->data);
}

static void watch_tick(struct kube_watch *watch)
{
	struct reflector *reflector = &watch->reflector;

	if (transfer_running(&watch->transfer) && reflector_overdue(reflector, clock_now())) {
		http_cancel(&watch->transfer);
		/* Others on this connection find out for themselves; what comes next must not depend on it. */
		http_renew(watch->client->watching);
		reflector_end(reflector, clock_now(), -ETIMEDOUT, "nothing came for too long");
	}
	watch_begin(watch);
	uv_timer_start(&watch->timer, on_timer, client_ms_until(reflector_deadline(reflector), clock_now()), 0);
}

static void free_resource(struct kube_resource *resource)
{
	const char *texts[] = { resource->group,     resource->version,	       resource->plural,
				resource->namespace, resource->label_selector, resource->field_selector };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		free((char *)(uintptr_t)texts[i]);
}

static bool copy_text(const char *text, const char **ret)
{
	*ret = text == NULL ? NULL : strdup(text);
	return text == NULL || *ret != NULL;
}

static bool copy_resource(const struct kube_resource *resource, struct kube_resource *ret)
{
	ret->metadata_only = resource->metadata_only;
	return copy_text(resource->group, &ret->group) && copy_text(resource->version, &ret->version) &&
	       copy_text(resource->plural, &ret->plural) && copy_text(resource->namespace, &ret->namespace) &&
	       copy_text(resource->label_selector, &ret->label_selector) &&
	       copy_text(resource->field_selector, &ret->field_selector);
}

/* Does the path fit with the longest parameters that a reflector may add? */
static bool valid_path(const struct kube_resource *resource)
{
	struct url_path path;

	url_path_resource(&path, resource);
	url_path_selectors(&path, resource);
	return url_path_text(&path) != NULL && path.len + 3 * KUBE_CONTINUE_MAX + 512 < sizeof(path.text);
}

int kube_watch(struct kube_client *client, const struct kube_resource *resource, const struct reflector_config *config,
	       const struct reflector_sink *sink, struct kube_watch **ret)
{
	struct kube_watch *watch;

	if (!valid_path(resource))
		return -EINVAL;
	watch = calloc(1, sizeof(*watch));
	if (watch == NULL)
		return -ENOMEM;
	if (!copy_resource(resource, &watch->resource)) {
		free_resource(&watch->resource);
		free(watch);
		return -ENOMEM;
	}
	watch->client = client;
	watch->transfer.owner = (struct transfer_owner){ on_response, on_data, on_done, watch };
	reflector_init(&watch->reflector, config, sink, clock_random_u64(), clock_now());
	uv_timer_init(client->loop, &watch->timer);
	watch->timer.data = watch;
	watch->next = client->watches;
	client->watches = watch;
	uv_timer_start(&watch->timer, on_timer, client_ms_until(reflector_deadline(&watch->reflector), clock_now()), 0);
	*ret = watch;
	return 0;
}

void kube_watch_hurry(struct kube_watch *watch)
{
	reflector_hurry(&watch->reflector, clock_now());
	uv_timer_start(&watch->timer, on_timer, client_ms_until(reflector_deadline(&watch->reflector), clock_now()), 0);
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void kube_watch_stop(struct kube_watch *watch)
{
	struct kube_watch **at = &watch->client->watches;

	while (*at != watch)
		at = &(*at)->next;
	*at = watch->next;
	http_cancel(&watch->transfer);
	reflector_free(&watch->reflector);
	free_resource(&watch->resource);
	uv_close((uv_handle_t *)&watch->timer, on_closed);
}

const struct reflector *kube_watch_reflector(const struct kube_watch *watch)
{
	return &watch->reflector;
}
