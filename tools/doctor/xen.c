/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xen.c - the xen transport: this domain's devices, XenStore, and the fabrics that the
 * toolstack has made it a member of. XenStore is asked without its library, of which a
 * guest may have none: a question is four words and a path.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "doctor.h"

#define LIMIT "/sys/module/xen_gntalloc/parameters/limit"
#define LIMIT_GOOD "32768"
#define CHANNEL_PAGES 323ul    /* that an end grants, with vmq_open()'s defaults */
#define STORE_MS 2000
#define DOMIDS 0x7ff0ul        /* domids of domains are below it */

/* ---- devices ---------------------------------------------------------------------------------- */

static const struct {
	const char *name, *module;
} devices[] = {
	{ "evtchn", "xen-evtchn" }, { "gntdev", "xen-gntdev" }, { "gntalloc", "xen-gntalloc" },
};

#define DEVICES (sizeof(devices) / sizeof(devices[0]))

static void closed(struct doctor *d, const char *path, int e)
{
	doctor_say(d, DOCTOR_FAIL, "%s cannot be opened: %s", path, strerror(e));
	if (e == EACCES || e == EPERM)
		doctor_command(d, "sudo chown $USER %s", path);
}

static void device(struct doctor *d, const char *name, const char *module)
{
	char path[DOCTOR_PATH], shown[64];
	int fd;

	snprintf(shown, sizeof(shown), "/dev/xen/%s", name);
	if (!doctor_there(d, "%s", shown)) {
		doctor_say(d, DOCTOR_FAIL, "no %s", shown);
		doctor_command(d, "modprobe %s", module);
		return;
	}
	doctor_path(d, path, "%s", shown);
	fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		closed(d, shown, errno);
	else
		close(fd);
}

/* True: it is less than a fabric of some members needs. */
static bool limit_is_low(const struct doctor *d, unsigned long *pages)
{
	char text[32], *end;

	if (!doctor_read(d, text, sizeof(text), LIMIT))
		return false;
	*pages = strtoul(text, &end, 10);
	return !*end && *pages < 4096;
}

static void limit(struct doctor *d)
{
	unsigned long pages;

	if (!limit_is_low(d, &pages))
		return;
	doctor_say(d, DOCTOR_WARN, "programs of this domain may grant %lu pages, all together: enough for %lu "
		"channels of the default size", pages, pages / CHANNEL_PAGES);
	doctor_command(d, "echo " LIMIT_GOOD " > " LIMIT);
	doctor_command(d, "echo options xen-gntalloc limit=" LIMIT_GOOD " > /etc/modprobe.d/vmq-xen.conf");
}

/* ---- XenStore ------------------------------------------------------------------------------------ */

enum { ASK_LIST = 1, ASK_VALUE = 2 };

struct header {
	uint32_t type, id, transaction, len;
};

static int dial_socket(const struct doctor *d, const char *where)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	char path[DOCTOR_PATH];
	int fd;

	doctor_path(d, path, "%s", where);
	if (strlen(path) >= sizeof(at.sun_path))
		return -1;
	memcpy(at.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && !connect(fd, (struct sockaddr *)&at, sizeof(at)))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Where xenstored is, by its socket; elsewhere, through the kernel. Else says why not. */
static int dial(struct doctor *d)
{
	static const char *const ways[] = { "/dev/xen/xenbus", "/proc/xen/xenbus" };
	const char *there = NULL;
	char path[DOCTOR_PATH];
	int fd = dial_socket(d, "/run/xenstored/socket"), e = 0;

	for (unsigned i = 0; fd < 0 && i < 2; i++) {
		if (!doctor_there(d, "%s", ways[i]))
			continue;
		there = ways[i];
		doctor_path(d, path, "%s", there);
		fd = open(path, O_RDWR | O_CLOEXEC);
		e = errno;
	}
	if (fd < 0 && there) {
		closed(d, there, e);
	} else if (fd < 0) {
		doctor_say(d, DOCTOR_FAIL, "no way to XenStore: neither /dev/xen/xenbus nor /proc/xen/xenbus "
			"is there");
		doctor_command(d, "mount -t xenfs xenfs /proc/xen");
	}
	return fd;
}

static bool take(int fd, void *to, size_t len)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char *at = to;

	while (len) {
		ssize_t n = poll(&p, 1, STORE_MS) == 1 ? read(fd, at, len) : 0;

		if (n <= 0)
			return false;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

/* A socket or a device; whose other end may have gone. */
static bool put(int fd, const void *from, size_t len)
{
	ssize_t n = send(fd, from, len, MSG_NOSIGNAL);

	if (n < 0 && errno == ENOTSOCK)
		n = write(fd, from, len);
	return n == (ssize_t)len;
}

/* The length of the answer, which ends with a NUL; -1: there is none. */
static int ask(int fd, uint32_t type, const char *path, char *answer, size_t size)
{
	struct header h = { .type = type, .len = (uint32_t)strlen(path) + 1 };
	char question[sizeof(h) + DOCTOR_PATH];
	size_t len = sizeof(h) + h.len;

	memcpy(question, &h, sizeof(h));
	memcpy(question + sizeof(h), path, h.len);
	if (!put(fd, question, len) || !take(fd, &h, sizeof(h)) || h.len >= size ||
	    !take(fd, answer, h.len))
		return -1;
	answer[h.len] = 0;
	return h.type == type ? (int)h.len : -1;
}

/* ---- fabrics ---------------------------------------------------------------------------------------- */

static bool member(struct doctor *d, int fd, const char *fabric, unsigned long domid)
{
	char path[DOCTOR_PATH], names[4096];

	if ((size_t)snprintf(path, sizeof(path), "/tool/vmq/%s/%lu", fabric, domid) >= sizeof(path) ||
	    ask(fd, ASK_VALUE, path, names, sizeof(names)) < 0)
		return false;
	if (!strcmp(names, "*"))
		doctor_say(d, DOCTOR_OK, "domain %lu is a member of the fabric %s", domid, fabric);
	else
		doctor_say(d, DOCTOR_OK, "domain %lu is a member of the fabric %s, for endpoints of these names: %s",
			domid, fabric, names);
	return true;
}

static void fabrics(struct doctor *d, int fd)
{
	char text[32], list[4096], *end;
	unsigned long domid = DOMIDS;
	bool any = false;
	int len;

	if (ask(fd, ASK_VALUE, "domid", text, sizeof(text)) > 0)
		domid = strtoul(text, &end, 10);
	if (domid >= DOMIDS || *end) {
		doctor_say(d, DOCTOR_FAIL, "XenStore does not say which domain this is");
		return;
	}
	len = ask(fd, ASK_LIST, "data/vmq", list, sizeof(list));
	for (char *fabric = list; fabric < list + len; fabric += strlen(fabric) + 1)
		any |= *fabric && member(d, fd, fabric, domid);
	if (any)
		return;
	doctor_say(d, DOCTOR_WARN, "domain %lu is a member of no fabric", domid);
	doctor_command(d, "vmq-xen-fabric FABRIC %lu    # in domain 0", domid);
}

/* ---- all of it ---------------------------------------------------------------------------------------- */

static bool on_xen(const struct doctor *d)
{
	return doctor_there(d, "/proc/xen") || doctor_there(d, "/dev/xen");
}

static void look(struct doctor *d)
{
	int fd;

	if (!on_xen(d)) {
		doctor_say(d, DOCTOR_FAIL, "this machine does not run on Xen: neither /proc/xen nor /dev/xen "
			"is there");
		return;
	}
	doctor_say(d, DOCTOR_OK, "this machine runs on Xen");
	for (unsigned i = 0; i < DEVICES; i++)
		device(d, devices[i].name, devices[i].module);
	limit(d);
	fd = dial(d);
	if (fd >= 0) {
		fabrics(d, fd);
		close(fd);
	}
}

static void plugin(struct doctor *d)
{
#ifndef TOOL_XEN
	doctor_say(d, DOCTOR_FAIL, "this build of libvmq has no xen transport");
#elif defined(TOOL_PLUGINS)
	const char *folder = secure_getenv("VMQ_TRANSPORT_PATH");

	if (!folder)
		folder = TOOL_PLUGINS;
	if (!doctor_there(d, "%s/xen.so", folder))
		doctor_say(d, DOCTOR_FAIL, "the transport is a plugin, and there is no %s/xen.so", folder);
#else
	(void)d;
#endif
}

void doctor_xen(struct doctor *d)
{
	doctor_begin(d, "xen");
	look(d);
	plugin(d);
	doctor_end(d);
}

/* ---- --fix ----------------------------------------------------------------------------------------------- */

static void plan(const struct doctor *d, struct doctor_plan *p)
{
	bool fresh = !doctor_there(d, "/dev/xen/gntalloc");
	unsigned long pages;

	p->count = 0;
	for (unsigned i = 0; i < DEVICES; i++) {
		struct doctor_step *s = &p->step[p->count];

		if (doctor_there(d, "/dev/xen/%s", devices[i].name))
			continue;
		*s = (struct doctor_step){ .what = DOCTOR_MODPROBE };
		snprintf(s->text, sizeof(s->text), "%s", devices[i].module);
		p->count++;
	}
	if (fresh || limit_is_low(d, &pages))
		p->step[p->count++] = (struct doctor_step){ .what = DOCTOR_ECHO, .text = LIMIT_GOOD, .path = LIMIT };
}

bool doctor_fix_xen(struct doctor *d, bool asked)
{
	struct doctor_plan p;
	unsigned done = 0;
	bool ok;

	if (!asked && !on_xen(d))
		return true;
	doctor_begin(d, "fix-xen");
	plan(d, &p);
	if (!on_xen(d))
		doctor_say(d, DOCTOR_FAIL, "this machine does not run on Xen");
	else if (!p.count)
		doctor_say(d, DOCTOR_OK, "nothing for --fix to do for xen");
	else if (geteuid())
		doctor_say(d, DOCTOR_FAIL, "only root can do that");
	else
		while (done < p.count && doctor_do(d, &p.step[done]))
			done++;
	ok = !doctor_failed(d);
	doctor_verdict(d, ok ? "done" : "failed");
	return ok;
}
