/* SPDX-License-Identifier: BSD-2-Clause */
/* xen.c - a user's program on a machine without Xen: what it is told. VMQ_STATIC: with the
 * transport inside. xen EXPECTED says which error has to come. */
#include <stdio.h>
#include <string.h>

#include <vmq/vmq.h>
#ifdef VMQ_STATIC
#include <vmq/xen.h>
#endif

int main(int argc, char **argv)
{
	char why[200] = "";
	struct vmq_options o = { .size = sizeof(o), .errmsg = why, .errlen = sizeof(why) };
	struct vmq *q;
	int rc;

#ifdef VMQ_STATIC
	o.transport = &vmq_transport_xen;
#endif
	rc = vmq_open("xen:lab?name=a", &o, &q);
	printf("%s: %s\n", vmq_errname(rc), why);
	if (argc < 2 || strcmp(vmq_errname(rc), argv[1]))
		return 1;
	return !strstr(why, rc == VMQ_ECONN ? "XenStore" : "no transport 'xen'");
}
