/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/check_message.h"

#include <errno.h>
#include <string.h>

#include "base/wire.h"

/* Where the number of the run is in a job: behind the order and the number of the check. */
#define RUN_ID_AT 5

static int finish(const struct wire_writer *w)
{
	return w->failed ? -EMSGSIZE : (int)w->len;
}

static void write_long_text(struct wire_writer *w, const char *text)
{
	size_t len = strlen(text);

	if (len > UINT16_MAX)
		w->failed = true;
	wire_write_u16(w, (uint16_t)len);
	wire_write_bytes(w, text, len);
}

/*
 *  order u8 | check u32 | run u32 | kind u8 | timeout u32, milliseconds | uid u32 | gid u32 | service: length u8, text
 *  command: number u8, each length u16 and text
 *  http:    URL length u16, text | ip | lowest u16 | highest u16 | insecure u8
 *  tcp:     ip | port u16
 */
int check_job_encode(const struct check_config *config, const char *service, uint32_t check_id, uint32_t uid,
		     uint32_t gid, uint8_t *out, size_t cap)
{
	struct wire_writer w = wire_writer_of(out, cap);

	wire_write_u8(&w, CHECK_ORDER_RUN);
	wire_write_u32(&w, check_id);
	wire_write_u32(&w, 0);
	wire_write_u8(&w, (uint8_t)config->kind);
	wire_write_u32(&w, (uint32_t)(config->timing.timeout.us / 1000));
	wire_write_u32(&w, uid);
	wire_write_u32(&w, gid);
	wire_write_text(&w, service);
	switch (config->kind) {
	case CHECK_COMMAND:
		wire_write_u8(&w, (uint8_t)config->arg_n);
		for (size_t i = 0; i < config->arg_n; i++)
			write_long_text(&w, config->args[i]);
		break;
	case CHECK_HTTP:
		write_long_text(&w, config->http.url);
		wire_write_ip(&w, config->http.ip);
		wire_write_u16(&w, config->http.status_low);
		wire_write_u16(&w, config->http.status_high);
		wire_write_u8(&w, config->http.insecure);
		break;
	case CHECK_TCP:
		wire_write_ip(&w, config->tcp.ip);
		wire_write_u16(&w, config->tcp.port);
		break;
	}
	return finish(&w);
}

int check_stop_encode(uint32_t check_id, uint8_t *out, size_t cap)
{
	struct wire_writer w = wire_writer_of(out, cap);

	wire_write_u8(&w, CHECK_ORDER_STOP);
	wire_write_u32(&w, check_id);
	wire_write_u32(&w, 0);
	return finish(&w);
}

void check_job_number(uint8_t *job, uint32_t run_id)
{
	struct wire_writer w = wire_writer_of(job + RUN_ID_AT, sizeof(run_id));

	wire_write_u32(&w, run_id);
}

/* The next text, at texts + *at. NULL: it is not there, or too long. */
static char *read_long_text(struct wire_reader *r, struct check_job *job, size_t *at)
{
	size_t len = wire_read_u16(r);
	const uint8_t *view = wire_read_view(r, len);
	char *text = job->texts + *at;

	if (view == NULL || len >= sizeof(job->texts) - *at || memchr(view, '\0', len) != NULL) {
		wire_fail(r);
		return NULL;
	}
	memcpy(text, view, len);
	text[len] = '\0';
	*at += len + 1;
	return text;
}

static void read_command(struct wire_reader *r, struct check_job *job)
{
	size_t n = wire_read_u8(r);
	size_t at = 0;

	if (n == 0 || n > CHECK_ARG_MAX) {
		wire_fail(r);
		return;
	}
	for (size_t i = 0; i < n; i++)
		job->args[i] = read_long_text(r, job, &at);
}

static void read_http(struct wire_reader *r, struct check_job *job)
{
	size_t at = 0;

	job->args[0] = read_long_text(r, job, &at);
	job->ip = wire_read_ip(r);
	job->status_low = wire_read_u16(r);
	job->status_high = wire_read_u16(r);
	job->insecure = wire_read_u8(r) != 0;
}

static void read_run(struct wire_reader *r, struct check_job *job)
{
	uint8_t kind = wire_read_u8(r);

	job->kind = (enum check_kind)kind;
	job->timeout = span_ms(wire_read_u32(r));
	job->uid = wire_read_u32(r);
	job->gid = wire_read_u32(r);
	wire_read_text(r, job->service, sizeof(job->service));
	if (kind == CHECK_COMMAND) {
		read_command(r, job);
	} else if (kind == CHECK_HTTP) {
		read_http(r, job);
	} else if (kind == CHECK_TCP) {
		job->ip = wire_read_ip(r);
		job->port = wire_read_u16(r);
	} else {
		wire_fail(r);
	}
}

int check_job_decode(const uint8_t *data, size_t len, struct check_job *ret)
{
	struct wire_reader r = wire_reader_of(data, len);
	uint8_t order = wire_read_u8(&r);

	memset(ret->args, 0, sizeof(ret->args));
	ret->order = (enum check_order)order;
	ret->check_id = wire_read_u32(&r);
	ret->run_id = wire_read_u32(&r);
	if (order == CHECK_ORDER_RUN)
		read_run(&r, ret);
	else if (order != CHECK_ORDER_STOP)
		wire_fail(&r);
	return r.failed || wire_left(&r) > 0 ? -EBADMSG : 0;
}

int check_result_encode(const struct check_result *result, uint8_t *out, size_t cap)
{
	struct wire_writer w = wire_writer_of(out, cap);

	wire_write_u32(&w, result->run_id);
	wire_write_u8(&w, (uint8_t)result->outcome);
	wire_write_text(&w, result->text);
	return finish(&w);
}

int check_result_decode(const uint8_t *data, size_t len, struct check_result *ret)
{
	struct wire_reader r = wire_reader_of(data, len);
	uint8_t outcome;

	ret->run_id = wire_read_u32(&r);
	outcome = wire_read_u8(&r);
	wire_read_text(&r, ret->text, sizeof(ret->text));
	ret->outcome = (enum check_outcome)outcome;
	return r.failed || wire_left(&r) > 0 || outcome > CHECK_LATE ? -EBADMSG : 0;
}
