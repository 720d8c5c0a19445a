/* SPDX-License-Identifier: BSD-2-Clause */
/* common_open.c - opens an endpoint and finds its peers; says what to do where that fails. */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <string.h>

#include "common.h"
#include "misuse.h"
#include "name.h"

/* ---- what to do ---------------------------------------------------------------------- */

/* The path of an address that begins so, without its settings: "sim:unix=/run/lab". */
static bool path_of(const char *address, const char *begin, char *path, size_t cap)
{
	size_t n = strlen(begin);

	if (strncmp(address, begin, n) != 0)
		return false;
	snprintf(path, cap, "%.*s", (int)strcspn(address + n, "?"), address + n);
	return true;
}

/* Nobody serves the address: the command that would. */
static void starter(const char *address, char *text, size_t cap)
{
	char path[256];

	if (path_of(address, "sim:unix=", path, sizeof(path)))
		snprintf(text, cap, "; start one with: vmq hub %s", path);
	else if (path_of(address, "ivshmem:unix=", path, sizeof(path)))
		snprintf(text, cap, "; start one with: vmq ivshmem-server %s", path);
	else if (path_of(address, "ivshmem:", path, sizeof(path)))
		snprintf(text, cap, "; see what is missing with: vmq doctor ivshmem");
	else if (path_of(address, "kvm:", path, sizeof(path)))
		snprintf(text, cap, "; start the VMM whose bridge this is (vmq_bridge_open())");
	else if (path_of(address, "xen:", path, sizeof(path)))
		snprintf(text, cap, "; see what is missing with: vmq doctor xen");
}

static void advice(const char *address, int rc, char *text, size_t cap)
{
	text[0] = 0;
	if (rc == VMQ_ECONN || rc == VMQ_ESYS)
		starter(address, text, cap);
	else if (rc == VMQ_EEXIST)
		snprintf(text, cap, "; take another name=, or end who has it");
	else if (rc == VMQ_EACCES)
		snprintf(text, cap, "; run as the same user");
	else if (rc == VMQ_ENOTSUP && !strncmp(address, "xen:", 4))
		snprintf(text, cap, "; install libvmq-xen, and see what else is missing with: vmq doctor xen");
	else if (rc == VMQ_ENOTSUP)
		snprintf(text, cap, "; see which transports there are with: vmq doctor");
	else if (rc == VMQ_EURI)
		snprintf(text, cap, "; an address is like sim:unix=PATH?name=NAME");
}

/* ---- open ---------------------------------------------------------------------------- */

static int refused(const char *address, int rc, const char *why)
{
	char then[300];

	advice(address, rc, then, sizeof(then));
	tool_say("%s%s", *why ? why : vmq_strerror(rc), then);
	return rc == VMQ_EURI || rc == VMQ_EINVAL ? TOOL_USAGE : TOOL_FAILED;
}

int tool_open(const char *address, const char *name, const struct vmq_options *options,
	struct vmq **q)
{
	struct vmq_options o = { .size = sizeof(o) };
	char why[300] = "";
	int rc;

	if (options)
		o = *options;
	o.name = name;
	o.errmsg = why;
	o.errlen = sizeof(why);
	tool_progress("joining %s", address);
	rc = vmq_open(address, &o, q);
	tool_progress_end();
	return rc ? refused(address, rc, why) : TOOL_OK;
}

/* ---- peers --------------------------------------------------------------------------- */

bool tool_peer_name(const char *name)
{
	if (vmq__name_ok(name))
		return true;
	misuse(tool_name, "'%.60s' cannot be a VM's name: 1 to %d bytes, not *, no / ? & or control characters",
		name, VMQ_NAME_MAX);
	return false;
}

/* A fabric of one process has nobody else on it, ever. */
static bool in_process(const char *address)
{
	return !strncmp(address, "sim:", 4) && strncmp(address, "sim:unix=", 9) != 0;
}

static int not_found(const char *address, const char *name, int rc)
{
	if (rc == VMQ_ETIMEDOUT && in_process(address))
		tool_say("there is no '%s': %.*s is inside of this process; between processes it is "
			"sim:unix=PATH, with: vmq hub PATH", name, (int)strcspn(address, "?"), address);
	else if (rc == VMQ_ETIMEDOUT)
		tool_say("there is no '%s' yet; see who is there with: vmq ls '%.*s'", name,
			(int)strcspn(address, "?"), address);
	else if (rc == VMQ_ENOENT)
		tool_say("the topology has no VM '%s'", name);
	else if (rc == VMQ_EACCES)
		tool_say("the topology does not let this VM talk to '%s'", name);
	else
		tool_say("'%s' cannot be found: %s", name, vmq_strerror(rc));
	return tool_code(rc);
}

int tool_peer(struct vmq *q, const char *address, const char *name, int64_t timeout_ns,
	bool (*spoke)(struct vmq *q, const char *name, uint32_t *peer), uint32_t *peer)
{
	uint64_t deadline = tool_deadline(timeout_ns);
	int64_t left;
	int rc;

	tool_progress("waiting for '%s'", name);
	do {
		left = tool_left(deadline, TOOL_SLICE);
		rc = vmq_peer(q, name, left, peer);
		if (rc && spoke && spoke(q, name, peer))
			rc = 0;
	} while ((rc == VMQ_EAGAIN || rc == VMQ_ETIMEDOUT) && left && !tool_stopped());
	tool_progress_end();
	if (rc == VMQ_EAGAIN)
		rc = VMQ_ETIMEDOUT;
	if (tool_stopped())
		return TOOL_FAILED;
	return rc ? not_found(address, name, rc) : TOOL_OK;
}

struct tool_name tool_name_of(struct vmq *q, uint32_t peer)
{
	struct vmq_peer_info info = { .size = sizeof(info) };
	struct tool_name name;

	if (!vmq_peer_info(q, peer, &info))
		memcpy(name.text, info.name, sizeof(name.text));
	else
		snprintf(name.text, sizeof(name.text), "%" PRIu32, peer);
	return name;
}

void tool_say_poison(struct vmq *q, uint32_t peer)
{
	struct vmq_peer_info info = { .size = sizeof(info) };
	struct tool_name name = tool_name_of(q, peer);

	vmq_peer_info(q, peer, &info);
	tool_say("'%s' broke the protocol: %s; nothing more comes from it", name.text,
		vmq_poison_text(info.poison));
}
