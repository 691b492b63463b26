/* SPDX-License-Identifier: Apache-2.0 */
/* kube/config.h: any text as a kubeconfig. What is taken is whole; a refusal says why; nothing of a token gets into a header line of its own. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kube/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(bool good)
{
	if (!good)
		abort();
}

static void check_secret(const struct kube_secret *secret)
{
	check(secret->data == NULL || secret->data[secret->len] == '\0');
	check(secret->path == NULL || secret->data == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct kube_config config = { 0 };
	struct kube_reason why;
	int r = kube_config_parse((const char *)data, len, "/f/x", NULL, &config, &why);

	check(r == 0 || r == -EINVAL);
	check(r == 0 || (why.text[0] != '\0' && config.server == NULL));
	if (r != 0)
		return 0;
	check(strncmp(config.server, "https://", 8) == 0 || strncmp(config.server, "http://", 7) == 0);
	check(config.server[strlen(config.server) - 1] != '/' && strpbrk(config.server, " \r\n") == NULL);
	check(config.namespace != NULL && config.origin != NULL);
	check(config.token.data == NULL || strpbrk(config.token.data, " \r\n") == NULL);
	check_secret(&config.authority);
	check_secret(&config.token);
	check_secret(&config.certificate);
	check_secret(&config.key);
	kube_config_free(&config);
	return 0;
}
