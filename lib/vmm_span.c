/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm_span.c - channels that lead to a VM of another VMM.
 *
 * Of two VMMs the one that was called makes them. It shows each to the other first;
 * its own VM hears of it once the other VM has it.
 */
#include <string.h>

#include "bridge.h"
#include "internal.h"

static struct bridge_far *far_of(const struct vmm_channel *ch)
{
	const struct vmq_vm *vm = ch->link[ch->span.far].vm;

	return vm ? vm->far : NULL;
}

static void say(struct bridge_far *far, enum far_type type, uint64_t number, int code)
{
	struct far_packet m = vmq__far_packet(type);

	m.number = number;
	m.code = code;
	vmq__far_send(far, &m, NULL, 0);
}

/* ---- what this VMM tells ---------------------------------------------------------- */

static void want(const struct vmq_vm *near, const struct vmq_vm *far)
{
	struct far_packet m = vmq__far_packet(FAR_WANT);

	m.id = near->ident.id;
	m.peer = far->ident.id;
	vmq__far_send(far->far, &m, NULL, 0);
}

int vmq__far_connect(struct vmq_vm *near, struct vmq_vm *far)
{
	struct far_packet m = vmq__far_packet(FAR_JOIN);
	struct vmm_channel *ch;
	int rc;

	if (near->far || !vmq__vmm_rings(near))
		return 0;
	if (far->far->target) {
		want(near, far);
		return 0;
	}
	rc = vmq__channel_open((struct vmq_vm *const[]){ near, far }, &ch);
	if (rc)
		return rc;
	ch->span.number = ++near->vmm->bridge->channels;
	ch->link[ch->span.far].shown = true;
	m.number = ch->span.number;
	m.life = far->far_life;
	m.id = near->ident.id;
	m.peer = far->ident.id;
	m.side = ch->span.far;
	m.epoch = ch->epoch;
	vmq__far_send(far->far, &m, (int[]){ ch->fd, ch->span.fd }, 2);
	return 0;
}

void vmq__far_leave(struct vmm_channel *ch, int reason)
{
	/* What the near VM gave until now still counts over there: the ledger has to
	 * know before nobody is asked any more. */
	vmq__vmm_sync(ch, 0, 0);
	say(far_of(ch), FAR_LEAVE, ch->span.number, reason);
}

void vmq__far_ask(struct vmm_channel *ch)
{
	ch->span.again = ch->span.asked;
	if (ch->span.asked)
		return;
	ch->span.asked = true;
	ch->span.asked_at = ch->span.changes;
	say(far_of(ch), FAR_SYNC, ch->span.number, 0);
}

void vmq__span_goodbye(struct bridge_far *far)
{
	for (struct vmq_vm *vm = far->bridge->vmm->vms; vm; vm = vm->next)
		for (struct vmq_vmm_link *l = vm->far == far ? vm->links : NULL; l; l = l->next)
			if (l->shown && !l->channel->revoked)
				vmq__far_leave(l->channel, VMQ_EGONE);
}

/* ---- JOIN ---------------------------------------------------------------------------- */

static struct vmm_channel *channel_of(const struct bridge_far *far, uint64_t number)
{
	for (struct vmq_vm *vm = far->bridge->vmm->vms; vm; vm = vm->next)
		for (struct vmq_vmm_link *l = vm->far == far ? vm->links : NULL; l; l = l->next)
			if (l->channel->span.number == number)
				return l->channel;
	return NULL;
}

/* The near VM of that id, if it can have channels there. */
static struct vmq_vm *near_vm(const struct bridge_far *far, uint32_t id)
{
	struct vmq_vm *vm = id < VMM_IDS ? far->bridge->vmm->names[id].vm : NULL;

	return vm && !vm->far && !vm->halted && vmq__vmm_rings(vm) ? vm : NULL;
}

static int join_check(const struct bridge_far *far, const struct far_packet *m, const struct vmq_vm *near,
	const struct vmq_vm *peer)
{
	if (!near || !peer || near->life != m->life)
		return VMQ_ENOENT; /* it left meanwhile, or was left out */
	if (!vmq__vmm_allowed(near->vmm, near->ident.name, peer->ident.name))
		return VMQ_EACCES;
	if (m->side > 1 || !m->epoch || channel_of(far, m->number))
		return VMQ_EPROTO;
	return vmq__vmm_connected(near, peer) ? VMQ_EEXIST : 0;
}

/* The header must say what this VMM would have written into it. */
static bool header_ok(const struct vmm_channel *ch, struct vmq_vm *const vm[2])
{
	struct vmq_geometry geo;
	struct vmq_ident ident;

	if (vmq_layout_read(ch->meta, ch->geo.region_size, &geo) || memcmp(&geo, &ch->geo, sizeof(geo)))
		return false;
	for (unsigned side = 0; side < 2; side++) {
		vmq_layout_ident_read(ch->meta, side, &ident);
		if (ident.id != vm[side]->ident.id || strcmp(ident.name, vm[side]->ident.name))
			return false;
	}
	return true;
}

static int import(struct vmm_channel *ch, struct vmq_vm *const vm[2])
{
	int rc = vmq__sealed_check(ch->fd, ch->geo.region_size);

	if (!rc)
		rc = vmq__sealed_check(ch->span.fd, vmq__ledger_size(ch));
	if (!rc)
		rc = vmq__channel_map(ch);
	if (!rc && !header_ok(ch, vm))
		rc = VMQ_EPROTO;
	for (unsigned side = 0; side < 2 && !rc; side++)
		rc = vmq__link_open(ch, side, vm[side]);
	return rc ? rc : vmq__link_attach(&ch->link[!ch->span.far]);
}

static int join(struct bridge_far *far, const struct far_packet *m, int fds[PACKET_FDS])
{
	struct vmq_vm *near = near_vm(far, m->peer), *peer = vmq__far_vm(far, m->id), *vm[2];
	struct vmm_channel *ch;
	int rc = join_check(far, m, near, peer);

	if (!rc && fds[0] < 0)
		rc = VMQ_EMFILE;
	if (rc)
		return rc;
	vm[m->side] = near;
	vm[!m->side] = peer;
	rc = vmq__channel_alloc(vm, &ch);
	if (rc)
		return rc;
	ch->epoch = m->epoch;
	ch->span.number = m->number;
	ch->fd = fds[0];
	ch->span.fd = fds[1];
	fds[0] = fds[1] = -1;
	rc = import(ch, vm);
	if (rc) {
		vmq__channel_undo(ch);
		return rc;
	}
	ch->link[ch->span.far].shown = true;
	return 0;
}

static void on_join(struct bridge_far *far, const struct far_packet *m, int fds[PACKET_FDS])
{
	int rc = join(far, m, fds);

	if (rc && rc != VMQ_EACCES && rc != VMQ_ENOENT)
		vmq__bridge_log(far->bridge, "process %d has no channel for VMs %u and %u: %s", far->pid, m->id,
			m->peer, vmq_strerror(rc));
	say(far, rc ? FAR_LEAVE : FAR_JOINED, m->number, rc);
}

static void on_joined(struct vmm_channel *ch)
{
	struct vmq_vmm_link *link = &ch->link[!ch->span.far];

	if (!link->vm || link->ended || link->shown || ch->revoked)
		return;
	if (vmq__link_attach(link))
		vmq__vmm_detach(link);
}

static void on_want(struct bridge_far *far, const struct far_packet *m)
{
	struct vmq_vm *near = near_vm(far, m->peer), *peer = vmq__far_vm(far, m->id);

	if (near && peer && vmq__vmm_allowed(near->vmm, near->ident.name, peer->ident.name) &&
			!vmq__vmm_connected(near, peer))
		vmq__far_connect(near, peer);
}

/* ---- the end, and pages ------------------------------------------------------------------ */

static void on_leave(struct vmm_channel *ch, int code)
{
	struct vmq_vmm_link *link = &ch->link[ch->span.far];

	link->shown = false; /* it knows */
	if (code == VMQ_EACCES && !ch->revoked)
		vmq__vmm_revoke(ch);
	vmq__vmm_detach(link);
}

static void on_synced(struct vmm_channel *ch)
{
	struct vmm_span *s = &ch->span;
	const struct vmq_vm *near = ch->link[!s->far].vm;
	int rc = vmq__vmm_sync(ch, 0, 0);
	bool changed = s->changes != s->asked_at, again = s->again;

	s->asked = s->again = false;
	/* A far VM that lies may keep its VMM from doing what it says: nobody is
	 * woken, or asked, for that alone. */
	if (near && (rc != VMQ_EAGAIN || changed))
		vmq__vmm_kick(near, VMQ_KICK_DATA | VMQ_KICK_SPACE);
	if (rc == VMQ_EAGAIN && again)
		vmq__far_ask(ch);
}

static void on_channel(struct bridge_far *far, struct vmm_channel *ch, const struct far_packet *m)
{
	if (m->type == FAR_JOINED) {
		on_joined(ch);
	} else if (m->type == FAR_LEAVE) {
		on_leave(ch, m->code);
	} else if (m->type == FAR_SYNCED) {
		on_synced(ch);
	} else {
		vmq__vmm_sync(ch, 0, 0);
		say(far, FAR_SYNCED, m->number, 0);
	}
}

const char *vmq__span_packet(struct bridge_far *far, const struct far_packet *m, int fds[PACKET_FDS])
{
	struct vmm_channel *ch;

	switch (m->type) {
	case FAR_JOIN:
	case FAR_WANT:
	case FAR_JOINED:
		/* Channels come from who was called. */
		if ((m->type == FAR_JOIN) != (far->target != NULL))
			return "it does what is this VMM's part";
		break;
	case FAR_LEAVE:
	case FAR_SYNC:
	case FAR_SYNCED:
		break;
	default:
		return "it said something unknown";
	}
	if (m->type == FAR_JOIN)
		on_join(far, m, fds);
	else if (m->type == FAR_WANT)
		on_want(far, m);
	else if ((ch = channel_of(far, m->number)))
		on_channel(far, ch, m); /* else it ended meanwhile */
	return NULL;
}
