/* SPDX-License-Identifier: Apache-2.0 */
/* The section `kubernetes`: services and pools come from an API server. */
#include "daemon/config_value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Longer would be no delay but a switch. */
#define UNREADY_MAX_H 24

static void read_text(struct config_reader *r, const struct config_node *node, char **to)
{
	free(*to);
	*to = config_text_copy(r, node);
	if (*to != NULL && (*to)[0] == '\0')
		config_fail(r, node, "must not be empty");
}

static void read_path(struct config_reader *r, const struct config_node *node, char **to)
{
	read_text(r, node, to);
	if (*to != NULL && (*to)[0] != '\0' && (*to)[0] != '/')
		config_fail(r, node, "must be an absolute path");
}

static void read_kubeconfig(struct config_reader *r, const struct config_node *node, void *target)
{
	read_path(r, node, &((struct config_kubernetes *)target)->kubeconfig);
}

static void read_context(struct config_reader *r, const struct config_node *node, void *target)
{
	read_text(r, node, &((struct config_kubernetes *)target)->context);
}

static void read_namespace(struct config_reader *r, const struct config_node *node, void *target)
{
	read_text(r, node, &((struct config_kubernetes *)target)->namespace);
}

static void read_class(struct config_reader *r, const struct config_node *node, void *target)
{
	read_text(r, node, &((struct config_kubernetes *)target)->class);
}

static void read_snapshot(struct config_reader *r, const struct config_node *node, void *target)
{
	read_path(r, node, &((struct config_kubernetes *)target)->snapshot);
}

static void read_claim(struct config_reader *r, const struct config_node *node, void *target)
{
	config_claim(r, node, &((struct config_kubernetes *)target)->claim);
}

static void read_ignore_exclude(struct config_reader *r, const struct config_node *node, void *target)
{
	config_bool(r, node, &((struct config_kubernetes *)target)->ignore_exclude_label);
}

static void read_unready(struct config_reader *r, const struct config_node *node, void *target)
{
	config_span(r, node, span_s(1), span_s(UNREADY_MAX_H * 3600), &((struct config_kubernetes *)target)->unready);
}

void config_read_kubernetes(struct config_reader *r, const struct config_node *node, void *target)
{
	static const struct config_key keys[] = {
		{ "kubeconfig", read_kubeconfig }, { "context", read_context },
		{ "namespace", read_namespace },   { "loadBalancerClass", read_class },
		{ "claim", read_claim },	   { "ignoreExcludeLabel", read_ignore_exclude },
		{ "unreadyAfter", read_unready },  { "snapshot", read_snapshot },
	};
	struct config_kubernetes *kubernetes = &r->config->kubernetes;

	(void)target;
	kubernetes->on = true;
	kubernetes->claim = CLAIM_NONE;
	if (config_node_is_null(node)) /* in a pod nothing has to be said */
		return;
	config_mapping(r, node, keys, sizeof(keys) / sizeof(keys[0]), kubernetes);
}

static bool same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool config_kubernetes_equal(const struct config_kubernetes *a, const struct config_kubernetes *b)
{
	return a->on == b->on && same_text(a->kubeconfig, b->kubeconfig) && same_text(a->context, b->context) &&
	       same_text(a->namespace, b->namespace) && same_text(a->class, b->class) &&
	       same_text(a->snapshot, b->snapshot) && a->claim == b->claim &&
	       a->ignore_exclude_label == b->ignore_exclude_label && a->unready.us == b->unready.us;
}

/* False: no memory. */
static bool copy_text(char *from, char **to)
{
	*to = from == NULL ? NULL : strdup(from);
	return from == NULL || *to != NULL;
}

int config_kubernetes_copy(const struct config_kubernetes *kubernetes, struct config_kubernetes *ret)
{
	bool good;

	*ret = *kubernetes;
	good = copy_text(kubernetes->kubeconfig, &ret->kubeconfig);
	good = copy_text(kubernetes->context, &ret->context) && good;
	good = copy_text(kubernetes->namespace, &ret->namespace) && good;
	good = copy_text(kubernetes->class, &ret->class) && good;
	good = copy_text(kubernetes->snapshot, &ret->snapshot) && good;
	return good ? 0 : -ENOMEM;
}

void config_kubernetes_free(struct config_kubernetes *kubernetes)
{
	free(kubernetes->kubeconfig);
	free(kubernetes->context);
	free(kubernetes->namespace);
	free(kubernetes->class);
	free(kubernetes->snapshot);
}
