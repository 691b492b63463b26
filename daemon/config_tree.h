/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration file as a tree of texts, lists and mappings with line numbers (YAML 1.1 by libyaml's events). Aliases
 * are copied, so that the tree is one; the number of nodes and the depth are bounded, so a small file cannot become a big tree.
 */
#ifndef MLB_DAEMON_CONFIG_TREE_H
#define MLB_DAEMON_CONFIG_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/config.h"

/* SERVICE_MAX services of one address are 82,000 nodes; aliases could multiply a file of 1 MB without end. */
#define CONFIG_NODE_MAX 200000

/* The deepest that the schema goes is 7: services, one of them, nodeSelectors, one, matchExpressions, one, values. */
#define CONFIG_DEPTH_MAX 32

/* Keys of one mapping: 16 labels are the most that is good for anything; duplicates are looked for pair by pair. */
#define CONFIG_MAPPING_MAX 256

/* Anchors in one file. */
#define CONFIG_ANCHOR_MAX 64

/* Room for "services[3].nodeSelectors[0].matchLabels.rack" and the like, terminator included; a longer one is cut. */
#define CONFIG_KEY_MAX 320

enum config_kind { CONFIG_SCALAR, CONFIG_SEQUENCE, CONFIG_MAPPING };

struct config_node {
	enum config_kind kind;
	bool quoted;		    /* a scalar in quotes or a block: text, whatever it looks like */
	unsigned int line;	    /* 1-based; of the key where it has one */
	size_t index;		    /* among its siblings */
	char *text;		    /* owned; of a scalar */
	char *key;		    /* owned; NULL for the root and in a sequence */
	struct config_node *parent; /* NULL: the root */
	struct config_node *first;  /* child */
	struct config_node *last;
	struct config_node *next; /* sibling */
	size_t child_n;
	struct config_node *all; /* chain of all nodes of the tree, for config_tree_free */
};

struct config_tree {
	struct config_node *root; /* NULL: an empty file */
	struct config_node *all;  /* owned: every node, newest first */
	size_t node_n;
};

/* 0, or -EINVAL with one error added (syntax, a limit, out of memory). The tree is to be freed in both cases. */
int config_tree_read(const char *path, const char *text, size_t len, struct config_tree *tree,
		     struct config_errors *errors);
void config_tree_free(struct config_tree *tree);
/* Where a node is, as errors name it: "services[0].addresses[1]"; buf is returned. */
char *config_node_path(const struct config_node *node, char buf[CONFIG_KEY_MAX]);
/* A plain scalar that YAML reads as null: `key:`, `key: ~`, `key: null`. */
bool config_node_is_null(const struct config_node *node);
/* The child of that key, or NULL. */
const struct config_node *config_node_child(const struct config_node *node, const char *key);

/* Room for a text in quotes, made fit for an error message. */
#define CONFIG_QUOTE_MAX 72

/* text in double quotes, cut where it is long, control characters as '?'; buf is returned. */
char *config_quote(const char *text, char buf[CONFIG_QUOTE_MAX]);

#endif
