/* SPDX-License-Identifier: BSD-2-Clause */
/* snapshot.c - a list of VMs and one of channels. */
#include <stdlib.h>
#include <string.h>

#include "dump.h"

#define IDS 4096 /* of VMs on a fabric */

void *watch_grow(void **list, size_t *count, size_t *room, size_t size)
{
	if (*count == *room) {
		size_t more = *room ? *room * 2 : 16;
		void *larger = realloc(*list, more * size);

		if (!larger)
			return NULL;
		*list = larger;
		*room = more;
	}
	return memset((char *)*list + size * (*count)++, 0, size);
}

struct watch_vm *watch_add_vm(struct watch_snapshot *s)
{
	void *list = s->vms, *one = watch_grow(&list, &s->vm_count, &s->vm_room, sizeof(*s->vms));

	s->vms = list;
	return one;
}

struct watch_channel *watch_add_channel(struct watch_snapshot *s)
{
	void *list = s->channels, *one = watch_grow(&list, &s->channel_count, &s->channel_room,
		sizeof(*s->channels));

	s->channels = list;
	return one;
}

void watch_name_ends(struct watch_snapshot *s)
{
	const struct watch_vm **by_id = calloc(IDS, sizeof(*by_id));

	for (size_t i = 0; by_id && i < s->vm_count; i++)
		if (s->vms[i].there && s->vms[i].id < IDS)
			by_id[s->vms[i].id] = &s->vms[i];
	for (size_t i = 0; by_id && i < 2 * s->channel_count; i++) {
		struct watch_channel *ch = &s->channels[i / 2];
		uint32_t id = ch->vouched[i % 2];

		if (id >= IDS || !by_id[id])
			continue;
		ch->end[i % 2].ident.id = id;
		memcpy(ch->end[i % 2].ident.name, by_id[id]->name, sizeof(by_id[id]->name));
	}
	free(by_id);
}

void watch_free(struct watch_snapshot *s)
{
	free(s->vms);
	free(s->channels);
	memset(s, 0, sizeof(*s));
}

size_t watch_there(const struct watch_snapshot *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->vm_count; i++)
		n += s->vms[i].there;
	return n;
}
