/* SPDX-License-Identifier: BSD-2-Clause */
/* registry.c - the transports: those that are built in, and those in the plugin
 * folder. An explicit table: a static archive drops what only a constructor or a
 * linker section refers to. */
#define _GNU_SOURCE
#ifndef VMQ__NO_PLUGINS
#include <dlfcn.h>
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#ifdef VMQ__XEN
#include <vmq/xen.h>
#endif

#ifdef VMQ__SIM
extern const struct vmq_transport vmq__sim_transport;
#endif
#ifdef VMQ__KVM
extern const struct vmq_transport vmq__kvm_transport;
#endif
#ifdef VMQ__IVSHMEM
extern const struct vmq_transport vmq__ivshmem_transport;
#endif
#ifdef VMQ__HOST
extern const struct vmq_transport vmq__host_transport;
#endif

static const struct vmq_transport *const builtin[] = {
#ifdef VMQ__SIM
	&vmq__sim_transport,
#endif
#ifdef VMQ__KVM
	&vmq__kvm_transport,
#endif
#ifdef VMQ__IVSHMEM
	&vmq__ivshmem_transport,
#endif
#ifdef VMQ__XEN
	&vmq_transport_xen,
#endif
	NULL,
};

#ifdef VMQ__NO_PLUGINS
/* A static program has no dlopen() to rely on, and others may not want it: they make
 * do with what is built in. */
static const struct vmq_transport *plugin(const char *name, char *why, size_t len)
{
	(void)name;
	snprintf(why, len, "%s", "");
	return NULL;
}
#else
/* name.so in the folder, with one symbol: vmq_transport_NAME. A plugin stays
 * loaded, as threads may still be in it. */
static const struct vmq_transport *plugin(const char *name, char *why, size_t len)
{
	const char *folder = secure_getenv("VMQ_TRANSPORT_PATH");
	const struct vmq_transport *t;
	char path[512], symbol[64];
	void *lib;

	if (strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789") != strlen(name)) {
		snprintf(why, len, ": such a name is of small letters and digits");
		return NULL;
	}
	snprintf(why, len, "%s", "");
	if (snprintf(path, sizeof(path), "%s/%s.so", folder ? folder : VMQ__PLUGINS, name) >=
			(int)sizeof(path))
		return NULL;
	lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!lib) {
		snprintf(why, len, ": %s", dlerror());
		return NULL;
	}
	snprintf(symbol, sizeof(symbol), "vmq_transport_%s", name);
	t = dlsym(lib, symbol);
	if (t && t->abi == VMQ_TRANSPORT_ABI && t->size == sizeof(*t))
		return t;
	snprintf(why, len, ": %s is of another version of libvmq", path);
	dlclose(lib);
	return NULL;
}
#endif

const struct vmq_transport *vmq__transport(const char *name, char *why, size_t len)
{
	for (unsigned i = 0; builtin[i]; i++)
		if (!strcmp(builtin[i]->name, name))
			return builtin[i];
	return plugin(name, why, len);
}

/* That of vmq_vmm_open(), which no address names; NULL if it was not built. */
const struct vmq_transport *vmq__host(void)
{
#ifdef VMQ__HOST
	return &vmq__host_transport;
#else
	return NULL;
#endif
}
