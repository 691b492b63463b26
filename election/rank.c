/* SPDX-License-Identifier: Apache-2.0 */
/* Who could own an address, in which order, and which of two claims holds. */
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "election/internal.h"

static uint32_t *instance_chain(const struct election *e, uint64_t instance)
{
	return &e->by_instance[(size_t)hash_mix(instance) & (e->by_instance_len - 1)];
}

void node_index_add(struct election *e, struct node *node)
{
	uint32_t *head = instance_chain(e, node->instance);

	node->next = *head;
	*head = (uint32_t)(node - e->nodes);
}

void node_index_remove(struct election *e, const struct node *node)
{
	uint32_t *at = instance_chain(e, node->instance);

	while (*at != SLOT_NONE && &e->nodes[*at] != node)
		at = &e->nodes[*at].next;
	if (*at != SLOT_NONE)
		*at = node->next;
}

struct node *node_find(const struct election *e, uint64_t instance)
{
	uint32_t slot = *instance_chain(e, instance);

	while (slot != SLOT_NONE && e->nodes[slot].instance != instance)
		slot = e->nodes[slot].next;
	return slot == SLOT_NONE ? NULL : &e->nodes[slot];
}

struct node *node_named(const struct election *e, const char *name)
{
	for (size_t i = 0; i < e->node_n; i++) {
		if (e->nodes[i].used && strcmp(e->nodes[i].name, name) == 0)
			return &e->nodes[i];
	}
	return NULL;
}

bool node_live(const struct node *node)
{
	return node->alive && !node->left;
}

bool majority(const struct election *e)
{
	size_t known = 0;
	size_t alive = 0;

	for (size_t i = 0; i < e->node_n; i++) {
		known += e->nodes[i].used && !e->nodes[i].left;
		alive += e->nodes[i].used && node_live(&e->nodes[i]);
	}
	return alive * 2 > known;
}

static int compare_place(const void *name, const void *place)
{
	return strcmp(name, ((const struct election_place *)place)->node);
}

const struct election_place *election_place_find(const struct election_service *service, const char *node)
{
	return service->place_n == 0
		       ? NULL
		       : bsearch(node, service->places, service->place_n, sizeof(*service->places), compare_place);
}

/* The names of interfaces that may carry it on one node. */
struct names {
	const char *const *names;
	size_t n; /* 0: any whose subnet holds the address */
};

static struct names interfaces_on(const struct election_service *service, const struct node *node)
{
	const struct election_place *place;

	if (!service->placed)
		return (struct names){ service->interfaces, service->interface_n };
	place = election_place_find(service, node->name);
	return place == NULL ? (struct names){ NULL, 0 } : (struct names){ place->interfaces, place->interface_n };
}

static bool named(struct names names, const char *iface)
{
	for (size_t i = 0; i < names.n; i++) {
		if (strcmp(names.names[i], iface) == 0)
			return true;
	}
	return false;
}

/*
 * Interfaces that the service names may carry the address whatever their subnets; without names the subnet must hold it.
 * Among several: one whose subnet holds it, the longest prefix first; segments come ordered by name.
 */
static int segment_fit(const struct segment *segment, const struct address *address, struct names names)
{
	int fit = subnet_contains(segment->subnet, address->ip) ? 1 + segment->subnet.prefix_len : 0;

	if (names.n > 0 ? !named(names, segment->iface) : fit == 0)
		return -1;
	return fit;
}

/* Above any length of a prefix. */
#define FIT_ALIVE 256

const struct segment *usable_segment(const struct node *node, const struct address *address)
{
	struct names names = interfaces_on(address->service, node);
	const struct segment *best = NULL;
	int best_fit = -1;

	for (size_t i = 0; i < node->meta.segment_n; i++) {
		int fit = segment_fit(&node->meta.segments[i], address, names);

		if (fit >= 0 && !node->meta.segments[i].isolated)
			fit += FIT_ALIVE;
		if (fit > best_fit) {
			best = &node->meta.segments[i];
			best_fit = fit;
		}
	}
	return best;
}

bool is_isolated(const struct node *node, const struct address *address)
{
	const struct segment *segment = usable_segment(node, address);

	return segment != NULL && segment->isolated;
}

bool usable_on(const struct node *node, const struct address *address, const char *iface)
{
	struct names names = interfaces_on(address->service, node);

	for (size_t i = 0; i < node->meta.segment_n; i++) {
		if (strcmp(node->meta.segments[i].iface, iface) == 0 &&
		    segment_fit(&node->meta.segments[i], address, names) >= 0 &&
		    (!node->meta.segments[i].isolated || is_isolated(node, address))) /* else another one does it */
			return true;
	}
	return false;
}

const char *why_no_candidate(const struct election *e, const struct node *node, const struct address *address)
{
	const struct election_service *service = address->service;

	if (node->left)
		return "left";
	if (!node->alive)
		return "dead";
	if (node->meta.draining)
		return "draining";
	if (!node->meta.ready)
		return "not ready";
	if (!label_selectors_match(service->selectors, service->selector_n, &node->meta.labels))
		return "node selector";
	if (service->placed && election_place_find(service, node->name) == NULL)
		return "not among its nodes";
	if (!fit_for(e, node, service))
		return "its health check fails";
	return usable_segment(node, address) == NULL ? "no usable interface" : NULL;
}

bool is_candidate(const struct election *e, const struct node *node, const struct address *address)
{
	return why_no_candidate(e, node, address) == NULL;
}

/*
 * Made in a majority view, then the higher epoch, then the rank of the address's own hash, then the name. Epoch alone would let a
 * flapping loner, which counts its epoch up all by itself, take everything when it returns.
 */
bool claim_beats(struct ip ip, const struct claim *a, const char *name_a, const struct claim *b, const char *name_b)
{
	uint64_t seed = hash_bytes(ip.family, ip.bytes, sizeof(ip.bytes));
	uint64_t hash_a = hash_text(seed, name_a);
	uint64_t hash_b = hash_text(seed, name_b);

	if (a->majority != b->majority)
		return a->majority;
	if (a->epoch != b->epoch)
		return a->epoch > b->epoch;
	return hash_a != hash_b ? hash_a > hash_b : strcmp(name_a, name_b) < 0;
}

const struct rival *rival_of(const struct address *address, uint64_t origin)
{
	for (size_t i = 0; i < address->rival_n; i++) {
		if (address->rivals[i].origin == origin)
			return &address->rivals[i];
	}
	return NULL;
}

/* Has the successor that this claim names taken over? Then it counts no more, however strong it is. */
static bool superseded(const struct election *e, const struct address *address, const struct claim *claim)
{
	const struct rival *successor;
	const struct node *node;

	if (claim->state != CLAIM_HANDOVER)
		return false;
	if (claim->successor == e->config.instance)
		return address->own.state == CLAIM_HELD && address->own.epoch > claim->epoch;
	node = node_find(e, claim->successor);
	successor = rival_of(address, claim->successor);
	return node != NULL && node_live(node) && successor != NULL && successor->claim.epoch > claim->epoch;
}

/* The best claim of a living node, ours included; *owner 0 and NULL: none. */
const struct claim *holder(const struct election *e, const struct address *address, uint64_t *owner)
{
	const struct claim *best = NULL;
	const char *best_name = NULL;

	*owner = 0;
	if (address->own.state != 0 && !superseded(e, address, &address->own)) {
		best = &address->own;
		best_name = e->config.self;
		*owner = e->config.instance;
	}
	for (size_t i = 0; i < address->rival_n; i++) {
		const struct rival *rival = &address->rivals[i];
		const struct node *node = node_find(e, rival->origin);

		if (node == NULL || !node_live(node) || superseded(e, address, &rival->claim))
			continue;
		if (best == NULL || claim_beats(address->ip, &rival->claim, node->name, best, best_name)) {
			best = &rival->claim;
			best_name = node->name;
			*owner = rival->origin;
		}
	}
	return best;
}

/* Why has the owner that we knew stopped being it? */
enum election_reason reason_of_loss(const struct election *e, const struct address *address, uint64_t next)
{
	const struct node *former = node_find(e, address->owner);
	const struct rival *claim = rival_of(address, address->owner);

	if (address->owner == 0)
		return address->epoch_max <= 1 && address->last_owner == 0 ? ELECTION_REASON_FIRST : address->why;
	if (former != NULL && former->left)
		return ELECTION_REASON_OWNER_LEFT;
	if (former == NULL || !former->alive)
		return ELECTION_REASON_OWNER_DEAD;
	if (address->taken)
		return ELECTION_REASON_TAKEN;
	if (!fit_for(e, former, address->service))
		return ELECTION_REASON_UNFIT;
	if (is_isolated(former, address))
		return ELECTION_REASON_ISOLATED;
	if (former->meta.draining || (claim != NULL && claim->claim.state == CLAIM_HANDOVER))
		return next != 0 ? ELECTION_REASON_HANDOVER : ELECTION_REASON_OWNER_LEFT;
	return next != 0 && claim != NULL ? ELECTION_REASON_CONFLICT : ELECTION_REASON_OWNER_INELIGIBLE;
}
