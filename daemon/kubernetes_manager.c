/* SPDX-License-Identifier: Apache-2.0 */
/* The controller on the node that holds the lease: what kube/controller.h says is written. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/kubernetes_internal.h"
#include "daemon/log.h"

/* Writes that are asked for at once; the client sends them as the server bears it. */
#define WRITING_MAX 64
/* Services looked at in one turn of the loop: some 2 ms. */
#define BUDGET 200
#define COUNTERS_DELAY_MS 1000
#define PAUSE_MS 1000
#define PAUSE_MAX_MS 30000
/* What nothing explains (a write that the server refuses for ever) is tried again then. */
#define SWEEP_MS 60000
/* An API server that does not answer must not hold up the end. */
#define STOP_LIMIT_MS 2000

int kubernetes_write(struct kubernetes *k, enum kube_method method, const char *path, const char *type,
		     kube_answer_fn *answered, void *arg)
{
	struct kube_call call = { .method = method, .path = path, .content_type = type };
	int error;

	if (path == NULL || k->body.failed)
		return -EINVAL;
	if (method != KUBE_DELETE && method != KUBE_GET) {
		call.body = k->body.text;
		call.body_len = k->body.len;
	}
	error = kube_request(k->client, &call, answered, arg);
	k->writes += error == 0;
	return error;
}

static void on_manager(uv_timer_t *timer);

void manager_wake(struct kubernetes *k)
{
	if (k->leads && !k->stopping && k->writing_n < WRITING_MAX)
		uv_timer_start(&k->manager_timer, on_manager,
			       instant_reached(k->pause_until, clock_now())
				       ? 0
				       : (uint64_t)(instant_since(k->pause_until, clock_now()).us / 1000) + 1,
			       0);
}

/* ---- Services ---- */

/* The server refuses or does not answer: not all at once again. */
static void pause_writes(struct kubernetes *k)
{
	uint64_t ms = (uint64_t)PAUSE_MS << (k->failures < 5 ? k->failures : 5);

	if (!instant_reached(k->pause_until, clock_now()))
		return;
	k->failures++;
	k->pause_until = instant_add(clock_now(), span_ms((int64_t)(ms < PAUSE_MAX_MS ? ms : PAUSE_MAX_MS)));
}

static enum kube_written judge(struct kubernetes *k, const struct call *write, const struct kube_answer *answer)
{
	cJSON *tree;
	int error;

	if (answer->code == 200) {
		tree = cJSON_ParseWithLength(answer->body, answer->len);
		error = tree == NULL ? -EBADMSG
				     : kube_store_put(&k->store, KUBE_SERVICES, write->key, tree, clock_now());
		cJSON_Delete(tree);
		k->failures = 0;
		return error == 0 ? KUBE_WRITTEN : KUBE_OUTDATED;
	}
	k->write_errors++;
	if (answer->code == 409 || answer->code == 404 || answer->code == 422)
		return KUBE_OUTDATED;
	log_warning("kubernetes-write service=%s status=%d error=\"%.200s\"", write->key, answer->code,
		    answer->code == 0 ? answer->why : answer->body);
	return KUBE_UNWRITTEN;
}

static void on_written(void *arg, const struct kube_answer *answer)
{
	struct call *write = arg;
	struct kubernetes *k = write->kubernetes;
	enum kube_written result;

	k->writing_n--;
	/* it may have been deleted meanwhile: an answer would bring it back */
	result =
		kube_store_find(&k->store, KUBE_SERVICES, write->key) == NULL ? KUBE_OUTDATED : judge(k, write, answer);
	if (result == KUBE_UNWRITTEN)
		pause_writes(k);
	kube_manager_wrote(&k->manager, &k->store, write->key, result);
	call_free(write);
	manager_wake(k);
}

static void write_status(struct kubernetes *k, const struct kube_task *task)
{
	struct kube_resource resource = { .group = "", .version = "v1", .plural = "services" };
	struct call *write = call_new(k, task->entry->item.key);
	struct url_path path;
	int error = -ENOMEM;

	if (write != NULL) {
		resource.namespace = task->service->meta.namespace;
		url_path_object(&path, &resource, task->service->meta.name, "status");
		kube_body_service(&k->body, task->service, &task->patch);
		error = kubernetes_write(k, KUBE_PATCH, url_path_text(&path), KUBE_MERGE_PATCH, on_written, write);
	}
	if (error == 0) {
		k->writing_n++;
		return;
	}
	log_warning("kubernetes-write service=%s error=\"%s\"", task->entry->item.key, strerror(-error));
	call_free(write);
	pause_writes(k);
	kube_manager_wrote(&k->manager, &k->store, task->entry->item.key, KUBE_UNWRITTEN);
}

static void say_events(struct kubernetes *k, const struct kube_task *task)
{
	const struct kube_meta *meta = &task->service->meta;
	struct kube_about about = { "v1", "Service", meta->namespace, meta->name, meta->uid, false };

	for (size_t i = 0; i < task->patch.event_n; i++) {
		const struct kube_event *event = &task->patch.events[i];

		if (event->warning)
			log_warning("kubernetes-event service=%s reason=\"%s\" message=\"%s\"", task->entry->item.key,
				    event->reason, event->message);
		else
			log_debug("kubernetes-event service=%s reason=\"%s\" message=\"%s\"", task->entry->item.key,
				  event->reason, event->message);
		report_event(k, &about, event->warning, event->reason, event->message);
	}
}

static void on_counters(uv_timer_t *timer);

static void work(struct kubernetes *k)
{
	size_t budget = BUDGET;
	struct kube_task task;

	/* its lease ends with the time alone: before each write */
	while (k->writing_n < WRITING_MAX && lease_held(kube_elect_lease(k->elect), clock_now()) &&
	       kube_manager_next(&k->manager, &k->store, &budget, &task)) {
		say_events(k, &task);
		if (task.patch.write)
			write_status(k, &task);
	}
	if (budget == 0)
		manager_wake(k);
	else if (!uv_is_active((uv_handle_t *)&k->counters_timer) ||
		 uv_timer_get_due_in(&k->counters_timer) > COUNTERS_DELAY_MS)
		uv_timer_start(&k->counters_timer, on_counters, COUNTERS_DELAY_MS, 0);
}

static void on_manager(uv_timer_t *timer)
{
	struct kubernetes *k = timer->data;

	if (!k->leads || k->stopping || !instant_reached(k->pause_until, clock_now()))
		return;
	work(k);
}

/* ---- counters of pools ---- */

static void on_pool_written(void *arg, const struct kube_answer *answer)
{
	struct kubernetes *k = arg;

	if (answer->code != 200)
		k->write_errors++; /* said again with the next change, or by the next leader */
}

static void write_pool(struct kubernetes *k, size_t index)
{
	const char *name = allocator_pool_name(k->manager.rules.allocator, index);
	struct alloc_counters counters = allocator_counters(k->manager.rules.allocator, index);
	struct kube_resource resource = { .group = "metallb.io", .version = "v1beta1", .plural = "ipaddresspools" };
	const struct kube_entry *entry;
	const struct kube_pool *pool;
	struct url_path path;
	char key[KNOWN_KEY_MAX + 1];

	snprintf(key, sizeof(key), "%s/%s", k->namespace, name);
	entry = kube_store_find(&k->store, KUBE_POOLS, key);
	pool = entry == NULL ? NULL : entry->object;
	if (pool == NULL ||
	    (pool->counters.assigned_v4 == counters.assigned_v4 && pool->counters.assigned_v6 == counters.assigned_v6 &&
	     pool->counters.available_v4 == counters.available_v4 &&
	     pool->counters.available_v6 == counters.available_v6))
		return;
	resource.namespace = k->namespace;
	url_path_object(&path, &resource, name, "status");
	kube_body_pool(&k->body, &counters);
	if (kubernetes_write(k, KUBE_PATCH, url_path_text(&path), KUBE_MERGE_PATCH, on_pool_written, k) != 0)
		k->write_errors++;
}

static void on_counters(uv_timer_t *timer)
{
	struct kubernetes *k = timer->data;
	size_t index;

	if (!k->leads || !k->manager.active)
		return;
	while ((index = allocator_changed(k->manager.rules.allocator)) != SIZE_MAX)
		write_pool(k, index);
	uv_timer_start(&k->counters_timer, on_counters, SWEEP_MS, 0);
	if (!instant_reached(k->sweep_at, clock_now()))
		return;
	k->sweep_at = instant_add(clock_now(), span_ms(SWEEP_MS));
	(void)kube_manager_sweep(&k->manager, &k->store);
	manager_wake(k);
}

/* ---- the lease ---- */

static void begin(struct kubernetes *k)
{
	int error;

	if (k->pools == NULL)
		return;
	k->sweep_at = instant_add(clock_now(), span_ms(SWEEP_MS));
	error = kube_manager_begin(&k->manager, &k->store, k->pools);
	if (error != 0)
		log_error("kubernetes-controller error=\"%s\"", strerror(-error));
	manager_wake(k);
}

void manager_configured(struct kubernetes *k)
{
	if (k->leads)
		begin(k);
}

static void on_lease(void *arg, bool held)
{
	struct kubernetes *k = arg;

	log_info("kubernetes-lease held=%s holder=\"%s\"", held ? "true" : "false",
		 lease_holder(kube_elect_lease(k->elect)));
	k->leads = held;
	if (held) {
		begin(k);
		report_config(k);
		kubernetes_say_unserved(k);
		return;
	}
	uv_timer_stop(&k->manager_timer);
	uv_timer_stop(&k->counters_timer);
	kube_requests_cancel(k->client);
	kube_manager_end(&k->manager, &k->store);
}

int manager_open(struct kubernetes *k)
{
	struct lease_config lease = lease_defaults;
	int error = kube_manager_init(&k->manager, k->config.class);

	uv_timer_init(&k->app->loop, &k->manager_timer);
	uv_timer_init(&k->app->loop, &k->counters_timer);
	k->manager_timer.data = k->counters_timer.data = k;
	if (error != 0)
		return error;
	lease.namespace = k->namespace;
	lease.name = KUBE_LEASE_NAME;
	lease.identity = k->node;
	return kube_elect(k->client, &lease, on_lease, k, &k->elect);
}

static void on_stopped(void *arg)
{
	struct kubernetes *k = arg;

	k->elect = NULL;
	uv_timer_stop(&k->manager_timer);
	if (k->stopped != NULL)
		k->stopped(k->app);
}

static void on_stop_limit(uv_timer_t *timer)
{
	struct kubernetes *k = timer->data;

	k->stopped(k->app);
}

bool kubernetes_stopping(struct app *app, void (*done)(struct app *app))
{
	struct kubernetes *k = app->kubernetes;

	if (k == NULL || k->elect == NULL)
		return false;
	k->stopped = done;
	uv_timer_start(&k->manager_timer, on_stop_limit, STOP_LIMIT_MS, 0);
	return true;
}

void kubernetes_stop(struct app *app)
{
	struct kubernetes *k = app->kubernetes;

	if (k == NULL || k->stopping || k->elect == NULL)
		return;
	k->stopping = true;
	if (k->leads) {
		k->leads = false;
		kube_requests_cancel(k->client);
		kube_manager_end(&k->manager, &k->store);
	}
	kube_elect_stop(k->elect, on_stopped, k);
}

void manager_close(struct kubernetes *k)
{
	k->stopping = true;
	k->leads = false;
	uv_close((uv_handle_t *)&k->manager_timer, NULL);
	uv_close((uv_handle_t *)&k->counters_timer, NULL);
	kube_manager_free(&k->manager);
}

const struct allocator *kubernetes_allocator(const struct app *app)
{
	const struct kubernetes *k = app->kubernetes;

	return k != NULL && k->leads && k->manager.active ? k->manager.rules.allocator : NULL;
}
