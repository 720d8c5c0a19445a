/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * demo_recv.c - the receiving VM of tools/demo: writes the tree into a folder, never
 * outside of it, and checks the SHA-256 of every file and of the stream.
 *
 * The sender is not trusted: sizes, names and the order of things are checked.
 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "demo.h"

#define FILE_MAX (UINT64_C(1) << 30) /* a larger file is refused */
#define STEP_NS 100000000u           /* between two lines of progress */

struct receiver {
	struct vmq *q;
	EVP_MD_CTX *sha;
	int root, fd;          /* of the folder; of the file that is open, or -1 */
	bool open, stream;     /* something is under way; it is the stream */
	uint64_t left;         /* bytes of it that are still to come */
	char path[DEMO_BODY + 1];
	uint64_t files, tree_bytes, stream_bytes, total;
	uint64_t began, tree_done, done, shown;
	char fault[200];       /* the first thing that was wrong; then nothing counts */
};

__attribute__((format(printf, 2, 3))) static void fault(struct receiver *r, const char *format, ...)
{
	va_list args;

	if (r->fault[0])
		return;
	va_start(args, format);
	vsnprintf(r->fault, sizeof(r->fault), format, args);
	va_end(args);
}

/* ---- for the person who watches -------------------------------------------------- */

static void progress(struct receiver *r, bool last)
{
	uint64_t have = r->tree_bytes + r->stream_bytes, now = demo_now();

	if (!isatty(STDERR_FILENO) || (!last && now - r->shown < STEP_NS))
		return;
	r->shown = now;
	fprintf(stderr, "\r  received %3u %%%s", r->total ? (unsigned)(have * 100 / r->total) : 100,
		last ? "\n" : "");
}

static void step(const char *what)
{
	if (!isatty(STDERR_FILENO))
		fprintf(stderr, "  received %s\n", what);
}

/* ---- files ------------------------------------------------------------------------------ */

/* A relative path of plain names: no "..", no ".", nothing empty. */
static bool path_ok(const char *path)
{
	for (;;) {
		size_t len = strcspn(path, "/");

		if (!len || (len == 1 && path[0] == '.') || (len == 2 && !memcmp(path, "..", 2)))
			return false;
		if (!path[len])
			return true;
		path += len + 1;
	}
}

static int enter(int dir, const char *name)
{
	int next;

	if (mkdirat(dir, name, 0755) && errno != EEXIST)
		return -1;
	/* The folder is ours, and no link is ever made in it; none is followed. */
	next = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return next;
}

static int create(int root, char *path, mode_t mode)
{
	int dir = dup(root), fd, e;
	char *slash;

	while (dir >= 0 && (slash = strchr(path, '/'))) {
		int next;

		*slash = 0;
		next = enter(dir, path);
		close(dir);
		dir = next;
		path = slash + 1;
	}
	if (dir < 0)
		return -1;
	fd = openat(dir, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	e = errno;
	close(dir);
	errno = e;
	return fd;
}

static void begin(struct receiver *r, const struct demo_head *head, const void *body, size_t len)
{
	r->stream = head->type == DEMO_STREAM;
	if (r->open || head->size > FILE_MAX || memchr(body, 0, len)) {
		fault(r, "the sender began a file that makes no sense");
		return;
	}
	memcpy(r->path, body, len);
	r->path[len] = 0;
	r->open = true;
	r->left = head->size;
	r->fd = -1;
	sha_begin(r->sha);
	if (r->stream)
		return;
	if (!path_ok(r->path)) {
		fault(r, "refused the path '%.100s'", r->path);
		return;
	}
	r->fd = create(r->root, r->path, (head->mode & 0755) | 0600);
	if (r->fd < 0)
		fault(r, "%.100s: %s", r->path, strerror(errno));
}

static void take(struct receiver *r, const uint8_t *data, size_t len)
{
	if (!r->open || len > r->left) {
		fault(r, "more bytes came than were announced");
		return;
	}
	r->left -= len;
	*(r->stream ? &r->stream_bytes : &r->tree_bytes) += len;
	sha_add(r->sha, data, len);
	while (r->fd >= 0 && len) {
		ssize_t n = write(r->fd, data, len);

		if (n < 0 && errno != EINTR) {
			fault(r, "cannot write: %s", strerror(errno));
			return;
		}
		data += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
}

static void end(struct receiver *r, const void *body, size_t len)
{
	uint8_t digest[DEMO_DIGEST];

	if (!r->open || r->left || len != sizeof(digest)) {
		fault(r, "a file ended too early");
		return;
	}
	sha_end(r->sha, digest);
	if (memcmp(digest, body, sizeof(digest)))
		fault(r, "%.100s: SHA-256 differs", r->stream ? "the stream" : r->path);
	if (r->fd >= 0 && close(r->fd))
		fault(r, "cannot write: %s", strerror(errno));
	r->fd = -1;
	r->open = false;
	if (r->stream)
		return;
	r->files++;
	r->tree_done = demo_now();
}

/* ---- messages --------------------------------------------------------------------------------- */

static void message(struct receiver *r, const struct demo_message *m, size_t len, struct vmq_msg *got)
{
	if (len < sizeof(m->head)) {
		fault(r, "a message was too short");
		return;
	}
	len -= sizeof(m->head);
	switch (m->head.type) {
	case DEMO_BEGIN:
		r->total = m->head.size;
		r->began = demo_now();
		break;
	case DEMO_STREAM:
		if (!r->stream)
			step("the tree");
		/* fall through */
	case DEMO_FILE:
		begin(r, &m->head, m->body, len);
		break;
	case DEMO_DATA:
		take(r, m->body, len);
		break;
	case DEMO_PAGE:
		if (got->flags & VMQ_MSG_PAGE)
			take(r, got->page.addr, got->page.len);
		break;
	case DEMO_END:
		end(r, m->body, len);
		break;
	case DEMO_DONE:
		r->done = demo_now();
		break;
	default:
		fault(r, "a message of unknown type came");
	}
}

static uint32_t receive(struct receiver *r)
{
	static struct demo_message m;
	struct vmq_msg got;

	while (!r->done && !r->fault[0]) {
		int64_t n = check(vmq_recv(r->q, &m, sizeof(m), &got, DEMO_WAIT), "nothing came");

		message(r, &m, (size_t)n, &got);
		if (got.flags & VMQ_MSG_PAGE)
			check(vmq_page_free(r->q, &got.page), "cannot free pages");
		progress(r, false);
	}
	if (r->open)
		fault(r, "the sender stopped in the middle of a file");
	return got.peer;
}

static void verdict(struct receiver *r, uint32_t peer)
{
	struct demo_head head = { .type = DEMO_VERDICT, .size = r->fault[0] != 0 };
	const struct vmq_iovec iov[] = { { &head, sizeof(head) }, { r->fault, strlen(r->fault) } };

	check(vmq_sendv(r->q, peer, iov, 2, VMQ_SEND_NOW, DEMO_WAIT), "cannot send the verdict");
	if (r->fault[0])
		die("%s", r->fault);
}

static void report(struct receiver *r)
{
	struct vmq_stats t = { .size = sizeof(t) };

	check(vmq_stats(r->q, &t), "cannot read the counters");
	printf("files=%" PRIu64 "\ntree_bytes=%" PRIu64 "\nstream_bytes=%" PRIu64 "\ntree_ns=%" PRIu64
		"\nall_ns=%" PRIu64 "\nreceived=%" PRIu64 "\n", r->files, r->tree_bytes, r->stream_bytes,
		r->tree_done ? r->tree_done - r->began : 0, r->done - r->began, t.received);
}

int main(int argc, char **argv)
{
	static struct receiver r;
	uint32_t peer;

	if (argc != 3 || argv[1][0] == '-') {
		fprintf(stderr, "usage: demo-recv ADDRESS FOLDER\n");
		return 2;
	}
	r.fd = -1;
	r.root = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r.root < 0)
		die("%s: %s", argv[2], strerror(errno));
	r.sha = EVP_MD_CTX_new();
	if (!r.sha)
		die("out of memory");
	r.q = demo_open(argv[1]);
	peer = receive(&r);
	progress(&r, true);
	step("everything");
	verdict(&r, peer);
	report(&r);
	vmq_close(r.q);
	EVP_MD_CTX_free(r.sha);
	close(r.root);
	return 0;
}
