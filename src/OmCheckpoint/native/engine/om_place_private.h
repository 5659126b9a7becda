/* SPDX-License-Identifier: MIT
 *
 * What the files om_place*.c share; nobody else includes it.
 */
#ifndef OM_PLACE_PRIVATE_H
#define OM_PLACE_PRIVATE_H

#include "om_argument.h"
#include "om_place.h"

/* Walks the segments against the table and gives each its role. NULL, or what is wrong. `data` is the request's. */
const char *om_place_check(struct om_placed *placed, const uint8_t *data);

#endif
