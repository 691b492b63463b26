/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One simulated cluster: real nodes (daemon/node.h) on simulated hosts, in virtual time. Everything happens in the order of
 * one event heap and every random choice comes from the seed, so a run repeats bit by bit.
 */
#ifndef MLB_TESTS_SIM_WORLD_H
#define MLB_TESTS_SIM_WORLD_H

#include <stdio.h>

#include "daemon/node.h"
#include "gossip/seal.h"
#include "tests/sim/marks.h"
#include "tests/sim/network.h"
#include "tests/sim/plan.h"
#include "tests/sim/queue.h"

/* The host's side of a claim, as daemon/host.h has it: lifetimes behind a gate, and where they are all there is. */
#define LEASE_GATE_US 60000000
#define LEASE_US 2000000

/* A gate shuts so long after the last step of its daemon. */
#define GATE_LIFE_US 200000

/* The kernel drops an expired address this much later at most; so 3 s after the last renewal all is gone. */
#define LEASE_LATE_US 500000

/* How long the kernel takes to add or remove an address, and to say so. */
#define KERNEL_OP_LOW_US 100
#define KERNEL_OP_HIGH_US 2000

/* A process is told of its link's state after this. */
#define LINK_NEWS_LOW_US 100
#define LINK_NEWS_HIGH_US 5000

/* A tick comes at most this late beyond the millisecond grid of the event loop. */
#define TICK_LATE_US 300

/* Datagrams that wait in the socket of a process that does not run; the rest is lost (net.core.rmem_default, small packets). */
#define SOCKET_MAX 250

/* A stopping process ends after this, whatever happens (daemon/app.c). */
#define STOP_US 4000000

/* A node that sends more than this within SENT_WINDOW_US has started a storm. */
#define SENT_WINDOW_US 100000
#define SENT_MAX 2000

/* Room of a simulated daemon's tables. */
#define SIM_MEMBER_ROOM (2 * SIM_NODE_MAX)
#define SIM_ITEM_ROOM 1024

enum process { PROCESS_NONE, PROCESS_RUNNING, PROCESS_PAUSED };

/* What happened to a node lately; the checks ask whether a change had a cause. */
enum cause {
	CAUSE_DOWN,    /* crashed, killed, started, paused */
	CAUSE_NET,     /* a link of it cut, slow or very lossy, or its carrier down */
	CAUSE_PLANNED, /* stop, drain, undrain, hand-over */
	CAUSE_CONFIG,  /* services, link */
	CAUSE_KERNEL,  /* claim refused, address lost */
	CAUSE_CHOICE,  /* it handed over what would be placed better elsewhere */
	CAUSE_N
};

struct kernel_address {
	bool present;
	int64_t expires_us;
};

struct kernel {
	uint64_t boot; /* events of an earlier boot are void */
	int64_t busy_until_us;
	bool refuses;
	int64_t gate_until_us;
	int64_t gate_event_us; /* the next look at it */
	struct kernel_address addresses[SIM_ADDRESS_MAX];
};

/* What the shell of a process knows of an address that it holds. */
struct lease {
	bool held;
	bool confirmed;		/* the process has read the kernel's answer */
	struct instant renewed; /* by the node's own clock */
};

struct sim_node {
	char name[NODE_NAME_MAX + 1];
	struct endpoint endpoint;
	struct node *core; /* owned; NULL without a process */
	enum process process;
	uint64_t generation; /* of the process; events of an earlier one are void */
	unsigned int start_n;
	int64_t started_us;
	int64_t wake_at_us; /* the earliest wake-up in the queue, or INT64_MAX */
	bool host_up;
	bool link_up;
	bool draining;	    /* asked to */
	int64_t paused_us;  /* its last pause began */
	int64_t resumed_us; /* from its last pause; negative: never paused */
	int64_t stop_us;    /* when it was told to stop, or 0 */
	bool start_wanted;  /* start again once it has stopped */
	struct meta meta;
	struct kernel kernel;
	struct lease leases[SIM_ADDRESS_MAX];
	bool service_on[SIM_SERVICE_MAX];
	bool unfit[SIM_SERVICE_MAX]; /* its health check fails here */
	bool services_stale;	     /* changed while the process did not run */
	bool path_polled;	     /* a question whether the segment lives is under way */
	bool data_cut;		     /* nothing but gossip passes */
	bool silent;		     /* the process has noticed */
	bool ended;		     /* asked to end within the step at hand */
	size_t list_at;		     /* which of the two lists the core borrows now */
	struct election_service lists[2][SIM_SERVICE_MAX];
	size_t socket_n;
	struct packet *socket[SOCKET_MAX]; /* owned */
	int64_t cause_us[CAUSE_N];	   /* when it was last so; negative: never */
	int64_t sent_since_us;		   /* the window in which sends are counted */
	size_t sent_n;
	struct rng rng;
};

struct sim_address {
	struct ip ip;
	size_t service; /* of the plan */
};

struct checks; /* tests/sim/check.h */

struct world_options {
	FILE *trace;  /* every packet, step and action, or NULL */
	bool verbose; /* faults, members and owners to standard output */
	bool checked; /* false: measure only */
};

#define FAILURE_TEXT_MAX 512

struct world {
	const struct plan *plan; /* borrowed */
	struct world_options options;
	int64_t now_us;
	size_t node_n;
	struct sim_node *nodes; /* owned */
	size_t address_n;
	struct sim_address addresses[SIM_ADDRESS_MAX];
	struct label_selector selectors[SIM_SERVICE_MAX];
	struct gossip_timers timers;
	struct election_config election;
	int64_t lease_us;
	struct seal_ring ring;
	struct queue queue;
	struct network network;
	struct rng rng;
	size_t fault_at;	/* the next of the plan */
	int64_t last_change_us; /* when the plan last changed anything */
	int64_t death_us;	/* when a node first declared one dead since this was last set to 0 */
	struct node_out *out;	/* owned; of the step at hand */
	struct checks *checks;	/* owned */
	struct marks marks;
	uint64_t hash; /* over all that nodes sent and did */
	bool failed;
	int64_t failed_us;
	char failure[FAILURE_TEXT_MAX];
};

/* Aborts without memory. */
struct world *world_new(const struct plan *plan, const struct world_options *options);
/* Runs to the end of the plan, or to the first failure. */
void world_run(struct world *world);
/* Handles events up to and including at_us. */
void world_run_until(struct world *world, int64_t at_us);
void world_free(struct world *world);

/* The first failure is kept. */
void world_fail(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* One line with the virtual time, to the trace and, if `important`, to standard output in verbose mode. */
void world_say(struct world *world, bool important, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The node's monotonic clock. */
struct instant world_clock(const struct world *world, const struct sim_node *node);
/* Does the address answer on the segment from this host? */
bool world_serves(const struct world *world, size_t node, size_t address);
/* Both directions, cuts and carriers only; gossip may be cut all the same. */
bool world_has_path(const struct world *world, size_t a, size_t b);
/* No cut between the two that concerns more than gossip. */
bool world_uncut(const struct world *world, size_t a, size_t b);
bool world_runs(const struct world *world, size_t node);
/* Index, or -1. */
int world_find_address(const struct world *world, struct ip ip);
int world_find_node(const struct world *world, const char *name);

/* One event for a running process, and all that follows from it. */
void world_step(struct world *world, size_t node, struct node_event *event);
void world_note(struct world *world, size_t node, enum cause cause);
/* The link between the two is, or was until now, not as it should be. */
void world_note_link(struct world *world, size_t a, size_t b);

/* host.c: the host and its processes. */
void host_start(struct world *world, size_t node);
/* End the process; addresses that it holds are released first when `orderly`. */
void host_end(struct world *world, size_t node, bool orderly);
void host_crash(struct world *world, size_t node);
void host_pause(struct world *world, size_t node);
void host_resume(struct world *world, size_t node);
void host_set_link(struct world *world, size_t node, bool up);
/* Tell the process what its link and segment are like, if that is news. */
void host_refresh_meta(struct world *world, size_t node);
void host_set_service(struct world *world, size_t node, size_t service, bool on);
void host_set_fit(struct world *world, size_t node, size_t service, bool fit);
void host_claim(struct world *world, size_t node, size_t address);
void host_release(struct world *world, size_t node, size_t address);
void host_lose(struct world *world, size_t node, size_t address);
void host_receive(struct world *world, size_t node, struct packet *packet);
/* Kernel, link and lease events of the queue. */
void host_handle(struct world *world, const struct queue_event *event);

/* The guard takes the address off. */
void host_guard_removes(struct world *world, size_t node, size_t address);

/* segment.c: the gate, questions to the segment, the guard. */
bool segment_gate_open(const struct world *world, size_t node);
void segment_ask(struct world *world, size_t node, size_t address);
void segment_announce(struct world *world, size_t node, size_t address);
/* Does anything on its segment answer the node? */
bool segment_reaches(const struct world *world, size_t node);
/* Kill the process; its guard, if that is left, removes what it held and says so. */
void segment_kill(struct world *world, size_t node);
/* Cut or heal what is not gossip. */
void segment_set_data(struct world *world, size_t node, bool cut);
/* A process has begun, or goes on: it will notice. */
void segment_watch(struct world *world, size_t node);
void segment_after_step(struct world *world, size_t node);
void segment_handle(struct world *world, const struct queue_event *event);

/* faults.c */
void fault_apply(struct world *world, const struct fault *fault);

#endif
