/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conformance.h - one suite that every transport passes.
 *
 * A new transport writes one struct conf_fabric and a line in CMakeLists.txt:
 *
 *	vmq_conformance(sim-threads SOURCES sim_threads.c)
 *
 * The tests use vmq.h alone. Endpoints of the test itself are opened with
 * conf_open(); a peer is a function that conf_spawn() runs elsewhere: in a thread, in a
 * process, or on another machine, as the fabric has it. So what it gets as name and arg
 * is constant text, and nothing else of what the test knows.
 */
#ifndef VMQ_CONFORMANCE_H
#define VMQ_CONFORMANCE_H

#include <pthread.h>

#include "support.h"

struct conf_peer;

struct conf_fabric {
	const char *name;
	bool processes;         /* peers are processes, which can be killed */
	uint64_t caps;          /* exactly these */
	/* Start and stop a fabric without VMs. */
	bool (*start)(void);
	void (*stop)(void);
	/* The address of the VM of that name, which ends with name= and that. */
	void (*uri)(const char *vm, char *uri, size_t len);
	/* May be NULL. For endpoints that no address names: as conf_open(), and
	 * positive for those that have one. */
	int (*open)(const char *vm, const char *settings, uint32_t flags, struct vmq **q);
	/* May be NULL. An endpoint of a peer ends without a word. */
	void (*die)(struct vmq *q);
	bool no_fd;             /* the test's endpoints have no descriptors */
	unsigned slow;          /* tests of thousands of rounds divide their number by this; 0: 1 */
	/* May be NULL. For peers on other machines, which are processes: run p->body there,
	 * with p->ctl[0] for the steps; wait for its end, of which waitpid() says this. */
	bool (*spawn)(struct conf_peer *p);
	int (*join)(struct conf_peer *p);
};

/* Each program of the suite has one. */
extern const struct conf_fabric conf_fabric;

/* For .init and .fini of the test suites. */
void conf_start(void);
void conf_stop(void);

/* Open an endpoint; settings as in an address ("lane=4096&pages=8") or NULL. */
int conf_open(const char *vm, const char *settings, uint32_t flags, struct vmq **q);
/* Wait for a peer; its id, or 0. */
uint32_t conf_meet(struct vmq *q, const char *vm);
struct vmq_stats conf_stats(struct vmq *q);
/* Of so many rounds, how many this fabric has patience for. */
uint32_t conf_rounds(uint32_t n);

/* Both in one: an endpoint of the test, or the test fails. */
struct vmq *conf_vm(const char *vm, const char *settings);

/* ---- peers ------------------------------------------------------------------- */

typedef void conf_body(struct conf_peer *me);

struct conf_peer {
	const char *name;
	conf_body *body;
	const void *arg;
	int ctl[2];      /* the test's end, the peer's end */
	int tid;         /* of its thread */
	pid_t pid;
	pthread_t thread;
	bool failed, lost;
};

void conf_spawn(struct conf_peer *p, const char *name, conf_body *body, const void *arg);
/* Wait for the peer's end, and fail if it failed. */
void conf_join(struct conf_peer *p);

/* In a new process: be the peer, with p->ctl[1] for the steps. */
_Noreturn void conf_peer_run(struct conf_peer *p);

/* Steps between a test and its peer: each carries a number. */
void conf_tell(struct conf_peer *p, uint64_t value);
uint64_t conf_hear(struct conf_peer *p);
/* ... and the same for the peer's side. */
void peer_tell(struct conf_peer *me, uint64_t value);
uint64_t peer_hear(struct conf_peer *me);

/* In a peer: check, open, meet, and end without a word, as by a power cut. */
#define need(cond) \
	do { \
		if (!(cond)) \
			peer_fail(me, __FILE__, __LINE__, #cond); \
	} while (0)
_Noreturn void peer_fail(struct conf_peer *me, const char *file, int line, const char *what);
struct vmq *peer_vm(struct conf_peer *me, const char *settings);
void peer_die(struct conf_peer *me, struct vmq *q);

/* A peer that sends back what it gets until the other one leaves; arg: settings. */
void echo(struct conf_peer *me);

#endif
