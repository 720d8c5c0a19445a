/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * topology.c - a JSON file says which VMs there are, how large their queues are,
 * who may talk to whom, and what is to go wrong.
 */
#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "sim.h"

/* Where we are in the file, for the message. */
struct place {
	const char *file, *text;
	const char *path[4];
	unsigned depth;
	char *why;
	size_t len;
};

static int bad(const struct place *at, const char *key, const char *problem)
{
	const char *path[5];
	unsigned depth = at->depth;

	memcpy(path, at->path, sizeof(at->path));
	if (key)
		path[depth++] = key;
	snprintf(at->why, at->len, "%s:%u: %s%s%s", at->file, vmq__sim_json_line(at->text, path, depth),
		key ? key : "", key ? ": " : "", problem);
	return VMQ_ETOPOLOGY;
}

static struct place inside(const struct place *at, const char *key)
{
	struct place p = *at;

	p.path[p.depth++] = key;
	return p;
}

/* ---- values ------------------------------------------------------------------------ */

static int known(const struct place *at, json_t *object, const char *const *keys)
{
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value) {
		unsigned i = 0;

		while (keys[i] && strcmp(keys[i], key))
			i++;
		if (!keys[i])
			return bad(at, key, "unknown key");
	}
	return 0;
}

static int number(const struct place *at, json_t *object, const char *key, json_int_t max, uint32_t *to)
{
	json_t *v = json_object_get(object, key);
	char problem[80];

	if (!v)
		return 0;
	if (json_is_integer(v) && json_integer_value(v) >= 0 && json_integer_value(v) <= max) {
		*to = (uint32_t)json_integer_value(v);
		return 0;
	}
	snprintf(problem, sizeof(problem), "must be a whole number from 0 to %lld", (long long)max);
	return bad(at, key, problem);
}

static int chance(const struct place *at, json_t *object, const char *key, double *to)
{
	json_t *v = json_object_get(object, key);

	if (!v)
		return 0;
	if (!json_is_number(v) || json_number_value(v) < 0 || json_number_value(v) > 1)
		return bad(at, key, "must be a probability from 0 to 1");
	*to = json_number_value(v);
	return 0;
}

static int flag(const struct place *at, json_t *object, const char *key, bool *to)
{
	json_t *v = json_object_get(object, key);

	if (v && !json_is_boolean(v))
		return bad(at, key, "must be true or false");
	if (v)
		*to = json_boolean_value(v);
	return 0;
}

static int sizes(const struct place *at, json_t *object, uint32_t *lane, uint32_t *pages)
{
	if (number(at, object, "lane", VMQ_LANE_MAX, lane))
		return VMQ_ETOPOLOGY;
	if (*lane && (*lane < VMQ_LANE_MIN || *lane & (*lane - 1)))
		return bad(at, "lane", "must be a power of two, 4096 or more");
	if (number(at, object, "pages", VMQ_POOL_MAX / 2, pages))
		return VMQ_ETOPOLOGY;
	/* Said to be 0: none at all. Not said: the default. */
	if (!*pages && json_object_get(object, "pages"))
		*pages = VMQ_NO_PAGES;
	return 0;
}

/* ---- one VM --------------------------------------------------------------------------- */

static int faults(const struct place *vm, json_t *object, struct sim_faults *f)
{
	static const char *const keys[] = { "drop_kick", "dup_kick", "delay_kick_us", "slow_us",
		"kill_after_exits", NULL };
	struct place at = inside(vm, "faults");

	if (!object)
		return 0;
	if (!json_is_object(object))
		return bad(vm, "faults", "must be an object");
	if (known(&at, object, keys) || chance(&at, object, "drop_kick", &f->drop_kick) ||
			chance(&at, object, "dup_kick", &f->dup_kick) ||
			number(&at, object, "delay_kick_us", 10000000, &f->delay_kick_us) ||
			number(&at, object, "slow_us", 10000000, &f->slow_us) ||
			number(&at, object, "kill_after_exits", INT32_MAX, &f->kill_after_exits))
		return VMQ_ETOPOLOGY;
	return 0;
}

static int uuid(const struct place *at, json_t *v, struct sim_vm *vm)
{
	const char *text = json_string_value(v);
	unsigned n = 0, byte;

	if (!v)
		return 0;
	for (; text && *text && n < 16; text += 2, n++) {
		if (*text == '-')
			text++;
		if (!isxdigit((unsigned char)text[0]) || !isxdigit((unsigned char)text[1]))
			break;
		sscanf(text, "%2x", &byte);
		vm->uuid[n] = (uint8_t)byte;
	}
	vm->has_uuid = true;
	return n == 16 && !*text ? 0 : bad(at, "uuid", "must be a UUID of 32 hex digits");
}

static int one_vm(const struct place *vms, json_t *object, size_t index, struct sim_topology *t)
{
	static const char *const keys[] = { "name", "uuid", "lane", "pages", "faults", NULL };
	struct sim_vm *vm = &t->vms[index];
	char number_text[24];
	struct place at;
	const char *name;

	snprintf(number_text, sizeof(number_text), "%zu", index);
	at = inside(vms, number_text);
	if (!json_is_object(object))
		return bad(&at, NULL, "a VM must be an object");
	if (known(&at, object, keys))
		return VMQ_ETOPOLOGY;
	name = json_string_value(json_object_get(object, "name"));
	if (!vmq__name_ok(name))
		return bad(&at, "name", "must be a VM name of 1 to 43 bytes");
	if (vmq__sim_topology_vm(t, name))
		return bad(&at, "name", "two VMs of one name");
	if (sizes(&at, object, &vm->lane, &vm->pages) || uuid(&at, json_object_get(object, "uuid"), vm) ||
			faults(&at, json_object_get(object, "faults"), &vm->faults))
		return VMQ_ETOPOLOGY;
	strcpy(vm->name, name);
	return 0;
}

static int all_vms(const struct place *root, json_t *list, struct sim_topology *t)
{
	struct place at = inside(root, "vms");
	size_t n = json_array_size(list);

	if (!list) {
		t->open = true;
		return 0;
	}
	if (!json_is_array(list))
		return bad(root, "vms", "must be a list");
	t->vms = calloc(n ? n : 1, sizeof(*t->vms));
	if (!t->vms)
		return VMQ_ENOMEM;
	for (size_t i = 0; i < n; i++, t->vm_count++) {
		int rc = one_vm(&at, json_array_get(list, i), i, t);

		if (rc)
			return rc;
	}
	return 0;
}

/* ---- who may talk to whom ---------------------------------------------------------------- */

static int member(const struct place *at, const struct sim_topology *t, json_t *v, char *to)
{
	const char *name = json_string_value(v);

	if (!name || (strcmp(name, "*") && !vmq__name_ok(name)))
		return bad(at, NULL, "a pair must be two VM names, or \"*\"");
	if (!t->open && strcmp(name, "*") && !vmq__sim_topology_vm(t, name))
		return bad(at, NULL, "a pair names a VM that is not in \"vms\"");
	strcpy(to, name);
	return 0;
}

static int pairs(const struct place *root, json_t *list, const char *key, struct sim_topology *t)
{
	struct place in = inside(root, key);
	size_t n = json_array_size(list);
	struct sim_rule *rules;

	if (!list)
		return 0;
	if (!json_is_array(list))
		return bad(root, key, "must be a list of pairs");
	rules = realloc(t->rules, (t->rule_count + n + 1) * sizeof(*rules));
	if (!rules)
		return VMQ_ENOMEM;
	t->rules = rules;
	for (size_t i = 0; i < n; i++) {
		json_t *pair = json_array_get(list, i);
		struct sim_rule *r = &rules[t->rule_count];
		char index[24];
		struct place at;

		snprintf(index, sizeof(index), "%zu", i);
		at = inside(&in, index);
		if (!json_is_array(pair) || json_array_size(pair) != 2)
			return bad(&at, NULL, "a pair must be two VM names, or \"*\"");
		if (member(&at, t, json_array_get(pair, 0), r->a) ||
				member(&at, t, json_array_get(pair, 1), r->b))
			return VMQ_ETOPOLOGY;
		r->allow = !strcmp(key, "allow");
		t->rule_count++;
	}
	return 0;
}

/* ---- the file -------------------------------------------------------------------------------- */

static int whole(const struct place *at, json_t *root, struct sim_topology *t)
{
	static const char *const keys[] = { "tick_us", "lane", "pages", "open", "vms", "allow",
		"refuse", NULL };
	int rc;

	if (!json_is_object(root))
		return bad(at, NULL, "the topology must be an object");
	if (known(at, root, keys) || number(at, root, "tick_us", 10000000, &t->tick_us) ||
			sizes(at, root, &t->lane, &t->pages))
		return VMQ_ETOPOLOGY;
	rc = all_vms(at, json_object_get(root, "vms"), t);
	if (!rc)
		rc = flag(at, root, "open", &t->open);
	if (!rc)
		rc = pairs(at, json_object_get(root, "allow"), "allow", t);
	if (!rc)
		rc = pairs(at, json_object_get(root, "refuse"), "refuse", t);
	t->closed = json_object_get(root, "allow") != NULL;
	return rc;
}

static char *slurp(const char *path)
{
	FILE *f = fopen(path, "re");
	size_t len = 0, cap = 0;
	char *text = NULL, *more;
	int e;

	if (!f)
		return NULL;
	do {
		if (len + 1 >= cap) {
			cap = cap ? cap * 2 : 4096;
			more = realloc(text, cap);
			if (!more) {
				free(text);
				fclose(f);
				errno = ENOMEM;
				return NULL;
			}
			text = more;
		}
		len += fread(text + len, 1, cap - len - 1, f);
	} while (!feof(f) && !ferror(f));
	e = ferror(f) ? errno : 0; /* a folder can be opened, but not read */
	fclose(f);
	text[len] = 0;
	if (!e)
		return text;
	free(text);
	errno = e;
	return NULL;
}

static int parse(const char *path, struct sim_topology *t, char *why, size_t len)
{
	struct place at = { .file = path, .why = why, .len = len };
	json_error_t error;
	char *text = slurp(path);
	json_t *root;
	int rc;

	if (!text) {
		snprintf(why, len, "%s: %s", path, strerror(errno));
		return errno == ENOMEM ? VMQ_ENOMEM : VMQ_ETOPOLOGY;
	}
	at.text = text;
	errno = 0;
	root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	if (root) {
		rc = whole(&at, root, t);
	} else {
		/* Without memory the parser often says something else, or nothing. */
		rc = errno == ENOMEM ? VMQ_ENOMEM : VMQ_ETOPOLOGY;
		if (rc == VMQ_ETOPOLOGY)
			snprintf(why, len, "%s:%d: %s", path, error.line, error.text);
	}
	json_decref(root);
	free(text);
	return rc;
}

int vmq__sim_topology_read(const char *path, struct sim_topology **out, char *why, size_t len)
{
	struct sim_topology *t = calloc(1, sizeof(*t));
	int rc = 0;

	if (!t)
		return VMQ_ENOMEM;
	t->open = !path;
	if (path)
		rc = parse(path, t, why, len);
	if (rc)
		vmq__sim_topology_free(t);
	else
		*out = t;
	return rc;
}

void vmq__sim_topology_free(struct sim_topology *t)
{
	if (!t)
		return;
	free(t->vms);
	free(t->rules);
	free(t);
}

const struct sim_vm *vmq__sim_topology_vm(const struct sim_topology *t, const char *name)
{
	for (size_t i = 0; i < t->vm_count; i++)
		if (!strcmp(t->vms[i].name, name))
			return &t->vms[i];
	return NULL;
}

int vmq__sim_topology_apply(const struct sim_topology *t, struct vmq_vmm *vmm)
{
	int rc = 0;

	for (size_t i = 0; i < t->rule_count && !rc; i++)
		rc = t->rules[i].allow ? vmq_vmm_allow(vmm, t->rules[i].a, t->rules[i].b) :
			vmq_vmm_refuse(vmm, t->rules[i].a, t->rules[i].b);
	return rc;
}

void vmq__sim_topology_sizes(const struct sim_topology *t, const char *name, uint32_t *lane, uint32_t *pages)
{
	const struct sim_vm *vm = vmq__sim_topology_vm(t, name);

	if (vm && vm->lane)
		*lane = vm->lane;
	else if (t->lane)
		*lane = t->lane;
	if (vm && vm->pages)
		*pages = vm->pages;
	else if (t->pages)
		*pages = t->pages;
}
