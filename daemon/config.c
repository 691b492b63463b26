/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration, in three steps: libyaml's events become a tree with line numbers (config_yaml.c), readers take
 * typed values off it section by section (config_value.c has the types, config_gossip.c and config_service.c the large
 * sections, config_key.c the key file), and what can be judged only together is checked at the end of each section.
 *
 * A syntax error ends the reading, for nothing after it can be trusted. Every other problem is noted and the reading
 * goes on, so that one run of `mlbd --check` shows them all. A configuration with any problem is never returned.
 */
#include "daemon/config.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/config_tree.h"
#include "daemon/config_value.h"

/* Above what runs at real-time priority by mistake, below what the kernel does there (its interrupt threads have 50). */
#define REALTIME_PRIORITY_DEFAULT 10

/* A loop that stands still for so long is not late but stuck. */
#define HANG_DEFAULT_S 2

#define CONTROL_SOCKET_DEFAULT "/run/mlb/mlbd.sock"

/* Labels share META_LEN_MAX with the segments of the node; this leaves room for eight of ordinary length. */
#define LABEL_BYTES_MAX (META_LEN_MAX / 2)

/* Stands in config_errors.texts where there was no memory for the text. */
static char no_memory[] = "out of memory";

void config_errors_add(struct config_errors *errors, const char *path, unsigned int line, const char *key,
		       const char *format, ...)
{
	char what[1024];
	char *text;
	va_list args;

	if (errors->error_n++ >= CONFIG_ERROR_MAX)
		return;
	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	if (asprintf(&text, "%s:%u: %s: %s", path, line, key, what) < 0)
		text = no_memory;
	errors->texts[errors->error_n - 1] = text;
}

void config_errors_free(struct config_errors *errors)
{
	for (size_t i = 0; i < CONFIG_ERROR_MAX; i++) {
		if (errors->texts[i] != no_memory)
			free(errors->texts[i]);
	}
	*errors = (struct config_errors){ 0 };
}

static void read_node_name(struct config_reader *r, const struct config_node *node, void *target)
{
	const char *text = config_text(r, node);
	char quote[CONFIG_QUOTE_MAX];

	(void)target;
	if (text == NULL)
		return;
	if (config_name_is_good(text, NODE_NAME_MAX, "-_."))
		strcpy(r->config->node.name, text);
	else
		config_fail(r, node, "%s must be 1 to %d letters, digits, '-', '_' and '.'", config_quote(text, quote),
			    NODE_NAME_MAX);
}

static void read_node_label(struct config_reader *r, const struct config_node *node, void *target)
{
	const char *value = config_text(r, node);
	const char *problem = config_label_key_problem(node->key);
	size_t *bytes = target;

	if (problem == NULL && value != NULL)
		problem = config_label_value_problem(value);
	if (problem != NULL)
		config_fail(r, node, "%s", problem);
	if (problem != NULL || value == NULL)
		return;
	*bytes += 2 + strlen(node->key) + strlen(value);
	if (label_set_put(&r->config->node.labels, node->key, value) != 0)
		config_fail(r, node, "is one label too many: a node has at most %d", LABEL_MAX);
}

static void read_node_labels(struct config_reader *r, const struct config_node *node, void *target)
{
	size_t bytes = 0;

	(void)target;
	config_any_mapping(r, node, read_node_label, &bytes);
	if (bytes > LABEL_BYTES_MAX)
		config_fail(r, node,
			    "the labels take %zu bytes (each its key, its value and 2), at most %d are possible: "
			    "shorten or remove some",
			    bytes, LABEL_BYTES_MAX);
}

static void read_node(struct config_reader *r, const struct config_node *node, void *target)
{
	static const struct config_key keys[] = { { "name", read_node_name },
						  { "labels", read_node_labels },
						  { "weight", config_read_node_weight } };

	config_mapping(r, node, keys, sizeof(keys) / sizeof(keys[0]), target);
}

/* The host's name where the file has none. */
static void default_node_name(struct config_reader *r, const struct config_node *node)
{
	const char *pod_node = getenv("NODE_NAME"); /* of a pod, whose host name may be another */
	char name[256] = "";
	char quote[CONFIG_QUOTE_MAX];

	if (node != NULL && config_node_child(node, "name") != NULL)
		return;
	if (r->config->kubernetes.on && pod_node != NULL) {
		snprintf(name, sizeof(name), "%s", pod_node);
		if (config_name_is_good(name, NODE_NAME_MAX, "-_.")) {
			strcpy(r->config->node.name, name);
			return;
		}
	}
	if (gethostname(name, sizeof(name) - 1) == 0 && config_name_is_good(name, NODE_NAME_MAX, "-_."))
		strcpy(r->config->node.name, name);
	else
		config_fail_missing(r, node, node != NULL ? "name" : "node.name",
				    "is missing, and the host name %s cannot stand for it: set it",
				    config_quote(name, quote));
}

static void read_control_socket(struct config_reader *r, const struct config_node *node, void *target)
{
	size_t max = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;

	(void)target;
	r->config->control.socket = config_text_copy(r, node);
	if (r->config->control.socket != NULL && strlen(r->config->control.socket) > max)
		config_fail(r, node, "the path of a Unix socket has at most %zu bytes", max);
}

static void read_control_listen(struct config_reader *r, const struct config_node *node, void *target)
{
	const char *text = config_text(r, node);
	char quote[CONFIG_QUOTE_MAX];

	(void)target;
	if (text == NULL)
		return;
	if (endpoint_parse(text, 0, &r->config->control.listen) == 0 && r->config->control.listen.port != 0)
		r->config->control.listen_set = true;
	else
		config_fail(r, node, "%s is not an address with a port: 127.0.0.1:7472 or \"[::1]:7472\"",
			    config_quote(text, quote));
}

static void read_control(struct config_reader *r, const struct config_node *node, void *target)
{
	static const struct config_key keys[] = { { "socket", read_control_socket },
						  { "listen", read_control_listen } };

	config_mapping(r, node, keys, sizeof(keys) / sizeof(keys[0]), target);
}

static void read_realtime_priority(struct config_reader *r, const struct config_node *node, void *target)
{
	unsigned long priority = REALTIME_PRIORITY_DEFAULT;

	(void)target;
	config_number(r, node, 0, 99, &priority);
	r->config->process.realtime_priority = (int)priority;
}

static void read_lock_memory(struct config_reader *r, const struct config_node *node, void *target)
{
	(void)target;
	config_bool(r, node, &r->config->process.lock_memory);
}

static void read_process(struct config_reader *r, const struct config_node *node, void *target)
{
	static const struct config_key keys[] = { { "realtimePriority", read_realtime_priority },
						  { "lockMemory", read_lock_memory } };

	config_mapping(r, node, keys, sizeof(keys) / sizeof(keys[0]), target);
}

static void default_control_socket(struct config_reader *r)
{
	if (r->config->control.socket != NULL)
		return;
	r->config->control.socket = strdup(CONTROL_SOCKET_DEFAULT);
	if (r->config->control.socket == NULL)
		config_fail(r, r->tree->root, "out of memory");
}

static void read_gossip(struct config_reader *r, const struct config_node *node, void *target)
{
	(void)target;
	config_read_gossip(r, node);
}

static void read_root(struct config_reader *r)
{
	static const struct config_key keys[] = {
		{ "node", read_node },
		{ "gossip", read_gossip },
		{ "services", config_read_services },
		{ "control", read_control },
		{ "pools", config_read_pools },
		{ "poolState", config_read_pool_state },
		{ "kubernetes", config_read_kubernetes },
		{ "process", read_process },
		{ "log", config_read_log },
		{ "partition", config_read_partition },
		{ "conflict", config_read_conflict },
		{ "placement", config_read_placement },
		{ "fencing", config_read_fencing },
	};
	const struct config_node *root = r->tree->root;

	if (root == NULL || config_node_is_null(root)) {
		config_fail_missing(r, NULL, "file", "is empty: it needs at least gossip.keyFile; see mlbd.yaml(5)");
		return;
	}
	if (root->kind != CONFIG_MAPPING) {
		config_fail(r, root, "must be a mapping of \"key: value\"; see mlbd.yaml(5)");
		return;
	}
	config_mapping(r, root, keys, sizeof(keys) / sizeof(keys[0]), NULL);
	default_node_name(r, config_node_child(root, "node"));
	if (config_node_child(root, "gossip") == NULL)
		config_read_gossip(r, NULL);
	default_control_socket(r);
	config_check_pools(r);
}

/* An empty configuration, with what it needs to be freed. NULL without memory. */
static struct config *config_new(const char *path)
{
	struct config *config = sodium_init() >= 0 ? calloc(1, sizeof(*config)) : NULL;

	if (config == NULL)
		return NULL;
	config->process.realtime_priority = REALTIME_PRIORITY_DEFAULT;
	config->process.lock_memory = true;
	config_default_conflict(&config->conflict);
	config_default_placement(config);
	config->fencing.guard = true;
	config->fencing.hang = span_s(HANG_DEFAULT_S);
	config->path = strdup(path);
	if (config->path != NULL)
		return config;
	config_free(config);
	return NULL;
}

int config_parse(const char *path, const char *text, size_t len, bool read_keys, struct config **ret,
		 struct config_errors *errors)
{
	struct config *config = config_new(path);
	size_t errors_before = errors->error_n;
	struct config_tree tree;

	if (config == NULL) {
		config_errors_add(errors, path, 1, "file", "out of memory");
		return -EINVAL;
	}
	if (config_tree_read(path, text, len, &tree, errors) == 0) {
		struct config_reader r = { path, &tree, errors, config, read_keys };

		read_root(&r);
	}
	config_tree_free(&tree);
	if (errors->error_n > errors_before) {
		config_free(config);
		return -EINVAL;
	}
	*ret = config;
	return 0;
}

/* Read at most cap bytes of a file. The length, or negative errno. */
static ssize_t read_file(const char *path, char *buf, size_t cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	size_t len = 0;
	ssize_t n = 1;

	if (fd < 0)
		return -errno;
	while (len < cap && n > 0) {
		n = read(fd, buf + len, cap - len);
		if (n > 0)
			len += (size_t)n;
		else if (n < 0 && errno == EINTR)
			n = 1;
	}
	if (n < 0)
		n = -errno;
	close(fd);
	return n < 0 ? n : (ssize_t)len;
}

int config_load(const char *path, struct config **ret, struct config_errors *errors)
{
	char *text = malloc(CONFIG_FILE_MAX + 1);
	ssize_t len = text != NULL ? read_file(path, text, CONFIG_FILE_MAX + 1) : -ENOMEM;
	int r = -EINVAL;

	if (len < 0)
		config_errors_add(errors, path, 1, "file", "cannot be read: %s", strerror((int)-len));
	else if (len > CONFIG_FILE_MAX)
		config_errors_add(errors, path, 1, "file", "is larger than %d bytes", CONFIG_FILE_MAX);
	else
		r = config_parse(path, text, (size_t)len, true, ret, errors);
	if (r == 0) /* without memory nobody can be shown it */
		(*ret)->text = strndup(text, (size_t)len);
	free(text);
	return r;
}

void config_free(struct config *config)
{
	if (config == NULL)
		return;
	for (size_t i = 0; i < config->service_n; i++)
		config_service_free(&config->services[i]);
	free(config->services);
	config_pools_free(config);
	config_kubernetes_free(&config->kubernetes);
	free(config->path);
	free(config->text);
	for (size_t i = 0; i < config->gossip.bind_n; i++)
		free(config->gossip.binds[i]);
	free(config->gossip.key_file);
	free(config->control.socket);
	free(config->fencing.guard_socket);
	sodium_memzero(&config->gossip.ring, sizeof(config->gossip.ring));
	free(config);
}

/* Those that go first come first, else as in the file: where the array is, is where the file has it. */
static int compare_services(const void *a, const void *b)
{
	const struct config_service *x = *(const struct config_service *const *)a;
	const struct config_service *y = *(const struct config_service *const *)b;

	if (x->priority != y->priority)
		return x->priority > y->priority ? -1 : 1;
	return x < y ? -1 : x > y;
}

struct election_service config_election_service(const struct config_service *service)
{
	return (struct election_service){
		.name = service->name,
		.addresses = service->addresses,
		.address_n = service->address_n,
		.interfaces = (const char *const *)service->interfaces,
		.interface_n = service->interface_n,
		.selectors = service->selectors,
		.selector_n = service->selector_n,
		.mode = service->mode,
		.priority = service->priority,
		.preferences = service->preferences,
		.preference_n = service->preference_n,
		.group = service->group,
		.spread = service->spread,
		.apart = service->apart,
		.avoids = (const char *const *)service->avoids,
		.avoid_n = service->avoid_n,
	};
}

size_t config_fixed_n(const struct config *config)
{
	size_t n = 0;

	for (size_t i = 0; i < config->service_n; i++)
		n += !config->services[i].pooled;
	return n;
}

struct election_service *config_election_services(const struct config *config, const struct election_service *more,
						  size_t more_n)
{
	size_t n = config->service_n > 0 ? config->service_n : 1;
	struct election_service *services = calloc(n + more_n, sizeof(*services));
	const struct config_service **order = calloc(n, sizeof(const struct config_service *));
	size_t fixed_n = 0;

	if (services == NULL || order == NULL) {
		free(services);
		free(order);
		return NULL;
	}
	for (size_t i = 0; i < config->service_n; i++) {
		if (!config->services[i].pooled)
			order[fixed_n++] = &config->services[i];
	}
	qsort(order, fixed_n, sizeof(const struct config_service *), compare_services);
	for (size_t i = 0; i < fixed_n; i++)
		services[i] = config_election_service(order[i]);
	free(order);
	if (more_n > 0)
		memcpy(services + fixed_n, more, more_n * sizeof(*more));
	return services;
}
