/* SPDX-License-Identifier: MIT */
#ifndef OM_TEST_LISTENER_H
#define OM_TEST_LISTENER_H

#include <stdatomic.h>

/* Each word to a listener is broken off at first, as by a signal. */
extern atomic_bool listener_breaks_off;

#endif
