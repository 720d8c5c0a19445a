/* SPDX-License-Identifier: BSD-2-Clause */
/* misuse.h - what is wrong with a command line, in one line that says what to do. */
#ifndef VMQ_MISUSE_H
#define VMQ_MISUSE_H

/* "PROGRAM: what the format says; see PROGRAM --help". Returns 2, the exit code for it. */
__attribute__((format(printf, 2, 3))) int misuse(const char *program, const char *format, ...);

/* The same of what getopt_long() has just answered '?' to; opterr is to be 0. */
int misuse_option(const char *program, char **argv);

#endif
