/* SPDX-License-Identifier: BSD-2-Clause */
/* places.c - who gets which place in the directory, and who gets none. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fabric.h"

#define SIZE (1u << 20)
#define STEP VMQ_IVSHMEM_CLAIM_STEP

static void make(void)
{
	fabric_make(SIZE, 4);
}

TestSuite(ivshmem_places, .init = make, .fini = fabric_end);

Test(ivshmem_places, the_same_name_has_the_same_place)
{
	struct vmq *q = fabric_vm("a", NULL);

	vmq_close(fabric_vm("b", NULL));
	vmq_close(q);
	for (int i = 0; i < 5; i++) {
		q = fabric_vm("b", NULL);
		cr_expect_eq(vmq_id(q), 2);
		vmq_close(q);
		q = fabric_vm("a", NULL);
		cr_expect_eq(vmq_id(q), 1);
		vmq_close(q);
	}
	/* A new name comes where nobody ever was, as long as there is such a place. */
	q = fabric_vm("c", NULL);
	cr_expect_eq(vmq_id(q), 3);
	vmq_close(q);
}

Test(ivshmem_places, a_living_namesake_stays)
{
	struct vmq *q = fabric_vm("a", NULL), *other = NULL;
	uint32_t claim = word(&slot(0)->claim);

	for (int i = 0; i < 3; i++)
		cr_expect_eq(fabric_open("a", NULL, &other), VMQ_EEXIST);
	cr_expect_null(other);
	cr_expect_eq(word(&slot(0)->claim), claim);
	cr_expect_eq(word(&slot(0)->live), claim);
	for (int i = 1; i < 4; i++)
		cr_expect_eq(word(&slot((uint32_t)i)->claim), 0u);
	vmq_close(q);
}

Test(ivshmem_places, a_killed_ones_place_is_taken_over)
{
	pid_t pid = fabric_echo("b", NULL);
	struct vmq *q;

	fabric_kill(pid);
	cr_expect_eq(word(&slot(0)->live), word(&slot(0)->claim), "it seems to be alive");
	q = fabric_vm("b", NULL);
	cr_expect_eq(vmq_id(q), 1);
	cr_expect_eq(word(&slot(0)->claim), 2 * STEP);
	vmq_close(q);
}

/* Where the server knows of a death nobody waits for the heartbeat. */
Test(ivshmem_places, who_is_gone_is_not_waited_for)
{
	struct vmq *q;
	uint64_t from;

	fabric_end();
	fabric_make(SIZE, 4);
	/* So long that it would be noticed. */
	cr_assert_eq(vmq__dir_write(fabric.map, SIZE, &(struct vmq__dir_plan){ 4, 100, 60000 }), 0);
	fake_enter(0, "b");
	vmq__store(&slot(0)->gone, word(&slot(0)->claim));
	from = now_ns();
	q = fabric_vm("b", NULL);
	cr_expect_eq(vmq_id(q), 1);
	cr_expect_lt(now_ns() - from, PATIENCE);
	vmq_close(q);
}

/* A claim without a line: its claimer is about to enter, or has died. */
Test(ivshmem_places, a_claim_under_way_is_left_alone)
{
	struct vmq *q[3];

	cr_assert_eq(vmq__dir_claim(&fabric.d, 0, 0), STEP);
	for (int i = 0; i < 3; i++) {
		q[i] = fabric_vm(i ? i == 1 ? "b" : "c" : "a", NULL);
		cr_expect_eq(vmq_id(q[i]), i + 2);
	}
	cr_expect_eq(word(&slot(0)->claim), STEP);
	/* There is no other, and it stands still: it died. */
	vmq_close(q[2]);
	vmq_close(fabric_vm("c", NULL));
	q[2] = fabric_vm("c", NULL);
	{
		struct vmq *d = fabric_vm("d", NULL);

		cr_expect_eq(vmq_id(d), 1);
		cr_expect_eq(word(&slot(0)->claim), 2 * STEP);
		vmq_close(d);
	}
	for (int i = 0; i < 3; i++)
		vmq_close(q[i]);
}

Test(ivshmem_places, a_full_directory_has_no_room)
{
	const char *name[4] = { "a", "b", "c", "d" };
	struct vmq *q[4], *other = NULL;
	char why[200] = "", uri[200];
	struct vmq_options o = { .size = sizeof(o), .errmsg = why, .errlen = sizeof(why) };

	for (int i = 0; i < 4; i++)
		q[i] = fabric_vm(name[i], NULL);
	snprintf(uri, sizeof(uri), "ivshmem:file=%s?name=e", fabric.path);
	cr_expect_eq(vmq_open(uri, &o, &other), VMQ_ENOMEM);
	cr_expect_str_eq(why, "all 4 places of the region are taken");
	/* Whoever leaves makes room for another name. */
	vmq_close(q[2]);
	q[2] = fabric_vm("e", NULL);
	cr_expect_eq(vmq_id(q[2]), 3);
	for (int i = 0; i < 4; i++)
		vmq_close(q[i]);
}

Test(ivshmem_places, in_a_full_directory_the_dead_make_room)
{
	pid_t pid = fabric_echo("dead", NULL);
	const char *name[3] = { "b", "c", "d" };
	struct vmq *q[3], *other;

	for (int i = 0; i < 3; i++)
		q[i] = fabric_vm(name[i], NULL);
	fabric_kill(pid);
	other = fabric_vm("e", NULL);
	cr_expect_eq(vmq_id(other), 1);
	vmq_close(other);
	for (int i = 0; i < 3; i++)
		vmq_close(q[i]);
}

/* ---- at once -------------------------------------------------------------------------- */

#define OPENERS 4
#define ROUNDS 25

static _Noreturn void be_opener(int go, int out, int stay)
{
	struct vmq *q = NULL;
	char c;
	int rc;

	rc = read(go, &c, 1) ? 9 : fabric_open("a", NULL, &q);
	c = (char)-rc;
	if (write(out, &c, 1) != 1)
		_exit(1);
	/* Until all have tried. */
	if (read(stay, &c, 1))
		_exit(1);
	_exit(q && vmq_close(q) ? 1 : 0);
}

Test(ivshmem_places, of_many_of_one_name_one_comes_in, .timeout = 100)
{
	for (int round = 0; round < ROUNDS; round++) {
		int go[2], out[2], stay[2], in = 0, status;
		pid_t pid[OPENERS];

		cr_assert_eq(pipe2(go, O_CLOEXEC) + pipe2(out, O_CLOEXEC) + pipe2(stay, O_CLOEXEC), 0);
		for (int i = 0; i < OPENERS; i++) {
			pid[i] = fork();
			if (!pid[i]) {
				close(go[1]);
				close(stay[1]);
				be_opener(go[0], out[1], stay[0]);
			}
		}
		close(go[1]);
		for (int i = 0; i < OPENERS; i++) {
			char c;

			cr_assert_eq(read(out[0], &c, 1), 1);
			in += !c;
			cr_expect(!c || -c == VMQ_EEXIST, "%d", -c);
		}
		cr_expect_eq(in, 1, "round %d: %d came in", round, in);
		close(stay[1]);
		for (int i = 0; i < OPENERS; i++) {
			waitpid(pid[i], &status, 0);
			cr_expect_eq(status, 0);
		}
		close(go[0]);
		close(out[0]);
		close(out[1]);
		close(stay[0]);
	}
}

/* ---- regions that are none -------------------------------------------------------------- */

static int open_why(char why[200])
{
	struct vmq_options o = { .size = sizeof(o), .errmsg = why, .errlen = 200 };
	struct vmq *q = NULL;
	char uri[200];
	int rc;

	snprintf(uri, sizeof(uri), "ivshmem:file=%s?name=a", fabric.path);
	rc = vmq_open(uri, &o, &q);
	if (!rc)
		vmq_close(q);
	return rc;
}

Test(ivshmem_places, an_empty_region_is_laid_out)
{
	char why[200] = "";
	struct vmq__dir d;

	memset(fabric.map, 0, 4096);
	cr_expect_eq(open_why(why), 0, "%s", why);
	cr_assert_eq(vmq__dir_read(fabric.map, SIZE, &d), 0);
	cr_expect_eq(d.dead_ms, VMQ_IVSHMEM_DEAD_MS);
}

Test(ivshmem_places, somebody_elses_region_is_left_alone)
{
	uint8_t *copy = malloc(SIZE);
	char why[200] = "";

	memset(fabric.map, 0x5a, SIZE);
	memcpy(copy, fabric.map, SIZE);
	cr_expect_eq(open_why(why), VMQ_EPROTO);
	cr_expect_str_eq(why, "the region holds something else than libvmq's directory: fill it with zeros if "
		"nobody uses that");
	cr_expect_eq(memcmp(copy, fabric.map, SIZE), 0);
	free(copy);
}

Test(ivshmem_places, a_later_version_is_left_alone)
{
	char why[200] = "";

	((struct vmq_ivshmem_header *)fabric.map)->major = 2;
	cr_expect_eq(open_why(why), VMQ_EVERSION);
	cr_expect_str_eq(why, "the region's directory is of another version");
}

Test(ivshmem_places, what_the_transport_does_not_have)
{
	struct vmq_options o = { .size = sizeof(o), .topology = "x" };
	struct vmq *q = NULL;
	char uri[200];

	snprintf(uri, sizeof(uri), "ivshmem:file=%s?name=a", fabric.path);
	cr_expect_eq(vmq_open(uri, &o, &q), VMQ_EINVAL);
	cr_expect_null(q);
}

/* ---- nothing is left ----------------------------------------------------------------------- */

static int count_threads(void)
{
	char line[100];
	FILE *f = fopen("/proc/self/status", "re");
	int n = 0;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Threads: %d", &n) == 1)
			break;
	if (f)
		fclose(f);
	return n;
}

/* How often the region is mapped. The rest of the map moves with the heap. */
static int count_regions(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[400];
	int n = 0;

	while (f && fgets(line, sizeof(line), f))
		n += strstr(line, fabric.path) != NULL;
	if (f)
		fclose(f);
	return n;
}

static void come_meet_go(void)
{
	struct vmq *a = fabric_vm("a", NULL), *b = fabric_vm("b", NULL), *other = NULL;

	both_meet(a, "b", b, "a");
	cr_assert_eq(fabric_open("a", NULL, &other), VMQ_EEXIST);
	vmq_close(b);
	vmq_close(a);
}

Test(ivshmem_places, nothing_is_left_after_close)
{
	int fds, threads = count_threads();

	come_meet_go();
	fds = count_fds();
	for (int i = 0; i < 20; i++)
		come_meet_go();
	cr_expect_eq(count_fds(), fds);
	cr_expect_eq(count_regions(), 1, "the test's own");
	cr_expect_eq(count_threads(), threads);
	/* Nor in the directory. */
	for (uint32_t i = 0; i < 2; i++) {
		cr_expect_eq(word(&slot(i)->live), 0u);
		for (uint32_t j = 0; j < 2; j++) {
			cr_expect_eq(word(&cell(i, j)->serial), 0u);
			for (unsigned h = 0; h < VMQ_IVSHMEM_HOLDS; h++)
				cr_expect_eq(word(&cell(i, j)->hold[h].count), 0u);
		}
	}
}
