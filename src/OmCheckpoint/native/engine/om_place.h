/* SPDX-License-Identifier: MIT
 *
 * Home's side of a forwarded call. The request comes from another node and is not trusted: it is checked completely,
 * against the system-call table and every ceiling, before anything is written. Then its segments are laid out in the
 * slot's data area, their addresses are patched, and number and args are what the deputy is to execute. Afterwards the
 * reply is built from the result and the OUT segments; the arena is written by the deputy at will, so each byte of it
 * is copied once and only the copy is used. No thread state: the caller owns both structures.
 */
#ifndef OM_PLACE_H
#define OM_PLACE_H

#include <stdint.h>
#include <stddef.h>
#include "../om_abi.h"
#include "../om_call.h"
#include "om_syscalls.h"

enum om_placed_role {
	OM_PLACED_MEMORY, /* of an argument */
	OM_PLACED_DATA,   /* of a transfer */
	OM_PLACED_MSG,    /* struct msghdr, or an array of mmsghdr */
	OM_PLACED_NAME,
	OM_PLACED_CONTROL,
	OM_PLACED_REFERENCE, /* a structure with a pointer in it */
	OM_PLACED_REFERRED,  /* what it points to */
	OM_PLACED_INNER,     /* an iovec array, a mask */
};

struct om_placed_segment {
	uint32_t offset; /* in the slot's data area */
	uint32_t bytes;
	uint32_t data_at;  /* of its IN data in the request */
	uint32_t patch_at; /* and kind, outer: where its address goes */
	uint16_t outer;
	uint16_t message; /* of an array of mmsghdr */
	uint8_t patch_kind;
	uint8_t flags;    /* OM_SEGMENT_* */
	uint8_t role;     /* enum om_placed_role */
	uint8_t argument; /* 0..5: of which argument it is, or is part */
};

struct om_placed {
	int64_t number;
	uint64_t args[6];
	uint64_t signal_mask;
	const struct om_syscall *syscall;
	uint32_t count;
	uint32_t used; /* bytes of the data area */
	struct om_placed_segment segments[OM_SEGMENTS_MAX];
	const char *why; /* om_place failed: what was wrong, for the log */
};

/* `data` is the slot's data area as we have it mapped (`bytes` long), `address` where the deputy has it.
 * 0; -EPROTO: the request is malformed; -EACCES: well formed but not one this table lets another node ask for. */
int om_place(struct om_placed *placed, void *data, size_t bytes, uint64_t address, const void *request,
	     size_t request_bytes);

/* An upper bound for om_place_reply's bytes. */
size_t om_place_reply_bound(const struct om_placed *placed);
/* Builds struct om_reply … in `reply`. flags: OM_REPLY_*. Returns its bytes, or -ENOSPC. */
int64_t om_place_reply(const struct om_placed *placed, const void *data, int64_t result, uint32_t flags, void *reply,
		       size_t capacity);

#endif
