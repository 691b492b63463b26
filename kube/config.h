/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shell: which API server to speak to and as whom. From a kubeconfig file (kubernetes.io "Organizing Cluster Access Using kubeconfig
 * Files"), or from what a pod finds. Of a kubeconfig: server, authority, tls-server-name, insecure-skip-tls-verify, proxy-url, token,
 * tokenFile, client certificate and key, each as a file or inline; several files merged, contexts. What runs programs or is gone from
 * Kubernetes (exec, auth-provider, username), and impersonation, are refused by name.
 */
#ifndef MLB_KUBE_CONFIG_H
#define MLB_KUBE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "kube/secret.h"

/* Where a pod's service account is mounted. */
#define KUBE_ACCOUNT_DIR "/var/run/secrets/kubernetes.io/serviceaccount"

/* A sentence for a person, with file and field. */
struct kube_reason {
	char text[512];
};

/* All pointers are owned. */
struct kube_config {
	char *origin;	  /* for people: the file's path, or "in-cluster" */
	char *server;	  /* "https://host:port", perhaps with a path; no slash at the end */
	char *connect_to; /* for CURLOPT_CONNECT_TO: where the certificate has another name than the host; NULL */
	char *proxy;	  /* NULL: none, whatever the environment says */
	char *namespace;  /* of the context or the pod; never NULL */
	bool insecure;	  /* any certificate will do */
	bool http1;	  /* no HTTP/2: DISABLE_HTTP2 is set, which Go's clients know */
	struct kube_secret authority; /* none: the system's */
	struct kube_secret token;
	struct kube_secret certificate;
	struct kube_secret key;
};

/*
 * From the file(s) at `path`, a list with colons; NULL: $KUBECONFIG, or what a pod finds, or $HOME/.kube/config, the first that is
 * there. context NULL: the current one. 0; or a negative errno, *why says what is wrong, and there is nothing to free.
 * -ENOENT: there is no configuration at all. Files that it names are read here once.
 */
int kube_config_load(const char *path, const char *context, struct kube_config *ret, struct kube_reason *why);
/* The same of texts: contexts of one kubeconfig; relative paths are beside `path`. Reads no file. */
int kube_config_parse(const char *text, size_t len, const char *path, const char *context, struct kube_config *ret,
		      struct kube_reason *why);
/* What a pod finds: the values of KUBERNETES_SERVICE_HOST and _PORT, and the folder of its account. */
int kube_config_in_cluster(const char *host, const char *port, const char *dir, struct kube_config *ret,
			   struct kube_reason *why);
void kube_config_free(struct kube_config *config);

#endif
