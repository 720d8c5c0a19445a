/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * atomic.h - the only place with atomics: C11 ones on little-endian 32-bit
 * words, so that the same code runs on 32-bit and big-endian machines and can
 * be given to a model checker as it stands. docs/memory-order.md lists each use.
 */
#ifndef VMQ_CORE_ATOMIC_H
#define VMQ_CORE_ATOMIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <vmq/layout.h>

_Static_assert(sizeof(_Atomic uint32_t) == sizeof(uint32_t), "lock-free 32-bit words");

static inline uint16_t vmq__le16(uint16_t v)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	return __builtin_bswap16(v);
#else
	return v;
#endif
}

static inline uint32_t vmq__le32(uint32_t v)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	return __builtin_bswap32(v);
#else
	return v;
#endif
}

static inline uint64_t vmq__le64(uint64_t v)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	return __builtin_bswap64(v);
#else
	return v;
#endif
}

static inline uint32_t vmq__load(const vmq_le32 *p)
{
	return vmq__le32(atomic_load_explicit((const _Atomic uint32_t *)p, memory_order_relaxed));
}

static inline uint32_t vmq__load_acquire(const vmq_le32 *p)
{
	return vmq__le32(atomic_load_explicit((const _Atomic uint32_t *)p, memory_order_acquire));
}

static inline void vmq__store(vmq_le32 *p, uint32_t v)
{
	atomic_store_explicit((_Atomic uint32_t *)p, vmq__le32(v), memory_order_relaxed);
}

static inline void vmq__store_release(vmq_le32 *p, uint32_t v)
{
	atomic_store_explicit((_Atomic uint32_t *)p, vmq__le32(v), memory_order_release);
}

/* Put v where `expected` stands. False if something else does. */
static inline bool vmq__exchange(vmq_le32 *p, uint32_t expected, uint32_t v)
{
	uint32_t e = vmq__le32(expected);

	return atomic_compare_exchange_strong_explicit((_Atomic uint32_t *)p, &e, vmq__le32(v),
		memory_order_acq_rel, memory_order_acquire);
}

static inline void vmq__fence(void)
{
	atomic_thread_fence(memory_order_seq_cst);
}

/* Private words that the two halves of a channel share: no byte order. */
static inline uint32_t vmq__get(const uint32_t *p)
{
	return atomic_load_explicit((const _Atomic uint32_t *)p, memory_order_relaxed);
}

static inline void vmq__set(uint32_t *p, uint32_t v)
{
	atomic_store_explicit((_Atomic uint32_t *)p, v, memory_order_relaxed);
}

#endif
