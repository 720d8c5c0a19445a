/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * demo_send.c - the sending VM of tools/demo: a file tree, then a long stream.
 *
 * Small files go as messages, larger ones in pages: MOVE and LEND in turn. The bulk
 * is sent LAZY; the end of a file is AUTO, and the end of the tree and of each part of
 * the stream is NOW.
 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "demo.h"

#define PARTS 16u          /* the stream comes in so many parts, */
#define MESSAGE_PARTS 4u   /* the first of them as messages */
#define STREAM_MAX_MIB 16384u
#define SEED UINT64_C(0x9e3779b97f4a7c15)

struct sender {
	struct vmq *q;
	uint32_t peer;
	EVP_MD_CTX *sha;
	uint64_t random;
	uint64_t pages_moved, pages_lent;
	unsigned runs;
};

/* Where the bytes of what is sent come from: a file, or (fd < 0) the generator. */
struct source {
	const char *name;
	int fd;
	uint64_t left;
};

static void put(struct sender *s, const struct demo_head *head, const void *body, size_t len,
	uint32_t when)
{
	const struct vmq_iovec iov[] = { { head, sizeof(*head) }, { body, len } };

	check(vmq_sendv(s->q, s->peer, iov, 2, when, DEMO_WAIT), "cannot send a message");
}

/* ---- bytes ------------------------------------------------------------------------ */

static void generate(struct sender *s, uint8_t *to, size_t len)
{
	uint64_t x = s->random;

	for (size_t i = 0; i + sizeof(x) <= len; i += sizeof(x)) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		memcpy(to + i, &x, sizeof(x));
	}
	s->random = x;
}

static void fill(struct sender *s, struct source *from, uint8_t *to, size_t len)
{
	if (from->fd < 0)
		generate(s, to, len);
	for (size_t have = 0; from->fd >= 0 && have < len;) {
		ssize_t n = read(from->fd, to + have, len - have);

		if (n < 0 && errno != EINTR)
			die("%s: %s", from->name, strerror(errno));
		if (!n)
			die("%s: it got shorter while it was sent", from->name);
		have += n > 0 ? (size_t)n : 0;
	}
	from->left -= len;
	sha_add(s->sha, to, len);
}

static size_t at_most(uint64_t n, size_t max)
{
	return n < max ? (size_t)n : max;
}

static void send_data(struct sender *s, struct source *from)
{
	const struct demo_head head = { .type = DEMO_DATA };
	uint8_t bytes[DEMO_RECORD];

	while (from->left) {
		size_t len = at_most(from->left, sizeof(bytes));

		fill(s, from, bytes, len);
		put(s, &head, bytes, len, VMQ_SEND_LAZY);
	}
}

/* The bytes are made where the receiver will find them. The pool is smaller than
 * the file: when it is empty, we wait until the receiver has freed pages. */
static void send_run(struct sender *s, struct source *from)
{
	const struct demo_head head = { .type = DEMO_PAGE };
	enum vmq_page_mode mode = s->runs++ % 2 ? VMQ_PAGE_LEND : VMQ_PAGE_MOVE;
	size_t len = at_most(from->left, DEMO_RUN);
	struct vmq_page page;

	check(vmq_page_alloc(s->q, s->peer, len, &page, DEMO_WAIT), "no page came back in time");
	fill(s, from, page.addr, len);
	check(vmq_page_send(s->q, &page, mode, &head, sizeof(head), VMQ_SEND_LAZY, DEMO_WAIT),
		"cannot hand over pages");
	*(mode == VMQ_PAGE_MOVE ? &s->pages_moved : &s->pages_lent) += page.count;
	/* Lent pages are still ours: they are free once both have said so. */
	if (mode == VMQ_PAGE_LEND)
		check(vmq_page_free(s->q, &page), "cannot free lent pages");
}

static void send_end(struct sender *s, uint32_t when)
{
	const struct demo_head head = { .type = DEMO_END };
	uint8_t digest[DEMO_DIGEST];

	sha_end(s->sha, digest);
	put(s, &head, digest, sizeof(digest), when);
}

/* ---- the tree ------------------------------------------------------------------------ */

static uint64_t send_file(struct sender *s, int dir, const char *path, bool last)
{
	struct source from = { .name = path, .fd = openat(dir, path, O_RDONLY | O_CLOEXEC) };
	struct demo_head head = { .type = DEMO_FILE };
	struct stat st;

	if (from.fd < 0 || fstat(from.fd, &st))
		die("%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		die("%s: not a regular file", path);
	head.mode = st.st_mode & 0777;
	head.size = from.left = (uint64_t)st.st_size;
	sha_begin(s->sha);
	put(s, &head, path, strlen(path), VMQ_SEND_LAZY);
	if (from.left <= DEMO_SMALL)
		send_data(s, &from);
	while (from.left)
		send_run(s, &from);
	send_end(s, last ? VMQ_SEND_NOW : VMQ_SEND_AUTO);
	close(from.fd);
	return head.size;
}

/* The list holds paths, each ended by a zero byte. */
static char **read_list(const char *list, size_t *count)
{
	FILE *f = fopen(list, "re");
	char **paths = NULL, *path = NULL;
	size_t cap = 0;

	if (!f)
		die("%s: %s", list, strerror(errno));
	for (*count = 0; getdelim(&path, &cap, 0, f) > 0; path = NULL, cap = 0) {
		paths = realloc(paths, (*count + 1) * sizeof(*paths));
		if (!paths)
			die("out of memory");
		paths[(*count)++] = path;
	}
	free(path);
	fclose(f);
	return paths;
}

static uint64_t tree_bytes(int dir, char **paths, size_t count)
{
	uint64_t bytes = 0;
	struct stat st;

	for (size_t i = 0; i < count; i++)
		if (!fstatat(dir, paths[i], &st, 0))
			bytes += (uint64_t)st.st_size;
	return bytes;
}

/* ---- the stream --------------------------------------------------------------------------- */

static void send_part(struct sender *s, uint64_t bytes, bool pages)
{
	struct source from = { .name = "stream", .fd = -1, .left = bytes };
	const struct demo_head head = { .type = DEMO_STREAM, .size = bytes };

	sha_begin(s->sha);
	put(s, &head, NULL, 0, VMQ_SEND_LAZY);
	if (!pages)
		send_data(s, &from);
	while (from.left)
		send_run(s, &from);
	send_end(s, VMQ_SEND_NOW);
}

/* ---- all of it ------------------------------------------------------------------------------- */

static void await_verdict(struct sender *s)
{
	static struct demo_message m;
	int64_t n = check(vmq_recv(s->q, &m, sizeof(m), NULL, DEMO_WAIT), "no verdict came");

	if (n < (int64_t)sizeof(m.head) || m.head.type != DEMO_VERDICT)
		die("the receiver said something else than its verdict");
	if (m.head.size)
		die("the receiver: %.*s", (int)(n - (int64_t)sizeof(m.head)), (char *)m.body);
}

static void report(const struct sender *s)
{
	struct vmq_stats t = { .size = sizeof(t) };

	check(vmq_stats(s->q, &t), "cannot read the counters");
	printf("sent=%" PRIu64 "\nkicks=%" PRIu64 "\nsuppressed=%" PRIu64 "\npages_moved=%" PRIu64
		"\npages_lent=%" PRIu64 "\npage_bytes=%" PRIu64 "\n", t.sent, t.kicks_sent,
		t.kicks_suppressed, s->pages_moved, s->pages_lent, t.page_bytes_sent);
}

static void send_all(struct sender *s, const char *list, const char *folder, uint64_t stream)
{
	int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct demo_head head = { .type = DEMO_BEGIN };
	size_t count;
	char **paths = read_list(list, &count);

	if (dir < 0)
		die("%s: %s", folder, strerror(errno));
	head.size = tree_bytes(dir, paths, count) + stream;
	put(s, &head, NULL, 0, VMQ_SEND_AUTO);
	for (size_t i = 0; i < count; i++) {
		send_file(s, dir, paths[i], i + 1 == count);
		free(paths[i]);
	}
	free(paths);
	close(dir);
	for (unsigned i = 0; i < PARTS && stream; i++)
		send_part(s, stream / PARTS, i >= MESSAGE_PARTS);
	head = (struct demo_head){ .type = DEMO_DONE };
	put(s, &head, NULL, 0, VMQ_SEND_NOW);
}

static int usage(void)
{
	fprintf(stderr, "usage: demo-send [-m STREAM_MIB] ADDRESS LIST FOLDER\n");
	return 2;
}

int main(int argc, char **argv)
{
	struct sender s = { .random = SEED };
	unsigned long mib = 256;
	int c;

	while ((c = getopt(argc, argv, "m:")) >= 0) {
		if (c != 'm')
			return usage();
		mib = strtoul(optarg, NULL, 10);
	}
	if (argc - optind != 3 || mib > STREAM_MAX_MIB)
		return usage();
	s.sha = EVP_MD_CTX_new();
	if (!s.sha)
		die("out of memory");
	s.q = demo_open(argv[optind]);
	check(vmq_peer(s.q, "receiver", DEMO_WAIT, &s.peer), "the receiver is not there");
	send_all(&s, argv[optind + 1], argv[optind + 2], (uint64_t)mib << 20);
	await_verdict(&s);
	report(&s);
	vmq_close(s.q);
	EVP_MD_CTX_free(s.sha);
	return 0;
}
