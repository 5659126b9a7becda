/* SPDX-License-Identifier: MIT
 *
 * The parts of `hostile`, a program that behaves until it has been moved and then tries to harm the node that hosts it.
 * It does what its standard input says, a command a line, and ends each answer with the line "done N". Its owner is an
 * ordinary user, so that what is executed at home harms nobody either.
 */
#ifndef HOSTILE_H
#define HOSTILE_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCRATCH_BYTES 0x10000u
/* As a descriptor or a pid it is none, and it holds none of the flags that bring a body home. */
#define SCRATCH ((char *)0x7e0012300000ul)

/* A fault comes back here once (hostile.c). Use as: if (!sigsetjmp(fault, 1)) { guard(); ...; } unguard(); */
extern sigjmp_buf fault;
void guard(void);
void unguard(void);

/* Fresh memory at SCRATCH, a path in its first half and another in its second. */
void scratch_make(const char *path);

/* -errno, as the kernel says it. */
long raw(long number, long a, long b, long c, long d, long e, long f);

/* What exists on the hosting node and not at home: everything must be as it is at home. */
void reach(char *arguments);
void numbers(char *arguments);
void one_number(char *arguments);

struct damage {
	const char *name;
	void (*make)(void);
};
extern const struct damage damages[];

#endif
