/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `mlbctl diagnose` can find: a stable code for each kind, how grave it is, what it means and what to do about it
 * (docs/runbook.md says more), and the list that one diagnosis fills. Pure.
 */
#ifndef MLB_DAEMON_DIAGNOSE_FINDING_H
#define MLB_DAEMON_DIAGNOSE_FINDING_H

#include <stddef.h>

#include "base/limits.h"

enum finding_severity {
	FINDING_INFO,	 /* as somebody wanted it, or of no harm by itself: good to know */
	FINDING_WARNING, /* it works, but not as well or as safely as it should */
	FINDING_ERROR,	 /* addresses are not served, or may be served twice */
};

enum finding_code {
	FINDING_NOT_JOINED,
	FINDING_DRAINING,
	FINDING_CAPABILITY_MISSING,
	FINDING_REALTIME_REFUSED,
	FINDING_MEMORY_NOT_LOCKED,
	FINDING_LOOP_LATE,
	FINDING_INTERFACE_MISSING,
	FINDING_INTERFACE_DOWN,
	FINDING_INTERFACE_NO_CARRIER,
	FINDING_INTERFACE_UNFIT,
	FINDING_SUBNET_MISSING,
	FINDING_SEGMENT_SILENT,
	FINDING_IPV6_DISABLED,
	FINDING_DAD_DISABLES_IPV6,
	FINDING_ARP_FLUX,
	FINDING_ARP_ANNOUNCE,
	FINDING_RP_FILTER_STRICT,
	FINDING_GARP_IGNORED,
	FINDING_MTU_TOO_SMALL,
	FINDING_ADDRESS_UNOWNED,
	FINDING_ADDRESS_TAKEN,
	FINDING_ADDRESS_HELD_DOWN,
	FINDING_ADDRESS_CONFLICT,
	FINDING_DUPLICATE_OWNER,
	FINDING_CHECK_FAILING,
	FINDING_MEMBER_DEAD,
	FINDING_MEMBER_SUSPECT,
	FINDING_MEMBER_LOSS,
	FINDING_MEMBER_UNHEALTHY,
	FINDING_MEMBER_PATH_DOWN,
	FINDING_PEER_UNREACHABLE,
	FINDING_CLOCK_AHEAD,
	FINDING_GOSSIP_INSECURE,
	FINDING_KEYS_DIFFER,
	FINDING_KEYS_SEALING_DIFFER,
	FINDING_KEYS_SILENT,
	FINDING_KEYS_NOT_STORED,
	FINDING_PACKETS_REFUSED,
	FINDING_NO_RIGHT,
	FINDING_GATE_MISSING,
	FINDING_GATE_ABSENT,
	FINDING_GATE_FLUSHED,
	FINDING_GUARD_MISSING,
	FINDING_API_SERVER_UNREACHABLE,
	FINDING_KUBERNETES_CONFIG,
	FINDING_N
};

/* One row of the catalogue; static texts. */
struct finding_kind {
	const char *name; /* the code as people and scripts see it: it never changes */
	enum finding_severity severity;
	const char *means;
	const char *action;
};

const struct finding_kind *finding_kind_of(enum finding_code code);
/* "error", "warning", "info". */
const char *finding_severity_name(enum finding_severity severity);

/* What one diagnosis tells at most; the rest is counted. */
#define FINDING_MAX 256

#define FINDING_SUBJECT_MAX (SERVICE_NAME_MAX + 1)
#define FINDING_DETAIL_MAX 256

struct finding {
	enum finding_code code;
	char subject[FINDING_SUBJECT_MAX]; /* whom or what it is about; longer ones are cut */
	char detail[FINDING_DETAIL_MAX];   /* what was seen */
};

/* Large: allocate it. All zero is an empty one. */
struct diagnosis {
	size_t finding_n; /* of all; the first FINDING_MAX are kept */
	struct finding findings[FINDING_MAX];
};

void finding_add(struct diagnosis *d, enum finding_code code, const char *subject, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif
