/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon put together: configuration, node, host, gossip socket, control API, signals, watchdog on one event loop. */
#ifndef MLB_DAEMON_APP_H
#define MLB_DAEMON_APP_H

#include <uv.h>

#include "base/histogram.h"
#include "daemon/config.h"
#include "daemon/control.h"
#include "daemon/events.h"
#include "daemon/host.h"
#include "daemon/keyring.h"
#include "daemon/node.h"
#include "daemon/steady.h"
#include "daemon/transport.h"
#include "daemon/witness.h"

struct fencing;	   /* daemon/fencing.h */
struct conflicts;  /* daemon/conflicts.h */
struct isolation;  /* daemon/isolation.h */
struct checks;	   /* daemon/checks.h */
struct kubernetes; /* daemon/kubernetes.h */
struct metrics;	   /* daemon/metrics.h */
struct pools;	   /* daemon/pools.h */

struct app {
	uv_loop_t loop;
	struct config *config;		   /* owned; replaced by a reload */
	struct config *first_config;	   /* owned; what it began with: some keys stay as they were */
	struct election_service *services; /* owned; borrows from config; the election borrows it */
	struct node *node;		   /* owned */
	struct node_out *out;		   /* owned: what the last node_step said */
	struct host *host;		   /* owned */
	struct control *control;	   /* owned */
	struct event_ring *events;	   /* owned */
	struct keyring *keyring;	   /* owned */
	struct transport *transport;	   /* owned */
	struct witness *witness;	   /* owned; NULL: none */
	struct fencing *fencing;	   /* owned */
	struct conflicts *conflicts;	   /* owned */
	struct isolation *isolation;	   /* owned */
	struct checks *checks;		   /* owned */
	size_t service_n;		   /* of `services` */
	struct kubernetes *kubernetes;	   /* owned; NULL: none */
	struct metrics *metrics;	   /* owned */
	struct pools *pools;		   /* owned */
	uv_poll_t witness_poll;
	struct instant witness_logged;
	size_t endpoint_n; /* where the others reach us, path by path */
	struct endpoint endpoints[PATH_MAX_N];
	uv_timer_t tick_timer;
	uv_timer_t watchdog_timer;
	uv_timer_t stop_timer;
	uv_signal_t signals[3];
	struct meta meta;	  /* as last told to the node */
	struct steady steady;	  /* the host's links */
	struct instant steady_at; /* when one of them may be used again */
	struct instant started;
	struct instant check_at;   /* next look at the process itself */
	struct instant tick_due;   /* when the tick timer should fire, to measure lateness */
	struct histogram lateness; /* of ticks */
	uint64_t hello_n;	   /* HELLOs sent, to spread the questions that go with them */
	bool members_changed;	   /* the guard is to be told */
	bool in_step;		   /* node_step's actions are being carried out */
	bool stopping;
	bool ended; /* the loop is over: addresses are being released for good */
	int exit_status;
	/* Events for the node that came up while its actions were being carried out (a claim that failed at once). */
	size_t deferred_n;
	struct node_event deferred[64];
};

/* Run until SIGTERM or a fatal error. Takes ownership of config. Returns the exit status: 0, 1 (system), 2 (configuration). */
int app_run(struct config *config);

/* Feed one event to the node and carry out what it says. */
void app_node_event(struct app *app, const struct node_event *event);
/* Read the configuration again. 0, or -EINVAL with the reasons logged and the first one in error; the old one stays. */
int app_reload(struct app *app, char *error, size_t error_cap);
/* Level and format of log lines, as far as the configuration says. */
void app_configure_log(const struct config *config);
/* Log each problem of a configuration. */
void app_log_errors(const struct config_errors *errors);
/* What only the running host can tell about a configuration. */
void app_check_host(const struct app *app, const struct config *config, struct config_errors *errors);
/* Hand the services of the configuration to the node. 0 or -ENOMEM. */
int app_apply_services(struct app *app);
/* Tell the node what this host looks like now, if that is news. */
void app_refresh_meta(struct app *app);
/* The handler of the control API (daemon/status.c). */
struct control_handler app_control_handler(struct app *app);

#endif
