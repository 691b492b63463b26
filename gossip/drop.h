/* SPDX-License-Identifier: Apache-2.0 */
/* Why a packet from outside was not used. Each reason is counted and shown by `mlbctl status`; none is fatal. */
#ifndef MLB_GOSSIP_DROP_H
#define MLB_GOSSIP_DROP_H

enum gossip_drop {
	GOSSIP_DROP_NONE,      /* accepted */
	GOSSIP_DROP_SHORT,     /* shorter than header and tag */
	GOSSIP_DROP_LONG,      /* longer than any packet that we accept */
	GOSSIP_DROP_VERSION,   /* a newer or unknown wire version */
	GOSSIP_DROP_KEY,       /* sealed with a key that is not in our ring */
	GOSSIP_DROP_AUTH,      /* the tag does not verify: wrong key, forged, damaged, or sealed for another receiver */
	GOSSIP_DROP_REPLAY,    /* counter already seen, or older than the window */
	GOSSIP_DROP_UNKNOWN,   /* from an instance that is no member and did not come by the join handshake */
	GOSSIP_DROP_MALFORMED, /* authenticated, but the body does not parse */
	GOSSIP_DROP_COOKIE,    /* a join with a cookie that is not ours or too old */
	GOSSIP_DROP_FULL,      /* a new member or item for which there is no room */
	GOSSIP_DROP_FLOOD,     /* not looked at, for too many from there or from everywhere were no good: source.h */
	GOSSIP_DROP_N
};

/* Stable lower-case name for JSON and metrics: "short", "auth", ... */
const char *gossip_drop_name(enum gossip_drop drop);

#endif
