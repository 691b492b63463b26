/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plan (kube/plan.h) as text: what the election is given, and what is kept on disk for a start without the API server. Lines of words:
 *
 *   mlbd-plan 1
 *   peer IP                            InternalIP of a node
 *   list                               begins a list of nodes, numbered from 0
 *   place NODE SCORE [INTERFACE...]    one of that list, in order of names
 *   unit LIST NAME IP[,IP...] [NAME...]   addresses that move together, and the other Services that share them; in order of names
 *   end HASH                           BLAKE2b of all before, 16 bytes in hexadecimal
 */
#ifndef MLB_DAEMON_KUBE_SNAPSHOT_H
#define MLB_DAEMON_KUBE_SNAPSHOT_H

#include <stdio.h>

#include "election/election.h"
#include "kube/plan.h"

/* A file of more bytes is none of ours: 16,384 services of 200 bytes, and lists of 10,000 nodes. */
#define SNAPSHOT_LEN_MAX (16 * 1024 * 1024)

struct snapshot_unit {
	const char *const *services; /* by name; the first is the unit's own name */
	size_t service_n;
};

/* Owned as a whole; everything borrows from it. */
struct snapshot {
	char *text;    /* taken apart */
	char hash[33]; /* of the text: equal ones say the same */
	struct arena arena;
	struct election_service *services; /* by name */
	struct snapshot_unit *units;	   /* of the services, in the same order */
	size_t service_n;
	struct ip *peers;
	size_t peer_n;
};

/* As text that the caller frees; NULL: no memory. */
char *snapshot_text(const struct kube_plan *plan, size_t *ret_len);
/*
 * text is taken over, also on failure; terminated. 0; -EBADMSG: not whole, or not such a text; -ENOMEM. Names that cannot be ours, and units
 * beyond SERVICE_MAX, are errors, too.
 */
int snapshot_parse(char *text, size_t len, enum claim_mode mode, struct snapshot **ret);
void snapshot_free(struct snapshot *snapshot);
/* The service that has the name; SIZE_MAX: none. */
size_t snapshot_find(const struct snapshot *snapshot, const char *name);

/* The whole file; 0, or a negative errno. Written beside it and renamed, for its owner alone. */
int snapshot_save(const char *path, const char *text, size_t len);
int snapshot_load(const char *path, char **ret, size_t *ret_len);

#endif
