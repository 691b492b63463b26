/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/checks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/log.h"

struct entry {
	char service[SERVICE_NAME_MAX + 1];
	struct check *check; /* NULL: could not be started */
};

struct checks {
	size_t n;
	struct entry entries[];
};

static void tell(struct app *app, const char *service, bool fit)
{
	struct node_event event = { .kind = NODE_EVENT_FIT, .now = clock_now() };

	event.fit.service = service;
	event.fit.fit = fit;
	app_node_event(app, &event);
}

static void on_changed(void *arg, const char *service, bool passing, const char *why)
{
	struct app *app = arg;

	if (app->stopping)
		return;
	(void)event_ring_push(app->events, clock_wall_ms(), EVENT_CHECK, "check of %s %s%s%s", service,
			      passing ? "passes" : "fails", passing ? "" : ": ", why);
	tell(app, service, passing);
}

static struct entry *find(struct checks *checks, const char *service)
{
	for (size_t i = 0; checks != NULL && i < checks->n; i++) {
		if (strcmp(checks->entries[i].service, service) == 0)
			return &checks->entries[i];
	}
	return NULL;
}

const struct check *checks_find(const struct app *app, const char *service)
{
	const struct entry *entry = find(app->checks, service);

	return entry != NULL ? entry->check : NULL;
}

static const struct config_service *service_named(const struct config *config, const char *name)
{
	for (size_t i = 0; config != NULL && i < config->service_n; i++) {
		if (strcmp(config->services[i].name, name) == 0)
			return &config->services[i];
	}
	return NULL;
}

static void begin(struct app *app, const struct config_service *service, bool known, struct entry *to)
{
	int error = check_start(&app->loop, service->name, service->check, on_changed, app, &to->check);

	if (error != 0)
		log_error("check service=%s result=refused error=\"%s\" action=\"the service is not served here\"",
			  service->name, strerror(-error));
	if (error != 0 || !known)
		tell(app, service->name, false);
}

/* The check of a service that has one goes on, changes or begins. */
static void follow(struct app *app, const struct config_service *service, const struct config_service *before,
		   struct entry *to)
{
	struct entry *from = find(app->checks, service->name);
	int error = 0;

	strcpy(to->service, service->name);
	if (from == NULL || from->check == NULL || before == NULL) {
		begin(app, service, before != NULL && from == NULL, to);
		return;
	}
	to->check = from->check;
	from->check = NULL;
	if (!check_config_equal(before->check, service->check))
		error = check_change(to->check, service->check);
	if (error != 0)
		log_error("check service=%s result=refused error=\"%s\" action=\"the former check goes on\"",
			  service->name, strerror(-error));
}

int checks_apply(struct app *app, const struct config *former)
{
	const struct config *config = app->config;
	struct checks *next = calloc(1, sizeof(*next) + config->check_n * sizeof(next->entries[0]));
	struct checks *before = app->checks;

	if (next == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < config->service_n; i++) {
		const struct config_service *service = &config->services[i];

		if (service->check != NULL &&
		    label_selectors_match(service->selectors, service->selector_n, &config->node.labels))
			follow(app, service, service_named(former, service->name), &next->entries[next->n++]);
	}
	app->checks = next;
	for (size_t i = 0; before != NULL && i < before->n; i++) {
		check_stop(before->entries[i].check);
		if (find(next, before->entries[i].service) == NULL)
			tell(app, before->entries[i].service, true);
	}
	free(before);
	return 0;
}

void checks_close(struct app *app)
{
	for (size_t i = 0; app->checks != NULL && i < app->checks->n; i++)
		check_stop(app->checks->entries[i].check);
	free(app->checks);
	app->checks = NULL;
}
