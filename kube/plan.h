/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a node makes of the cluster's objects: which addresses are to be announced, and which nodes may, on which interfaces, with which
 * scores. Every node computes the same; the election makes one of them the owner. Pure.
 */
#ifndef MLB_KUBE_PLAN_H
#define MLB_KUBE_PLAN_H

#include "kube/agent_rules.h"
#include "kube/store.h"

/* What one node is for an address. */
struct kube_place {
	const char *node;
	uint32_t score;
	const char *const *interfaces;
	size_t interface_n; /* 0: all */
};

/* Nodes in order of names. Units with equal lists share one. */
struct kube_places {
	const struct kube_place *items;
	size_t n;
	size_t index; /* in the plan's list of lists */
};

/* Addresses that move together: those of one Service, or of some that share. No address is in two. */
struct kube_unit {
	const char *name; /* "namespace/name" of the first Service, which no other unit has */
	const struct ip *ips;
	size_t ip_n;
	const struct kube_places *places;
	const char *const *services; /* all of them, by name */
	size_t service_n;
};

struct kube_plan {
	struct arena arena; /* all of it */
	const struct kube_unit *units;
	size_t unit_n;
	const struct kube_places *const *lists; /* each once, by index */
	size_t list_n;
	const struct ip *peers; /* InternalIPs of nodes, by the nodes' names */
	size_t peer_n;
	struct instant again; /* the same objects may give another plan from then on; NEVER: they do not */
};

struct kube_plan_options {
	bool ignore_exclude_label;
	const char *class;   /* loadBalancerClass that is ours; NULL: services without one */
	struct span unready; /* a node that is not Ready for so long is no candidate; 0: Ready does not matter */
};

/* The nodes of `pools` are those of the store, as kube_store_pools made them. NULL: no memory. */
struct kube_plan *kube_plan_make(const struct kube_store *store, const struct kube_pools *pools,
				 const struct kube_plan_options *options, struct instant now);
void kube_plan_free(struct kube_plan *plan);

/*
 * The configuration that pools, advertisements, namespaces and nodes of the store give. As kube_pools_make; an object that cannot be read
 * refuses all.
 */
int kube_store_pools(const struct kube_store *store, struct kube_pools **ret, struct kube_refusals *refusals);

#endif
