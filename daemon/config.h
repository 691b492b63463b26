/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The YAML configuration: parsed with libyaml's events into plain structs, all problems at once as
 * "file:line: key: what is wrong". Unknown keys, duplicate keys and bad values are refused.
 */
#ifndef MLB_DAEMON_CONFIG_H
#define MLB_DAEMON_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "allocator/allocator.h"
#include "base/addr.h"
#include "base/label.h"
#include "base/limits.h"
#include "base/time.h"
#include "daemon/check_state.h"
#include "daemon/conflict.h"
#include "daemon/log.h"
#include "election/election.h"
#include "gossip/gossip.h"
#include "gossip/seal.h"

enum check_kind { CHECK_COMMAND, CHECK_HTTP, CHECK_TCP };

/* How to find out whether a service works on this host. */
struct check_config {
	enum check_kind kind;
	char **args; /* CHECK_COMMAND: owned, each too; the first is an absolute path */
	size_t arg_n;
	char *user; /* owned; NULL: nobody, or who we are where that is not root */
	struct {
		char *url;    /* owned; http or https, fit for libcurl */
		struct ip ip; /* connect there, whatever the host in `url` */
		uint16_t status_low, status_high;
		bool insecure; /* any certificate will do */
	} http;
	struct endpoint tcp;
	struct check_timing timing;
	unsigned int line; /* of `check:` in the file */
};

struct config_service {
	char *name;	      /* owned */
	struct ip *addresses; /* owned */
	size_t address_n;
	bool pooled;	       /* it gets addresses of a pool instead */
	char *pool;	       /* owned; NULL: any with autoAssign */
	unsigned int families; /* of those addresses: ALLOC_V4, ALLOC_V6 */
	char **interfaces;     /* owned, each too */
	size_t interface_n;
	enum claim_mode mode;
	unsigned int priority;		  /* 0 to SERVICE_PRIORITY_MAX */
	struct label_selector *selectors; /* owned, each with what it owns */
	size_t selector_n;
	struct election_preference *preferences; /* owned, each with what it owns */
	size_t preference_n;
	char *group; /* owned; NULL: none */
	bool spread;
	char *apart;   /* owned; NULL: none */
	char **avoids; /* owned, each too: names of other services */
	size_t avoid_n;
	struct check_config *check; /* owned, with what it owns; NULL: none */
	unsigned int line;	    /* where it stands in the file, for later errors */
};

struct config_pool {
	char *name;	      /* owned */
	struct subnet *cidrs; /* owned */
	size_t cidr_n;
	bool auto_assign;
	bool avoid_buggy_ips;
};

enum config_profile { CONFIG_PROFILE_LAN, CONFIG_PROFILE_FAST, CONFIG_PROFILE_QUIET, CONFIG_PROFILE_WAN };

/* Who is asked whether it is us or the other one, where two nodes are all there are. */
enum config_witness { CONFIG_WITNESS_NONE, CONFIG_WITNESS_GATEWAY, CONFIG_WITNESS_ADDRESS };

/* The gate in the kernel: where it can be had, never, or not without it. */
enum config_gate { CONFIG_GATE_AUTO, CONFIG_GATE_OFF, CONFIG_GATE_REQUIRED };

/* Texts are owned; NULL: the default. */
struct config_kubernetes {
	bool on;
	char *kubeconfig; /* NULL: as kube_config_load finds it */
	char *context;
	char *namespace; /* of pools and advertisements; NULL: that of the configuration, or of the pod */
	char *class;	 /* loadBalancerClass; NULL: services without one */
	char *snapshot;	 /* file */
	enum claim_mode claim;
	bool ignore_exclude_label;
	struct span unready; /* 0: whether a node is Ready does not matter */
};

void config_kubernetes_free(struct config_kubernetes *kubernetes);
/* 0 or -ENOMEM; *ret is to be freed in both cases. */
int config_kubernetes_copy(const struct config_kubernetes *kubernetes, struct config_kubernetes *ret);
bool config_kubernetes_equal(const struct config_kubernetes *a, const struct config_kubernetes *b);

struct config {
	char *path; /* owned: the file that it was read from */
	char *text; /* owned: what stood in it, for people; NULL where it was not read from a file */
	struct {
		char name[NODE_NAME_MAX + 1];
		struct label_set labels;
		uint16_t weight;
	} node;
	struct {
		enum rebalance_policy rebalance;
		struct span delay; /* a node must have been there for so long */
		unsigned int rate; /* placement units in a second, of each owner */
	} placement;
	struct {
		/* Owned, each an address or an interface, path by path; none: the address that reaches the first peer. */
		char *binds[PATH_MAX_N];
		size_t bind_n;
		unsigned int bind_lines[PATH_MAX_N]; /* where each stands in the file */
		uint16_t port;			     /* default 7946 */
		struct endpoint seeds[SEED_MAX];
		size_t seed_n;
		char *key_file; /* owned, or NULL */
		bool insecure;
		struct seal_ring ring; /* read from key_file, or the insecure ring */
		enum config_profile profile;
		struct gossip_timers timers; /* of the profile, single ones replaced by `timers:` */
		enum config_witness witness;
		struct ip witness_ip; /* with CONFIG_WITNESS_ADDRESS */
		size_t packet_len_max;
		unsigned int line; /* of `gossip:` */
	} gossip;
	struct config_service *services; /* owned */
	size_t service_n;
	size_t check_n;		   /* services with a check */
	struct config_pool *pools; /* owned, each with what it owns */
	size_t pool_n;
	char *pool_state; /* owned; the file that keeps what was given; NULL without pools */
	struct {
		char *socket; /* owned; default /run/mlb/mlbd.sock */
		bool listen_set;
		struct endpoint listen; /* metrics */
	} control;
	struct config_kubernetes kubernetes;
	enum partition_policy partition;
	struct conflict_config conflict;
	struct {
		enum config_gate gate;
		bool guard;	    /* there is to be one */
		char *guard_socket; /* owned; where the service manager's listens; NULL: start our own */
		struct span hang;   /* the guard ends a daemon whose loop stands still for so long */
	} fencing;
	struct {
		int realtime_priority; /* 1 to 99 of SCHED_RR; 0: off */
		bool lock_memory;
	} process;
	struct {
		bool level_set; /* else that of the command line */
		enum log_level level;
		bool json;
	} log;
};

struct config_errors {
	size_t error_n;		       /* of all; texts are kept for the first CONFIG_ERROR_MAX */
	char *texts[CONFIG_ERROR_MAX]; /* owned: "file:line: key: what is wrong", without newline */
};

/*
 * Read and check a file, the key file that it names included. 0 and *ret (caller frees), or -EINVAL with *errors filled
 * (then nothing is returned). The file itself unreadable: one error. Never prints.
 */
int config_load(const char *path, struct config **ret, struct config_errors *errors);
/* The same over bytes; `path` is used in messages only. read_keys false: key_file is not opened (fuzzing). */
int config_parse(const char *path, const char *text, size_t len, bool read_keys, struct config **ret,
		 struct config_errors *errors);
void config_free(struct config *config); /* NULL is fine */
void config_errors_free(struct config_errors *errors);
/* Append one error (printf); for checks that need the running system (address on no interface). */
void config_errors_add(struct config_errors *errors, const char *path, unsigned int line, const char *key,
		       const char *format, ...) __attribute__((format(printf, 5, 6)));
/*
 * The services as the election wants them, and `more` behind them; the array (caller frees with free) borrows from config and
 * from those. NULL without memory.
 */
struct election_service *config_election_services(const struct config *config, const struct election_service *more,
						  size_t more_n);
/* One service as the election wants it; it borrows everything. One of a pool has no address yet. */
struct election_service config_election_service(const struct config_service *service);
/* NULL: none of that name. */
const struct config_pool *config_pool_find(const struct config *config, const char *name);
unsigned int config_pool_families(const struct config_pool *pool);
/* As the allocator takes it; it borrows everything. */
struct alloc_pool config_alloc_pool(const struct config_pool *pool);
/*
 * Why no service can have addresses of that pool (NULL: of any with autoAssign) of those families (0: those that it has, which are
 * stored then). NULL: it can.
 */
const char *config_pool_problem(const struct config *config, const char *name, unsigned int *families);
/* How many services of the file have addresses in it: those that config_election_services puts first. */
size_t config_fixed_n(const struct config *config);

#endif
