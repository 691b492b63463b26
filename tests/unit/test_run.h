/* SPDX-License-Identifier: Apache-2.0 */
/* For tests that set up network namespaces: run a command that must succeed. */
#ifndef MLB_TESTS_UNIT_TEST_RUN_H
#define MLB_TESTS_UNIT_TEST_RUN_H

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

__attribute__((format(printf, 1, 2))) static inline void run(const char *format, ...)
{
	char command[512];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	ck_assert_msg(system(command) == 0, "%s", command);
}

#endif
