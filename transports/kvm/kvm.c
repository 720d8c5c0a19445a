/* SPDX-License-Identifier: BSD-2-Clause */
/* kvm.c - a guest gets its queue: window, boot-information area, doorbells; and it is
 * all taken back. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/atomic.h"
#include "internal.h"
#include "kvm.h"

/* ---- what was asked for ------------------------------------------------------------ */

static bool pages(uint64_t n)
{
	return n && n % VMQ_PAGE_SIZE == 0;
}

static int config_check(const struct vmq_kvm_config *c)
{
	if (!c || !vmq__sized_in(c, sizeof(*c)) || c->flags & ~(VMQ_KVM_EXITS | VMQ_KVM_ROUTE))
		return VMQ_EINVAL;
	if (!pages(c->window) || !pages(c->window_size) || c->window + c->window_size < c->window)
		return VMQ_EINVAL;
	if (c->window_size > SIZE_MAX || c->peers > KVM_PEERS_MAX || c->vector < 32 || c->vector > 255)
		return VMQ_EINVAL;
	if (c->doorbell % KVM_REGISTERS || (c->bus != VMQ_BOOT_PORT && c->bus != VMQ_BOOT_MEMORY))
		return VMQ_EINVAL;
	return c->bus == VMQ_BOOT_PORT && c->doorbell > 0xffff ? VMQ_EINVAL : 0;
}

static int kernel_check(const struct vmq_kvm_config *c)
{
	static const int needed[] = { KVM_CAP_IRQFD, KVM_CAP_IOEVENTFD };

	for (unsigned i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		int rc = ioctl(c->vm_fd, KVM_CHECK_EXTENSION, needed[i]);

		if (rc < 0)
			return VMQ_EINVAL; /* that is not a VM */
		if (!rc)
			return VMQ_ENOTSUP;
	}
	return 0;
}

/* ---- memory --------------------------------------------------------------------------- */

static int memory_slot(const struct vmq_kvm *k, uint64_t size)
{
	struct kvm_userspace_memory_region r = {
		.slot = k->config.memory_slot, .guest_phys_addr = k->config.window,
		.memory_size = size, .userspace_addr = (uintptr_t)k->window,
	};

	return ioctl(k->config.vm_fd, KVM_SET_USER_MEMORY_REGION, &r) ? VMQ_ESYS : 0;
}

/* The boot-information area: writable for us, and at the window's start for the
 * guest, which only reads it. */
static int map_boot(struct vmq_kvm *k)
{
	int fd = memfd_create("vmq-boot", MFD_CLOEXEC), rc = 0;

	if (fd < 0)
		return vmq__errno(errno);
	k->boot = MAP_FAILED;
	if (!ftruncate(fd, (off_t)k->boot_size))
		k->boot = mmap(NULL, k->boot_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (k->boot == MAP_FAILED || mmap(k->window, k->boot_size, PROT_READ, MAP_SHARED | MAP_FIXED,
			fd, 0) == MAP_FAILED)
		rc = vmq__errno(errno);
	close(fd);
	return rc;
}

static int map_window(struct vmq_kvm *k)
{
	void *at = mmap(NULL, k->config.window_size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int rc;

	if (at == MAP_FAILED)
		return vmq__errno(errno);
	k->window = at;
	rc = map_boot(k);
	if (!rc)
		rc = memory_slot(k, k->config.window_size);
	k->slot_set = !rc;
	return rc;
}

static void unmap_window(struct vmq_kvm *k)
{
	if (k->slot_set)
		memory_slot(k, 0);
	if (k->boot && k->boot != MAP_FAILED)
		munmap(k->boot, k->boot_size);
	if (k->window)
		munmap(k->window, k->config.window_size);
}

/* ---- the boot-information area ------------------------------------------------------------ */

static void boot_write(struct vmq_kvm *k, const struct vmq_vm_config *vm)
{
	struct vmq_boot *b = k->boot;

	b->major = vmq__le16(VMQ_BOOT_MAJOR);
	b->minor = vmq__le16(VMQ_BOOT_MINOR);
	b->size = vmq__le32(sizeof(*b));
	b->vector = vmq__le32(k->config.vector);
	b->window = vmq__le64(k->config.window);
	b->window_size = vmq__le64(k->config.window_size);
	b->doorbell = vmq__le64(k->config.doorbell);
	b->bus = vmq__le32(k->config.bus);
	b->slots = vmq__le32(k->peers);
	b->slot_off = vmq__le32(sizeof(*b));
	b->slot_size = vmq__le32(sizeof(struct vmq_boot_slot));
	strcpy(b->name, vm->name);
	if (vm->uuid)
		memcpy(b->uuid, vm->uuid, sizeof(b->uuid));
	else
		vmq__uuid_of(vm->name, b->uuid);
}

/* The magic last: a guest that runs already finds a whole area or none. */
static void boot_publish(struct vmq_kvm *k)
{
	vmq__store(&k->boot->id, vmq_vmm_id(k->vm));
	vmq__store(&k->boot->magic[1], VMQ_BOOT_MAGIC_HI);
	vmq__store_release(&k->boot->magic[0], VMQ_BOOT_MAGIC_LO);
}

/* ---- add and remove ------------------------------------------------------------------------- */

static int join(struct vmq_kvm *k)
{
	struct vmq_vm_config c = {
		.size = sizeof(c), .name = k->config.name, .uuid = k->config.uuid,
		.lane_size = k->config.lane_size, .pool_pages = k->config.pool_pages,
		.window = k->window + k->boot_size, .window_size = k->config.window_size - k->boot_size,
		.doorbell = { k->irq, k->irq }, .ctx = k,
		.attach = vmq__kvm_attach, .leave = vmq__kvm_leave,
	};
	int rc;

	boot_write(k, &c);
	rc = vmq_vmm_add(k->vmm, &c, &k->vm);
	if (!rc)
		boot_publish(k);
	return rc;
}

static void kvm_free(struct vmq_kvm *k)
{
	if (k->vm)
		vmq_vmm_remove(k->vm);
	if (k->slots)
		vmq__kvm_slots_clear(k);
	vmq__kvm_irq_close(k);
	unmap_window(k);
	pthread_mutex_destroy(&k->lock);
	pthread_mutex_destroy(&k->commands);
	free(k->slots);
	free(k);
}

static struct vmq_kvm *kvm_new(struct vmq_vmm *vmm, const struct vmq_kvm_config *config)
{
	struct vmq_kvm *k = calloc(1, sizeof(*k));
	size_t size;

	if (!k)
		return NULL;
	k->config = *config;
	k->vmm = vmm;
	k->irq = -1;
	k->peers = config->peers ? config->peers : KVM_PEERS_DEFAULT;
	size = sizeof(struct vmq_boot) + k->peers * sizeof(struct vmq_boot_slot);
	k->boot_size = (size + VMQ_PAGE_SIZE - 1) & ~(size_t)(VMQ_PAGE_SIZE - 1);
	pthread_mutex_init(&k->lock, NULL);
	pthread_mutex_init(&k->commands, NULL);
	k->slots = calloc(k->peers, sizeof(*k->slots));
	if (k->slots)
		return k;
	kvm_free(k);
	return NULL;
}

int vmq_kvm_add(struct vmq_vmm *vmm, const struct vmq_kvm_config *config, struct vmq_kvm **out)
{
	struct vmq_kvm *k;
	int rc = config_check(config);

	if (!vmm)
		return VMQ_EBADF;
	if (rc || !out || !vmq__name_ok(config->name))
		return VMQ_EINVAL;
	rc = kernel_check(config);
	if (rc)
		return rc;
	k = kvm_new(vmm, config);
	if (!k)
		return VMQ_ENOMEM;
	rc = k->boot_size < config->window_size ? map_window(k) : VMQ_EMSGSIZE;
	if (!rc)
		rc = vmq__kvm_irq_open(k);
	if (!rc)
		rc = join(k);
	/* The caller's strings may go. */
	k->config.name = NULL;
	k->config.uuid = NULL;
	if (rc)
		kvm_free(k);
	else
		*out = k;
	return rc;
}

int vmq_kvm_remove(struct vmq_kvm *k)
{
	if (!k)
		return VMQ_EBADF;
	kvm_free(k);
	return 0;
}

struct vmq_vm *vmq_kvm_vm(const struct vmq_kvm *k)
{
	return k ? k->vm : NULL;
}

void *vmq_kvm_window(const struct vmq_kvm *k, size_t *size)
{
	if (!k)
		return NULL;
	if (size)
		*size = k->config.window_size;
	return k->window;
}
