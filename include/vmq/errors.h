/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * errors.h - every error code and every poison reason, with its text.
 *
 * Functions give 0 or a count, or one of these codes, which are negative.
 * A number never changes its meaning; new ones are added at the end.
 */
#ifndef VMQ_ERRORS_H
#define VMQ_ERRORS_H

/* X(name, number, text) */
#define VMQ_ERRORS(X) \
	X(EINVAL, -1, "invalid argument") \
	X(EBADF, -2, "not an open handle") \
	X(EAGAIN, -3, "nothing there, or no room, right now") \
	X(ETIMEDOUT, -4, "the deadline passed") \
	X(EMSGSIZE, -5, "message or buffer of the wrong size") \
	X(ENOENT, -6, "no such peer or name") \
	X(EGONE, -7, "the peer is gone") \
	X(EPEER, -8, "the peer broke the protocol; its channel is poisoned") \
	X(EACCES, -9, "the topology does not allow this") \
	X(EEXIST, -10, "the name is taken") \
	X(ENOMEM, -11, "out of memory, or no page free") \
	X(EMFILE, -12, "out of file descriptors") \
	X(ECONN, -13, "the fabric cannot be reached, or is gone") \
	X(EVERSION, -14, "versions or required features do not agree") \
	X(EPROTO, -15, "not a libvmq region, or a damaged one") \
	X(ENOTSUP, -16, "this transport cannot do that") \
	X(ESTALE, -17, "the page is not yours (freed, moved or lent out)") \
	X(EBUSY, -18, "in use") \
	X(EURI, -19, "malformed address") \
	X(ETOPOLOGY, -20, "malformed topology") \
	X(ESYS, -21, "the operating system refused; errno says why")

#define VMQ__ENUM(name, number, text) VMQ_##name = number,
enum vmq_error { VMQ_OK = 0, VMQ_ERRORS(VMQ__ENUM) };

/* Why a channel was poisoned: what the other end did. */
#define VMQ_POISONS(X) \
	X(POISON_NONE, 0, "not poisoned") \
	X(POISON_CONSUME, 1, "its consume index is outside of what was produced") \
	X(POISON_SPAN, 2, "a record leaves its lane") \
	X(POISON_LENGTH, 3, "a record is longer than its span") \
	X(POISON_KIND, 4, "a record of unknown kind") \
	X(POISON_PAD, 5, "a padding record away from the lane's end") \
	X(POISON_HELLO, 6, "its HELLO is missing, malformed or a second one") \
	X(POISON_IDENTITY, 7, "its HELLO names another VM than the transport does") \
	X(POISON_FRAGMENT, 8, "a fragment out of order or of a wrong size") \
	X(POISON_OVERSIZE, 9, "a message over the limit that this end announced") \
	X(POISON_PAGE_RANGE, 10, "a page descriptor outside of the pools") \
	X(POISON_PAGE_OWNER, 11, "a page handed over by an end that does not own it") \
	X(POISON_PAGE_GEN, 12, "a page of a wrong generation") \
	X(POISON_PAGE_MODE, 13, "a page handed over in an unknown mode") \
	X(POISON_VERSION, 14, "its HELLO speaks another major version") \
	X(POISON_STATE, 15, "its state is none that there is") \
	X(POISON_DIRECTORY, 16, "the directory that peers find each other by was overwritten")

enum vmq_poison { VMQ_POISONS(VMQ__ENUM) };

#endif
