/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/lease.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "kube/status.h"

const struct lease_config lease_defaults = {
	.duration = { 15 * INT64_C(1000000) },
	.renew = { 10 * INT64_C(1000000) },
	.retry = { 2 * INT64_C(1000000) },
};

/* Attempts of those who wait come after the retry time and up to so many tenths of it more (client-go's JitterFactor 1.2). */
#define JITTER_TENTHS 12

/* Conflicts in a row after which we look again at once. */
#define CONFLICT_MAX 3

static bool valid_text(const char *text)
{
	size_t len = text == NULL ? 0 : strnlen(text, LEASE_NAME_MAX + 1);

	if (len == 0 || len > LEASE_NAME_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		if (text[i] <= 0x20 || text[i] >= 0x7f || text[i] == '"' || text[i] == '\\')
			return false;
	return true;
}

bool lease_config_valid(const struct lease_config *config)
{
	return valid_text(config->namespace) && valid_text(config->name) && valid_text(config->identity) &&
	       config->duration.us > config->renew.us && config->duration.us % 1000000 == 0 &&
	       config->renew.us * 10 > config->retry.us * JITTER_TENTHS && config->retry.us > 0;
}

void lease_init(struct lease *lease, const struct lease_config *config, uint64_t seed, struct instant now)
{
	assert(lease_config_valid(config));
	*lease = (struct lease){ .config = *config, .rng = rng_of(seed), .due = now, .release_until = INSTANT_NEVER };
}

static struct instant hold_end(const struct lease *lease)
{
	return instant_add(lease->renewed, lease->config.renew);
}

bool lease_held(const struct lease *lease, struct instant now)
{
	return lease->held && !lease->releasing && !instant_reached(hold_end(lease), now);
}

struct instant lease_deadline(const struct lease *lease)
{
	struct instant t = lease->busy ? INSTANT_NEVER : lease->due;

	if (lease->held && !lease->releasing)
		t = instant_min(t, hold_end(lease));
	if (lease->releasing)
		t = instant_min(t, lease->release_until);
	return t;
}

const char *lease_holder(const struct lease *lease)
{
	return lease->holder;
}

static bool ours(const struct lease *lease)
{
	return lease->seen && strcmp(lease->holder, lease->config.identity) == 0;
}

/* May we take it? Nobody has it, or who has it has not renewed for as long as its record says, by our clock. */
static bool free_to_take(const struct lease *lease, struct instant now)
{
	return lease->holder[0] == '\0' || ours(lease) ||
	       instant_reached(instant_add(lease->changed, span_s(lease->duration_s)), now);
}

/* Civil date of days since 1970 (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms": civil_from_days). */
static void format_time(int64_t wall_us, char buf[LEASE_TIME_MAX + 1])
{
	int64_t seconds = wall_us / 1000000, days = seconds / 86400 + 719468, second = seconds % 86400;
	int64_t era = days / 146097, doe = days % 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
	int64_t month = mp < 10 ? mp + 3 : mp - 9, year = yoe + era * 400 + (month <= 2);

	/* The remainders are what the compiler cannot know: two digits are enough. */
	snprintf(buf, LEASE_TIME_MAX + 1, "%04u-%02u-%02uT%02u:%02u:%02u.%06uZ", (unsigned int)year % 10000u,
		 (unsigned int)month % 100u, (unsigned int)(doy - (153 * mp + 2) / 5 + 1) % 100u,
		 (unsigned int)(second / 3600) % 100u, (unsigned int)(second / 60 % 60) % 100u,
		 (unsigned int)(second % 60) % 100u, (unsigned int)(wall_us % 1000000) % 1000000u);
}

/* The record that says: we hold it, or: nobody does. */
static void write_body(struct lease *lease, int64_t wall_us, bool hold)
{
	const struct lease_config *c = &lease->config;
	bool mine = ours(lease);
	int64_t transitions = lease->transitions + (hold && !mine && !lease->missing ? 1 : 0);
	char now[LEASE_TIME_MAX + 1], metadata[2 * LEASE_NAME_MAX + 64];
	const char *acquired;
	int n;

	format_time(wall_us, now);
	acquired = hold && mine && lease->acquire_time[0] != '\0' ? lease->acquire_time : now;
	snprintf(metadata, sizeof(metadata), "{\"name\":\"%s\",\"namespace\":\"%s\"}", c->name, c->namespace);
	n = snprintf(
		lease->body, sizeof(lease->body),
		"{\"apiVersion\":\"coordination.k8s.io/v1\",\"kind\":\"Lease\",\"metadata\":%.*s,\"spec\":{"
		"\"holderIdentity\":\"%s\",\"leaseDurationSeconds\":%lld,\"acquireTime\":\"%s\",\"renewTime\":\"%s\","
		"\"leaseTransitions\":%lld}}",
		lease->missing ? (int)strlen(metadata) : (int)lease->metadata_len,
		lease->missing ? metadata : lease->metadata, hold ? c->identity : "",
		hold ? (long long)(c->duration.us / 1000000) : 1LL, acquired, now, (long long)transitions);
	assert(n > 0 &&
	       (size_t)n < sizeof(lease->body)); /* metadata is half of it at most, names a few hundred bytes */
}

/* What to ask now: to take, renew or give up, or how things stand. */
static enum lease_method method_now(const struct lease *lease, struct instant now)
{
	if (lease->missing && !lease->releasing)
		return LEASE_CREATE;
	if (!lease->fresh)
		return LEASE_GET;
	if (lease->releasing)
		return LEASE_UPDATE;
	return free_to_take(lease, now) ? LEASE_UPDATE : LEASE_GET;
}

bool lease_next(struct lease *lease, struct instant now, int64_t wall_us, struct lease_request *ret)
{
	enum lease_method method;

	if (lease->held && instant_reached(hold_end(lease), now))
		lease->held = false;
	if (lease->busy || !instant_reached(lease->due, now) || lease_released(lease, now))
		return false;
	method = method_now(lease, now);
	lease->body[0] = '\0';
	if (method != LEASE_GET)
		write_body(lease, wall_us, !lease->releasing);
	lease->busy = true;
	lease->asked = method;
	lease->asked_at = now;
	lease->asked_to_hold = method != LEASE_GET && !lease->releasing;
	lease->claimed |= lease->asked_to_hold;
	/* Half of the time that we may act without an answer: a second attempt must fit in. */
	*ret = (struct lease_request){ method, span_us(lease->config.renew.us / 2), lease->body, strlen(lease->body) };
	return true;
}

/* Note the record of a Lease; false: it is none. */
static bool read_record(struct lease *lease, struct instant now, const char *body, size_t len)
{
	struct json_span object = json_span_of(body, len);
	struct json_span metadata = json_span_field(object, "metadata"), spec = json_span_field(object, "spec");
	char holder[LEASE_NAME_MAX + 1], renew_time[LEASE_TIME_MAX + 1];
	int64_t duration_s = json_span_integer(json_span_field(spec, "leaseDurationSeconds"), 0, 86400, 15);
	int64_t transitions = json_span_integer(json_span_field(spec, "leaseTransitions"), 0, INT32_MAX, 0);

	/* It goes back as a text: a zero would end it. */
	if (metadata.at == NULL || memchr(metadata.at, '\0', metadata.len) != NULL ||
	    !json_span_is(json_span_field(object, "kind"), "Lease"))
		return false;
	/* A holder that is too long is somebody else; its renewals show by their time. */
	if (json_span_text(json_span_field(spec, "holderIdentity"), holder, sizeof(holder)) == -EMSGSIZE)
		snprintf(holder, sizeof(holder), "?");
	(void)json_span_text(json_span_field(spec, "renewTime"), renew_time, sizeof(renew_time));
	if (!lease->seen || strcmp(holder, lease->holder) != 0 || strcmp(renew_time, lease->renew_time) != 0 ||
	    duration_s != lease->duration_s || transitions != lease->transitions)
		lease->changed = now;
	memcpy(lease->holder, holder, sizeof(holder));
	memcpy(lease->renew_time, renew_time, sizeof(renew_time));
	(void)json_span_text(json_span_field(spec, "acquireTime"), lease->acquire_time, sizeof(lease->acquire_time));
	lease->duration_s = duration_s;
	lease->transitions = transitions;
	lease->seen = true;
	lease->missing = false;
	lease->claimed = ours(lease);
	lease->fresh = metadata.len <= sizeof(lease->metadata);
	lease->metadata_len = lease->fresh ? metadata.len : 0;
	memcpy(lease->metadata, metadata.at, lease->metadata_len);
	snprintf(lease->error, sizeof(lease->error), "%s", lease->fresh ? "" : "the lease's metadata is too long");
	return true;
}

static void try_again(struct lease *lease, struct instant now, bool soon)
{
	struct span retry = lease->config.retry;

	if (soon) {
		lease->due = now;
		return;
	}
	if (lease->held || lease->releasing)
		lease->due = instant_add(now, retry);
	else
		lease->due = instant_add(
			now, span_us(retry.us + rng_between(&lease->rng, 0, retry.us * JITTER_TENTHS / 10)));
}

static void answered_write(struct lease *lease, struct instant now)
{
	lease->held = lease->asked_to_hold && ours(lease);
	if (lease->held)
		lease->renewed = lease->asked_at;
	lease->conflict_n = 0;
	try_again(lease, now, lease->releasing && lease->claimed);
}

static void answered_get(struct lease *lease, struct instant now)
{
	/* Somebody else's now: whatever we thought, we do not act. Ours: it counts from our write, which may have got through. */
	if (!ours(lease))
		lease->held = false;
	try_again(lease, now, lease->fresh && (lease->releasing || free_to_take(lease, now)));
}

static void refused(struct lease *lease, struct instant now, int code, const char *body, size_t len, const char *why)
{
	struct api_status status;
	bool conflict = code == 409 && ++lease->conflict_n <= CONFLICT_MAX;

	if (code == 0)
		snprintf(lease->error, sizeof(lease->error), "%s", why);
	else {
		api_status_parse(body, len, code, &status);
		snprintf(lease->error, sizeof(lease->error), "%d %s%s%.200s", code, status.reason,
			 status.reason[0] == '\0' ? "" : ": ", status.message);
	}
	/* Whether a write without an answer was taken, and what is there after a conflict: look. */
	lease->fresh = lease->missing = false;
	if (code == 404 && lease->asked == LEASE_GET) {
		lease->missing = true;
		lease->held = lease->seen = lease->claimed = false;
		lease->holder[0] = '\0';
		lease->transitions = 0;
		lease->error[0] = '\0';
	}
	try_again(lease, now, lease->missing || conflict || (lease->held && code == 0));
	if (lease->held && code == 0) /* not in a tight loop where connecting fails at once */
		lease->due = instant_add(now, span_us(lease->config.retry.us / 4));
}

void lease_answer(struct lease *lease, struct instant now, int code, const char *body, size_t len, const char *why)
{
	assert(lease->busy);
	lease->busy = false;
	if (code < 200 || code > 299) {
		refused(lease, now, code, body, len, why);
		return;
	}
	if (!read_record(lease, now, body, len)) {
		refused(lease, now, 0, body, len, "the answer is no Lease");
		return;
	}
	if (lease->asked == LEASE_GET)
		answered_get(lease, now);
	else
		answered_write(lease, now);
}

void lease_release(struct lease *lease, struct instant now)
{
	if (lease->releasing)
		return;
	lease->releasing = true;
	lease->release_until = instant_add(now, lease->config.renew);
	lease->due = now;
}

bool lease_released(const struct lease *lease, struct instant now)
{
	if (!lease->releasing)
		return false;
	if (instant_reached(lease->release_until, now))
		return true;
	return !lease->busy && !lease->claimed;
}
