/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/kube_snapshot.c: the text of a plan. Its hash is put right first, or nothing would come past it. */
#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/kube_snapshot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char hash[16];
	struct snapshot *snapshot;
	char *text;

	if (sodium_init() < 0 || size > 65536 || (text = malloc(size + 64)) == NULL)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	crypto_generichash(hash, sizeof(hash), data, size, NULL, 0);
	memcpy(text + size, "end ", 4);
	sodium_bin2hex(text + size + 4, 33, hash, sizeof(hash));
	strcpy(text + size + 36, "\n");
	if (snapshot_parse(text, size + 37, CLAIM_NONE, &snapshot) == 0)
		snapshot_free(snapshot);
	return 0;
}
