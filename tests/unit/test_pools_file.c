/* SPDX-License-Identifier: Apache-2.0 */
/* The file that keeps which service has which addresses of pools. */
#include <check.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/pools_internal.h"

static struct ledger *ledger;

static void setup(void)
{
	ck_assert_int_ge(sodium_init(), 0);
	ledger = ledger_new();
	ck_assert_ptr_nonnull(ledger);
}

static void teardown(void)
{
	ledger_free(ledger);
}

static void put(const char *name, uint64_t stamp, const char *v4, const char *v6, bool named)
{
	struct ledger_record record = {
		.service = ledger_service(name), .stamp = stamp, .families = ALLOC_DUAL, .added = named, .given = true
	};

	ck_assert_int_eq(ip_parse(v4, &record.v4), 0);
	ck_assert_int_eq(ip_parse(v6, &record.v6), 0);
	ck_assert_int_eq(ledger_merge(ledger, &record), 1);
	if (named)
		ck_assert_int_eq(ledger_name_set(ledger, record.service, name, strlen(name)), 1);
}

START_TEST(what_is_written_is_read)
{
	struct ledger *again = ledger_new();
	const struct ledger_record *record;
	size_t len;
	char *text;

	put("web", 3, "10.0.0.1", "fd00::1", false);
	put("shop", 7, "10.0.0.2", "fd00::2", true);
	text = pools_text(ledger, &len);
	ck_assert_ptr_nonnull(text);
	ck_assert_int_eq(strncmp(text, "mlbd-pools 1\nrecord ", 20), 0);
	ck_assert_int_eq(pools_text_read(again, text, len), 0);
	ck_assert_uint_eq(ledger_n(again), 2);
	record = ledger_find(again, ledger_service("shop"));
	ck_assert_ptr_nonnull(record);
	ck_assert(record->stamp == 7 && record->added && record->given && record->families == ALLOC_DUAL);
	ck_assert(ip_equal(record->v4, ledger_find(ledger, record->service)->v4));
	ck_assert(ip_equal(record->v6, ledger_find(ledger, record->service)->v6));
	ck_assert_str_eq(ledger_name(again, ledger_service("shop")), "shop");
	ck_assert_str_eq(ledger_name(again, ledger_service("web")), "");
	free(text);
	ledger_free(again);
}
END_TEST

START_TEST(each_damaged_byte_is_noticed)
{
	size_t len;
	char *text, *copy;

	put("shop", 7, "10.0.0.2", "fd00::2", true);
	text = pools_text(ledger, &len);
	copy = malloc(len + 1);
	ck_assert(text != NULL && copy != NULL);
	for (size_t i = 0; i < len; i++) {
		memcpy(copy, text, len + 1);
		copy[i] ^= 1;
		ck_assert_int_eq(pools_text_read(ledger, copy, len), -EBADMSG);
		memcpy(copy, text, i);
		copy[i] = '\0';
		ck_assert_int_eq(pools_text_read(ledger, copy, i), -EBADMSG);
	}
	free(copy);
	free(text);
}
END_TEST

/* A text with the right hash that is not ours. */
static int read_sealed(const char *body)
{
	unsigned char hash[16];
	char hex[33], text[512];
	int n;

	crypto_generichash(hash, sizeof(hash), (const unsigned char *)body, strlen(body), NULL, 0);
	n = snprintf(text, sizeof(text), "%send %s\n", body, sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash)));
	return pools_text_read(ledger, text, (size_t)n);
}

#define VALUE "12000000000000000b00000000000000000000000000000000000000000000000000000000"

START_TEST(strange_texts_are_refused)
{
	static const char *const texts[] = {
		"mlbd-pools 2\n",
		"mlbd-plan 1\n",
		"mlbd-pools 1\nrecord\n",
		"mlbd-pools 1\nservice 0aad2d7be47e65be " VALUE " ?\n",
		"mlbd-pools 1\nrecord 0aad2d7be47e65be " VALUE "\n",
		"mlbd-pools 1\nrecord 0aad2d7be47e65be " VALUE " ? ?\n",
		"mlbd-pools 1\nrecord 0aad2d7be47e65 " VALUE " ?\n",
		"mlbd-pools 1\nrecord 0aad2d7be47e65bg " VALUE " ?\n",
		"mlbd-pools 1\nrecord 0aad2d7be47e65be " VALUE "00 ?\n",
		"mlbd-pools 1\nrecord 0aad2d7be47e65be 00 ?\n",
		"mlbd-pools 1\nrecord 0aad2d7be47e65be " VALUE " other\n",
		"mlbd-pools 1\n\n",
	};

	ck_assert_int_eq(read_sealed("mlbd-pools 1\nrecord 0aad2d7be47e65be " VALUE " ?\n"), 0);
	ck_assert_int_eq(read_sealed("mlbd-pools 1\n"), 0);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		ck_assert_msg(read_sealed(texts[i]) == -EBADMSG, "accepted: %s", texts[i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pools_file");
	TCase *tcase = tcase_create("text");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, what_is_written_is_read);
	tcase_add_test(tcase, each_damaged_byte_is_noticed);
	tcase_add_test(tcase, strange_texts_are_refused);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
