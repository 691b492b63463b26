/* SPDX-License-Identifier: Apache-2.0 */
/* scale: command line of the simulator for large clusters. swarm.h says what is simulated, experiment.h what is measured. */
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "tests/scale/experiment.h"

static const struct {
	const char *name;
	experiment *run;
} experiments[] = {
	{ "detect", experiment_detect },   { "mass", experiment_mass },		  { "false", experiment_false },
	{ "link", experiment_link },	   { "pause", experiment_pause },	  { "lifeguard", experiment_lifeguard },
	{ "load", experiment_load },	   { "partition", experiment_partition }, { "flap", experiment_flap },
	{ "rolling", experiment_rolling }, { "storm", experiment_storm },	  { "speed", experiment_speed },
	{ "hash", experiment_hash },
};

static void usage(FILE *to)
{
	fputs("usage: scale EXPERIMENT [n=100] [seed=1] [profile=lan|fast|quiet|wan] [loss=PERCENT] [burst=PERCENT] "
	      "[drift=PPM]\n"
	      "             [runs=20] [hours=1] [troubled=8] [blocked=MS] [normal=MS] [kind=KIND] [cold=1] [median=MS] "
	      "[p99=MS]\n"
	      "             [json=FILE]\n"
	      "       scale list FILE    one experiment per line; prints `N passed, N failed` at the end\n"
	      "\nexperiments:",
	      to);
	for (size_t i = 0; i < sizeof(experiments) / sizeof(experiments[0]); i++)
		fprintf(to, " %s", experiments[i].name);
	fputc('\n', to);
}

const char *profile_name(const struct swarm_config *config)
{
	static const char *const names[] = { "lan", "fast", "quiet", "wan" };

	return names[config->profile];
}

const char *loss_text(const struct swarm_config *config, char *out, size_t cap)
{
	if (config->burst_ppm > 0)
		snprintf(out, cap, "%u %% loss in bursts", config->burst_ppm / 10000);
	else
		snprintf(out, cap, "%u %% loss", config->loss_ppm / 10000);
	return out;
}

static int compare(const void *left, const void *right)
{
	const int64_t *a = left;
	const int64_t *b = right;

	return *a < *b ? -1 : *a > *b;
}

int64_t percentile(int64_t *values, size_t n, unsigned int per_mille)
{
	size_t at = (n * per_mille + 999) / 1000;

	qsort(values, n, sizeof(*values), compare);
	return n == 0 ? -1 : values[at > 0 ? at - 1 : 0];
}

int report(const struct options *options, const char *name, bool passed, const char *text, const char *fields)
{
	FILE *file = options->json != NULL ? fopen(options->json, "a") : NULL;

	printf("%s %-9s %s [seed %llu]\n", passed ? "PASS" : "FAIL", name, text,
	       (unsigned long long)options->swarm.seed);
	fflush(stdout);
	if (file != NULL) {
		fprintf(file,
			"{\"experiment\":\"%s\",\"nodes\":%zu,\"profile\":\"%s\",\"lossPpm\":%u,\"burstPpm\":%u,"
			"\"passed\":%s,%s}\n",
			name, options->swarm.n, profile_name(&options->swarm), options->swarm.loss_ppm,
			options->swarm.burst_ppm, passed ? "true" : "false", fields);
		fclose(file);
	}
	return !passed;
}

static bool set_number(struct options *o, const char *key, double value)
{
	if (strcmp(key, "n") == 0)
		o->swarm.n = (size_t)value;
	else if (strcmp(key, "seed") == 0)
		o->swarm.seed = (uint64_t)value;
	else if (strcmp(key, "loss") == 0)
		o->swarm.loss_ppm = (uint32_t)(value * 10000);
	else if (strcmp(key, "burst") == 0)
		o->swarm.burst_ppm = (uint32_t)(value * 10000);
	else if (strcmp(key, "drift") == 0)
		o->swarm.drift_ppm = (int64_t)value;
	else if (strcmp(key, "runs") == 0)
		o->runs = (size_t)value;
	else if (strcmp(key, "hours") == 0)
		o->hours = value;
	else if (strcmp(key, "troubled") == 0)
		o->troubled = (size_t)value;
	else if (strcmp(key, "blocked") == 0)
		o->blocked_ms = (int64_t)value;
	else if (strcmp(key, "normal") == 0)
		o->normal_ms = (int64_t)value;
	else if (strcmp(key, "cold") == 0)
		o->swarm.cold = value > 0;
	else if (strcmp(key, "median") == 0)
		o->median_ms = (int64_t)value;
	else if (strcmp(key, "p99") == 0)
		o->p99_ms = (int64_t)value;
	else
		return false;
	return true;
}

/* key=value; false: it makes no sense. The text is cut at the sign. */
static bool set(struct options *o, char *word)
{
	static const char *const profiles[] = { "lan", "fast", "quiet", "wan" };
	char *value = strchr(word, '=');
	char *end = NULL;
	double number;

	if (value == NULL || value[1] == '\0')
		return false;
	*value++ = '\0';
	if (strcmp(word, "kind") == 0 || strcmp(word, "json") == 0) {
		*(strcmp(word, "kind") == 0 ? &o->kind : &o->json) = value;
		return true;
	}
	for (size_t i = 0; strcmp(word, "profile") == 0 && i < 4; i++) {
		if (strcmp(value, profiles[i]) != 0)
			continue;
		o->swarm.profile = (enum profile)i;
		return true;
	}
	number = strtod(value, &end);
	return *end == '\0' && number >= 0 && set_number(o, word, number);
}

static int run(char **words, size_t word_n)
{
	struct options options = { .swarm = { .n = 100, .seed = 1 },
				   .runs = 20,
				   .hours = 1,
				   .troubled = 8,
				   .blocked_ms = 1000,
				   .normal_ms = 1000,
				   .kind = "both" };

	for (size_t i = 1; i < word_n; i++) {
		if (!set(&options, words[i])) {
			fprintf(stderr, "scale: cannot understand `%s`\n", words[i]);
			return 2;
		}
	}
	if (options.swarm.n < 2 || options.swarm.n > MEMBER_MAX - 8 || options.runs == 0) {
		fputs("scale: n is 2 to 10232, runs at least 1\n", stderr);
		return 2;
	}
	for (size_t i = 0; i < sizeof(experiments) / sizeof(experiments[0]); i++) {
		if (strcmp(words[0], experiments[i].name) == 0)
			return experiments[i].run(&options);
	}
	usage(stderr);
	return 2;
}

/* Lines of experiment and options; # begins a comment. */
static int run_list(const char *path)
{
	FILE *file = fopen(path, "r");
	char line[512];
	size_t passed = 0;
	size_t failed = 0;

	if (file == NULL) {
		perror(path);
		return 2;
	}
	while (fgets(line, sizeof(line), file) != NULL) {
		char *words[32];
		size_t word_n = 0;
		char *rest = NULL;

		line[strcspn(line, "#\n")] = '\0';
		for (char *word = strtok_r(line, " \t", &rest); word != NULL && word_n < 32;
		     word = strtok_r(NULL, " \t", &rest))
			words[word_n++] = word;
		if (word_n == 0)
			continue;
		if (run(words, word_n) == 0)
			passed++;
		else
			failed++;
	}
	fclose(file);
	printf("scale: %zu passed, %zu failed\n", passed, failed);
	return failed > 0 || passed == 0;
}

int main(int argc, char **argv)
{
	if (argc < 2 || strcmp(argv[1], "--help") == 0) {
		usage(argc < 2 ? stderr : stdout);
		return argc < 2 ? 2 : 0;
	}
	if (sodium_init() < 0)
		return 1;
	if (argc == 3 && strcmp(argv[1], "list") == 0)
		return run_list(argv[2]);
	return run(argv + 1, (size_t)argc - 1);
}
