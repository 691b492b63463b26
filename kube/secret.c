/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"

static int read_all(int fd, size_t max, char *buf, size_t *ret_len)
{
	size_t len = 0;
	ssize_t n;

	do {
		n = read(fd, buf + len, max + 1 - len);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			len += (size_t)n;
	} while (n != 0 && len <= max);
	if (len > max)
		return -EMSGSIZE;
	buf[len] = '\0';
	*ret_len = len;
	return 0;
}

int kube_file_read(const char *path, size_t max, char **ret, size_t *ret_len)
{
	/* Not to wait for a writer where somebody put a pipe. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	char *buf = NULL;
	size_t len = 0;
	int r = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (!S_ISREG(st.st_mode))
		r = -EINVAL;
	else if (st.st_size > (off_t)max)
		r = -EMSGSIZE;
	if (r == 0) {
		buf = malloc(max + 2);
		r = buf == NULL ? -ENOMEM : read_all(fd, max, buf, &len);
	}
	close(fd);
	if (r != 0) {
		free(buf);
		return r;
	}
	*ret = realloc(buf, len + 1);
	if (*ret == NULL)
		*ret = buf;
	*ret_len = len;
	return 0;
}

bool kube_secret_given(const struct kube_secret *secret)
{
	return secret->path != NULL || secret->data != NULL;
}

int kube_secret_refresh(struct kube_secret *secret, struct instant now, struct span age)
{
	char *data = NULL;
	size_t len = 0;
	int r;

	if (secret->path == NULL ||
	    (secret->data != NULL && !secret->doubted && instant_since(now, secret->read_at).us < age.us))
		return 0;
	secret->read_at = now;
	secret->doubted = false;
	/* By its path each time: kubelet swaps a symbolic link above it. */
	r = kube_file_read(secret->path, KUBE_SECRET_FILE_MAX, &data, &len);
	if (r != 0)
		return r;
	while (len > 0 && strchr(" \t\r\n", data[len - 1]) != NULL)
		data[--len] = '\0';
	if (len == 0) {
		free(data);
		return -ENODATA;
	}
	if (secret->data != NULL)
		sodium_memzero(secret->data, secret->len);
	free(secret->data);
	secret->data = data;
	secret->len = len;
	return 0;
}

void kube_secret_free(struct kube_secret *secret)
{
	if (secret->data != NULL)
		sodium_memzero(secret->data, secret->len);
	free(secret->data);
	free(secret->path);
	*secret = (struct kube_secret){ 0 };
}
