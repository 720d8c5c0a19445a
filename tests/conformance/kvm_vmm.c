/* SPDX-License-Identifier: BSD-2-Clause */
/* kvm_vmm.c - a VMM of the test's own process, and the thread that serves its bridge. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kvm_vmm.h"

static char dir[64], path[96];
static struct vmq_vmm *vmm;
static struct vmq_bridge *bridge;
static pthread_t server;

static void *serve(void *arg)
{
	(void)arg;
	if (vmq_bridge_run(bridge, VMQ_FOREVER))
		abort();
	return NULL;
}

bool kvm_vmm_start(void)
{
	struct vmq_bridge_options o = { .size = sizeof(o), .path = path };

	scratch_make(dir, sizeof(dir));
	snprintf(path, sizeof(path), "%s/vmm", dir);
	return !vmq_vmm_create(NULL, &vmm) && !vmq_bridge_open(vmm, &o, &bridge) &&
		!pthread_create(&server, NULL, serve, NULL);
}

void kvm_vmm_stop(void)
{
	vmq_bridge_stop(bridge);
	pthread_join(server, NULL);
	vmq_bridge_close(bridge);
	vmq_vmm_destroy(vmm);
	scratch_remove(dir);
}

struct vmq_vmm *kvm_vmm(void)
{
	return vmm;
}

void kvm_vmm_uri(const char *vm, char *uri, size_t len)
{
	snprintf(uri, len, "kvm:unix=%s?name=%s", path, vm);
}

/* What an address may say, as options. */
static void set(struct vmq_options *o, const char *key, uint32_t value)
{
	if (!strcmp(key, "lane"))
		o->lane_size = value;
	else if (!strcmp(key, "pages"))
		o->pool_pages = value;
	else if (!strcmp(key, "max"))
		o->max_msg = value;
	else if (!strcmp(key, "lazy_us"))
		o->lazy_max_us = value;
	else
		abort();
}

int kvm_vmm_open(const char *vm, const char *settings, uint32_t flags, struct vmq **q)
{
	struct vmq_options o = { .size = sizeof(o), .name = vm, .flags = flags };
	char text[256], *save, *pair, *value;

	snprintf(text, sizeof(text), "%s", settings ? settings : "");
	for (pair = strtok_r(text, "&", &save); pair; pair = strtok_r(NULL, "&", &save)) {
		value = strchr(pair, '=');
		*value++ = 0;
		set(&o, pair, (uint32_t)strtoul(value, NULL, 10));
	}
	return vmq_vmm_open(vmm, &o, q);
}
