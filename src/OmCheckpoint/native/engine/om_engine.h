/* SPDX-License-Identifier: MIT
 *
 * libomengine.so as C# sees it (src/OmCheckpoint/Interop and src/OmWarden). Functions return 0 or a count, or -errno.
 * Handles are opaque; every one is closed by the function named beside it. Callbacks come on threads of the engine,
 * hold no lock of it, and may call back into it; they must not block, nor call what "Blocks" here, unless said: a
 * link's thread that waits holds up every process behind that link.
 *
 * Signals. remote_signal hands over a siginfo that arrived at the deputy. The body may be computing, be waiting in a
 * forwarded call, or enter one at any moment; one way is right for all three:
 *   PTRACE_INTERRUPT (SEIZE first) → om_remote_quiesce → wait for the stop → queue the signal by the agent
 *   → om_remote_queued → om_remote_resume → PTRACE_DETACH.
 * Every signal handed out before om_remote_quiesce is queued before om_remote_resume. While one that was handed out
 * later is not, answers from home are held: the body gets them behind its handler. Quiesce ends the call in progress as
 * signal(7) wants it: finished, or cancelled and answered -512/-513/-514/-EINTR by the table, so that the kernel itself
 * then runs the handler and restarts the call or does not. A cancelled call is held until the signals handed out before
 * it have been taken care of this way.
 *
 * Threads. A process has one body per thread, and a slot for each: slot 0 is the leader's. What a thread calls waits
 * for no other thread. Everything said of a call, a signal or a stop above is said of one thread; `slot` names it, and
 * OM_EVERY_THREAD means all there are (their calls are ended together, each for itself).
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

#pragma GCC visibility push(default)

typedef struct om_engine om_engine;
typedef struct om_home om_home;     /* home's side of one process that is away: deputy + arena */
typedef struct om_remote om_remote; /* the hosting side */
typedef struct om_gate om_gate;     /* a seccomp listener, of one remote or several */

/* What a restarted warden needs of a process besides its descriptors (KERNEL.md 22): a page for the process and one for
 * each slot. */
#define OM_STATE_BYTES(slots) (4096ull * (1 + (slots)))

#define OM_EVERY_THREAD UINT32_MAX

#define OM_NODE_ID_BYTES 64 /* a node id as text, NUL terminated: the common name in its certificate */

/* ---- what the engine tells the warden -------------------------------------------------------------------------- */

/* A call that C# conducts (exec, mmap of a file, fork and clone which go home first, refused-but-go-home calls...). The
 * notification stays pending until om_remote_answer. */
struct om_structural {
	uint64_t notification; /* seccomp notification id */
	uint32_t tid;          /* in the warden's pid namespace */
	uint32_t slot;
	int32_t number;
	uint32_t goes_home; /* 1: the table says of this call that the body issues it at home */
	uint64_t args[6];
	uint64_t instruction_pointer;
};

struct om_callbacks {
	void *context;
	/* home side */
	void (*home_claimed)(void *context, uint64_t key,
			     uint32_t epoch);                  /* the body presented this epoch: committed */
	void (*home_deputy_gone)(void *context, uint64_t key); /* pidfd readable */
	/* The body asks home's C# for something that is not a plain call (execve, death by signal...): answer with
	 * om_home_reply. request is valid during the callback only. May block: it has its own thread per process. */
	void (*home_structural)(void *context, uint64_t key, uint64_t call, uint32_t kind, const void *request,
				uint32_t bytes);
	/* A call waits for the body to be brought home (om_home_guard). With the process's lock held: to be noted, not
	 * more. */
	void (*home_guarded)(void *context, uint64_t key, int32_t number);
	/* remote side */
	void (*remote_structural)(void *context, uint64_t key, const struct om_structural *call);
	/* notification: the one that waits, or 0; for information, see Signals above. */
	void (*remote_signal)(void *context, uint64_t key, uint32_t slot, const struct om_signal *signal,
			      uint64_t notification);
	/* The body's thread is to be stopped as for a new signal: a call waits under a mask of its own that lets one
	 * through which was pending before (om_remote_mask); or home, whose silence made om_remote_quiesce fail while
	 * signals were handed out, or om_remote_start, is heard again. */
	void (*remote_due)(void *context, uint64_t key, uint32_t slot);
	void (*remote_control)(void *context, uint64_t key, uint32_t what); /* OM_CONTROL_* from home */
	void (*link_state)(void *context, const char *node, bool up, const char *why);
};

#define OM_CONTROL_STOP     1u /* the deputy is stopped (SIGSTOP): stop the body */
#define OM_CONTROL_CONTINUE 2u
#define OM_CONTROL_GONE     3u /* the deputy is gone: end the body */
#define OM_CONTROL_FENCED   4u /* a newer epoch exists: end the body */

/* bytes_out: sent by the side that is asked; bytes_in: come to it. */
struct om_counters {
	uint64_t calls, bytes_out, bytes_in, refused;
};

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
/* Every home that a warden before us has left is open: a body of any other hears OM_CONTROL_GONE from now on. Until
 * then its HELLO waits for its home, which a link may precede. */
void om_engine_homes_known(om_engine *engine);

/* ---- home's side ------------------------------------------------------------------------------------------------- */

struct om_home_options {
	uint64_t key;
	int32_t pid; /* the deputy, in the warden's pid namespace */
	int pidfd;   /* borrowed: the engine duplicates */
	/* Of OM_ARENA_BYTES(slots); the engine duplicates and maps it. A memfd made with MFD_ALLOW_SEALING, whose size
	 * the engine seals, or what /proc/PID/map_files has of a shared anonymous mapping. */
	int arena_fd;
	uint32_t slots;
	uint64_t arena_address;   /* where the deputy has it */
	uint64_t threads_address; /* where it has its threads' stacks: slot 0's part */
	int state_fd; /* memfd of OM_STATE_BYTES, zeroed at first, kept in the fd store; -1: does not outlive this
			 process */
};
int om_home_open(om_engine *engine, const struct om_home_options *options, om_home **home);
/* No body of it is wanted any more, for it executes here again: one that presents itself after om_home_close hears
 * OM_CONTROL_GONE, as that of a deputy that has ended does. Any other is closed for the next warden to open. */
void om_home_end(om_home *home);
void om_home_close(om_home *home);
/* A deputy's child (OM_DEPUTY_FORK) that nobody has opened and nobody will ends itself, as soon as it runs. arena_fd:
 * the arena that was made for it. 0, or what pwrite(2) or mmap(2) said. */
int om_arena_abandon(int arena_fd);
/* The deputy has a thread that waits on this slot. Said of every one, the leader too, before om_home_expect; one that a
 * warden before knew is known (0). -EEXIST: the slot is another's. */
int om_home_thread(om_home *home, uint32_t slot, int32_t tid);
/* Has the thread of `by` make another one (OM_DEPUTY_CLONE) in a free slot. Blocks as om_home_call. -EAGAIN: no slot is
 * free, or what clone(2) said. -ESRCH after om_home_close: it may be made all the same; asked again for the same `by`,
 * the next warden gives that one. */
int om_home_clone(om_home *home, uint32_t by, uint64_t flags, uint32_t *slot, int32_t *tid);
/* The thread ends (OM_DEPUTY_EXIT), and its slot is free. Blocks until it is gone and the signals it had taken are on
 * their way to the body. Not for the last one there is. -ESRCH after om_home_close: said again to the next warden it
 * comes to the same end. */
int om_home_exit(om_home *home, uint32_t slot, int32_t status);
/* Slots in use and their tids; returns how many were written. */
int om_home_threads(om_home *home, uint32_t *slots, int32_t *tids, uint32_t capacity);
/* From now on only `node` presenting `epoch` is the body; older epochs are fenced. Until the first expect a body that
 * presents itself waits. take_back: returns 1 and changes nothing if the epoch in force has been claimed. presented:
 * what om_home_presented said before the body was frozen; -EBUSY if it has presented itself since, that is, may have
 * gone on; 0: whatever. */
int om_home_expect(om_home *home, const char *node, uint32_t epoch, bool take_back, uint32_t presented);
/* How often a body has presented the epoch in force, any epoch. One that is let go on after it was frozen for a move
 * presents itself again before it gets a call through. */
uint32_t om_home_presented(om_home *home);
/* Executes one call in the deputy on behalf of the warden itself (madvise when committing, ...). Blocks; a call of
 * the body in progress is taken back if it can be issued again, and waited for if not. -ESRCH: the deputy is gone.
 * `data` (may be NULL) is copied to the slot's data area, which the deputy has at om_home_data_address, before, and
 * back after. */
int om_home_call(om_home *home, uint32_t slot, int64_t number, const uint64_t args[6], void *data, uint32_t bytes,
		 int64_t *result);
/* While reserved this thread's calls are held, so that many om_home_call follow each other; a call that waits is taken
 * back and issued again after. */
void om_home_reserve(om_home *home, uint32_t slot, bool reserved);
/* The body has the data of these files with it: a call that means the data of one, or sends a descriptor of it to
 * somebody (unix(7)), is held until it is taken back. Replaces what was said before. 0 or -ENOMEM. */
struct om_file_id {
	uint64_t device, inode; /* stat(2) */
};
int om_home_guard(om_home *home, const struct om_file_id *files, uint32_t count);
uint64_t om_home_data_address(const om_home *home, uint32_t slot);
int om_home_reply(om_home *home, uint64_t call, const void *reply, uint32_t bytes);
/* Tells the body's warden (OM_CONTROL_*). */
int om_home_control(om_home *home, uint32_t what);
/* Takes signals the deputy's thread has queued and the body's side has not acknowledged (for Return: the deputy is
 * stopped). queued: om_remote_signals of the body that comes home; 0 if it never left. Returns how many were written.
 */
int om_home_take_signals(om_home *home, uint32_t slot, uint32_t queued, struct om_signal *signals, uint32_t capacity);
/* Of all calls that came for this deputy, from wherever its body was, since it became one. */
void om_home_counters(om_home *home, struct om_counters *counters);

/* ---- the hosting side -------------------------------------------------------------------------------------------- */

/* Takes the notifications of one seccomp listener: of a body, and of what it forks here, which has the same filter. The
 * engine duplicates both descriptors. state_fd: memfd of OM_STATE_BYTES(0), as a remote's; -1: none. */
int om_gate_open(int listener, int state_fd, om_gate **gate);
/* From now on notifications are taken: of a thread that no remote has named with -ENOSYS, so all remotes that there are
 * have been opened before. Those of one that home has not welcomed yet wait. */
int om_gate_start(om_gate *gate);
/* Before the remotes of bodies that go on under another warden: what arrives is left to that. */
void om_gate_close(om_gate *gate);

struct om_remote_options {
	uint64_t key;
	uint32_t epoch;
	int32_t pid;      /* the remote, in the warden's pid namespace */
	int32_t home_pid; /* as the body knows itself: signals it sends itself are handed out, to be sent here */
	int pidfd;        /* borrowed */
	om_gate *gate;    /* where its notifications arrive; kept until it is closed */
	const char *home; /* node id */
	uint64_t area;    /* base of the agent area: never a valid buffer of a call */
	uint32_t slots;
	int state_fd; /* memfd of OM_STATE_BYTES(slots), zeroed at first; -1: none. Not zero: the remote is taken over
		       */
};
int om_remote_open(om_engine *engine, const struct om_remote_options *options, om_remote **remote);
/* A thread of the body: said of every one, the leader too, before om_remote_start or while the one that makes it is
 * conducted; one that a warden before knew is known (0). tid: in the warden's pid namespace. signals: that it has had,
 * om_remote_signals of the host before; 0 from home. -EEXIST: the slot is another's.
 */
int om_remote_thread(om_remote *remote, uint32_t slot, int32_t tid, uint32_t signals);
/* It has ended, or does so next, with nothing left to be answered: its notifications are answered with -ENOSYS, also
 * one that waits; an om_remote_call in its slot ends with -ESRCH. Said behind om_home_exit, so that no signal is lost
 * that its thread at home had taken, and before the slot is another's. */
void om_remote_thread_gone(om_remote *remote, uint32_t slot);
/* Slots in use and their tids; returns how many were written. */
int om_remote_threads(om_remote *remote, uint32_t *slots, int32_t *tids, uint32_t capacity);
/* Presents the epoch at home and begins to serve. Blocks until home has accepted: 0, or -ESTALE: fenced, -ESRCH: home
 * knows no such process, and the body does not run here. -ETIMEDOUT: not known; the epoch goes on being presented and
 * the notifications wait: call it again when remote_due says so. */
int om_remote_start(om_remote *remote, uint32_t timeout_ms);
/* No call of the body is taken any more; the one in progress is finished, or cancelled at home and then answered -512
 * (ERESTARTSYS and its kin) so that it is issued again wherever the body goes. The caller has PTRACE_INTERRUPTed the
 * thread before. Blocks for timeout_ms at most. A notification handed out by remote_structural is taken back unless
 * om_remote_conduct has taken it; one that has been is the caller's affair. 0: done; om_remote_ended tells of each
 * thread. -ENOTCONN: it is in progress at home and the link is down; -ETIMEDOUT: home does not end it (the
 * deputy is stopped, or sleeps where nothing interrupts it); then nothing has changed. */
enum om_quiesce {
	OM_QUIESCE_HERE,   /* the body goes on here: to queue signals, to hold it for a while */
	OM_QUIESCE_MOVE,   /* it goes on at another host, unless the move fails. Signals are left with home until resume
			    */
	OM_QUIESCE_RETURN, /* ... at home, where nothing is known of a call that is half done: it ends with what it did
			    */
};
int om_remote_quiesce(om_remote *remote, uint32_t slot, enum om_quiesce why, uint32_t timeout_ms);
/* While quiesced: whether a call of this thread was in progress and has been ended. */
bool om_remote_ended(om_remote *remote, uint32_t slot);
/* While quiesced: so many more of the signals handed out for this slot are queued in the body. */
void om_remote_queued(om_remote *remote, uint32_t slot, uint32_t signals);
/* How many of the signals that came to this slot the body has, or will have when what was handed out is queued. */
uint32_t om_remote_signals(om_remote *remote, uint32_t slot);
int om_remote_resume(om_remote *remote, uint32_t slot);
/* While quiesced: the call that was cut short waits with a signal mask of its own (ppoll, pselect6, epoll_pwait). 0: it
 * does not, 1: *mask is it. A signal that is blocked otherwise, but not by this mask, has to end the call. The kernel
 * does all of it right if the stopped thread, once such a signal is queued and has a handler or ends the process, is
 * made to execute rt_sigsuspend(mask) in the place of the call; at the signal-delivery-stop its registers are put back
 * with rax = -EINTR, orig_rax = -1, and it is detached with that signal. (tests/engine/tracer.c does it.) */
int om_remote_mask(om_remote *remote, uint32_t slot, uint64_t *mask);
/* A call of this thread is on its way home, or waits there. */
bool om_remote_in_call(om_remote *remote, uint32_t slot);
/* om_remote_mask of a call that waits now, whether quiesced or not. */
int om_remote_waits_under(om_remote *remote, uint32_t slot, uint64_t *mask);
/* While quiesced: the call that had begun, was cut short and will be issued again: its number, what is left of its
 * timeout (UINT64_MAX: it has none) and how many bytes of it are done. 0: there is none, 1: there is. Said to the
 * engine where the body goes on (om_remote_rest) before om_remote_start. */
int om_remote_left(om_remote *remote, uint32_t slot, int32_t *number, uint64_t *left_ns, uint64_t *done);
void om_remote_rest(om_remote *remote, uint32_t slot, int32_t number, uint64_t left_ns, uint64_t done);
void om_remote_close(om_remote *remote);
/* A frozen remote that is thawed after all presents this epoch, a newer one or its own again, at the next
 * om_remote_start. While quiesced. */
int om_remote_epoch(om_remote *remote, uint32_t epoch);
/* Takes a notification that was handed out, to answer it. -ENOENT: it has been taken back, and the body will issue the
 * call again. */
int om_remote_conduct(om_remote *remote, uint64_t notification);
/* Not answered after all: it waits until the body is stopped, and is taken back then. */
void om_remote_postpone(om_remote *remote, uint64_t notification);
/* Answers a notification that om_remote_conduct has taken. value or -errno; flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE
 * lets it run here. */
int om_remote_answer(om_remote *remote, uint64_t notification, int64_t value, uint32_t flags);
/* Executes a call in the deputy's thread on behalf of the warden, as if the body's had made it: buffers are those of
 * the body at the addresses in args (marshalled by the table), or with `local` set, of the warden itself. Blocks until
 * answered. */
int om_remote_call(om_remote *remote, uint32_t slot, int32_t number, const uint64_t args[6], bool local,
		   int64_t *result);
/* Sends home what only its C# can do (home_structural) and waits for the reply. Returns its length. */
int om_remote_ask(om_remote *remote, uint32_t kind, const void *request, uint32_t bytes, void *reply,
		  uint32_t capacity);

/* What the body has used away from home: on this host and, as told by om_remote_usage_before, on those before it. Calls
 * of getrusage, times and CPU clocks add it to what home says. It is to travel with a body that goes on to another
 * host. */
struct om_usage {
	uint64_t user_ns, system_ns;
	uint64_t minor_faults, major_faults;
	uint64_t most_resident_kib;
	uint64_t voluntary_switches, involuntary_switches;
};
int om_remote_usage(om_remote *remote, struct om_usage *usage);
void om_remote_usage_before(om_remote *remote, const struct om_usage *usage);
/* Of one thread. */
int om_remote_thread_usage(om_remote *remote, uint32_t slot, struct om_usage *usage);
void om_remote_thread_usage_before(om_remote *remote, uint32_t slot, const struct om_usage *usage);

/* Where a thread may run, among the processors its cell has (mask as sched_setaffinity(2) takes it). Nothing is changed
 * if that leaves none. */
void om_remote_affinity(om_remote *remote, uint32_t slot, const void *mask, uint32_t bytes);

int om_remote_counters(om_remote *remote, struct om_counters *counters);
/* Per system-call number, up to `capacity` numbers; returns how many were written. */
int om_remote_call_counts(om_remote *remote, uint64_t *calls, uint64_t *refused, uint32_t capacity);

#pragma GCC visibility pop

#endif
