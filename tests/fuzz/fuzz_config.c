/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/config*.c: a configuration file of any content. Either a whole configuration or at least one error comes out. */
#include <stdlib.h>
#include <string.h>

#include "daemon/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(bool good)
{
	if (!good)
		abort();
}

/* What the rest of the daemon relies on. */
static void check_config(const struct config *config)
{
	struct election_service *services = config_election_services(config, NULL, 0);

	check(config->node.name[0] != '\0' && config->control.socket != NULL);
	check(config->gossip.insecure != (config->gossip.key_file != NULL));
	check(config->gossip.timers.probe_timeout.us < config->gossip.timers.probe_interval.us);
	check(config->gossip.timers.beat_interval.us * 3 <= config->gossip.timers.silence.us);
	check(config->gossip.port != 0 && config->gossip.seed_n <= SEED_MAX && config->gossip.bind_n <= PATH_MAX_N);
	for (size_t i = 0; i < config->gossip.bind_n; i++)
		check(config->gossip.binds[i] != NULL);
	check((config->gossip.witness == CONFIG_WITNESS_ADDRESS) == (config->gossip.witness_ip.family != IP_NONE));
	check(config->process.realtime_priority >= 0 && config->process.realtime_priority <= 99);
	for (size_t i = 0; i < config->service_n; i++) {
		check(services[i].name != NULL && services[i].address_n > 0);
		check(services[i].interface_n <= SERVICE_INTERFACE_MAX && services[i].selector_n <= SELECTOR_MAX);
		(void)label_selectors_match(services[i].selectors, services[i].selector_n, &config->node.labels);
	}
	free(services);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct config_errors errors = { 0 };
	struct config *config = NULL;
	int r = config_parse("fuzz.yaml", (const char *)data, len, false, &config, &errors);

	check((r == 0) == (config != NULL) && (r == 0) == (errors.error_n == 0));
	for (size_t i = 0; i < errors.error_n && i < CONFIG_ERROR_MAX; i++)
		check(strncmp(errors.texts[i], "fuzz.yaml:", 10) == 0 && strchr(errors.texts[i], '\n') == NULL);
	if (config != NULL)
		check_config(config);
	config_errors_free(&errors);
	config_free(config);
	return 0;
}
