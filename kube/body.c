/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/body.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"

#define LABEL_VALUE_LEN_MAX 63

static void begin(struct kube_body *body)
{
	body->len = 0;
	body->failed = false;
	body->text[0] = '\0';
}

/* JSON as it is. */
__attribute__((format(printf, 2, 3))) static void raw(struct kube_body *body, const char *format, ...)
{
	size_t room = sizeof(body->text) - body->len;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(body->text + body->len, room, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= room)
		body->failed = true;
	else
		body->len += (size_t)n;
}

/* A string (RFC 8259 section 7); NULL is null. What is no UTF-8 is the server's to refuse. */
static void text(struct kube_body *body, const char *value)
{
	if (value == NULL) {
		raw(body, "null");
		return;
	}
	raw(body, "\"");
	for (; *value != '\0' && !body->failed; value++) {
		unsigned char c = (unsigned char)*value;

		if (c == '"' || c == '\\')
			raw(body, "\\%c", c);
		else if (c < ' ')
			raw(body, "\\u%04x", c);
		else
			raw(body, "%c", c);
	}
	raw(body, "\"");
}

void kube_body_service(struct kube_body *body, const struct kube_service *service, const struct kube_patch *patch)
{
	char ip[IP_TEXT_MAX];

	begin(body);
	raw(body, "{\"metadata\":{\"uid\":");
	text(body, service->meta.uid);
	raw(body, ",\"resourceVersion\":");
	text(body, service->meta.resource_version);
	raw(body, ",\"annotations\":{\"metallb.io/ip-allocated-from-pool\":");
	text(body, patch->pool);
	raw(body, "}},\"status\":{\"loadBalancer\":{\"ingress\":");
	for (size_t i = 0; i < patch->address_n; i++)
		raw(body, "%s{\"ip\":\"%s\"}", i == 0 ? "[" : ",", ip_format(patch->addresses[i], ip));
	raw(body, "%s}}}", patch->address_n == 0 ? "null" : "]");
}

void kube_body_event(struct kube_body *body, const struct kube_about *about, bool warning, const char *reason,
		     const char *message, const char *host, const char *now)
{
	char name[256];
	uint64_t hash = hash_text(hash_text(hash_text(0, about->kind), reason), about->uid != NULL ? about->uid : "");

	snprintf(name, sizeof(name), "%.200s.", about->name);
	if (about->once)
		snprintf(name + strlen(name), sizeof(name) - strlen(name), "%016llx", (unsigned long long)hash);
	begin(body);
	raw(body,
	    "{\"apiVersion\":\"v1\",\"kind\":\"Event\",\"metadata\":{\"%s\":", about->once ? "name" : "generateName");
	text(body, name);
	raw(body, ",\"namespace\":");
	text(body, about->namespace);
	raw(body, "},\"involvedObject\":{\"apiVersion\":");
	text(body, about->api_version);
	raw(body, ",\"kind\":");
	text(body, about->kind);
	raw(body, ",\"namespace\":");
	text(body, about->namespace);
	raw(body, ",\"name\":");
	text(body, about->name);
	if (about->uid != NULL) {
		raw(body, ",\"uid\":");
		text(body, about->uid);
	}
	raw(body, "},\"type\":\"%s\",\"reason\":", warning ? "Warning" : "Normal");
	text(body, reason);
	raw(body, ",\"message\":");
	text(body, message);
	raw(body, ",\"source\":{\"component\":\"mlbd\",\"host\":");
	text(body, host);
	raw(body, "},\"reportingComponent\":\"mlbd\",\"reportingInstance\":");
	text(body, host);
	raw(body, ",\"firstTimestamp\":\"%s\",\"lastTimestamp\":\"%s\",\"count\":1}", now, now);
}

void kube_body_pool(struct kube_body *body, const struct alloc_counters *counters)
{
	begin(body);
	raw(body,
	    "{\"status\":{\"assignedIPv4\":%lld,\"assignedIPv6\":%lld,\"availableIPv4\":%lld,\"availableIPv6\":%lld}}",
	    (long long)counters->assigned_v4, (long long)counters->assigned_v6, (long long)counters->available_v4,
	    (long long)counters->available_v6);
}

/* --- applied objects ------------------------------------------------------------------------------------------------------------- */

static void head(struct kube_body *body, const char *kind, const char *name)
{
	begin(body);
	raw(body, "{\"apiVersion\":\"metallb.io/v1beta1\",\"kind\":\"%s\",\"metadata\":{\"name\":", kind);
	text(body, name);
}

void kube_l2_name(char name[KUBE_L2_NAME_MAX + 1], const char *service, const char *node)
{
	snprintf(name, KUBE_L2_NAME_MAX + 1, "l2-%016llx", (unsigned long long)hash_text(hash_text(1, service), node));
}

static void split(const char *service, char namespace[254], char name[254])
{
	const char *slash = strchr(service, '/');
	int len = slash == NULL ? 0 : (int)(slash - service);

	snprintf(namespace, 254, "%.*s", len > 253 ? 253 : len, service);
	snprintf(name, 254, "%.253s", slash == NULL ? service : slash + 1);
}

/* Names may be longer than the value of a label may be: then there is none. */
static void label(struct kube_body *body, const char *comma, const char *key, const char *value)
{
	raw(body, "%s\"%s\":", comma, key);
	text(body, strlen(value) <= LABEL_VALUE_LEN_MAX ? value : "");
}

void kube_body_l2(struct kube_body *body, const char *name, const char *service, const char *node)
{
	char namespace[254], service_name[254];

	split(service, namespace, service_name);
	head(body, "ServiceL2Status", name);
	raw(body, ",\"labels\":{");
	label(body, "", "metallb.io/node", node);
	label(body, ",", "metallb.io/service-name", service_name);
	label(body, ",", "metallb.io/service-namespace", namespace);
	raw(body, "}}}");
}

void kube_body_l2_status(struct kube_body *body, const char *name, const char *service, const char *node,
			 const char *const *interfaces, size_t interface_n)
{
	char namespace[254], service_name[254];

	split(service, namespace, service_name);
	head(body, "ServiceL2Status", name);
	raw(body, "},\"status\":{\"node\":");
	text(body, node);
	raw(body, ",\"serviceName\":");
	text(body, service_name);
	raw(body, ",\"serviceNamespace\":");
	text(body, namespace);
	raw(body, ",\"interfaces\":[");
	for (size_t i = 0; i < interface_n; i++) {
		raw(body, "%s{\"name\":", i == 0 ? "" : ",");
		text(body, interfaces[i]);
		raw(body, "}");
	}
	raw(body, "]}}");
}

void kube_body_state(struct kube_body *body, const char *name, const char *component, const char *node)
{
	head(body, "ConfigurationState", name);
	raw(body, ",\"labels\":{");
	label(body, "", "metallb.io/component-type", component);
	if (node != NULL)
		label(body, ",", "metallb.io/node-name", node);
	raw(body, "}}}");
}

void kube_body_state_status(struct kube_body *body, const char *name, const char *component, const char *error,
			    const char *now)
{
	bool valid = error[0] == '\0';

	head(body, "ConfigurationState", name);
	raw(body, "},\"status\":{\"result\":\"%s\",\"errorSummary\":", valid ? "Valid" : "Invalid");
	text(body, error);
	raw(body, ",\"conditions\":[{\"type\":\"%s\",\"status\":\"%s\",\"reason\":\"%s\",\"message\":",
	    strcmp(component, "controller") == 0 ? "poolReconcilerValid" : "configReconcilerValid",
	    valid ? "True" : "False", valid ? "Reconciled" : "ConfigurationError");
	text(body, error);
	raw(body, ",\"lastTransitionTime\":\"%s\"}]}}", now);
}
