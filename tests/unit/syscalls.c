/* SPDX-License-Identifier: BSD-2-Clause */
/* syscalls.c - a million messages between two processes that are both awake; a
 * tracer counts the system calls between the two marks. See syscalls.sh. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vmq/vmm.h>

#define MESSAGES 1000000u

static void need(int64_t rc, const char *what)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "%s: %s\n", what, vmq_strerror((int)rc));
	exit(1);
}

/* Fails with EBADF, and is seen by the tracer. */
static void mark(const char *text)
{
	if (write(-1, text, strlen(text)) >= 0)
		exit(1);
}

static struct vmq *open_vm(const char *path, const char *name, const char *peer, uint32_t *id)
{
	char uri[200];
	struct vmq *q;

	snprintf(uri, sizeof(uri), "sim:unix=%s?name=%s", path, name);
	need(vmq_open(uri, NULL, &q), uri);
	need(vmq_peer(q, peer, VMQ_MS(20000), id), peer);
	return q;
}

static void sender(const char *path)
{
	uint32_t peer;
	struct vmq *q = open_vm(path, "a", "b", &peer);
	char m[64] = { 0 };
	int rc;

	/* Both are awake once a message has gone to and fro. */
	need(vmq_send(q, peer, m, 64, VMQ_SEND_AUTO, VMQ_FOREVER), "first");
	need(vmq_recv(q, m, sizeof(m), NULL, VMQ_FOREVER), "answer");
	mark("begin");
	for (unsigned i = 0; i < MESSAGES; i++) {
		while ((rc = vmq_send(q, peer, m, 64, VMQ_SEND_AUTO, VMQ_NOWAIT)) == VMQ_EAGAIN)
			;
		need(rc, "send");
	}
	mark("end");
	need(vmq_recv(q, m, sizeof(m), NULL, VMQ_FOREVER), "last answer");
	vmq_close(q);
}

static void receiver(const char *path)
{
	uint32_t peer;
	struct vmq *q = open_vm(path, "b", "a", &peer);
	char m[64];
	int64_t rc;

	need(vmq_recv(q, m, sizeof(m), NULL, VMQ_FOREVER), "first");
	need(vmq_send(q, peer, m, 64, VMQ_SEND_AUTO, VMQ_FOREVER), "answer");
	mark("begin");
	for (unsigned i = 0; i < MESSAGES; i++) {
		while ((rc = vmq_recv(q, m, sizeof(m), NULL, VMQ_NOWAIT)) == VMQ_EAGAIN)
			;
		need(rc, "recv");
	}
	mark("end");
	need(vmq_send(q, peer, m, 64, VMQ_SEND_AUTO, VMQ_FOREVER), "last answer");
	vmq_close(q);
}

static void child(void (*run)(const char *), const char *path, int *pid)
{
	*pid = fork();
	if (*pid)
		return;
	run(path);
	_exit(0);
}

int main(int argc, char **argv)
{
	struct vmq_hub_options o = { .size = sizeof(o), .path = argv[1] };
	int pid[2], status, bad = 0;
	struct vmq_hub *hub;

	if (argc != 2)
		return fprintf(stderr, "usage: %s SOCKET\n", argv[0]), 2;
	need(vmq_hub_open(&o, &hub), "hub");
	child(sender, argv[1], &pid[0]);
	child(receiver, argv[1], &pid[1]);
	/* The hub serves until both have left. */
	for (int left = 2; left;) {
		vmq_hub_run(hub, VMQ_MS(20));
		while (left && waitpid(-1, &status, WNOHANG) > 0) {
			bad |= status;
			left--;
		}
	}
	vmq_hub_close(hub);
	return bad != 0;
}
