/* SPDX-License-Identifier: Apache-2.0 */
/* kube_elect: what a lease asks for goes to the server. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "kube/request.h"

struct kube_elect {
	struct kube_elect *next; /* of the same client */
	struct kube_client *client;
	struct lease lease;
	kube_elect_fn *changed;
	void *arg;
	bool held; /* as last told */
	void (*stopped)(void *arg);
	void *stopped_arg;
	uv_timer_t timer; /* its data is this struct */
};

static void elect_tick(struct kube_elect *elect);

static void on_answer(void *arg, const struct kube_answer *answer)
{
	struct kube_elect *elect = arg;

	lease_answer(&elect->lease, clock_now(), answer->code, answer->body, answer->len, answer->why);
	elect_tick(elect);
}

static int ask(struct kube_elect *elect, const struct lease_request *request)
{
	static const enum kube_method methods[] = {
		[LEASE_GET] = KUBE_GET, [LEASE_CREATE] = KUBE_POST, [LEASE_UPDATE] = KUBE_PUT
	};
	struct kube_resource resource = { .group = "coordination.k8s.io",
					  .version = "v1",
					  .plural = "leases",
					  .namespace = elect->lease.config.namespace };
	struct kube_call call = { .method = methods[request->method],
				  .timeout = request->timeout,
				  .urgent = true,
				  .body = request->method == LEASE_GET ? NULL : request->body,
				  .body_len = request->body_len };
	struct url_path path;

	if (request->method == LEASE_CREATE)
		url_path_resource(&path, &resource);
	else
		url_path_object(&path, &resource, elect->lease.config.name, NULL);
	call.path = url_path_text(&path);
	return kube_request(elect->client, &call, on_answer, elect);
}

/* Tell what has changed. */
static void tell(struct kube_elect *elect)
{
	bool held = lease_held(&elect->lease, clock_now());

	if (held == elect->held || elect->stopped != NULL)
		return;
	elect->held = held;
	elect->changed(elect->arg, held);
}

static void on_timer(uv_timer_t *timer)
{
	elect_tick(timer->data);
}

static void elect_tick(struct kube_elect *elect)
{
	struct lease_request request;
	int r;

	if (lease_released(&elect->lease, clock_now())) {
		void (*stopped)(void *) = elect->stopped;
		void *arg = elect->stopped_arg;

		elect_free(elect);
		stopped(arg);
		return;
	}
	if (lease_next(&elect->lease, clock_now(), clock_wall_ms() * 1000, &request)) {
		r = ask(elect, &request);
		if (r != 0)
			lease_answer(&elect->lease, clock_now(), 0, "", 0, "out of memory");
	}
	uv_timer_start(&elect->timer, on_timer, client_ms_until(lease_deadline(&elect->lease), clock_now()), 0);
	/* Last: who is told may stop us. */
	tell(elect);
}

int kube_elect(struct kube_client *client, const struct lease_config *config, kube_elect_fn *changed, void *arg,
	       struct kube_elect **ret)
{
	struct kube_elect *elect;

	if (!lease_config_valid(config))
		return -EINVAL;
	elect = calloc(1, sizeof(*elect));
	if (elect == NULL)
		return -ENOMEM;
	elect->client = client;
	elect->changed = changed;
	elect->arg = arg;
	lease_init(&elect->lease, config, clock_random_u64(), clock_now());
	uv_timer_init(client->loop, &elect->timer);
	elect->timer.data = elect;
	elect->next = client->elects;
	client->elects = elect;
	uv_timer_start(&elect->timer, on_timer, 0, 0);
	*ret = elect;
	return 0;
}

const struct lease *kube_elect_lease(const struct kube_elect *elect)
{
	return &elect->lease;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void elect_free(struct kube_elect *elect)
{
	struct kube_elect **at = &elect->client->elects;

	while (*at != elect)
		at = &(*at)->next;
	*at = elect->next;
	client_drop_urgent(elect->client, elect);
	uv_close((uv_handle_t *)&elect->timer, on_closed);
}

static void nobody_told(void *arg)
{
	(void)arg;
}

void kube_elect_stop(struct kube_elect *elect, void (*stopped)(void *arg), void *arg)
{
	assert(elect->stopped == NULL);
	elect->stopped = stopped == NULL ? nobody_told : stopped;
	elect->stopped_arg = arg;
	lease_release(&elect->lease, clock_now());
	uv_timer_start(&elect->timer, on_timer, 0, 0);
}
