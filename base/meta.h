/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a node tells the others about itself: labels, the segments (interface and subnet) on which it can hold addresses,
 * its MACs there, and whether it is ready or draining. Gossip carries it as opaque bytes; election judges candidates by
 * it. Pure.
 */
#ifndef MLB_BASE_META_H
#define MLB_BASE_META_H

#include "base/addr.h"
#include "base/label.h"
#include "base/limits.h"

/* One usable interface with one of its subnets: administratively up, with carrier, not enslaved. */
struct segment {
	char iface[IFACE_NAME_MAX + 1];
	struct mac mac;
	struct subnet subnet; /* network form; ip.family IP_NONE: an interface without an address */
	struct ip self;	      /* the node's own address there, for others to ask; IP_NONE: not told */
	bool isolated;	      /* nothing answers there: whoever has one that answers goes before */
};

struct meta {
	struct label_set labels;
	size_t segment_n;
	struct segment segments[SEGMENT_MAX];
	bool ready;	 /* configured, not failing: may own addresses */
	bool draining;	 /* wants no addresses; hands over those it has */
	uint16_t weight; /* its share of addresses, to NODE_WEIGHT_MAX; 0: NODE_WEIGHT_DEFAULT */
};

/*
 * Encode into out (cap bytes). Returns the length, or -EMSGSIZE when the labels and segments do not fit; own addresses, and then
 * isolation, are left out before that.
 * Layout: docs/PROTOCOL.md, "Metadata".
 */
int meta_encode(const struct meta *meta, uint8_t *out, size_t cap);
/* Decode; unknown trailing fields of a newer version are skipped. 0 or -EBADMSG (*ret untouched). */
int meta_decode(const uint8_t *data, size_t len, struct meta *ret);

#endif
