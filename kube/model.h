/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kubernetes objects as far as we need them, each in one block of memory (kube/decode.h). Everything in an object is owned by it; texts
 * that were absent are NULL, lists that were absent are empty. Plain data.
 */
#ifndef MLB_KUBE_MODEL_H
#define MLB_KUBE_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "allocator/allocator.h"
#include "base/addr.h"
#include "base/label.h"

struct kube_meta {
	const char *name;      /* "" if absent */
	const char *namespace; /* "" if absent */
	const char *uid;
	const char *resource_version;
	int64_t generation;
	bool deleting; /* has a deletionTimestamp */
	const struct label_pair *labels;
	size_t label_n;
};

/* Addresses as a list of texts names them: those that parse, at most one more than a service can have. */
#define KUBE_ADDRESS_MAX 3
struct kube_addresses {
	struct ip ips[KUBE_ADDRESS_MAX];
	size_t n;   /* listed, also beyond KUBE_ADDRESS_MAX and those that do not parse */
	size_t bad; /* of these: not an address */
};

enum kube_service_type { KUBE_CLUSTER_IP, KUBE_NODE_PORT, KUBE_LOAD_BALANCER, KUBE_EXTERNAL_NAME };

/* core/v1 Service */
struct kube_service {
	struct kube_meta meta;
	enum kube_service_type type;
	enum alloc_policy family_policy;
	enum ip_family first_family; /* of spec.ipFamilies; IP_NONE: absent */
	bool local;		     /* externalTrafficPolicy */
	struct kube_addresses cluster_ips;
	struct kube_addresses ingress;	 /* status; entries without an address are left out */
	const char *load_balancer_ip;	 /* spec; NULL also if empty */
	const char *load_balancer_class; /* NULL: none */
	const struct alloc_port *ports;
	size_t port_n;
	const struct label_pair *selector; /* by key */
	size_t selector_n;
	/* Annotations, of metallb.io/ or else of the old metallb.universe.tf/; NULL: absent. */
	const char *pool;	 /* address-pool */
	const char *addresses;	 /* loadBalancerIPs */
	const char *sharing_key; /* allow-shared-ip */
	const char *pool_given;	 /* ip-allocated-from-pool, which the controller writes */
	bool old_annotations;	 /* one of the above has the old prefix alone */
};

struct kube_endpoint {
	const char *node; /* NULL: not said */
	bool can_serve;	  /* ready, which is what one is that does not say; or else serving */
	bool terminating;
};

/* discovery.k8s.io/v1 EndpointSlice */
struct kube_slice {
	struct kube_meta meta;
	const char *service; /* its name, in the slice's namespace; NULL: of none */
	const struct kube_endpoint *endpoints;
	size_t endpoint_n;
};

/* InternalIPs of a node that are read: one of each family is usual. */
#define KUBE_NODE_ADDRESS_MAX 4

enum kube_status { KUBE_UNKNOWN, KUBE_FALSE, KUBE_TRUE };

/* core/v1 Node */
struct kube_node {
	struct kube_meta meta;
	bool network_unavailable;
	enum kube_status ready;
	bool going;			      /* the cluster autoscaler is about to delete it (taint) */
	bool unschedulable;		      /* cordoned */
	struct ip ips[KUBE_NODE_ADDRESS_MAX]; /* its InternalIPs */
	size_t ip_n;
};

/* core/v1 Namespace */
struct kube_namespace {
	struct kube_meta meta;
};

/* metallb.io/v1beta1 IPAddressPool */
struct kube_pool {
	struct kube_meta meta;
	const char *const *addresses;
	size_t address_n;
	bool auto_assign;
	bool avoid_buggy_ips;
	bool pinned; /* has serviceAllocation */
	int32_t priority;
	const char *const *namespaces;
	size_t namespace_n;
	const struct label_selector *namespace_selectors;
	size_t namespace_selector_n;
	const struct label_selector *service_selectors;
	size_t service_selector_n;
	struct alloc_counters counters; /* of its status; no capacities; -1: not written */
};

struct kube_preference {
	int32_t weight;
	struct label_selector selector;
};

/* metallb.io/v1beta1 L2Advertisement */
struct kube_advert {
	struct kube_meta meta;
	const char *const *pools;
	size_t pool_n;
	const struct label_selector *pool_selectors;
	size_t pool_selector_n;
	const struct label_selector *node_selectors;
	size_t node_selector_n;
	const char *const *interfaces;
	size_t interface_n;
	const struct label_selector *service_selectors;
	size_t service_selector_n;
	const struct kube_preference *preferences;
	size_t preference_n;
};

#endif
