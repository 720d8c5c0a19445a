/* SPDX-License-Identifier: BSD-2-Clause */
/* tracer.c - a tracer of one's own process. */
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <ucontext.h>
#include <unistd.h>

#include "tracer.h"

#define PROBES 64
#define NT_STAPSDT 3
#define NOP 0x90
#define BREAKPOINT 0xcc
#define NO_REGISTER (-1)

/* An argument: a constant, a register, or memory at a register and an offset. */
struct place {
	int size;                    /* bytes; negative: signed */
	int reg, index;              /* of gregs; NO_REGISTER */
	long scale, offset;          /* or the constant */
	bool memory;
};

struct probe {
	uint8_t *at;
	char name[24];
	unsigned count;
	struct place place[TRACER_ARGS];
	volatile unsigned hits;
	uint64_t last[TRACER_ARGS];
};

static struct probe probes[PROBES];
static unsigned probe_count;

/* ---- arguments ------------------------------------------------------------------------- */

/* The registers in their four widths: "rax", "eax", "ax", "al", and "r8" to "r8b". */
static int register_of(const char *name, size_t len)
{
	static const struct { const char *word; int reg; } old[] = {
		{ "ax", REG_RAX }, { "bx", REG_RBX }, { "cx", REG_RCX }, { "dx", REG_RDX },
		{ "si", REG_RSI }, { "di", REG_RDI }, { "bp", REG_RBP }, { "sp", REG_RSP },
		{ "al", REG_RAX }, { "bl", REG_RBX }, { "cl", REG_RCX }, { "dl", REG_RDX },
	};
	char *end;
	long n;

	if (*name == 'r' && name[1] >= '0' && name[1] <= '9') {
		n = strtol(name + 1, &end, 10);
		return n >= 8 && n <= 15 ? REG_R8 + (int)n - 8 : NO_REGISTER;
	}
	if (len == 3 && (*name == 'r' || *name == 'e'))
		name++, len--;
	for (size_t i = 0; i < sizeof(old) / sizeof(old[0]); i++)
		if (len >= 2 && !strncmp(name, old[i].word, 2))
			return old[i].reg;
	return NO_REGISTER;
}

/* SIZE@$CONST, SIZE@%REG, SIZE@OFFSET(%REG) or SIZE@OFFSET(%REG,%REG,SCALE). */
static bool parse(const char *text, struct place *p)
{
	char *at;

	*p = (struct place){ .reg = NO_REGISTER, .index = NO_REGISTER, .scale = 1 };
	p->size = (int)strtol(text, &at, 10);
	if (*at++ != '@')
		return false;
	if (*at == '$') {
		p->offset = strtol(at + 1, NULL, 10);
		return true;
	}
	p->memory = *at != '%';
	if (p->memory) {
		p->offset = strtol(at, &at, 10);
		if (*at++ != '(')
			return false;
	}
	p->reg = register_of(at + 1, strcspn(at + 1, ",) "));
	at += strcspn(at, ",) ");
	if (p->memory && *at == ',') {
		p->index = register_of(at + 2, strcspn(at + 2, ",) "));
		at += 1 + strcspn(at + 1, ",) ");
		p->scale = *at == ',' ? strtol(at + 1, NULL, 10) : 1;
	}
	return p->reg != NO_REGISTER;
}

static uint64_t cut(uint64_t value, int size)
{
	unsigned bits = 64u - 8u * (unsigned)abs(size);

	return size < 0 ? (uint64_t)((int64_t)(value << bits) >> bits) : value << bits >> bits;
}

static uint64_t evaluate(const struct place *p, const greg_t *regs)
{
	uint64_t value = (uint64_t)p->offset, word = 0;

	if (p->reg != NO_REGISTER)
		value += (uint64_t)regs[p->reg];
	if (p->index != NO_REGISTER)
		value += (uint64_t)regs[p->index] * (uint64_t)p->scale;
	if (!p->memory)
		return cut(value, p->size);
	memcpy(&word, (const void *)(uintptr_t)value, (size_t)abs(p->size));
	return cut(word, p->size);
}

/* ---- breakpoints ------------------------------------------------------------------------ */

/* The instruction is a no-op of one byte: to go on behind it is to have carried it out. */
static void on_trap(int number, siginfo_t *info, void *context)
{
	const greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
	const uint8_t *at = (const uint8_t *)(uintptr_t)regs[REG_RIP] - 1;

	(void)number;
	(void)info;
	for (unsigned i = 0; i < probe_count; i++) {
		struct probe *p = &probes[i];

		if (p->at != at)
			continue;
		for (unsigned k = 0; k < p->count; k++)
			p->last[k] = evaluate(&p->place[k], regs);
		p->hits++;
	}
}

static bool set(struct probe *p)
{
	uintptr_t page = (uintptr_t)p->at & ~(uintptr_t)4095;

	if (mprotect((void *)page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC) || *p->at != NOP)
		return false;
	*p->at = BREAKPOINT;
	return true;
}

/* ---- notes --------------------------------------------------------------------------------- */

/* A note's words: where the probe is, the base that this was reckoned from, a semaphore; then
 * provider, name and arguments. */
static bool add(const char *desc, uint64_t base, uint64_t load)
{
	uint64_t pc, reckoned;
	const char *provider = desc + 24, *name = provider + strlen(provider) + 1;
	char *args = strdup(name + strlen(name) + 1), *rest = args;
	struct probe *p = &probes[probe_count];
	bool good = probe_count < PROBES && !strcmp(provider, "vmq") && strlen(name) < sizeof(p->name);

	memcpy(&pc, desc, sizeof(pc));
	memcpy(&reckoned, desc + 8, sizeof(reckoned));
	if (good) {
		strcpy(p->name, name);
		p->at = (uint8_t *)(uintptr_t)(load + pc + (base - reckoned));
		for (char *one; good && (one = strtok_r(rest, " ", &rest)); p->count++)
			good = p->count < TRACER_ARGS && parse(one, &p->place[p->count]);
	}
	free(args);
	if (!good || !set(p))
		return false;
	probe_count++;
	return true;
}

static const Elf64_Shdr *section(const uint8_t *file, const char *name)
{
	const Elf64_Ehdr *e = (const void *)file;
	const Elf64_Shdr *s = (const void *)(file + e->e_shoff);
	const char *names = (const char *)file + s[e->e_shstrndx].sh_offset;

	for (unsigned i = 0; i < e->e_shnum; i++)
		if (!strcmp(names + s[i].sh_name, name))
			return &s[i];
	return NULL;
}

static bool read_notes(const uint8_t *file, uint64_t load)
{
	const Elf64_Shdr *notes = section(file, ".note.stapsdt"), *base = section(file, ".stapsdt.base");
	const uint8_t *at, *end;
	bool good = notes && base;

	if (!good)
		return false;
	at = file + notes->sh_offset;
	for (end = at + notes->sh_size; good && at < end;) {
		const Elf64_Nhdr *n = (const void *)at;
		const char *desc = (const char *)(n + 1) + ((n->n_namesz + 3) & ~3u);

		good = n->n_type == NT_STAPSDT && add(desc, base->sh_addr, load);
		at = (const uint8_t *)desc + ((n->n_descsz + 3) & ~3u);
	}
	return good;
}

static int on_object(struct dl_phdr_info *info, size_t size, void *found)
{
	struct stat st;
	int fd;

	(void)size;
	if (!strstr(info->dlpi_name, "libvmq.so"))
		return 0;
	fd = open(info->dlpi_name, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && !fstat(fd, &st)) {
		void *file = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);

		*(bool *)found = file != MAP_FAILED && read_notes(file, info->dlpi_addr);
	}
	close(fd);
	return 1;
}

unsigned tracer_attach(void)
{
	struct sigaction action = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };
	bool found = false;

	sigaction(SIGTRAP, &action, NULL);
	dl_iterate_phdr(on_object, &found);
	return found ? probe_count : 0;
}

unsigned tracer_take(const char *name, struct tracer_hit *last)
{
	unsigned hits = 0;

	*last = (struct tracer_hit){ 0 };
	for (unsigned i = 0; i < probe_count; i++) {
		struct probe *p = &probes[i];

		if (strcmp(p->name, name) || !p->hits)
			continue;
		hits += p->hits;
		p->hits = 0;
		last->count = p->count;
		memcpy(last->arg, p->last, sizeof(last->arg));
	}
	return hits;
}
