/* SPDX-License-Identifier: BSD-2-Clause */
/* stats.c - `vmq stats`: what there is, once, for people or for programs. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

#include "common.h"
#include "misuse.h"
#include "stats.h"

static int usage(void)
{
	printf(
		"usage: vmq stats [-j|-p] WHAT\n\n"
		"Prints the counters of VMs and channels, once. WHAT is a hub's socket (sim:unix=PATH,\n"
		"or PATH), or a file that holds a channel's region or a whole ivshmem region.\n\n"
		"  -j, --json        as one line of JSON\n"
		"  -p, --prometheus  in the text format of Prometheus\n"
		"  -h, --help\n");
	return TOOL_OK;
}

void stats_exits(const struct watch_vm *vm, struct stats_exit exits[STATS_EXITS])
{
	const struct vmq_vmm_stats *t = &vm->stats;

	exits[0] = (struct stats_exit){ "immediate", t->exits_immediate };
	exits[1] = (struct stats_exit){ "timer", t->exits_natural[VMQ_EXIT_TIMER] };
	exits[2] = (struct stats_exit){ "wait", t->exits_natural[VMQ_EXIT_WAIT] };
	exits[3] = (struct stats_exit){ "yield", t->exits_natural[VMQ_EXIT_YIELD] };
	exits[4] = (struct stats_exit){ "io", t->exits_natural[VMQ_EXIT_IO] };
}

/* ---- the table --------------------------------------------------------------------- */

static void vm_row(const struct watch_vm *vm)
{
	struct stats_exit exits[STATS_EXITS];
	const struct vmq_vmm_stats *t = &vm->stats;

	printf("%-20s %4s %6" PRIu64, vm->name, vm->there ? "yes" : "no", t->peers);
	stats_exits(vm, exits);
	for (unsigned i = 0; i < STATS_EXITS; i++)
		printf(" %9" PRIu64, exits[i].count);
	printf(" %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %7" PRIu64 " %7" PRIu64 "\n", t->drains, t->kicks,
		t->bypass, t->pages_moved + t->pages_lent + t->pages_shared, t->page_refused);
}

static void counted_vms(const struct watch_snapshot *s)
{
	printf("%-20s %4s %6s %9s %9s %9s %9s %9s %9s %9s %9s %7s %7s\n", "VM", "here", "peers", "immediate",
		"timer", "wait", "yield", "io", "drains", "kicks", "bypass", "pages", "refused");
	for (size_t i = 0; i < s->vm_count; i++)
		vm_row(&s->vms[i]);
	putchar('\n');
}

static void slots(const struct watch_snapshot *s)
{
	printf("%5s %-20s %10s\n", "place", "VM", "heartbeat");
	for (size_t i = 0; i < s->vm_count; i++)
		printf("%5" PRIu32 " %-20s %10" PRIu32 "\n", s->vms[i].id, s->vms[i].name, s->vms[i].heartbeat);
	putchar('\n');
}

static void lane_row(const struct watch_channel *ch, unsigned from)
{
	const struct watch_end *e = &ch->end[from];
	char depth[24] = "?";
	uint32_t n;

	if (watch_depth(ch, from, &n))
		snprintf(depth, sizeof(depth), "%" PRIu32, n);
	printf("%-20s %-20s %-11s %12" PRIu64 " %15" PRIu64 " %10s %10" PRIu32 " %9" PRIu64 "%s%s\n",
		e->ident.name, ch->end[!from].ident.name, e->gone ? "gone" : watch_state(e->state),
		watch_messages(ch, from), watch_bytes(ch, from), depth, ch->geo.lane_size[from], e->kicks,
		e->poison ? "  poison: " : "", e->poison ? vmq_poison_text((int)e->poison) : "");
}

static void lanes(const struct watch_snapshot *s)
{
	printf("%-20s %-20s %-11s %12s %15s %10s %10s %9s\n", "from", "to", "state", "messages", "bytes",
		"depth", "lane", "kicks");
	for (size_t i = 0; i < s->channel_count; i++) {
		const struct watch_channel *ch = &s->channels[i];

		if (ch->code)
			printf("channel %" PRIu64 ": %s\n", ch->key, vmq_strerror(ch->code));
		for (unsigned side = 0; !ch->code && side < 2; side++)
			lane_row(ch, side);
	}
}

static int table(const struct watch_snapshot *s)
{
	if (s->kind == WATCH_HUB)
		counted_vms(s);
	else if (s->kind == WATCH_IVSHMEM)
		slots(s);
	lanes(s);
	return TOOL_OK;
}

/* ---- the command --------------------------------------------------------------------- */

static int stats(const char *what, int (*print)(const struct watch_snapshot *s))
{
	struct watch_source src;
	struct watch_snapshot s = { 0 };
	int rc = watch_open(&src, what);

	if (!rc)
		rc = watch_look(&src, &s);
	rc = rc ? tool_fail(tool_code(rc), "%s", src.why) : print(&s);
	watch_free(&s);
	watch_close(&src);
	return rc;
}

static int as_json(const struct watch_snapshot *s)
{
	return stats_json(s, stdout);
}

static int as_prometheus(const struct watch_snapshot *s)
{
	return stats_prometheus(s, stdout);
}

int tool_stats(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "json", no_argument, NULL, 'j' }, { "prometheus", no_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
	};
	int (*print)(const struct watch_snapshot *) = table;
	int c;

	while ((c = getopt_long(argc, argv, "jph", longs, NULL)) >= 0) {
		if (c == 'h')
			return usage();
		if (c != 'j' && c != 'p')
			return misuse_option(tool_name, argv);
		if (print != table)
			return misuse(tool_name, "one of --json and --prometheus, and once");
		print = c == 'j' ? as_json : as_prometheus;
	}
	if (optind != argc - 1)
		return misuse(tool_name, "what to look at? Give one hub's socket or region's file");
	return stats(argv[optind], print);
}
