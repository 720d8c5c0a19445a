/* SPDX-License-Identifier: BSD-2-Clause */
/* remote.c - handles of guests' endpoints, and calls to them. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "remote_guest.h"
#include "remote.h"
#include "support.h"

#define MSI_BASE 0xfee00000u

pthread_mutex_t guests_lock = PTHREAD_MUTEX_INITIALIZER;
struct guest *guests;
static pthread_cond_t place_free = PTHREAD_COND_INITIALIZER;

bool remote_possible(char *why, size_t len)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		snprintf(why, len, "/dev/kvm cannot be opened: %s", strerror(errno));
		return false;
	}
	close(fd);
	return true;
}

/* ---- handles -------------------------------------------------------------------- */

static bool block_taken(uint32_t block)
{
	for (const struct guest *g = guests; g; g = g->next)
		if (g->block == block)
			return true;
	return false;
}

/* Addresses for a guest; 0: there are none left. */
static uint32_t block_pick(void)
{
	for (uint32_t i = 0; i < AGENT_BLOCKS; i++)
		if (!block_taken(AGENT_FIRST + i * AGENT_BLOCK))
			return AGENT_FIRST + i * AGENT_BLOCK;
	return 0;
}

static struct guest *guest_new(void)
{
	struct guest *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	pthread_mutex_lock(&guests_lock);
	g->block = block_pick();
	g->next = guests;
	guests = g;
	pthread_mutex_unlock(&guests_lock);
	return g->block ? g : NULL;
}

static uint32_t setting(const char *settings, const char *key)
{
	const char *at = strstr(settings, key);

	return at ? (uint32_t)strtoul(at + strlen(key), NULL, 10) : 0;
}

static int endpoint_open(struct guest *g, const char *name, const char *settings, uint32_t flags)
{
	char address[256], why[200] = "";
	uint64_t line;
	struct call c;
	int rc;

	snprintf(address, sizeof(address), "guest:?name=%s%s%s", name, *settings ? "&" : "", settings);
	call_begin(&c, (struct vmq *)g);
	line = call_put(&c, why, sizeof(why));
	rc = (int)CALL(&c, AGENT_OPEN, call_put(&c, address, sizeof(address)), flags, line, sizeof(why));
	if (rc)
		fprintf(stderr, "%s: %s: %s\n", address, vmq_errname(rc), (char *)call_bytes(&c, line));
	return (int)call_end(&c, rc);
}

int remote_open(struct vmq_vmm *vmm, const char *name, const char *settings, uint32_t flags,
	struct vmq **q)
{
	struct guest *g = guest_new();
	int rc;

	*q = NULL;
	if (!g)
		return VMQ_ENOMEM;
	settings = settings ? settings : "";
	rc = guest_boot(g, vmm, name, setting(settings, "lane="), setting(settings, "pages="));
	g->there = !rc;
	if (!rc)
		rc = endpoint_open(g, name, settings, flags);
	if (rc)
		remote_die((struct vmq *)g);
	else
		*q = (struct vmq *)g;
	return rc;
}

static struct guest *guest_of(const struct vmq *q)
{
	struct guest *g = guests;

	while (g && (const void *)g != (const void *)q)
		g = g->next;
	return g;
}

void remote_die(struct vmq *q)
{
	struct guest *g = (struct guest *)q;

	pthread_mutex_lock(&guests_lock);
	g->there = false;
	pthread_mutex_unlock(&guests_lock);
	guest_end(g);
}

void remote_end(void)
{
	while (guests) {
		struct guest *g = guests;

		if (g->there)
			remote_die((struct vmq *)g);
		guests = g->next;
		free(g);
	}
}

struct vmq *call_real(struct vmq *q)
{
	bool known;

	pthread_mutex_lock(&guests_lock);
	known = guest_of(q);
	pthread_mutex_unlock(&guests_lock);
	return known ? NULL : q;
}

/* ---- calls ------------------------------------------------------------------------ */

static struct agent_call *mail_of(const struct call *c)
{
	return &guest_mail(c->guest)->call[c->place];
}

/* A place for a call of this thread's; the lock is held. */
static void take_place(struct call *c, struct guest *g)
{
	unsigned i = 0;

	while (g->busy[i])
		if (++i == AGENT_CALLS) {
			pthread_cond_wait(&place_free, &guests_lock);
			i = 0;
		}
	g->busy[i] = true;
	g->caller[i] = thread_id();
	*c = (struct call){ .guest = g, .place = i };
}

bool call_begin(struct call *c, const struct vmq *q)
{
	struct guest *g;
	bool there;

	pthread_mutex_lock(&guests_lock);
	g = guest_of(q);
	there = g && g->there;
	if (there)
		take_place(c, g);
	pthread_mutex_unlock(&guests_lock);
	return there;
}

bool call_begin_at(struct call *c, const void *address)
{
	struct guest *g;

	pthread_mutex_lock(&guests_lock);
	for (g = guests; g; g = g->next)
		if (g->there && (uintptr_t)address - g->block < AGENT_BLOCK)
			break;
	if (g)
		take_place(c, g);
	pthread_mutex_unlock(&guests_lock);
	return g;
}

uint64_t call_room(struct call *c, size_t len)
{
	uint64_t at = c->guest->block + AGENT_CALL_BYTES(c->place) + c->used;

	if (len > AGENT_BYTES - c->used)
		abort();
	c->used = (c->used + len + 15) & ~(size_t)15;
	return at;
}

uint64_t call_put(struct call *c, const void *data, size_t len)
{
	uint64_t at;

	if (!data)
		return 0;
	at = call_room(c, len);
	memcpy(call_bytes(c, at), data, len);
	return at;
}

void *call_bytes(const struct call *c, uint64_t address)
{
	return c->guest->memory + (address - c->guest->block);
}

void call_fetch(const struct call *c, uint64_t address, void *to, size_t len)
{
	if (address)
		memcpy(to, call_bytes(c, address), len);
}

static void interrupt(const struct guest *g)
{
	struct kvm_msi msi = { .address_lo = MSI_BASE, .data = AGENT_VECTOR_CALL };

	/* A guest that boots does not listen yet, and looks before it sleeps. */
	if (ioctl(g->machine.vm, KVM_SIGNAL_MSI, &msi) < 0)
		perror("KVM_SIGNAL_MSI");
}

int64_t call_do(struct call *c, enum agent_op op, const uint64_t arg[AGENT_ARGS])
{
	struct pollfd done = { .fd = c->guest->done[c->place], .events = POLLIN };
	struct agent_call *m = mail_of(c);
	uint32_t number = m->asked + 1;
	uint64_t times;

	m->op = op;
	memcpy(m->arg, arg, sizeof(m->arg));
	__atomic_store_n(&m->asked, number, __ATOMIC_RELEASE);
	interrupt(c->guest);
	if (poll(&done, 1, 2 * PATIENCE_MS) != 1 || read(done.fd, &times, sizeof(times)) < 0 ||
			__atomic_load_n(&m->done, __ATOMIC_ACQUIRE) != number) {
		fprintf(stderr, "guest at 0x%x: call %u is not done\n", c->guest->block, op);
		abort();
	}
	return m->result;
}

int64_t call_end(struct call *c, int64_t result)
{
	pthread_mutex_lock(&guests_lock);
	c->guest->busy[c->place] = false;
	pthread_cond_broadcast(&place_free);
	pthread_mutex_unlock(&guests_lock);
	return result;
}

unsigned call_faults(const struct call *c)
{
	return atomic_load(&c->guest->faults);
}

int call_asleep(int tid)
{
	int asleep = -1;

	pthread_mutex_lock(&guests_lock);
	for (const struct guest *g = guests; g && asleep < 1; g = g->next) {
		for (unsigned i = 0; g->there && i < AGENT_CALLS; i++) {
			if (g->caller[i] != tid)
				continue;
			asleep = g->busy[i] && __atomic_load_n(&guest_mail(g)->call[i].waiting, __ATOMIC_ACQUIRE);
			break;
		}
	}
	pthread_mutex_unlock(&guests_lock);
	return asleep;
}
