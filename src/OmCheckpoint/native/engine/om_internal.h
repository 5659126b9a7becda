/* SPDX-License-Identifier: MIT
 *
 * What the files of the engine share. Locks are taken in this order, and none is held in a callback or across a wait on
 * a socket: home/remote → peer, remote → engine->lock, which is the last.
 */
#ifndef OM_INTERNAL_H
#define OM_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <openssl/ssl.h>

#include "om_engine.h"
#include "om_link.h"

/* ---- bytes ------------------------------------------------------------------------------------------------------ */

struct om_buffer {
	uint8_t *data;
	size_t head, tail, capacity; /* [head, tail) is filled */
};

static inline size_t om_buffer_bytes(const struct om_buffer *b)
{
	return b->tail - b->head;
}
/* Room for `bytes` more behind tail; moves what is there to the front first. NULL: no memory. */
uint8_t *om_buffer_room(struct om_buffer *b, size_t bytes);
void om_buffer_take(struct om_buffer *b, size_t bytes);
void om_buffer_free(struct om_buffer *b);

/* ---- one connection (om_connection.c) --------------------------------------------------------------------------- */

enum om_connection_state {
	OM_CONNECTING, /* TCP */
	OM_HANDSHAKE,  /* TLS, then GREETING */
	OM_GREETED,    /* waits for USE */
	OM_IN_USE,
};

struct om_connection {
	atomic_int references;
	uint64_t id; /* never repeats within a process: processes are bound to it */
	int fd;
	bool dialled;
	char node[OM_NODE_ID_BYTES];
	char address[64];

	/* Only the thread that polls it. */
	enum om_connection_state state;
	uint64_t peer_instance;
	struct om_buffer in; /* plain */
	char why[160];

	/* The SSL object and what it makes. Held for crypto, never across a call on the socket. */
	pthread_mutex_t lock;
	pthread_cond_t room; /* the queue has shrunk, or the connection broke */
	SSL *ssl;
	BIO *from_network, *to_network;
	struct om_buffer out, sending;
	bool flushing;
	bool broken;
	int epoll; /* where it is polled, to arm EPOLLOUT; -1: nowhere */
};

struct om_connection *om_connection_new(SSL_CTX *tls, int fd, bool dialled);
void om_connection_put(struct om_connection *c);
/* The event's data is the connection. */
int om_connection_poll(struct om_connection *c, int epoll);
/* Not polled any more, broken for everyone who holds a reference; drops the poller's. */
void om_connection_end(struct om_connection *c);
/* 1: the handshake is done and c->node is set; 0: not yet; <0: failed, c->why says. */
int om_connection_handshake(struct om_connection *c);
/* Encrypts and queues one frame, sends what the socket takes. Any thread; never waits. */
int om_connection_send(struct om_connection *c, const struct om_frame *frame, const void *payload);
/* Sends what is queued as far as the socket takes it. */
void om_connection_flush(struct om_connection *c);
/* Waits while more than OM_QUEUE_FULL bytes are queued. Who sets `stop` calls om_connection_kick. */
void om_connection_wait_room(struct om_connection *c, const atomic_bool *stop);
void om_connection_kick(struct om_connection *c);
/* Reads what the socket has and calls `take` for each frame. <0: broken, c->why says. */
typedef int om_frame_taker(void *context, struct om_connection *c, const struct om_frame *frame,
			   const uint8_t *payload);
int om_connection_read(struct om_connection *c, om_frame_taker *take, void *context);

int om_tls_open(const struct om_engine_options *options, SSL_CTX **tls, char *why, size_t why_bytes);
/* The common name of the peer's certificate: a node id, or -EPERM. */
int om_tls_node(SSL *ssl, char node[OM_NODE_ID_BYTES]);
void om_tls_why(char *why, size_t bytes, const char *what, SSL *ssl);

/* ---- the node at the other end (om_peer*.c) --------------------------------------------------------------------- */

#define OM_QUEUE_FULL (4u << 20) /* who can wait does so above this */

struct om_peer {
	struct om_engine *engine;
	struct om_peer *next; /* engine->peers; peers live as long as the engine */
	char node[OM_NODE_ID_BYTES];

	pthread_mutex_t lock; /* of what other threads touch: address, port, wanted, current, handed */
	pthread_t thread;
	bool running;
	bool stop;
	char address[64];
	uint16_t port;
	int wanted; /* remotes that need the link */
	int epoll, wake, timer;
	struct om_connection *current;  /* IN_USE */
	struct om_connection *dialling; /* ours, up to GREETED */
	struct om_connection *offered;  /* theirs, HANDSHAKE is done */
	struct om_connection *handed;   /* from the listener, not looked at yet */
	uint64_t last_use;              /* greatest om_use.count of last_use_instance */
	uint64_t last_use_instance;
	unsigned int failures; /* in a row, for the backoff */
	char last_why[160];    /* a reason is told once */
};

struct om_peer *om_peer_find(struct om_engine *engine, const char *node, bool make);
int om_peer_start(struct om_peer *peer);
void *om_peer_run(void *peer);           /* its thread */
void om_peer_stop(struct om_peer *peer); /* joins */
void om_peer_free(struct om_peer *peer);
void om_peer_want(struct om_peer *peer, int change);
void om_peer_wake(struct om_peer *peer);
void om_peer_hand(struct om_peer *peer, struct om_connection *c);
/* Queues a frame on the link and sends what can be sent. connection_id 0: whichever is in use; otherwise only on that
 * one. -ENOTCONN: there is none. Never waits. */
int om_peer_send(struct om_peer *peer, uint64_t connection_id, const struct om_frame *frame, const void *payload);
/* Waits while the queue is full. `stop` (may be NULL) ends the wait; who sets it calls om_peer_kick. */
void om_peer_wait_room(struct om_peer *peer, const atomic_bool *stop);
void om_peer_kick(struct om_peer *peer);

/* ---- engine ----------------------------------------------------------------------------------------------------- */

#define OM_TABLE_BUCKETS 256u
#define OM_ENDED_KEYS    4096u

struct om_engine {
	char node[OM_NODE_ID_BYTES];
	struct om_callbacks callbacks;
	SSL_CTX *tls;
	uint64_t instance;
	_Atomic uint64_t use_count;

	pthread_mutex_t lock;
	struct om_peer *peers;
	struct om_home *homes[OM_TABLE_BUCKETS];
	struct om_remote *remotes[OM_TABLE_BUCKETS];
	struct om_parked_hello *parked; /* HELLOs that came before their home was opened */
	unsigned int parked_count;
	bool homes_known;              /* none is parked any more */
	uint64_t ended[OM_ENDED_KEYS]; /* deputies that are no more; a ring */
	unsigned int ended_count;

	struct om_listener *listener;
	struct om_watch *watch;
	int port;
};

/* A thread that may run managed code: signals meant for the process are left to its other threads. */
int om_thread_create(pthread_t *thread, const char *name, void *(*run)(void *), void *argument);
void om_engine_link_state(struct om_engine *engine, const char *node, bool up, const char *why);

int om_listener_open(struct om_engine *engine, const char *address, uint16_t port, struct om_listener **listener,
		     int *bound_port);
void om_listener_close(struct om_listener *listener);

int om_watch_open(struct om_engine *engine, struct om_watch **watch);
void om_watch_close(struct om_watch *watch);
int om_watch_add(struct om_watch *watch, int pidfd, uint64_t key);
void om_watch_remove(struct om_watch *watch, int pidfd);

/* So many milliseconds from now, by CLOCK_MONOTONIC. */
struct timespec om_deadline(uint32_t timeout_ms);

/* Bit n-1 is signal n. */
struct om_signal_sets {
	uint64_t blocked, ignored, caught, pending;
};
int om_signal_sets(int32_t pid, struct om_signal_sets *sets);

#define OM_STATE_PAGE 4096u

/* A state of OM_STATE_BYTES(slots) that outlives this process when fd is not -1. */
void *om_state_map(int fd, uint32_t slots);
/* The page of one slot. */
static inline void *om_state_of(void *state, uint32_t slot)
{
	return (uint8_t *)state + (size_t)OM_STATE_PAGE * (1 + slot);
}

static inline void om_futex_wake(uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}
static inline void om_futex_wait(uint32_t *word, uint32_t value)
{
	syscall(SYS_futex, word, FUTEX_WAIT, value, NULL, NULL, 0);
}

/* ---- what a link's thread calls --------------------------------------------------------------------------------- */

/* <0: the peer broke the protocol; the connection is given up. */
int om_home_frame(struct om_peer *peer, struct om_connection *c, const struct om_frame *frame, const uint8_t *payload);
int om_remote_frame(struct om_peer *peer, struct om_connection *c, const struct om_frame *frame,
		    const uint8_t *payload);
void om_home_forget_parked(struct om_engine *engine);
void om_home_deputy_gone(struct om_engine *engine, uint64_t key);
void om_remote_link_up(struct om_peer *peer, struct om_connection *c);
void om_remote_link_down(struct om_peer *peer, uint64_t connection_id);

static inline struct om_frame om_frame_of(uint16_t kind, uint64_t key, uint32_t epoch, uint32_t seq, uint32_t bytes)
{
	return (struct om_frame){.bytes = bytes, .kind = kind, .key = key, .epoch = epoch, .seq = seq};
}

/* Numbers of calls: never 0. */
static inline uint32_t om_seq_next(uint32_t seq)
{
	return seq + 1 ? seq + 1 : 1;
}

#endif
