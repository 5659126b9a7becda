/* SPDX-License-Identifier: MIT */
#ifndef OM_TEST_TRACER_H
#define OM_TEST_TRACER_H

#include "world.h"

/* The thread that delivers signals to the body as om_engine.h says, and reaps it. Argument: struct world. */
void *tracer_run(void *world);

/* Stops the body where it is, as a freeze does, and lets it go on. true: a call with a timeout was cut short; *left_ns
 * of it was left. */
bool tracer_freeze(struct world *w, int32_t *number, uint64_t *left_ns);

#endif
