/* SPDX-License-Identifier: Apache-2.0 */
/* The profiles: sets of timers that fit together. docs/BENCHMARKS.md has what each costs and gives. */
#include "gossip/gossip.h"

/*
 * A crash is known after T_s - U(0, h) + T_v: 223 ms in the middle, 235 ms at most. Six heartbeats may go missing in a row
 * before anybody asks, and verification spans four more and ten pings each way.
 */
void gossip_timers_lan(struct gossip_timers *timers)
{
	*timers = (struct gossip_timers){ .probe_interval = span_ms(500),
					  .probe_timeout = span_ms(100),
					  .suspicion = span_s(1),
					  .gossip_interval = span_ms(20),
					  .sync_interval = span_s(2),
					  .redial_interval = span_ms(50),
					  .join_timeout = span_s(2),
					  .reap_after = span_s(24 * 3600),
					  .beat_interval = span_ms(25),
					  .silence = span_ms(135),
					  .verify = span_ms(100),
					  .relay_n = 3,
					  .fanout = 3,
					  .retransmit_mult = 4 };
}

/* For hosts with time to spare and real-time priority: 28 to 33 ms, at five times the packets. */
void gossip_timers_fast(struct gossip_timers *timers)
{
	gossip_timers_lan(timers);
	timers->probe_interval = span_ms(200);
	timers->probe_timeout = span_ms(50);
	timers->suspicion = span_ms(700);
	timers->gossip_interval = span_ms(5);
	timers->redial_interval = span_ms(20);
	timers->join_timeout = span_s(1);
	timers->beat_interval = span_ms(5);
	timers->silence = span_ms(18);
	timers->verify = span_ms(15);
}

/* A tenth of the packets of `lan`, for clusters where seconds do not matter. */
void gossip_timers_quiet(struct gossip_timers *timers)
{
	gossip_timers_lan(timers);
	timers->probe_interval = span_s(2);
	timers->probe_timeout = span_ms(300);
	timers->suspicion = span_s(4);
	timers->gossip_interval = span_ms(100);
	timers->sync_interval = span_s(20);
	timers->redial_interval = span_ms(500);
	timers->join_timeout = span_s(4);
	timers->beat_interval = span_ms(250);
	timers->silence = span_s(1);
	timers->verify = span_ms(500);
}

/* Round trips of up to 400 ms and paths that change under way. */
void gossip_timers_wan(struct gossip_timers *timers)
{
	gossip_timers_quiet(timers);
	timers->probe_interval = span_s(3);
	timers->probe_timeout = span_ms(1000);
	timers->suspicion = span_s(6);
	timers->gossip_interval = span_ms(200);
	timers->join_timeout = span_s(5);
	timers->silence = span_s(2);
	timers->verify = span_ms(1500);
}

bool gossip_timers_equal(const struct gossip_timers *a, const struct gossip_timers *b)
{
	return a->probe_interval.us == b->probe_interval.us && a->probe_timeout.us == b->probe_timeout.us &&
	       a->suspicion.us == b->suspicion.us && a->gossip_interval.us == b->gossip_interval.us &&
	       a->sync_interval.us == b->sync_interval.us && a->redial_interval.us == b->redial_interval.us &&
	       a->join_timeout.us == b->join_timeout.us && a->reap_after.us == b->reap_after.us &&
	       a->beat_interval.us == b->beat_interval.us && a->silence.us == b->silence.us &&
	       a->verify.us == b->verify.us && a->relay_n == b->relay_n && a->fanout == b->fanout &&
	       a->retransmit_mult == b->retransmit_mult;
}
