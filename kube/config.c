/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "kube/kubeconfig.h"

void kube_config_free(struct kube_config *config)
{
	free(config->origin);
	free(config->server);
	free(config->connect_to);
	free(config->proxy);
	free(config->namespace);
	kube_secret_free(&config->authority);
	kube_secret_free(&config->token);
	kube_secret_free(&config->certificate);
	kube_secret_free(&config->key);
	*config = (struct kube_config){ 0 };
}

static bool on(const char *value)
{
	return value != NULL && (strcmp(value, "1") == 0 || strcmp(value, "true") == 0);
}

/* What holds wherever the rest came from. */
static int complete(struct kube_config *config, struct kube_reason *why)
{
	bool credentials = kube_secret_given(&config->token) || kube_secret_given(&config->certificate);

	if (strncmp(config->server, "http://", strlen("http://")) == 0 && credentials) {
		snprintf(why->text, sizeof(why->text), "%s: credentials are not sent to %s, which is not https",
			 config->origin, config->server);
		return -EINVAL;
	}
	return 0;
}

/* See that all files are there, so that who mistyped one learns of it at the start. */
static int read_files(struct kube_config *config, struct kube_reason *why)
{
	struct kube_secret *secrets[] = { &config->authority, &config->token, &config->certificate, &config->key };
	const char *pod_namespace = getenv("POD_NAMESPACE");
	char *copy;

	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
		int r = kube_secret_refresh(secrets[i], clock_now(), span_us(0));

		if (r != 0) {
			snprintf(why->text, sizeof(why->text), "%s: %s: %s", config->origin, secrets[i]->path,
				 strerror(-r));
			return r == -ENOENT ? -EINVAL : r;
		}
	}
	config->http1 = on(getenv("DISABLE_HTTP2"));
	if (pod_namespace != NULL && pod_namespace[0] != '\0') {
		copy = strdup(pod_namespace);
		if (copy == NULL)
			return -ENOMEM;
		free(config->namespace);
		config->namespace = copy;
	}
	return 0;
}

static char *file_in(const char *dir, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", dir, name) < 0 ? NULL : path;
}

int kube_config_in_cluster(const char *host, const char *port, const char *dir, struct kube_config *ret,
			   struct kube_reason *why)
{
	struct kube_config config = { .origin = strdup("in-cluster"),
				      .authority.path = file_in(dir, "ca.crt"),
				      .token.path = file_in(dir, "token") };
	struct kube_secret namespace = { .path = file_in(dir, "namespace") };
	bool v6 = strchr(host, ':') != NULL;
	char server[512];
	int r = -ENOMEM;

	snprintf(server, sizeof(server), "https://%s%.255s%s:%.16s", v6 ? "[" : "", host, v6 ? "]" : "", port);
	snprintf(why->text, sizeof(why->text), "out of memory");
	if (config.origin == NULL || config.authority.path == NULL || config.token.path == NULL ||
	    namespace.path == NULL)
		goto out;
	r = kubeconfig_server(server, NULL, &config, why);
	if (r != 0)
		goto out;
	if (kube_secret_refresh(&namespace, clock_now(), span_us(0)) == 0) {
		config.namespace = namespace.data;
		namespace.data = NULL;
	} else {
		config.namespace = strdup("default");
		if (config.namespace == NULL)
			r = -ENOMEM;
	}
	if (r == 0)
		r = read_files(&config, why);
out:
	kube_secret_free(&namespace);
	if (r != 0)
		kube_config_free(&config);
	else
		*ret = config;
	return r;
}

static int pick(struct kubeconfig *kubeconfig, const char *context, bool files, struct kube_config *ret,
		struct kube_reason *why)
{
	struct kube_config config = { 0 };
	int r = kubeconfig_pick(kubeconfig, context, &config, why);

	if (r == 0)
		r = complete(&config, why);
	if (r == 0 && files)
		r = read_files(&config, why);
	if (r != 0)
		kube_config_free(&config);
	else
		*ret = config;
	return r;
}

int kube_config_parse(const char *text, size_t len, const char *path, const char *context, struct kube_config *ret,
		      struct kube_reason *why)
{
	struct kubeconfig kubeconfig = { 0 };
	int r;

	snprintf(why->text, sizeof(why->text), "out of memory");
	r = kubeconfig_add(&kubeconfig, text, len, path, why);
	if (r == 0)
		r = pick(&kubeconfig, context, false, ret, why);
	kubeconfig_free(&kubeconfig);
	return r;
}

static int add_file(struct kubeconfig *kubeconfig, const char *path, struct kube_reason *why)
{
	char *text;
	size_t len;
	int r = kube_file_read(path, KUBE_CONFIG_FILE_MAX, &text, &len);

	if (r != 0) {
		snprintf(why->text, sizeof(why->text), "%s: %s", path, strerror(-r));
		return r;
	}
	r = kubeconfig_add(kubeconfig, text, len, path, why);
	free(text);
	return r;
}

/* Files of a list with colons; those that are not there are left out, as kubectl does, unless none is. */
static int load_files(const char *list, const char *context, struct kube_config *ret, struct kube_reason *why)
{
	struct kubeconfig kubeconfig = { 0 };
	char *copy = strdup(list), *rest = copy, *path;
	int r = copy == NULL ? -ENOMEM : 0, missing = 0;

	while (r == 0 && (path = strsep(&rest, ":")) != NULL) {
		if (path[0] == '\0')
			continue;
		r = add_file(&kubeconfig, path, why);
		if (r == -ENOENT) {
			missing = r;
			r = 0;
		}
	}
	if (r == 0 && kubeconfig.n == 0) {
		if (missing == 0)
			snprintf(why->text, sizeof(why->text), "no kubeconfig is named");
		r = -ENOENT;
	}
	if (r == 0)
		r = pick(&kubeconfig, context, true, ret, why);
	kubeconfig_free(&kubeconfig);
	free(copy);
	return r;
}

/* The order of controller-runtime: flag, KUBECONFIG, pod, home. */
int kube_config_load(const char *path, const char *context, struct kube_config *ret, struct kube_reason *why)
{
	const char *list = getenv("KUBECONFIG"), *home = getenv("HOME");
	const char *host = getenv("KUBERNETES_SERVICE_HOST"), *port = getenv("KUBERNETES_SERVICE_PORT");
	char home_path[4096];

	snprintf(why->text, sizeof(why->text), "out of memory");
	if (path != NULL)
		return load_files(path, context, ret, why);
	if (list != NULL && list[0] != '\0')
		return load_files(list, context, ret, why);
	if (host != NULL && host[0] != '\0' && port != NULL && port[0] != '\0')
		return kube_config_in_cluster(host, port, KUBE_ACCOUNT_DIR, ret, why);
	if (home != NULL &&
	    (size_t)snprintf(home_path, sizeof(home_path), "%s/.kube/config", home) < sizeof(home_path) &&
	    access(home_path, F_OK) == 0)
		return load_files(home_path, context, ret, why);
	snprintf(why->text, sizeof(why->text), "no API server is configured: no KUBECONFIG, no pod, no ~/.kube/config");
	return -ENOENT;
}
