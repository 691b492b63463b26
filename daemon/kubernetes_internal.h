/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of daemon/kubernetes*.c share. */
#ifndef MLB_DAEMON_KUBERNETES_INTERNAL_H
#define MLB_DAEMON_KUBERNETES_INTERNAL_H

#include "daemon/kube_snapshot.h"
#include "daemon/kubernetes.h"
#include "kube/body.h"
#include "kube/client.h"
#include "kube/controller.h"

#define KUBE_LEASE_NAME "mlbd-controller"
#define WALL_TEXT_MAX 32

/* One kind that is followed. */
struct follower {
	struct kubernetes *kubernetes;
	enum kube_kind kind;
	struct kube_watch *watch;
	bool synced; /* everything has come once */
	bool stale;
};

/* A kind of MetalLB's BGP mode, which we do not serve: its objects are only counted. */
struct unserved {
	struct kubernetes *kubernetes;
	const char *kind;
	struct kube_watch *watch;
	bool said;
	struct kube_table objects; /* owned: "UID NAME" */
};
#define UNSERVED_N 3

/* A request that is on its way, and what it is about. Freed with the rest when the client is, for it is not answered then. */
struct call {
	struct call *next, **at;
	struct kubernetes *kubernetes;
	char key[];
};

struct kubernetes {
	struct app *app;
	struct kube_client *client;	 /* owned */
	char *namespace;		 /* owned: of pools and advertisements */
	struct config_kubernetes config; /* owned: a reload frees what the application has */
	char node[NODE_NAME_MAX + 1];	 /* ours */
	struct kube_store store;
	struct follower followers[KUBE_KIND_N];
	struct unserved unserved[UNSERVED_N];
	/* the plan */
	struct kube_pools *pools;   /* owned: the last good ones; NULL: there were none yet */
	struct snapshot *snapshot;  /* owned: what the election has; NULL: nothing yet */
	bool from_disk;		    /* it is that of a former life */
	bool seeds_told;	    /* gossip knows the nodes */
	struct instant apply_after; /* the first plan waits until gossip has met who there is */
	char *saving;		    /* owned: text to be written to disk; NULL: none */
	size_t saving_len;
	uv_timer_t plan_timer;
	uv_timer_t save_timer;
	struct span plan_cost; /* of the last one */
	bool config_good;
	char problem[KUBE_ERROR_MAX + 320]; /* of the configuration; "": none */
	/* the controller */
	struct kube_elect *elect;
	struct kube_manager manager;
	bool leads;
	size_t writing_n; /* writes that are not answered */
	unsigned int failures;
	struct instant pause_until;
	uv_timer_t manager_timer;
	uv_timer_t counters_timer;
	struct instant sweep_at;
	void (*stopped)(struct app *app);
	/* reports */
	uv_timer_t report_timer;
	unsigned int report_failures;
	struct kube_table unsaid; /* owned: units whose reports the API server did not take */
	bool leftovers_asked;
	char state_said[2][KUBE_ERROR_MAX + 320]; /* ConfigurationState as last written; "?": never */
	uint64_t writes, write_errors, snapshot_errors;
	bool stopping;
	struct call *calls;    /* owned */
	struct kube_body body; /* for the request that is being made */
};

/* Now, as the API writes times. */
const char *kubernetes_wall(char text[WALL_TEXT_MAX]);
/* This node leads now: events of objects of the BGP mode, which the server takes once. */
void kubernetes_say_unserved(struct kubernetes *k);
/* Make a request of k->body; counted. `answered` gets arg. */
int kubernetes_write(struct kubernetes *k, enum kube_method method, const char *path, const char *type,
		     kube_answer_fn *answered, void *arg);

/* NULL: no memory. */
struct call *call_new(struct kubernetes *k, const char *key);
void call_free(struct call *call); /* NULL is fine */

/* --- kubernetes_manager.c --- */
int manager_open(struct kubernetes *k);
void manager_close(struct kubernetes *k);
/* There may be work, or the pools are others. */
void manager_wake(struct kubernetes *k);
void manager_configured(struct kubernetes *k);

/* --- kubernetes_metrics.c --- */
struct metrics_text;
void kubernetes_metrics(void *arg, struct metrics_text *text);

/* --- kubernetes_report.c --- */
void report_event(struct kubernetes *k, const struct kube_about *about, bool warning, const char *reason,
		  const char *message);
/* Whether the configuration is good has been found out. */
void report_config(struct kubernetes *k);
/* The API server answers again: say what could not be said. */
void report_again(struct kubernetes *k);

#endif
