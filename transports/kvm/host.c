/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host.c - kvm:unix=PATH?name=NAME: a host program that talks with the VMs of a VMM in
 * another process. It is the only VM of a VMM of its own, which a bridge joins with the
 * one that listens at PATH. There is no thread: the endpoint serves the bridge when it
 * looks for news, which it does whenever it sleeps.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bridge.h"
#include "host.h"
#include "internal.h"

#define ANSWER_MS 5000
#define FIRST_ID 2048u /* up to 4,095: guests' ids count up from below */

struct kvm_host {
	struct vmq__host host;
	struct vmq_vmm *vmm;
	struct vmq_bridge *bridge;
};

/* ---- open and close ------------------------------------------------------------------ */

/* Each life of a name is to have the same id, and other names others, with nobody to
 * ask: the other VMM refuses an id that is in use. */
static uint32_t id_of(const char *name)
{
	uint32_t hash = 2166136261u;

	while (*name)
		hash = (hash ^ (uint8_t)*name++) * 16777619u;
	return FIRST_ID + (hash ^ hash >> 16) % (VMQ__PEERS - FIRST_ID);
}

static int check(struct vmq_port *port, const struct vmq_port_ops *ops,
	const struct vmq_open_args *args)
{
	if (strncmp(args->address, "unix=", 5) || !args->address[5])
		return ops->fail(port, VMQ_EURI, "'kvm:%s' is not kvm:unix=PATH", args->address);
	if (args->env)
		return ops->fail(port, VMQ_ENOTSUP, "processes wait for the system: no env of one's own");
	if (args->topology)
		return ops->fail(port, VMQ_EINVAL, "who may talk to whom is the VMM's to say");
	return 0;
}

static int refused(const struct kvm_host *k, int rc, int error, const struct vmq_open_args *args)
{
	const char *path = args->address + strlen("unix=");
	const struct vmq__host *h = &k->host;
	char text[300];

	if (error) {
		rc = vmq__packet_unreached("no VMM listens at", path, error, text, sizeof(text));
		return h->ops->fail(h->port, rc, "%s", text);
	}
	switch (rc) {
	case VMQ_ECONN:
		return h->ops->fail(h->port, rc, "the VMM at %s hung up", path);
	case VMQ_EAGAIN:
		return h->ops->fail(h->port, VMQ_ECONN, "the VMM at %s does not answer", path);
	case VMQ_EACCES:
		return h->ops->fail(h->port, rc, "the VMM at %s is another user's", path);
	case VMQ_EVERSION:
		return h->ops->fail(h->port, rc, "who listens at %s speaks another version, or is no VMM: a "
			"hub's socket is for sim:unix=", path);
	case VMQ_EPROTO:
		return h->ops->fail(h->port, rc, "who listens at %s is no VMM", path);
	case VMQ_EEXIST:
		return h->ops->fail(h->port, rc, "the VMM at %s knows a VM '%s' already, or one of its id %u",
			path, args->name, args->id);
	default:
		return h->ops->fail(h->port, rc, "the VMM at %s: %s", path, vmq_strerror(rc));
	}
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Serve the bridge until the other VMM has said yes or no, or for too long. */
static int await_answer(struct kvm_host *k, const struct vmq_open_args *args)
{
	struct pollfd p = { .fd = vmq_bridge_fd(k->bridge), .events = POLLIN };
	int64_t until = now_ms() + ANSWER_MS, left;
	int rc, error = 0;

	for (;;) {
		rc = vmq_bridge_run(k->bridge, VMQ_NOWAIT);
		if (rc == VMQ_EAGAIN)
			rc = vmq__bridge_answer(k->bridge, &error);
		left = until - now_ms();
		if (rc != VMQ_EAGAIN || left <= 0)
			return rc ? refused(k, rc, error, args) : 0;
		poll(&p, 1, (int)left);
	}
}

static int join_vmm(struct kvm_host *k, struct vmq_open_args *args)
{
	struct vmq_vmm_options o = { .size = sizeof(o), .first_id = id_of(args->name) };
	struct vmq_bridge_options b = { .size = sizeof(b) };
	const char *path = args->address + strlen("unix=");
	int rc;

	rc = vmq_vmm_create(&o, &k->vmm);
	if (!rc)
		rc = vmq__host_add(&k->host, k->vmm, args);
	if (!rc)
		rc = vmq_bridge_open(k->vmm, &b, &k->bridge);
	if (!rc)
		rc = vmq_bridge_connect(k->bridge, path);
	if (rc == VMQ_EINVAL)
		return k->host.ops->fail(k->host.port, VMQ_EURI, "'%.120s' cannot be a socket's path: that "
			"has 1 to %u bytes", path, PACKET_PATH_MAX);
	return rc ? rc : await_answer(k, args);
}

/* First the VM leaves, then its VMM: its peers see the one, not a VMM that died. */
static void kvm_close(void *state)
{
	struct kvm_host *k = state;

	vmq__host_exit(&k->host);
	if (k->bridge)
		vmq_bridge_close(k->bridge);
	if (k->vmm)
		vmq_vmm_destroy(k->vmm);
	free(k);
}

static int kvm_open(struct vmq_port *port, const struct vmq_port_ops *ops, struct vmq_open_args *args,
	void **state)
{
	struct kvm_host *k;
	int rc = check(port, ops, args);

	if (rc)
		return rc;
	k = calloc(1, sizeof(*k));
	if (!k)
		return VMQ_ENOMEM;
	rc = vmq__host_init(&k->host, port, ops, args);
	if (!rc)
		rc = join_vmm(k, args);
	if (rc)
		kvm_close(k);
	else
		*state = k;
	return rc;
}

/* ---- the rest ------------------------------------------------------------------------ */

/* No VMM is above a host program: it changes its mappings itself, and what others call
 * an exit is a system call of its own. */
static uint64_t kvm_caps(void *state)
{
	(void)state;
	return VMQ_CAP_PAGES | VMQ_CAP_REMAP | VMQ_CAP_UNMAP | VMQ_CAP_READONLY | VMQ_CAP_ISOLATED |
		VMQ_CAP_VOUCHED | VMQ_CAP_WAKE;
}

static void kvm_fds(void *state, int fds[VMQ_FDS])
{
	struct kvm_host *k = state;

	vmq__host_fds(&k->host, fds);
	fds[VMQ_FD_CONTROL] = vmq_bridge_fd(k->bridge);
}

static int kvm_kick(void *state, void *chan, unsigned what, bool now)
{
	struct kvm_host *k = state;

	(void)now;
	if (chan)
		return vmq__host_bypass(chan, what);
	vmq__bell_ring(k->host.bell, what);
	return 0;
}

static void kvm_exit(void *state, enum vmq_exit_reason reason, bool pending)
{
	struct kvm_host *k = state;

	(void)pending;
	vmq_vmm_exit(k->host.vm, reason);
}

static bool kvm_drain(void *state, unsigned what)
{
	struct kvm_host *k = state;

	return vmq__bell_drain(k->host.bell, what);
}

static int kvm_news(void *state)
{
	struct kvm_host *k = state;
	int rc = vmq_bridge_run(k->bridge, VMQ_NOWAIT);

	vmq__host_news(&k->host);
	return rc == VMQ_EAGAIN ? 0 : rc;
}

static int kvm_lookup(void *state, const char *name)
{
	struct kvm_host *k = state;

	return vmq__host_lookup(&k->host, name);
}

static int kvm_map(void *state, void *chan, struct vmq_page *run, unsigned mode)
{
	(void)state;
	(void)mode;
	return vmq__host_map(chan, run);
}

static int kvm_unmap(void *state, void *chan, const struct vmq_page *run)
{
	(void)state;
	return vmq__host_unmap(chan, run);
}

static void kvm_detach(void *state, void *chan)
{
	struct kvm_host *k = state;

	vmq__host_detach(&k->host, chan);
}

const struct vmq_transport vmq__kvm_transport = {
	.abi = VMQ_TRANSPORT_ABI,
	.size = sizeof(struct vmq_transport),
	.name = "kvm",
	.open = kvm_open,
	.close = kvm_close,
	.caps = kvm_caps,
	.fds = kvm_fds,
	.kick = kvm_kick,
	.exit = kvm_exit,
	.drain = kvm_drain,
	.news = kvm_news,
	.lookup = kvm_lookup,
	.pages_map = kvm_map,
	.pages_unmap = kvm_unmap,
	.detach = kvm_detach,
};
