/* SPDX-License-Identifier: MIT
 *
 * The wire between two engines: forwards TCP on loopback, and can be cut.
 */
#ifndef OM_TEST_RELAY_H
#define OM_TEST_RELAY_H

#include <stdint.h>

struct relay;
struct relay *relay_open(uint16_t to_port, uint16_t *port);
void relay_cut(struct relay *relay);  /* ends every connection that is there */
void relay_hold(struct relay *relay); /* and takes no new one until relay_heal */
void relay_heal(struct relay *relay);
void relay_close(struct relay *relay);

#endif
