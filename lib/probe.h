/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * probe.h - where a tracer can look in: USDT probes of the provider "vmq".
 *
 * Each is one no-op instruction, and a note in the library's file that says where it is and
 * where its arguments stand at that moment. An argument that is at hand (a number in a
 * register, a field in memory) costs nothing; do not compute one. docs/observability.md
 * lists the probes, with the names and the meaning of their arguments.
 */
#ifndef VMQ_PROBE_H
#define VMQ_PROBE_H

#ifdef VMQ__PROBES
#include <sys/sdt.h>
#define VMQ__PROBE3(name, a, b, c) DTRACE_PROBE3(vmq, name, a, b, c)
#define VMQ__PROBE4(name, a, b, c, d) DTRACE_PROBE4(vmq, name, a, b, c, d)
#define VMQ__PROBE5(name, a, b, c, d, e) DTRACE_PROBE5(vmq, name, a, b, c, d, e)
#else
/* The arguments count as used. */
#define VMQ__PROBE3(name, a, b, c) ((void)sizeof(a), (void)sizeof(b), (void)sizeof(c))
#define VMQ__PROBE4(name, a, b, c, d) (VMQ__PROBE3(name, a, b, c), (void)sizeof(d))
#define VMQ__PROBE5(name, a, b, c, d, e) (VMQ__PROBE4(name, a, b, c, d), (void)sizeof(e))
#endif

#endif
