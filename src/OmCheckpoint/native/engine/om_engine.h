/* SPDX-License-Identifier: MIT
 *
 * libomengine.so as C# sees it (src/OmCheckpoint/Interop and src/OmWarden). Functions return 0 or a count, or -errno.
 * Handles are opaque; every one is closed by the function named beside it. Callbacks come on threads of the engine, hold
 * no lock of it, and may call back into it; they must not block for long unless said.
 *
 * Keys. A process that is or was away has a 64-bit key, drawn at random by its home daemon at the first move. The epoch
 * grows with each move; a frame of an older epoch is answered with FENCED.
 */
#ifndef OM_ENGINE_H
#define OM_ENGINE_H

#include <stdint.h>
#include <stdbool.h>
#include "../om_abi.h"
#include "../om_call.h"

typedef struct om_engine om_engine;
typedef struct om_home om_home;     /* home's side of one process that is away: deputy + arena */
typedef struct om_remote om_remote; /* the hosting side: remote + seccomp listener */

#define OM_NODE_ID_BYTES 64 /* a node id as text, NUL terminated: the common name in its certificate */

/* ---- what the engine tells the warden -------------------------------------------------------------------------- */

/* A call that C# conducts (exec, mmap of a file, fork and clone which go home first, refused-but-go-home calls...). The
 * notification stays pending until om_remote_answer. */
struct om_structural {
	uint64_t notification; /* seccomp notification id */
	uint32_t tid;          /* in the warden's pid namespace */
	int32_t number;
	uint64_t args[6];
	uint64_t instruction_pointer;
};

struct om_callbacks {
	void *context;
	/* home side */
	void (*home_claimed)(void *context, uint64_t key, uint32_t epoch); /* the body presented this epoch: committed */
	void (*home_deputy_gone)(void *context, uint64_t key); /* pidfd readable */
	/* The body asks home's C# for something that is not a plain call (execve, death by signal...): answer with om_home_reply.
	 * request is valid during the callback only. May block: it has its own thread per process. */
	void (*home_structural)(void *context, uint64_t key, uint64_t call, uint32_t kind, const void *request, uint32_t bytes);
	/* remote side */
	void (*remote_structural)(void *context, uint64_t key, const struct om_structural *call);
	void (*remote_signal)(void *context, uint64_t key, uint32_t tid, const struct om_signal *signal, uint64_t notification);
	void (*remote_control)(void *context, uint64_t key, uint32_t what); /* OM_CONTROL_* from home */
	void (*link_state)(void *context, const char *node, bool up, const char *why);
};

#define OM_CONTROL_STOP     1u /* the deputy is stopped (SIGSTOP): stop the body */
#define OM_CONTROL_CONTINUE 2u
#define OM_CONTROL_GONE     3u /* the deputy is gone: end the body */
#define OM_CONTROL_FENCED   4u /* a newer epoch exists: end the body */

/* ---- engine and links ------------------------------------------------------------------------------------------- */

struct om_engine_options {
	const char *node;             /* our id */
	const char *certificate_path; /* PEM, node's certificate */
	const char *key_path;         /* PEM */
	const char *ca_path;          /* PEM, the cluster's CA */
	const char *listen_address;   /* numeric, "0.0.0.0" or "::" */
	uint16_t listen_port;         /* 0: any; om_engine_port tells */
	struct om_callbacks callbacks;
};

int om_engine_open(const struct om_engine_options *options, om_engine **engine);
void om_engine_close(om_engine *engine);
int om_engine_port(const om_engine *engine);
/* Where a node's warden listens. Links are made on first use and remade when they break. */
int om_engine_peer(om_engine *engine, const char *node, const char *address, uint16_t port);

/* ---- home's side ------------------------------------------------------------------------------------------------- */

struct om_home_options {
	uint64_t key;
	int32_t pid;     /* the deputy, in the warden's pid namespace */
	int pidfd;       /* borrowed: the engine duplicates */
	int arena_fd;    /* memfd of OM_ARENA_BYTES; the engine duplicates and maps it */
	uint64_t arena_address; /* where the deputy has it */
};
int om_home_open(om_engine *engine, const struct om_home_options *options, om_home **home);
void om_home_close(om_home *home);
/* From now on only `node` presenting `epoch` is the body; older epochs are fenced. */
int om_home_expect(om_home *home, const char *node, uint32_t epoch);
/* Executes one call in the deputy on behalf of the warden itself (madvise when committing, ...). Blocks. Only while no
 * call of the body is in progress. data is copied to the slot's data area before and back after. */
int om_home_call(om_home *home, int64_t number, const uint64_t args[6], int64_t *result);
int om_home_reply(om_home *home, uint64_t call, const void *reply, uint32_t bytes);
/* Tells the body's warden (OM_CONTROL_*). */
int om_home_control(om_home *home, uint32_t what);
/* Takes signals the deputy has queued and not yet passed on (for Return). Returns how many were written. */
int om_home_take_signals(om_home *home, struct om_signal *signals, uint32_t capacity);

/* ---- the hosting side -------------------------------------------------------------------------------------------- */

struct om_remote_options {
	uint64_t key;
	uint32_t epoch;
	int32_t pid;       /* the remote, in the warden's pid namespace */
	int pidfd;         /* borrowed */
	int listener;      /* seccomp listener: the engine duplicates */
	const char *home;  /* node id */
	uint64_t area;     /* base of the agent area: never a valid buffer of a call */
};
int om_remote_open(om_engine *engine, const struct om_remote_options *options, om_remote **remote);
/* Presents the epoch at home and begins to serve. Returns when home has accepted, or -ESTALE (fenced), -EHOSTUNREACH... */
int om_remote_start(om_remote *remote, uint32_t timeout_ms);
/* No call of the body is taken any more; the one in progress is finished, or cancelled at home and then answered -512 (ERESTARTSYS
 * and its kin) so that it is issued again wherever the body goes. The caller has PTRACE_INTERRUPTed the thread before. */
int om_remote_quiesce(om_remote *remote);
int om_remote_resume(om_remote *remote);
void om_remote_close(om_remote *remote);
/* Answers a notification that was handed out. value or -errno; flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE lets it run here. */
int om_remote_answer(om_remote *remote, uint64_t notification, int64_t value, uint32_t flags);
/* Executes a call in the deputy on behalf of the warden, as if the body had made it: buffers are those of the body at the
 * addresses in args (marshalled by the table), or with `local` set, of the warden itself. Blocks until answered. */
int om_remote_call(om_remote *remote, int32_t number, const uint64_t args[6], bool local, int64_t *result);
/* Sends home what only its C# can do (home_structural) and waits for the reply. Returns its length. */
int om_remote_ask(om_remote *remote, uint32_t kind, const void *request, uint32_t bytes, void *reply, uint32_t capacity);

struct om_counters {
	uint64_t calls, bytes_out, bytes_in, refused;
};
int om_remote_counters(om_remote *remote, struct om_counters *counters);

#endif
