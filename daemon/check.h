/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shell: health checks of services (`check` in mlbd.yaml(5)). The loop only sends jobs to a process that does them and reads what
 * comes back; see check_runner.h for that process, check_state.h for what results mean.
 *
 * The runner is started with the first check and ends with the last. At most CHECK_RUN_MAX checks run at once, the others wait in
 * order; a check never runs twice at once. A runner that dies or does not answer is replaced; what it had not done counts for
 * nothing. Every change is logged here: check service=… from=… to=… reason=….
 */
#ifndef MLB_DAEMON_CHECK_H
#define MLB_DAEMON_CHECK_H

#include <uv.h>

#include "daemon/check_message.h"
#include "daemon/check_state.h"
#include "daemon/config.h"

/* So long after its timeout the result of a run must be here; otherwise the runner hangs. */
#define CHECK_ANSWER_MS 1000

/* A runner that could not be started, or ended by itself, is started again after this. */
#define CHECK_RETRY_MS 1000

struct check; /* opaque */

struct check_status {
	bool passing;
	bool decided;	      /* there were results enough since the start */
	struct instant since; /* passing or not, since then */
	uint64_t passed_n, failed_n, late_n;
	unsigned int successes, failures; /* in a row */
	struct span took;		  /* the last run that said something */
	const char *text; /* of the last failure, or why the last run was late; borrowed; "" if there is none */
};

/*
 * All checks of a process use one loop. The configuration is copied. Not passing until it was found so. `changed` comes with the
 * first decision, whatever it is, and with each change; from the loop, never from within a call of this header; it may stop any
 * check, this one included. 0, -ENOENT (the user is not known here), -ENOMEM, or another negative errno.
 */
int check_start(uv_loop_t *loop, const char *service, const struct check_config *config,
		void (*changed)(void *arg, const char *service, bool passing, const char *why), void *arg,
		struct check **ret);
/* Another configuration for the same service: what is known stays until there are results. The errors of check_start. */
int check_change(struct check *c, const struct check_config *config);
/* Kills a run that is on; nothing is told any more. Memory goes when the loop has turned. NULL is fine. */
void check_stop(struct check *c);
bool check_passing(const struct check *c);
void check_status(const struct check *c, struct check_status *ret);
/* Would the one find what the other finds, at the same times? NULL: no check. */
bool check_config_equal(const struct check_config *a, const struct check_config *b);
/*
 * What only the running host can tell, of services for this node: a user who is not there or cannot be become; a command that is
 * not there, or that others could replace (as keepalived's script_security); a check that asks at a service address, and so
 * whoever holds it.
 */
void check_problems(const struct config *config, struct config_errors *errors);
/* Who runs it, by /etc/passwd alone: a directory service may take seconds to answer. 0 or -ENOENT. */
int check_user(const struct check_config *config, uint32_t *ret_uid, uint32_t *ret_gid);

#endif
