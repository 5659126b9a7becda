/* SPDX-License-Identifier: MIT
 *
 * A body that has really forked, under the filter that its child has too: both are served at one gate, and the child's
 * deputy is what the parent's has forked (OM_DEPUTY_FORK). What the warden does in C#, in the smallest form.
 */
#ifndef OM_TEST_FORKED_H
#define OM_TEST_FORKED_H

#include "world.h"

/* The hand of the child: its stage is 1 when it is there. */
#define CHILD (SLOTS - 1)

/* In the body: its child runs this from stage 2 of its hand on, and ends. */
void fork_in_body(struct shared *s, void (*child)(struct shared *));

/* A world whose body makes its first call in the thread of this slot by fork_in_body: it has forked at home and here,
 * and home expects the child's body. Nothing but the gate serves that yet: forked_remote, om_remote_start, and stage 2
 * of its hand. */
struct world *fork_open(const char *dir, void (*body)(struct shared *));
/* The same with threads, of which that in `slot` forks. */
struct world *fork_open_crew(const char *dir, uint32_t threads, void (*work)(struct shared *, uint32_t), uint32_t slot);
/* And served. */
struct world *fork_open_served(const char *dir, void (*body)(struct shared *));

/* The deputy's child alone, in two steps, of a world that was not made by fork_open: its arena, and itself. */
uint64_t fork_arena(struct world *w, uint32_t slot);
void fork_unserved(struct world *w, uint32_t slot, uint64_t at);

void forked_home(struct world *w);
void forked_remote(struct world *w);
void forked_start(struct world *w);
void forked_close_remote(struct world *w);
/* Until the child's body has ended. */
void forked_wait_body(struct world *w);
/* Ends what is left of it. */
void forked_close(struct world *w);

#endif
