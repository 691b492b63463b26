/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: thousands of groups
 *
 * The kernel has no limit on groups, but charges each to its socket (net.core.optmem_max: 20 kB before Linux 6.9, some hundred
 * groups), so there are as many sockets as it takes. A join walks the lists of the socket and of the interface: ten thousand
 * at once would hold the caller's loop, and so would leaving them. So both wait in a queue, and meanwhile the interface takes all multicast, which costs
 * one call. Only switches that snoop keep what is not joined yet from us; and who has heard the announcement need not ask.
 */
#include "ndp/groups.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/rng.h"
#include "ndp/socket.h"

#define HASH_FUNCTION(key, len, hash) ((hash) = (unsigned int)hash_bytes(0, (key), (len)))
#include <uthash.h>
#include <utlist.h>

/* Enough for ADDRESS_MAX groups of 20 kB / 64 bytes to each socket. */
#define SOCKET_MAX 64

#define NOT_JOINED (-1)

struct group_key {
	uint32_t ifindex;
	struct ip group;
};

struct link {
	uint32_t ifindex; /* key */
	size_t group_n;
	size_t missing_n; /* of them not joined */
	bool takes_all;
	UT_hash_handle hh;
};

struct group {
	struct group_key key; /* zeroed before it is filled: hashed as bytes */
	struct link *link;    /* borrowed; lives while it has groups */
	size_t address_n;
	int place;   /* which socket has joined it, or NOT_JOINED */
	bool queued; /* in `waiting`, to be joined or, without addresses, left */
	struct group *prev, *next;
	UT_hash_handle hh;
};

struct ndp_groups {
	int packet_fd;	       /* borrowed */
	struct group *groups;  /* owned hash */
	struct group *waiting; /* queue, of groups in the hash */
	struct link *links;    /* owned hash */
	size_t missing_n;
	size_t socket_n;
	int sockets[SOCKET_MAX]; /* owned */
	bool full[SOCKET_MAX];
};

struct ndp_groups *ndp_groups_new(int packet_fd)
{
	struct ndp_groups *g = calloc(1, sizeof(*g));

	if (g != NULL)
		g->packet_fd = packet_fd;
	return g;
}

static struct group *group_find(const struct ndp_groups *g, uint32_t ifindex, struct ip ip, struct group_key *key)
{
	struct group *group;

	memset(key, 0, sizeof(*key));
	key->ifindex = ifindex;
	key->group = ndp_solicited_node(ip);
	HASH_FIND(hh, g->groups, key, sizeof(*key), group);
	return group;
}

/* Let all multicast in while a group is missing. */
static void link_update(struct ndp_groups *g, struct link *link)
{
	bool wanted = link->missing_n > 0;

	if (link->takes_all == wanted)
		return;
	link->takes_all = wanted;
	(void)ndp_socket_all_groups(g->packet_fd, link->ifindex, wanted); /* fails when the interface is gone */
}

static struct link *link_get(struct ndp_groups *g, uint32_t ifindex)
{
	struct link *link;

	HASH_FIND(hh, g->links, &ifindex, sizeof(ifindex), link);
	if (link != NULL)
		return link;
	link = calloc(1, sizeof(*link));
	if (link == NULL)
		return NULL;
	link->ifindex = ifindex;
	HASH_ADD(hh, g->links, ifindex, sizeof(link->ifindex), link);
	return link;
}

static void link_put(struct ndp_groups *g, struct link *link)
{
	if (link->group_n > 0)
		return;
	HASH_DEL(g->links, link);
	free(link);
}

static void enqueue(struct ndp_groups *g, struct group *group)
{
	if (!group->queued)
		DL_APPEND(g->waiting, group);
	group->queued = true;
}

static void dequeue(struct ndp_groups *g, struct group *group)
{
	if (group->queued)
		DL_DELETE(g->waiting, group);
	group->queued = false;
}

int ndp_groups_join(struct ndp_groups *g, uint32_t ifindex, struct ip ip)
{
	struct group_key key;
	struct group *group = group_find(g, ifindex, ip, &key);
	struct link *link;

	if (group != NULL) {
		group->address_n++;
		return 0;
	}
	link = link_get(g, ifindex);
	group = link != NULL ? calloc(1, sizeof(*group)) : NULL;
	if (group == NULL) {
		if (link != NULL)
			link_put(g, link);
		return -ENOMEM;
	}
	*group = (struct group){ .link = link, .address_n = 1, .place = NOT_JOINED };
	memcpy(&group->key, &key, sizeof(key));
	HASH_ADD(hh, g->groups, key, sizeof(group->key), group);
	enqueue(g, group);
	link->group_n++;
	link->missing_n++;
	g->missing_n++;
	return 0;
}

static int change(const struct ndp_groups *g, size_t place, const struct group *group, int option)
{
	struct ipv6_mreq request = { .ipv6mr_interface = group->key.ifindex };

	memcpy(&request.ipv6mr_multiaddr, group->key.group.bytes, sizeof(request.ipv6mr_multiaddr));
	return setsockopt(g->sockets[place], IPPROTO_IPV6, option, &request, sizeof(request)) == 0 ? 0 : -errno;
}

/* A socket that may have room, or a negative errno. */
static int socket_with_room(struct ndp_groups *g)
{
	int fd;

	for (size_t i = g->socket_n; i > 0; i--) {
		if (!g->full[i - 1])
			return (int)(i - 1);
	}
	if (g->socket_n == SOCKET_MAX)
		return -ENOBUFS;
	fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	g->sockets[g->socket_n] = fd;
	g->full[g->socket_n] = false;
	return (int)g->socket_n++;
}

/* 0 or a negative errno: the group stays missing. */
static int group_enter(struct ndp_groups *g, struct group *group)
{
	int place;
	int error;

	do {
		place = socket_with_room(g);
		if (place < 0)
			return place;
		error = change(g, (size_t)place, group, IPV6_JOIN_GROUP);
		g->full[place] = error == -ENOBUFS || error == -ENOMEM;
	} while (g->full[place]);
	if (error != 0)
		return error;
	group->place = place;
	group->link->missing_n--;
	g->missing_n--;
	return 0;
}

static void group_remove(struct ndp_groups *g, struct group *group)
{
	struct link *link = group->link;

	dequeue(g, group);
	if (group->place != NOT_JOINED) {
		/* fails when the interface is gone, and the membership with it */
		(void)change(g, (size_t)group->place, group, IPV6_LEAVE_GROUP);
		g->full[group->place] = false;
	} else {
		link->missing_n--;
		g->missing_n--;
		link_update(g, link);
	}
	link->group_n--;
	HASH_DEL(g->groups, group);
	free(group);
	link_put(g, link);
}

bool ndp_groups_work(struct ndp_groups *g)
{
	struct link *link;
	struct link *next;

	for (unsigned int i = 0; i < NDP_GROUPS_PER_CALL && g->waiting != NULL; i++) {
		struct group *group = g->waiting;

		dequeue(g, group);
		if (group->address_n == 0)
			group_remove(g, group);
		else if (group->place == NOT_JOINED)
			(void)group_enter(g, group); /* else it stays counted as missing */
	}
	/* not before: for a few groups the interface need not change its mode twice */
	HASH_ITER(hh, g->links, link, next)
	{
		link_update(g, link);
	}
	return g->waiting != NULL;
}

void ndp_groups_leave(struct ndp_groups *g, uint32_t ifindex, struct ip ip)
{
	struct group_key key;
	struct group *group = group_find(g, ifindex, ip, &key);

	if (group == NULL || group->address_n == 0 || --group->address_n > 0)
		return;
	if (group->place == NOT_JOINED)
		group_remove(g, group);
	else
		enqueue(g, group);
}

void ndp_groups_free(struct ndp_groups *g)
{
	struct group *group;
	struct group *next;

	if (g == NULL)
		return;
	for (size_t i = 0; i < g->socket_n; i++)
		close(g->sockets[i]); /* the kernel leaves its groups */
	HASH_ITER(hh, g->groups, group, next)
	{
		struct link *link = group->link;

		HASH_DEL(g->groups, group);
		free(group);
		if (--link->group_n > 0)
			continue;
		link->missing_n = 0;
		link_update(g, link);
		link_put(g, link);
	}
	free(g);
}

size_t ndp_groups_missing_n(const struct ndp_groups *g)
{
	return g->missing_n;
}
