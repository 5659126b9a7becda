/* SPDX-License-Identifier: MIT */
#ifndef OM_TEST_PROCESSES_H
#define OM_TEST_PROCESSES_H

#include "world.h"

/* What the world's two processes run, behind fork. */
_Noreturn void run_deputy(struct world *w);
_Noreturn void run_body(struct world *w);
_Noreturn void world_die(const char *what);
int world_memfd(const char *name, size_t bytes);

#endif
