/* SPDX-License-Identifier: Apache-2.0 */
/* sim: command line of the simulator. world.c explains how it works, plan.c its faults, check.h what it checks. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sodium.h>

#include "tests/sim/detect.h"
#include "tests/sim/sweep.h"

#define REGRESSIONS "tests/sim/regressions.txt"

/* Every so many seeds are run twice. */
#define TWICE_EVERY 8

/* A sweep of so many seeds and all classes must reach every mark. */
#define MARKS_SEED_MIN 100

/* Failing seeds that are shrunk; the rest are named only. */
#define SHRINK_MAX 5

#define DETECT_RUNS 200

struct options {
	struct run_spec spec; /* seed: the first */
	uint64_t seed_n;
	struct world_options world;
	const char *regressions;
	bool regressions_set;
	size_t detect_n; /* crashes to measure; 0: do not */
	uint32_t detect_loss_ppm;
	enum plan_profile detect_profile;
};

struct tally {
	uint64_t passed;
	uint64_t failed;
	uint64_t shrunk;
	int64_t virtual_s;
	int64_t overlap_longest_us;
	uint64_t overlap_seed;
	size_t sent_most;
	struct marks marks;
};

static void usage(FILE *to)
{
	fputs("usage: sim [--seeds N] [--start SEED] [--seconds 60] [--nodes N] [--classes LIST] [--seal]\n"
	      "           [--verbose] [--trace FILE] [--scenario FILE] [--regressions FILE]\n"
	      "       sim --detect N [--loss PERCENT] [--profile lan|fast] [--nodes N]\n"
	      "\n"
	      "  --classes LIST      fault classes, comma-separated, `all` or `none`; default: each seed chooses\n"
	      "  --verbose           faults, members and owners as they change\n"
	      "  --trace FILE        also every packet\n"
	      "  --regressions FILE  seeds that failed once, always run; default " REGRESSIONS "\n"
	      "  --detect N          measure detection and outage over N crashes (0: 200) of 3, 5, 10 and 100 nodes\n"
	      "\nclasses:",
	      to);
	for (int i = 0; i < CLASS_N; i++)
		fprintf(to, " %s", fault_class_name((enum fault_class)i));
	fputc('\n', to);
}

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static bool parse_u64(const char *text, uint64_t *ret)
{
	char *end = NULL;

	errno = 0;
	*ret = strtoull(text, &end, 10);
	return errno == 0 && end != text && *end == '\0';
}

enum option_id {
	OPTION_SEEDS = 1,
	OPTION_START,
	OPTION_SECONDS,
	OPTION_NODES,
	OPTION_CLASSES,
	OPTION_SEAL,
	OPTION_VERBOSE,
	OPTION_TRACE,
	OPTION_SCENARIO,
	OPTION_REGRESSIONS,
	OPTION_DETECT,
	OPTION_LOSS,
	OPTION_PROFILE,
	OPTION_HELP,
};

static const struct option long_options[] = {
	{ "seeds", required_argument, NULL, OPTION_SEEDS },
	{ "start", required_argument, NULL, OPTION_START },
	{ "seconds", required_argument, NULL, OPTION_SECONDS },
	{ "nodes", required_argument, NULL, OPTION_NODES },
	{ "classes", required_argument, NULL, OPTION_CLASSES },
	{ "seal", no_argument, NULL, OPTION_SEAL },
	{ "verbose", no_argument, NULL, OPTION_VERBOSE },
	{ "trace", required_argument, NULL, OPTION_TRACE },
	{ "scenario", required_argument, NULL, OPTION_SCENARIO },
	{ "regressions", required_argument, NULL, OPTION_REGRESSIONS },
	{ "detect", required_argument, NULL, OPTION_DETECT },
	{ "loss", required_argument, NULL, OPTION_LOSS },
	{ "profile", required_argument, NULL, OPTION_PROFILE },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

static bool take_option(struct options *options, int option, const char *text)
{
	uint64_t number = 0;
	bool numeric = text != NULL && parse_u64(text, &number);

	switch (option) {
	case OPTION_SEEDS:
		options->seed_n = number;
		return numeric && number > 0;
	case OPTION_START:
		options->spec.seed = number;
		return numeric;
	case OPTION_SECONDS:
		options->spec.seconds = (int64_t)number;
		return numeric && number >= 10 && number <= 86400;
	case OPTION_NODES:
		options->spec.node_n = number;
		return numeric && number >= 1 && number <= SIM_NODE_MAX;
	case OPTION_CLASSES:
		options->spec.classes_set = true;
		return plan_classes_parse(text, &options->spec.classes) == 0;
	case OPTION_SEAL:
		options->spec.seal = true;
		return true;
	case OPTION_VERBOSE:
		options->world.verbose = true;
		return true;
	case OPTION_TRACE:
		options->world.trace = fopen(text, "w");
		return options->world.trace != NULL;
	case OPTION_SCENARIO:
		options->spec.scenario = text;
		options->seed_n = 1;
		return true;
	case OPTION_REGRESSIONS:
		options->regressions = text;
		options->regressions_set = true;
		return true;
	case OPTION_DETECT:
		options->detect_n = number > 0 ? number : DETECT_RUNS;
		return numeric;
	case OPTION_LOSS:
		options->detect_loss_ppm = (uint32_t)number * 10000;
		return numeric && number < 100;
	case OPTION_PROFILE:
		options->detect_profile = strcmp(text, "fast") == 0 ? PLAN_FAST : PLAN_LAN;
		return strcmp(text, "fast") == 0 || strcmp(text, "lan") == 0;
	default:
		return false;
	}
}

/* 0, 1 (help was asked for), or -EINVAL. */
static int parse_options(struct options *options, int argc, char **argv)
{
	int option;

	optind = 0;
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (option == OPTION_HELP)
			return 1;
		if (!take_option(options, option, optarg)) {
			if (option != '?')
				fprintf(stderr, "sim: bad value `%s`\n", optarg != NULL ? optarg : "");
			return -EINVAL;
		}
	}
	return optind == argc ? 0 : -EINVAL;
}

static void report_failure(struct tally *tally, const struct run_spec *spec, const struct run_result *result)
{
	struct run_spec smaller = *spec;
	struct run_result outcome = *result;
	char command[512];

	printf("FAIL seed %llu at %.6f s: %s\n     replay: %s\n", (unsigned long long)spec->seed,
	       (double)result->failed_us / 1e6, result->failure, run_command(spec, command, sizeof(command)));
	if (spec->scenario != NULL || tally->shrunk++ >= SHRINK_MAX)
		return;
	run_shrink(&smaller, &outcome);
	printf("     smaller: %s --verbose\n     at %.6f s: %s\n", run_command(&smaller, command, sizeof(command)),
	       (double)outcome.failed_us / 1e6, outcome.failure);
}

static int run_one(struct tally *tally, const struct run_spec *spec, const struct world_options *options, bool twice)
{
	struct run_result result;
	int error = (twice ? run_twice : run_once)(spec, options, &result, &tally->marks);

	if (error != 0)
		return error;
	tally->virtual_s += spec->seconds;
	if (result.overlap_longest_us > tally->overlap_longest_us) {
		tally->overlap_longest_us = result.overlap_longest_us;
		tally->overlap_seed = spec->seed;
	}
	if (result.sent_most > tally->sent_most)
		tally->sent_most = result.sent_most;
	if (result.failed) {
		tally->failed++;
		report_failure(tally, spec, &result);
	} else {
		tally->passed++;
	}
	fflush(stdout);
	return 0;
}

/* A line of the file holds the arguments of one run; # begins a comment. */
static int run_regressions(struct tally *tally, const struct options *options)
{
	char line[512];
	FILE *file = fopen(options->regressions, "r");

	if (file == NULL) {
		fprintf(stderr, "sim: %s: %s\n", options->regressions, strerror(errno));
		return options->regressions_set ? -EINVAL : 0;
	}
	while (fgets(line, sizeof(line), file) != NULL) {
		struct options one = { .seed_n = 1, .spec = { .seconds = 60 }, .world = { .checked = true } };
		char *words[32] = { line };
		char *rest = NULL;
		int word_n = 1;

		line[strcspn(line, "#\n")] = '\0';
		for (char *word = strtok_r(line, " \t", &rest); word != NULL && word_n < 31;
		     word = strtok_r(NULL, " \t", &rest))
			words[word_n++] = word;
		if (word_n == 1)
			continue;
		if (parse_options(&one, word_n, words) != 0 || run_one(tally, &one.spec, &one.world, true) != 0) {
			fprintf(stderr, "sim: %s: a line cannot be understood\n", options->regressions);
			fclose(file);
			return -EINVAL;
		}
	}
	fclose(file);
	return 0;
}

static int sweep(const struct options *options)
{
	struct tally tally = { 0 };
	struct run_spec spec = options->spec;
	double begin = seconds_now();
	double taken;
	bool full = options->seed_n >= MARKS_SEED_MIN && !options->spec.classes_set;

	if (options->seed_n > 1 || options->regressions_set) {
		if (run_regressions(&tally, options) != 0)
			return 2;
	}
	for (uint64_t i = 0; i < options->seed_n; i++) {
		spec.seed = options->spec.seed + i;
		if (run_one(&tally, &spec, &options->world, options->seed_n > 1 && i % TWICE_EVERY == 0) != 0)
			return 2;
	}
	taken = seconds_now() - begin;
	if (options->seed_n > 1)
		marks_print(&tally.marks, stdout);
	if (full && marks_missing(&tally.marks, stdout) > 0)
		tally.failed++;
	printf("longest time with two owners that hear each other: %.1f ms (seed %llu)\n",
	       (double)tally.overlap_longest_us / 1e3, (unsigned long long)tally.overlap_seed);
	printf("most packets of one node within %d ms: %zu\n", SENT_WINDOW_US / 1000, tally.sent_most);
	printf("%lld virtual seconds in %.1f s: %.0f times as fast as real time\n", (long long)tally.virtual_s, taken,
	       (double)tally.virtual_s / (taken > 0 ? taken : 1));
	printf("sim: %llu passed, %llu failed\n", (unsigned long long)tally.passed, (unsigned long long)tally.failed);
	return tally.failed > 0 ? 1 : 0;
}

static int detect(const struct options *options)
{
	static const size_t sizes[] = { 3, 5, 10, 100 };
	uint32_t loss_ppm = options->detect_loss_ppm;
	int failed = 0;

	if (options->spec.node_n > 0)
		return detect_measure(options->spec.node_n, options->detect_n, options->spec.seed,
				      options->detect_profile, loss_ppm);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		failed |= detect_measure(sizes[i], options->detect_n, options->spec.seed, options->detect_profile,
					 loss_ppm);
		fflush(stdout);
	}
	return failed;
}

int main(int argc, char **argv)
{
	struct options options = {
		.spec = { .seed = 1, .seconds = 60 },
		.seed_n = 200,
		.world = { .checked = true },
		.regressions = REGRESSIONS,
	};
	int status = parse_options(&options, argc, argv);

	if (status != 0) {
		usage(status > 0 ? stdout : stderr);
		return status > 0 ? 0 : 2;
	}
	if (sodium_init() < 0) {
		fputs("sim: libsodium does not start\n", stderr);
		return 1;
	}
	status = options.detect_n > 0 ? detect(&options) : sweep(&options);
	if (options.world.trace != NULL)
		fclose(options.world.trace);
	return status;
}
