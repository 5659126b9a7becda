/* SPDX-License-Identifier: MIT
 *
 * A deputy's threads as home asks for them and as the kernel has them; the body of the world does nothing meanwhile.
 */
#ifndef OM_TEST_DEPUTY_THREADS_H
#define OM_TEST_DEPUTY_THREADS_H

#include "world.h"

void idle_body(struct shared *s);
bool close_idle(struct world *w);

int clone_by(struct world *w, uint32_t by, uint32_t *slot, int32_t *tid);
/* What the thread in this slot says it is. */
int64_t tid_in(struct world *w, uint32_t slot);
uint32_t slots_in_use(struct world *w);

int tasks(const struct world *w);
/* Until there are so many: a thread that has ended is there for a moment longer. */
void wait_tasks(const struct world *w, int count);
bool has_task(const struct world *w, int32_t tid);

struct om_slot *map_slot(struct world *w, uint32_t slot);
void unmap_slot(struct om_slot *slot, uint32_t index);

#endif
