/* SPDX-License-Identifier: Apache-2.0 */
#include "netlink/gate_socket.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

/* Datagrams read in one call of gate_socket_hear; what is more waits for the next. */
#define HEAR_MAX 1024

static struct mnl_socket *socket_open(int buffer_option, int buffer_len)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	int fd;

	if (socket == NULL)
		return NULL;
	fd = mnl_socket_get_fd(socket);
	/* Without the right to force it the requests will be refused too. */
	(void)setsockopt(fd, SOL_SOCKET, buffer_option, &buffer_len, sizeof(buffer_len));
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) != 0) {
		mnl_socket_close(socket);
		return NULL;
	}
	return socket;
}

int gate_socket_open(struct gate_socket *s)
{
	int on = 1, group = NFNLGRP_NFTABLES;

	s->events = NULL;
	s->seq = 0;
	s->requests = socket_open(SO_SNDBUFFORCE, 2 * (int)GATE_BATCH_LEN_MAX);
	if (s->requests == NULL)
		return -errno;
	s->events = socket_open(SO_RCVBUFFORCE, 1 << 20);
	if (s->events == NULL)
		return -errno;
	/* Refusals come without a copy of what was refused. */
	if (mnl_socket_setsockopt(s->requests, NETLINK_CAP_ACK, &on, sizeof(on)) != 0 ||
	    mnl_socket_setsockopt(s->events, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) != 0)
		return -errno;
	return 0;
}

void gate_socket_close(struct gate_socket *s)
{
	if (s->requests != NULL)
		mnl_socket_close(s->requests);
	if (s->events != NULL)
		mnl_socket_close(s->events);
	s->requests = NULL;
	s->events = NULL;
}

int gate_socket_event_fd(const struct gate_socket *s)
{
	return mnl_socket_get_fd(s->events);
}

/* The kernel works inside sendto, so all its answers are there when that returns; no answer is an error as well. */
int gate_socket_commit(struct gate_socket *s, const struct gate_batch *b)
{
	const int fd = mnl_socket_get_fd(s->requests);
	bool acknowledged = false;
	int first = 0;
	ssize_t len;

	if (mnl_socket_sendto(s->requests, b->bytes, b->len) < 0)
		return -errno;
	while ((len = recv(fd, s->received, sizeof(s->received), MSG_DONTWAIT)) > 0) {
		int left = (int)len;

		for (const struct nlmsghdr *nlh = (const void *)s->received; mnl_nlmsg_ok(nlh, left);
		     nlh = mnl_nlmsg_next(nlh, &left)) {
			const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);

			if (nlh->nlmsg_type != NLMSG_ERROR || nlh->nlmsg_seq != b->seq ||
			    mnl_nlmsg_get_payload_len(nlh) < sizeof(*e))
				continue;
			acknowledged = true;
			if (first == 0)
				first = e->error;
		}
	}
	return acknowledged ? first : -EPROTO;
}

struct gate_heard gate_socket_hear(struct gate_socket *s)
{
	const uint32_t own = mnl_socket_get_portid(s->requests);
	struct gate_heard heard = { false, false };

	for (size_t i = 0; i < HEAR_MAX; i++) {
		ssize_t len = recv(gate_socket_event_fd(s), s->received, sizeof(s->received), MSG_DONTWAIT | MSG_TRUNC);

		if (len < 0 && errno == EAGAIN)
			break;
		if (len < 0 || len > GATE_RECEIVE_LEN)
			heard.lost = true;
		else if (gate_event_touches(s->received, (size_t)len, own))
			heard.touched = true;
	}
	return heard;
}

/* Put the question, and give every message of the answer to cb. 0 or a negative errno. */
static int ask(struct gate_socket *s, struct nlmsghdr *nlh, mnl_cb_t cb, void *arg)
{
	const int fd = mnl_socket_get_fd(s->requests);
	int status = MNL_CB_OK, err;
	ssize_t len;

	if (mnl_socket_sendto(s->requests, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	while (status > MNL_CB_STOP) {
		len = recv(fd, s->received, sizeof(s->received), 0);
		status = len < 0 ? MNL_CB_ERROR
				 : mnl_cb_run(s->received, (size_t)len, s->seq, mnl_socket_get_portid(s->requests), cb,
					      arg);
	}
	if (status == MNL_CB_STOP)
		return 0;
	err = errno;
	/* The rest of a dump that was cut short: the kernel refuses another one until it has been read. */
	do
		len = recv(fd, s->received, sizeof(s->received), MSG_DONTWAIT);
	while (len > 0);
	return -err;
}

/* FNV-1a over the bytes of a number. */
static void mix(uint64_t *hash, uint64_t number)
{
	for (int i = 0; i < 8; i++)
		*hash = (*hash ^ ((number >> (8 * i)) & 0xff)) * UINT64_C(0x100000001b3);
}

/* Handles of tables are never used again, and those of rules not within a table. */
static int on_table(const struct nlmsghdr *nlh, void *arg)
{
	struct nftnl_table *table = nftnl_table_alloc();

	if (table == NULL)
		return MNL_CB_ERROR;
	if (nftnl_table_nlmsg_parse(nlh, table) == 0) {
		mix(arg, nftnl_table_get_u64(table, NFTNL_TABLE_HANDLE));
		mix(arg, nftnl_table_get_u32(table, NFTNL_TABLE_FLAGS));
	}
	nftnl_table_free(table);
	return MNL_CB_OK;
}

static int on_rule(const struct nlmsghdr *nlh, void *arg)
{
	struct nftnl_rule *rule = nftnl_rule_alloc();

	if (rule == NULL)
		return MNL_CB_ERROR;
	if (nftnl_rule_nlmsg_parse(nlh, rule) == 0)
		mix(arg, nftnl_rule_get_u64(rule, NFTNL_RULE_HANDLE));
	nftnl_rule_free(rule);
	return MNL_CB_OK;
}

#define QUESTION_LEN 256

static int fingerprint_of(struct gate_socket *s, uint16_t family, uint64_t *hash)
{
	_Alignas(struct nlmsghdr) char question[QUESTION_LEN];
	struct nlmsghdr *nlh;
	int err;

	nlh = nftnl_nlmsg_build_hdr(question, NFT_MSG_GETTABLE, family, NLM_F_ACK, ++s->seq);
	mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, GATE_TABLE);
	err = ask(s, nlh, on_table, hash);
	if (err != 0)
		return err;
	nlh = nftnl_nlmsg_build_hdr(question, NFT_MSG_GETRULE, family, NLM_F_DUMP, ++s->seq);
	mnl_attr_put_strz(nlh, NFTA_RULE_TABLE, GATE_TABLE);
	return ask(s, nlh, on_rule, hash);
}

int gate_socket_fingerprint(struct gate_socket *s, uint64_t *ret)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	int err = fingerprint_of(s, NFPROTO_ARP, &hash);

	if (err == 0)
		err = fingerprint_of(s, NFPROTO_INET, &hash);
	if (err == 0)
		*ret = hash;
	return err;
}

static int on_element(const struct nlattr *attr, void *arg)
{
	size_t *n = arg;

	if (mnl_attr_get_type(attr) == NFTA_LIST_ELEM)
		++*n;
	return MNL_CB_OK;
}

static int on_list(const struct nlattr *attr, void *arg)
{
	if (mnl_attr_get_type(attr) != NFTA_SET_ELEM_LIST_ELEMENTS)
		return MNL_CB_OK;
	return mnl_attr_parse_nested(attr, on_element, arg);
}

static int on_elements(const struct nlmsghdr *nlh, void *arg)
{
	return mnl_attr_parse(nlh, sizeof(struct nfgenmsg), on_list, arg);
}

static int count_of(struct gate_socket *s, uint16_t family, const char *set, size_t *ret)
{
	_Alignas(struct nlmsghdr) char question[QUESTION_LEN];
	struct nlmsghdr *nlh = nftnl_nlmsg_build_hdr(question, NFT_MSG_GETSETELEM, family, NLM_F_DUMP, ++s->seq);

	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, GATE_TABLE);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, set);
	*ret = 0;
	return ask(s, nlh, on_elements, ret);
}

int gate_socket_count(struct gate_socket *s, size_t ret[3])
{
	int err = count_of(s, NFPROTO_ARP, GATE_SET_VIPS4, &ret[0]);

	if (err == 0)
		err = count_of(s, NFPROTO_INET, GATE_SET_VIPS4, &ret[1]);
	if (err == 0)
		err = count_of(s, NFPROTO_INET, GATE_SET_VIPS6, &ret[2]);
	return err;
}
