/* SPDX-License-Identifier: BSD-2-Clause */
/* log.c - what the server says to people and programs, and how it is called. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "raw.h"
#include "server.h"
#include "support.h"

static struct server s;

static void start(void)
{
	server_init(&s);
}

static void stop(void)
{
	server_end(&s);
}

TestSuite(log, .init = start, .fini = stop, .timeout = 100);

/* The next line of JSON, which must be of that event. */
static json_t *line(const char **at, const char *event)
{
	const char *end = strchr(*at, '\n');
	json_error_t error;
	json_t *o;

	cr_assert(end, "no line for %s", event);
	o = json_loadb(*at, (size_t)(end - *at), JSON_REJECT_DUPLICATES, &error);
	cr_assert(o, "%s: %s", error.text, *at);
	*at = end + 1;
	cr_expect_str_eq(json_string_value(json_object_get(o, "event")), event);
	cr_expect_eq(strlen(json_string_value(json_object_get(o, "time"))), strlen("2026-01-01T00:00:00.000Z"));
	return o;
}

static json_int_t number(json_t *o, const char *key)
{
	json_t *value = json_object_get(o, key);

	cr_expect(json_is_integer(value), "%s", key);
	return json_integer_value(value);
}

static void reason(json_t *o, const char *key, const char *text)
{
	const char *value = json_string_value(json_object_get(o, key));

	cr_expect(value && strstr(value, text), "%s: %s", key, value ? value : "not there");
}

static void client(json_t *o, json_int_t id, json_int_t peers)
{
	cr_expect_eq(number(o, "id"), id);
	cr_expect_eq(number(o, "pid"), getpid());
	cr_expect_eq(number(o, "uid"), getuid());
	cr_expect_eq(number(o, "vectors"), 3);
	cr_expect_eq(number(o, "peers"), peers);
	json_decref(o);
}

static void live_through_all(void)
{
	struct raw a, b;
	int sock;

	cr_assert(SERVER(&s, "--json", "--max-clients", "2", s.path));
	cr_assert(raw_join(&a, s.path, 3));
	cr_assert(raw_join(&b, s.path, 3));
	sock = raw_socket(s.path);
	cr_assert(raw_cut_off(sock));
	cr_assert_eq(send(b.sock, "x", 1, MSG_NOSIGNAL), 1);
	cr_assert(raw_cut_off(b.sock));
	a.map[16] = 1;
	cr_assert(server_says(&s, "heal", 1));
	raw_leave(&a);
	cr_assert(server_says(&s, "\"leave\"", 1));
	cr_assert_eq(server_stop(&s, SIGTERM), 0);
}

Test(log, json)
{
	const char *at;
	json_t *o;

	live_through_all();
	at = server_text(&s);
	o = line(&at, "ready");
	reason(o, "socket", s.path);
	json_decref(o);
	client(line(&at, "join"), 0, 1);
	client(line(&at, "join"), 1, 2);
	o = line(&at, "refuse");
	reason(o, "reason", "all places are taken");
	cr_expect_null(json_object_get(o, "id"));
	cr_expect_eq(number(o, "pid"), getpid());
	json_decref(o);
	o = line(&at, "drop");
	reason(o, "reason", "it sent something");
	client(o, 1, 1);
	o = line(&at, "heal");
	reason(o, "reason", "the header was overwritten");
	json_decref(o);
	client(line(&at, "leave"), 0, 0);
	o = line(&at, "stop");
	reason(o, "reason", "SIGTERM");
	json_decref(o);
	cr_expect_str_eq(at, "");
}

Test(log, plain)
{
	char text[64];
	struct raw a;

	cr_assert(SERVER(&s, s.path));
	cr_assert(raw_join(&a, s.path, 3));
	snprintf(text, sizeof(text), "join: client 0: process %d of user %d (1 client)\n", getpid(), getuid());
	cr_expect(server_says(&s, text, 1), "%s", server_text(&s));
	raw_leave(&a);
	cr_expect(server_says(&s, "leave: client 0: ", 1));
	cr_assert_eq(server_stop(&s, SIGINT), 0);
	cr_expect(server_says(&s, "stop: SIGINT (0 clients)\n", 1));
}

Test(log, quiet)
{
	struct raw a;

	cr_assert(SERVER(&s, "-q", s.path));
	cr_assert(raw_join(&a, s.path, 3));
	raw_leave(&a);
	cr_assert(raw_join(&a, s.path, 3));
	cr_assert_eq(server_stop(&s, SIGTERM), 0);
	cr_expect_null(strstr(server_text(&s), "join"));
	cr_expect_null(strstr(server_text(&s), "leave"));
	cr_expect(strstr(server_text(&s), "ready"));
}

Test(log, a_terminal_that_closes_does_no_harm)
{
	struct raw a;

	cr_assert(SERVER(&s, s.path));
	kill(s.pid, SIGHUP);
	kill(s.pid, SIGPIPE);
	kill(s.pid, SIGALRM);
	cr_expect(raw_join(&a, s.path, 3));
	cr_expect_eq(server_stop(&s, SIGTERM), 0);
}

/* ---- how it is called -------------------------------------------------------------------------- */

#define WRONGLY(text, ...) do { \
	cr_expect_not(SERVER(&s, __VA_ARGS__)); \
	cr_expect_eq(server_code(&s), 2, "%s", text); \
	cr_expect(strstr(server_text(&s), text), "%s: %s", text, server_text(&s)); \
	unlink(s.log); \
} while (0)

Test(log, called_wrongly)
{
	WRONGLY("option '--nonsense' is not known", "--nonsense", s.path);
	WRONGLY("one SOCKET at most; see vmq ivshmem-server --help", s.path, s.path);
	WRONGLY("its value is missing", "--file");
	for (const char **bad = (const char *[]){ "0", "100", "128K", "300K", "3M", "2T", "1Q", "1MB", "M",
			"-1M", " 1M", "", "16777216T", "99999999999999999999", NULL }; *bad; bad++)
		WRONGLY("--size takes", "--size", *bad, s.path);
	WRONGLY("--slots takes", "--slots", "1", s.path);
	WRONGLY("--slots takes", "--slots", "257", s.path);
	WRONGLY("--vectors takes", "--vectors", "0", s.path);
	WRONGLY("--vectors takes", "--vectors", "65", s.path);
	WRONGLY("--vectors takes", "-n", "3x", s.path);
	WRONGLY("--max-clients takes", "-c", "0", s.path);
	WRONGLY("--max-clients takes", "-c", "1025", s.path);
	WRONGLY("--mode takes", "-m", "0680", s.path);
	WRONGLY("--mode takes", "-m", "7777", s.path);
	WRONGLY("--owner takes", "-o", "no-such-user", s.path);
	WRONGLY("--owner takes", "-o", ":", s.path);
	WRONGLY("--owner takes", "-o", "root:no-such-group", s.path);
	WRONGLY("--allow-uid takes", "--allow-uid", "root,", s.path);
	WRONGLY("--allow-uid takes", "--allow-uid", "4294967295", s.path);
	WRONGLY("--allow-gid takes", "--allow-gid", "no-such-group", s.path);
	WRONGLY("--dead-ms takes", "--dead-ms", "60001", s.path);
	WRONGLY("--dead-ms takes", "--dead-ms", "199", s.path);
	WRONGLY("--beat-ms takes", "--beat-ms", "0", s.path);
	WRONGLY("once", "--memfd", "--file", "x", s.path);
	WRONGLY("once", "--file", "x", "--file", "y", s.path);
}

Test(log, no_socket)
{
	cr_expect_not(SERVER(&s, "-q"));
	cr_expect_eq(server_code(&s), 1);
	cr_expect(server_says(&s, "SOCKET is missing", 1));
}

Test(log, help)
{
	char text[4096] = "";
	ssize_t n;

	cr_expect_not(SERVER(&s, "--help"), "the first line is no `ready`");
	n = read(s.out, text, sizeof(text) - 1);
	cr_expect(n > 0 && strstr(text, "--allow-gid LIST"), "%s", text);
	cr_expect_eq(server_code(&s), 0);
}
