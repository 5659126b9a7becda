/* SPDX-License-Identifier: MIT
 *
 * The system-call table as the engine sees it. The data is generated from src/OmProtocol/Syscalls/ into
 * out/gen/om_syscalls.inc (compiled by om_syscalls.c); nothing here is written by hand twice.
 * Immutable; any thread may read it.
 */
#ifndef OM_SYSCALLS_H
#define OM_SYSCALLS_H

#include <stdint.h>
#include <stddef.h>

enum om_side {
	OM_SIDE_UNKNOWN = 0, /* not in the table: refused with ENOSYS */
	OM_SIDE_LOCAL,       /* runs in the remote; the filter lets it through */
	OM_SIDE_HOME,        /* forwarded: om_marshal.h */
	OM_SIDE_BOTH,        /* changes the process on both sides: conducted by the warden's C# */
	OM_SIDE_GO_HOME,     /* the body is brought home and issues the call natively */
	OM_SIDE_REFUSE,      /* answered with `error` */
};

#define OM_SYSCALL_REISSUE 1u /* -EINTR means that nothing happened: it may be cancelled and sent again */
#define OM_SYSCALL_ASKED   2u /* not forwarded for the body as it is, but a hosting warden may ask home for it */
#define OM_SYSCALL_MIRROR  4u /* `both`: forward it; when home succeeds let it run here too */
#define OM_SYSCALL_SUM     8u /* `both`: what home answers and what the remote used are added */

#define OM_TIMEOUT_NONE     0u
#define OM_TIMEOUT_MS       1u /* the argument, int milliseconds, negative: for ever */
#define OM_TIMEOUT_TIMESPEC 2u /* the argument points to a relative struct timespec, NULL: for ever */
#define OM_TIMEOUT_TIMEVAL  3u

/* One argument. How the numbers are used: om_argument.c. */
struct om_argument {
	uint8_t kind;      /* enum om_argument_kind */
	uint8_t flags;     /* OM_ARGUMENT_* */
	uint8_t size_kind; /* enum om_size_kind */
	uint8_t size_argument;
	uint32_t size; /* bytes, or bytes an element */
	uint32_t base; /* added to it */
	uint32_t cut;  /* OUT: bytes for each 1 the call returned; 0: all of it */
};

struct om_syscall {
	const char *name; /* "read"; of a variant "fcntl F_GETLK" */
	int16_t number;
	uint8_t side;         /* enum om_side */
	uint8_t flags;        /* OM_SYSCALL_* */
	int16_t restart;      /* 512, 513, 514 (KERNEL.md 21) or 4: EINTR, whatever SA_RESTART says */
	int16_t error;        /* OM_SIDE_REFUSE: answered as -error */
	uint8_t timeout_kind; /* OM_TIMEOUT_* */
	uint8_t timeout_argument;
	uint8_t argument_count;
	uint8_t reserved;
	uint16_t first_argument; /* in om_arguments[] */
	uint16_t first_variant;  /* in om_variants[] */
	uint16_t variant_count;
};

/* How this very call is to be treated: the entry of the number, or of its variant (fcntl F_GETLK, prctl PR_SET_NAME,
 * mmap MAP_ANONYMOUS...). Never NULL: an unknown number gives an entry with OM_SIDE_UNKNOWN named "?". */
const struct om_syscall *om_syscall_of(int64_t number, const uint64_t args[6]);
/* The entry of the number alone. */
const struct om_syscall *om_syscall_entry(int64_t number);
extern const unsigned int om_syscall_numbers; /* one more than the greatest number known */

/*
 * The seccomp filter of a remote comes from the same table: `#include "om_syscall_filter.inc"` (in out/gen, on the
 * include path; wants <linux/filter.h>) defines `static const struct sock_filter om_syscall_filter[]`. Local calls are
 * allowed, every other is handed to the listener; another architecture kills the process; x32 numbers get ENOSYS.
 */

#endif
