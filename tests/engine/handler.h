/* SPDX-License-Identifier: MIT */
#ifndef OM_TEST_HANDLER_H
#define OM_TEST_HANDLER_H

#include "world.h"

/* In the body: a handler that notes in s->numbers how often it ran [0], and of the last one the signal [1], its value
 * [2] and its sender [3]; and in s->bytes the values in their order. */
void handle(struct shared *s, int signo, int flags);

/* Also when the deputy's queue of signals is full just now. */
void queue(pid_t pid, int signo, int value);

#endif
