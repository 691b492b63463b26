/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run DIR: every *.json of the folder. A line for each failing case, then "N passed, N failed, N skipped"; exit status 1 on a failure, or
 * when there was nothing to run. `make check-vectors DIR=`.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/vectors/vectors.h"

#define FILE_MAX (16 * 1024 * 1024)

/* The suite that is being run; what it held is lost when it is left this way. */
static jmp_buf escape;
static bool in_suite;
static char reason[256];

void must(bool good, const char *what)
{
	if (good)
		return;
	(void)snprintf(reason, sizeof(reason), "%s", what);
	if (in_suite)
		longjmp(escape, 1);
	fprintf(stderr, "vectors: %s\n", reason);
	exit(2);
}

/* --- comparing ------------------------------------------------------------------------------------------------------------- */

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool equal_as_sets(const cJSON *got, const cJSON *expected)
{
	int n = cJSON_GetArraySize(expected);
	bool *used = calloc((size_t)n + 1, sizeof(*used));
	bool equal = n == cJSON_GetArraySize(got);

	must(used != NULL, "out of memory");
	for (const cJSON *item = got->child; equal && item != NULL; item = item->next) {
		int i = 0;
		const cJSON *other = expected->child;

		while (other != NULL && (used[i] || !json_equal(item, other))) {
			other = other->next;
			i++;
		}
		equal = other != NULL;
		used[equal ? i : n] = true;
	}
	free(used);
	return equal;
}

static bool equal_objects(const cJSON *got, const cJSON *expected)
{
	if (cJSON_GetArraySize(got) != cJSON_GetArraySize(expected))
		return false;
	for (const cJSON *item = expected->child; item != NULL; item = item->next) {
		const cJSON *other = cJSON_GetObjectItemCaseSensitive(got, item->string);
		bool ordered = strcmp(item->string, "cidrs") == 0 || strcmp(item->string, "exact") == 0;

		if (other == NULL || (ordered ? !cJSON_Compare(other, item, true) : !json_equal(other, item)))
			return false;
	}
	return true;
}

bool json_equal(const cJSON *got, const cJSON *expected)
{
	if (cJSON_IsArray(got) && cJSON_IsArray(expected))
		return equal_as_sets(got, expected);
	if (cJSON_IsObject(got) && cJSON_IsObject(expected))
		return equal_objects(got, expected);
	return cJSON_Compare(got, expected, true);
}

/* --- reporting --------------------------------------------------------------------------------------------------------------- */

void judge(struct run *run, const char *id, cJSON *got, const cJSON *expected)
{
	char *got_text;
	char *expected_text;

	if (json_equal(got, expected)) {
		run->passed++;
		cJSON_Delete(got);
		return;
	}
	got_text = cJSON_PrintUnformatted(got);
	expected_text = cJSON_PrintUnformatted(expected);
	printf("FAIL %s %s %s: got %s expected %s\n", run->file, run->suite, id, got_text, expected_text);
	run->failed++;
	free(got_text);
	free(expected_text);
	cJSON_Delete(got);
}

void broken(struct run *run, const char *id, const char *format, ...)
{
	va_list args;

	printf("FAIL %s %s %s: ", run->file, run->suite, id);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	run->failed++;
}

void skip(struct run *run, const char *id, const char *why)
{
	printf("SKIP %s %s %s: %s\n", run->file, run->suite, id, why);
	run->skipped++;
}

static bool is_word(const char *key, const char *words)
{
	size_t len = strlen(key);

	for (const char *at = strstr(words, key); at != NULL; at = strstr(at + 1, key)) {
		if ((at == words || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
			return true;
	}
	return false;
}

bool keys_known(struct run *run, const char *id, const cJSON *object, const char *words)
{
	for (const cJSON *item = object == NULL ? NULL : object->child; item != NULL; item = item->next) {
		if (!is_word(item->string, words)) {
			broken(run, id, "\"%s\" is not understood", item->string);
			return false;
		}
	}
	return true;
}

const char *id_of(const struct run *run, const cJSON *item)
{
	static char text[128];
	const char *id = get_text(item, "id");
	const cJSON *n = get(item, "n");

	if (id != NULL)
		return id;
	(void)snprintf(text, sizeof(text), "%s-%d", run->suite, n == NULL ? 0 : n->valueint);
	return text;
}

/* --- files ------------------------------------------------------------------------------------------------------------------- */

static char *read_all(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = malloc(FILE_MAX + 1);
	size_t len;

	must(text != NULL, "out of memory");
	must(file != NULL, path);
	len = fread(text, 1, FILE_MAX, file);
	must(len < FILE_MAX && ferror(file) == 0, path);
	(void)fclose(file);
	text[len] = '\0';
	return text;
}

static const struct suite *suite_named(const char *id)
{
	const struct suite *const lists[] = { allocator_suites, config_suites, controller_suites, layer2_suites };

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		for (const struct suite *suite = lists[i]; suite->id != NULL; suite++) {
			if (strcmp(suite->id, id) == 0)
				return suite;
		}
	}
	return NULL;
}

static void run_suite(struct run *run, const struct suite *suite, const cJSON *json)
{
	if (setjmp(escape) == 0) {
		in_suite = true;
		suite->run(run, json);
	} else {
		broken(run, "-", "%s; the rest of the suite is left out", reason);
	}
	in_suite = false;
}

static void run_file(struct run *run, const char *dir, const char *name)
{
	char path[4096];
	char *text;
	cJSON *json;
	const cJSON *suite;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	run->file = name;
	run->suite = "-";
	text = read_all(path);
	json = cJSON_Parse(text);
	free(text);
	if (!cJSON_IsArray(get(json, "suites")))
		broken(run, "-", "not JSON with a list of suites");
	cJSON_ArrayForEach(suite, get(json, "suites"))
	{
		const char *id = get_text(suite, "id");
		const struct suite *known = id == NULL ? NULL : suite_named(id);

		run->suite = id == NULL ? "-" : id;
		if (known == NULL)
			broken(run, "-", "a suite that is not understood");
		else
			run_suite(run, known, suite);
	}
	cJSON_Delete(json);
}

static char **list_files(const char *path, size_t *ret_n)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	char **names = NULL;

	must(dir != NULL, path);
	*ret_n = 0;
	while ((entry = readdir(dir)) != NULL) {
		size_t len = strlen(entry->d_name);

		if (len < 6 || strcmp(entry->d_name + len - 5, ".json") != 0)
			continue;
		names = realloc(names, (*ret_n + 1) * sizeof(*names));
		must(names != NULL, "out of memory");
		names[*ret_n] = strdup(entry->d_name);
		must(names[(*ret_n)++] != NULL, "out of memory");
	}
	(void)closedir(dir);
	if (*ret_n > 1)
		qsort(names, *ret_n, sizeof(*names), compare_texts);
	return names;
}

int main(int argc, char **argv)
{
	struct run run = { 0 };
	size_t n;
	char **names;

	if (argc != 2) {
		fprintf(stderr, "usage: run DIR\n");
		return 2;
	}
	names = list_files(argv[1], &n);
	for (size_t i = 0; i < n; i++) {
		run_file(&run, argv[1], names[i]);
		free(names[i]);
	}
	free(names);
	printf("%zu passed, %zu failed, %zu skipped\n", run.passed, run.failed, run.skipped);
	return run.failed > 0 || run.passed == 0;
}
