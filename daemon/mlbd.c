/* SPDX-License-Identifier: Apache-2.0 */
/* mlbd: command line. The daemon itself is daemon/app.c. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "daemon/app.h"
#include "daemon/check_runner.h"
#include "daemon/config.h"
#include "daemon/guard_process.h"
#include "daemon/log.h"
#include "daemon/privileges.h"
#include "daemon/syscall_filter.h"

#define DEFAULT_CONFIG "/etc/mlb/mlbd.yaml"

static void usage(FILE *to)
{
	fputs("usage: mlbd [--config FILE] [--log-level LEVEL]\n"
	      "       mlbd --check FILE\n"
	      "       mlbd --guard-listen PATH\n"
	      "       mlbd --version | --help\n"
	      "\n"
	      "  -c, --config FILE      configuration, default " DEFAULT_CONFIG "\n"
	      "      --check FILE       check a configuration, print every problem, and exit (0 good, 2 bad)\n"
	      "      --guard-listen PATH\n"
	      "                         be the guard of the daemons of this host that connect there\n"
	      "      --log-level LEVEL  error, warning, info (default) or debug\n"
	      "\n"
	      "See mlbd(8), mlbd.yaml(5) and mlbctl(1).\n",
	      to);
}

/* Load or print every problem. */
static struct config *load(const char *path)
{
	struct config_errors errors = { 0 };
	struct config *config = NULL;

	if (config_load(path, &config, &errors) != 0) {
		for (size_t i = 0; i < errors.error_n && i < CONFIG_ERROR_MAX; i++)
			fprintf(stderr, "%s\n", errors.texts[i]);
		if (errors.error_n > CONFIG_ERROR_MAX)
			fprintf(stderr, "%zu more errors\n", errors.error_n - CONFIG_ERROR_MAX);
	}
	config_errors_free(&errors);
	return config;
}

static int check(const char *path)
{
	struct config *config = load(path);

	if (config == NULL)
		return 2;
	printf("%s: good: %zu services, %zu peers\n", path, config->service_n, config->gossip.seed_n);
	config_free(config);
	return 0;
}

static int run(const char *path)
{
	struct config *config;
	int error;

	(void)signal(SIGPIPE, SIG_IGN);
	config = load(path);
	if (config == NULL)
		return 2;
	error = privileges_drop(PRIVILEGES_DAEMON);
	if (error != 0)
		log_warning("privileges result=kept error=\"%s\" reason=\"it has more rights than it needs\"",
			    strerror(-error));
	error = syscall_filter_enter(PRIVILEGES_DAEMON);
	if (error != 0)
		log_warning("syscall-filter result=refused error=\"%s\"", strerror(-error));
	return app_run(config);
}

int main(int argc, char **argv)
{
	enum { OPTION_CHECK = 256, OPTION_VERSION, OPTION_LOG_LEVEL };
	static const struct option options[] = { { "config", required_argument, NULL, 'c' },
						 { "check", required_argument, NULL, OPTION_CHECK },
						 { "log-level", required_argument, NULL, OPTION_LOG_LEVEL },
						 { "version", no_argument, NULL, OPTION_VERSION },
						 { "help", no_argument, NULL, 'h' },
						 { NULL, 0, NULL, 0 } };
	const char *path = DEFAULT_CONFIG;
	const char *check_path = NULL;
	enum log_level level = LOG_LEVEL_INFO;
	int option;

	if (guard_main_wanted(argc, argv))
		return guard_main(argc, argv);
	if (check_runner_wanted(argc, argv))
		return check_runner_main();
	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			path = optarg;
			break;
		case OPTION_CHECK:
			check_path = optarg;
			break;
		case OPTION_LOG_LEVEL:
			if (log_level_parse(optarg, &level) == 0)
				break;
			fprintf(stderr, "mlbd: --log-level: %s: use error, warning, info or debug\n", optarg);
			return 2;
		case OPTION_VERSION:
			puts("mlbd " MLB_VERSION);
			return 0;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "mlbd: unexpected argument %s\n", argv[optind]);
		usage(stderr);
		return 2;
	}
	if (sodium_init() < 0) {
		fputs("mlbd: libsodium does not start\n", stderr);
		return 1;
	}
	if (check_path != NULL)
		return check(check_path);
	log_init(level);
	return run(path);
}
