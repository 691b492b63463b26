/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens in one run: the cluster, its services, and a list of faults in order of time. Either drawn from a seed, with
 * whole classes of faults on or off (swarm testing, Groce et al., ISSTA 2012), or read from a scenario file. Each class
 * draws from its own stream and absolute times, so that leaving one out or ending early does not change the others.
 */
#ifndef MLB_TESTS_SIM_PLAN_H
#define MLB_TESTS_SIM_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/label.h"
#include "base/limits.h"

#define SIM_NODE_MAX 128

/* Partitions name their nodes by a mask; further nodes stay together. */
#define SIM_MASK_MAX 62
#define SIM_SERVICE_MAX 20
#define SIM_ADDRESS_MAX (2 * SIM_SERVICE_MAX)

/* The last part of each run heals everything and must end in one view. */
#define SIM_CALM_US 15000000

/* Loss up to here must not disturb anything. */
#define SIM_MILD_LOSS_PPM 100000

enum fault_class {
	CLASS_LOSS,	 /* i.i.d. loss, up to 10 % */
	CLASS_HEAVY,	 /* up to 40 %, on some links, for a while */
	CLASS_BURST,	 /* Gilbert-Elliott bursts */
	CLASS_JITTER,	 /* delay and reordering */
	CLASS_DUPLICATE, /* each packet may come twice */
	CLASS_REPLAY,	 /* old packets come again much later */
	CLASS_CUT,	 /* one direction of one link */
	CLASS_PARTITION,
	CLASS_STALL, /* a process gets no time for 20 to 400 ms */
	CLASS_PAUSE, /* for seconds */
	CLASS_CRASH, /* the host is gone, and comes back later */
	CLASS_KILL,  /* the process is gone, three times in four before its guard is */
	CLASS_STOP,  /* planned */
	CLASS_DRAIN,
	CLASS_HANDOVER,
	CLASS_LINK,	 /* carrier down and up */
	CLASS_RELOAD,	 /* services come and go, on each node a little later */
	CLASS_KERNEL,	 /* refuses a claim, loses an address */
	CLASS_CLOCK,	 /* drifting clocks; the wall clock of a restarted node is behind */
	CLASS_GOSSIP,	 /* a node's gossip is cut, its segment is not */
	CLASS_CHECK,	 /* health checks of services fail and pass */
	CLASS_FLAP,	 /* one node is cut off, killed or without carrier again and again, for 5 to 30 s */
	CLASS_REBALANCE, /* by command, and with odd seeds whenever a node has come to stay for 2 s */
	CLASS_DATA,	 /* a node's segment is dead, its gossip is not */
	CLASS_N
};

/* A seed switches on none of those from here on: ask for them by name. */
#define CLASS_DRAWN_N CLASS_DATA

#define CLASS_ALL ((UINT32_C(1) << CLASS_DRAWN_N) - 1)

enum fault_kind {
	FAULT_LOSS, /* a, b: link (-1: all); arg: per million */
	FAULT_BURST,
	FAULT_DELAY,	 /* arg: base in us, arg2: jitter in us */
	FAULT_DUPLICATE, /* arg: per million */
	FAULT_REPLAY,
	FAULT_CUT, /* a -> b only */
	FAULT_UNCUT,
	FAULT_PARTITION, /* arg: mask of the nodes on one side */
	FAULT_HEAL,
	FAULT_PAUSE, /* a: node; and so on */
	FAULT_RESUME,
	FAULT_CRASH,
	FAULT_KILL,
	FAULT_STOP,
	FAULT_START,
	FAULT_LINK_DOWN,
	FAULT_LINK_UP,
	FAULT_DRAIN,
	FAULT_UNDRAIN,
	FAULT_HANDOVER,	   /* a: the node asked; b: the next owner; arg: address */
	FAULT_SERVICE_OFF, /* a: node; b: service */
	FAULT_SERVICE_ON,
	FAULT_REFUSE, /* a: node; its kernel refuses claims */
	FAULT_ACCEPT,
	FAULT_LOSE,	  /* a: node; arg: address */
	FAULT_GOSSIP_CUT, /* a: node */
	FAULT_GOSSIP_UNCUT,
	FAULT_DATA_CUT, /* a: node: nothing but gossip passes, which has another network */
	FAULT_DATA_UNCUT,
	FAULT_UNFIT, /* a: node; b: service: its check fails there */
	FAULT_FIT,
	FAULT_REBALANCE, /* a: the node told to */
	FAULT_CALM,	 /* heal everything */
};

struct fault {
	int64_t at_us;
	enum fault_kind kind;
	int a;
	int b;
	int64_t arg;
	int64_t arg2;
};

struct plan_service {
	char name[16];
	struct ip addresses[2];
	size_t address_n;
	bool selects; /* only nodes of rack `rack` */
	char rack;
};

struct plan_node {
	char rack;
	bool has_v6; /* has a segment for IPv6 addresses */
	int64_t start_us;
	int64_t clock_offset_us;
	int64_t drift_ppm;
	int64_t wall_behind_s; /* of each later start */
};

enum plan_profile { PLAN_LAN, PLAN_FAST };

struct plan {
	uint64_t seed;
	uint32_t classes;
	int64_t end_us;
	int64_t calm_us; /* when the calm begins */
	bool seal;
	bool gate;	/* kernels have nf_tables; else lifetimes of addresses are all there is */
	bool guard;	/* daemons have one */
	bool rebalance; /* whenever a node has come to stay */
	enum plan_profile profile;
	size_t node_n;
	size_t seed_n; /* the first so many nodes are everybody's `join` */
	struct plan_node nodes[SIM_NODE_MAX];
	size_t service_n;
	struct plan_service services[SIM_SERVICE_MAX];
	size_t fault_n;
	size_t fault_cap;
	struct fault *faults; /* owned; in order of time */
};

const char *fault_class_name(enum fault_class class);
const char *fault_kind_name(enum fault_kind kind);
/* The classes that a seed switches on. */
uint32_t plan_classes_of(uint64_t seed);
/* Comma-separated names, or "none", or "all". 0 or -EINVAL. */
int plan_classes_parse(const char *text, uint32_t *ret);
char *plan_classes_format(uint32_t classes, char *out, size_t cap);

/* node_n 0: the seed chooses. Aborts without memory. */
struct plan *plan_new(uint64_t seed, uint32_t classes, size_t node_n, int64_t seconds, bool seal);
void plan_add(struct plan *plan, struct fault fault);
/* Stable by time. */
void plan_sort(struct plan *plan);
/*
 * Read a scenario (format: tests/sim/scenario.c). 0 and *ret, or -EINVAL with the reason printed to standard error as
 * file:line: what.
 */
int plan_read(const char *path, uint64_t seed, struct plan **ret);
void plan_free(struct plan *plan);

#endif
