/* SPDX-License-Identifier: MIT */
#ifndef OM_TEST_PIPES_H
#define OM_TEST_PIPES_H

#include "world.h"

/* One for each thread of a crew, to wait at. */
#define PIPES 16u
extern int pipes[PIPES][2];

bool pipes_open(void);
void pipes_close(void);
/* The byte for which this thread waits. */
bool pipes_give(uint32_t index);
/* In the body: a crew's work. */
void pipes_read(struct shared *s, uint32_t index);

#endif
