/* SPDX-License-Identifier: MIT
 *
 * Home's side of one process that is away, as its files share it. Frames come on the link's thread, answers and signals
 * on the responder's, asks are conducted on a thread of their own; `lock` is the mutex of everything that changes.
 */
#ifndef OM_HOME_H
#define OM_HOME_H

#include "om_internal.h"
#include "om_place.h"

#define OM_HOME_STATE_MAGIC 0x32304d4f484d4f01ull

enum om_slot_use {
	OM_SLOT_IDLE,
	OM_SLOT_BODY, /* a CALL of the body */
	OM_SLOT_OWN,  /* om_home_call */
	OM_SLOT_EXIT, /* om_home_exit: no answer comes, and nothing else is asked of the thread */
};

/* In the first page of the state. */
struct om_home_state {
	uint64_t magic;
	uint32_t epoch; /* 0: nothing is expected yet */
	uint32_t claimed;
	char node[OM_NODE_ID_BYTES];
	uint32_t stopped;   /* OM_CONTROL_STOP is in force */
	uint32_t presented; /* how often the body has been welcomed */
	struct om_counters counters;
	/* Who had claimed an epoch last, while the one in force is not claimed yet. */
	uint32_t former_epoch;
	uint32_t reserved;
	char former_node[OM_NODE_ID_BYTES];
};
_Static_assert(sizeof(struct om_home_state) <= OM_STATE_PAGE, "om_home_state");

/* In the page of its slot. What is written before slot->request is stored counts only if the slot has that request. */
struct om_home_thread_state {
	int32_t tid;       /* 0: no thread has this slot */
	uint32_t last_seq; /* of the body's newest CALL */
	uint32_t seq_before;
	uint32_t last_request; /* the slot's newest */
	uint32_t last_use;     /* enum om_slot_use of last_request: whose call it was */
	uint32_t signal_tail;  /* ours; the slot's copy is the deputy's to read */
	uint32_t signal_seen;  /* the slot's signal_head, which the deputy may turn back */
	uint32_t quiet; /* made while away: the body's side knows of it when it says something of it, signals wait till
			   then */
	uint32_t made_by; /* tid 0: who was asked to make a thread for this slot, plus one */
};

/* One thread of the deputy, and what is asked of it. Made with the first thread that has the slot, and kept for the
 * next. */
struct om_home_thread {
	struct om_home *home;
	uint32_t index;
	struct om_slot *slot; /* written by the deputy at will */
	uint8_t *data;
	uint64_t data_address;
	struct om_home_thread_state *state;

	enum om_slot_use use;
	uint32_t cancelled;      /* the request that om_home_cancel was for */
	uint32_t signals_before; /* the slot's signal_head when the request in it was posted */
	bool unplaced; /* use == OM_SLOT_BODY taken over: its layout is known when the body sends the call again */
	struct om_placed *placed;
	uint32_t signal_sent;
	struct om_buffer reply; /* of last_seq, until the next CALL */
	bool held;              /* a CALL came while our own was in the slot */
	struct om_buffer held_call;
	uint32_t held_seq;
	int64_t own_result;
	bool own_waits;
	bool reserved; /* the body's calls are held until the warden has made all of its own */
	bool guarded;  /* the call that is held met a guard: it is for the body at home */
};

struct om_home {
	atomic_int references;
	struct om_home *next; /* in the engine's table */
	struct om_engine *engine;
	uint64_t key;
	int32_t pid;
	int pidfd;
	uint32_t slots;
	struct om_arena *arena; /* written by the deputy at will */
	uint64_t arena_address, threads_address;
	struct om_home_state *state;
	struct om_file_id *guarded; /* om_home_guard */
	uint32_t guarded_count;
	struct om_home_thread **threads; /* by slot; NULL: it was never used here */

	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool closed, gone;
	bool ended;                  /* it executes natively from now on */
	struct om_peer *peer;        /* who holds the epoch, once it has presented it */
	uint64_t connection;         /* 0: it has to present it again */
	struct om_peer *fenced_peer; /* who held the epoch before */
	uint64_t fenced_connection;
	uint32_t fenced_epoch;
	struct om_peer *hello_peer; /* presented before om_home_expect */
	uint64_t hello_connection;
	uint32_t hello_epoch;

	const char *complaint; /* about a request; told once, without the lock */
	bool complained;

	pthread_t responder;
	bool heard; /* by the responder: closed */
	pthread_t asker;
	bool asker_runs;
	uint32_t ask_seq; /* newest; 0: none */
	bool ask_taken, ask_replied;
	struct om_buffer ask, ask_reply;
};

struct om_home *om_home_get(struct om_engine *engine, uint64_t key);
/* With engine->lock held. */
struct om_home *om_home_get_locked(struct om_engine *engine, uint64_t key);
void om_home_put(struct om_home *home);
/* Takes the lock, and keeps the home until om_home_leave, though om_home_close may come while it waits. */
static inline void om_home_enter(struct om_home *home)
{
	home->references++;
	pthread_mutex_lock(&home->lock);
}
static inline void om_home_leave(struct om_home *home)
{
	pthread_mutex_unlock(&home->lock);
	om_home_put(home);
}

/* om_home_claim.c: who may be the body. */
/* 0: it is bound, waits, or was told that there is nothing to wait for; otherwise the link is not worth keeping. */
int om_home_take_hello(struct om_peer *peer, struct om_connection *c, const struct om_frame *frame);
/* With engine->lock held: what was parked for this home, which has just been put into the table. */
void om_home_unpark_locked(struct om_engine *engine, struct om_home *home);
/* Without any lock. */
void om_home_tell_claimed(struct om_home *home, uint32_t epoch);
void om_home_send_fenced(struct om_peer *peer, uint64_t connection, uint64_t key, uint32_t epoch);

/* Under home->lock: */
/* One presents itself; *claimed: it is the first with the epoch in force. */
void om_home_bind(struct om_home *home, struct om_peer *peer, uint64_t connection, uint32_t epoch, bool *claimed);
/* NULL: no thread has that slot. */
struct om_home_thread *om_home_thread_of(struct om_home *home, uint32_t slot);
/* Takes the slot into use; *thread may have been in use before. 0 or -ENOMEM. */
int om_home_thread_make(struct om_home *home, uint32_t slot, struct om_home_thread **thread);
void om_home_thread_free(struct om_home_thread *thread);
/* Whoever waits for a thread's end looks again. */
void om_home_wake_exits(struct om_home *home);
void om_home_pump(struct om_home_thread *thread);
void om_home_pump_all(struct om_home *home);
int om_home_take_call(struct om_home_thread *thread, uint32_t seq, const uint8_t *payload, uint32_t bytes);
void om_home_post(struct om_home_thread *thread, enum om_slot_use use, int64_t number, const uint64_t args[6]);
void om_home_cancel(struct om_home_thread *thread);
bool om_home_over(const struct om_home *home); /* nothing comes of waiting any more */
/* The slot is ours for calls of our own, when this returns 0; until om_home_give_slot. These let go of the lock while
 * they wait. -ESRCH: the deputy is gone, its thread has ended or is about to. */
int om_home_take_slot(struct om_home_thread *thread);
void om_home_give_slot(struct om_home_thread *thread);
/* Whether the call that is placed means the data of a file that is guarded, or gives one away. */
bool om_home_meets_guard(const struct om_home_thread *thread);
/* Whether a signal that this thread of the deputy took was meant for it, and not for the process. */
bool om_home_is_directed(const struct om_home_thread *thread, const struct om_signal *signal);
int om_home_own_call(struct om_home_thread *thread, int64_t number, const uint64_t args[6], int64_t *result);
/* false: some of its signals are not on their way to the body's side, which could take them. */
bool om_home_signals_sent(const struct om_home_thread *thread);
/* The body has what came before `next`. false: that cannot be, and nothing has changed. */
bool om_home_signals_queued(struct om_home_thread *thread, uint32_t next);
void om_home_drop_held(struct om_home_thread *thread); /* a call that waits for the slot is wanted back */
int om_home_send(struct om_home *home, uint16_t kind, uint32_t slot, uint32_t seq, const void *payload, uint32_t bytes);
int om_home_take_ask(struct om_home *home, uint32_t seq, const uint8_t *payload, uint32_t bytes);
void *om_home_responder(void *home);
void om_home_end_responder(struct om_home *home); /* home->closed is set; joins it */

struct om_parked_hello {
	struct om_parked_hello *next;
	struct om_peer *peer;
	uint64_t connection;
	uint64_t key;
	uint32_t epoch;
};

#endif
