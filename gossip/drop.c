/* SPDX-License-Identifier: Apache-2.0 */
#include "gossip/drop.h"

const char *gossip_drop_name(enum gossip_drop drop)
{
	switch (drop) {
	case GOSSIP_DROP_NONE:
		return "none";
	case GOSSIP_DROP_SHORT:
		return "short";
	case GOSSIP_DROP_LONG:
		return "long";
	case GOSSIP_DROP_VERSION:
		return "version";
	case GOSSIP_DROP_KEY:
		return "key";
	case GOSSIP_DROP_AUTH:
		return "auth";
	case GOSSIP_DROP_REPLAY:
		return "replay";
	case GOSSIP_DROP_UNKNOWN:
		return "unknown";
	case GOSSIP_DROP_MALFORMED:
		return "malformed";
	case GOSSIP_DROP_COOKIE:
		return "cookie";
	case GOSSIP_DROP_FULL:
		return "full";
	case GOSSIP_DROP_FLOOD:
		return "flood";
	case GOSSIP_DROP_N:
		break;
	}
	return "invalid";
}
