/* SPDX-License-Identifier: MIT */
#ifndef OM_TEST_CALLBACKS_H
#define OM_TEST_CALLBACKS_H

#include "world.h"

/* What both engines tell the world. */
struct om_callbacks world_callbacks(struct world *w);

#endif
