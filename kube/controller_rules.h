/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controller's rules for one Service: its object and the allocator in, what to write out. The order of the steps and the reasons of
 * the events are those of MetalLB's controller. State is in the allocator alone, and comes back from the status of Services. Pure.
 */
#ifndef MLB_KUBE_CONTROLLER_RULES_H
#define MLB_KUBE_CONTROLLER_RULES_H

#include "allocator/allocator.h"
#include "kube/model.h"

/* "namespace/name" of a Service. */
#define KUBE_KEY_MAX 512

struct kube_controller {
	struct allocator *allocator; /* borrowed */
	bool configured;	     /* pools were set, if only to none */
	const char *class;	     /* loadBalancerClass that is ours; NULL: services without a class */
};

#define KUBE_EVENT_MAX 6
struct kube_event {
	bool warning;	    /* else Normal */
	const char *reason; /* static: a word that MetalLB's users know */
	char message[256];
};

struct kube_patch {
	bool write; /* the status or the annotation is to change */
	struct ip addresses[ALLOC_ADDRESS_MAX];
	size_t address_n;
	const char *pool; /* of the annotation; NULL: without. Valid until the allocator changes */
	/*
	 * Rules say the same again each time they are asked. Whoever sends events leaves out those that it has sent for this
	 * version of the Service.
	 */
	struct kube_event events[KUBE_EVENT_MAX];
	size_t event_n;
	bool failed; /* it should have an address and has none, or its request is wrong: a retry alone changes nothing */
	bool reprocess; /* look at all Services again: something was given back or can be shared now */
};

/* "namespace/name", which is its name in the allocator. */
const char *kube_service_key(const struct kube_service *service, char key[KUBE_KEY_MAX]);
/*
 * Pools as kube_pools_make gives them; NULL: there is no configuration, which changes nothing and is an error. Services with addresses come
 * first after that, since theirs are taken. 0, -ENOENT for NULL, or as allocator_pools_set. *reprocess: look at all Services.
 */
int kube_controller_pools(struct kube_controller *c, const struct alloc_pool *pools, size_t pool_n, bool *reprocess);
/* `service` NULL: it is gone. */
void kube_controller_converge(struct kube_controller *c, const char *key, const struct kube_service *service,
			      struct kube_patch *ret);

/*
 * The addresses that a Service asks for by its annotation or by spec.loadBalancerIP. 0 and how many, also none; -EINVAL: not addresses,
 * or not at most one of each family; -EEXIST: asked for in both ways.
 */
int kube_service_request(const struct kube_service *service, struct ip addresses[ALLOC_ADDRESS_MAX], size_t *ret_n);
/* Sharing under policy Local needs the same endpoints: its selector as text, else "". NULL: no memory. */
struct arena;
const char *kube_service_backend(const struct kube_service *service, struct arena *arena);

#endif
