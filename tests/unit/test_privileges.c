/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/privileges.c: which capabilities a role may have, and that a process has no others afterwards. */
#include "daemon/privileges.h"

#include <check.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define BIT(capability) ((uint64_t)1 << (capability))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static const struct {
	enum privileges_role role;
	bool as_root;
	int capability;
	bool needed;
} needs[] = {
	{ PRIVILEGES_DAEMON, false, CAP_NET_ADMIN, true },
	{ PRIVILEGES_DAEMON, false, CAP_NET_RAW, true },
	{ PRIVILEGES_DAEMON, false, CAP_SETUID, true },
	{ PRIVILEGES_DAEMON, false, CAP_DAC_OVERRIDE, false },
	{ PRIVILEGES_DAEMON, true, CAP_DAC_OVERRIDE, true },
	{ PRIVILEGES_DAEMON, true, CAP_SYS_ADMIN, false },
	{ PRIVILEGES_DAEMON, true, CAP_SETPCAP, false },
	{ PRIVILEGES_GUARD, false, CAP_NET_ADMIN, true },
	{ PRIVILEGES_GUARD, true, CAP_KILL, true },
	{ PRIVILEGES_GUARD, true, CAP_NET_RAW, false },
	{ PRIVILEGES_GUARD, true, CAP_DAC_OVERRIDE, false },
	{ PRIVILEGES_GUARD, false, CAP_SYS_NICE, false },
	{ PRIVILEGES_DAEMON, true, CAP_CHECKPOINT_RESTORE, false },
};

START_TEST(test_needs)
{
	uint64_t set = privileges_needed(needs[_i].role, needs[_i].as_root);

	ck_assert_int_eq((set & BIT(needs[_i].capability)) != 0, needs[_i].needed);
}
END_TEST

/* In a child: 0, or which of its sets holds more than the role needs. */
static int surplus_after_drop(enum privileges_role role)
{
	const uint64_t needed = privileges_needed(role, geteuid() == 0);
	const bool bounding = prctl(PR_CAPBSET_READ, CAP_SETPCAP, 0, 0, 0) == 1 && geteuid() == 0;
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (privileges_drop(role) != 0)
		return 1;
	if (syscall(SYS_capget, &header, data) != 0)
		return 2;
	for (unsigned int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		const uint32_t all = data[i].permitted | data[i].effective | data[i].inheritable;

		if ((all & ~(uint32_t)(needed >> (32 * i))) != 0)
			return 3;
	}
	for (unsigned long i = 0; bounding && i < 64; i++) {
		if (prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1 && (needed & BIT(i)) == 0)
			return 4;
	}
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 5;
}

START_TEST(test_drop)
{
	static const enum privileges_role roles[] = { PRIVILEGES_DAEMON, PRIVILEGES_GUARD };
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(surplus_after_drop(roles[_i]));
	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %d", status);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("privileges");
	TCase *tcase = tcase_create("privileges");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tcase, test_needs, 0, ARRAY_LEN(needs));
	tcase_add_loop_test(tcase, test_drop, 0, 2);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
