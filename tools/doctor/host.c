/* SPDX-License-Identifier: BSD-2-Clause */
/* host.c - ivshmem on the host: could a server run here, and what of the one that
 * does, or of a file that is to be a region? */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "doctor.h"
#include "dial.h"

#define QEMU_MS 5000
#define QEMU_TEXT (256u << 10)
#define DIAL_MS 2000u
#define FDS_FEW 256u
#define FDS_CLIENT 5u /* a socket, three eventfds, and one to spare */

#if defined(__aarch64__)
#define QEMU "qemu-system-aarch64"
#define QEMU_PACKAGE "qemu-system-arm"
#else
#define QEMU "qemu-system-x86_64"
#define QEMU_PACKAGE "qemu-system-x86"
#endif

/* ---- a server that could be --------------------------------------------------------------- */

static void can_serve(struct doctor *d)
{
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), se = errno;
	int mem = memfd_create("vmq-doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING), me = errno;

	if (sock < 0)
		doctor_say(d, DOCTOR_FAIL, "the kernel gives no UNIX socket: %s", strerror(se));
	if (mem < 0)
		doctor_say(d, DOCTOR_FAIL, "the kernel gives no memfd: %s", strerror(me));
	if (sock >= 0 && mem >= 0)
		doctor_say(d, DOCTOR_OK, "a server can run here (vmq ivshmem-server)");
	if (sock >= 0)
		close(sock);
	if (mem >= 0)
		close(mem);
}

static void descriptors(struct doctor *d)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= FDS_FEW)
		return;
	doctor_say(d, DOCTOR_WARN, "%llu descriptors for each process are enough for some %llu clients of a "
		"server", (unsigned long long)limit.rlim_cur,
		(unsigned long long)limit.rlim_cur / FDS_CLIENT);
	doctor_command(d, "ulimit -n 1024");
}

static void huge_pages(struct doctor *d)
{
	char mounts[16384], *at, *save, text[32], dir[128] = "";

	doctor_read(d, mounts, sizeof(mounts), "/proc/mounts");
	for (at = strtok_r(mounts, "\n", &save); at && !*dir; at = strtok_r(NULL, "\n", &save)) {
		char type[32];

		if (sscanf(at, "%*s %127s %31s", dir, type) != 2 || strcmp(type, "hugetlbfs"))
			*dir = 0;
	}
	if (!doctor_read(d, text, sizeof(text), "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"))
		return;
	doctor_say(d, DOCTOR_NOTE, "huge pages of 2 MiB: %s free; %s%s; a region needs none, but can be in "
		"them:", text, *dir ? "hugetlbfs at " : "no hugetlbfs mounted", dir);
	if (!strcmp(text, "0"))
		doctor_command(d, "sysctl vm.nr_hugepages=32");
	doctor_command(d, "vmq ivshmem-server --hugetlb --size 64M /run/vmq.sock");
}

/* ---- QEMU --------------------------------------------------------------------------------------- */

static void qemu_devices(struct doctor *d, const char *program, const char *text)
{
	bool doorbell = strstr(text, "\"ivshmem-doorbell\""), plain = strstr(text, "\"ivshmem-plain\"");

	if (doorbell && plain)
		doctor_say(d, DOCTOR_OK, "%s has ivshmem-doorbell and ivshmem-plain", program);
	else
		doctor_say(d, DOCTOR_WARN, "%s has no %s: it was built without", program,
			doorbell ? "ivshmem-plain" : plain ? "ivshmem-doorbell" : "ivshmem device");
}

static void qemu(struct doctor *d)
{
	char program[DOCTOR_PATH], *text;
	char *const argv[] = { QEMU, "-device", "help", NULL };
	int rc;

	if (!doctor_which(d, QEMU, program)) {
		doctor_say(d, DOCTOR_WARN, "no " QEMU " here: host programs can meet, but there is no guest");
		doctor_command(d, "apt-get install " QEMU_PACKAGE);
		return;
	}
	text = calloc(1, QEMU_TEXT);
	rc = text ? doctor_run(program, argv, QEMU_MS, text, QEMU_TEXT) : -1;
	if (rc)
		doctor_say(d, DOCTOR_WARN, "%s does not say within %d s which devices it has", program,
			QEMU_MS / 1000);
	else
		qemu_devices(d, program, text);
	free(text);
}

void doctor_host(struct doctor *d)
{
	doctor_begin(d, "ivshmem-host");
	can_serve(d);
	descriptors(d);
	qemu(d);
	huge_pages(d);
	doctor_end(d);
}

/* ---- a server that is ------------------------------------------------------------------------------ */

static int connect_to(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int sock, e;

	if (strlen(path) >= sizeof(a.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(a.sun_path, path, strlen(path) + 1);
	/* Not blocking: a server that does not accept leaves its queue full. */
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock < 0 || !connect(sock, (const struct sockaddr *)&a, sizeof(a)))
		return sock;
	e = errno;
	close(sock);
	errno = e;
	return -1;
}

static void no_server(struct doctor *d, int e)
{
	if (e == EAGAIN) {
		doctor_say(d, DOCTOR_FAIL, "%s: who listens there does not accept", d->at);
		return;
	}
	doctor_say(d, DOCTOR_FAIL, "%s: %s", d->at, e == ECONNREFUSED ? "nobody listens there" : strerror(e));
	if (e == ENOENT || e == ECONNREFUSED)
		doctor_command(d, "vmq ivshmem-server --size 64M %s", d->at);
}

/* What was wrong with what it said, or NULL. */
static const char *wrong(const struct doctor_dial *c)
{
	if (!c->has_version)
		return c->closed ? "it closed the connection at once: does it let this user in?" :
			"it says nothing: it is no ivshmem server, or it hangs";
	if (c->version)
		return "it speaks another version of the protocol";
	if (!c->has_id || c->id < 0 || c->id > UINT16_MAX)
		return "it gives no id, or none that there is";
	if (c->region < 0)
		return "it gives no region";
	return c->vectors ? NULL : "it gives this client no eventfds: no interrupts";
}

static void served_region(struct doctor *d, int fd)
{
	struct doctor_region r = { .fd = fd };
	struct stat st;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		doctor_say(d, DOCTOR_FAIL, "the region is nothing that can be mapped");
		return;
	}
	r.size = (uint64_t)st.st_size;
	if (!doctor_size(d, r.size))
		return;
	doctor_say(d, DOCTOR_OK, "region of %llu KiB", (unsigned long long)r.size >> 10);
	doctor_region(d, &r);
}

void doctor_server(struct doctor *d)
{
	struct doctor_dial c = { .region = -1 };
	const char *what;
	int sock;

	doctor_begin(d, "ivshmem-host");
	sock = connect_to(d->at);
	if (sock < 0) {
		no_server(d, errno);
		doctor_end(d);
		return;
	}
	doctor_dial(sock, DIAL_MS, &c);
	what = wrong(&c);
	if (what)
		doctor_say(d, c.region < 0 ? DOCTOR_FAIL : DOCTOR_WARN, "%s: %s", d->at, what);
	else
		doctor_say(d, DOCTOR_OK, "%s: a server (process %d, user %u), protocol version 0",
			d->at, (int)c.pid, (unsigned)c.uid);
	if (c.region >= 0) {
		doctor_say(d, DOCTOR_OK, "it gave this client the id %d and %u vectors; %u other "
			"peer%s", (int)c.id,
			c.vectors, c.peers, c.peers == 1 ? "" : "s");
		served_region(d, c.region);
		close(c.region);
	}
	close(sock);
	doctor_end(d);
}

/* ---- a file --------------------------------------------------------------------------------------------- */

void doctor_file(struct doctor *d)
{
	int fd = open(d->at, O_RDWR | O_CLOEXEC | O_NONBLOCK);

	doctor_begin(d, "ivshmem-host");
	if (fd < 0) {
		doctor_say(d, DOCTOR_FAIL, "%s: %s", d->at, strerror(errno));
		if (errno == ENOENT)
			doctor_command(d, "truncate --size 64M %s", d->at);
	} else {
		doctor_say(d, DOCTOR_WARN, "polled: a file has no doorbells; with a server (vmq "
			"ivshmem-server) there are interrupts");
		served_region(d, fd);
		close(fd);
	}
	doctor_end(d);
}
