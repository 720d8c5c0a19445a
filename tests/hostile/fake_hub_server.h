/* SPDX-License-Identifier: BSD-2-Clause */
/* fake_hub_server.h - the listening end of a hub that the test plays. */
#ifndef FAKE_HUB_SERVER_H
#define FAKE_HUB_SERVER_H

#include "sim.h"
#include "support.h"

extern char fake_why[200];  /* what vmq_open() had to say */
extern int fake_conn;       /* to the client */
extern int fake_listener;
extern struct vmq_geometry fake_geo;

/* For .init and .fini. */
void fake_start(void);
void fake_stop(void);

/* What the hub does while the client opens. */
typedef void fake_script(void);
int fake_open(fake_script *s, struct vmq **q);

/* Steps of scripts: take the client's HELLO; welcome it as VM 5. */
void fake_accept(void);
void fake_welcomes(void);
struct sim_wire fake_packet(uint32_t type);

/* A client that was welcomed. */
struct vmq *fake_victim(void);

/* A region as it should be, all of it mapped here; to be told of with a JOIN, which
 * takes the descriptor. */
int fake_region(uint8_t **map);
struct sim_wire fake_join(void);
void fake_tell_join(const struct sim_wire *m, int fd);

/* The client gives that channel up, says so, and is otherwise well. Closes it. */
void fake_turned_down(struct vmq *q);

#endif
