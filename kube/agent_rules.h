/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may announce the addresses of a Service: nodes, endpoints and advertisements in, candidates with scores out. Every node computes
 * the same. The election makes one of them the owner. The rules and the names of the reasons are those of MetalLB's layer 2 mode. Pure.
 */
#ifndef MLB_KUBE_AGENT_RULES_H
#define MLB_KUBE_AGENT_RULES_H

#include "kube/pools.h"

#define KUBE_EXCLUDE_LABEL "node.kubernetes.io/exclude-from-external-load-balancers"

enum kube_decision {
	KUBE_ANNOUNCE,
	KUBE_NOT_OWNER,	       /* nothing can serve, it is no candidate, or another one is better */
	KUBE_NO_MATCHING_AD,   /* no advertisement for this service names the node */
	KUBE_SHARED_SELECTOR,  /* shared addresses cannot be announced by service selectors */
	KUBE_NOT_ANNOUNCEABLE, /* not of type LoadBalancer */
	KUBE_NO_ADDRESS,       /* nothing assigned yet */
	KUBE_INVALID_ADDRESS,  /* the status has what is no address */
	KUBE_NOT_ALLOWED,      /* the addresses are in no pool */
};

/* MetalLB's word: "notOwner" ... */
const char *kube_decision_name(enum kube_decision decision);

/* The cluster's nodes, in one order for all sets and scores. */
struct kube_nodes {
	const char *const *names;
	size_t n;
	const uint64_t *live;	/* a set: members as gossip sees them, suspected ones too */
	const uint64_t *barred; /* a set: see kube_node_barred */
};

/* One service, as far as it matters here. Borrowed. */
struct kube_contest {
	const struct label_pair *labels;
	size_t label_n;
	bool shares;			  /* has the annotation allow-shared-ip, whatever its value */
	bool local;			  /* externalTrafficPolicy */
	struct ip ip;			  /* its first address, which decides for all */
	const struct kube_ad *const *ads; /* of its pool */
	size_t ad_n;
	const uint64_t *serving; /* a set: nodes with an endpoint that can serve */
	bool served;		 /* some endpoint can, on whatever node */
};

/* Who may announce. Arrays are the caller's, for all nodes. */
struct kube_candidates {
	enum kube_decision all; /* KUBE_ANNOUNCE: the sets say more; else the decision of every node */
	uint64_t *reached;	/* a set: nodes that an advertisement for the service names */
	uint64_t *set;		/* the candidates */
	uint32_t *scores;	/* by node, over all advertisements for the service */
};

void kube_judge(const struct kube_nodes *nodes, const struct kube_contest *contest, struct kube_candidates *ret);
/*
 * Who owns it if nobody did: the candidate with the highest score; among equals the lowest SHA-256 of "node#address", which is MetalLB's
 * order, so that a cluster that moves over finds its addresses where they were. SIZE_MAX: nobody.
 */
size_t kube_first_owner(const struct kube_nodes *nodes, const struct kube_contest *contest,
			const struct kube_candidates *candidates);
/* What one node does at a first election. */
enum kube_decision kube_decide(const struct kube_nodes *nodes, const struct kube_contest *contest,
			       const struct kube_candidates *candidates, size_t node);

/* Does the advertisement apply to a service of these labels? Nodes play no part. */
bool kube_ad_applies(const struct kube_ad *ad, const struct label_pair *labels, size_t label_n);
/* Add an advertisement's scores to a sum. */
void kube_scores_add(const struct kube_ad *ad, size_t node_n, uint32_t *scores);
/*
 * The interfaces that a node announces on by those of these advertisements that apply to the service and name the node; `node` SIZE_MAX:
 * all of them. Names without repetition, sorted and borrowed, into `names`, which has room for all that the advertisements name; returns
 * how many. 0: all interfaces, for one that names none means all; or there is no such advertisement.
 */
size_t kube_interfaces(const struct kube_contest *contest, size_t node, const char **names);

/* Is the node no candidate for anything? `unready_long`: not Ready for longer than the configuration bears; false where it does not ask. */
bool kube_node_barred(const struct kube_node *node, bool ignore_exclude_label, bool unready_long);
/* Add the nodes (of pools.nodes) where a slice has an endpoint that can serve. True: it has one, on whatever node. */
bool kube_slice_serving(const struct kube_slice *slice, const struct kube_pools *pools, uint64_t *set);
/* Of type LoadBalancer, with addresses that can be announced? KUBE_ANNOUNCE: go on; else why not. */
enum kube_decision kube_service_state(const struct kube_service *service);

#endif
