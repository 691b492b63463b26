/* SPDX-License-Identifier: Apache-2.0 */
/* arp_decode: any bytes; what it accepts encodes to the same bytes again. */
#include "arp/packet.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arp_packet packet;
	uint8_t frame[ARP_FRAME_LEN];

	if (arp_decode(data, size, &packet) != 0)
		return 0;
	arp_encode(&packet, frame);
	if (memcmp(frame, data, sizeof(frame)) != 0)
		abort();
	return 0;
}
