/* SPDX-License-Identifier: BSD-2-Clause */
/* vmq_ls.c - `vmq ls`: who is on a fabric. Joins it for that, and waits a while: each peer has
 * to answer before it is known. */
#define _GNU_SOURCE
#include <getopt.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "common.h"
#include "misuse.h"
#include "shown.h"

#define WAIT_MS 500 /* what a peer is given to show up */

struct ls {
	struct vmq *q;
	const char *address;
	bool json;
	int64_t wait;
};

static int usage(void)
{
	printf(
		"usage: vmq ls [OPTION]... ADDRESS\n\n"
		"Who is on a fabric: id, name, state, largest message, epoch (one for each life) and UUID. Joins\n"
		"it as vmq-ls-PID, or with the ADDRESS's name, for as long as that takes.\n\n"
		"  -j, --json         each VM as an object on a line\n"
		"  -w, --wait S       wait so many seconds for VMs to show up (0.5)\n"
		"  -h, --help\n\n"
		"ADDRESS is one of sim:unix=PATH, kvm:unix=PATH, ivshmem:unix=PATH, ivshmem:file=PATH, ivshmem:,\n"
		"ivshmem:BDF, xen:FABRIC.\n\n"
		"Exit codes: 0 done, also if nobody is there; 1 failed, 2 called wrongly, 4 the fabric has gone.\n");
	return TOOL_OK;
}

/* ---- who is there ------------------------------------------------------------------------ */

/* News of peers, until the time is up: the highest id that there is, or -1 and *code. */
static int64_t look(struct ls *l, int *code)
{
	uint64_t deadline = tool_deadline(l->wait);
	int64_t left, most = vmq_id(l->q);

	do {
		struct vmq_event event = { .size = sizeof(event) };
		int rc;

		left = tool_left(deadline, TOOL_SLICE);
		rc = vmq_event(l->q, &event, left);
		if (!rc && event.type == VMQ_EVENT_DOWN) {
			*code = tool_fail(TOOL_GONE, "the fabric has gone");
			return -1;
		}
		if (!rc && event.type <= VMQ_EVENT_POISON && event.peer > most)
			most = event.peer;
		if (rc && rc != VMQ_ETIMEDOUT && rc != VMQ_EAGAIN) {
			*code = tool_fail(TOOL_FAILED, "%s", vmq_strerror(rc));
			return -1;
		}
	} while (left && !tool_stopped());
	return tool_stopped() ? -1 : most;
}

static const char *state(const struct vmq_peer_info *p)
{
	return !p->state ? "there" : p->state == VMQ_EPEER ? "poisoned" : "gone";
}

static void uuid_text(const uint8_t *uuid, char text[37])
{
	char *to = text;

	for (unsigned i = 0; i < 16; i++)
		to += sprintf(to, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
}

/* ---- for people -------------------------------------------------------------------------- */

static int row(const struct vmq_peer_info *p)
{
	const char *colour = !p->state ? "\033[32m" : "\033[31m", *off = "\033[m";
	char uuid[37], name[sizeof(p->name)];

	if (!tool_colour(stdout))
		colour = off = "";
	memcpy(name, p->name, sizeof(name));
	shown(name);
	uuid_text(p->uuid, uuid);
	printf("%5" PRIu32 " %s%-8s%s %10" PRIu32 " %10" PRIu32 " %s %s", p->id, colour, state(p), off,
		p->max_msg, p->epoch, uuid, name);
	if (p->state == VMQ_EPEER)
		printf(" (%s)", vmq_poison_text(p->poison));
	return putchar('\n') == EOF ? TOOL_FAILED : TOOL_OK;
}

/* ---- for programs ------------------------------------------------------------------------ */

static int row_json(const struct vmq_peer_info *p)
{
	json_t *o;
	char uuid[37];

	uuid_text(p->uuid, uuid);
	o = json_pack("{s:I,s:s,s:I,s:I,s:s}", "id", (json_int_t)p->id, "state", state(p),
		"max_msg", (json_int_t)p->max_msg, "epoch", (json_int_t)p->epoch, "uuid", uuid);
	if (o && tool_json_name(o, "name", p->name) && p->state == VMQ_EPEER)
		json_object_set_new(o, "poison", json_string(vmq_poison_text(p->poison)));
	if (o && p->origin)
		json_object_set_new(o, "origin", json_integer(p->origin));
	return tool_json_line(o, stdout);
}

static int list(struct ls *l)
{
	struct vmq_peer_info info = { .size = sizeof(info) };
	int code = TOOL_OK;
	int64_t most;

	tool_progress("looking who is there");
	most = look(l, &code);
	tool_progress_end();
	if (most < 0)
		return code ? code : TOOL_FAILED;
	if (!l->json)
		printf("%5s %-8s %10s %10s %-36s %s\n", "id", "state", "max", "epoch", "uuid", "name");
	for (uint32_t id = 0; id <= most && !code; id++)
		if (id != vmq_id(l->q) && !vmq_peer_info(l->q, id, &info))
			code = l->json ? row_json(&info) : row(&info);
	return fflush(stdout) ? tool_output_failed(NULL) : code;
}

/* ---- the command --------------------------------------------------------------------------- */

static int run(struct ls *l)
{
	char name[32];
	int rc;

	tool_signals();
	snprintf(name, sizeof(name), "vmq-ls-%ld", (long)getpid());
	rc = tool_open(l->address, name, NULL, &l->q);
	if (rc)
		return rc;
	rc = list(l);
	vmq_close(l->q);
	return tool_end(rc);
}

/* -1: go on; else the exit code. */
static int parse(int argc, char **argv, struct ls *l)
{
	static const struct option longs[] = {
		{ "json", no_argument, NULL, 'j' }, { "wait", required_argument, NULL, 'w' },
		{ "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "jw:h", longs, NULL)) >= 0) {
		if (c == 'h')
			return usage();
		if (c == 'w' && !tool_seconds("--wait", optarg, &l->wait))
			return TOOL_USAGE;
		if (c == '?')
			return misuse_option(tool_name, argv);
		l->json |= c == 'j';
	}
	if (argc - optind != 1)
		return misuse(tool_name, "one ADDRESS is needed");
	l->address = argv[optind];
	return -1;
}

int tool_ls(int argc, char **argv)
{
	struct ls l = { .wait = VMQ_MS(WAIT_MS) };
	int code = parse(argc, argv, &l);

	return code < 0 ? run(&l) : code;
}
