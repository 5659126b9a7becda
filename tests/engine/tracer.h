/* SPDX-License-Identifier: MIT */
#ifndef OM_TEST_TRACER_H
#define OM_TEST_TRACER_H

/* The thread that delivers signals to the body as om_engine.h says, and reaps it. Argument: struct world. */
void *tracer_run(void *world);

#endif
