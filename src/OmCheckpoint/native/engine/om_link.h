/* SPDX-License-Identifier: MIT
 *
 * The bytes between two wardens: one TCP connection per pair of nodes, TLS 1.3 with certificates of the cluster's CA on
 * both ends, and frames of this shape inside. Little endian, fixed width. The kind decides the ceiling of a frame's
 * payload; a longer one ends the connection before anything is allocated. A payload is padded with zeros to 8 bytes, so
 * that what is in it lies as it is declared.
 *
 * A connection begins with GREETING both ways. Of two connections (both nodes dialled at once) the node with the lesser
 * id chooses: the one it sends USE on is the link, the older ones are closed.
 *
 * A process is bound to the link by HELLO(key, epoch): only then are its other frames taken. A frame of a thread names
 * its slot. Exactly once: a CALL has a number per slot; after a reconnect the remote's side presents HELLO again and
 * sends the outstanding CALL again with the same number, and home answers what it already has run from what it kept.
 * Signals stay in the deputy's ring until SIGNAL_TAKEN.
 */
#ifndef OM_LINK_H
#define OM_LINK_H

#include <stdint.h>
#include "../om_abi.h"
#include "../om_call.h"

#define OM_LINK_VERSION 2u
#define OM_LINK_MAGIC   0x4b4e4c4fu

enum om_frame_kind {
	OM_FRAME_GREETING = 1, /* struct om_greeting */
	OM_FRAME_USE,          /* struct om_use */

	/* remote → home */
	OM_FRAME_HELLO,        /* epoch */
	OM_FRAME_CALL,         /* slot, seq; struct om_request ... */
	OM_FRAME_CANCEL,       /* slot, seq */
	OM_FRAME_SIGNAL_TAKEN, /* slot, seq: the first index of the ring that is not taken yet */
	OM_FRAME_ASK,          /* seq; uint32_t kind, then the request */

	/* home → remote */
	OM_FRAME_WELCOME, /* seq: the newest ASK; struct om_welcome_thread of each thread */
	OM_FRAME_FENCED,
	OM_FRAME_ANSWER,  /* slot, seq; struct om_reply ... */
	OM_FRAME_SIGNAL,  /* slot, seq: index in the ring; struct om_signal */
	OM_FRAME_CONTROL, /* seq: OM_CONTROL_* */
	OM_FRAME_REPLY,   /* seq of the ASK; the reply */
	OM_FRAME_KINDS,
};

struct om_frame {
	uint32_t bytes; /* of the payload */
	uint16_t kind;
	uint16_t slot;
	uint64_t key;
	uint32_t epoch;
	uint32_t seq;
};
_Static_assert(sizeof(struct om_frame) == 24, "om_frame");

static inline size_t om_frame_padded(uint32_t bytes)
{
	return ((size_t)bytes + 7) & ~(size_t)7;
}

struct om_greeting {
	uint32_t magic;
	uint32_t version;
	uint64_t instance; /* drawn when the engine opens */
};
_Static_assert(sizeof(struct om_greeting) == 16, "om_greeting");

struct om_use {
	uint64_t count; /* grows within an instance: a USE that arrives late is known by it */
};
_Static_assert(sizeof(struct om_use) == 8, "om_use");

struct om_welcome_thread {
	uint32_t slot;
	uint32_t last_seq;    /* the newest CALL home has taken, of whatever epoch */
	uint32_t signal_next; /* index of the first signal that will be sent; what the body has had of them it says then
			       */
	uint32_t reserved;
};
_Static_assert(sizeof(struct om_welcome_thread) == 16, "om_welcome_thread");

#define OM_ASK_BYTES_MAX       (8u << 20) /* argv and environment of an execve */
#define OM_ASK_REPLY_BYTES_MAX (1u << 20)

#endif
