/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenario files: one run written by hand. A line is a setting or a fault; # begins a comment. `nodes` comes first.
 *
 *   nodes 3                            n1, n2, n3
 *   seconds 40                         length; the last 15 (or the later half) are calm: everything is healed
 *   profile lan | fast                 timers
 *   seeds 2                            only the first two are in everybody's `join`; default: all
 *   no-gate, no-guard                  hosts without nf_tables; daemons without a guard
 *   seal                               pass all packets through gossip/seal.h
 *   service 10.0.100.1 fd00:100::1     up to two addresses, then `rack a` or `rack b` (n1, n3, ... are in a)
 *   5.0 crash n1                       seconds, fault, what it takes: start, kill, stop, pause, resume, drain, undrain,
 *                                      link-down, link-up, refuse, accept, rebalance, gossip-cut,
 *                                      gossip-uncut, data-cut, data-uncut: a node
 *   7 cut n1 n2                        n1's packets to n2 are lost; uncut
 *   8 partition n1 n2                  these on one side; heal
 *   9 loss 20 n1 n2                    percent, all links or one direction of one; burst, duplicate, replay
 *   9.5 delay 5 20 n1                  base and jitter in ms, all packets or those of one node
 *   10 handover 10.0.100.1 n3
 *   11 lose n1 10.0.100.1              the kernel loses it for good
 *   12 service-off n1 1                the first service is gone from n1's configuration; service-on
 *   12 unfit n1 1                      its health check fails on n1; fit
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/plan.h"

#define WORD_MAX 12
#define LINE_MAX_LEN 256
#define SECONDS_DEFAULT 40

struct scenario {
	struct plan *plan; /* NULL until `nodes` */
	uint64_t seed;
	size_t word_n;
	char *words[WORD_MAX];
	const char *error; /* what is wrong with the line */
};

static int64_t parse_number(struct scenario *s, size_t word, double low, double high, double factor)
{
	char *end = NULL;
	double value = word < s->word_n ? strtod(s->words[word], &end) : -1;

	if (end == NULL || *end != '\0' || value < low || value > high) {
		s->error = "a number is missing or out of range";
		return 0;
	}
	return (int64_t)(value * factor + 0.5);
}

/* "n3" -> 2; `optional`: -1 when there is no such word. */
static int parse_node(struct scenario *s, size_t word, bool optional)
{
	char *end = NULL;
	long index;

	if (word >= s->word_n && optional)
		return -1;
	index = word < s->word_n && s->words[word][0] == 'n' ? strtol(s->words[word] + 1, &end, 10) : 0;
	if (end == NULL || *end != '\0' || index < 1 || (size_t)index > s->plan->node_n) {
		s->error = "a node (n1, n2, ...) is missing or unknown";
		return 0;
	}
	return (int)index - 1;
}

/* Index in the order of services and their addresses. */
static int64_t parse_address(struct scenario *s, size_t word)
{
	int64_t index = 0;
	struct ip ip;

	if (word < s->word_n && ip_parse(s->words[word], &ip) == 0) {
		for (size_t i = 0; i < s->plan->service_n; i++) {
			for (size_t j = 0; j < s->plan->services[i].address_n; j++, index++) {
				if (ip_equal(s->plan->services[i].addresses[j], ip))
					return index;
			}
		}
	}
	s->error = "an address of a service is missing";
	return 0;
}

static void parse_service(struct scenario *s)
{
	struct plan_service *service = &s->plan->services[s->plan->service_n];
	size_t word = 1;

	if (s->plan->service_n == SIM_SERVICE_MAX) {
		s->error = "too many services";
		return;
	}
	*service = (struct plan_service){ 0 };
	snprintf(service->name, sizeof(service->name), "s%zu", s->plan->service_n);
	while (word < s->word_n && service->address_n < 2 &&
	       ip_parse(s->words[word], &service->addresses[service->address_n]) == 0) {
		service->address_n++;
		word++;
	}
	if (word + 2 == s->word_n && strcmp(s->words[word], "rack") == 0) {
		service->selects = true;
		service->rack = s->words[word + 1][0];
		word += 2;
	}
	if (service->address_n == 0 || word != s->word_n)
		s->error = "service takes one or two addresses, then `rack a` or `rack b`";
	else
		s->plan->service_n++;
}

static void parse_setting(struct scenario *s)
{
	const char *key = s->words[0];

	if (s->plan == NULL && strcmp(key, "nodes") == 0) {
		size_t n = (size_t)parse_number(s, 1, 1, SIM_NODE_MAX, 1);

		s->plan = s->error == NULL ? plan_new(s->seed, 0, n, SECONDS_DEFAULT, false) : NULL;
		if (s->plan != NULL) {
			s->plan->fault_n--; /* the calm: added at the end */
			s->plan->service_n = 0;
			s->plan->profile = PLAN_LAN;
			s->plan->seed_n = n;
		}
	} else if (s->plan == NULL) {
		s->error = "the first line must be `nodes N`";
	} else if (strcmp(key, "seconds") == 0) {
		s->plan->end_us = parse_number(s, 1, 10, 86400, 1e6);
	} else if (strcmp(key, "profile") == 0 && s->word_n == 2) {
		s->plan->profile = strcmp(s->words[1], "fast") == 0 ? PLAN_FAST : PLAN_LAN;
	} else if (strcmp(key, "seeds") == 0) {
		s->plan->seed_n = (size_t)parse_number(s, 1, 1, (double)s->plan->node_n, 1);
	} else if (strcmp(key, "seal") == 0) {
		s->plan->seal = true;
	} else if (strcmp(key, "no-gate") == 0) {
		s->plan->gate = false;
	} else if (strcmp(key, "no-guard") == 0) {
		s->plan->guard = false;
	} else if (strcmp(key, "service") == 0) {
		parse_service(s);
	} else {
		s->error = "unknown setting";
	}
}

static void parse_mask(struct scenario *s, struct fault *fault)
{
	for (size_t i = 2; i < s->word_n; i++) {
		int node = parse_node(s, i, false);

		if (node >= SIM_MASK_MAX)
			s->error = "a partition can name the first nodes only";
		else
			fault->arg |= INT64_C(1) << node;
	}
}

static void parse_arguments(struct scenario *s, struct fault *fault)
{
	fault->a = -1;
	fault->b = -1;
	switch (fault->kind) {
	case FAULT_LOSS:
	case FAULT_BURST:
	case FAULT_DUPLICATE:
	case FAULT_REPLAY:
		fault->arg = parse_number(s, 2, 0, fault->kind == FAULT_BURST ? 90 : 100, 1e4);
		fault->a = parse_node(s, 3, true);
		fault->b = parse_node(s, 4, true);
		break;
	case FAULT_DELAY:
		fault->arg = parse_number(s, 2, 0, 10000, 1e3);
		fault->arg2 = parse_number(s, 3, 0, 10000, 1e3);
		fault->a = parse_node(s, 4, true);
		break;
	case FAULT_CUT:
	case FAULT_UNCUT:
		fault->a = parse_node(s, 2, false);
		fault->b = parse_node(s, 3, false);
		break;
	case FAULT_PARTITION:
		parse_mask(s, fault);
		break;
	case FAULT_HANDOVER:
		fault->arg = parse_address(s, 2);
		fault->b = parse_node(s, 3, false);
		break;
	case FAULT_LOSE:
		fault->a = parse_node(s, 2, false);
		fault->arg = parse_address(s, 3);
		break;
	case FAULT_UNFIT:
	case FAULT_FIT:
	case FAULT_SERVICE_OFF:
	case FAULT_SERVICE_ON:
		fault->a = parse_node(s, 2, false);
		fault->b = (int)parse_number(s, 3, 1, (double)s->plan->service_n, 1) - 1;
		break;
	case FAULT_HEAL:
	case FAULT_CALM:
		break;
	case FAULT_REBALANCE:
	case FAULT_PAUSE:
	case FAULT_RESUME:
	case FAULT_CRASH:
	case FAULT_KILL:
	case FAULT_GOSSIP_CUT:
	case FAULT_GOSSIP_UNCUT:
	case FAULT_DATA_CUT:
	case FAULT_DATA_UNCUT:
	case FAULT_STOP:
	case FAULT_START:
	case FAULT_LINK_DOWN:
	case FAULT_LINK_UP:
	case FAULT_DRAIN:
	case FAULT_UNDRAIN:
	case FAULT_REFUSE:
	case FAULT_ACCEPT:
		fault->a = parse_node(s, 2, false);
		break;
	}
}

static void parse_fault(struct scenario *s)
{
	struct fault fault = { .at_us = parse_number(s, 0, 0, 86400, 1e6) };
	int kind;

	if (s->plan == NULL || s->word_n < 2) {
		s->error = "a fault needs `nodes N` before it, and a name after its time";
		return;
	}
	for (kind = 0; kind < FAULT_CALM && strcmp(fault_kind_name((enum fault_kind)kind), s->words[1]) != 0; kind++)
		;
	if (kind == FAULT_CALM) {
		s->error = "unknown fault";
		return;
	}
	fault.kind = (enum fault_kind)kind;
	parse_arguments(s, &fault);
	if (s->error == NULL)
		plan_add(s->plan, fault);
}

static void parse_line(struct scenario *s, char *line)
{
	char *rest = NULL;

	s->word_n = 0;
	line[strcspn(line, "#\n")] = '\0';
	for (char *word = strtok_r(line, " \t", &rest); word != NULL && s->word_n < WORD_MAX;
	     word = strtok_r(NULL, " \t", &rest))
		s->words[s->word_n++] = word;
	if (s->word_n == 0)
		return;
	if (s->words[0][0] >= '0' && s->words[0][0] <= '9')
		parse_fault(s);
	else
		parse_setting(s);
}

/* Set the calm, and see that the run makes sense. */
static void finish(struct scenario *s)
{
	struct plan *plan = s->plan;

	if (plan == NULL || plan->service_n == 0) {
		s->error = "no nodes or no services";
		return;
	}
	plan->calm_us = plan->end_us - (plan->end_us >= 2 * SIM_CALM_US ? SIM_CALM_US : plan->end_us / 2);
	plan_add(plan, (struct fault){ .at_us = plan->calm_us, .kind = FAULT_CALM });
	plan_sort(plan);
	if (plan->faults[plan->fault_n - 1].kind != FAULT_CALM)
		s->error = "a fault comes after the calm has begun: raise `seconds`";
}

int plan_read(const char *path, uint64_t seed, struct plan **ret)
{
	struct scenario s = { .seed = seed };
	char line[LINE_MAX_LEN];
	unsigned int line_n = 0;
	FILE *file = fopen(path, "r");

	if (file == NULL) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -EINVAL;
	}
	while (s.error == NULL && fgets(line, sizeof(line), file) != NULL) {
		line_n++;
		parse_line(&s, line);
	}
	fclose(file);
	if (s.error == NULL)
		finish(&s);
	if (s.error != NULL) {
		fprintf(stderr, "%s:%u: %s\n", path, line_n, s.error);
		plan_free(s.plan);
		return -EINVAL;
	}
	*ret = s.plan;
	return 0;
}
