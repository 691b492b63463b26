/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define HEAD "# The cluster's keys; the first one seals. Written by mlbd after `mlbctl keys`.\n"
#define KEY_TEXT_MAX sodium_base64_ENCODED_LEN(SEAL_KEY_LEN, sodium_base64_VARIANT_ORIGINAL)
#define FILE_TEXT_MAX (sizeof(HEAD) + KEY_MAX * KEY_TEXT_MAX)
#define MODE_MAX 0640

static size_t text_make(const struct seal_ring *ring, char text[FILE_TEXT_MAX])
{
	size_t len = sizeof(HEAD) - 1;

	memcpy(text, HEAD, len);
	for (size_t i = 0; i < ring->key_n; i++) {
		sodium_bin2base64(text + len, KEY_TEXT_MAX, ring->keys[i].bytes, SEAL_KEY_LEN,
				  sodium_base64_VARIANT_ORIGINAL);
		len += strlen(text + len);
		text[len++] = '\n';
	}
	return len;
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Owner, group and mode of the file that is to be replaced, if there is one. */
static int take_after(int fd, const char *path)
{
	struct stat former, own;

	if (stat(path, &former) != 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &own) != 0)
		return -errno;
	if ((former.st_uid != own.st_uid || former.st_gid != own.st_gid) &&
	    fchown(fd, former.st_uid, former.st_gid) != 0)
		return -errno;
	return fchmod(fd, former.st_mode & MODE_MAX) != 0 ? -errno : 0;
}

/* A rename lasts when its folder has been synced. */
static int sync_folder(char *path)
{
	int fd = open(dirname(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int error = 0;

	if (fd < 0)
		return -errno;
	if (fsync(fd) != 0)
		error = -errno;
	close(fd);
	return error;
}

static int replace(char *path, const char *text, size_t len)
{
	char beside[PATH_MAX];
	int fd, error;

	if (snprintf(beside, sizeof(beside), "%s.XXXXXX", path) >= (int)sizeof(beside))
		return -ENAMETOOLONG;
	fd = mkostemp(beside, O_CLOEXEC); /* 0600 */
	if (fd < 0)
		return -errno;
	error = take_after(fd, path);
	if (error == 0)
		error = write_all(fd, text, len);
	if (error == 0 && fsync(fd) != 0)
		error = -errno;
	close(fd);
	if (error == 0 && rename(beside, path) != 0)
		error = -errno;
	if (error != 0) {
		unlink(beside);
		return error;
	}
	return sync_folder(path);
}

int keyfile_write(const char *path, const struct seal_ring *ring)
{
	char text[FILE_TEXT_MAX];
	char target[PATH_MAX];
	size_t len;
	int error;

	if (realpath(path, target) == NULL) {
		if (errno != ENOENT || strlen(path) >= sizeof(target))
			return -errno;
		memcpy(target, path, strlen(path) + 1);
	}
	len = text_make(ring, text);
	error = replace(target, text, len);
	sodium_memzero(text, sizeof(text));
	return error;
}

pid_t keyfile_write_start(const char *path, const struct seal_ring *ring)
{
	sigset_t all, before;
	pid_t pid;

	/* a signal that the child gets would reach the parent's event loop by the pipe that they share */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	pid = fork();
	if (pid == 0) {
		/* sockets in the hands of a child that waits for a disk would keep a new daemon from its port */
		(void)close_range(0, ~0U, 0);
		_exit(-keyfile_write(path, ring) & 0xff);
	}
	if (pid < 0)
		pid = -errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	return pid;
}

bool keyfile_write_ended(pid_t pid, bool wait, int *ret_error)
{
	pid_t ended;
	int status;

	do
		ended = waitpid(pid, &status, wait ? 0 : WNOHANG);
	while (ended < 0 && errno == EINTR);
	if (ended == 0)
		return false;
	if (ended < 0)
		*ret_error = -errno;
	else
		*ret_error = WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
	return true;
}
