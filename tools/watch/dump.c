/* SPDX-License-Identifier: BSD-2-Clause */
/* dump.c - `vmq dump`: a region, saved or live, decoded, and what is wrong with it. */
#include <getopt.h>
#include <stdlib.h>

#include "common.h"
#include "misuse.h"
#include "dump.h"

#define RECORDS 16
#define READS 3 /* what looks wrong may just be changing */
#define RECORDS_MAX 1000000u

static int usage(void)
{
	printf(
		"usage: vmq dump [-j] [-r N] [-p] REGION\n\n"
		"Decodes a file that holds a channel's region, or a whole ivshmem region: header, both\n"
		"ends, what is in flight, pages; and says what is wrong with it: then it fails. A live\n"
		"one is saved with cp /proc/PID/fd/N FILE.\n\n"
		"  -j, --json        as one line of JSON\n"
		"  -r, --records N   show so many records of each lane (%d)\n"
		"  -p, --page-words  show the words of each page that somebody says something of\n"
		"  -h, --help\n", RECORDS);
	return TOOL_OK;
}

static int dump_channel(const struct watch_source *src, const struct dump_options *o, bool json, bool *wrong)
{
	struct dump_channel d;
	int rc = dump_channel_read(&src->mem, 0, src->mem.size, o, &d);

	for (int i = 1; i < READS && !rc && d.wrongs.count; i++) {
		dump_channel_free(&d);
		rc = dump_channel_read(&src->mem, 0, src->mem.size, o, &d);
	}
	*wrong = d.wrongs.count;
	if (!rc && json)
		*wrong |= dump_channel_json(&d, o) != TOOL_OK;
	else if (!rc)
		dump_channel_text(&d, o);
	dump_channel_free(&d);
	return rc;
}

static bool dir_is_wrong(const struct dump_dir *d)
{
	bool wrong = d->wrongs.count;

	for (size_t i = 0; i < d->offer_count; i++)
		wrong |= d->offers[i].channel.wrongs.count != 0;
	return wrong;
}

static int dump_dir(const struct watch_source *src, const struct dump_options *o, bool json, bool *wrong)
{
	struct dump_dir *d = calloc(1, sizeof(*d));
	int rc = d ? dump_dir_read(&src->mem, o, d) : VMQ_ENOMEM;

	if (!d)
		return rc;
	for (int i = 1; i < READS && !rc && dir_is_wrong(d); i++) {
		dump_dir_free(d);
		rc = dump_dir_read(&src->mem, o, d);
	}
	*wrong = dir_is_wrong(d);
	if (!rc && json)
		*wrong |= dump_dir_json(d, o) != TOOL_OK;
	else if (!rc)
		dump_dir_text(d, o);
	dump_dir_free(d);
	free(d);
	return rc;
}

static int dump(const char *path, const struct dump_options *o, bool json)
{
	struct watch_source src;
	bool wrong = false;
	int rc = watch_open(&src, path);

	if (!rc && src.hub)
		rc = watch_why(&src, VMQ_EPROTO, "%s is a hub's socket; vmq stats shows what the hub has", path);
	if (!rc) {
		tool_progress("reading %s", path);
		rc = (watch_ivshmem_is(&src.mem) ? dump_dir : dump_channel)(&src, o, json, &wrong);
		tool_progress_end();
		if (rc)
			watch_why(&src, rc, "%s: %s", path, vmq_strerror(rc));
	}
	rc = rc ? tool_fail(tool_code(rc), "%s", src.why) : wrong ? TOOL_FAILED : TOOL_OK;
	watch_close(&src);
	return rc;
}

int tool_dump(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "json", no_argument, NULL, 'j' }, { "records", required_argument, NULL, 'r' },
		{ "page-words", no_argument, NULL, 'p' }, { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
	};
	struct dump_options o = { .records = RECORDS };
	bool json = false;
	int c;

	while ((c = getopt_long(argc, argv, "jr:ph", longs, NULL)) >= 0) {
		if (c == 'h')
			return usage();
		if (c == '?')
			return misuse_option(tool_name, argv);
		if (c == 'r' && !tool_number("--records", optarg, 0, RECORDS_MAX, &o.records))
			return TOOL_USAGE;
		json |= c == 'j';
		o.page_words |= c == 'p';
	}
	if (optind != argc - 1)
		return misuse(tool_name, "what to decode? Give one file that holds a region");
	return dump(argv[optind], &o, json);
}
