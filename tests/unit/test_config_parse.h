/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the configuration share: a text that must be good, and one whose every error is known. */
#ifndef MLB_TESTS_UNIT_TEST_CONFIG_PARSE_H
#define MLB_TESTS_UNIT_TEST_CONFIG_PARSE_H

#include <check.h>
#include <errno.h>
#include <string.h>

#include "daemon/config.h"

/* Parse a text that must be good. The caller frees. */
static inline struct config *parse_good(const char *text)
{
	struct config_errors errors = { 0 };
	struct config *config = NULL;
	int r = config_parse("f", text, strlen(text), false, &config, &errors);

	ck_assert_msg(r == 0, "%s\n%s", text, errors.error_n > 0 ? errors.texts[0] : "no error");
	ck_assert_uint_eq(errors.error_n, 0);
	config_errors_free(&errors);
	return config;
}

/* The text must give these errors, in this order and no others; each is the beginning of one. Up to `n`, or to a NULL. */
static inline void expect_refused(const char *text, const char *const *wanted, size_t wanted_n)
{
	struct config_errors errors = { 0 };
	struct config *config = NULL;
	int r = config_parse("f", text, strlen(text), false, &config, &errors);
	size_t n = 0;

	ck_assert_msg(r == -EINVAL, "accepted:\n%s", text);
	ck_assert_ptr_null(config);
	for (; n < wanted_n && wanted[n] != NULL; n++) {
		ck_assert_msg(n < errors.error_n, "no error: %s", wanted[n]);
		ck_assert_msg(strncmp(errors.texts[n], wanted[n], strlen(wanted[n])) == 0, "got:  %s\nwant: %s",
			      errors.texts[n], wanted[n]);
	}
	ck_assert_msg(errors.error_n == n, "one error more: %s", errors.texts[n]);
	config_errors_free(&errors);
	ck_assert_uint_eq(errors.error_n, 0);
}

#endif
