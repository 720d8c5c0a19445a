/* SPDX-License-Identifier: BSD-2-Clause */
/* version.h - the library's version, as the headers had it. CMakeLists.txt reads
 * these three lines; vmq_version() gives what was linked. */
#ifndef VMQ_VERSION_H
#define VMQ_VERSION_H

#define VMQ_VERSION_MAJOR 0
#define VMQ_VERSION_MINOR 1
#define VMQ_VERSION_PATCH 0

#define VMQ_VERSION_STR_(a, b, c) #a "." #b "." #c
#define VMQ_VERSION_STR(a, b, c) VMQ_VERSION_STR_(a, b, c)
#define VMQ_VERSION_STRING VMQ_VERSION_STR(VMQ_VERSION_MAJOR, VMQ_VERSION_MINOR, VMQ_VERSION_PATCH)

#endif
