/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the daemon and the process that runs health checks tell each other, one message a datagram: jobs one way, results the other.
 * Both ends are the same program; the bounds are checked all the same.
 */
#ifndef MLB_DAEMON_CHECK_MESSAGE_H
#define MLB_DAEMON_CHECK_MESSAGE_H

#include "base/addr.h"
#include "base/limits.h"
#include "daemon/config.h"

/* What is kept of a run for the log: the end of what a command wrote to standard error, and what happened to it. */
#define CHECK_TAIL_MAX 200
#define CHECK_TEXT_MAX (CHECK_TAIL_MAX + 40)

/* The longest job: its command, with 2 bytes for the length of each argument, and what stands before it. */
#define CHECK_MESSAGE_MAX (CHECK_COMMAND_MAX + 2 * CHECK_ARG_MAX + SERVICE_NAME_MAX + 64)

enum check_order { CHECK_ORDER_RUN, CHECK_ORDER_STOP };

/* A run of a check, as decoded. */
struct check_job {
	enum check_order order;
	uint32_t check_id; /* of the check: it has one run at a time */
	uint32_t run_id;   /* never again the same */
	/* The rest is for CHECK_ORDER_RUN. */
	enum check_kind kind;
	struct span timeout;
	uint32_t uid, gid; /* to be */
	char service[SERVICE_NAME_MAX + 1];
	char *args[CHECK_ARG_MAX + 1]; /* into texts, ended by a NULL */
	struct ip ip;
	uint16_t port;
	uint16_t status_low, status_high;
	bool insecure;
	char texts[CHECK_COMMAND_MAX + CHECK_URL_MAX + 2]; /* arguments; or the URL, which is args[0] */
};

struct check_result {
	uint32_t run_id;
	enum check_outcome outcome;
	char text[CHECK_TEXT_MAX + 1]; /* for people; empty where there is nothing to say */
};

/* A job from a configuration, without run_id. The length, or -EMSGSIZE. */
int check_job_encode(const struct check_config *config, const char *service, uint32_t check_id, uint32_t uid,
		     uint32_t gid, uint8_t *out, size_t cap);
int check_stop_encode(uint32_t check_id, uint8_t *out, size_t cap);
/* Put the number of a run into an encoded job. */
void check_job_number(uint8_t *job, uint32_t run_id);
/* 0 or -EBADMSG. The job points into itself: it must not be copied. */
int check_job_decode(const uint8_t *data, size_t len, struct check_job *ret);
int check_result_encode(const struct check_result *result, uint8_t *out, size_t cap);
int check_result_decode(const uint8_t *data, size_t len, struct check_result *ret);

#endif
