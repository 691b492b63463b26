/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/keyfile.c on real files. */
#include "daemon/keyfile.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/test_keyfile.XXXXXX";
static char path[64], other[64];

static struct seal_ring ring_of(size_t n)
{
	struct seal_ring ring = { .key_n = n };

	for (size_t i = 0; i < n; i++) {
		uint8_t bytes[SEAL_KEY_LEN];

		memset(bytes, (int)i + 1, sizeof(bytes));
		seal_key_init(&ring.keys[i], bytes);
	}
	return ring;
}

static void folder_setup(void)
{
	ck_assert_int_ge(sodium_init(), 0);
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/key", folder);
	snprintf(other, sizeof(other), "%s/other", folder);
}

/* Nothing may be left beside the two files. */
static void folder_teardown(void)
{
	unlink(path);
	unlink(other);
	ck_assert_int_eq(rmdir(folder), 0);
}

static mode_t mode_of(const char *file)
{
	struct stat st;

	ck_assert_int_eq(lstat(file, &st), 0);
	return st.st_mode;
}

static void check_file(const char *file, const struct seal_ring *ring)
{
	char text[4096];
	struct seal_ring found = { 0 };
	unsigned int line;
	int fd = open(file, O_RDONLY);
	ssize_t len = read(fd, text, sizeof(text));

	close(fd);
	ck_assert_int_gt(len, 0);
	ck_assert_int_eq(seal_ring_parse(text, (size_t)len, &found, &line), 0);
	ck_assert_uint_eq(found.key_n, ring->key_n);
	ck_assert_mem_eq(found.keys, ring->keys, ring->key_n * sizeof(ring->keys[0]));
}

START_TEST(writes)
{
	struct seal_ring ring = ring_of((size_t)_i);

	ck_assert_int_eq(keyfile_write(path, &ring), 0);
	check_file(path, &ring);
	ck_assert_uint_eq(mode_of(path), S_IFREG | 0600);
}
END_TEST

/* Its owner and mode stay, but nobody else ever reads it. */
START_TEST(takes_after_the_former)
{
	struct seal_ring one = ring_of(1), two = ring_of(2);
	struct stat st;

	ck_assert_int_eq(keyfile_write(path, &one), 0);
	ck_assert_int_eq(chmod(path, 0664), 0);
	if (geteuid() == 0)
		ck_assert_int_eq(chown(path, 65534, 65533), 0);
	ck_assert_int_eq(keyfile_write(path, &two), 0);
	check_file(path, &two);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFREG | 0640);
	if (geteuid() == 0) {
		ck_assert_uint_eq(st.st_uid, 65534);
		ck_assert_uint_eq(st.st_gid, 65533);
	}
}
END_TEST

START_TEST(symbolic_link_stays)
{
	struct seal_ring one = ring_of(1), two = ring_of(2);

	ck_assert_int_eq(keyfile_write(other, &one), 0);
	ck_assert_int_eq(symlink("other", path), 0);
	ck_assert_int_eq(keyfile_write(path, &two), 0);
	check_file(other, &two);
	ck_assert(S_ISLNK(mode_of(path)));
}
END_TEST

START_TEST(failure_leaves_the_former)
{
	struct seal_ring ring = ring_of(1);
	char deeper[128];

	snprintf(deeper, sizeof(deeper), "%s/none/key", folder);
	ck_assert_int_eq(keyfile_write(deeper, &ring), -ENOENT);
	snprintf(deeper, sizeof(deeper), "%s/key", "/proc");
	ck_assert_int_lt(keyfile_write(deeper, &ring), 0);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_lt(keyfile_write(path, &ring), 0);
	ck_assert(S_ISDIR(mode_of(path)));
	ck_assert_int_eq(rmdir(path), 0);
}
END_TEST

START_TEST(in_a_child)
{
	struct seal_ring ring = ring_of(3);
	char deeper[128];
	int error = 1;
	pid_t pid = keyfile_write_start(path, &ring);

	ck_assert_int_gt(pid, 0);
	ck_assert(keyfile_write_ended(pid, true, &error));
	ck_assert_int_eq(error, 0);
	check_file(path, &ring);
	snprintf(deeper, sizeof(deeper), "%s/none/key", folder);
	pid = keyfile_write_start(deeper, &ring);
	ck_assert_int_gt(pid, 0);
	while (!keyfile_write_ended(pid, false, &error))
		usleep(1000);
	ck_assert_int_eq(error, -ENOENT);
	ck_assert(keyfile_write_ended(pid, false, &error)); /* no such child: not waited for for ever */
	ck_assert_int_eq(error, -ECHILD);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("keyfile");
	TCase *tc = tcase_create("keyfile");
	SRunner *sr = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, folder_setup, folder_teardown);
	tcase_add_loop_test(tc, writes, 1, KEY_MAX + 1);
	tcase_add_test(tc, takes_after_the_former);
	tcase_add_test(tc, symbolic_link_stays);
	tcase_add_test(tc, failure_leaves_the_former);
	tcase_add_test(tc, in_a_child);
	suite_add_tcase(suite, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
