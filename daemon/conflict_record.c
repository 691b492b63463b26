/* SPDX-License-Identifier: Apache-2.0 */
/* The conflict core's memory: whose MAC is it, who was seen speaking for what, and who was told of it. */
#include "daemon/conflict_table.h"

#include <assert.h>
#include <stdlib.h>

#define FNV_SEED UINT64_C(0xc0f11c7)

static int compare_identities(const void *left, const void *right)
{
	const struct conflict_identity *l = left, *r = right;
	int order = mac_compare(l->mac, r->mac);

	if (order != 0)
		return order;
	if (l->live != r->live)
		return l->live ? -1 : 1;
	return (l->instance > r->instance) - (l->instance < r->instance);
}

void conflict_notes_members(struct conflict_notes *notes, const struct conflict_member *members, size_t n)
{
	assert(n <= MEMBER_MAX);
	notes->identity_n = 0;
	for (size_t i = 0; i < n; i++) {
		assert(members[i].mac_n <= SEGMENT_MAX);
		for (size_t j = 0; j < members[i].mac_n; j++) {
			/* interfaces without a hardware address (tunnels) tell nobody from anybody */
			if (!mac_is_zero(members[i].macs[j]))
				notes->identities[notes->identity_n++] =
					(struct conflict_identity){ members[i].macs[j], members[i].live,
								    members[i].instance };
		}
	}
	qsort(notes->identities, notes->identity_n, sizeof(notes->identities[0]), compare_identities);
}

enum conflict_who conflict_notes_who(const struct conflict_notes *notes, struct mac mac, uint64_t *ret_instance)
{
	const struct conflict_identity *all = notes->identities;
	size_t low = 0, high = notes->identity_n, last;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (mac_compare(all[middle].mac, mac) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*ret_instance = 0;
	if (low == notes->identity_n || !mac_equal(all[low].mac, mac))
		return CONFLICT_WHO_STRANGER;
	/* the former run of a node has the MACs of this one: only live ones contradict each other */
	for (last = low + 1; last < notes->identity_n && mac_equal(all[last].mac, mac) && all[last].live; last++) {
		if (all[last].instance != all[low].instance)
			return CONFLICT_WHO_AMBIGUOUS;
	}
	*ret_instance = all[low].instance;
	return all[low].live ? CONFLICT_WHO_MEMBER : CONFLICT_WHO_FORMER;
}

static uint64_t tag_of(struct ip ip, struct mac mac)
{
	return hash_bytes(hash_bytes(FNV_SEED + ip.family, ip.bytes, sizeof(ip.bytes)), mac.bytes, sizeof(mac.bytes));
}

/* A place for another note; where there is none, that of the one which was not seen for the longest time. */
static size_t make_room(struct conflict_notes *notes)
{
	size_t oldest = 0;

	if (notes->n < CONFLICT_RECORD_MAX)
		return notes->n++;
	for (size_t i = 1; i < notes->n; i++) {
		if (instant_before(notes->notes[i].record.last, notes->notes[oldest].record.last))
			oldest = i;
	}
	notes->elsewhere += notes->notes[oldest].suppressed;
	return oldest;
}

struct conflict_note *conflict_notes_take(struct conflict_notes *notes, struct ip ip, struct mac mac,
					  enum conflict_who who, uint64_t instance, struct instant now)
{
	uint64_t tag = tag_of(ip, mac);
	struct conflict_note *note;
	size_t i = 0;

	while (i < notes->n && (notes->tags[i] != tag || !ip_equal(notes->notes[i].record.ip, ip) ||
				!mac_equal(notes->notes[i].record.mac, mac)))
		i++;
	if (i == notes->n) {
		i = make_room(notes);
		notes->tags[i] = tag;
		notes->notes[i] = (struct conflict_note){ .record = { .ip = ip, .mac = mac, .first = now } };
	}
	note = &notes->notes[i];
	note->record.who = who;
	note->record.instance = instance;
	note->record.last = now;
	note->record.count++;
	notes->counts[who]++;
	return note;
}

void conflict_notes_report(struct conflict_notes *notes, struct conflict_note *note, struct instant now,
			   struct conflict_out *out)
{
	if (!instant_reached(note->report_after, now) || !bucket_has(&notes->reports, 1, now)) {
		note->suppressed++;
		return;
	}
	bucket_take(&notes->reports, 1);
	note->report_after = instant_add(now, span_s(CONFLICT_REPORT_S));
	assert(out->action_n < CONFLICT_ACTION_MAX);
	out->actions[out->action_n++] = (struct conflict_action){
		.kind = CONFLICT_ACTION_REPORT,
		.ip = note->record.ip,
		.record = note->record,
		.suppressed = note->suppressed,
		.elsewhere = notes->elsewhere,
	};
	note->suppressed = 0;
	notes->elsewhere = 0;
}

void conflict_notes_init(struct conflict_notes *notes)
{
	notes->reports = bucket_of(CONFLICT_REPORT_PER_S, CONFLICT_REPORT_BURST);
}
