/* SPDX-License-Identifier: BSD-2-Clause */
/* server.h - `vmq ivshmem-server` in a process of its own. */
#ifndef TESTS_IVSHMEM_SERVER_H
#define TESTS_IVSHMEM_SERVER_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

struct server {
	pid_t pid;
	int out;                 /* its standard output */
	char dir[64], path[96];  /* path: its socket */
	char log[96];            /* a file with what it wrote to standard error */
	unsigned starts;
};

/* A scratch folder, and nothing else yet; what is there ends with server_end(). */
void server_init(struct server *s);
void server_end(struct server *s);

/* Start it with these options (a list that ends with NULL), as another life in the same
 * folder; with prepare(), if there is one, just before exec. True: it said that it is
 * ready. False: it ended; server_code() has its exit code. */
bool server_start(struct server *s, const char *const *options, void (*prepare)(void));
#define SERVER(s, ...) server_start(s, (const char *const[]){ __VA_ARGS__ __VA_OPT__(,) NULL }, NULL)

/* Wait until it ends: its exit code, or -1 if a signal ended it or nothing does. */
int server_code(struct server *s);
int server_stop(struct server *s, int signal);
void server_kill(struct server *s);

/* What all of its lives wrote. */
const char *server_text(const struct server *s);
/* Wait until it wrote that at least `times`. */
bool server_says(const struct server *s, const char *text, unsigned times);
/* How many descriptors it has open. */
int server_fds(const struct server *s);

/* A pause of a wait that goes on until `until` (of now_ns()): false when that is over. */
bool patient(unsigned long long until);

#endif
