/* SPDX-License-Identifier: BSD-2-Clause */
/* stats_json.c - a snapshot as JSON. */
#include "common.h"
#include "json.h"
#include "stats.h"

json_t *watch_number(uint64_t n)
{
	return n <= INT64_MAX ? json_integer((json_int_t)n) : json_real((double)n);
}

json_t *watch_poison(uint32_t reason)
{
	return reason ? json_pack("{s:I,s:s}", "reason", (json_int_t)reason, "text",
		vmq_poison_text((int)reason)) : json_null();
}

static json_t *vm(const struct watch_snapshot *s, const struct watch_vm *v)
{
	const struct vmq_vmm_stats *t = &v->stats;
	struct stats_exit e[STATS_EXITS];
	json_t *o = json_pack("{s:s,s:I,s:b}", "name", v->name, "id", (json_int_t)v->id, "here", v->there);

	if (s->kind == WATCH_IVSHMEM)
		json_object_set_new(o, "heartbeat", json_integer(v->heartbeat));
	if (!v->counted)
		return o;
	stats_exits(v, e);
	json_object_set_new(o, "exits", json_pack("{s:o,s:o,s:o,s:o,s:o}",
		e[0].kind, watch_number(e[0].count), e[1].kind, watch_number(e[1].count),
		e[2].kind, watch_number(e[2].count), e[3].kind, watch_number(e[3].count),
		e[4].kind, watch_number(e[4].count)));
	json_object_set_new(o, "drains", watch_number(t->drains));
	json_object_set_new(o, "kicks", watch_number(t->kicks));
	json_object_set_new(o, "bypass", watch_number(t->bypass));
	json_object_set_new(o, "peers", watch_number(t->peers));
	json_object_set_new(o, "pages", json_pack("{s:o,s:o,s:o,s:o,s:o}",
		"moved", watch_number(t->pages_moved), "lent", watch_number(t->pages_lent),
		"shared", watch_number(t->pages_shared), "returned", watch_number(t->pages_returned),
		"refused", watch_number(t->page_refused)));
	return o;
}

static json_t *end(const struct watch_end *e)
{
	return json_pack("{s:s,s:I,s:s,s:b,s:I,s:I,s:I,s:o,s:s,s:o}",
		"name", e->ident.name, "id", (json_int_t)e->ident.id, "state", watch_state(e->state),
		"gone", e->gone != 0, "epoch", (json_int_t)e->epoch, "peer_epoch", (json_int_t)e->peer_epoch,
		"heartbeat", (json_int_t)e->heartbeat, "kicks", watch_number(e->kicks),
		"receiver", watch_arm(e->arm), "poison", watch_poison(e->poison));
}

static json_t *lane(const struct watch_channel *ch, unsigned from)
{
	uint32_t depth;
	bool known = watch_depth(ch, from, &depth);

	return json_pack("{s:s,s:s,s:o,s:o,s:I,s:o}",
		"from", ch->end[from].ident.name, "to", ch->end[!from].ident.name,
		"messages", watch_number(watch_messages(ch, from)), "bytes", watch_number(watch_bytes(ch, from)),
		"size", (json_int_t)ch->geo.lane_size[from], "depth", known ? json_integer(depth) : json_null());
}

static json_t *channel(const struct watch_channel *ch)
{
	json_t *o = json_pack("{s:o}", "channel", watch_number(ch->key));

	if (ch->code) {
		json_object_set_new(o, "error", json_string(vmq_errname(ch->code)));
		return o;
	}
	json_object_set_new(o, "ends", json_pack("[o,o]", end(&ch->end[0]), end(&ch->end[1])));
	json_object_set_new(o, "lanes", json_pack("[o,o]", lane(ch, 0), lane(ch, 1)));
	return o;
}

int stats_json(const struct watch_snapshot *s, FILE *to)
{
	static const char *const kinds[] = { "hub", "channel", "ivshmem" };
	json_t *root = json_pack("{s:s}", "kind", kinds[s->kind]), *vms = json_array(), *channels = json_array();

	for (size_t i = 0; i < s->vm_count; i++)
		json_array_append_new(vms, vm(s, &s->vms[i]));
	for (size_t i = 0; i < s->channel_count; i++)
		json_array_append_new(channels, channel(&s->channels[i]));
	json_object_set_new(root, "vms", vms);
	json_object_set_new(root, "channels", channels);
	return tool_json_line(root, to);
}
