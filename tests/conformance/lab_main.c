/* SPDX-License-Identifier: BSD-2-Clause */
/* lab_main.c - a program of the suite on the host, in a guest, and as a guest's station. */
#include <criterion/criterion.h>
#include <criterion/options.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "lab.h"

#define TEST_SECONDS 60.0

int lab_suite(int argc, char *argv[])
{
	struct criterion_test_set *tests = criterion_initialize();
	int code = 0;

	/* They share one fabric. */
	criterion_options.jobs = 1;
	criterion_options.timeout = TEST_SECONDS;
	criterion_options.logging_threshold = CRITERION_INFO;
	if (criterion_handle_args(argc, argv, true)) {
		criterion_options.color &= lab_machine() == STATION_HOST;
		code = !criterion_run_all_tests(tests);
	}
	criterion_finalize(tests);
	fflush(NULL);
	return code;
}

static int suite_in_guest(void)
{
	struct conf_peer suite = { .name = "suite", .body = lab_suite_peer };
	int status;

	if (!lab_spawn_on(LAB_TESTS, &suite))
		return 1;
	status = lab_end(&suite, -1);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* Criterion starts the program anew for each test, and looks for this by its name. */
__attribute__((visibility("default"))) int main(int argc, char *argv[])
{
	int code;

	if (argc > 2 && !strcmp(argv[1], "--station"))
		return station_guest((uint32_t)atoi(argv[2]), argc - 2, argv + 2);
	if (lab_inside())
		return lab_suite(argc, argv);
	code = lab_start(argc, argv);
	if (code)
		return code;
	code = lab_plan.host ? lab_suite(argc, argv) : suite_in_guest();
	lab_stop();
	return code;
}
