/* SPDX-License-Identifier: MIT
 *
 * One thread of the body, by its slot, under ptrace: all on one thread, its tracer.
 */
#ifndef OM_TEST_TRACEE_H
#define OM_TEST_TRACEE_H

#include "world.h"

/* And PTRACE_INTERRUPT. false: it is on its way out. */
bool tracee_seize(struct world *w, uint32_t slot);
/* Until it stands still. false: it has ended. */
bool tracee_await(struct world *w, uint32_t slot);
/* While it stands. false: it has ended. */
bool tracee_queue(struct world *w, uint32_t slot, const struct om_signal *signal);
/* Ends a wait under a mask of its own, as om_remote_mask says, if a signal is there for it: the one to detach with. */
int tracee_end_masked_wait(struct world *w, uint32_t slot);
/* A rest that nobody had taken from the listener. */
void tracee_interrupt_rest(struct world *w, uint32_t slot);

#endif
