/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which objects of one kind are known, in which version: what a new list is compared with. Not the objects themselves; those belong to who
 * follows. Pure.
 */
#ifndef MLB_KUBE_KNOWN_H
#define MLB_KUBE_KNOWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kube/table.h"

/* "namespace/name", or the name alone where there are no namespaces; 253 + 1 + 253 at most (RFC 1123 as Kubernetes reads it). */
#define KNOWN_KEY_MAX 511
#define KNOWN_UID_MAX 63
/* A 64-bit number in decimal. A longer version is kept as "", which is no other's equal. */
#define KNOWN_VERSION_MAX 23

struct known_object {
	struct kube_item item;
	uint32_t seen; /* number of the last list that had it */
	char version[KNOWN_VERSION_MAX + 1];
	char uid[KNOWN_UID_MAX + 1];
};

struct known {
	struct kube_table table;
};

void known_init(struct known *known, uint64_t seed);
void known_free(struct known *known);
/* NULL: not known. Borrowed until it is removed. */
struct known_object *known_find(const struct known *known, const char *key);
/* Add, or change what is there. NULL: no memory. Texts that are too long for their field are kept as "". */
struct known_object *known_put(struct known *known, const char *key, const char *uid, const char *version);
/* It must be in there. */
void known_remove(struct known *known, struct known_object *object);
/* Tell of each object that the list of that number does not have, and forget it. `gone` must not touch the table. */
void known_sweep(struct known *known, uint32_t list, void (*gone)(void *arg, const struct known_object *object),
		 void *arg);

#endif
