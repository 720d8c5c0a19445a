/* SPDX-License-Identifier: BSD-2-Clause */
/* xen.c - `vmq doctor` in a domain of Xen: devices, XenStore, fabrics, the plugin; --fix. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "machine.h"
#include "support.h"

#define LIMIT "/sys/module/xen_gntalloc/parameters/limit"

static struct machine m;

static void setup(void)
{
	machine_make(&m);
#ifdef TOOL_PLUGINS
	machine_text(&m, TOOL_PLUGINS "/xen.so", "");
#endif
}

static void teardown(void)
{
	machine_remove(&m);
}

TestSuite(xen_doctor, .init = setup, .fini = teardown);

static void devices(void)
{
	machine_text(&m, "/dev/xen/evtchn", "");
	machine_text(&m, "/dev/xen/gntdev", "");
	machine_text(&m, "/dev/xen/gntalloc", "");
	machine_text(&m, LIMIT, "32768\n");
}

/* ---- XenStore, which knows a few answers ------------------------------------------------------- */

struct answer {
	const char *path, *value;
	uint32_t len;
};

struct words {
	uint32_t type, id, transaction, len;
};

static struct {
	const struct answer *answers;
	pthread_t thread;
	int listener;
} store;

static void answer(int fd, const char *path, struct words h)
{
	const struct answer *a = store.answers;

	while (a->path && strcmp(a->path, path))
		a++;
	if (!a->path)
		h.type = 16; /* XS_ERROR */
	h.len = a->path ? a->len : (uint32_t)sizeof("ENOENT");
	/* Who asked may have heard enough. */
	send(fd, &h, sizeof(h), MSG_NOSIGNAL);
	send(fd, a->path ? a->value : "ENOENT", h.len, MSG_NOSIGNAL);
}

static void *serve(void *unused)
{
	int fd = accept4(store.listener, NULL, NULL, SOCK_CLOEXEC);
	char path[512];
	struct words h;

	while (recv(fd, &h, sizeof(h), MSG_WAITALL) == (ssize_t)sizeof(h) && h.len < sizeof(path) &&
	       recv(fd, path, h.len, MSG_WAITALL) == (ssize_t)h.len)
		answer(fd, path, h);
	close(fd);
	return unused;
}

static void start(const struct answer *answers)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	store.answers = answers;
	machine_folder(&m, "/run/xenstored");
	cr_assert_lt((size_t)snprintf(at.sun_path, sizeof(at.sun_path), "%s/run/xenstored/socket", m.root),
		sizeof(at.sun_path));
	store.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(store.listener, (struct sockaddr *)&at, sizeof(at)), 0);
	cr_assert_eq(listen(store.listener, 1), 0);
	cr_assert_eq(pthread_create(&store.thread, NULL, serve, NULL), 0);
}

static void stop(void)
{
	pthread_join(store.thread, NULL);
	close(store.listener);
}

/* What the doctor finds with such a store. */
static void look(const struct answer *answers)
{
	start(answers);
	doctor_xen(&m.d);
	stop();
}

#define TEXT(path, value) { path, value, sizeof(value) - 1 }
#define END { NULL, NULL, 0 }

static const struct answer on_two[] = { TEXT("domid", "7"), TEXT("data/vmq", "lab\0web\0gone\0"),
	TEXT("/tool/vmq/lab/7", "*"), TEXT("/tool/vmq/web/7", "www db"), END };

/* ---- what is missing ------------------------------------------------------------------------------ */

Test(xen_doctor, no_xen)
{
	doctor_xen(&m.d);
	cr_assert(verdict_is(&m, "cannot"));
	cr_assert(found(&m, "fail", "this machine does not run on Xen: neither /proc/xen nor /dev/xen is there"));
}

Test(xen_doctor, no_devices)
{
	machine_text(&m, "/dev/xen/evtchn", "");
	machine_text(&m, "/dev/xen/gntalloc", "");
	doctor_xen(&m.d);
	cr_assert(verdict_is(&m, "cannot"));
	cr_assert(found(&m, "ok", "this machine runs on Xen"));
	cr_assert(commands_are(&m, "no /dev/xen/gntdev", "modprobe xen-gntdev", NULL));
	cr_assert(commands_are(&m, "no way to XenStore", "mount -t xenfs xenfs /proc/xen", NULL));
}

#ifdef TOOL_XEN
Test(xen_doctor, all_is_there)
{
	devices();
	look(on_two);
	cr_assert(verdict_is(&m, "works"));
	cr_assert(found(&m, "ok", "domain 7 is a member of the fabric lab"));
	cr_assert(found(&m, "ok", "domain 7 is a member of the fabric web, for endpoints of these names: www db"));
	cr_assert_eq(json_array_size(m.d.findings), 3);
}

Test(xen_doctor, no_fabric)
{
	static const struct answer none[] = { TEXT("domid", "7"), END };

	devices();
	look(none);
	cr_assert(verdict_is(&m, "works, but"));
	cr_assert(commands_are(&m, "domain 7 is a member of no fabric",
		"vmq-xen-fabric FABRIC 7    # in domain 0", NULL));
}

Test(xen_doctor, few_grants)
{
	devices();
	machine_text(&m, LIMIT, "1024\n");
	look(on_two);
	cr_assert(verdict_is(&m, "works, but"));
	cr_assert(commands_are(&m, "programs of this domain may grant 1024 pages, all together: enough for 3 channels "
		"of the default size", "echo 32768 > " LIMIT,
		"echo options xen-gntalloc limit=32768 > /etc/modprobe.d/vmq-xen.conf", NULL));
}

#ifdef TOOL_PLUGINS
Test(xen_doctor, no_plugin)
{
	devices();
	setenv("VMQ_TRANSPORT_PATH", "/elsewhere", 1);
	look(on_two);
	cr_assert(verdict_is(&m, "cannot"));
	cr_assert(found(&m, "fail", "the transport is a plugin, and there is no /elsewhere/xen.so"));
}
#endif
#else
Test(xen_doctor, not_built)
{
	devices();
	look(on_two);
	cr_assert(verdict_is(&m, "cannot"));
	cr_assert(found(&m, "fail", "this build of libvmq has no xen transport"));
}
#endif

/* What is no XenStore, or says too much. */
Test(xen_doctor, store_that_is_none)
{
	static char much[8192];
	const struct answer bad[][3] = { { END }, { TEXT("domid", "7x"), END }, { TEXT("domid", ""), END },
		{ TEXT("domid", "99999999999999999999"), END }, { { "domid", much, sizeof(much) }, END } };

	devices();
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char path[128];

		look(bad[i]);
		cr_assert(verdict_is(&m, "cannot"));
		cr_assert(found(&m, "fail", "XenStore does not say which domain this is"));
		snprintf(path, sizeof(path), "%s/run/xenstored/socket", m.root);
		cr_assert_eq(unlink(path), 0);
	}
}

static bool shut(void)
{
	doctor_xen(&m.d);
	return verdict_is(&m, "cannot") &&
		commands_are(&m, "/dev/xen/gntdev cannot be opened: Permission denied",
			"sudo chown $USER /dev/xen/gntdev", NULL) &&
		commands_are(&m, "/dev/xen/xenbus cannot be opened: Permission denied",
			"sudo chown $USER /dev/xen/xenbus", NULL);
}

Test(xen_doctor, somebody_elses)
{
	devices();
	machine_text(&m, "/dev/xen/xenbus", "");
	machine_mode(&m, "/dev/xen/gntdev", 0);
	machine_mode(&m, "/dev/xen/xenbus", 0);
	cr_assert(machine_as_nobody(shut));
}

/* ---- --fix ------------------------------------------------------------------------------------------- */

static bool limit_is(const char *text)
{
	char has[32];

	machine_read(&m, LIMIT, has, sizeof(has));
	return !strcmp(has, text);
}

Test(xen_doctor, fix)
{
	if (geteuid())
		cr_skip_test("only root can do that");
	machine_text(&m, "/dev/xen/evtchn", "");
	machine_text(&m, LIMIT, "1024\n");
	machine_program(&m, "modprobe", "#!/bin/sh\n");
	cr_assert(doctor_fix_xen(&m.d, true));
	cr_assert(verdict_is(&m, "done"));
	cr_assert(found(&m, "ok", "modprobe xen-gntdev"));
	cr_assert(found(&m, "ok", "modprobe xen-gntalloc"));
	cr_assert(found(&m, "ok", "echo 32768 > " LIMIT));
	cr_assert(limit_is("32768"));
	cr_assert_eq(json_array_size(m.d.findings), 3);
}

Test(xen_doctor, fix_that_fails)
{
	if (geteuid())
		cr_skip_test("only root can do that");
	machine_text(&m, "/dev/xen/evtchn", "");
	machine_program(&m, "modprobe", "#!/bin/sh\necho no such luck: $1\nexit 1\n");
	cr_assert(!doctor_fix_xen(&m.d, true));
	cr_assert(verdict_is(&m, "failed"));
	cr_assert(found(&m, "fail", "modprobe xen-gntdev: no such luck: xen-gntdev"));
	cr_assert_eq(json_array_size(m.d.findings), 1);
}

Test(xen_doctor, fix_has_nothing_to_do)
{
	cr_assert(doctor_fix_xen(&m.d, false));
	cr_assert(!doctor_fix_xen(&m.d, true));
	cr_assert(found(&m, "fail", "this machine does not run on Xen"));
	devices();
	cr_assert(doctor_fix_xen(&m.d, false));
	cr_assert(found(&m, "ok", "nothing for --fix to do for xen"));
	cr_assert(limit_is("32768"));
}

static bool only_root(void)
{
	return !doctor_fix_xen(&m.d, true) && found(&m, "fail", "only root can do that");
}

Test(xen_doctor, fix_is_roots)
{
	machine_text(&m, "/dev/xen/evtchn", "");
	cr_assert(machine_as_nobody(only_root));
}
