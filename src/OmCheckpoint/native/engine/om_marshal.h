/* SPDX-License-Identifier: MIT
 *
 * The remote's side of a forwarded call. Reads what the call's arguments point to out of the stopped body
 * (process_vm_readv), as the system-call table says, into a struct om_request with its segments; writes what home
 * answers back into the body (process_vm_writev). One struct om_marshal a thread of the remote, used by one thread of
 * the engine at a time. The body is not trusted: lengths have ceilings, every byte is read once. Nor is the reply.
 *
 *   step = om_marshal_begin(m, number, args);      // the caller checks SECCOMP_IOCTL_NOTIF_ID_VALID after it
 *   while (step == OM_MARSHAL_SEND) {
 *           send m->request (m->request_bytes); receive reply
 *           step = om_marshal_reply(m, reply, bytes);
 *           if (step == OM_MARSHAL_CANCELLED)      // a signal or a cancel came first; nothing was executed
 *                   either step = om_marshal_again(m, elapsed_ns);
 *                   or     step = om_marshal_interrupted(m, elapsed_ns);
 *   }
 *   step == OM_MARSHAL_DONE: answer m->result
 *
 * A call with more than OM_CALL_DATA_MAX bytes goes in pieces, so several requests may follow each other; a signal or
 * an error between them ends the call with what was done so far, as Linux does.
 */
#ifndef OM_MARSHAL_H
#define OM_MARSHAL_H

#include <stdint.h>
#include <stdbool.h>
#include <stddef.h>
#include "../om_call.h"
#include "om_syscalls.h"

enum om_marshal_step {
	OM_MARSHAL_SEND = 1,
	OM_MARSHAL_DONE,
	OM_MARSHAL_CANCELLED,
};

struct om_marshal {
	/* set by om_marshal_open; pid 0: the buffers are this process's own (calls the warden makes for itself) */
	int32_t pid;
	uint64_t area, area_end; /* the agent area: never a valid buffer */

	const struct om_syscall *syscall; /* the call in progress (its variant) */
	int64_t number;
	uint64_t args[6];
	int64_t result;

	bool waited; /* with OM_MARSHAL_CANCELLED: home had begun it */

	uint8_t *request; /* struct om_request ... ; stays valid until the next begin or reply */
	size_t request_bytes;

	/* ppoll, pselect6, epoll_pwait*: the mask the body has while it waits. It is not sent: the deputy's is always
	 * empty. */
	bool has_mask;
	uint64_t mask;

	struct om_marshal_private *priv;
};

/* 0 or -ENOMEM. */
int om_marshal_open(struct om_marshal *m, int32_t pid, uint64_t area, uint64_t area_bytes);
void om_marshal_close(struct om_marshal *m);

/* Begins a call whose side is OM_SIDE_HOME, or that is OM_SYSCALL_ASKED. Returns a step, or -errno: the body is gone
 * (ESRCH), memory is short (ENOMEM). */
int om_marshal_begin(struct om_marshal *m, int64_t number, const uint64_t args[6]);
/* The same call again: what questions have told of its file need not be asked. `known`: om_marshal_known of then. */
int om_marshal_begin_again(struct om_marshal *m, int64_t number, const uint64_t args[6], uint32_t known);
uint32_t om_marshal_known(const struct om_marshal *m);
/* Returns a step, or -EPROTO: the reply does not fit the request (the link is to be given up), -ESRCH: the body is
 * gone. */
int om_marshal_reply(struct om_marshal *m, const void *reply, size_t bytes);

/* After OM_MARSHAL_CANCELLED, or when home was lost before it answered. */
/* The same request again with what is left of its timeout, elapsed_ns after it was sent last: SEND (or DONE when pieces
 * are done and no time is left). */
int om_marshal_again(struct om_marshal *m, uint64_t elapsed_ns);
/* The body is interrupted by a signal: m->result = what was done so far, or -restart class (-512, -513, -514) or
 * -EINTR. Writes the remaining time where the kernel does (select, pselect6, ppoll). Always DONE. */
int om_marshal_interrupted(struct om_marshal *m, uint64_t elapsed_ns);
/* Bytes that earlier pieces have moved, of a call that can go on behind them. */
uint64_t om_marshal_done(const struct om_marshal *m);
/* After om_marshal_begin: goes on behind the first `done` bytes, which the body's memory or home's file has already.
 * Returns as begin. */
int om_marshal_behind(struct om_marshal *m, uint64_t done);
/* Whether the next piece may wait for somebody. */
bool om_marshal_waits(const struct om_marshal *m);
/* What is left of the call's timeout elapsed_ns after it was sent last: false if it has none. Before any
 * om_marshal_again. */
bool om_marshal_remaining(const struct om_marshal *m, uint64_t elapsed_ns, uint64_t *remaining_ns);

#endif
