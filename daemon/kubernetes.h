/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kubernetes: Services of type LoadBalancer become services of the election, and on the node that holds the Lease get their addresses.
 * Losing the API server changes nothing that is known; a start without it goes on from the last plan on disk.
 */
#ifndef MLB_DAEMON_KUBERNETES_H
#define MLB_DAEMON_KUBERNETES_H

#include <cjson/cJSON.h>

#include "daemon/app.h"

struct kubernetes;

/* Who starts without a plan on disk and without an API server goes on alone after this: configured services are to be had. */
#define KUBERNETES_SEEDS_S 10

/* Begin, if the configuration says so. 0, or an exit status with the reason logged. */
int kubernetes_open(struct app *app);
/* Give up the lease. */
void kubernetes_stop(struct app *app);
/* Is that still under way? Then `done` is called when it is over, or after two seconds. */
bool kubernetes_stopping(struct app *app, void (*done)(struct app *app));
void kubernetes_close(struct app *app);

/* What the election is to be given besides the configured services: borrowed until app_apply_services is called again by us. */
const struct election_service *kubernetes_services(const struct app *app, size_t *ret_n);
/* An address has another owner: events and ServiceL2Status. */
void kubernetes_owner(struct app *app, const struct node_action *action);

/* For `mlbctl status` and metrics. */
struct kubernetes_view {
	bool fresh;	  /* the API server answers on all that we follow */
	bool synced;	  /* everything has come once */
	bool config_good; /* pools and advertisements are valid */
	bool configured;  /* there was a valid configuration once */
	bool leads;	  /* we hold the lease */
	const char *leader;
	const char *why; /* not fresh, or not good: for people; else "" */
	size_t service_n;
	uint64_t writes, write_errors;
};
/* False: there is no Kubernetes. Texts are borrowed until the next turn of the loop. */
bool kubernetes_view(const struct app *app, struct kubernetes_view *ret);
/* The families that it adds to the metrics; NULL behind the last one. */
struct metric_family;
const struct metric_family *kubernetes_metric_family_at(size_t index);
/* The allocator of the node that leads; NULL: it is not we. */
struct allocator;
const struct allocator *kubernetes_allocator(const struct app *app);

#endif
