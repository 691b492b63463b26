/* SPDX-License-Identifier: Apache-2.0 */
/* gossip/seal.c: a datagram from anyone, the text of a key file, and that what is packed can be opened. */
#include <sodium.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "gossip/seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(bool good)
{
	if (!good)
		abort();
}

/* Three keys: 0..31, and two whose ids are the same (bytes all 9, bytes all 11). */
static struct seal_ring make_ring(void)
{
	struct seal_ring ring = { .key_n = 3 };
	uint8_t bytes[SEAL_KEY_LEN];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	seal_key_init(&ring.keys[0], bytes);
	memset(bytes, 9, sizeof(bytes));
	seal_key_init(&ring.keys[1], bytes);
	memset(bytes, 11, sizeof(bytes));
	seal_key_init(&ring.keys[2], bytes);
	return ring;
}

static void open_datagram(const struct seal_ring *ring, const uint8_t *data, size_t len)
{
	static uint8_t body[PACKET_LEN_MAX];
	struct seal_header header = { 0 };
	size_t body_len = SIZE_MAX;
	enum gossip_drop drop = seal_open(ring, 0x2122232425262728u, data, len, &header, body, sizeof(body), &body_len);

	check(drop != GOSSIP_DROP_NONE ? body_len == SIZE_MAX && header.sender == 0 : body_len == len - SEAL_OVERHEAD);
}

static void round_trip(const struct seal_ring *ring, const uint8_t *data, size_t len)
{
	static uint8_t datagram[PACKET_LEN_MAX], body[PACKET_LEN_MAX];
	struct seal_header header = { .sender = 1, .receiver = len % 2, .counter = len }, opened;
	size_t body_len;
	int packed = seal_pack(ring, &header, data, len, datagram, sizeof(datagram));

	if (packed < 0) {
		check(len + SEAL_OVERHEAD > sizeof(datagram));
		return;
	}
	check(seal_open(ring, 1, datagram, (size_t)packed, &opened, body, sizeof(body), &body_len) == GOSSIP_DROP_NONE);
	check(body_len == len && memcmp(body, data, len) == 0);
	check(opened.sender == 1 && opened.receiver == len % 2 && opened.counter == len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct seal_ring ring, parsed;
	unsigned int line;

	if (sodium_init() < 0)
		return 0;
	ring = make_ring();
	open_datagram(&ring, data, len);
	if (len > 0)
		round_trip(&ring, data, len);
	if (seal_ring_parse((const char *)data, len, &parsed, &line) == 0)
		check(parsed.key_n > 0 && parsed.key_n <= KEY_MAX);
	else
		check(line <= len + 1);
	return 0;
}
