/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ndp_decode and ndp_frame_decode: any bytes; what they accept survives encoding and decoding, and encodes to the same bytes
 * again. A frame's answer is a frame that others accept.
 */
#include "ndp/frame.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_answer(const struct ndp_frame *question)
{
	const struct mac mac = { { 2, 0, 0, 0, 0, 1 } };
	struct ndp_frame answer = ndp_frame_answer(mac, question, true);
	struct ndp_frame back;
	uint8_t data[NDP_FRAME_LEN_MAX];
	size_t len = ndp_frame_encode(&answer, data);

	if (ndp_frame_decode(data, len, &back) != 0 || back.packet.kind != NDP_ADVERTISEMENT ||
	    !ip_equal(back.packet.target, question->packet.target))
		abort();
}

static void check_frame(const uint8_t *data, size_t size)
{
	struct ndp_frame frame, back;
	uint8_t first[NDP_FRAME_LEN_MAX], second[NDP_FRAME_LEN_MAX];
	size_t len;

	if (ndp_frame_decode(data, size, &frame) != 0)
		return;
	len = ndp_frame_encode(&frame, first);
	if (len > size || ndp_frame_decode(first, len, &back) != 0)
		abort();
	if (ndp_frame_encode(&back, second) != len || memcmp(first, second, len) != 0)
		abort();
	if (frame.packet.kind == NDP_SOLICITATION)
		check_answer(&frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ndp_packet packet, back;
	uint8_t first[NDP_PACKET_LEN_MAX], second[NDP_PACKET_LEN_MAX];
	size_t len;

	check_frame(data, size);
	if (ndp_decode(data, size, &packet) != 0)
		return 0;
	len = ndp_encode(&packet, first);
	if (len > size || ndp_decode(first, len, &back) != 0)
		abort();
	if (ndp_encode(&back, second) != len || memcmp(first, second, len) != 0)
		abort();
	if (!ip_equal(packet.target, back.target) || packet.kind != back.kind || packet.has_mac != back.has_mac)
		abort();
	return 0;
}
