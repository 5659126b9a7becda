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
#include <stdbool.h>

enum om_side {
	OM_SIDE_UNKNOWN = 0, /* not in the table: refused with ENOSYS */
	OM_SIDE_LOCAL,       /* runs in the remote; the filter lets it through */
	OM_SIDE_HOME,        /* forwarded: om_marshal.h */
	OM_SIDE_BOTH,        /* on both sides: conducted by the warden's C#, unless MIRROR or SUM */
	OM_SIDE_GO_HOME,     /* the body is brought home and issues the call natively */
	OM_SIDE_REFUSE,      /* answered with `error` */
};

#define OM_SYSCALL_REISSUE 1u /* -EINTR means that nothing happened: it may be cancelled and sent again */
#define OM_SYSCALL_ASKED   2u /* not forwarded for the body as it is, but a hosting warden may ask home for it */
#define OM_SYSCALL_MIRROR  4u /* `both`: forwarded; when home succeeds it is done here too (om_remote_both.c) */
#define OM_SYSCALL_SUM     8u /* `both`: forwarded; what home answers and what the remote used are added */

#define OM_TIMEOUT_NONE     0u
#define OM_TIMEOUT_MS       1u /* the argument, int milliseconds, negative: for ever */
#define OM_TIMEOUT_TIMESPEC 2u /* the argument points to a relative struct timespec, NULL: for ever */
#define OM_TIMEOUT_TIMEVAL  3u

enum om_argument_kind {
	OM_ARGUMENT_VALUE,
	OM_ARGUMENT_POSITION, /* a file offset: moves with the pieces */
	OM_ARGUMENT_MEMORY,
	OM_ARGUMENT_STRING, /* at most `size` bytes, the NUL among them */
	OM_ARGUMENT_BULK,   /* file data: goes in pieces */
	OM_ARGUMENT_IOV,
	OM_ARGUMENT_MSG,
	OM_ARGUMENT_MMSG,
	OM_ARGUMENT_SIGMASK,   /* applied by the engine, never sent */
	OM_ARGUMENT_SIGMASK6,  /* pselect6's { address, size } */
	OM_ARGUMENT_REFERENCE, /* a structure with one pointer in it: om_references[size] */
	OM_ARGUMENT_BAD,       /* sent as OM_BAD_ADDRESS unless it is NULL */
	OM_ARGUMENT_OPAQUE,    /* not forwarded */
	OM_ARGUMENT_FILE,      /* a descriptor of which the data are meant */
};

enum om_size_kind {
	OM_SIZE_FIXED,      /* size */
	OM_SIZE_ARGUMENT32, /* base + size * the low 32 bits of an argument */
	OM_SIZE_ARGUMENT64,
	OM_SIZE_BEHIND, /* ... the 32 bits that an argument points to */
	OM_SIZE_SELF16, /* ... the count inside the memory itself, at offset size_argument */
	OM_SIZE_SELF32,
	OM_SIZE_SELF64,
	OM_SIZE_CAPABILITY, /* size * 1 or 2, by the version behind argument 0 */
	OM_SIZE_IOCTL,      /* _IOC_SIZE of the argument */
	OM_SIZE_FDSET,      /* an fd_set of that many bits */
};

enum om_cut_kind {
	OM_CUT_WHOLE,
	OM_CUT_RETURNED, /* base + cut_scale * what the call returned */
	OM_CUT_LENGTH,   /* what stands behind size_argument afterwards */
	OM_CUT_POSITIVE, /* nothing unless the call returned more than 0 */
};

#define OM_ARGUMENT_IN     1u
#define OM_ARGUMENT_OUT    2u
#define OM_ARGUMENT_BEST   4u /* what cannot be read is sent as zeros */
#define OM_ARGUMENT_ALWAYS 8u /* written back when the call fails, too */

struct om_argument {
	uint8_t kind;  /* enum om_argument_kind */
	uint8_t flags; /* OM_ARGUMENT_* */
	uint8_t size_kind;
	uint8_t size_argument;
	uint8_t cut_kind;
	uint8_t cut_scale;
	uint16_t base;
	uint32_t size;
};

#define OM_NO_ARGUMENT 255u

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
	uint8_t socket_argument; /* data of a socket, MSG_ flags in this argument; or OM_NO_ARGUMENT */
	uint16_t first_argument; /* of om_syscall_arguments */
	uint16_t first_variant;
	uint16_t variant_count;
};

/* How this very call is to be treated: the entry of the number, or of its variant (fcntl F_GETLK, prctl PR_SET_NAME,
 * mmap MAP_ANONYMOUS...). Never NULL: an unknown number gives an entry with OM_SIDE_UNKNOWN named "?". */
const struct om_syscall *om_syscall_of(int64_t number, const uint64_t args[6]);
/* The entry of the number alone. */
const struct om_syscall *om_syscall_entry(int64_t number);
extern const unsigned int om_syscall_numbers; /* one more than the greatest number known */
/* argument_count of them. */
const struct om_argument *om_syscall_arguments(const struct om_syscall *syscall);

/*
 * The seccomp filter of a remote comes from the same table: `#include "om_syscall_filter.inc"` (in out/gen, on the
 * include path; wants <linux/filter.h>) defines `static const struct sock_filter om_syscall_filter[]`. Local calls are
 * allowed, every other is handed to the listener; another architecture kills the process; x32 numbers get ENOSYS.
 */

#endif
