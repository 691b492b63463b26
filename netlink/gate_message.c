/* SPDX-License-Identifier: Apache-2.0 */
/*
 *	table arp mlbd {
 *		set vips4 { type ipv4_addr; }
 *		set lease { type mark; flags timeout; }
 *		chain output { type filter hook output priority raw;
 *			(1 in @lease) accept
 *			arp hlen 6 arp plen 4 arp saddr ip @vips4 drop
 *		}
 *	}
 *	table inet mlbd {
 *		set vips4, vips6, lease
 *		chain input { type filter hook input priority raw;
 *			meta iiftype loopback accept
 *			(1 in @lease) accept
 *			ip daddr @vips4 drop
 *			ip6 daddr @vips6 drop
 *		}
 *		chain output { type filter hook output priority raw;
 *			meta oiftype loopback accept
 *			(1 in @lease) accept
 *			ip saddr @vips4 drop
 *			ip6 saddr @vips6 drop
 *			icmpv6 type nd-neighbor-advert @th,64,128 @vips6 drop
 *		}
 *	}
 *
 * `accept` ends our own chains only: every other table still sees the packet. Solicitations are gated by their source
 * alone: asking the segment for an address that we do not hold is what a successor has to do.
 */
#include "netlink/gate_message.h"

#include <arpa/inet.h>
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_arp.h>
#include <net/if_arp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <string.h>

#define SET_LEASE "lease"

/* No single message but those of addresses comes near this. */
#define MESSAGE_ROOM 4096

/* NF_IP_PRI_RAW: before connection tracking, so that what is dropped leaves no trace in it. */
#define PRIORITY_RAW (-300)

/* What nft(8) calls the types of the keys; only it looks at them. */
enum { NFT_TYPE_IPADDR = 7, NFT_TYPE_IP6ADDR = 8, NFT_TYPE_MARK = 19 };

static const uint16_t families[] = { NFPROTO_ARP, NFPROTO_INET };

static char *batch_tail(struct gate_batch *b, size_t room)
{
	assert(b->len + room <= GATE_BATCH_LEN_MAX);
	return (char *)b->bytes + b->len;
}

static void batch_take(struct gate_batch *b, const struct nlmsghdr *nlh)
{
	b->len += ((size_t)nlh->nlmsg_len + MNL_ALIGNTO - 1) & ~(size_t)(MNL_ALIGNTO - 1);
}

static struct nlmsghdr *message(struct gate_batch *b, size_t room, uint16_t type, uint16_t family, uint16_t flags)
{
	return nftnl_nlmsg_build_hdr(batch_tail(b, room), type, family, flags, b->seq);
}

void gate_batch_begin(struct gate_batch *b, uint32_t seq)
{
	b->len = 0;
	b->seq = seq;
	batch_take(b, nftnl_batch_begin(batch_tail(b, MESSAGE_ROOM), seq));
}

/* Only the last message asks for an acknowledgement; those that fail are reported anyway. */
void gate_batch_end(struct gate_batch *b)
{
	struct nlmsghdr *last = NULL;
	int left = (int)b->len;

	for (struct nlmsghdr *nlh = (struct nlmsghdr *)(void *)b->bytes; mnl_nlmsg_ok(nlh, left);
	     nlh = mnl_nlmsg_next(nlh, &left))
		last = nlh;
	assert(last != NULL && last != (struct nlmsghdr *)(void *)b->bytes);
	last->nlmsg_flags |= NLM_F_ACK;
	batch_take(b, nftnl_batch_end(batch_tail(b, MESSAGE_ROOM), b->seq));
}

static void table_message(struct gate_batch *b, uint16_t type, uint16_t family, uint16_t flags)
{
	struct nlmsghdr *nlh = message(b, MESSAGE_ROOM, type, family, flags);

	mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, GATE_TABLE);
	batch_take(b, nlh);
}

/* Adding one that is there is no error, deleting one that is not would be. */
void gate_batch_remove(struct gate_batch *b)
{
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		table_message(b, NFT_MSG_NEWTABLE, families[i], NLM_F_CREATE);
		table_message(b, NFT_MSG_DELTABLE, families[i], 0);
	}
}

static int make_set(struct gate_batch *b, uint16_t family, uint32_t id, const char *name, uint32_t key_type,
		    uint32_t key_len, uint32_t flags)
{
	struct nftnl_set *set = nftnl_set_alloc();
	struct nlmsghdr *nlh;

	if (set == NULL)
		return -ENOMEM;
	nftnl_set_set_str(set, NFTNL_SET_TABLE, GATE_TABLE);
	nftnl_set_set_str(set, NFTNL_SET_NAME, name);
	nftnl_set_set_u32(set, NFTNL_SET_FAMILY, family);
	nftnl_set_set_u32(set, NFTNL_SET_ID, id);
	nftnl_set_set_u32(set, NFTNL_SET_KEY_TYPE, key_type);
	nftnl_set_set_u32(set, NFTNL_SET_KEY_LEN, key_len);
	nftnl_set_set_u32(set, NFTNL_SET_FLAGS, flags);
	nlh = message(b, MESSAGE_ROOM, NFT_MSG_NEWSET, family, NLM_F_CREATE);
	nftnl_set_nlmsg_build_payload(nlh, set);
	batch_take(b, nlh);
	nftnl_set_free(set);
	return 0;
}

static int make_chain(struct gate_batch *b, uint16_t family, const char *name, uint32_t hook)
{
	struct nftnl_chain *chain = nftnl_chain_alloc();
	struct nlmsghdr *nlh;

	if (chain == NULL)
		return -ENOMEM;
	nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, GATE_TABLE);
	nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, name);
	nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, "filter");
	nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM, hook);
	nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, PRIORITY_RAW);
	nftnl_chain_set_u32(chain, NFTNL_CHAIN_POLICY, NF_ACCEPT);
	nlh = message(b, MESSAGE_ROOM, NFT_MSG_NEWCHAIN, family, NLM_F_CREATE);
	nftnl_chain_nlmsg_build_payload(nlh, chain);
	batch_take(b, nlh);
	nftnl_chain_free(chain);
	return 0;
}

/* One step of a rule; register 1 carries each value to the next. */
struct step {
	enum { STEP_END = 0, STEP_META, STEP_LOAD, STEP_LEASE, STEP_EQUAL, STEP_EQUAL_U16, STEP_IN, STEP_VERDICT } kind;
	uint32_t key;	  /* META: enum nft_meta_keys; LOAD: enum nft_payload_bases; VERDICT: NF_ACCEPT or NF_DROP */
	uint32_t offset;  /* LOAD: bytes from the base */
	uint32_t len;	  /* LOAD, EQUAL: bytes */
	uint16_t number;  /* EQUAL_U16, in host order */
	uint8_t value[2]; /* EQUAL */
	const char *set;  /* IN */
};

#define STEPS_MAX 9

struct rule {
	uint16_t family;
	const char *chain;
	struct step steps[STEPS_MAX];
};

/* clang-format off */
#define META(meta)            { .kind = STEP_META, .key = NFT_META_##meta }
#define LOAD(base, at, bytes) { .kind = STEP_LOAD, .key = NFT_PAYLOAD_##base##_HEADER, .offset = (at), .len = (bytes) }
#define EQUAL(bytes, ...)     { .kind = STEP_EQUAL, .len = (bytes), .value = { __VA_ARGS__ } }
#define EQUAL_U16(n)          { .kind = STEP_EQUAL_U16, .number = (n) }
#define IN(name)              { .kind = STEP_IN, .set = GATE_SET_##name }
#define LEASE_LIVES           { .kind = STEP_LEASE }
#define ACCEPT                { .kind = STEP_VERDICT, .key = NF_ACCEPT }
#define DROP                  { .kind = STEP_VERDICT, .key = NF_DROP }
#define IPV4                  META(NFPROTO), EQUAL(1, NFPROTO_IPV4)
#define IPV6                  META(NFPROTO), EQUAL(1, NFPROTO_IPV6)

static const struct rule rules[] = {
	{ NFPROTO_ARP, "output", { LEASE_LIVES, ACCEPT } },
	/* RFC 826: a hardware length of 6 and a protocol length of 4 put the sender's protocol address at 14. */
	{ NFPROTO_ARP, "output", { LOAD(NETWORK, 4, 2), EQUAL(2, 6, 4), LOAD(NETWORK, 14, 4), IN(VIPS4), DROP } },

	{ NFPROTO_INET, "input", { META(IIFTYPE), EQUAL_U16(ARPHRD_LOOPBACK), ACCEPT } },
	{ NFPROTO_INET, "input", { LEASE_LIVES, ACCEPT } },
	{ NFPROTO_INET, "input", { IPV4, LOAD(NETWORK, 16, 4), IN(VIPS4), DROP } },
	{ NFPROTO_INET, "input", { IPV6, LOAD(NETWORK, 24, 16), IN(VIPS6), DROP } },

	{ NFPROTO_INET, "output", { META(OIFTYPE), EQUAL_U16(ARPHRD_LOOPBACK), ACCEPT } },
	{ NFPROTO_INET, "output", { LEASE_LIVES, ACCEPT } },
	{ NFPROTO_INET, "output", { IPV4, LOAD(NETWORK, 12, 4), IN(VIPS4), DROP } },
	{ NFPROTO_INET, "output", { IPV6, LOAD(NETWORK, 8, 16), IN(VIPS6), DROP } },
	/* RFC 4861 4.4: the type is the first byte, the target begins at the ninth. */
	{ NFPROTO_INET, "output", { IPV6, META(L4PROTO), EQUAL(1, IPPROTO_ICMPV6), LOAD(TRANSPORT, 0, 1),
				    EQUAL(1, ND_NEIGHBOR_ADVERT), LOAD(TRANSPORT, 8, 16), IN(VIPS6), DROP } },
};
/* clang-format on */

static struct nftnl_expr *add_expr(struct nftnl_rule *rule, const char *name)
{
	struct nftnl_expr *e = nftnl_expr_alloc(name);

	if (e != NULL)
		nftnl_rule_add_expr(rule, e);
	return e;
}

static int add_compare(struct nftnl_rule *rule, const void *value, uint32_t len)
{
	struct nftnl_expr *e = add_expr(rule, "cmp");

	if (e == NULL)
		return -ENOMEM;
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, NFT_CMP_EQ);
	nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, value, len);
	return 0;
}

static int add_lookup(struct nftnl_rule *rule, const char *set)
{
	struct nftnl_expr *e = add_expr(rule, "lookup");

	if (e == NULL)
		return -ENOMEM;
	nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
	nftnl_expr_set_str(e, NFTNL_EXPR_LOOKUP_SET, set);
	return 0;
}

/* A constant that is looked up. In network order, as nft(8) takes it to be. */
static int add_lease(struct nftnl_rule *rule)
{
	const uint32_t key_be32 = htonl(GATE_KEY_LEASE);
	struct nftnl_expr *e = add_expr(rule, "immediate");

	if (e == NULL)
		return -ENOMEM;
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_1);
	nftnl_expr_set(e, NFTNL_EXPR_IMM_DATA, &key_be32, sizeof(key_be32));
	return add_lookup(rule, SET_LEASE);
}

static int add_load(struct nftnl_rule *rule, const struct step *s)
{
	struct nftnl_expr *e = add_expr(rule, "payload");

	if (e == NULL)
		return -ENOMEM;
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, s->key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, s->offset);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, s->len);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1);
	return 0;
}

/* One number and where it goes: a meta key into register 1, or a verdict. */
static int add_meta(struct nftnl_rule *rule, uint32_t key)
{
	struct nftnl_expr *e = add_expr(rule, "meta");

	if (e == NULL)
		return -ENOMEM;
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, NFT_REG_1);
	return 0;
}

static int add_verdict(struct nftnl_rule *rule, uint32_t verdict)
{
	struct nftnl_expr *e = add_expr(rule, "immediate");

	if (e == NULL)
		return -ENOMEM;
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, verdict);
	return 0;
}

static int add_step(struct nftnl_rule *rule, const struct step *s)
{
	switch (s->kind) {
	case STEP_META:
		return add_meta(rule, s->key);
	case STEP_LOAD:
		return add_load(rule, s);
	case STEP_LEASE:
		return add_lease(rule);
	case STEP_EQUAL:
		return add_compare(rule, s->value, s->len);
	case STEP_EQUAL_U16:
		return add_compare(rule, &s->number, sizeof(s->number));
	case STEP_IN:
		return add_lookup(rule, s->set);
	case STEP_VERDICT:
		return add_verdict(rule, s->key);
	case STEP_END:
		break;
	}
	return 0;
}

static int make_rule(struct gate_batch *b, const struct rule *r)
{
	struct nftnl_rule *rule = nftnl_rule_alloc();
	struct nlmsghdr *nlh;
	int err = 0;

	if (rule == NULL)
		return -ENOMEM;
	nftnl_rule_set_u32(rule, NFTNL_RULE_FAMILY, r->family);
	nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, GATE_TABLE);
	nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, r->chain);
	for (size_t i = 0; i < STEPS_MAX && err == 0; i++)
		err = add_step(rule, &r->steps[i]);
	if (err == 0) {
		nlh = message(b, MESSAGE_ROOM, NFT_MSG_NEWRULE, r->family, NLM_F_CREATE | NLM_F_APPEND);
		nftnl_rule_nlmsg_build_payload(nlh, rule);
		batch_take(b, nlh);
	}
	nftnl_rule_free(rule);
	return err;
}

int gate_batch_make(struct gate_batch *b)
{
	int err = 0;

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		table_message(b, NFT_MSG_NEWTABLE, families[i], NLM_F_CREATE);
	if (make_set(b, NFPROTO_ARP, 1, GATE_SET_VIPS4, NFT_TYPE_IPADDR, 4, 0) != 0 ||
	    make_set(b, NFPROTO_ARP, 2, SET_LEASE, NFT_TYPE_MARK, 4, NFT_SET_TIMEOUT) != 0 ||
	    make_set(b, NFPROTO_INET, 3, GATE_SET_VIPS4, NFT_TYPE_IPADDR, 4, 0) != 0 ||
	    make_set(b, NFPROTO_INET, 4, GATE_SET_VIPS6, NFT_TYPE_IP6ADDR, 16, 0) != 0 ||
	    make_set(b, NFPROTO_INET, 5, SET_LEASE, NFT_TYPE_MARK, 4, NFT_SET_TIMEOUT) != 0 ||
	    make_chain(b, NFPROTO_ARP, "output", NF_ARP_OUT) != 0 ||
	    make_chain(b, NFPROTO_INET, "input", NF_INET_LOCAL_IN) != 0 ||
	    make_chain(b, NFPROTO_INET, "output", NF_INET_LOCAL_OUT) != 0)
		return -ENOMEM;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]) && err == 0; i++)
		err = make_rule(b, &rules[i]);
	return err;
}

/* A message about elements of one set; the caller adds them and closes the nest. */
static struct nlmsghdr *elements_message(struct gate_batch *b, size_t room, bool add, uint16_t family, const char *set,
					 struct nlattr **nest)
{
	struct nlmsghdr *nlh =
		message(b, room, add ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM, family, add ? NLM_F_CREATE : 0);

	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, GATE_TABLE);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, set);
	*nest = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_LIST_ELEMENTS);
	return nlh;
}

static void put_element(struct nlmsghdr *nlh, const void *key, size_t len, uint64_t timeout_ms)
{
	struct nlattr *element = mnl_attr_nest_start(nlh, NFTA_LIST_ELEM);
	struct nlattr *nest = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_KEY);

	mnl_attr_put(nlh, NFTA_DATA_VALUE, len, key);
	mnl_attr_nest_end(nlh, nest);
	if (timeout_ms != 0)
		mnl_attr_put_u64(nlh, NFTA_SET_ELEM_TIMEOUT, htobe64(timeout_ms));
	mnl_attr_nest_end(nlh, element);
}

static void addresses_of(struct gate_batch *b, bool add, uint16_t family, const char *set, const struct ip *ips,
			 size_t n)
{
	const size_t len = ip_len(ips[0]);
	/* Three attribute headers and the key for each; the names before. */
	const size_t room = n * (3 * sizeof(struct nlattr) + len) + MESSAGE_ROOM;
	struct nlattr *nest;
	struct nlmsghdr *nlh = elements_message(b, room, add, family, set, &nest);

	for (size_t i = 0; i < n; i++)
		put_element(nlh, ips[i].bytes, len, 0);
	mnl_attr_nest_end(nlh, nest);
	batch_take(b, nlh);
}

void gate_batch_addresses(struct gate_batch *b, bool add, const struct ip *ips, size_t n)
{
	size_t i = 0;

	while (i < n) {
		size_t run = 1;

		while (i + run < n && run < GATE_CHUNK_MAX && ips[i + run].family == ips[i].family)
			run++;
		if (ips[i].family == IP_V4) {
			addresses_of(b, add, NFPROTO_ARP, GATE_SET_VIPS4, ips + i, run);
			addresses_of(b, add, NFPROTO_INET, GATE_SET_VIPS4, ips + i, run);
		} else {
			addresses_of(b, add, NFPROTO_INET, GATE_SET_VIPS6, ips + i, run);
		}
		i += run;
	}
}

static void lease_message(struct gate_batch *b, bool add, enum gate_key key, uint64_t timeout_ms)
{
	const uint32_t key_be32 = htonl(key);

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		struct nlattr *nest;
		struct nlmsghdr *nlh = elements_message(b, MESSAGE_ROOM, add, families[i], SET_LEASE, &nest);

		put_element(nlh, &key_be32, sizeof(key_be32), timeout_ms);
		mnl_attr_nest_end(nlh, nest);
		batch_take(b, nlh);
	}
}

void gate_batch_lease_del(struct gate_batch *b, enum gate_key key)
{
	lease_message(b, false, key, 0);
}

void gate_batch_lease_add(struct gate_batch *b, enum gate_key key, uint64_t timeout_ms)
{
	lease_message(b, true, key, timeout_ms);
}

/* A deletion that names no element means all of them. */
void gate_batch_lease_clear(struct gate_batch *b)
{
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		struct nlmsghdr *nlh = message(b, MESSAGE_ROOM, NFT_MSG_DELSETELEM, families[i], 0);

		mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, GATE_TABLE);
		mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, SET_LEASE);
		batch_take(b, nlh);
	}
}

/* The table's name is attribute 1 of tables, chains, rules, sets and elements. */
static int on_name(const struct nlattr *attr, void *arg)
{
	bool *ours = arg;

	if (mnl_attr_get_type(attr) != NFTA_TABLE_NAME)
		return MNL_CB_OK;
	*ours = mnl_attr_get_payload_len(attr) == sizeof(GATE_TABLE) &&
		memcmp(mnl_attr_get_payload(attr), GATE_TABLE, sizeof(GATE_TABLE)) == 0;
	return MNL_CB_STOP;
}

static bool names_us(const struct nlmsghdr *nlh)
{
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);
	bool ours = false;

	/* A generation has a number where the others have the name. */
	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*nfg) || NFNL_SUBSYS_ID(nlh->nlmsg_type) != NFNL_SUBSYS_NFTABLES ||
	    NFNL_MSG_TYPE(nlh->nlmsg_type) == NFT_MSG_NEWGEN ||
	    (nfg->nfgen_family != NFPROTO_ARP && nfg->nfgen_family != NFPROTO_INET))
		return false;
	mnl_attr_parse(nlh, sizeof(*nfg), on_name, &ours);
	return ours;
}

bool gate_event_touches(const void *data, size_t len, uint32_t portid)
{
	int left = (int)len;

	for (const struct nlmsghdr *nlh = data; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		if (nlh->nlmsg_pid != portid && names_us(nlh))
			return true;
	}
	return false;
}
