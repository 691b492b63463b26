/* SPDX-License-Identifier: Apache-2.0 */
/* base/meta.c: metadata as another node may send it. What decodes encodes, and to the same meaning. */
#include <stdlib.h>
#include <string.h>

#include "base/meta.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(bool good)
{
	if (!good)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	/* More than META_LEN_MAX: the decoder takes all that fits the struct. */
	uint8_t first[4096], second[4096];
	struct meta meta, again;
	int first_len, second_len;

	if (meta_decode(data, len, &meta) != 0)
		return 0;
	first_len = meta_encode(&meta, first, sizeof(first));
	check(first_len > 0);
	check(meta_decode(first, (size_t)first_len, &again) == 0);
	second_len = meta_encode(&again, second, sizeof(second));
	check(second_len == first_len && memcmp(first, second, (size_t)first_len) == 0);
	return 0;
}
