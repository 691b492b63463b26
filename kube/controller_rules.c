/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MetalLB's convergence of one Service, step by step: clear what cannot stay, keep what can, allocate where nothing is left, and say what
 * changed. A request that is withdrawn later moves nothing; one that cannot be fulfilled leaves the Service without an address.
 */
#include "kube/controller_rules.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kube/arena.h"
#include "kube/selector.h"

/* One Service on its way. */
struct convergence {
	struct kube_controller *c;
	const struct kube_service *service;
	const char *key;
	struct kube_patch *patch;
	struct alloc_request request;
	struct ip asked[ALLOC_ADDRESS_MAX];
	size_t asked_n;
	int asked_r;
};

const char *kube_service_key(const struct kube_service *service, char key[KUBE_KEY_MAX])
{
	(void)snprintf(key, KUBE_KEY_MAX, "%s/%s", service->meta.namespace, service->meta.name);
	return key;
}

__attribute__((format(printf, 4, 5))) static void say(struct convergence *v, bool warning, const char *reason,
						      const char *format, ...)
{
	struct kube_event *event;
	va_list args;

	if (v->patch->event_n == KUBE_EVENT_MAX)
		return;
	event = &v->patch->events[v->patch->event_n++];
	event->warning = warning;
	event->reason = reason;
	va_start(args, format);
	(void)vsnprintf(event->message, sizeof(event->message), format, args);
	va_end(args);
}

/* --- what is asked for ----------------------------------------------------------------------------------------------------------- */

static int add_address(const char *from, size_t len, struct ip addresses[ALLOC_ADDRESS_MAX], size_t *n)
{
	char text[IP_TEXT_MAX];
	struct ip ip;

	while (len > 0 && strchr(" \t", from[0]) != NULL) {
		from++;
		len--;
	}
	while (len > 0 && strchr(" \t", from[len - 1]) != NULL)
		len--;
	if (len >= sizeof(text))
		return -EINVAL;
	memcpy(text, from, len);
	text[len] = '\0';
	if (ip_parse(text, &ip) != 0 || *n == ALLOC_ADDRESS_MAX || (*n == 1 && addresses[0].family == ip.family))
		return -EINVAL;
	addresses[(*n)++] = ip;
	return 0;
}

int kube_service_request(const struct kube_service *service, struct ip addresses[ALLOC_ADDRESS_MAX], size_t *ret_n)
{
	const char *list = service->addresses;

	*ret_n = 0;
	if (list != NULL && list[0] != '\0' && service->load_balancer_ip != NULL)
		return -EEXIST;
	if (service->load_balancer_ip != NULL)
		return add_address(service->load_balancer_ip, strlen(service->load_balancer_ip), addresses, ret_n);
	if (list == NULL || list[0] == '\0')
		return 0;
	for (;;) {
		size_t len = strcspn(list, ",");
		int r = add_address(list, len, addresses, ret_n);

		if (r != 0 || list[len] == '\0')
			return r;
		list += len + 1;
	}
}

const char *kube_service_backend(const struct kube_service *service, struct arena *arena)
{
	return service->local ? kube_pairs_text(arena, service->selector, service->selector_n) : "";
}

/* A set of families; 0: none, or not one that a service can have. */
static unsigned int families_of(const struct kube_addresses *addresses)
{
	unsigned int families = 0;

	if (addresses->bad > 0 || addresses->n > ALLOC_ADDRESS_MAX)
		return 0;
	for (size_t i = 0; i < addresses->n; i++) {
		unsigned int bit = addresses->ips[i].family == IP_V4 ? ALLOC_V4 : ALLOC_V6;

		if ((families & bit) != 0)
			return 0;
		families |= bit;
	}
	return families;
}

static void make_request(struct convergence *v, struct arena *arena)
{
	const struct kube_service *service = v->service;

	v->asked_r = kube_service_request(service, v->asked, &v->asked_n);
	v->request = (struct alloc_request){
		.service = v->key,
		.namespace = service->meta.namespace,
		.labels = service->meta.labels,
		.label_n = service->meta.label_n,
		.families = families_of(&service->cluster_ips),
		.policy = service->family_policy,
		.primary = service->first_family,
		.pool = service->pool != NULL && service->pool[0] != '\0' ? service->pool : NULL,
		.ports = service->ports,
		.port_n = service->port_n,
		.sharing_key = service->sharing_key,
		.backend_key = kube_service_backend(service, arena),
	};
}

/* --- steps ----------------------------------------------------------------------------------------------------------------------- */

static bool holds(const struct convergence *v, struct alloc_holding *ret)
{
	return allocator_find(v->c->allocator, v->key, ret);
}

static void clear(struct convergence *v)
{
	(void)allocator_release(v->c->allocator, v->key);
}

static bool same_addresses(const struct ip *a, size_t a_n, const struct ip *b, size_t b_n)
{
	if (a_n != b_n)
		return false;
	for (size_t i = 0; i < a_n; i++) {
		bool listed = false;

		for (size_t j = 0; j < b_n; j++)
			listed = listed || ip_equal(a[i], b[j]);
		if (!listed)
			return false;
	}
	return true;
}

/* "1.2.3.4" or "1.2.3.4, fd00::1", for events. */
static const char *list_addresses(const struct ip *addresses, size_t n, char text[2 * IP_TEXT_MAX + 2])
{
	char one[IP_TEXT_MAX];
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < n; i++)
		len += (size_t)snprintf(text + len, 2 * IP_TEXT_MAX + 2 - len, "%s%s", i == 0 ? "" : ", ",
					ip_format(addresses[i], one));
	return text;
}

/* The addresses of its status are what the service has, if they may stay with it. */
static void keep(struct convergence *v)
{
	const struct kube_addresses *ingress = &v->service->ingress;
	unsigned int families = families_of(ingress);
	bool one_of_two = v->service->family_policy == ALLOC_PREFER_DUAL_STACK && v->request.families == ALLOC_DUAL;
	struct alloc_request request = v->request;
	char text[2 * IP_TEXT_MAX + 2];
	enum alloc_verdict verdict;

	if (ingress->n == 0) {
		clear(v);
		return;
	}
	if (families == 0) {
		say(v, true, "nolbIPsIPFamily", "The addresses of the status are not at most one of each IP family");
		clear(v);
		return;
	}
	if (families != v->request.families && !one_of_two) {
		clear(v);
		return;
	}
	request.families = 0;
	request.pool = NULL;
	request.addresses = ingress->ips;
	request.address_n = ingress->n;
	verdict = allocator_assign(v->c->allocator, &request);
	if (verdict == ALLOC_OK)
		return;
	say(v, false, "ClearAssignment", "The assigned %s cannot stay: %s",
	    list_addresses(ingress->ips, ingress->n, text), alloc_verdict_text(verdict));
	clear(v);
}

static const char *request_error(const struct convergence *v)
{
	return v->asked_r == -EEXIST
		       ? "addresses are asked for both by spec.loadBalancerIP and by the annotation loadBalancerIPs"
		       : "the addresses that are asked for are not at most one of each IP family";
}

/* Does it hold what it asks for? If not, what it holds is given back. False: its request is wrong, all stays as it is. */
static bool compare_request(struct convergence *v)
{
	struct alloc_holding held;

	if (!holds(v, &held))
		return true;
	if (v->request.pool != NULL && strcmp(v->request.pool, held.pool) != 0) {
		clear(v);
		return true;
	}
	if (v->asked_r != 0) {
		say(v, true, "LoadBalancerFailed", "%s", request_error(v));
		v->patch->failed = true;
		return false;
	}
	if (v->asked_n > 0 && !same_addresses(v->asked, v->asked_n, held.addresses, held.address_n))
		clear(v);
	return true;
}

static void say_assigned(struct convergence *v)
{
	struct alloc_holding held;
	char text[2 * IP_TEXT_MAX + 2];

	if (holds(v, &held))
		say(v, false, "IPAllocated", "Assigned %s from pool %.100s",
		    list_addresses(held.addresses, held.address_n, text), held.pool);
}

/* It prefers two families and has one: from the same pool, or not at all. */
static void add_family(struct convergence *v)
{
	enum alloc_verdict verdict = allocator_add_family(v->c->allocator, &v->request);

	if (verdict == ALLOC_OK)
		say_assigned(v);
	else
		say(v, false, "AdditionalAssignFailed", "No address of the second IP family: %s",
		    alloc_verdict_text(verdict));
}

static void allocate(struct convergence *v)
{
	enum alloc_verdict verdict = ALLOC_BAD_REQUEST;
	struct alloc_request request = v->request;

	request.addresses = v->asked;
	request.address_n = v->asked_n;
	if (v->asked_r == 0)
		verdict = v->asked_n > 0 ? allocator_assign(v->c->allocator, &request)
					 : allocator_allocate(v->c->allocator, &request);
	if (verdict == ALLOC_OK) {
		say_assigned(v);
		return;
	}
	v->patch->failed = true;
	say(v, true, "AllocationFailed", "Failed to allocate an address for %.150s: %s", v->key,
	    v->asked_r != 0 ? request_error(v) : alloc_verdict_text(verdict));
}

/* What a service has to have before it can get an address. False: it gets none. */
static bool is_ready(struct convergence *v)
{
	const struct kube_addresses *cluster_ips = &v->service->cluster_ips;

	if (allocator_pool_n(v->c->allocator) == 0) {
		v->patch->failed = true;
		clear(v);
		return false;
	}
	if (cluster_ips->n == 0) {
		clear(v);
		return false;
	}
	if (v->request.families == 0) {
		say(v, true, "noclusterIPsIPFamily", "The cluster addresses are not at most one of each IP family");
		v->patch->failed = true;
		clear(v);
		return false;
	}
	if (v->service->family_policy == ALLOC_REQUIRE_DUAL_STACK && cluster_ips->n < 2) {
		say(v, true, "not enough clusterips", "RequireDualStack needs cluster addresses of both IP families");
		v->patch->failed = true;
		clear(v);
		return false;
	}
	return true;
}

static void converge(struct convergence *v)
{
	struct alloc_holding held;

	if (!is_ready(v))
		return;
	keep(v);
	if (!compare_request(v))
		return;
	if (!holds(v, &held))
		allocate(v);
	else if (held.address_n == 1 && v->request.families == ALLOC_DUAL &&
		 v->service->family_policy == ALLOC_PREFER_DUAL_STACK)
		add_family(v);
}

/* --- what to write ----------------------------------------------------------------------------------------------------------------- */

static bool same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void compare_status(struct convergence *v)
{
	const struct kube_service *service = v->service;
	struct kube_patch *patch = v->patch;
	struct alloc_holding held = { 0 };

	if (holds(v, &held)) {
		memcpy(patch->addresses, held.addresses, sizeof(patch->addresses));
		patch->address_n = held.address_n;
		patch->pool = held.pool;
	}
	patch->write = service->ingress.bad > 0 ||
		       !same_addresses(patch->addresses, patch->address_n, service->ingress.ips,
				       service->ingress.n > KUBE_ADDRESS_MAX ? KUBE_ADDRESS_MAX : service->ingress.n) ||
		       !same_text(patch->pool, service->pool_given);
	if (patch->write && service->type == KUBE_LOAD_BALANCER && service->old_annotations)
		say(v, true, "deprecatedAnnotation",
		    "Annotations with the prefix metallb.universe.tf/ are deprecated, use metallb.io/");
}

static bool is_our_class(const struct kube_controller *c, const struct kube_service *service)
{
	return same_text(c->class, service->load_balancer_class);
}

int kube_controller_pools(struct kube_controller *c, const struct alloc_pool *pools, size_t pool_n, bool *reprocess)
{
	int r;

	*reprocess = false;
	if (pools == NULL)
		return -ENOENT;
	r = allocator_pools_set(c->allocator, pools, pool_n);
	if (r == 0) {
		c->configured = true;
		*reprocess = true;
	}
	return r;
}

void kube_controller_converge(struct kube_controller *c, const char *key, const struct kube_service *service,
			      struct kube_patch *ret)
{
	struct convergence v = { .c = c, .service = service, .key = key, .patch = ret };
	struct arena arena = { 0 };
	uint64_t room = allocator_room(c->allocator);
	bool held = allocator_find(c->allocator, key, &(struct alloc_holding){ 0 });

	*ret = (struct kube_patch){ 0 };
	if (service != NULL && !c->configured)
		return;
	if (service == NULL || (service->type == KUBE_LOAD_BALANCER && !is_our_class(c, service))) {
		clear(&v);
	} else if (service->type != KUBE_LOAD_BALANCER) {
		clear(&v);
		/* the API server takes the class off with the type: what we wrote tells that it was ours */
		if (c->class == NULL || held || service->pool_given != NULL)
			compare_status(&v);
	} else {
		make_request(&v, &arena);
		if (v.request.backend_key == NULL) {
			ret->failed = true; /* out of memory: nothing is touched */
		} else {
			converge(&v);
			compare_status(&v);
		}
	}
	ret->reprocess = allocator_room(c->allocator) != room;
	arena_free(&arena);
}
