/* SPDX-License-Identifier: Apache-2.0 */
/* `partition` and the section `fencing`: what keeps an address from having two owners. */
#include <string.h>
#include <sys/un.h>

#include "daemon/config_value.h"

/* A loop that stands still for less than this may be a busy machine; see guard.h. */
#define HANG_MIN_MS 200

static size_t choose(struct config_reader *r, const struct config_node *node, const char *const *names, size_t n,
		     size_t now, const char *hint)
{
	const char *text = config_text(r, node);
	char quote[CONFIG_QUOTE_MAX];

	for (size_t i = 0; text != NULL && i < n; i++) {
		if (strcmp(text, names[i]) == 0)
			return i;
	}
	if (text != NULL)
		config_fail(r, node, "%s must be %s", config_quote(text, quote), hint);
	return now;
}

void config_read_partition(struct config_reader *r, const struct config_node *node, void *target)
{
	static const char *const names[] = { "available", "safe" }; /* as in enum partition_policy */

	(void)target;
	r->config->partition =
		(enum partition_policy)choose(r, node, names, 2, r->config->partition, "available or safe");
}

static void read_gate(struct config_reader *r, const struct config_node *node, void *target)
{
	static const char *const names[] = { "auto", "off", "required" }; /* as in enum config_gate */

	(void)target;
	r->config->fencing.gate =
		(enum config_gate)choose(r, node, names, 3, r->config->fencing.gate, "auto, off or required");
}

static void read_guard(struct config_reader *r, const struct config_node *node, void *target)
{
	(void)target;
	config_bool(r, node, &r->config->fencing.guard);
}

static void read_guard_socket(struct config_reader *r, const struct config_node *node, void *target)
{
	const size_t max = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;
	const char *text = config_text(r, node);
	char quote[CONFIG_QUOTE_MAX];

	(void)target;
	if (text == NULL)
		return;
	if (text[0] != '/' || strlen(text) > max)
		config_fail(r, node, "%s must be an absolute path of at most %zu bytes", config_quote(text, quote),
			    max);
	else
		r->config->fencing.guard_socket = config_text_copy(r, node);
}

static void read_hang(struct config_reader *r, const struct config_node *node, void *target)
{
	(void)target;
	config_span(r, node, span_ms(HANG_MIN_MS), span_s(600), &r->config->fencing.hang);
}

void config_read_fencing(struct config_reader *r, const struct config_node *node, void *target)
{
	static const struct config_key keys[] = { { "gate", read_gate },
						  { "guard", read_guard },
						  { "guardSocket", read_guard_socket },
						  { "hang", read_hang } };

	config_mapping(r, node, keys, sizeof(keys) / sizeof(keys[0]), target);
}
