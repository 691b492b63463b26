/* SPDX-License-Identifier: Apache-2.0 */
/* ndp_decode: any bytes; what it accepts survives encoding and decoding, and encodes to the same bytes again. */
#include "ndp/packet.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ndp_packet packet, back;
	uint8_t first[NDP_PACKET_LEN_MAX], second[NDP_PACKET_LEN_MAX];
	size_t len;

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
