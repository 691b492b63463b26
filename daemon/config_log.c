/* SPDX-License-Identifier: Apache-2.0 */
/* The section `log`. */
#include <string.h>

#include "daemon/config_value.h"

static void read_level(struct config_reader *r, const struct config_node *node, void *target)
{
	const char *text = config_text(r, node);
	char quote[CONFIG_QUOTE_MAX];

	(void)target;
	if (text == NULL)
		return;
	r->config->log.level_set = log_level_parse(text, &r->config->log.level) == 0;
	if (!r->config->log.level_set)
		config_fail(r, node, "%s must be error, warning, info or debug", config_quote(text, quote));
}

static void read_format(struct config_reader *r, const struct config_node *node, void *target)
{
	const char *text = config_text(r, node);
	char quote[CONFIG_QUOTE_MAX];

	(void)target;
	if (text == NULL)
		return;
	if (strcmp(text, "text") == 0 || strcmp(text, "json") == 0)
		r->config->log.json = strcmp(text, "json") == 0;
	else
		config_fail(r, node, "%s must be text or json", config_quote(text, quote));
}

void config_read_log(struct config_reader *r, const struct config_node *node, void *target)
{
	static const struct config_key keys[] = { { "level", read_level }, { "format", read_format } };

	config_mapping(r, node, keys, sizeof(keys) / sizeof(keys[0]), target);
}
