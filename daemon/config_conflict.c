/* SPDX-License-Identifier: Apache-2.0 */
/* The section `conflict`: what to do when another host uses an address of ours. */
#include "daemon/config_value.h"

#include <string.h>

static void read_defend(struct config_reader *r, const struct config_node *node, void *target)
{
	struct conflict_config *conflict = target;
	const char *text = config_text(r, node);
	char quote[CONFIG_QUOTE_MAX];

	for (int i = CONFLICT_DEFEND_ALWAYS; text != NULL && i <= CONFLICT_DEFEND_YIELD; i++) {
		if (strcmp(text, conflict_defend_name((enum conflict_defend)i)) == 0) {
			conflict->defend = (enum conflict_defend)i;
			return;
		}
	}
	if (text != NULL)
		config_fail(r, node, "%s must be always, once or yield", config_quote(text, quote));
}

static void read_first_probe(struct config_reader *r, const struct config_node *node, void *target)
{
	struct conflict_config *conflict = target;

	config_bool(r, node, &conflict->first_probe);
}

static void read_hold_down(struct config_reader *r, const struct config_node *node, void *target)
{
	struct conflict_config *conflict = target;

	config_bool(r, node, &conflict->hold_down);
}

static void read_self_probe(struct config_reader *r, const struct config_node *node, void *target)
{
	struct conflict_config *conflict = target;

	config_span(r, node, span_s(CONFLICT_SELF_PROBE_MIN_S), span_s(CONFLICT_SELF_PROBE_MAX_S),
		    &conflict->self_probe);
}

void config_default_conflict(struct conflict_config *conflict)
{
	*conflict = (struct conflict_config){
		.defend = CONFLICT_DEFEND_ALWAYS,
		.hold_down = true,
		.self_probe = span_s(CONFLICT_SELF_PROBE_DEFAULT_S),
	};
}

void config_read_conflict(struct config_reader *r, const struct config_node *node, void *target)
{
	static const struct config_key keys[] = {
		{ "defend", read_defend },
		{ "holdDown", read_hold_down },
		{ "probeBeforeFirstClaim", read_first_probe },
		{ "selfProbe", read_self_probe },
	};

	(void)target;
	config_mapping(r, node, keys, sizeof(keys) / sizeof(keys[0]), &r->config->conflict);
}
