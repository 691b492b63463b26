/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/marks.h"

static const char *const names[MARK_N] = {
	[MARK_STEP] = "steps",
	[MARK_PACKET] = "packets",
	[MARK_LOST] = "lost",
	[MARK_LOST_BURST] = "lost-in-burst",
	[MARK_LOST_CUT] = "lost-at-cut",
	[MARK_DUPLICATED] = "duplicated",
	[MARK_REORDERED] = "reordered",
	[MARK_REPLAYED] = "replayed",
	[MARK_REPLAY_DROPPED] = "replay-dropped",
	[MARK_SEALED] = "sealed",
	[MARK_NOT_FOR_US] = "not-for-us",
	[MARK_DAMAGED] = "damaged",
	[MARK_SOCKET_FULL] = "socket-full",
	[MARK_ONE_WAY_CUT] = "one-way-cuts",
	[MARK_PARTITION] = "partitions",
	[MARK_PAUSE] = "pauses",
	[MARK_CRASH] = "crashes",
	[MARK_KILL] = "kills",
	[MARK_RESTART] = "restarts",
	[MARK_STOP] = "stops",
	[MARK_LINK_DOWN] = "link-downs",
	[MARK_LONE] = "lone-faults",
	[MARK_DRAIN] = "drains",
	[MARK_RELOAD] = "reloads",
	[MARK_SUSPECT] = "suspects",
	[MARK_DEATH] = "deaths",
	[MARK_FALSE_DEATH] = "false-deaths",
	[MARK_REFUTED] = "refutations",
	[MARK_LEFT] = "left",
	[MARK_REPLACED] = "replaced",
	[MARK_ALONE] = "joined-alone",
	[MARK_CLAIM] = "claims",
	[MARK_OWNER_DEAD] = "owner-dead",
	[MARK_OWNER_LEFT] = "owner-left",
	[MARK_OWNER_INELIGIBLE] = "owner-ineligible",
	[MARK_HANDOVER] = "hand-overs",
	[MARK_CONFLICT] = "conflicts",
	[MARK_STOPPED] = "stopped-unserved",
	[MARK_CLAIM_FAILED] = "claims-failed",
	[MARK_ADDRESS_LOST] = "addresses-lost",
	[MARK_LEASE_EXPIRED] = "leases-expired",
	[MARK_GATE_SHUT] = "gates-shut",
	[MARK_GUARD] = "guards",
	[MARK_ANSWER] = "answers",
	[MARK_RIGHT_LOST] = "rights-lost",
	[MARK_GOSSIP_CUT] = "gossip-cuts",
	[MARK_DATA_CUT] = "data-cuts",
	[MARK_UNFIT] = "unfit",
	[MARK_BY_CHOICE] = "by-choice",
	[MARK_HELD_DOWN] = "held-down",
	[MARK_TWO_OWNERS] = "two-owners",
};

/* What a sweep need not reach: sealing is asked for, and the rest are things that we would rather not see. */
static bool is_optional(enum mark mark)
{
	return mark == MARK_SEALED || mark == MARK_DAMAGED || mark == MARK_FALSE_DEATH || mark == MARK_TWO_OWNERS ||
	       mark == MARK_DATA_CUT;
}

const char *mark_name(enum mark mark)
{
	return names[mark];
}

void marks_add(struct marks *sum, const struct marks *more)
{
	for (size_t i = 0; i < MARK_N; i++)
		sum->n[i] += more->n[i];
}

size_t marks_missing(const struct marks *marks, FILE *to)
{
	size_t missing = 0;

	for (size_t i = 0; i < MARK_N; i++) {
		if (marks->n[i] > 0 || is_optional((enum mark)i))
			continue;
		fprintf(to, "never reached: %s\n", names[i]);
		missing++;
	}
	return missing;
}

void marks_print(const struct marks *marks, FILE *to)
{
	size_t column = 0;

	fputs("reached:", to);
	for (size_t i = 0; i < MARK_N; i++) {
		if (column > 100) {
			fputs("\n        ", to);
			column = 0;
		}
		column += (size_t)fprintf(to, " %s %llu%s", names[i], (unsigned long long)marks->n[i],
					  i + 1 < MARK_N ? "," : "\n");
	}
}
