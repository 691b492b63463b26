/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs and results of health checks, as the two processes decode them. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/check_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct check_job job;
	struct check_result result;
	uint8_t again[CHECK_TEXT_MAX + 16];

	if (check_job_decode(data, size, &job) == 0) {
		size_t n = 0;

		while (job.args[n] != NULL)
			n += strlen(job.args[n]) < sizeof(job.texts);
		if (n > CHECK_ARG_MAX || strlen(job.service) > SERVICE_NAME_MAX)
			abort();
	}
	if (check_result_decode(data, size, &result) == 0 &&
	    (strlen(result.text) > CHECK_TEXT_MAX || check_result_encode(&result, again, sizeof(again)) < 0))
		abort();
	return 0;
}
