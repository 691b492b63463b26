/* SPDX-License-Identifier: Apache-2.0 */
/* Shell: a token, certificate or key that is given inline or lies in a file, which others replace while we run. */
#ifndef MLB_KUBE_SECRET_H
#define MLB_KUBE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/time.h"

struct kube_secret {
	char *path; /* owned; NULL: inline, or none */
	char *data; /* owned, terminated; NULL: none, or never read */
	size_t len;
	struct instant read_at; /* when the file was last looked at */
	bool doubted;		/* look again before the next use, however young it is */
};

/* Read a regular file of at most max bytes, terminated. 0, or a negative errno; -EMSGSIZE: it is longer. *ret is the caller's. */
int kube_file_read(const char *path, size_t max, char **ret, size_t *ret_len);

bool kube_secret_given(const struct kube_secret *secret);
/*
 * Look at the file again where that was `age` ago or more. 0; or why it cannot be had, a negative errno: what was read before stays. A file
 * that is empty counts as -ENODATA.
 */
int kube_secret_refresh(struct kube_secret *secret, struct instant now, struct span age);
/* Wipes what it held. */
void kube_secret_free(struct kube_secret *secret);

#endif
