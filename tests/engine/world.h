/* SPDX-License-Identifier: MIT
 *
 * A whole forwarded process on one machine: a deputy (a real process in the real agent), a body (a real process under
 * the real seccomp filter), two engines with a TLS link between them through a relay that can be cut, and a tracer that
 * delivers signals the way the warden does.
 */
#ifndef OM_TEST_WORLD_H
#define OM_TEST_WORLD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <linux/sched.h>
#include <sys/types.h>

#include "engine/om_engine.h"
#include "relay.h"

#define AREA 0x7e9000000000ull /* where sanitizers leave room */
#define KEY  0x1122334455667788ull

#define FORKED_KEY 0x8877665544332211ull

#define SLOTS 64u
#define ARENA (AREA + OM_AREA_ARENA_OFFSET(SLOTS))

#define THREAD_FLAGS (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM)

/* One thread of the body, in the slot of its index. */
struct hand {
	atomic_int tid;
	atomic_int stage;
	int64_t numbers[6];
};

/* What the body and the test share. The body must not use home's stdio: it says what is wrong here. */
struct shared {
	atomic_int stage; /* the body waits and tells with futexes on it */
	atomic_int failed;
	char why[256];
	int listener;
	int64_t numbers[16];
	char bytes[4096];
	struct hand hands[SLOTS];
};

/* What was handed out for one slot. `wanted`: the tracer is to stop its thread. */
struct mail {
	struct om_signal signals[256];
	unsigned int queued, delivered;
	bool wanted;
};

/* What the body has forked: a process under its filter, with a deputy, a key and a link of its own (forked.h). */
struct forked {
	pid_t deputy, body;
	int deputy_pidfd, body_pidfd, arena_fd, home_state, remote_state;
	om_home *home;
	om_remote *remote;
	unsigned int signals; /* of it, under the world's lock */
	atomic_uint claimed, deputy_gone, control[8];
};

struct world {
	char dir[64];
	struct shared *shared;
	om_engine *pc1, *pc2; /* home, hosting */
	struct relay *relay;
	pid_t deputy, body;
	int deputy_pidfd, body_pidfd, listener, arena_fd, home_state, remote_state, gate_state;
	om_home *home;
	om_gate *gate;
	om_remote *remote;
	struct forked forked; /* body 0: there is none */
	void (*function)(struct shared *);
	uint32_t threads;                        /* of the body, and of the deputy, when they began */
	void (*work)(struct shared *, uint32_t); /* what they run */
	pid_t tids[SLOTS], deputy_tids[SLOTS];

	pthread_t tracer;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct mail mail[SLOTS];
	/* Under the lock; each change is told by `changed`. Of all slots. unstoppable: how often the tracer could not
	 * stop a thread, because home was silent. */
	unsigned int queued, delivered, due, unstoppable, handed_out, guarded;
	struct om_structural structural; /* what was handed out last */
	struct om_structural structural_of[SLOTS];
	unsigned int handed_out_of[SLOTS];
	bool over; /* the body is no more */
	int wake;
	bool ended;
	atomic_bool keeps_calls;  /* what is handed out is the test's to conduct */
	atomic_bool holds_tracer; /* signals wait until the test wakes it */
	atomic_uint patience_ms;  /* of the tracer with home */
	atomic_uint claimed, deputy_gone, control[8];
	char log[8192];
};

/* Opens the blob beside the program; the others need it. */
bool world_find_agent(void);
struct world *world_open(const char *dir, void (*function)(struct shared *));
/* world_open in steps, for tests that stand in between. */
struct world *world_prepare(const char *dir, void (*function)(struct shared *));
void world_start(struct world *w);
/* Of so many threads from the start, each of which runs `work`; the main thread, which is the first of them, waits for
 * the others. */
struct world *crew_prepare(const char *dir, uint32_t threads, void (*work)(struct shared *, uint32_t));
struct world *crew_open(const char *dir, uint32_t threads, void (*work)(struct shared *, uint32_t));
void world_engine(struct world *w, const char *node);
void world_home(struct world *w);
/* With a gate, and with what has been forked. */
void world_remote(struct world *w);
void world_close_remote(struct world *w);
/* The body's alone, at the gate that is there. */
void world_open_body(struct world *w);
/* The hosting warden dies and the next one takes over: what was handed to the first and not queued went with it.
 * Nothing is delivered until the caller clears holds_tracer, which it has set before. */
void world_take_over(struct world *w);
/* Until the body has ended. */
void world_wait_body(struct world *w);
/* Waits for the body's end and takes everything down. true: the body found nothing wrong. */
bool world_close(struct world *w);
bool world_logged(struct world *w, const char *text);
/* Waits until the text is in the world's log, which grows under its lock. */
void world_wait_log(struct world *w, const char *text);
/* One of the counters above. */
void world_add(struct world *w, unsigned int *counter);
/* Until it has come to this. false: the body has ended before. */
bool world_await(struct world *w, const unsigned int *counter, unsigned int count);
void world_wake_tracer(struct world *w);

/* Test side of shared->stage. */
void wait_stage(struct shared *s, int stage);
void set_stage(struct shared *s, int stage);
/* The same of a hand's stage. */
void wait_hand(struct shared *s, uint32_t index, int stage);
void set_hand(struct shared *s, uint32_t index, int stage);
/* Until the deputy sleeps in a call: what the body asked for has begun. Or until the body has failed. */
void wait_blocked(struct world *w, long number);
void wait_slot_blocked(struct world *w, uint32_t slot, long number);
/* Until calls of more than these bytes (om_remote_counters) have gone out, and how many they are then. */
uint64_t wait_sent(struct world *w, uint64_t bytes);
/* Until an answer has come. */
void wait_answered(struct world *w, uint64_t bytes);
/* Until a signal by which a call is cancelled waits for the deputy. It is stopped. */
void wait_cancelled(struct world *w);
/* Stopped as by Ctrl-Z: it answers nothing until SIGCONT. */
void stop_deputy(struct world *w);

/* In the body: */
#define EXPECT(condition)                                                                                              \
	do {                                                                                                           \
		if (!(condition))                                                                                      \
			expect_failed(s, __FILE__, __LINE__, #condition);                                              \
	} while (0)
void expect_failed(struct shared *s, const char *file, int line, const char *what);

#endif
