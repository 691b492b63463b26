/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which node cannot serve which service, by its own word: its health check failed there. A node is fit for whatever it does not
 * say this of. Services are meant by the hash of their names, as in the item that carries the word (docs/PROTOCOL.md, "Fitness").
 */
#include <errno.h>
#include <string.h>

#include "base/rng.h"
#include "base/wire.h"
#include "election/internal.h"

#define FITNESS_KEY_TAG 'u'

size_t fitness_key_encode(uint64_t service, uint8_t key[FITNESS_KEY_LEN])
{
	struct wire_writer w = wire_writer_of(key, FITNESS_KEY_LEN);

	wire_write_u8(&w, FITNESS_KEY_TAG);
	wire_write_u64(&w, service);
	return w.len;
}

int fitness_key_decode(const uint8_t *key, size_t len, uint64_t *ret)
{
	struct wire_reader r = wire_reader_of(key, len);
	uint64_t service;

	if (wire_read_u8(&r) != FITNESS_KEY_TAG)
		return -ENOENT;
	service = wire_read_u64(&r);
	if (r.failed || wire_left(&r) > 0)
		return -EBADMSG;
	*ret = service;
	return 0;
}

uint64_t fitness_service(const char *name)
{
	return hash_text(0, name);
}

static uint32_t *chain_of(const struct election *e, uint64_t service, uint64_t origin)
{
	return &e->unfit_heads[(size_t)hash_mix(service ^ hash_mix(origin)) & (e->unfit_heads_len - 1)];
}

/* Where the chain holds the entry, or ends. */
static uint32_t *place_of(const struct election *e, uint64_t service, uint64_t origin)
{
	uint32_t *at = chain_of(e, service, origin);

	while (*at != SLOT_NONE && (e->unfits[*at].service != service || e->unfits[*at].origin != origin))
		at = &e->unfits[*at].next;
	return at;
}

bool fit_for(const struct election *e, const struct node *node, const struct election_service *service)
{
	return e->unfit_n == 0 || *place_of(e, fitness_service(service->name), node->instance) == SLOT_NONE;
}

void fitness_init(struct election *e)
{
	memset(e->unfit_heads, 0xff, e->unfit_heads_len * sizeof(*e->unfit_heads));
	for (size_t i = 0; i < e->unfit_max; i++)
		e->unfits[i].next = i + 1 < e->unfit_max ? (uint32_t)(i + 1) : SLOT_NONE;
	e->unfit_say_at = e->unfit_max;
}

/* --- changes ---------------------------------------------------------------------------------------------------------- */

static void changed(struct election *e)
{
	placement_fitness(e);
	look_at_all(e);
}

/* Whatever others say, there is room for what we have to say ourselves. */
static bool unfit_add(struct election *e, uint64_t service, uint64_t origin)
{
	size_t room = e->unfit_max - (origin == e->config.instance ? 0 : CHECK_MAX);
	uint32_t *head = chain_of(e, service, origin);
	uint32_t slot = e->unfit_free;

	if (e->unfit_n >= room)
		return false;
	e->unfit_free = e->unfits[slot].next;
	e->unfits[slot] = (struct unfit){ service, origin, *head };
	*head = slot;
	e->unfit_n++;
	return true;
}

static void unfit_remove(struct election *e, uint32_t *at)
{
	uint32_t slot = *at;

	*at = e->unfits[slot].next;
	e->unfits[slot] = (struct unfit){ .next = e->unfit_free };
	e->unfit_free = slot;
	e->unfit_n--;
}

static void say(struct election *e, uint64_t service, bool fit)
{
	struct election_action *action = act(e, ELECTION_ACTION_FITNESS, (struct ip){ 0 });

	action->fitness.service = service;
	action->fitness.fit = fit;
}

void fitness_take(struct election *e, uint64_t origin, uint64_t service, bool fit)
{
	uint32_t *at = place_of(e, service, origin);

	if (fit == (*at == SLOT_NONE))
		return;
	if (fit)
		unfit_remove(e, at);
	else if (!unfit_add(e, service, origin))
		return;
	if (origin == e->config.instance)
		say(e, service, fit);
	changed(e);
}

void fitness_forget(struct election *e, uint64_t origin)
{
	size_t before = e->unfit_n;

	for (size_t i = 0; i < e->unfit_max && e->unfit_n > 0; i++) {
		if (e->unfits[i].origin == origin)
			unfit_remove(e, place_of(e, e->unfits[i].service, origin));
	}
	if (e->unfit_n != before)
		changed(e);
}

void fitness_rename(struct election *e, uint64_t from, uint64_t to)
{
	for (size_t i = 0; i < e->unfit_max && e->unfit_n > 0; i++) {
		struct unfit *unfit = &e->unfits[i];
		uint64_t service = unfit->service;

		if (unfit->origin != from)
			continue;
		unfit_remove(e, place_of(e, service, from));
		(void)unfit_add(e, service, to); /* there is room: one has just gone */
	}
	e->unfit_say_at = 0;
	changed(e);
}

void fitness_say_again(struct election *e)
{
	for (; e->unfit_say_at < e->unfit_max && act_room(e); e->unfit_say_at++) {
		const struct unfit *unfit = &e->unfits[e->unfit_say_at];

		if (e->unfit_n > 0 && unfit->origin == e->config.instance)
			say(e, unfit->service, false);
	}
}
