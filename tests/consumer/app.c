/* SPDX-License-Identifier: BSD-2-Clause */
/* app.c - a small program of a user's: C11, and C++17 too. */
#include <stdio.h>
#include <string.h>

#include <vmq/transport.h>
#include <vmq/vmm.h>
#include <vmq/vmq.h>

static int talk(struct vmq *q)
{
	const char text[] = "hello";
	struct vmq_msg msg;
	char buf[16];
	uint32_t self;

	if (vmq_peer(q, "app", VMQ_MS(1000), &self) || (int64_t)self != vmq_id(q))
		return 1;
	if (vmq_send(q, self, text, sizeof(text), VMQ_SEND_AUTO, VMQ_NOWAIT))
		return 2;
	if (vmq_recv(q, buf, sizeof(buf), &msg, VMQ_MS(1000)) != (int64_t)sizeof(text))
		return 3;
	return msg.peer != self || strcmp(buf, text) ? 4 : 0;
}

int main(void)
{
	struct vmq_vmm *vmm;
	struct vmq *q;
	int rc;

	if (strcmp(vmq_version(), VMQ_VERSION_STRING))
		return 10;
	if (vmq_vmm_create(NULL, &vmm) || vmq_vmm_destroy(vmm))
		return 11;
	rc = vmq_open("sim:consumer?name=app", NULL, &q);
	if (rc) {
		printf("vmq_open: %s\n", vmq_strerror(rc));
		return 12;
	}
	rc = talk(q);
	if (vmq_close(q) || vmq_close(q) != VMQ_EBADF)
		return 13;
	printf("libvmq %s: %d\n", vmq_version(), rc);
	return rc;
}
