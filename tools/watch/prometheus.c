/* SPDX-License-Identifier: BSD-2-Clause */
/* prometheus.c - a snapshot in the text format of Prometheus, version 0.0.4: each metric
 * with all of its samples, counters named _total. */
#include <inttypes.h>
#include <string.h>

#include "stats.h"
#include "vmq.h"

/* ---- samples -------------------------------------------------------------------------- */

static void head(FILE *to, const char *name, const char *type, const char *help)
{
	fprintf(to, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A label's value: backslash, quote and newline are escaped. */
static void value(FILE *to, const char *text)
{
	for (; *text; text++) {
		if (*text == '\\' || *text == '"')
			putc('\\', to);
		if (*text == '\n')
			fputs("\\n", to);
		else
			putc(*text, to);
	}
}

static void label(FILE *to, const char *before, const char *name, const char *text)
{
	fprintf(to, "%s%s=\"", before, name);
	value(to, text);
	putc('"', to);
}

/* ---- VMs ------------------------------------------------------------------------------- */

static uint64_t vm_up(const struct watch_vm *vm) { return vm->there; }
static uint64_t vm_peers(const struct watch_vm *vm) { return vm->stats.peers; }
static uint64_t vm_drains(const struct watch_vm *vm) { return vm->stats.drains; }
static uint64_t vm_kicks(const struct watch_vm *vm) { return vm->stats.kicks; }
static uint64_t vm_bypass(const struct watch_vm *vm) { return vm->stats.bypass; }
static uint64_t vm_moved(const struct watch_vm *vm) { return vm->stats.pages_moved; }
static uint64_t vm_lent(const struct watch_vm *vm) { return vm->stats.pages_lent; }
static uint64_t vm_shared(const struct watch_vm *vm) { return vm->stats.pages_shared; }
static uint64_t vm_returned(const struct watch_vm *vm) { return vm->stats.pages_returned; }
static uint64_t vm_refused(const struct watch_vm *vm) { return vm->stats.page_refused; }
static uint64_t vm_beats(const struct watch_vm *vm) { return vm->heartbeat; }

static const struct vm_metric {
	const char *name, *type, *help;
	uint64_t (*value)(const struct watch_vm *vm);
	bool counted, slot; /* only for VMs of a hub, or of an ivshmem region */
} vm_metrics[] = {
	{ "vmq_vm_up", "gauge", "Whether the VM is there.", vm_up, false, false },
	{ "vmq_vm_peers", "gauge", "Channels that the VM has.", vm_peers, true, false },
	{ "vmq_vm_drains_total", "counter", "Natural exits that had something to drain.", vm_drains, true, false },
	{ "vmq_vm_kicks_total", "counter", "Kicks that the VMM carried out for the VM.", vm_kicks, true, false },
	{ "vmq_vm_bypass_total", "counter", "Kicks of the VM that went past the VMM.", vm_bypass, true, false },
	{ "vmq_vm_pages_moved_total", "counter", "Pages that the VM moved.", vm_moved, true, false },
	{ "vmq_vm_pages_lent_total", "counter", "Pages that the VM lent.", vm_lent, true, false },
	{ "vmq_vm_pages_shared_total", "counter", "Pages that the VM shared.", vm_shared, true, false },
	{ "vmq_vm_pages_returned_total", "counter", "Pages that the VM returned.", vm_returned, true, false },
	{ "vmq_vm_pages_refused_total", "counter", "Claims to pages that the VMM ignored.", vm_refused, true, false },
	{ "vmq_vm_heartbeats_total", "counter", "Heartbeats of the VM's place.", vm_beats, false, true },
};

static void vm_labels(FILE *to, const char *metric, const struct watch_vm *vm)
{
	fprintf(to, "%s{", metric);
	label(to, "", "vm", vm->name);
	fprintf(to, ",id=\"%" PRIu32 "\"", vm->id);
}

static bool has(const struct watch_snapshot *s, const struct vm_metric *m)
{
	return (!m->counted || s->kind == WATCH_HUB) && (!m->slot || s->kind == WATCH_IVSHMEM);
}

static void vms(FILE *to, const struct watch_snapshot *s)
{
	for (size_t i = 0; i < sizeof(vm_metrics) / sizeof(vm_metrics[0]); i++) {
		const struct vm_metric *m = &vm_metrics[i];

		if (!has(s, m))
			continue;
		head(to, m->name, m->type, m->help);
		for (size_t k = 0; k < s->vm_count; k++) {
			vm_labels(to, m->name, &s->vms[k]);
			fprintf(to, "} %" PRIu64 "\n", m->value(&s->vms[k]));
		}
	}
}

static void exits(FILE *to, const struct watch_snapshot *s)
{
	struct stats_exit e[STATS_EXITS];

	head(to, "vmq_vm_exits_total", "counter", "Exits of the VM, by kind; all but immediate are natural ones.");
	for (size_t i = 0; i < s->vm_count; i++) {
		stats_exits(&s->vms[i], e);
		for (unsigned k = 0; k < STATS_EXITS; k++) {
			vm_labels(to, "vmq_vm_exits_total", &s->vms[i]);
			label(to, ",", "kind", e[k].kind);
			fprintf(to, "} %" PRIu64 "\n", e[k].count);
		}
	}
}

/* ---- channels --------------------------------------------------------------------------- */

static uint64_t lane_messages(const struct watch_channel *ch, unsigned s) { return watch_messages(ch, s); }
static uint64_t lane_bytes(const struct watch_channel *ch, unsigned s) { return watch_bytes(ch, s); }
static uint64_t lane_size(const struct watch_channel *ch, unsigned s) { return ch->geo.lane_size[s]; }
static uint64_t end_kicks(const struct watch_channel *ch, unsigned s) { return ch->end[s].kicks; }
static uint64_t end_beats(const struct watch_channel *ch, unsigned s) { return ch->end[s].heartbeat; }
static uint64_t end_poison(const struct watch_channel *ch, unsigned s) { return ch->end[s].poison; }
static uint64_t end_state(const struct watch_channel *ch, unsigned s) { return ch->end[s].state; }
static uint64_t end_gone(const struct watch_channel *ch, unsigned s) { return ch->end[s].gone != 0; }

static uint64_t lane_depth(const struct watch_channel *ch, unsigned s)
{
	uint32_t depth;

	return watch_depth(ch, s, &depth) ? depth : 0;
}

static const struct lane_metric {
	const char *name, *type, *help;
	uint64_t (*value)(const struct watch_channel *ch, unsigned from);
} lane_metrics[] = {
	{ "vmq_lane_messages_total", "counter", "Messages, or parts of large ones, that were sent.", lane_messages },
	{ "vmq_lane_bytes_total", "counter", "Bytes of messages that were sent.", lane_bytes },
	{ "vmq_lane_depth_bytes", "gauge", "Bytes that stand in the lane; 0 if its indices make no sense.", lane_depth },
	{ "vmq_lane_size_bytes", "gauge", "Bytes that the lane has.", lane_size },
	{ "vmq_lane_sender_kicks_total", "counter", "Kicks of the sender, at all of its peers.", end_kicks },
	{ "vmq_lane_sender_heartbeats_total", "counter", "Times that the sender looked or slept.", end_beats },
	{ "vmq_lane_sender_state", "gauge", "State of the sender's end: 0 none, 1 sync, 2 ack, 3 established, "
		"4 closed, 5 poisoned.", end_state },
	{ "vmq_lane_sender_gone", "gauge", "Whether the sender is gone, as its VMM says.", end_gone },
	{ "vmq_lane_sender_poison", "gauge", "Why the sender gave the other end up: a reason's number; 0: it "
		"did not.", end_poison },
};

static void lane_labels(FILE *to, const char *metric, const struct watch_channel *ch, unsigned from)
{
	fprintf(to, "%s{channel=\"%" PRIu64 "\",side=\"%u\"", metric, ch->key, from);
	label(to, ",", "from", ch->end[from].ident.name);
	label(to, ",", "to", ch->end[!from].ident.name);
}

static void lane_metric(FILE *to, const struct watch_snapshot *s, const struct lane_metric *m)
{
	head(to, m->name, m->type, m->help);
	for (size_t i = 0; i < 2 * s->channel_count; i++) {
		const struct watch_channel *ch = &s->channels[i / 2];

		if (ch->code)
			continue;
		lane_labels(to, m->name, ch, i % 2);
		fprintf(to, "} %" PRIu64 "\n", m->value(ch, i % 2));
	}
}

static void readable(FILE *to, const struct watch_snapshot *s)
{
	head(to, "vmq_channel_readable", "gauge", "Whether the channel's region could be read.");
	for (size_t i = 0; i < s->channel_count; i++)
		fprintf(to, "vmq_channel_readable{channel=\"%" PRIu64 "\"} %d\n", s->channels[i].key,
			!s->channels[i].code);
}

int stats_prometheus(const struct watch_snapshot *s, FILE *to)
{
	if (s->kind != WATCH_CHANNEL)
		vms(to, s);
	if (s->kind == WATCH_HUB)
		exits(to, s);
	readable(to, s);
	for (size_t i = 0; i < sizeof(lane_metrics) / sizeof(lane_metrics[0]); i++)
		lane_metric(to, s, &lane_metrics[i]);
	return TOOL_OK;
}
