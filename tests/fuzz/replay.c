/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Main program of a fuzz harness outside MODE=fuzz: runs it once over each file of the given corpus folders (or files), in
 * order of name, and closes with "NAME: N passed, 0 failed". A crash ends the program; no input at all is a failure.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <sodium.h>

/* The largest input that is worth keeping in a corpus. */
#define INPUT_LEN_MAX (1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static size_t input_n;

static int replay_file(const char *path)
{
	static uint8_t buffer[INPUT_LEN_MAX];
	FILE *file = fopen(path, "rbe");
	uint8_t *data;
	size_t len;

	if (file == NULL) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return 1;
	}
	len = fread(buffer, 1, sizeof(buffer), file);
	fclose(file);
	/* A block of exactly this length, so that AddressSanitizer sees the first byte read past its end. */
	data = malloc(len > 0 ? len : 1);
	if (data == NULL)
		return 1;
	memcpy(data, buffer, len);
	fprintf(stderr, "%s (%zu bytes)\n", path, len);
	(void)LLVMFuzzerTestOneInput(data, len);
	free(data);
	input_n++;
	return 0;
}

static int replay_folder(const char *path)
{
	struct dirent **entries;
	int n = scandir(path, &entries, NULL, alphasort);
	int status = 0;
	char file[4096];

	if (n < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return 1;
	}
	for (int i = 0; i < n; i++) {
		if (entries[i]->d_name[0] != '.') {
			snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
			status |= replay_file(file);
		}
		free(entries[i]);
	}
	free(entries);
	return status;
}

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	struct stat st;
	int status = 0;

	if (sodium_init() < 0)
		return 1;
	for (int i = 1; i < argc; i++) {
		if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode))
			status |= replay_folder(argv[i]);
		else
			status |= replay_file(argv[i]);
	}
	if (input_n == 0) {
		fputs("no input\n", stderr);
		return 1;
	}
	printf("%s: %zu passed, 0 failed\n", slash != NULL ? slash + 1 : argv[0], input_n);
	return status;
}
