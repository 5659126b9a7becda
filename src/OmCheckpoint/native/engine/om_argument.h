/* SPDX-License-Identifier: MIT
 *
 * How many bytes an argument has, and where its inner pointers lie: what both sides of a forwarded call must agree on.
 * The order of segments in a request is fixed, so that home can walk it as the remote built it: arguments in order, and
 * behind each its inner segments — of an iovec array its buffers; of a msghdr its name, iovec array, buffers, control;
 * of an array of mmsghdr the same for each message.
 */
#ifndef OM_ARGUMENT_H
#define OM_ARGUMENT_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include <string.h>
#include "../om_call.h"
#include "om_syscalls.h"

#define OM_IOV_MAX     1024u /* UIO_MAXIOV */
#define OM_NAME_MAX    128u  /* sizeof(struct sockaddr_storage) */
#define OM_CONTROL_MAX 0x8000u
#define OM_FDSET_BITS  0x100000u /* fs.nr_open's default */
#define OM_LENGTH_MAX  0x10000u  /* of a buffer whose length lies in memory: what is more is cut off */

/* struct user_msghdr and struct mmsghdr of x86-64, by offset. */
#define OM_MSG_NAME       0u
#define OM_MSG_NAMELEN    8u
#define OM_MSG_IOV        16u
#define OM_MSG_IOVLEN     24u
#define OM_MSG_CONTROL    32u
#define OM_MSG_CONTROLLEN 40u
#define OM_MSG_FLAGS      48u
#define OM_MSG_BYTES      56u
#define OM_MMSG_LEN       56u
#define OM_MMSG_BYTES     64u

/* A structure with one pointer in it. */
struct om_reference {
	uint8_t bytes;
	uint8_t pointer_at;
	uint8_t length_at;
	uint8_t length_bytes; /* 2 or 4 */
	uint8_t flags;        /* of what it points to: OM_SEGMENT_* */
	uint8_t scale;        /* bytes for each 1 of the length */
	uint8_t cut;          /* enum om_cut_kind: RETURNED, or LENGTH (as the structure says afterwards) */
	uint32_t length_max;  /* more than the kernel would look at */
};
extern const struct om_reference om_references[];

/* The number a size is computed from, when it is an argument; false: it lies in memory (or nowhere). */
bool om_argument_count(const struct om_argument *argument, const uint64_t args[6], uint64_t *count);
/* The bytes of OM_ARGUMENT_MEMORY. False: more than any call may have (a negative length is such). */
bool om_argument_bytes(const struct om_argument *argument, uint64_t count, uint32_t *bytes);
/* The factor behind OM_SIZE_CAPABILITY. */
uint32_t om_capability_count(uint32_t version);

static inline uint32_t om_align8(uint32_t bytes)
{
	return (bytes + 7u) & ~7u;
}

static inline uint32_t om_get32(const void *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static inline uint64_t om_get64(const void *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static inline void om_put32(void *at, uint32_t value)
{
	memcpy(at, &value, sizeof(value));
}

static inline void om_put64(void *at, uint64_t value)
{
	memcpy(at, &value, sizeof(value));
}

static inline uint32_t om_reference_length(const struct om_reference *reference, const uint8_t *structure)
{
	uint32_t length = 0;

	memcpy(&length, structure + reference->length_at, reference->length_bytes);
	return length;
}

#endif
