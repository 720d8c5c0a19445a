/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xen.h - how endpoints of the xen transport find each other, and what they share: for
 * programs that speak it without this library, and for tools.
 *
 * In XenStore, the toolstack says who is on a fabric:
 *
 *	/tool/vmq/FABRIC           readable by its members. "all" of them may talk, or
 *	                           those that a "topology" says
 *	/tool/vmq/FABRIC/DOMID     a member. Its value: the names that endpoints of this
 *	                           domain may have, as NAME below, with spaces between,
 *	                           or "*".
 *	                           Readable by the member and by those whom it may talk to
 *
 * and each endpoint what it has to offer, in its own domain's nodes:
 *
 *	/local/domain/DOMID/data/vmq/FABRIC/NAME       a record; readable by whom the
 *	                                               member's node is readable by
 *	/local/domain/DOMID/data/vmq/FABRIC/NAME/PEERID/PEER
 *	                                               an offer to the endpoint PEER of the
 *	                                               domain PEERID, readable by that one
 *
 * The toolstack makes the folder of the records, readable as the member's node: XenStore
 * lets a domain name but few readers by itself, and what is made in it inherits them.
 * Domain 0, which can read everything, may talk with those whose member's node lists it.
 *
 * DOMID is decimal. In FABRIC, NAME and PEER a byte other than A-Z, a-z, 0-9, '-' and '_' is
 * '@' and two lower-case hexadecimal digits. Values are words with a space between:
 *
 *	record  "1" ID LIFE LANE POOL UUID
 *	offer   "1" LIFE SERIAL ECHO ROOT DATA SPACE CONTROL
 *
 * All are decimal but LIFE (16 hexadecimal digits, of the endpoint's own life in a record,
 * and of the peer's life that it is for in an offer; never 0) and UUID (32 of them). ID is
 * the endpoint's on the fabric. LANE is the size in bytes of the lanes that it wants to
 * receive from, POOL how many pages it has for each peer. Further words are for later
 * versions and are skipped. A record stays as it is for its life.
 *
 * An end makes the lane that its peer wants, but not one larger than VMQ_XEN_LANE_FREE and
 * its own LANE; and a pool of its own POOL, but not of more than VMQ_XEN_POOL_FREE and the
 * peer's POOL: so nobody has to spend more for a peer than it would for itself, and both
 * know the numbers.
 *
 * Of two endpoints the one of the lower domid, or in one domain the one whose name comes
 * first, is side 0. It makes an offer when it sees the other's record: SERIAL is new, ECHO
 * 0, ROOT the grant of its root page, and the rest three event channels that it has ready
 * for the peer's domain. Side 1 binds them, and answers with an offer whose ECHO is side
 * 0's SERIAL, with ROOT, and zeros for event channels. The channel is there. It ends when
 * one of the two offers does, or the record, or `alive` in a root page.
 *
 * What an end grants is what it writes. All is granted to the peer's domain alone, and
 * read-only but for the pages of its pool. docs/transports/xen.md says more.
 */
#ifndef VMQ_XEN_H
#define VMQ_XEN_H

#include <vmq/layout.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VMQ_XEN_MEMBERS "/tool/vmq"
#define VMQ_XEN_RECORDS "/local/domain/%u/data/vmq"

#define VMQ_XEN_MAGIC 0x584d5689u /* 89 'V' 'M' 'X' */
#define VMQ_XEN_MAJOR 1u
#define VMQ_XEN_MINOR 0u
#define VMQ_XEN_LANE_FREE (1u << 20) /* bytes */
#define VMQ_XEN_POOL_FREE 4096u   /* pages */
#define VMQ_XEN_LISTS 960u        /* at most, of one end */
#define VMQ_XEN_LIST_REFS 1024u   /* grants in a list */

/*
 * The root page of an end. Written once, before the offer is made; only `alive` and `done`
 * change.
 *
 * The lists are granted pages of VMQ_XEN_LIST_REFS little-endian 32-bit grant references
 * each, that stand for one array: the control area's pages, then the lane's that this end
 * writes, then its pool's. All of them are granted before the offer is made.
 */
struct vmq_xen_root {
	vmq_le32 magic;
	vmq_le16 major, minor;
	vmq_le32 alive;      /* not 0. The kernel clears the first byte, and notifies the
	                      * control event channel, when the owner's process ends */
	vmq_le32 serial;     /* as in the offer */
	vmq_le32 lane_size;  /* bytes */
	vmq_le32 ctl_pages;  /* of the control area */
	vmq_le32 pool_pages;
	vmq_le32 lists;
	vmq_le32 done;       /* not 0: this end is over, and has unmapped all of the other's
	                      * half but its root page */
	uint8_t reserved[220];
	vmq_le32 list[VMQ_XEN_LISTS]; /* grant references */
};

VMQ_OFFSET_IS(vmq_xen_root, alive, 8);
VMQ_OFFSET_IS(vmq_xen_root, lane_size, 16);
VMQ_OFFSET_IS(vmq_xen_root, lists, 28);
VMQ_OFFSET_IS(vmq_xen_root, list, 256);
VMQ_STATIC_ASSERT(sizeof(struct vmq_xen_root) == VMQ_PAGE_SIZE, "root page size");

/* The transport itself, of libvmq-xen.a: for vmq_options.transport of a program that is
 * linked statically. Others find it in the plugin folder. */
struct vmq_transport;
extern const struct vmq_transport vmq_transport_xen;

#ifdef __cplusplus
}
#endif
#endif
