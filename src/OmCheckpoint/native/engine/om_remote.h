/* SPDX-License-Identifier: MIT
 *
 * The hosting side of one process, as its files share it. Notifications come on the gate's thread, answers on the
 * link's thread; `lock` is the mutex of everything that changes. It may be held when a gate's is taken, never the other
 * way round.
 *
 * Home has one slot for each thread, so a thread has one call on its way at a time: `active`. A call of the body that
 * comes while the warden's own is on its way in this slot is queued.
 */
#ifndef OM_REMOTE_H
#define OM_REMOTE_H

#include "om_gate.h"
#include "om_internal.h"
#include "om_marshal.h"
#include "om_seccomp.h"

#define OM_REMOTE_STATE_MAGIC 0x32304d5252454d01ull
#define OM_NUMBERS            512u /* system calls that are counted */

enum om_phase {
	OM_PHASE_NONE,
	OM_PHASE_STRUCTURAL, /* handed out: C# will conduct it */
	OM_PHASE_CONDUCTED,  /* C# does: om_remote_conduct */
	OM_PHASE_QUEUED,     /* another call is active */
	OM_PHASE_SENT,       /* home has it, or gets it when the link is there */
	OM_PHASE_CANCELLED,  /* home has not executed it; held for the signal that caused it */
};

#define OM_KEPT_SIGNALS 16u

struct om_kept_signal {
	uint32_t index; /* of the ring, plus one; at index modulo OM_KEPT_SIGNALS */
	struct om_signal signal;
};

/* In the first page of the state. */
struct om_remote_state {
	uint64_t magic;
	uint32_t epoch;
	uint32_t welcomed; /* home has accepted `epoch` */
	uint32_t ask_seq;
	uint32_t reserved;
};
_Static_assert(sizeof(struct om_remote_state) <= OM_STATE_PAGE, "om_remote_state");

/* In the page of its slot. */
struct om_remote_thread_state {
	int32_t tid;            /* 0: no thread has this slot */
	uint32_t seq;           /* newest CALL */
	uint32_t signals_taken; /* the next index of the ring */
	uint32_t phase;         /* enum om_phase of the body's call */
	uint32_t call_seq;
	uint32_t pieces; /* of the body's call that home has executed */
	/* What has been handed to us and we have not answered. id 0: nothing. */
	struct seccomp_notif call;
	uint64_t done; /* bytes, by the pieces before */
	uint64_t sent_ns;
	/* The call that had begun, was cut short and is issued again. */
	int64_t rest_number; /* -1: none */
	uint64_t rest_ns;    /* of its timeout; UINT64_MAX: it has none */
	uint64_t rest_done;  /* bytes of it that are done already */
	uint64_t rest_any;   /* said by om_remote_rest: the arguments are not known */
	uint64_t rest_args[6];
	uint64_t rest_pointer;
	/* Of those taken so many are queued in the body. The others are handed out, again by the next warden: those
	 * that found room here. A deputy whose ring is full answers no call, so all are taken whether they do or not.
	 */
	uint32_t signals_queued;
	uint32_t known; /* of the file, when the request on its way was made: om_marshal_known */
	struct om_kept_signal kept[OM_KEPT_SIGNALS];
};
_Static_assert(sizeof(struct om_remote_thread_state) <= OM_STATE_PAGE, "om_remote_thread_state");

/* A call of the warden's own, in the slot of one thread; one at a time in a process. */
struct om_own_call {
	struct om_remote_thread *thread;                /* NULL: it has ended */
	struct om_marshal of_body, of_warden, *marshal; /* whose buffers */
	bool busy, done;
	int64_t result;
	uint64_t sent_ns;
};

/* One thread of the body. Made with the first that has the slot, and kept for the next. */
struct om_remote_thread {
	struct om_remote *remote;
	struct om_remote_thread *next; /* with the same bucket of tids, in the gate */
	uint32_t slot;
	int32_t inner; /* tid in the cell, and at home */
	struct om_remote_thread_state *state;

	bool hand_out_again;
	bool quiesced;
	bool ended;          /* while quiesced: a call of it was in progress */
	bool owed;           /* what the warden could not do while home was silent: remote_due tells when it can */
	enum om_quiesce why; /* while quiesced */
	bool signal_missed;  /* while quiesced for a move: home has it still */
	bool cancel_sent;
	bool begun; /* the body's call has waited at home, now or before it was issued again */
	enum { OM_ACTIVE_NONE, OM_ACTIVE_BODY, OM_ACTIVE_OWN } active;
	struct om_marshal marshal; /* of the body's call */
	bool has_mask;             /* of the call that was cut short while quiesced */
	uint64_t mask;
	bool finished;         /* home has answered; held until the signals handed out before are taken care of */
	bool awaits_death;     /* and until the process that ended is dead here */
	uint64_t signals_mask; /* handed out since all were queued */
	struct om_usage before, told; /* on the hosts before this one, and on this one */
};

struct om_remote {
	atomic_int references;
	struct om_remote *next; /* in the engine's table */
	struct om_engine *engine;
	uint64_t key;
	int32_t pid, home_pid;
	int pidfd;
	struct om_gate *gate;
	struct om_remote *next_noted; /* in the gate's list */
	bool in_noted;
	struct om_peer *home;
	uint64_t area;
	uint32_t slots;
	struct om_remote_state *state;
	struct om_remote_thread **threads; /* by slot; NULL: it was never used here */

	pthread_mutex_t lock;
	pthread_cond_t changed;
	atomic_bool closed;
	bool taken_over; /* the state was not empty, and what it says has not been looked at */
	bool wanting;    /* the link is wanted on our behalf */
	bool fenced, gone;
	uint32_t handing;             /* callbacks with a signal that have not returned */
	bool signal_missed;           /* one came to a slot that no thread had: home has it still */
	bool start_owed;              /* om_remote_start was not answered in time */
	uint64_t connection;          /* where home has said WELCOME; 0: HELLO is to be presented again */
	struct om_usage usage_before; /* of the hosts before this one */
	struct om_usage told;         /* of this one */
	struct om_own_call own;

	bool serving; /* home has welcomed us: what its threads want is taken, and not only noted */

	struct om_buffer ask, ask_reply;
	bool asking, ask_done;

	struct om_counters counters;
	uint64_t calls_by_number[OM_NUMBERS], refused_by_number[OM_NUMBERS];
};

struct om_remote *om_remote_get(struct om_engine *engine, uint64_t key);
void om_remote_put(struct om_remote *remote);
/* Takes the lock, and keeps the remote until om_remote_leave, though om_remote_close may come while it waits. */
static inline void om_remote_enter(struct om_remote *remote)
{
	remote->references++;
	pthread_mutex_lock(&remote->lock);
}
static inline void om_remote_leave(struct om_remote *remote)
{
	pthread_mutex_unlock(&remote->lock);
	om_remote_put(remote);
}
uint64_t om_now_ns(void);

/* Under remote->lock: */
int om_remote_send(struct om_remote *remote, uint16_t kind, uint32_t slot, uint32_t seq, const void *payload,
		   uint32_t bytes);
void om_remote_hello(struct om_remote *remote, uint64_t connection_id);
/* NULL: no thread has that slot. */
struct om_remote_thread *om_remote_thread_of(struct om_remote *remote, uint32_t slot);
/* By its tid in the cell; 0: `self`. NULL: it is none of this process. */
struct om_remote_thread *om_remote_thread_inner(struct om_remote_thread *self, int32_t tid);
/* NULL: none waits for the answer to this one. */
struct om_remote_thread *om_remote_thread_waiting(struct om_remote *remote, uint64_t notification);
/* Makes known again which threads the state names. */
int om_remote_threads_taken_over(struct om_remote *remote);
/* Nothing that arrives is theirs any more. */
void om_remote_threads_closed(struct om_remote *remote);
void om_remote_thread_free(struct om_remote_thread *thread);
/* The marshalled request of the body or of ours goes out, now or when the link is there. */
void om_remote_post(struct om_remote_thread *thread, bool own);
void om_remote_post_again(struct om_remote_thread *thread); /* the same number, after a reconnect */
int om_remote_take_answer(struct om_remote_thread *thread, uint32_t seq, const uint8_t *payload, uint32_t bytes);
void om_remote_answer_body(struct om_remote_thread *thread, int64_t value, uint32_t flags);
/* Home's answer, which was held, is the body's now. */
void om_remote_finish(struct om_remote_thread *thread);
/* The signals for which an answer, or a call to be issued again, was held have gone to other threads. */
void om_remote_let_go(struct om_remote_thread *thread);
/* The call has waited for the end of a process that still runs here: om_remote_let_go comes when it is dead. */
bool om_remote_awaits_death(struct om_remote_thread *thread);
/* The body's call is wanted back. */
void om_remote_cancel(struct om_remote_thread *thread);
/* The part of a call of side `both` that is done here, when home has done its own: flags of the answer
 * (om_remote_both.c). */
uint32_t om_remote_both(struct om_remote_thread *thread);
/* After the first WELCOME to a warden that found a call of the body in the state page: goes on with it. */
void om_remote_take_over(struct om_remote_thread *thread);
void om_remote_hand_out(struct om_remote_thread *thread);         /* without the lock */
void om_remote_tell_due(struct om_remote *remote, uint32_t slot); /* without the lock */
/* Something was handed out and is not queued in the body. */
static inline bool om_remote_owes_signals(const struct om_remote_thread *thread)
{
	return thread->state->signals_taken != thread->state->signals_queued;
}
bool om_remote_still_waits(struct om_remote_thread *thread);
/* -ERESTART* for a call that is to be issued again. One that has not begun is as if the signals had come before it; one
 * that has is interrupted by them as the table says, though it had to be issued again. */
int64_t om_remote_restart(const struct om_remote_thread *thread, bool begun);
/* What the body issues now is what was cut short. */
bool om_remote_is_rest(const struct om_remote_thread *thread);
/* The body's call, cancelled or queued, ends as a signal or a stop wants it. */
void om_remote_end_cancelled(struct om_remote_thread *thread);
/* On the gate's thread: a notification that was noted in the thread's state. */
void om_remote_take(struct om_remote_thread *thread);
/* On the gate's thread: what was noted before, and nothing done about it. */
void om_remote_take_noted(struct om_remote *remote);

#endif
