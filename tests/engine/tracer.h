/* SPDX-License-Identifier: MIT */
#ifndef OM_TEST_TRACER_H
#define OM_TEST_TRACER_H

#include "world.h"

/* The thread that delivers signals to the body as om_engine.h says, and reaps it. Argument: struct world. */
void *tracer_run(void *world);

/* In the order in which they are here, tracer_quiesce behind the first; all on one thread, the body's tracer. */
bool tracer_seize(struct world *w);  /* and PTRACE_INTERRUPT. false: the body is on its way out */
bool tracer_await(struct world *w);  /* until it stands still. false: it has ended */
void tracer_let_go(struct world *w); /* om_remote_resume too */

/* om_remote_quiesce; 1: a call in progress has been ended, 0: there was none. */
int tracer_quiesce(struct world *w, enum om_quiesce why, uint32_t timeout_ms);

/* Stops the body and lets it go on, or leaves it alone if om_remote_quiesce fails. Returns what that said. */
int tracer_stop(struct world *w, enum om_quiesce why, uint32_t timeout_ms);

/* The same of the thread in another slot. */
void tracer_let_slot_go(struct world *w, uint32_t slot);
int tracer_quiesce_slot(struct world *w, uint32_t slot, enum om_quiesce why, uint32_t timeout_ms);
int tracer_stop_slot(struct world *w, uint32_t slot, enum om_quiesce why, uint32_t timeout_ms);

/* Runs this on a thread of its own, whose end gives up what it has seized. */
void tracer_alone(void *(*trace)(void *), void *argument);

/* Stops the body where it is, as a freeze does, and lets it go on. true: a call with a timeout was cut short; *left_ns
 * of it was left. */
bool tracer_freeze(struct world *w, int32_t *number, uint64_t *left_ns);

#endif
