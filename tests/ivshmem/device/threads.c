/* SPDX-License-Identifier: BSD-2-Clause */
/* threads.c - one thread rings, one drains and one serves a device, while its server
 * names and forgets peers, dies and is there again. For the thread sanitizer. */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "device.h"
#include "support.h"

#define LIVES 5 /* of the server */
#define ROUNDS 200
#define PEER 77

static struct sockaddr_un at = { .sun_family = AF_UNIX };
static struct vmq__ivdev *dev;
static atomic_bool stop;
static atomic_uint backs, rung;
static int region, own[VMQ_FDS];

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "threads: %s\n", what);
	abort();
}

static void say(int sock, int64_t value, int fd)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
	uint8_t bytes[8];
	struct iovec iov = { bytes, sizeof(bytes) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	for (unsigned i = 0; i < 8; i++)
		bytes[i] = (uint8_t)((uint64_t)value >> 8 * i);
	if (fd >= 0) {
		m.msg_control = control;
		m.msg_controllen = sizeof(control);
		CMSG_FIRSTHDR(&m)->cmsg_level = SOL_SOCKET;
		CMSG_FIRSTHDR(&m)->cmsg_type = SCM_RIGHTS;
		CMSG_FIRSTHDR(&m)->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &fd, sizeof(fd));
	}
	must(sendmsg(sock, &m, MSG_NOSIGNAL) == sizeof(bytes), "the device hung up");
}

/* One life of the server; its peer is the device's own eventfds, so that a ring comes back. */
static void serve(int listener)
{
	struct pollfd p = { .fd = listener, .events = POLLIN };
	int sock;

	must(poll(&p, 1, PATIENCE_MS) == 1, "nobody comes to the server");
	sock = accept(listener, NULL, NULL);
	must(sock >= 0, "accept");
	say(sock, 0, -1);
	say(sock, 1, -1);
	say(sock, -1, region);
	for (unsigned k = 0; k < VMQ_FDS; k++)
		say(sock, 1, own[k]);
	for (unsigned i = 0; i < ROUNDS; i++) {
		for (unsigned k = 0; k < VMQ_FDS; k++)
			say(sock, PEER, own[k]);
		say(sock, PEER, -1);
	}
	for (unsigned k = 0; k < VMQ_FDS; k++)
		say(sock, PEER, own[k]);
	close(sock);
}

static void *server(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < LIVES; i++) {
		int listener = socket(AF_UNIX, SOCK_STREAM, 0);

		unlink(at.sun_path);
		must(!bind(listener, (struct sockaddr *)&at, sizeof(at)) && !listen(listener, 8), "listen");
		serve(listener);
		close(listener);
	}
	return NULL;
}

static void *ring(void *arg)
{
	(void)arg;
	for (unsigned i = 0; !atomic_load(&stop); i++)
		dev->ops->ring(dev, PEER, i % VMQ_FDS);
	return NULL;
}

static void *drain(void *arg)
{
	struct pollfd p[VMQ_FDS];

	(void)arg;
	for (unsigned k = 0; k < VMQ_FDS; k++)
		p[k] = (struct pollfd){ .fd = dev->fd[k], .events = POLLIN };
	while (!atomic_load(&stop)) {
		poll(p, VMQ_FDS, 10);
		for (unsigned k = 0; k < VMQ_FDS; k++)
			atomic_fetch_add(&rung, p[k].revents && dev->ops->drain(dev, k));
	}
	return NULL;
}

static void *service(void *arg)
{
	struct pollfd p = { .fd = dev->news, .events = POLLIN };

	(void)arg;
	while (!atomic_load(&stop)) {
		poll(&p, 1, 10);
		atomic_fetch_add(&backs, !!(dev->ops->service(dev) & IVDEV_BACK));
	}
	return NULL;
}

static int fail(void *ctx, int code, const char *format, ...)
{
	(void)ctx;
	(void)format;
	return code;
}

static void start(void)
{
	const struct vmq__ivdev_why why = { fail, NULL };
	uint64_t until = now_ns() + PATIENCE;
	char address[160];
	int bell[VMQ_FDS], rc;

	for (unsigned k = 0; k < VMQ_FDS; k++) {
		own[k] = eventfd(0, EFD_NONBLOCK);
		bell[k] = eventfd(0, EFD_NONBLOCK);
	}
	region = memfd_create("region", 0);
	must(!ftruncate(region, VMQ_IVSHMEM_REGION_MIN), "region");
	snprintf(address, sizeof(address), "unix=%s", at.sun_path);
	do
		rc = vmq__ivdev_open(address, bell, &why, &dev);
	while (rc == VMQ_ECONN && now_ns() < until);
	must(!rc, "it cannot be opened");
}

int main(void)
{
	void *(*const jobs[])(void *) = { ring, drain, service };
	uint64_t until = now_ns() + PATIENCE;
	pthread_t server_thread, threads[3];
	char dir[64];

	scratch_make(dir, sizeof(dir));
	snprintf(at.sun_path, sizeof(at.sun_path), "%s/server", dir);
	must(!pthread_create(&server_thread, NULL, server, NULL), "thread");
	start();
	for (unsigned i = 0; i < 3; i++)
		must(!pthread_create(&threads[i], NULL, jobs[i], NULL), "thread");
	pthread_join(server_thread, NULL);
	while ((atomic_load(&backs) < LIVES - 1 || !atomic_load(&rung)) && now_ns() < until)
		poll(NULL, 0, 1);
	atomic_store(&stop, true);
	for (unsigned i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	must(atomic_load(&backs) >= LIVES - 1 && atomic_load(&rung), "servers or rings were missed");
	dev->ops->close(dev);
	scratch_remove(dir);
	printf("%u servers came back, %u rings arrived\n", atomic_load(&backs), atomic_load(&rung));
	return 0;
}
