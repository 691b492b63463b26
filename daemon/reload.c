/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration read again, and held against the host that it is for. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/app.h"
#include "daemon/check.h"
#include "daemon/checks.h"
#include "daemon/conflicts.h"
#include "daemon/fencing.h"
#include "daemon/kubernetes.h"
#include "daemon/log.h"
#include "daemon/metrics.h"
#include "daemon/notify.h"
#include "daemon/pools.h"

void app_log_errors(const struct config_errors *errors)
{
	for (size_t i = 0; i < errors->error_n && i < CONFIG_ERROR_MAX; i++)
		log_error("%s", errors->texts[i]);
	if (errors->error_n > CONFIG_ERROR_MAX)
		log_error("%zu more errors", errors->error_n - CONFIG_ERROR_MAX);
}

/* What only the running host can tell: an address that no interface of a node that should serve it can carry. */
void app_check_host(const struct app *app, const struct config *config, struct config_errors *errors)
{
	check_problems(config, errors);
	for (size_t i = 0; i < config->service_n; i++) {
		const struct config_service *service = &config->services[i];
		char key[SERVICE_NAME_MAX + 32];
		char ip[IP_TEXT_MAX];

		if (!label_selectors_match(service->selectors, service->selector_n, &config->node.labels))
			continue; /* not for this node */
		for (size_t j = 0; j < service->address_n && service->interface_n == 0; j++) {
			if (host_has_subnet_of(app->host, service->addresses[j]))
				continue;
			snprintf(key, sizeof(key), "services[%zu].addresses[%zu]", i, j);
			config_errors_add(errors, config->path, service->line, key,
					  "%s is in no subnet of this host: add one, or name `interfaces:`",
					  ip_format(service->addresses[j], ip));
		}
		for (size_t j = 0; j < service->interface_n; j++) {
			if (host_has_iface(app->host, service->interfaces[j]))
				continue;
			snprintf(key, sizeof(key), "services[%zu].interfaces[%zu]", i, j);
			config_errors_add(errors, config->path, service->line, key, "this host has no interface %s",
					  service->interfaces[j]);
		}
	}
}

static bool binds_differ(const struct config *now, const struct config *next)
{
	bool differ = now->gossip.bind_n != next->gossip.bind_n || now->gossip.port != next->gossip.port;

	for (size_t i = 0; i < now->gossip.bind_n && !differ; i++)
		differ = strcmp(now->gossip.binds[i], next->gossip.binds[i]) != 0;
	return differ;
}

static bool seeds_differ(const struct config *now, const struct config *next)
{
	bool differ = now->gossip.seed_n != next->gossip.seed_n;

	for (size_t i = 0; i < SEED_MAX && !differ; i++)
		differ = endpoint_compare(now->gossip.seeds[i], next->gossip.seeds[i]) != 0;
	return differ;
}

static bool fencing_differs(const struct config *now, const struct config *next)
{
	const char *a = now->fencing.guard_socket;
	const char *b = next->fencing.guard_socket;

	return now->fencing.gate != next->fencing.gate || now->fencing.guard != next->fencing.guard ||
	       now->fencing.hang.us != next->fencing.hang.us || (a == NULL) != (b == NULL) ||
	       (a != NULL && strcmp(a, b) != 0);
}

static void warn_if(bool differs, const char *key, const char *what_stays)
{
	if (differs)
		log_warning("reload key=%s action=\"needs a restart; the old %s\"", key, what_stays);
}

/* Keys that a running daemon cannot change. */
static void warn_restart_keys(const struct config *now, const struct config *next)
{
	warn_if(strcmp(now->node.name, next->node.name) != 0, "node.name", "one stays");
	warn_if(binds_differ(now, next), "gossip.bind", "one stays");
	warn_if(now->gossip.packet_len_max != next->gossip.packet_len_max, "gossip.packetSize", "one stays");
	warn_if(now->gossip.witness != next->gossip.witness ||
			!ip_equal(now->gossip.witness_ip, next->gossip.witness_ip),
		"gossip.witness", "one stays");
	warn_if(seeds_differ(now, next), "gossip.join", "one stays");
	warn_if(!gossip_timers_equal(&now->gossip.timers, &next->gossip.timers), "gossip.timers", "ones stay");
	warn_if(now->process.realtime_priority != next->process.realtime_priority ||
			now->process.lock_memory != next->process.lock_memory,
		"process", "one stays");
	warn_if(now->partition != next->partition, "partition", "one stays");
	warn_if(now->conflict.first_probe != next->conflict.first_probe, "conflict.probeBeforeFirstClaim", "one stays");
	warn_if(now->conflict.hold_down != next->conflict.hold_down, "conflict.holdDown", "one stays");
	warn_if(fencing_differs(now, next), "fencing", "one stays");
	warn_if(!config_kubernetes_equal(&now->kubernetes, &next->kubernetes), "kubernetes", "one stays");
	warn_if(strcmp(now->control.socket, next->control.socket) != 0, "control.socket", "one stays");
}

/* The former array must outlive the step. */
int app_apply_services(struct app *app)
{
	struct node_event event = { .kind = NODE_EVENT_SERVICES, .now = clock_now() };
	struct election_service *former = app->services;
	size_t n;
	const struct election_service *more = kubernetes_services(app, &n);
	struct election_service *services = config_election_services(app->config, more, n);

	n += config_fixed_n(app->config);
	if (services == NULL || pools_services(app, &services, &n) != 0) {
		free(services);
		return -ENOMEM;
	}
	app->services = services;
	app->service_n = n;
	fencing_services(app);
	event.services.services = services;
	event.services.service_n = n;
	app_node_event(app, &event);
	free(former);
	pools_applied(app);
	return 0;
}

int app_reload(struct app *app, char *error, size_t error_cap)
{
	struct config_errors errors = { 0 };
	struct config *next = NULL;
	struct config *former = app->config;

	notify_reloading();
	if (config_load(former->path, &next, &errors) == 0)
		app_check_host(app, next, &errors);
	if (errors.error_n > 0) {
		app_log_errors(&errors);
		log_error("reload-refused errors=%zu action=\"the running configuration stays\"", errors.error_n);
		snprintf(error, error_cap, "%s", errors.texts[0]);
		(void)event_ring_push(app->events, clock_wall_ms(), EVENT_CONFIG,
				      "reload refused: the running configuration stays");
		config_errors_free(&errors);
		config_free(next);
		metrics_reloaded(app, false);
		notify_ready();
		return -EINVAL;
	}
	warn_restart_keys(app->first_config, next);
	memcpy(next->node.name, former->node.name, sizeof(next->node.name));
	app->config = next;
	keyring_reload(app->keyring, next);
	conflicts_configure(app);
	if (pools_configure(app) != 0 || checks_apply(app, former) != 0 || app_apply_services(app) != 0) {
		app->config = former; /* the election still borrows its services */
		(void)pools_configure(app);
		config_free(next);
		snprintf(error, error_cap, "out of memory");
		log_error("reload-refused error=\"out of memory\" action=\"the running configuration stays\"");
		metrics_reloaded(app, false);
		notify_ready();
		return -ENOMEM;
	}
	app_refresh_meta(app);
	if (former != app->first_config)
		config_free(former);
	app_configure_log(next);
	metrics_reloaded(app, true);
	log_info("reloaded file=%s services=%zu", next->path, next->service_n);
	(void)event_ring_push(app->events, clock_wall_ms(), EVENT_CONFIG, "configuration reloaded");
	notify_ready();
	return 0;
}
