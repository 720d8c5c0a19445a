/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * chan.c - the life of a channel: attach, handshake, good-bye, poison.
 *
 * A session is a pair of epochs. An end that sees a new epoch at the other end
 * restarts its own lane where it stands, echoes the epoch and says HELLO; it
 * reads the peer's lane from where the peer started it, once its own epoch was
 * echoed. Records carry the session's tag, so that older ones are told apart.
 */
#include <string.h>

#include <vmq/version.h>

#include "lane.h"
#include "page.h"

/* Where all parts are. */
static struct vmq_parts locate(uint8_t *base, const struct vmq_geometry *geo, const struct vmq_parts *given)
{
	struct vmq_parts at = *given;

	for (unsigned s = 0; s < 2; s++) {
		if (!at.ctl[s])
			at.ctl[s] = base + geo->ctl_off[s];
		if (!at.lane[s])
			at.lane[s] = base + geo->lane_off[s];
	}
	return at;
}

static vmq_le32 *page_words(struct vmq_layout_ctl *ctl)
{
	return (vmq_le32 *)((uint8_t *)ctl + VMQ_CTL_PAGE_WORDS);
}

static uint32_t inline_max(uint32_t lane_size)
{
	uint32_t quarter = lane_size / 4;

	if (quarter > VMQ_SPAN_MAX - VMQ__CACHE_LINE)
		quarter = VMQ_SPAN_MAX - VMQ__CACHE_LINE;
	return vmq__align(quarter, VMQ__CACHE_LINE) - VMQ__CACHE_LINE - VMQ_REC_HEADER;
}

static void tx_init(struct vmq_tx *tx, const struct vmq_parts *at, const struct vmq_geometry *geo,
	const struct vmq_chan_config *config)
{
	unsigned side = config->side;

	tx->lane = at->lane[side];
	tx->mine = at->ctl[side];
	tx->theirs = at->ctl[!side];
	tx->size = geo->lane_size[side];
	tx->mask = tx->size - 1;
	tx->inline_max = inline_max(tx->size);
	tx->strict = config->strict;
}

static void rx_init(struct vmq_rx *rx, const struct vmq_parts *at, const struct vmq_geometry *geo,
	const struct vmq_chan_config *config)
{
	unsigned side = config->side;

	rx->lane = at->lane[!side];
	rx->mine = at->ctl[side];
	rx->theirs = at->ctl[!side];
	rx->size = geo->lane_size[!side];
	rx->mask = rx->size - 1;
	rx->max_msg = config->max_msg;
}

/* Where a restarted end goes on in its lane: behind all that it published
 * before. The word is this end's own of an earlier life; in the wrong hands it
 * can only misplace this end's own records. */
static uint32_t first_index(const struct vmq_layout_ctl *mine, uint32_t fresh)
{
	if (vmq__load(&mine->state) == VMQ_STATE_NONE)
		return vmq__align(fresh, VMQ__CACHE_LINE);
	return vmq__load(&mine->prod) & ~(VMQ_REC_ALIGN - 1);
}

int vmq_chan_attach(struct vmq_chan *ch, void *region, const struct vmq_geometry *geo,
	const struct vmq_chan_config *config)
{
	struct vmq_layout_ctl *mine;
	struct vmq_parts at;

	if (config->side > 1 || !config->epoch || !region)
		return VMQ_EINVAL;
	memset(ch, 0, sizeof(*ch));
	at = locate(region, geo, &config->parts);
	mine = at.ctl[config->side];
	tx_init(&ch->tx, &at, geo, config);
	rx_init(&ch->rx, &at, geo, config);
	ch->region = region;
	ch->side = config->side;
	ch->epoch = config->epoch;
	ch->max_msg = config->max_msg;
	ch->self = config->self;
	ch->pages.entry = config->entries;
	if (config->entries) {
		ch->pages.mine = page_words(mine);
		ch->pages.theirs = page_words(at.ctl[!config->side]);
		ch->pages.ctl = mine;
		ch->pages.peer_ctl = at.ctl[!config->side];
		ch->pages.pages = geo->pool_pages[0] + geo->pool_pages[1];
		ch->pages.home = config->side ? geo->pool_pages[0] : 0;
		ch->pages.home_end = config->side ? ch->pages.pages : geo->pool_pages[0];
		vmq__pages_init(&ch->pages, 0);
	}
	ch->tx.own = first_index(mine, config->start);
	vmq__tx_restart(&ch->tx, 0);
	vmq__store(&mine->arm, VMQ_ARM_AWAKE);
	vmq__store(&mine->space_arm, VMQ_ARM_AWAKE);
	vmq__store(&mine->poison, VMQ_POISON_NONE);
	vmq__store(&mine->max_msg, config->max_msg);
	vmq__store(&mine->peer_epoch, 0);
	/* Release: who sees the new epoch sees the echo gone. */
	vmq__store_release(&mine->epoch, config->epoch);
	ch->state = VMQ_STATE_SYNC;
	/* Release: pairs with the acquire in vmq_chan_progress(). */
	vmq__store_release(&mine->state, ch->state);
	return 0;
}

static void hello_send(struct vmq_chan *ch)
{
	struct vmq_layout_hello hello;

	memset(&hello, 0, sizeof(hello));
	hello.size = vmq__le32(sizeof(hello));
	hello.major = vmq__le16(VMQ_LAYOUT_MAJOR);
	hello.minor = vmq__le16(VMQ_LAYOUT_MINOR);
	hello.features = vmq__le64(VMQ_FEAT_KNOWN);
	hello.max_msg = vmq__le32(ch->max_msg);
	hello.ident.id = vmq__le32(ch->self.id);
	memcpy(hello.ident.uuid, ch->self.uuid, sizeof(hello.ident.uuid));
	memcpy(hello.ident.name, ch->self.name, VMQ_NAME_MAX);
	memcpy(hello.software, "libvmq " VMQ_VERSION_STRING, sizeof("libvmq " VMQ_VERSION_STRING));
	vmq_tx_put(&ch->tx, VMQ_KIND_HELLO, &hello, sizeof(hello));
}

/* The peer is there with an epoch that is new to us: a new session. */
static void session_start(struct vmq_chan *ch, uint32_t peer_epoch)
{
	struct vmq_layout_ctl *mine = ch->tx.mine;

	ch->peer_epoch = peer_epoch;
	vmq__tx_restart(&ch->tx, (uint8_t)(ch->epoch + peer_epoch));
	if (ch->pages.entry)
		vmq__pages_init(&ch->pages, (ch->epoch + peer_epoch) << 16);
	hello_send(ch);
	/* Release: who sees the echo sees start, HELLO and cleared page words. */
	vmq__store_release(&mine->peer_epoch, peer_epoch);
	ch->state = VMQ_STATE_ACK;
	vmq__store_release(&mine->state, ch->state);
}

static enum vmq_poison hello_check(struct vmq_chan *ch, const struct vmq_record *rec)
{
	struct vmq_layout_hello hello;

	if (rec->kind != VMQ_KIND_HELLO || rec->len < sizeof(hello))
		return VMQ_POISON_HELLO;
	memcpy(&hello, rec->data, sizeof(hello));
	if (vmq__le32(hello.size) < sizeof(hello) || hello.ident.name[VMQ_NAME_MAX])
		return VMQ_POISON_HELLO;
	if (vmq__le16(hello.major) != VMQ_LAYOUT_MAJOR)
		return VMQ_POISON_VERSION;
	ch->peer.id = vmq__le32(hello.ident.id);
	memcpy(ch->peer.uuid, hello.ident.uuid, sizeof(ch->peer.uuid));
	/* Without the last byte: a compiler may read the lane twice. */
	memcpy(ch->peer.name, hello.ident.name, VMQ_NAME_MAX);
	ch->peer.name[VMQ_NAME_MAX] = 0;
	ch->peer_max_msg = vmq__le32(hello.max_msg);
	ch->peer_features = vmq__le64(hello.features);
	return VMQ_POISON_NONE;
}

/* Our epoch was echoed: the peer's lane is ours to read, its HELLO first. */
static int session_establish(struct vmq_chan *ch)
{
	struct vmq_record rec;
	enum vmq_poison bad;
	int n;

	vmq__rx_restart(&ch->rx, vmq__load(&ch->rx.theirs->start), (uint8_t)(ch->epoch + ch->peer_epoch));
	n = vmq_rx_peek(&ch->rx, &rec);
	if (n <= 0)
		return n;
	bad = hello_check(ch, &rec);
	if (bad) {
		vmq_chan_set_poison(ch, bad);
		return VMQ_EPEER;
	}
	vmq_rx_next(&ch->rx);
	ch->rx.received = ch->rx.received_bytes = 0;
	ch->tx.sent = ch->tx.sent_bytes = 0;
	ch->state = VMQ_STATE_ESTABLISHED;
	vmq__store_release(&ch->tx.mine->state, ch->state);
	return 1;
}

int vmq_chan_progress(struct vmq_chan *ch)
{
	uint32_t state, epoch;
	int changed = 0, established;

	if (vmq_chan_poison(ch))
		return VMQ_EPEER;
	if (ch->state == VMQ_STATE_CLOSED)
		return 0;
	/* Acquire: pairs with the releases of state in this file. */
	state = vmq__load_acquire(&ch->rx.theirs->state);
	if (state > VMQ_STATE_POISONED) {
		vmq_chan_set_poison(ch, VMQ_POISON_STATE);
		return VMQ_EPEER;
	}
	/* Who has closed after it saw us may have sent something before. */
	if (state == VMQ_STATE_CLOSED && ch->state == VMQ_STATE_ACK)
		state = VMQ_STATE_ESTABLISHED;
	if (state != VMQ_STATE_SYNC && state != VMQ_STATE_ACK && state != VMQ_STATE_ESTABLISHED)
		return 0;
	/* Acquire, twice: state may still be of the peer's last session. */
	epoch = vmq__load_acquire(&ch->rx.theirs->epoch);
	if (epoch && epoch != ch->peer_epoch) {
		session_start(ch, epoch);
		changed = 1;
	}
	if (ch->state != VMQ_STATE_ACK || state == VMQ_STATE_SYNC ||
			vmq__load_acquire(&ch->rx.theirs->peer_epoch) != ch->epoch)
		return changed;
	established = session_establish(ch);
	return established ? established : changed;
}

void vmq_chan_close(struct vmq_chan *ch)
{
	ch->state = VMQ_STATE_CLOSED;
	/* Release: all that was published is visible before CLOSED is. */
	vmq__store_release(&ch->tx.mine->state, ch->state);
}

bool vmq_chan_peer_gone(const struct vmq_chan *ch)
{
	uint32_t state;

	if (vmq_layout_gone(ch->region, !ch->side))
		return true;
	if (!ch->peer_epoch)
		return false;
	state = vmq__load_acquire(&ch->rx.theirs->state);
	return state == VMQ_STATE_CLOSED || state == VMQ_STATE_POISONED;
}

void vmq_chan_set_poison(struct vmq_chan *ch, enum vmq_poison reason)
{
	enum vmq_poison first = vmq_chan_poison(ch);

	reason = first ? first : reason;
	vmq__rx_poison(&ch->rx, reason);
	vmq__tx_poison(&ch->tx, reason);
	ch->state = VMQ_STATE_POISONED;
	vmq__store_release(&ch->tx.mine->state, ch->state);
}

enum vmq_poison vmq_chan_poison(const struct vmq_chan *ch)
{
	uint32_t reason = vmq__get(&ch->rx.poison);

	return reason ? (enum vmq_poison)reason : (enum vmq_poison)vmq__get(&ch->tx.poison);
}

static void count(vmq_le64 *word, uint64_t n)
{
	*(volatile vmq_le64 *)word = vmq__le64(n);
}

void vmq__tx_count(struct vmq_tx *tx)
{
	count(&tx->mine->sent, tx->sent);
	count(&tx->mine->sent_bytes, tx->sent_bytes);
}

void vmq__rx_count(struct vmq_rx *rx)
{
	count(&rx->mine->received, rx->received);
	count(&rx->mine->received_bytes, rx->received_bytes);
}

void vmq_tx_beat(struct vmq_tx *tx, uint64_t kicks)
{
	vmq__tx_count(tx);
	count(&tx->mine->kicks, kicks);
}

void vmq_rx_beat(struct vmq_rx *rx)
{
	vmq__store(&rx->mine->heartbeat, ++rx->beats);
	vmq__rx_count(rx);
}
