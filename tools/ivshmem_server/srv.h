/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * srv.h - what the files of `vmq ivshmem-server` share.
 *
 *	command.c	the command line
 *	options.c	numbers, sizes, users and groups in it
 *	region.c	the memory: made or taken, kept in order
 *	memory.c	where it comes from
 *	listen.c	the socket, and who may come
 *	clients.c	those who came: joins, leaves, their doorbells
 *	queue.c	what is still to be said to one of them
 *	loop.c	waits for all of that
 *	log.c	what happened, for people and for programs
 *	systemd.c	a socket and a region that outlive the server
 */
#ifndef VMQ_IVSHMEM_SERVER_H
#define VMQ_IVSHMEM_SERVER_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <sys/un.h>

#include "dir.h"

#define SRV_NAME "vmq ivshmem-server"
#define SRV_SIZE (64ull << 20)
#define SRV_SIZE_MAX (1ull << 40)
#define SRV_VECTORS 3u
#define SRV_VECTORS_MAX 64u
#define SRV_CLIENTS 64u
#define SRV_CLIENTS_MAX 1024u
#define SRV_IDS 65536u     /* doorbell ids of the protocol */
#define SRV_LIST 64u       /* users, and groups, that can be let in */
#define SRV_SLACK 256u     /* things to say to one client beyond those for its join */

/* Where the region's memory comes from. */
enum srv_memory { SRV_ANY, /* not said: a memfd */ SRV_MEMFD, SRV_HUGETLB, SRV_HUGETLBFS, SRV_FILE };

struct srv_list {
	unsigned n;
	uint32_t id[SRV_LIST];
};

struct srv_options {
	const char *path;          /* NULL: systemd brings the socket */
	enum srv_memory memory;
	const char *where;         /* the file, or hugetlbfs's folder */
	uint64_t size;             /* 0: not said */
	struct vmq__dir_plan plan;
	bool format, quiet, json;
	uint32_t vectors, max_clients;
	uint32_t mode;
	uid_t owner;               /* -1: left alone; group, too */
	gid_t group;
	struct srv_list uids, gids;
};

struct srv_region {
	int fd, lock;              /* lock: the file's own descriptor for it, or -1 */
	uint8_t *map;
	uint64_t size;
	bool fresh;                /* nobody has used this memory before */
	bool keep;                 /* systemd should keep it, if it can */
	struct vmq__dir dir;
	uint32_t life, next_id;    /* the header's line 1, as it should be */
	volatile sig_atomic_t cut; /* somebody made the file shorter */
};

/* The doorbells of one client: shared by all queues that still have to tell of them. */
struct srv_doors {
	unsigned refs;
	uint32_t id, vectors;
	int fd[SRV_VECTORS_MAX];
};

/* Something to say: a number, a number with a descriptor, or one message for each of
 * somebody's doorbells. */
struct srv_word {
	int64_t value;
	struct srv_doors *doors;
	int fd;
};

struct srv_queue {
	struct srv_word *ring;
	uint32_t size, head, count; /* size: a power of two, or 0 */
	uint32_t part, sent;        /* of the first: messages, and bytes of the next one */
	bool crowded;               /* too many descriptors are under way: no event will tell */
};

struct srv_client {
	struct srv_client *next;
	int sock;
	int64_t id;                /* -1: it has none yet */
	pid_t pid;
	uid_t uid;
	gid_t gid;
	uint32_t vectors;
	struct srv_doors *doors;
	struct srv_queue queue;
	bool watched_out;          /* epoll tells when there is room */
	bool doomed;               /* to be reaped; */
	const char *why;           /* NULL: it left by itself */
};

struct srv {
	const struct srv_options *o;
	struct srv_region region;
	struct srv_client *clients;
	unsigned n;
	int epfd, listener, signals, timer;
	bool listening;            /* epoll watches the listener */
	bool made;                 /* the socket is ours to remove: */
	dev_t dev;
	ino_t ino;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/* ---- options.c ---- */

bool srv_parse_number(const char *text, unsigned long min, unsigned long max, uint32_t *n);
bool srv_parse_size(const char *text, uint64_t *size);
bool srv_parse_mode(const char *text, uint32_t *mode);
bool srv_parse_owner(const char *text, uid_t *owner, gid_t *group);
bool srv_parse_users(const char *text, struct srv_list *list);
bool srv_parse_groups(const char *text, struct srv_list *list);

/* ---- log.c ---- */

/* An event; c (may be NULL) is whom it is about; format (may be NULL) says why. */
void srv_log(const struct srv *s, const char *event, const struct srv_client *c,
	const char *format, ...) __attribute__((format(printf, 4, 5)));
/* A start that failed. Returns -1. */
int srv_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- memory.c, region.c ---- */

/* Each: 0, or -1 and a message is out. `stored`: the region that systemd kept, or -1. */
int srv_memory_open(struct srv_region *r, const struct srv_options *o, int stored);
int srv_region_open(struct srv *s, int stored);
void srv_region_close(struct srv_region *r);
/* Put right what only the server may write. True: something was wrong; *what says what. */
bool srv_region_heal(struct srv_region *r, const char **what);
/* The next doorbell id comes after `id`. */
void srv_region_used(struct srv_region *r, uint32_t id);
/* Whoever rings at this id is gone: mark its slots and set everybody's news bell. True:
 * there were some. */
bool srv_region_gone(struct srv *s, const struct srv_client *c);
/* A slot with this doorbell id lives? Its owner may have come through a former server. */
bool srv_region_rings(const struct srv_region *r, uint32_t id);

/* ---- listen.c ---- */

/* Make the socket, or take systemd's (`given`, or -1); start to listen. */
int srv_socket_open(struct srv *s, int given);
int srv_socket_listen(struct srv *s);
void srv_socket_close(struct srv *s);
/* Accept one client into *c. 0; -1: none is there; -2: no descriptors are left. */
int srv_socket_accept(struct srv *s, struct srv_client *c);
bool srv_allowed(const struct srv_options *o, const struct srv_client *c);

/* ---- queue.c ---- */

void srv_doors_put(struct srv_doors *doors);
/* False: it is full, or there is no memory. */
bool srv_queue_push(struct srv_queue *q, uint32_t limit, int64_t value, struct srv_doors *doors,
	int fd);
/* Say what the socket takes. False: nobody listens any more. */
bool srv_queue_flush(struct srv_queue *q, int sock);
void srv_queue_free(struct srv_queue *q);

/* ---- clients.c ---- */

void srv_client_join(struct srv *s, const struct srv_client *from);
/* Its socket has something: it left, or it talks, or it can be told more. */
void srv_client_event(struct srv *s, struct srv_client *c, uint32_t events);
void srv_client_tick(struct srv *s);
/* Take away all who are doomed; others may become so by that. */
void srv_clients_reap(struct srv *s);
void srv_clients_free(struct srv *s);

/* ---- loop.c ---- */

int srv_run(const struct srv_options *o);

/* ---- systemd.c ---- */

extern const char srv_systemd_help[];
/* What systemd brought: descriptors or -1. -1 and a message, if that is of no use. */
int srv_systemd_take(int *listener, int *region);
void srv_systemd_keep(const struct srv_region *r);
void srv_systemd_forget(void);
void srv_systemd_ready(void);
void srv_systemd_stopping(void);

#endif
