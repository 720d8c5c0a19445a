/* SPDX-License-Identifier: BSD-2-Clause */
/* codes.c - every code and every poison reason has its name and a text of its own. */
#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <vmq/vmq.h>

struct entry {
	const char *name, *text;
	int number;
};

#define ENTRY(n, number, t) { #n, t, number },
static const struct entry errors[] = { VMQ_ERRORS(ENTRY) };
static const struct entry poisons[] = { VMQ_POISONS(ENTRY) };
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

Test(codes, every_error)
{
	char name[40];

	for (size_t i = 0; i < COUNT(errors); i++) {
		snprintf(name, sizeof(name), "VMQ_%s", errors[i].name);
		cr_expect_str_eq(vmq_errname(errors[i].number), name);
		cr_expect_str_eq(vmq_strerror(errors[i].number), errors[i].text);
		cr_expect_lt(errors[i].number, 0);
		for (size_t k = 0; k < i; k++) {
			cr_expect_neq(errors[k].number, errors[i].number);
			cr_expect_str_neq(errors[k].text, errors[i].text);
		}
	}
}

Test(codes, every_poison)
{
	for (size_t i = 0; i < COUNT(poisons); i++) {
		cr_expect_str_eq(vmq_poison_text(poisons[i].number), poisons[i].text);
		for (size_t k = 0; k < i; k++)
			cr_expect_str_neq(poisons[k].text, poisons[i].text);
	}
}

Test(codes, any_number_gets_a_text)
{
	static const int numbers[] = { 0, 1, 7, INT32_MAX, -1000, INT32_MIN };

	for (size_t i = 0; i < COUNT(numbers); i++) {
		cr_expect_neq(vmq_strerror(numbers[i])[0], 0);
		cr_expect_neq(vmq_errname(numbers[i])[0], 0);
		cr_expect_neq(vmq_poison_text(numbers[i])[0], 0);
	}
	cr_expect_str_eq(vmq_errname(-1000), "VMQ_E?");
	cr_expect_str_eq(vmq_errname(0), "VMQ_OK");
}

Test(codes, version_is_the_headers)
{
	char version[32];

	snprintf(version, sizeof(version), "%d.%d.%d", VMQ_VERSION_MAJOR, VMQ_VERSION_MINOR,
		VMQ_VERSION_PATCH);
	cr_expect_str_eq(vmq_version(), version);
}
