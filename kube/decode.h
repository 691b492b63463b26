/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One object of the Kubernetes API, from parsed JSON into a struct of kube/model.h. As tolerant as the API's own clients: unknown fields
 * are skipped, null is absent, absent has its default. A field that we read and that has another type than it should is an error. Pure.
 */
#ifndef MLB_KUBE_DECODE_H
#define MLB_KUBE_DECODE_H

#include <cjson/cJSON.h>

#include "kube/model.h"

#define KUBE_ERROR_MAX 256

/* A sentence for a person, with the field's path. */
struct kube_error {
	char text[KUBE_ERROR_MAX];
};

/*
 * 0 and the object, which kube_object_free frees; -EINVAL: it is not such an object, and *error says why; -E2BIG: a list is longer
 * than base/limits.h lets it be, *error says which; -ENOMEM. On failure *ret is untouched. `error` is required.
 */
int kube_service_decode(const cJSON *json, struct kube_service **ret, struct kube_error *error);
int kube_slice_decode(const cJSON *json, struct kube_slice **ret, struct kube_error *error);
int kube_node_decode(const cJSON *json, struct kube_node **ret, struct kube_error *error);
int kube_namespace_decode(const cJSON *json, struct kube_namespace **ret, struct kube_error *error);
int kube_pool_decode(const cJSON *json, struct kube_pool **ret, struct kube_error *error);
int kube_advert_decode(const cJSON *json, struct kube_advert **ret, struct kube_error *error);

/* Any object of the above; NULL is fine. */
void kube_object_free(void *object);

/* One endpoint's conditions: absent ready is true; serving counts where ready is false. */
bool kube_endpoint_can_serve(enum kube_status ready, enum kube_status serving);

#endif
