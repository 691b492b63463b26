/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of the guard: the memory that daemon/guard.c shares with it, which that keeps to itself. */
#ifndef MLB_TESTS_UNIT_TEST_GUARD_MEMORY_H
#define MLB_TESTS_UNIT_TEST_GUARD_MEMORY_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/guard_shared.h"

/* Another mapping of it, or NULL. */
static inline struct guard_shared *memory_of_guard(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	void *memory = MAP_FAILED;

	while ((entry = readdir(dir)) != NULL) {
		char path[300], target[300] = "";

		snprintf(path, sizeof(path), "/proc/self/fd/%s", entry->d_name);
		if (readlink(path, target, sizeof(target) - 1) > 0 && strstr(target, "memfd:mlbd-guard") != NULL)
			memory = mmap(NULL, sizeof(struct guard_shared), PROT_READ | PROT_WRITE, MAP_SHARED,
				      atoi(entry->d_name), 0);
	}
	closedir(dir);
	return memory != MAP_FAILED ? memory : NULL;
}

#endif
