/* SPDX-License-Identifier: Apache-2.0 */
/* claim_key_decode and claim_value_decode: [key length][key][value]; what they accept encodes and decodes to the same again. */
#include "election/election.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void try_key(const uint8_t *key, size_t len)
{
	uint8_t again[CLAIM_KEY_LEN_MAX];
	struct ip ip;
	int result = claim_key_decode(key, len, &ip);

	check(result == 0 || result == -EBADMSG || result == -ENOENT);
	if (result != 0)
		return;
	check(claim_key_encode(ip, again) == len);
	check(memcmp(again, key, len) == 0);
}

static void try_value(const uint8_t *value, size_t len)
{
	uint8_t again[CLAIM_VALUE_LEN];
	struct claim claim;
	struct claim decoded;
	int result = claim_value_decode(value, len, &claim);

	check(result == 0 || result == -EBADMSG);
	if (result != 0)
		return;
	check(len >= CLAIM_VALUE_LEN);
	check(claim.state >= CLAIM_HELD && claim.state <= CLAIM_GIVEN_UP);
	claim_value_encode(&claim, again);
	check(claim_value_decode(again, sizeof(again), &decoded) == 0);
	check(claim.epoch == decoded.epoch && claim.majority == decoded.majority && claim.state == decoded.state &&
	      claim.successor == decoded.successor);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t key_len;

	if (size == 0)
		return 0;
	key_len = data[0] < size - 1 ? data[0] : size - 1;
	try_key(data + 1, key_len);
	try_value(data + 1 + key_len, size - 1 - key_len);
	return 0;
}
