/* SPDX-License-Identifier: Apache-2.0 */
/* The bodies of requests to the API server, as JSON text. Pure. */
#ifndef MLB_KUBE_BODY_H
#define MLB_KUBE_BODY_H

#include "kube/controller_rules.h"

/* Any body below fits: names of 253 bytes and messages of 1,023, each byte escaped, and what stands between. */
#define KUBE_BODY_MAX 16384

#define KUBE_MERGE_PATCH "application/merge-patch+json"
#define KUBE_APPLY_PATCH "application/apply-patch+yaml"
/* The manager of fields that are applied. */
#define KUBE_FIELD_MANAGER "mlbd"

struct kube_body {
	char text[KUBE_BODY_MAX];
	size_t len;
	bool failed; /* it did not fit */
};

/* The status and the annotation of a Service, for a merge patch that holds for this version of this object alone. */
void kube_body_service(struct kube_body *body, const struct kube_service *service, const struct kube_patch *patch);

/* A core/v1 Event about a Service, or about any other object of a namespace. */
struct kube_about {
	const char *api_version;
	const char *kind;
	const char *namespace;
	const char *name;
	const char *uid; /* NULL: not known */
	bool once;	 /* an event has a name of its own, so that the server refuses (409) to have it twice */
};
/* now: RFC 3339 in seconds; host: the node that says it. */
void kube_body_event(struct kube_body *body, const struct kube_about *about, bool warning, const char *reason,
		     const char *message, const char *host, const char *now);

/* The counters in the status of an IPAddressPool, for a merge patch. */
void kube_body_pool(struct kube_body *body, const struct alloc_counters *counters);

/*
 * A ServiceL2Status: the object, and its status by a second request. Both are applied, so they may come twice. `interfaces` none: all.
 * `service`: "namespace/name". The name of the object follows from service and node, so that whoever takes over can delete what a dead node left.
 */
#define KUBE_L2_NAME_MAX 31
void kube_l2_name(char name[KUBE_L2_NAME_MAX + 1], const char *service, const char *node);
void kube_body_l2(struct kube_body *body, const char *name, const char *service, const char *node);
void kube_body_l2_status(struct kube_body *body, const char *name, const char *service, const char *node,
			 const char *const *interfaces, size_t interface_n);

/* A ConfigurationState: the object, and its status. component: "controller", or "speaker" with the node. */
void kube_body_state(struct kube_body *body, const char *name, const char *component, const char *node);
/* error "": it is valid. */
void kube_body_state_status(struct kube_body *body, const char *name, const char *component, const char *error,
			    const char *now);

#endif
