/* SPDX-License-Identifier: BSD-2-Clause */
/* command.c - `vmq-xen-fabric`: in domain 0, say which domains are on a fabric of the xen
 * transport, and who of them may talk. */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabric.h"
#include "misuse.h"
#include "name.h"
#include "vmq.h"

#define PROGRAM "vmq-xen-fabric"
#define DEALS 100              /* transactions that come to nothing */

struct command {
	enum { SET, REMOVE, LIST } what;
	const char *topology;
	char **domains;            /* behind the fabric's name */
	unsigned count;
	uint32_t *domids;
};

static int usage(void)
{
	printf(
		"usage: vmq-xen-fabric FABRIC [--topology FILE] [DOMAIN[=NAME,NAME...]]...\n"
		"       vmq-xen-fabric FABRIC --remove [DOMAIN]...\n"
		"       vmq-xen-fabric [FABRIC] --list\n\n"
		"Run by root in Xen's domain 0: says in XenStore which domains are members of a fabric of\n"
		"libvmq's xen transport (xen:FABRIC?name=NAME). DOMAIN is a name or a domid. Members that are\n"
		"there stay, but for domains that are no more. Without NAMEs, endpoints of the domain may have\n"
		"any name.\n\n"
		"  -t, --topology FILE  only those who may talk by this file, as of sim:unix=PATH: its VMs are\n"
		"                       the domains of their names, and nobody else is a member but DOMAINs\n"
		"                       on the command line. Otherwise all members may talk with all\n"
		"  -r, --remove         take domains off the fabric; without any, remove it. Their channels end\n"
		"  -l, --list           print members and endpoints of the fabric, or of all\n"
		"  -h, --help\n\n"
		"Exit codes: 0 done; 1 it failed; 2 called wrongly.\n");
	return TOOL_OK;
}

int fabric_fail(int e, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "vmq-xen-fabric: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, e ? ": %s\n" : "\n", strerror(e));
	return -1;
}

void fabric_note(const struct fabric *f, const char *format, ...)
{
	va_list args;

	if (f->again)
		return;
	fprintf(stderr, "vmq-xen-fabric: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

/* ---- DOMAIN=NAME,NAME --------------------------------------------------------------------------- */

/* Names as the node has them, cut out of their list. */
static int names_of(char *list, char names[FABRIC_TEXT])
{
	char node[XEN_NODE_MAX], *name;
	size_t n = 0;

	while ((name = strsep(&list, ","))) {
		if (!vmq__name_ok(name))
			return fabric_fail(0, "'%s' cannot be an endpoint's name", name);
		vmq__xen_node(name, node);
		n += (size_t)snprintf(names + n, FABRIC_TEXT - n, "%s%s", n ? " " : "", node);
		if (n >= FABRIC_TEXT - 1)
			return fabric_fail(0, "too many names");
	}
	return 0;
}

/* 0, -1: refused. A domain's own name has no '='. */
static int add_domain(struct fabric *f, const char *argument)
{
	char names[FABRIC_TEXT] = "*", *text = strdup(argument), *list = text ? strchr(text, '=') : NULL;
	uint32_t domid;
	int rc = text ? 0 : fabric_fail(ENOMEM, "%s", argument);

	if (list) {
		*list++ = 0;
		rc = names_of(list, names);
	}
	if (!rc && !fabric_domain_find(f, text, &domid))
		rc = fabric_fail(0, "there is no domain '%s'", text);
	if (!rc)
		rc = fabric_add(f, domid, names);
	free(text);
	return rc;
}

/* ---- the three things to do --------------------------------------------------------------------------- */

/* These give 0, an errno of XenStore's, or -1 after a complaint. */
static int set(struct fabric *f, const struct command *c)
{
	int rc = 0;

	if (!c->count && !f->topology && !f->there)
		return fabric_fail(0, "there is no fabric '%s', and no domain is named", f->name);
	if (f->closed && !f->topology && c->count)
		return fabric_fail(0, "'%s' has a topology: give it with --topology, or remove the fabric first",
			f->name);
	for (unsigned i = 0; i < c->count && !rc; i++)
		rc = add_domain(f, c->domains[i]);
	if (!rc && f->topology)
		rc = fabric_follow(f);
	/* Of a topology that is not given, domains that are no more go, and no more is done. */
	if (rc || (f->closed && !f->topology))
		return rc;
	return fabric_write(f);
}

/* It need not be a domain any more. */
static bool is_member(struct fabric *f, const char *domain, uint32_t *domid)
{
	return (fabric_domid(domain, domid) || fabric_domain_find(f, domain, domid)) && fabric_member(f, *domid);
}

static int take_away(struct fabric *f, struct command *c)
{
	if (!f->there)
		return fabric_fail(0, "there is no fabric '%s'", f->name);
	for (unsigned i = 0; i < c->count; i++)
		if (!is_member(f, c->domains[i], &c->domids[i]))
			return fabric_fail(0, "'%s' is no member of '%s'", c->domains[i], f->name);
	return fabric_remove(f, c->domids, c->count);
}

static int once(struct fabric *f, struct command *c)
{
	int e;

	f->t = xs_transaction_start(f->xs);
	if (f->t == XBT_NULL)
		return errno;
	fabric_unload(f);
	e = fabric_load(f);
	if (!e)
		e = c->what == SET ? set(f, c) : take_away(f, c);
	if (!xs_transaction_end(f->xs, f->t, e != 0) && !e)
		e = errno;
	f->t = XBT_NULL;
	f->again = true;
	return e;
}

static int change(struct fabric *f, struct command *c)
{
	int e = EAGAIN;

	for (unsigned i = 0; i < DEALS && e == EAGAIN; i++)
		e = once(f, c);
	if (!e)
		e = fabric_settle(f);
	if (e == EACCES || e == EPERM)
		return fabric_fail(e, "only domain 0 can say who is on a fabric");
	return e > 0 ? fabric_fail(e, "XenStore does not take it") : e;
}

static int list(struct fabric *f)
{
	int e;

	if (!*f->name)
		return fabric_list_all(f);
	e = fabric_load(f);
	return e ? fabric_fail(e, "XenStore") : fabric_list(f);
}

/* ---- the command line ------------------------------------------------------------------------------------ */

/* -1: go on; else the exit code. */
static int options(int argc, char **argv, struct command *c)
{
	static const struct option longs[] = {
		{ "topology", required_argument, NULL, 't' }, { "remove", no_argument, NULL, 'r' },
		{ "list", no_argument, NULL, 'l' }, { "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int o;

	opterr = 0;
	while ((o = getopt_long(argc, argv, "t:rlh", longs, NULL)) >= 0) {
		if (o == 'h')
			return usage();
		if (o == '?')
			return misuse_option(PROGRAM, argv);
		if (c->what != SET && o != 't')
			return misuse(PROGRAM, "one of --remove and --list, and once");
		if (o == 't')
			c->topology = optarg;
		else
			c->what = o == 'r' ? REMOVE : LIST;
	}
	if (c->topology && c->what != SET)
		return misuse(PROGRAM, "a topology is for who is to be a member");
	if (c->what != LIST && optind == argc)
		return misuse(PROGRAM, "the name of a FABRIC is needed");
	if (c->what == LIST && argc - optind > 1)
		return misuse(PROGRAM, "--list takes one FABRIC, or none");
	return -1;
}

static int arguments(int argc, char **argv, struct command *c, struct fabric *f)
{
	const char *name = optind < argc ? argv[optind] : NULL;

	if (name && !vmq__name_ok(name)) {
		fabric_fail(0, "'%s' cannot be a fabric's name", name);
		return TOOL_USAGE;
	}
	if (!name)
		return -1;
	snprintf(f->name, sizeof(f->name), "%s", name);
	vmq__xen_node(name, f->node);
	c->domains = argv + optind + 1;
	c->count = (unsigned)(argc - optind - 1);
	return -1;
}

static int run(struct fabric *f, struct command *c)
{
	char why[256] = "";

	if (c->topology && vmq__sim_topology_read(c->topology, &f->topology, why, sizeof(why)))
		return fabric_fail(0, "%s", *why ? why : "out of memory");
	c->domids = calloc(c->count + 1, sizeof(*c->domids));
	if (!c->domids)
		return fabric_fail(ENOMEM, "%u domains", c->count);
	f->look = c->what != SET;
	f->xs = xs_open(0);
	if (!f->xs)
		return fabric_fail(errno, "no way to XenStore");
	return c->what == LIST ? list(f) : change(f, c);
}

int main(int argc, char **argv)
{
	struct command c = { .what = SET };
	struct fabric f = { .t = XBT_NULL };
	int code = options(argc, argv, &c);

	if (code < 0)
		code = arguments(argc, argv, &c, &f);
	if (code < 0)
		code = run(&f, &c) ? TOOL_FAILED : TOOL_OK;
	if (f.xs)
		xs_close(f.xs);
	fabric_unload(&f);
	vmq__sim_topology_free(f.topology);
	free(c.domids);
	return code;
}
