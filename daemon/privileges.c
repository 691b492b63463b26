/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/privileges.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BIT(capability) ((uint64_t)1 << (capability))

/* The capability sets have 64 bits in the kernel's interface. */
#define CAPABILITY_MAX 64

struct sets {
	struct __user_cap_data_struct half[_LINUX_CAPABILITY_U32S_3];
};

uint64_t privileges_needed(enum privileges_role role, bool as_root)
{
	/* the guard removes addresses, kills a daemon of any user, and locks the memory that it is shown later */
	const uint64_t guard = BIT(CAP_NET_ADMIN) | BIT(CAP_KILL) | BIT(CAP_IPC_LOCK);
	/* priority that was lost is taken again; SYS_RESOURCE is for its guards, who ask to be spared by the OOM killer */
	const uint64_t daemon = guard | BIT(CAP_NET_RAW) | BIT(CAP_NET_BIND_SERVICE) | BIT(CAP_SYS_NICE) |
				BIT(CAP_SYS_RESOURCE) | BIT(CAP_SETUID) | BIT(CAP_SETGID);
	/* root has to read key files of another user, and to write them anew with their owner and mode */
	const uint64_t files = BIT(CAP_DAC_OVERRIDE) | BIT(CAP_CHOWN) | BIT(CAP_FOWNER);

	switch (role) {
	case PRIVILEGES_GUARD:
		return guard;
	case PRIVILEGES_DAEMON:
		return as_root ? daemon | files : daemon;
	}
	return 0;
}

/* While there is CAP_SETPCAP. Without it the process is no root with all rights, and got its bounds from whoever started it. */
static int drop_bounding(uint64_t needed)
{
	int error = 0;

	for (unsigned long i = 0; i < CAPABILITY_MAX; i++) {
		if ((needed & BIT(i)) != 0 || prctl(PR_CAPBSET_READ, i, 0, 0, 0) != 1)
			continue;
		if (prctl(PR_CAPBSET_DROP, i, 0, 0, 0) != 0 && errno != EPERM)
			error = -errno;
	}
	return error;
}

/* Ambient ones end with their inheritable bits. */
static int drop_sets(uint64_t needed)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct sets sets = { 0 };
	uint32_t surplus = 0;

	if (syscall(SYS_capget, &header, sets.half) != 0)
		return -errno;
	for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		const uint32_t keep = (uint32_t)(needed >> (32 * i));

		surplus |= (sets.half[i].permitted | sets.half[i].inheritable) & ~keep;
		sets.half[i].effective &= keep;
		sets.half[i].permitted &= keep;
		sets.half[i].inheritable &= keep;
	}
	if (surplus == 0) /* a unit that gives nothing more than this may refuse capset(2) itself */
		return 0;
	return syscall(SYS_capset, &header, sets.half) != 0 ? -errno : 0;
}

int privileges_drop(enum privileges_role role)
{
	const uint64_t needed = privileges_needed(role, geteuid() == 0);
	int bounding = drop_bounding(needed);
	int error = drop_sets(needed);

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -errno;
	return error != 0 ? error : bounding;
}
