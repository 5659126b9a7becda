/* SPDX-License-Identifier: MIT
 *
 * Cuts between two nodes: nftables rules in the bridge's forward hook, told to the kernel by netlink because the nft
 * program is often not installed. Frames from one port to the other vanish, both ways, as with an unplugged cable
 * between those two only. All rules are replaced in one transaction, so a failure leaves the cuts as they were.
 */
#define _GNU_SOURCE
#include "init.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_bridge.h>
#include <linux/netlink.h>
#include <linux/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TABLE "omlab"
#define CHAIN "cuts"

/* One transaction being written. Rules are ~250 bytes; omlab's ceiling of 64 nodes has 2016 pairs, and cuts are few. */
struct batch {
	char bytes[65536];
	uint32_t length;
	uint32_t sequence;
	bool full;
};

static void *reserve(struct batch *batch, uint32_t size)
{
	uint32_t aligned = NLMSG_ALIGN(size);

	if (batch->length + aligned > sizeof(batch->bytes)) {
		batch->full = true;
		batch->length = 0;
	}
	void *at = memset(batch->bytes + batch->length, 0, aligned);
	batch->length += aligned;
	return at;
}

static struct nlmsghdr *message_begin(struct batch *batch, uint16_t type, uint8_t family, uint16_t flags)
{
	struct nlmsghdr *header = reserve(batch, sizeof(*header) + sizeof(struct nfgenmsg));
	struct nfgenmsg *generic = NLMSG_DATA(header);

	header->nlmsg_type = type;
	header->nlmsg_flags = NLM_F_REQUEST | flags;
	header->nlmsg_seq = ++batch->sequence;
	generic->nfgen_family = family;
	generic->version = NFNETLINK_V0;
	if (type == NFNL_MSG_BATCH_BEGIN || type == NFNL_MSG_BATCH_END)
		generic->res_id = htons(NFNL_SUBSYS_NFTABLES);
	return header;
}

static void message_end(struct batch *batch, struct nlmsghdr *header)
{
	header->nlmsg_len = (uint32_t)(batch->bytes + batch->length - (char *)header);
}

static struct nlmsghdr *table_message(struct batch *batch, int type, uint16_t flags)
{
	return message_begin(batch, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), NFPROTO_BRIDGE, flags | NLM_F_ACK);
}

static void put(struct batch *batch, uint16_t type, const void *value, uint32_t size)
{
	struct nlattr *attribute = reserve(batch, NLA_HDRLEN + size);

	attribute->nla_type = type;
	attribute->nla_len = (uint16_t)(NLA_HDRLEN + size);
	memcpy((char *)attribute + NLA_HDRLEN, value, size);
}

static void put_text(struct batch *batch, uint16_t type, const char *text)
{
	put(batch, type, text, (uint32_t)strlen(text) + 1);
}

static void put_number(struct batch *batch, uint16_t type, uint32_t value)
{
	value = htonl(value);
	put(batch, type, &value, sizeof(value));
}

static struct nlattr *nest_begin(struct batch *batch, uint16_t type)
{
	struct nlattr *attribute = reserve(batch, NLA_HDRLEN);

	attribute->nla_type = type | NLA_F_NESTED;
	return attribute;
}

static void nest_end(struct batch *batch, struct nlattr *attribute)
{
	attribute->nla_len = (uint16_t)(batch->bytes + batch->length - (char *)attribute);
}

/* Goes on only when the frame's in (or out) port is this one. */
static void match_port(struct batch *batch, uint32_t key, const char *port)
{
	char name[IFNAMSIZ] = "";

	strncpy(name, port, sizeof(name) - 1);
	struct nlattr *element = nest_begin(batch, NFTA_LIST_ELEM);
	put_text(batch, NFTA_EXPR_NAME, "meta");
	struct nlattr *data = nest_begin(batch, NFTA_EXPR_DATA);
	put_number(batch, NFTA_META_KEY, key);
	put_number(batch, NFTA_META_DREG, NFT_REG_1);
	nest_end(batch, data);
	nest_end(batch, element);

	element = nest_begin(batch, NFTA_LIST_ELEM);
	put_text(batch, NFTA_EXPR_NAME, "cmp");
	data = nest_begin(batch, NFTA_EXPR_DATA);
	put_number(batch, NFTA_CMP_SREG, NFT_REG_1);
	put_number(batch, NFTA_CMP_OP, NFT_CMP_EQ);
	struct nlattr *value = nest_begin(batch, NFTA_CMP_DATA);
	put(batch, NFTA_DATA_VALUE, name, sizeof(name));
	nest_end(batch, value);
	nest_end(batch, data);
	nest_end(batch, element);
}

static void drop_frame(struct batch *batch)
{
	struct nlattr *element = nest_begin(batch, NFTA_LIST_ELEM);

	put_text(batch, NFTA_EXPR_NAME, "immediate");
	struct nlattr *data = nest_begin(batch, NFTA_EXPR_DATA);
	put_number(batch, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	struct nlattr *value = nest_begin(batch, NFTA_IMMEDIATE_DATA);
	struct nlattr *verdict = nest_begin(batch, NFTA_DATA_VERDICT);
	put_number(batch, NFTA_VERDICT_CODE, NF_DROP);
	nest_end(batch, verdict);
	nest_end(batch, value);
	nest_end(batch, data);
	nest_end(batch, element);
}

static void add_rule(struct batch *batch, const char *from, const char *to)
{
	struct nlmsghdr *message = table_message(batch, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);

	put_text(batch, NFTA_RULE_TABLE, TABLE);
	put_text(batch, NFTA_RULE_CHAIN, CHAIN);
	struct nlattr *expressions = nest_begin(batch, NFTA_RULE_EXPRESSIONS);
	match_port(batch, NFT_META_IIFNAME, from);
	match_port(batch, NFT_META_OIFNAME, to);
	drop_frame(batch);
	nest_end(batch, expressions);
	message_end(batch, message);
}

static void name_table(struct batch *batch, int type, uint16_t flags)
{
	struct nlmsghdr *message = table_message(batch, type, flags);

	put_text(batch, NFTA_TABLE_NAME, TABLE);
	message_end(batch, message);
}

static void add_chain(struct batch *batch)
{
	struct nlmsghdr *message = table_message(batch, NFT_MSG_NEWCHAIN, NLM_F_CREATE);

	put_text(batch, NFTA_CHAIN_TABLE, TABLE);
	put_text(batch, NFTA_CHAIN_NAME, CHAIN);
	struct nlattr *hook = nest_begin(batch, NFTA_CHAIN_HOOK);
	put_number(batch, NFTA_HOOK_HOOKNUM, NF_BR_FORWARD);
	put_number(batch, NFTA_HOOK_PRIORITY, 0);
	nest_end(batch, hook);
	put_text(batch, NFTA_CHAIN_TYPE, "filter");
	message_end(batch, message);
}

static int commit(struct batch *batch, uint32_t last)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	char answer[16384];
	int error = 0, fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

	if (fd < 0)
		return -errno;
	if (sendto(fd, batch->bytes, batch->length, 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0) {
		error = -errno;
		close(fd);
		return error;
	}
	for (bool done = false; !done && !error;) {
		ssize_t length = recv(fd, answer, sizeof(answer), 0);
		if (length <= 0) {
			error = length < 0 ? -errno : -EIO;
			break;
		}
		for (struct nlmsghdr *m = (struct nlmsghdr *)answer; NLMSG_OK(m, (size_t)length);
		     m = NLMSG_NEXT(m, length)) {
			if (m->nlmsg_type != NLMSG_ERROR)
				continue;
			if (!error)
				error = ((struct nlmsgerr *)NLMSG_DATA(m))->error;
			done |= m->nlmsg_seq == last;
		}
	}
	close(fd);
	return error;
}

int nft_set_cuts(const struct port_pair *pairs, int count)
{
	static struct batch batch;

	batch.length = batch.sequence = 0;
	batch.full = false;
	message_end(&batch, message_begin(&batch, NFNL_MSG_BATCH_BEGIN, AF_UNSPEC, 0));
	name_table(&batch, NFT_MSG_NEWTABLE, NLM_F_CREATE); /* so that it exists and can be deleted */
	name_table(&batch, NFT_MSG_DELTABLE, 0);
	name_table(&batch, NFT_MSG_NEWTABLE, NLM_F_CREATE);
	add_chain(&batch);
	for (int i = 0; i < count; i++) {
		add_rule(&batch, pairs[i].a, pairs[i].b);
		add_rule(&batch, pairs[i].b, pairs[i].a);
	}
	uint32_t last = batch.sequence;
	message_end(&batch, message_begin(&batch, NFNL_MSG_BATCH_END, AF_UNSPEC, 0));
	return batch.full ? -E2BIG : commit(&batch, last);
}
