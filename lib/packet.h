/* SPDX-License-Identifier: BSD-2-Clause */
/* packet.h - packets, with descriptors, between processes of one user and machine:
 * UNIX sockets of type SOCK_SEQPACKET. */
#ifndef VMQ_PACKET_H
#define VMQ_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKET_FDS 3u /* descriptors beside one packet, at most */
#define PACKET_PATH_MAX 107u /* bytes of a socket's path */

/* A struct sockaddr_un for path. 0 or VMQ_EINVAL. */
int vmq__packet_address(const char *path, void *sun, unsigned *len);

/* Listen at path, mode 0600; an old socket that nobody serves is replaced. Returns
 * the descriptor, VMQ_EINVAL (such a path cannot be), VMQ_EEXIST, or as
 * vmq__errno(). errno is kept. */
int vmq__packet_listen(const char *path);

/* Send one packet without waiting. 0 or an error (VMQ_EAGAIN: full). */
int vmq__packet_send(int sock, const void *msg, size_t size, const int *fds, unsigned n);

/*
 * Receive one packet of exactly `size` bytes, which start with a version of 32 bits,
 * without waiting; fds[] gets the descriptors that came along, -1 else. 0,
 * VMQ_EAGAIN, VMQ_EMFILE (the packet is there, but too many descriptors came, or
 * they found no place: none is kept), VMQ_ECONN (closed), VMQ_EVERSION, VMQ_EPROTO.
 */
int vmq__packet_recv(int sock, void *msg, size_t size, uint32_t version, int fds[PACKET_FDS]);

void vmq__packet_close(int fds[PACKET_FDS]);

/* Is the process at the other end this user's, or root's? */
bool vmq__packet_trusted(int sock, int *pid);
/* Is it one that has no reason to let this user in? */
bool vmq__packet_foreign(int sock);

/* Is something else than a socket there? */
bool vmq__packet_blocked(const char *path);
/* connect() to path failed with errno e: the code for it, and text (len bytes) says why.
 * nobody: "no hub listens at". */
int vmq__packet_unreached(const char *nobody, const char *path, int e, char *text, size_t len);

#endif
