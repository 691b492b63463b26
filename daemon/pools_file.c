/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/pools_internal.h"

#define FIRST_LINE "mlbd-pools 1"
#define LINE_WORDS 4
#define NUMBER_LEN 8
#define HASH_LEN 16
#define HASH_TEXT_LEN (2 * HASH_LEN)

static void hash_of(const char *text, size_t len, char hex[HASH_TEXT_LEN + 1])
{
	unsigned char hash[HASH_LEN];

	crypto_generichash(hash, sizeof(hash), (const unsigned char *)text, len, NULL, 0);
	sodium_bin2hex(hex, HASH_TEXT_LEN + 1, hash, sizeof(hash));
}

static void write_record(FILE *file, const struct ledger *ledger, const struct ledger_record *record)
{
	uint8_t value[LEDGER_VALUE_LEN];
	char hex[2 * LEDGER_VALUE_LEN + 1];
	const char *name = ledger_name(ledger, record->service);

	ledger_value_encode(record, value);
	sodium_bin2hex(hex, sizeof(hex), value, sizeof(value));
	fprintf(file, "record %016llx %s %s\n", (unsigned long long)record->service, hex, name[0] != '\0' ? name : "?");
}

char *pools_text(const struct ledger *ledger, size_t *ret_len)
{
	char hex[HASH_TEXT_LEN + 1];
	char *text = NULL;
	size_t len = 0;
	FILE *file = open_memstream(&text, &len);
	bool failed;

	if (file == NULL)
		return NULL;
	fputs(FIRST_LINE "\n", file);
	for (size_t i = 0; i < ledger_n(ledger); i++) {
		if (ledger_at(ledger, i)->stamp != 0)
			write_record(file, ledger, ledger_at(ledger, i));
	}
	if (fflush(file) == 0) {
		hash_of(text, len, hex);
		fprintf(file, "end %s\n", hex);
	}
	failed = ferror(file) != 0;
	if (fclose(file) != 0 || failed) {
		free(text);
		return NULL;
	}
	*ret_len = len;
	return text;
}

/* The last line has the hash of all before? Then it is cut off. */
static bool is_whole(char *text, size_t len)
{
	char hex[HASH_TEXT_LEN + 1];
	char *last;

	if (len == 0 || len > LEDGER_FILE_MAX || strlen(text) != len || text[len - 1] != '\n')
		return false;
	text[len - 1] = '\0';
	last = strrchr(text, '\n');
	if (last == NULL || strncmp(last, "\nend ", 5) != 0)
		return false;
	hash_of(text, (size_t)(last + 1 - text), hex);
	if (strcmp(last + 5, hex) != 0)
		return false;
	*last = '\0';
	return true;
}

static int read_number(const char *text, uint64_t *ret)
{
	uint8_t bytes[NUMBER_LEN];
	size_t n;

	if (strlen(text) != 2 * NUMBER_LEN ||
	    sodium_hex2bin(bytes, sizeof(bytes), text, strlen(text), NULL, &n, NULL) != 0 || n != sizeof(bytes))
		return -EBADMSG;
	*ret = 0;
	for (size_t i = 0; i < NUMBER_LEN; i++)
		*ret = *ret << 8 | bytes[i];
	return 0;
}

/* ret_name borrows from the line; NULL: not known. */
static int read_line(char *line, struct ledger_record *ret, const char **ret_name)
{
	uint8_t value[LEDGER_VALUE_LEN];
	char *words[LINE_WORDS];
	uint64_t service;
	size_t n = 0, len;

	for (char *word = strsep(&line, " "); word != NULL; word = strsep(&line, " ")) {
		if (n == LINE_WORDS)
			return -EBADMSG;
		words[n++] = word;
	}
	if (n != LINE_WORDS || strcmp(words[0], "record") != 0 || read_number(words[1], &service) != 0 ||
	    sodium_hex2bin(value, sizeof(value), words[2], strlen(words[2]), NULL, &len, NULL) != 0)
		return -EBADMSG;
	*ret_name = strcmp(words[3], "?") != 0 ? words[3] : NULL;
	if (*ret_name != NULL && ledger_service(*ret_name) != service)
		return -EBADMSG;
	return ledger_value_decode(service, value, len, ret);
}

int pools_text_read(struct ledger *ledger, char *text, size_t len)
{
	struct ledger_record record;
	const char *name;
	int error = 0;
	char *line;

	if (!is_whole(text, len))
		return -EBADMSG;
	line = strsep(&text, "\n");
	if (line == NULL || strcmp(line, FIRST_LINE) != 0)
		return -EBADMSG;
	for (line = strsep(&text, "\n"); line != NULL && error >= 0; line = strsep(&text, "\n")) {
		error = read_line(line, &record, &name);
		if (error == 0)
			error = ledger_merge(ledger, &record);
		if (error >= 0 && name != NULL)
			error = ledger_name_set(ledger, record.service, name, strlen(name));
	}
	return error == -ENOMEM ? -ENOMEM : error < 0 ? -EBADMSG : 0;
}
