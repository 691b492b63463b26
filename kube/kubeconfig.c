/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kubeconfig.h"

#include <curl/curl.h>
#include <errno.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One named thing of a file: a context, cluster or user. */
struct entry {
	const struct kubeconfig_file *file;
	yaml_document_t *document; /* the file's */
	const yaml_node_t *node;   /* its mapping; NULL: it has none, and so no fields */
	const char *kind;
	const char *name; /* borrowed from the document */
};

__attribute__((format(printf, 2, 3))) static int fail(struct kube_reason *why, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why->text, sizeof(why->text), format, args);
	va_end(args);
	return -EINVAL;
}

int kubeconfig_add(struct kubeconfig *kubeconfig, const char *text, size_t len, const char *path,
		   struct kube_reason *why)
{
	struct kubeconfig_file *file = &kubeconfig->files[kubeconfig->n];
	yaml_parser_t parser;
	int r = 0;

	if (kubeconfig->n == KUBE_CONFIG_FILES_MAX) {
		fail(why, "more than %d kubeconfig files", KUBE_CONFIG_FILES_MAX);
		return -E2BIG;
	}
	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	if (!yaml_parser_load(&parser, &file->document)) {
		r = fail(why, "%s:%zu: %s", path, parser.problem_mark.line + 1,
			 parser.problem == NULL ? "no YAML" : parser.problem);
	} else if (yaml_document_get_root_node(&file->document) == NULL) {
		yaml_document_delete(&file->document);
		r = fail(why, "%s: nothing in it", path);
	}
	yaml_parser_delete(&parser);
	if (r != 0)
		return r;
	file->path = strdup(path);
	kubeconfig->n++;
	return file->path == NULL ? -ENOMEM : 0;
}

void kubeconfig_free(struct kubeconfig *kubeconfig)
{
	for (size_t i = 0; i < kubeconfig->n; i++) {
		free(kubeconfig->files[i].path);
		yaml_document_delete(&kubeconfig->files[i].document);
	}
	kubeconfig->n = 0;
}

static const char *scalar_of(const yaml_node_t *node)
{
	const char *text;

	if (node == NULL || node->type != YAML_SCALAR_NODE)
		return NULL;
	text = (const char *)node->data.scalar.value;
	return strlen(text) == node->data.scalar.length ? text : NULL;
}

/* A field of a mapping; NULL: absent. */
static const yaml_node_t *field(yaml_document_t *document, const yaml_node_t *node, const char *name)
{
	if (node == NULL || node->type != YAML_MAPPING_NODE)
		return NULL;
	for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top;
	     pair++) {
		const char *key = scalar_of(yaml_document_get_node(document, pair->key));

		if (key != NULL && strcmp(key, name) == 0)
			return yaml_document_get_node(document, pair->value);
	}
	return NULL;
}

/* A text of an entry; NULL: absent, null, empty, or no text. */
static const char *text_field(const struct entry *entry, const char *name)
{
	const yaml_node_t *node = field(entry->document, entry->node, name);
	const char *text = scalar_of(node);

	if (text == NULL || text[0] == '\0' ||
	    (node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	     (strcmp(text, "null") == 0 || strcmp(text, "~") == 0)))
		return NULL;
	return text;
}

/* The first file that has a thing of that name in its list `lists` says what it is: {name: NAME, KIND: {...}}. */
static int find_entry(struct kubeconfig *kubeconfig, const char *list, const char *kind, const char *name,
		      struct entry *ret, struct kube_reason *why)
{
	for (size_t i = 0; i < kubeconfig->n; i++) {
		struct kubeconfig_file *file = &kubeconfig->files[i];
		const yaml_node_t *sequence =
			field(&file->document, yaml_document_get_root_node(&file->document), list);

		if (sequence == NULL || sequence->type != YAML_SEQUENCE_NODE)
			continue;
		for (const yaml_node_item_t *item = sequence->data.sequence.items.start;
		     item < sequence->data.sequence.items.top; item++) {
			const yaml_node_t *named = yaml_document_get_node(&file->document, *item);
			const char *its_name = scalar_of(field(&file->document, named, "name"));

			if (its_name == NULL || strcmp(its_name, name) != 0)
				continue;
			*ret = (struct entry){ file, &file->document, field(&file->document, named, kind), kind,
					       its_name };
			return 0;
		}
	}
	fail(why, "%s: there is no %s '%.100s'", kubeconfig->files[0].path, kind, name);
	return -EINVAL;
}

/* A path in the file is meant from the file's folder. */
static char *path_beside(const char *file, const char *path)
{
	const char *slash = strrchr(file, '/');
	char *joined;

	if (path[0] == '/' || slash == NULL)
		return strdup(path);
	return asprintf(&joined, "%.*s/%s", (int)(slash - file), file, path) < 0 ? NULL : joined;
}

static int decode_base64(const char *text, struct kube_secret *secret)
{
	size_t len = strlen(text);

	secret->data = malloc(len + 1);
	if (secret->data == NULL)
		return -ENOMEM;
	if (sodium_base642bin((unsigned char *)secret->data, len, text, len, " \t\r\n", &secret->len, NULL,
			      sodium_base64_VARIANT_ORIGINAL) != 0 ||
	    secret->len == 0)
		return -EINVAL;
	secret->data[secret->len] = '\0';
	return 0;
}

/* NAME-data inline, or else NAME as a file; both absent is fine. */
static int read_pem(const struct entry *entry, const char *name, struct kube_secret *secret, struct kube_reason *why)
{
	char data_name[64];
	const char *data, *path = text_field(entry, name);
	int r;

	snprintf(data_name, sizeof(data_name), "%s-data", name);
	data = text_field(entry, data_name);
	if (data != NULL) {
		r = decode_base64(data, secret);
		return r == -EINVAL ? fail(why, "%s: %s '%.100s': %s is not base64", entry->file->path, entry->kind,
					   entry->name, data_name)
				    : r;
	}
	if (path == NULL)
		return 0;
	secret->path = path_beside(entry->file->path, path);
	return secret->path == NULL ? -ENOMEM : 0;
}

/* Texts that go into a header or a URL's place: printable, without spaces. */
static bool plain_text(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text <= 0x20 || *text >= 0x7f)
			return false;
	return true;
}

/* "host:port", or "[host]:port" as libcurl gives it; "https://NAME:port/path" for the certificate's name. */
static int server_of_url(CURLU *url, const char *server, const char *name, struct kube_config *config,
			 struct kube_reason *why)
{
	char *scheme = NULL, *host = NULL, *port = NULL, *path = NULL, *more = NULL;
	size_t len;
	int r = 0;

	if (curl_url_set(url, CURLUPART_URL, server, 0) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_PATH, &path, 0) != CURLUE_OK) {
		r = fail(why, "server '%.200s' is no https://host:port", server);
		goto out;
	}
	if ((strcmp(scheme, "https") != 0 && strcmp(scheme, "http") != 0) ||
	    curl_url_get(url, CURLUPART_QUERY, &more, 0) == CURLUE_OK ||
	    curl_url_get(url, CURLUPART_FRAGMENT, &more, 0) == CURLUE_OK ||
	    curl_url_get(url, CURLUPART_USER, &more, 0) == CURLUE_OK) {
		r = fail(why, "server '%.200s' is no https://host:port", server);
		goto out;
	}
	len = strlen(path);
	while (len > 0 && path[len - 1] == '/')
		len--;
	if (asprintf(&config->server, "%s://%s:%s%.*s", scheme, name == NULL ? host : name, port, (int)len, path) < 0) {
		config->server = NULL;
		r = -ENOMEM;
	} else if (name != NULL && asprintf(&config->connect_to, "%s:%s:%s:%s", name, port, host, port) < 0) {
		config->connect_to = NULL;
		r = -ENOMEM;
	}
out:
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	curl_free(path);
	curl_free(more);
	return r;
}

int kubeconfig_server(const char *server, const char *name, struct kube_config *config, struct kube_reason *why)
{
	CURLU *url;
	int r;

	if (!plain_text(server))
		return fail(why, "server '%.200s' has spaces or characters that are no ASCII", server);
	if (name != NULL &&
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") != strlen(name))
		return fail(why, "tls-server-name '%.200s' is no DNS name", name);
	url = curl_url();
	if (url == NULL)
		return -ENOMEM;
	r = server_of_url(url, server, name, config, why);
	curl_url_cleanup(url);
	return r;
}

static int copy_text(const char *text, char **ret)
{
	if (text == NULL)
		return 0;
	*ret = strdup(text);
	return *ret == NULL ? -ENOMEM : 0;
}

static int pick_cluster(const struct entry *cluster, struct kube_config *ret, struct kube_reason *why)
{
	const char *insecure = text_field(cluster, "insecure-skip-tls-verify");
	const char *server = text_field(cluster, "server"), *proxy = text_field(cluster, "proxy-url");
	struct kube_reason detail;
	int r;

	if (server == NULL)
		return fail(why, "%s: cluster '%.100s' has no server", cluster->file->path, cluster->name);
	r = kubeconfig_server(server, text_field(cluster, "tls-server-name"), ret, &detail);
	if (r == -EINVAL)
		return fail(why, "%s: cluster '%.100s': %s", cluster->file->path, cluster->name, detail.text);
	if (r != 0)
		return r;
	if (proxy != NULL && !plain_text(proxy))
		return fail(why, "%s: cluster '%.100s': proxy-url is no URL", cluster->file->path, cluster->name);
	if (insecure != NULL && strcmp(insecure, "true") != 0 && strcmp(insecure, "false") != 0)
		return fail(why, "%s: cluster '%.100s': insecure-skip-tls-verify is neither true nor false",
			    cluster->file->path, cluster->name);
	ret->insecure = insecure != NULL && strcmp(insecure, "true") == 0;
	r = read_pem(cluster, "certificate-authority", &ret->authority, why);
	if (r == 0 && ret->insecure && kube_secret_given(&ret->authority))
		return fail(
			why,
			"%s: cluster '%.100s': insecure-skip-tls-verify and a certificate-authority exclude each other",
			cluster->file->path, cluster->name);
	return r == 0 ? copy_text(proxy, &ret->proxy) : r;
}

/* What we do not do must not be passed over: we would be somebody else than the file means. */
static int refuse_user(const struct entry *user, struct kube_reason *why)
{
	static const struct {
		const char *name;
		const char *why;
	} refused[] = {
		{ "exec", "programs are not run for credentials; give a token, tokenFile or client certificate" },
		{ "auth-provider", "is gone from Kubernetes; give a token, tokenFile or client certificate" },
		{ "username", "basic authentication is gone from Kubernetes" },
		{ "password", "basic authentication is gone from Kubernetes" },
		{ "as", "impersonation is not supported" },
		{ "as-uid", "impersonation is not supported" },
		{ "as-groups", "impersonation is not supported" },
		{ "as-user-extra", "impersonation is not supported" },
	};

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (field(user->document, user->node, refused[i].name) != NULL)
			return fail(why, "%s: user '%.100s': %s: %s", user->file->path, user->name, refused[i].name,
				    refused[i].why);
	return 0;
}

static int pick_user(const struct entry *user, struct kube_config *ret, struct kube_reason *why)
{
	const char *token = text_field(user, "token"), *token_file = text_field(user, "tokenFile");
	int r = refuse_user(user, why);

	if (r != 0)
		return r;
	if (token_file != NULL) {
		ret->token.path = path_beside(user->file->path, token_file);
		r = ret->token.path == NULL ? -ENOMEM : 0;
	} else if (token != NULL) {
		if (strlen(token) > KUBE_TOKEN_MAX || !plain_text(token))
			return fail(why, "%s: user '%.100s': the token is none", user->file->path, user->name);
		r = copy_text(token, &ret->token.data);
		ret->token.len = strlen(token);
	}
	if (r == 0)
		r = read_pem(user, "client-certificate", &ret->certificate, why);
	if (r == 0)
		r = read_pem(user, "client-key", &ret->key, why);
	if (r == 0 && kube_secret_given(&ret->certificate) != kube_secret_given(&ret->key))
		return fail(why, "%s: user '%.100s': a client certificate needs its key, and a key its certificate",
			    user->file->path, user->name);
	return r;
}

static const char *current_context(struct kubeconfig *kubeconfig)
{
	for (size_t i = 0; i < kubeconfig->n; i++) {
		yaml_document_t *document = &kubeconfig->files[i].document;
		struct entry root = { &kubeconfig->files[i], document, yaml_document_get_root_node(document), "", "" };
		const char *name = text_field(&root, "current-context");

		if (name != NULL)
			return name;
	}
	return NULL;
}

int kubeconfig_pick(struct kubeconfig *kubeconfig, const char *context, struct kube_config *ret,
		    struct kube_reason *why)
{
	struct entry where, cluster, user;
	const char *cluster_name, *user_name, *namespace;
	int r;

	if (context == NULL)
		context = current_context(kubeconfig);
	if (context == NULL)
		return fail(why, "%s: current-context is not set", kubeconfig->files[0].path);
	r = find_entry(kubeconfig, "contexts", "context", context, &where, why);
	if (r != 0)
		return r;
	cluster_name = text_field(&where, "cluster");
	user_name = text_field(&where, "user");
	namespace = text_field(&where, "namespace");
	if (cluster_name == NULL)
		return fail(why, "%s: context '%.100s' has no cluster", where.file->path, where.name);
	r = find_entry(kubeconfig, "clusters", "cluster", cluster_name, &cluster, why);
	if (r == 0)
		r = pick_cluster(&cluster, ret, why);
	if (r == 0 && user_name != NULL) {
		r = find_entry(kubeconfig, "users", "user", user_name, &user, why);
		if (r == 0)
			r = pick_user(&user, ret, why);
	}
	if (r == 0)
		r = copy_text(namespace == NULL ? "default" : namespace, &ret->namespace);
	return r == 0 ? copy_text(where.file->path, &ret->origin) : r;
}
