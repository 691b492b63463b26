/* SPDX-License-Identifier: Apache-2.0 */
/* Measures, in virtual time, how long until a crashed owner is declared dead and its address is served again. */
#ifndef MLB_TESTS_SIM_DETECT_H
#define MLB_TESTS_SIM_DETECT_H

#include <stddef.h>
#include <stdint.h>

#include "tests/sim/plan.h"

/* Print one line: median and 99th percentile over run_n crashes among node_n. 0, or 1 when one was never noticed. */
int detect_measure(size_t node_n, size_t run_n, uint64_t seed, enum plan_profile profile, uint32_t loss_ppm);

#endif
