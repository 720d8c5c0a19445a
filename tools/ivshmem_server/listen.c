/* SPDX-License-Identifier: BSD-2-Clause */
/* listen.c - the server's socket, and who may come. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "srv.h"

#define BACKLOG 128
#define LOCK_TRIES 100 /* of 10 ms */

static int address(const char *path, struct sockaddr_un *a)
{
	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	if (!*path || strlen(path) >= sizeof(a->sun_path))
		return srv_fail("'%.120s' cannot be a socket's path", path);
	strcpy(a->sun_path, path);
	return 0;
}

/* ---- a socket of one's own --------------------------------------------------------------- */

/* Has a process that socket open? One of another type is refused for its type, and
 * notices nothing. */
static bool served(const struct sockaddr_un *a)
{
	int probe = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool yes = probe < 0 || !connect(probe, (const void *)a, sizeof(*a)) ||
		(errno != ECONNREFUSED && errno != ENOENT);

	if (probe >= 0)
		close(probe);
	return yes;
}

/* Two servers that start at once must not take each other's new socket for an old one.
 * Who holds the lock for long holds nobody up for long. */
static int lock_folder(const char *path)
{
	const struct timespec pause = { 0, 10000000 };
	char *copy = strdup(path);
	int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	free(copy);
	for (int i = 0; fd >= 0 && i < LOCK_TRIES && flock(fd, LOCK_EX | LOCK_NB); i++)
		nanosleep(&pause, NULL);
	return fd;
}

/* The file gets the socket's mode: there is no moment in which others may connect, and
 * the process's umask is left alone. */
static int bind_at(struct srv *s, const struct sockaddr_un *a)
{
	struct stat st;

	if (!lstat(a->sun_path, &st)) {
		if (!S_ISSOCK(st.st_mode))
			return srv_fail("%s is in the way, and no socket", a->sun_path);
		if (served(a))
			return srv_fail("a server listens at %s already", a->sun_path);
		unlink(a->sun_path);
	}
	if (fchmod(s->listener, s->o->mode & 0600) || bind(s->listener, (const void *)a, sizeof(*a)) ||
			lstat(a->sun_path, &st))
		return srv_fail("%s: %s", a->sun_path, strerror(errno));
	s->made = true;
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	return 0;
}

/* Now to those who are to have it. */
static int hand_over(const struct srv *s)
{
	if (((s->o->owner != (uid_t)-1 || s->o->group != (gid_t)-1) &&
			lchown(s->path, s->o->owner, s->o->group)) || chmod(s->path, s->o->mode))
		return srv_fail("%s: %s", s->path, strerror(errno));
	return 0;
}

static int make(struct srv *s)
{
	struct sockaddr_un a;
	int folder, rc;

	if (!s->o->path)
		return srv_fail("SOCKET is missing, and systemd brought none");
	if (address(s->o->path, &a))
		return -1;
	s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->listener < 0)
		return srv_fail("%s: %s", a.sun_path, strerror(errno));
	folder = lock_folder(a.sun_path);
	rc = bind_at(s, &a);
	if (folder >= 0)
		close(folder);
	memcpy(s->path, a.sun_path, sizeof(s->path));
	return rc ? rc : hand_over(s);
}

/* ---- one that systemd made ----------------------------------------------------------------- */

static int take(struct srv *s, int given)
{
	struct sockaddr_un a = { 0 };
	socklen_t len = sizeof(a);
	int flags = fcntl(given, F_GETFL);

	s->listener = given;
	if (getsockname(given, (void *)&a, &len) || flags < 0 || fcntl(given, F_SETFL, flags | O_NONBLOCK))
		return srv_fail("systemd's socket: %s", strerror(errno));
	a.sun_path[sizeof(a.sun_path) - 1] = 0;
	if (s->o->path && strcmp(s->o->path, a.sun_path))
		return srv_fail("systemd brought the socket %s, not %s", a.sun_path, s->o->path);
	memcpy(s->path, a.sun_path, sizeof(s->path));
	return 0;
}

int srv_socket_open(struct srv *s, int given)
{
	return given >= 0 ? take(s, given) : make(s);
}

int srv_socket_listen(struct srv *s)
{
	return listen(s->listener, BACKLOG) ? srv_fail("%s: %s", s->path, strerror(errno)) : 0;
}

void srv_socket_close(struct srv *s)
{
	struct stat st;

	/* Not one that somebody else has put in its place. */
	if (s->made && !lstat(s->path, &st) && st.st_dev == s->dev && st.st_ino == s->ino)
		unlink(s->path);
	if (s->listener >= 0)
		close(s->listener);
}

/* ---- who comes -------------------------------------------------------------------------------- */

int srv_socket_accept(struct srv *s, struct srv_client *c)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	c->sock = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (c->sock < 0)
		return errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS ? -2 : -1;
	c->pid = 0;
	c->uid = (uid_t)-1;
	c->gid = (gid_t)-1;
	if (!getsockopt(c->sock, SOL_SOCKET, SO_PEERCRED, &peer, &len)) {
		c->pid = peer.pid;
		c->uid = peer.uid;
		c->gid = peer.gid;
	}
	return 0;
}

static bool listed(const struct srv_list *list, uint32_t id)
{
	for (unsigned i = 0; i < list->n; i++)
		if (list->id[i] == id)
			return true;
	return false;
}

/* The groups beside its main one that it had when it connected. */
static bool group_listed(const struct srv_list *list, int sock)
{
	socklen_t len = 0;
	gid_t *groups;
	bool yes = false;

	if (!list->n || !getsockopt(sock, SOL_SOCKET, SO_PEERGROUPS, NULL, &len) || errno != ERANGE)
		return false;
	groups = malloc(len);
	if (groups && !getsockopt(sock, SOL_SOCKET, SO_PEERGROUPS, groups, &len))
		for (size_t i = 0; i < len / sizeof(*groups); i++)
			yes |= listed(list, groups[i]);
	free(groups);
	return yes;
}

bool srv_allowed(const struct srv_options *o, const struct srv_client *c)
{
	if (c->uid == (uid_t)-1)
		return false;
	return c->uid == 0 || c->uid == geteuid() || listed(&o->uids, c->uid) ||
		listed(&o->gids, c->gid) || group_listed(&o->gids, c->sock);
}
