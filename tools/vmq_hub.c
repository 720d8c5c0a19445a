/* SPDX-License-Identifier: BSD-2-Clause */
/* vmq_hub.c - `vmq hub`: serves VMs that are processes until it is told to stop. */
#define _POSIX_C_SOURCE 200809L
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <vmq/vmm.h>

#include "common.h"
#include "misuse.h"
#include "shown.h"

#define TICK_MAX_US 10000000u

struct session {
	struct vmq_hub *hub;
	bool quiet, json;
};

static struct vmq_hub *volatile to_stop; /* for the signal handler */

static int usage(void)
{
	printf(
		"usage: vmq hub [-t TOPOLOGY] [-k TICK_US] [-q] [-j] SOCKET\n\n"
		"Serves VMs that are processes. They open sim:unix=SOCKET?name=NAME.\n\n"
		"  -t, --topology FILE  JSON: which VMs there are, and who may talk to whom\n"
		"  -k, --tick US        each VM's timer exit, in microseconds (10000)\n"
		"  -q, --quiet          no line for each VM that joins or leaves\n"
		"  -j, --json           the counters at the end as one line of JSON\n"
		"  -h, --help\n\n"
		"Prints `ready SOCKET` when VMs may come. SIGINT and SIGTERM end it.\n");
	return TOOL_OK;
}

/* ---- what the hub says ------------------------------------------------------- */

static void on_log(void *ctx, const char *line)
{
	const struct session *s = ctx;
	char text[512];

	if (s->quiet)
		return;
	snprintf(text, sizeof(text), "%s", line);
	shown(text);
	puts(text);
	fflush(stdout);
}

/* ---- counters ------------------------------------------------------------------ */

static void table_row(const char *name, const struct vmq_vmm_stats *t)
{
	const uint64_t cells[] = { t->exits_immediate, t->exits_natural[VMQ_EXIT_TIMER],
		t->exits_natural[VMQ_EXIT_WAIT], t->exits_natural[VMQ_EXIT_YIELD],
		t->exits_natural[VMQ_EXIT_IO], t->drains, t->kicks, t->bypass };

	char text[VMQ_NAME_MAX + 1];

	snprintf(text, sizeof(text), "%s", name);
	shown(text);
	printf("%-16s", text);
	for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++)
		printf(" %9llu", (unsigned long long)cells[i]);
	putchar('\n');
}

static int table(const struct session *s)
{
	struct vmq_vmm_stats stats = { .size = sizeof(stats) };
	char name[VMQ_NAME_MAX + 1] = "";

	printf("%-16s %9s %9s %9s %9s %9s %9s %9s %9s\n", "exits of VM", "immediate", "timer",
		"wait", "yield", "io", "drains", "kicks", "bypass");
	while (!vmq_hub_next(s->hub, name, NULL))
		if (!vmq_hub_stats(s->hub, name, &stats))
			table_row(name, &stats);
	return TOOL_OK;
}

static json_t *json_row(const struct vmq_vmm_stats *t)
{
	return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}",
		"exits_immediate", (json_int_t)t->exits_immediate,
		"exits_timer", (json_int_t)t->exits_natural[VMQ_EXIT_TIMER],
		"exits_wait", (json_int_t)t->exits_natural[VMQ_EXIT_WAIT],
		"exits_yield", (json_int_t)t->exits_natural[VMQ_EXIT_YIELD],
		"exits_io", (json_int_t)t->exits_natural[VMQ_EXIT_IO],
		"drains", (json_int_t)t->drains,
		"kicks", (json_int_t)t->kicks,
		"bypass", (json_int_t)t->bypass);
}

/* A name that is no UTF-8 stands there with '?', and if there is one like it, with its number. */
static int json_add(json_t *root, const char *name, json_t *row)
{
	char text[VMQ_NAME_MAX + 16], key[VMQ_NAME_MAX + 32];

	snprintf(text, sizeof(text), "%s", name);
	shown(text);
	snprintf(key, sizeof(key), "%s", text);
	for (unsigned n = 2; json_object_get(root, key); n++)
		snprintf(key, sizeof(key), "%s#%u", text, n);
	return json_object_set_new(root, key, row);
}

static int json(const struct session *s)
{
	struct vmq_vmm_stats stats = { .size = sizeof(stats) };
	char name[VMQ_NAME_MAX + 1] = "";
	json_t *root = json_object();
	int bad = !root;

	while (!vmq_hub_next(s->hub, name, NULL))
		if (!vmq_hub_stats(s->hub, name, &stats))
			bad |= json_add(root, name, json_row(&stats));
	bad |= json_dumpf(root, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(root);
	return bad ? TOOL_FAILED : TOOL_OK;
}

/* ---- serve ----------------------------------------------------------------------- */

static void on_signal(int number)
{
	(void)number;
	vmq_hub_stop(to_stop);
}

static void stop_on_signals(struct vmq_hub *hub)
{
	struct sigaction action = { .sa_handler = on_signal };

	to_stop = hub;
	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static int serve(struct session *s, const struct vmq_hub_options *options)
{
	int rc = vmq_hub_open(options, &s->hub), code;

	if (rc)
		return tool_fail(TOOL_FAILED, "%s", options->errmsg[0] ? options->errmsg : vmq_strerror(rc));
	stop_on_signals(s->hub);
	printf("ready %s\n", options->path);
	fflush(stdout);
	rc = vmq_hub_run(s->hub, VMQ_FOREVER);
	if (rc)
		tool_say("%s", vmq_strerror(rc));
	code = s->json ? json(s) : table(s);
	to_stop = NULL;
	vmq_hub_close(s->hub);
	return rc ? TOOL_FAILED : code;
}

/* ---- the command line -------------------------------------------------------------- */

static bool tick(const char *text, uint32_t *us)
{
	uint64_t n;

	if (!tool_number("--tick", text, 1, TICK_MAX_US, &n))
		return false;
	*us = (uint32_t)n;
	return true;
}

/* -1: go on; else the exit code. */
static int parse(int argc, char **argv, struct session *s, struct vmq_hub_options *o)
{
	static const struct option longs[] = {
		{ "topology", required_argument, NULL, 't' }, { "tick", required_argument, NULL, 'k' },
		{ "quiet", no_argument, NULL, 'q' }, { "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "t:k:qjh", longs, NULL)) >= 0) {
		if (c == 'h')
			return usage();
		if (c == 't')
			o->topology = optarg;
		else if (c == 'q')
			s->quiet = true;
		else if (c == 'j')
			s->json = true;
		else if (c != 'k')
			return misuse_option(argv[0], argv);
		else if (!tick(optarg, &o->tick_us))
			return TOOL_USAGE;
	}
	if (optind != argc - 1)
		return misuse(argv[0], "one SOCKET is needed");
	o->path = argv[optind];
	return -1;
}

int tool_hub(int argc, char **argv)
{
	char why[300] = "";
	struct session s = { 0 };
	struct vmq_hub_options options = { .size = sizeof(options), .log = on_log, .ctx = &s,
		.errmsg = why, .errlen = sizeof(why) };
	int code = parse(argc, argv, &s, &options);

	return code < 0 ? serve(&s, &options) : code;
}
