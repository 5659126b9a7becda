/* SPDX-License-Identifier: MIT
 *
 * A member of the cluster that speaks the link's language by hand, and may lie.
 */
#ifndef OM_TEST_MEMBER_H
#define OM_TEST_MEMBER_H

#include <openssl/ssl.h>

#include "engine/om_link.h"
#include "world.h"

struct member {
	SSL_CTX *ctx;
	SSL *ssl;
	int fd;
};

/* To pc1 with the certificate of `node`, and the link in use. */
void member_open(struct member *m, struct world *w, const char *node);
/* To pc2, as the node that chooses. */
void member_open_as_home(struct member *m, struct world *w);
void member_close(struct member *m);
bool member_send(struct member *m, struct om_frame frame, const void *payload, size_t bytes);
/* The kind of the next frame; 0: the connection has ended. */
uint16_t member_receive(struct member *m, uint8_t *payload, size_t capacity);
struct om_frame frame_of(uint16_t kind, uint64_t key, uint32_t epoch, uint32_t seq, uint32_t bytes);

#endif
