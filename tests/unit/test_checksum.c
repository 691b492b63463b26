/* SPDX-License-Identifier: Apache-2.0 */
/* base/checksum.c against the example of RFC 1071 section 3, in one part and in several, and with an odd end. */
#include <check.h>

#include "base/checksum.h"

static const uint8_t example[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };

START_TEST(rfc_1071)
{
	uint32_t sum = 0;

	ck_assert_uint_eq(checksum_finish(checksum_add(0, example, sizeof(example))), 0x220d);
	for (size_t i = 0; i < sizeof(example); i += 2)
		sum = checksum_add(sum, example + i, 2);
	ck_assert_uint_eq(checksum_finish(sum), 0x220d);
}
END_TEST

/* A receiver adds everything, the checksum too, and gets none. */
START_TEST(verified)
{
	uint32_t sum = checksum_add(0, example, sizeof(example));
	uint16_t value = checksum_finish(sum);
	const uint8_t field[2] = { (uint8_t)(value >> 8), (uint8_t)value };

	ck_assert_uint_eq(checksum_finish(checksum_add(sum, field, sizeof(field))), 0);
}
END_TEST

/* RFC 1071: an odd last byte is the high one of a word. Nothing at all is nothing. */
START_TEST(edges)
{
	ck_assert_uint_eq(checksum_finish(checksum_add(0, example + 2, 1)), 0xffff - 0xf200);
	ck_assert_uint_eq(checksum_finish(checksum_add(0, example, 0)), 0xffff);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("checksum");
	TCase *tcase = tcase_create("checksum");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, rfc_1071);
	tcase_add_test(tcase, verified);
	tcase_add_test(tcase, edges);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
