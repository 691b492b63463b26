/* SPDX-License-Identifier: Apache-2.0 */
/* Kubernetes' own kinds: Service, EndpointSlice, Node, Namespace. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "kube/json.h"

#define NEW_PREFIX "metallb.io/"
#define OLD_PREFIX "metallb.universe.tf/"
#define TAINT_GOING "ToBeDeletedByClusterAutoscaler"

static bool is(const char *text, const char *value)
{
	return text != NULL && strcmp(text, value) == 0;
}

/* --- Service --------------------------------------------------------------------------------------------------------------- */

static void put_address(struct kube_addresses *addresses, const char *text)
{
	struct ip ip;

	if (ip_parse(text, &ip) != 0)
		addresses->bad++;
	else if (addresses->n - addresses->bad < KUBE_ADDRESS_MAX)
		addresses->ips[addresses->n - addresses->bad] = ip;
	addresses->n++;
}

/* A headless service has none: "None". */
static void decode_cluster_ips(struct decoder *d, const cJSON *spec, struct kube_addresses *addresses)
{
	size_t n;
	const cJSON *item = json_list(d, spec, "clusterIPs", KUBE_NAME_LIST_MAX, &n);
	const char *single = json_text(d, spec, "clusterIP");

	for (; item != NULL && d->r == 0; item = item->next) {
		if (!cJSON_IsString(item))
			decode_fail(d, -EINVAL, "spec.clusterIPs has an entry that is not a string");
		else if (!is(item->valuestring, "None") && item->valuestring[0] != '\0')
			put_address(addresses, item->valuestring);
	}
	if (n == 0 && single != NULL && single[0] != '\0' && !is(single, "None"))
		put_address(addresses, single);
}

static void decode_ingress(struct decoder *d, const cJSON *status, struct kube_addresses *addresses)
{
	const cJSON *balancer = json_object(d, status, "loadBalancer");
	size_t n;
	const cJSON *item = json_list(d, balancer, "ingress", KUBE_NAME_LIST_MAX, &n);

	for (; item != NULL && d->r == 0; item = item->next) {
		const char *text = json_text(d, item, "ip");

		if (text != NULL && text[0] != '\0')
			put_address(addresses, text);
	}
}

static uint8_t protocol_of(const char *text)
{
	if (is(text, "UDP"))
		return IPPROTO_UDP;
	return is(text, "SCTP") ? IPPROTO_SCTP : IPPROTO_TCP; /* TCP is the default */
}

static void decode_ports(struct decoder *d, const cJSON *spec, struct kube_service *service)
{
	const cJSON *item = json_list(d, spec, "ports", KUBE_PORT_MAX, &service->port_n);
	struct alloc_port *ports = decode_take(d, service->port_n, sizeof(*ports));

	service->ports = ports;
	for (size_t i = 0; item != NULL && d->r == 0; item = item->next, i++) {
		ports[i].protocol = protocol_of(json_text(d, item, "protocol"));
		ports[i].port = (uint16_t)json_integer(d, item, "port", 0, UINT16_MAX, 0);
	}
}

/* One of our annotations under the new prefix, or else the old one. */
static const char *annotation(struct decoder *d, const cJSON *annotations, const char *name, bool *old)
{
	char key[64];
	const char *text;

	(void)snprintf(key, sizeof(key), NEW_PREFIX "%s", name);
	text = json_text(d, annotations, key);
	if (text != NULL)
		return decode_text(d, text);
	(void)snprintf(key, sizeof(key), OLD_PREFIX "%s", name);
	text = json_text(d, annotations, key);
	if (text != NULL)
		*old = true;
	return decode_text(d, text);
}

static void decode_annotations(struct decoder *d, struct kube_service *service)
{
	const cJSON *annotations = json_object(d, json_field(d->json, "metadata"), "annotations");
	bool ignored = false;

	service->pool = annotation(d, annotations, "address-pool", &service->old_annotations);
	service->addresses = annotation(d, annotations, "loadBalancerIPs", &service->old_annotations);
	service->sharing_key = annotation(d, annotations, "allow-shared-ip", &service->old_annotations);
	service->pool_given = annotation(d, annotations, "ip-allocated-from-pool", &ignored);
}

static enum kube_service_type service_type(const char *text)
{
	if (is(text, "LoadBalancer"))
		return KUBE_LOAD_BALANCER;
	if (is(text, "NodePort"))
		return KUBE_NODE_PORT;
	return is(text, "ExternalName") ? KUBE_EXTERNAL_NAME : KUBE_CLUSTER_IP;
}

static enum alloc_policy family_policy(const char *text)
{
	if (is(text, "PreferDualStack"))
		return ALLOC_PREFER_DUAL_STACK;
	return is(text, "RequireDualStack") ? ALLOC_REQUIRE_DUAL_STACK : ALLOC_SINGLE_STACK;
}

static void fill_service(struct decoder *d, void *object)
{
	struct kube_service *service = object;
	const cJSON *spec = json_object(d, d->json, "spec");
	const char *load_balancer_ip = json_text(d, spec, "loadBalancerIP");
	const cJSON *family;
	size_t family_n;

	decode_meta(d, &service->meta);
	decode_annotations(d, service);
	service->type = service_type(json_text(d, spec, "type"));
	service->family_policy = family_policy(json_text(d, spec, "ipFamilyPolicy"));
	family = json_list(d, spec, "ipFamilies", KUBE_NAME_LIST_MAX, &family_n);
	if (family != NULL && cJSON_IsString(family))
		service->first_family = is(family->valuestring, "IPv6") ? IP_V6 : IP_V4;
	service->local = is(json_text(d, spec, "externalTrafficPolicy"), "Local");
	if (load_balancer_ip != NULL && load_balancer_ip[0] != '\0')
		service->load_balancer_ip = decode_text(d, load_balancer_ip);
	service->load_balancer_class = decode_text(d, json_text(d, spec, "loadBalancerClass"));
	decode_cluster_ips(d, spec, &service->cluster_ips);
	decode_ingress(d, json_object(d, d->json, "status"), &service->ingress);
	decode_ports(d, spec, service);
	service->selector = decode_pairs(d, spec, "selector", KUBE_LABEL_MAX, &service->selector_n);
}

int kube_service_decode(const cJSON *json, struct kube_service **ret, struct kube_error *error)
{
	void *object = NULL;
	int r = decode_object(json, sizeof(**ret), fill_service, &object, error);

	if (r == 0)
		*ret = object;
	return r;
}

/* --- EndpointSlice ---------------------------------------------------------------------------------------------------------- */

bool kube_endpoint_can_serve(enum kube_status ready, enum kube_status serving)
{
	return ready != KUBE_FALSE || serving == KUBE_TRUE;
}

static enum kube_status condition(struct decoder *d, const cJSON *conditions, const char *name)
{
	if (json_field(conditions, name) == NULL)
		return KUBE_UNKNOWN;
	return json_bool(d, conditions, name, false) ? KUBE_TRUE : KUBE_FALSE;
}

static void fill_slice(struct decoder *d, void *object)
{
	struct kube_slice *slice = object;
	const cJSON *item = json_list(d, d->json, "endpoints", KUBE_ENDPOINT_MAX, &slice->endpoint_n);
	struct kube_endpoint *endpoints = decode_take(d, slice->endpoint_n, sizeof(*endpoints));

	decode_meta(d, &slice->meta);
	slice->service = label_pairs_get(slice->meta.labels, slice->meta.label_n, "kubernetes.io/service-name");
	slice->endpoints = endpoints;
	for (size_t i = 0; item != NULL && d->r == 0; item = item->next, i++) {
		const cJSON *conditions = json_object(d, item, "conditions");

		endpoints[i].node = decode_text(d, json_text(d, item, "nodeName"));
		endpoints[i].can_serve =
			kube_endpoint_can_serve(condition(d, conditions, "ready"), condition(d, conditions, "serving"));
		endpoints[i].terminating = condition(d, conditions, "terminating") == KUBE_TRUE;
	}
}

int kube_slice_decode(const cJSON *json, struct kube_slice **ret, struct kube_error *error)
{
	void *object = NULL;
	int r = decode_object(json, sizeof(**ret), fill_slice, &object, error);

	if (r == 0)
		*ret = object;
	return r;
}

/* --- Node, Namespace -------------------------------------------------------------------------------------------------------- */

static enum kube_status status_of(const char *text)
{
	if (is(text, "True"))
		return KUBE_TRUE;
	return is(text, "False") ? KUBE_FALSE : KUBE_UNKNOWN;
}

static void decode_node_addresses(struct decoder *d, struct kube_node *node)
{
	size_t n;
	const cJSON *item = json_list(d, json_object(d, d->json, "status"), "addresses", KUBE_CONDITION_MAX, &n);

	for (; item != NULL && d->r == 0; item = item->next) {
		const char *text = json_text(d, item, "address");

		if (is(json_text(d, item, "type"), "InternalIP") && text != NULL &&
		    node->ip_n < KUBE_NODE_ADDRESS_MAX && ip_parse(text, &node->ips[node->ip_n]) == 0)
			node->ip_n++;
	}
}

static void fill_node(struct decoder *d, void *object)
{
	struct kube_node *node = object;
	const cJSON *spec = json_object(d, d->json, "spec");
	size_t n;
	const cJSON *item = json_list(d, json_object(d, d->json, "status"), "conditions", KUBE_CONDITION_MAX, &n);

	decode_meta(d, &node->meta);
	for (; item != NULL && d->r == 0; item = item->next) {
		const char *type = json_text(d, item, "type");
		enum kube_status status = status_of(json_text(d, item, "status"));

		if (is(type, "NetworkUnavailable"))
			node->network_unavailable = status == KUBE_TRUE;
		else if (is(type, "Ready"))
			node->ready = status;
	}
	decode_node_addresses(d, node);
	node->unschedulable = json_bool(d, spec, "unschedulable", false);
	for (item = json_list(d, spec, "taints", KUBE_CONDITION_MAX, &n); item != NULL && d->r == 0; item = item->next)
		node->going = node->going || is(json_text(d, item, "key"), TAINT_GOING);
}

int kube_node_decode(const cJSON *json, struct kube_node **ret, struct kube_error *error)
{
	void *object = NULL;
	int r = decode_object(json, sizeof(**ret), fill_node, &object, error);

	if (r == 0)
		*ret = object;
	return r;
}

static void fill_namespace(struct decoder *d, void *object)
{
	decode_meta(d, &((struct kube_namespace *)object)->meta);
}

int kube_namespace_decode(const cJSON *json, struct kube_namespace **ret, struct kube_error *error)
{
	void *object = NULL;
	int r = decode_object(json, sizeof(**ret), fill_namespace, &object, error);

	if (r == 0)
		*ret = object;
	return r;
}
