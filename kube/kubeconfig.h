/* SPDX-License-Identifier: Apache-2.0 */
/* Shell: kubeconfig files as libyaml reads them, several looked at as one. Half of kube/config.h. */
#ifndef MLB_KUBE_KUBECONFIG_H
#define MLB_KUBE_KUBECONFIG_H

#include <yaml.h>

#include "base/limits.h"
#include "kube/config.h"

struct kubeconfig_file {
	char *path; /* owned */
	yaml_document_t document;
};

/* Zeroed: empty. */
struct kubeconfig {
	struct kubeconfig_file files[KUBE_CONFIG_FILES_MAX];
	size_t n;
};

/* Add a file's text. 0, -EINVAL and *why, -E2BIG: too many files, -ENOMEM. */
int kubeconfig_add(struct kubeconfig *kubeconfig, const char *text, size_t len, const char *path,
		   struct kube_reason *why);
/* The context's cluster and user, into a config that is empty. On failure what was filled in is the caller's to free. */
int kubeconfig_pick(struct kubeconfig *kubeconfig, const char *context, struct kube_config *ret,
		    struct kube_reason *why);
void kubeconfig_free(struct kubeconfig *kubeconfig);

/* Take `server` apart and fill in config->server and connect_to. name NULL: the certificate's name is the host's. */
int kubeconfig_server(const char *server, const char *name, struct kube_config *config, struct kube_reason *why);

#endif
