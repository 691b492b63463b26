/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading typed values off the tree, shared by the sections of the configuration. Every reader adds an error and goes on, so
 * that all problems come at once. Private to daemon/config*.c.
 */
#ifndef MLB_DAEMON_CONFIG_VALUE_H
#define MLB_DAEMON_CONFIG_VALUE_H

#include "daemon/config.h"
#include "daemon/config_tree.h"

struct config_reader {
	const char *path;
	const struct config_tree *tree;
	struct config_errors *errors;
	struct config *config; /* being filled */
	bool read_keys;	       /* open gossip.keyFile */
};

/* Add an error about a node. */
void config_fail(struct config_reader *r, const struct config_node *node, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The same about a key that is missing in a mapping; NULL: in the file. */
void config_fail_missing(struct config_reader *r, const struct config_node *node, const char *key, const char *format,
			 ...) __attribute__((format(printf, 4, 5)));

/* The text of a scalar, or NULL with an error. Borrowed from the tree. */
const char *config_text(struct config_reader *r, const struct config_node *node);
/* A copy of it that the caller owns; NULL with an error. */
char *config_text_copy(struct config_reader *r, const struct config_node *node);
/* These leave *ret alone when they add an error. */
void config_bool(struct config_reader *r, const struct config_node *node, bool *ret);
void config_number(struct config_reader *r, const struct config_node *node, unsigned long low, unsigned long high,
		   unsigned long *ret);
/* "250ms", "1s", "2m", "24h". */
void config_span(struct config_reader *r, const struct config_node *node, struct span low, struct span high,
		 struct span *ret);
/* As config_span reads it, in the largest unit that loses nothing. */
#define CONFIG_SPAN_MAX 24
char *config_span_format(struct span span, char buf[CONFIG_SPAN_MAX]);
/* Is it a list of at most max items (nothing at all counts as an empty one)? */
bool config_list(struct config_reader *r, const struct config_node *node, size_t max);
/* calloc that adds an error when there is no memory; never NULL for n == 0. */
void *config_alloc(struct config_reader *r, const struct config_node *node, size_t n, size_t size);

/* One key of a mapping: `read` is called with its value. */
struct config_key {
	const char *name;
	void (*read)(struct config_reader *r, const struct config_node *node, void *target);
};

/* Call the reader of each key; unknown and duplicate keys are errors. Nothing at all counts as an empty mapping. */
void config_mapping(struct config_reader *r, const struct config_node *node, const struct config_key *keys,
		    size_t key_n, void *target);
/* The same for a mapping of which every key is allowed. */
void config_any_mapping(struct config_reader *r, const struct config_node *node,
			void (*read)(struct config_reader *r, const struct config_node *node, void *target),
			void *target);

/* 1..max bytes of letters, digits and those of `others`. */
bool config_name_is_good(const char *text, size_t max, const char *others);
/* What Linux takes for a network interface: 1 to 15 bytes, no blank, '/' or ':' (net/core/dev.c, dev_valid_name). */
bool config_iface_is_good(const char *text);
/* What is wrong with a label's key or value, or NULL. Kubernetes' rules, with LABEL_TEXT_MAX. */
const char *config_label_key_problem(const char *text);
const char *config_label_value_problem(const char *text);

/* The sections. */
void config_read_gossip(struct config_reader *r, const struct config_node *node); /* NULL: not in the file */
void config_read_log(struct config_reader *r, const struct config_node *node, void *target);
void config_read_partition(struct config_reader *r, const struct config_node *node, void *target);
void config_read_fencing(struct config_reader *r, const struct config_node *node, void *target);
/* What holds without that section. */
void config_default_conflict(struct conflict_config *conflict);
void config_read_conflict(struct config_reader *r, const struct config_node *node, void *target);
void config_read_services(struct config_reader *r, const struct config_node *list, void *target);
void config_service_free(struct config_service *service);
/* Requirements of a selector, the target, of which config_selector_alloc gives room for those of both; false: an error was added. */
bool config_selector_alloc(struct config_reader *r, const struct config_node *node, struct label_selector *selector);
void config_read_match_labels(struct config_reader *r, const struct config_node *node, void *target);
void config_read_match_expressions(struct config_reader *r, const struct config_node *list, void *target);
void config_selector_free(struct label_selector *selector);
/* Pools, and what services want of them: the last is for the end, when all is read. */
void config_read_pools(struct config_reader *r, const struct config_node *list, void *target);
void config_read_pool_state(struct config_reader *r, const struct config_node *node, void *target);
void config_read_families(struct config_reader *r, const struct config_node *list, struct config_service *service);
void config_check_pools(struct config_reader *r);
void config_pools_free(struct config *config);
/* Where things are placed: the section, node.weight, the keys of a service, and what services say of each other. */
void config_default_placement(struct config *config);
void config_read_placement(struct config_reader *r, const struct config_node *node, void *target);
void config_read_node_weight(struct config_reader *r, const struct config_node *node, void *target);
void config_read_service_placement(struct config_reader *r, const struct config_node *node,
				   struct config_service *service);
void config_check_placement(struct config_reader *r, const struct config_node *list);
void config_service_placement_free(struct config_service *service);
/* `check` of a service. */
void config_read_check(struct config_reader *r, const struct config_node *node, struct config_service *service);
void config_check_free(struct check_config *check); /* NULL is fine */
/* Fill config->gossip.ring from gossip.keyFile, which `node` holds. */
void config_read_kubernetes(struct config_reader *r, const struct config_node *node, void *target);
void config_claim(struct config_reader *r, const struct config_node *node, enum claim_mode *ret);
void config_read_key_file(struct config_reader *r, const struct config_node *node);

#endif
