/* SPDX-License-Identifier: MIT
 *
 * Where the notifications of one seccomp listener arrive: those of a body and of all that it has forked on this node,
 * which share its filter (KERNEL.md 20: one receiver per listener).
 */
#ifndef OM_GATE_H
#define OM_GATE_H

#include "om_internal.h"
#include "om_seccomp.h"

struct om_remote;
struct om_remote_thread;

#define OM_GATE_TID_BUCKETS 1024u

struct om_gate_state {
	/* Straight from SECCOMP_IOCTL_NOTIF_RECV: nothing lies between the kernel's handing it over and its being
	 * noted. It goes to the page of its thread at once. id 0: nothing. */
	struct seccomp_notif arrived;
};
_Static_assert(sizeof(struct om_gate_state) <= OM_STATE_PAGE, "om_gate_state");

struct om_gate {
	atomic_int references;
	int listener, wake;
	struct om_gate_state *state;
	pthread_mutex_t lock; /* of what follows; taken last */
	struct om_remote_thread *by_tid[OM_GATE_TID_BUCKETS];
	struct om_remote *noted; /* have begun to serve: what was noted before is to be taken */
	pthread_cond_t changed;
	struct om_remote *taking; /* the receiver has a notification of it in hand */
	atomic_bool closed;
	pthread_t receiver;
	bool receiving;
};

void om_gate_put(struct om_gate *gate);
/* ENOENT, that the body was killed meanwhile, is not told: its pidfd tells the warden. */
void om_gate_respond(struct om_gate *gate, uint64_t notification, int64_t value, uint32_t flags);
bool om_gate_waits(struct om_gate *gate, uint64_t notification);
/* Under the remote's lock. The thread's tid is in its state, and stays until it is struck off. */
void om_gate_enlist(struct om_remote_thread *thread);
void om_gate_strike(struct om_remote_thread *thread);
void om_gate_take_noted(struct om_remote *remote);
/* Without it: returns when the receiver has nothing of this remote in hand. On the receiver's thread, at once. */
void om_gate_leave(struct om_remote *remote);

#endif
