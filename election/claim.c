/* SPDX-License-Identifier: Apache-2.0 */
/* A claim as a replicated item (docs/PROTOCOL.md, "Claims"): key = 'c', address; value = state, flags, epoch, successor. */
#include <errno.h>

#include "base/wire.h"
#include "election/election.h"

#define CLAIM_KEY_TAG 'c'
#define CLAIM_MAJORITY 0x01u

/* No cluster counts so far; above it the next epoch might wrap. */
#define CLAIM_EPOCH_MAX (UINT64_MAX / 2)

size_t claim_key_encode(struct ip ip, uint8_t key[CLAIM_KEY_LEN_MAX])
{
	struct wire_writer w = wire_writer_of(key, CLAIM_KEY_LEN_MAX);

	wire_write_u8(&w, CLAIM_KEY_TAG);
	wire_write_ip(&w, ip);
	return w.len;
}

int claim_key_decode(const uint8_t *key, size_t len, struct ip *ret)
{
	struct wire_reader r = wire_reader_of(key, len);
	struct ip ip;

	if (wire_read_u8(&r) != CLAIM_KEY_TAG)
		return -ENOENT;
	ip = wire_read_ip(&r);
	if (r.failed || wire_left(&r) > 0 || ip.family == IP_NONE)
		return -EBADMSG;
	*ret = ip;
	return 0;
}

void claim_value_encode(const struct claim *claim, uint8_t value[CLAIM_VALUE_LEN])
{
	struct wire_writer w = wire_writer_of(value, CLAIM_VALUE_LEN);

	wire_write_u8(&w, (uint8_t)claim->state);
	wire_write_u8(&w, claim->majority ? CLAIM_MAJORITY : 0);
	wire_write_u64(&w, claim->epoch);
	wire_write_u64(&w, claim->successor);
}

int claim_value_decode(const uint8_t *value, size_t len, struct claim *ret)
{
	struct wire_reader r = wire_reader_of(value, len);
	struct claim claim = { 0 };

	claim.state = wire_read_u8(&r);
	claim.majority = wire_read_u8(&r) & CLAIM_MAJORITY;
	claim.epoch = wire_read_u64(&r);
	claim.successor = wire_read_u64(&r);
	if (r.failed || claim.epoch > CLAIM_EPOCH_MAX || claim.state < CLAIM_HELD || claim.state > CLAIM_GIVEN_UP)
		return -EBADMSG;
	*ret = claim;
	return 0;
}
