/* SPDX-License-Identifier: Apache-2.0 */
/* What an election learns about nodes: who lives, who has gone, and with whom we are a majority. */
#include <string.h>

#include "election/internal.h"

/*
 * A node that we lose sight of may lose its majority without our hearing of it. What we remember of its claims must not beat ours
 * in the moment of its return; where it did keep the majority it says so again when it hears of our claim.
 */
static void doubt_majority(struct election *e, uint64_t origin)
{
	for (size_t i = 0; i < e->address_n; i++) {
		struct address *address = &e->addresses[i];

		for (size_t j = 0; j < address->rival_n; j++) {
			if (address->rivals[j].origin == origin)
				address->rivals[j].claim.majority = false;
		}
	}
}

/* Who has lost the right to hold speaks for no majority, whatever its table says: it may be the one that is cut off. */
void see_majority(struct election *e)
{
	bool now;

	e->most = majority(e);
	now = e->most && e->right;
	if (now && !e->majority)
		e->majority_since = e->now;
	else if (!now)
		e->majority_since = INSTANT_NEVER;
	e->majority = now;
}

static struct node *node_add(struct election *e, uint64_t instance)
{
	struct node *node = NULL;

	for (size_t i = 0; i < e->config.node_max && node == NULL; i++) {
		if (!e->nodes[i].used) {
			node = &e->nodes[i];
			if (e->node_n <= i)
				e->node_n = i + 1;
		}
	}
	if (node == NULL)
		return NULL;
	memset(node, 0, sizeof(*node));
	node->used = true;
	node->instance = instance;
	node_index_add(e, node);
	node->asked = INSTANT_NEVER;
	node->ask_at = INSTANT_NEVER;
	return node;
}

/* Nothing that an election looks at is different. */
static bool same_node(const struct node *a, const struct node *b)
{
	uint8_t meta_a[META_LEN_MAX];
	uint8_t meta_b[META_LEN_MAX];
	int len_a = meta_encode(&a->meta, meta_a, sizeof(meta_a));
	int len_b = meta_encode(&b->meta, meta_b, sizeof(meta_b));

	return a->alive == b->alive && a->left == b->left && strcmp(a->name, b->name) == 0 && len_a == len_b &&
	       len_a >= 0 && memcmp(meta_a, meta_b, (size_t)len_a) == 0;
}

/* Has it let go of what it held? Its death says so, or the segment must be asked. */
static void follow_death(struct election *e, struct node *node, const struct election_event *event)
{
	bool released = !node_live(node) && event->node.released;

	if (node_live(node) || node->left) {
		node->released = false;
		return;
	}
	node->doubted = false;
	node->lease_end = event->node.lease_end;
	if (released && !node->released)
		look_at_all(e); /* those who wait for it need wait no longer */
	node->released = released;
	if (!released)
		fence_ask(e, node);
}

void node_take_doubt(struct election *e, uint64_t instance, bool doubted)
{
	struct node *node = node_find(e, instance);

	if (node == NULL || !node_live(node))
		return;
	node->doubted = doubted;
	if (doubted)
		fence_ask(e, node);
}

void node_take(struct election *e, const struct election_event *event)
{
	struct node *node = node_find(e, event->node.instance);
	struct node before;
	size_t len = strnlen(event->node.name, NODE_NAME_MAX);
	bool changed;

	if (node == NULL)
		node = node_add(e, event->node.instance);
	if (node == NULL)
		return;
	before = *node;
	memcpy(node->name, event->node.name, len);
	node->name[len] = '\0';
	node->alive = event->node.alive;
	node->left = event->node.left;
	if (event->node.meta != NULL)
		node->meta = *event->node.meta;
	changed = !same_node(&before, node);
	if (changed)
		placement_node(e, node);
	follow_death(e, node, event);
	if (!e->met && node_live(node) && node->instance != e->config.instance) {
		/* those whom we meet first need a moment to become our watchers, and have not voted against anybody */
		e->met = true;
		e->path_until = instant_add(e->now, e->config.meeting);
	}
	if (!changed)
		return;
	if (!node_live(node) && node_live(&before))
		doubt_majority(e, node->instance);
	/* It was away: it may have claimed what we hold, and neighbours may have learnt it. */
	if (node_live(node) && !node_live(&before) && before.name[0] != '\0')
		e->announce_at = 0;
	see_majority(e);
	look_at_all(e);
}

void drop_rival(struct address *address, uint64_t origin)
{
	size_t kept = 0;

	for (size_t i = 0; i < address->rival_n; i++) {
		if (address->rivals[i].origin != origin)
			address->rivals[kept++] = address->rivals[i];
	}
	address->rival_n = kept;
}

void node_take_gone(struct election *e, uint64_t instance)
{
	struct node *node = node_find(e, instance);

	if (node == NULL)
		return;
	node_index_remove(e, node);
	node->used = false;
	placement_node(e, node);
	see_majority(e);
	fitness_forget(e, instance);
	for (size_t i = 0; i < e->address_n; i++)
		drop_rival(&e->addresses[i], instance);
	look_at_all(e);
}
