/* SPDX-License-Identifier: BSD-2-Clause */
/* command.c - `vmq ivshmem-server`: its command line. */
#include <getopt.h>
#include <stdio.h>

#include "misuse.h"
#include "srv.h"
#include "vmq.h"

enum { OPT_MEMFD = 256, OPT_HUGETLB, OPT_HUGETLBFS, OPT_FILE, OPT_SLOTS, OPT_BEAT, OPT_DEAD,
	OPT_FORMAT, OPT_UIDS, OPT_GIDS };

static const struct option longs[] = {
	{ "memfd", no_argument, NULL, OPT_MEMFD },
	{ "hugetlb", no_argument, NULL, OPT_HUGETLB },
	{ "hugetlbfs", required_argument, NULL, OPT_HUGETLBFS },
	{ "file", required_argument, NULL, OPT_FILE },
	{ "size", required_argument, NULL, 's' },
	{ "slots", required_argument, NULL, OPT_SLOTS },
	{ "beat-ms", required_argument, NULL, OPT_BEAT },
	{ "dead-ms", required_argument, NULL, OPT_DEAD },
	{ "format", no_argument, NULL, OPT_FORMAT },
	{ "vectors", required_argument, NULL, 'n' },
	{ "max-clients", required_argument, NULL, 'c' },
	{ "mode", required_argument, NULL, 'm' },
	{ "owner", required_argument, NULL, 'o' },
	{ "allow-uid", required_argument, NULL, OPT_UIDS },
	{ "allow-gid", required_argument, NULL, OPT_GIDS },
	{ "quiet", no_argument, NULL, 'q' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static int usage(void)
{
	printf(
		"usage: vmq ivshmem-server [OPTION]... SOCKET\n\n"
		"Gives QEMU's guests and programs of this host one region of memory, and doorbells:\n"
		"  qemu-system-x86_64 ... -chardev socket,id=iv,path=SOCKET \\\n"
		"    -device ivshmem-doorbell,chardev=iv,vectors=3\n"
		"Programs open ivshmem:unix=SOCKET?name=NAME.\n\n"
		"The region, one of:\n"
		"      --memfd           memory of its own, which nobody can make shorter (this one)\n"
		"      --hugetlb         the same in huge pages\n"
		"      --hugetlbfs DIR   huge pages from the file system at DIR\n"
		"      --file PATH       a file: made with mode 0600, or taken as it is\n"
		"  -s, --size SIZE       bytes, or with K, M, G, T: a power of two, 256K to 1T (64M, or\n"
		"                        what the file has)\n"
		"      --slots N         places for endpoints, 2 to 256 (4; from 128M on 8; from 256M on 16)\n"
		"      --beat-ms N       how often an endpoint shows that it lives, 1 to 30000 (100)\n"
		"      --dead-ms N       after how long without it is dead, 2 to 60000 (2000)\n"
		"      --format          lay it out anew, whatever it holds. Without this, what libvmq\n"
		"                        left in it is kept, and what somebody else left is refused\n\n"
		"Its clients:\n"
		"  -n, --vectors N       doorbells of each, 1 to 64 (3: data, space, news)\n"
		"  -c, --max-clients N   1 to 1024 (64)\n"
		"  -m, --mode OCTAL      of the socket (0600)\n"
		"  -o, --owner USER:GROUP\n"
		"                        of the socket; either may be left out\n"
		"      --allow-uid LIST  users to let in, beside root and the server's own\n"
		"      --allow-gid LIST  groups to let in\n\n"
		"  -q, --quiet           no line for each client that joins or leaves\n"
		"  -j, --json            each line is a JSON object\n"
		"  -h, --help\n\n"
		"Prints `ready SOCKET` when clients may come, and then what happens, to standard error.\n"
		"SIGINT and SIGTERM end it. %s\n", srv_systemd_help);
	return TOOL_OK;
}

static int wrong(const char *option, const char *takes)
{
	fprintf(stderr, SRV_NAME ": --%s takes %s\n", option, takes);
	return TOOL_USAGE;
}

/* ---- one option ----------------------------------------------------------------------- */

static int memory(struct srv_options *o, enum srv_memory memory, const char *where)
{
	if (o->memory != SRV_ANY) {
		fprintf(stderr, SRV_NAME ": one of --memfd, --hugetlb, --hugetlbfs and --file, once\n");
		return TOOL_USAGE;
	}
	o->memory = memory;
	o->where = where;
	return -1;
}

static int region(int c, struct srv_options *o)
{
	if (c == OPT_MEMFD)
		return memory(o, SRV_MEMFD, NULL);
	if (c == OPT_HUGETLB)
		return memory(o, SRV_HUGETLB, NULL);
	if (c == OPT_HUGETLBFS)
		return memory(o, SRV_HUGETLBFS, optarg);
	if (c == OPT_FILE)
		return memory(o, SRV_FILE, optarg);
	if (c == 's' && !srv_parse_size(optarg, &o->size))
		return wrong("size", "a power of two, 256K to 1T");
	if (c == OPT_SLOTS && !srv_parse_number(optarg, VMQ_IVSHMEM_SLOTS_MIN, VMQ_IVSHMEM_SLOTS_MAX,
			&o->plan.slots))
		return wrong("slots", "2 to 256");
	if (c == OPT_BEAT && !srv_parse_number(optarg, 1, 30000, &o->plan.beat_ms))
		return wrong("beat-ms", "1 to 30000");
	if (c == OPT_DEAD && !srv_parse_number(optarg, 2, 60000, &o->plan.dead_ms))
		return wrong("dead-ms", "2 to 60000");
	return -1;
}

static int clients(int c, struct srv_options *o)
{
	if (c == 'n' && !srv_parse_number(optarg, 1, SRV_VECTORS_MAX, &o->vectors))
		return wrong("vectors", "1 to 64");
	if (c == 'c' && !srv_parse_number(optarg, 1, SRV_CLIENTS_MAX, &o->max_clients))
		return wrong("max-clients", "1 to 1024");
	if (c == 'm' && !srv_parse_mode(optarg, &o->mode))
		return wrong("mode", "an octal number up to 777");
	if (c == 'o' && !srv_parse_owner(optarg, &o->owner, &o->group))
		return wrong("owner", "USER:GROUP that exist");
	if (c == OPT_UIDS && !srv_parse_users(optarg, &o->uids))
		return wrong("allow-uid", "users that exist, with commas, at most 64");
	if (c == OPT_GIDS && !srv_parse_groups(optarg, &o->gids))
		return wrong("allow-gid", "groups that exist, with commas, at most 64");
	return -1;
}

/* -1: go on; else the exit code. */
static int option(int c, struct srv_options *o)
{
	int code;

	if (c == 'h')
		return usage();
	o->format |= c == OPT_FORMAT;
	o->quiet |= c == 'q';
	o->json |= c == 'j';
	code = region(c, o);
	return code < 0 ? clients(c, o) : code;
}

static int parse(int argc, char **argv, struct srv_options *o)
{
	uint32_t beat, dead;
	int c, code;

	while ((c = getopt_long(argc, argv, "s:n:c:m:o:qjh", longs, NULL)) >= 0) {
		code = c == '?' ? misuse_option(argv[0], argv) : option(c, o);
		if (code >= 0)
			return code;
	}
	if (optind < argc - 1)
		return misuse(argv[0], "one SOCKET at most");
	o->path = argv[optind]; /* NULL, if there is none */
	beat = o->plan.beat_ms ? o->plan.beat_ms : VMQ_IVSHMEM_BEAT_MS;
	dead = o->plan.dead_ms ? o->plan.dead_ms : VMQ_IVSHMEM_DEAD_MS;
	if (dead < 2 * beat)
		return wrong("dead-ms", "at least twice what --beat-ms does");
	return -1;
}

int tool_ivshmem_server(int argc, char **argv)
{
	struct srv_options o = { .vectors = SRV_VECTORS, .max_clients = SRV_CLIENTS, .mode = 0600,
		.owner = (uid_t)-1, .group = (gid_t)-1 };
	int code = parse(argc, argv, &o);

	if (code >= 0)
		return code;
	return srv_run(&o) ? TOOL_FAILED : TOOL_OK;
}
