/* SPDX-License-Identifier: MIT
 *
 * The contract between the agent (freestanding, inside a process of the job), the native engine
 * (libomengine.so, inside omwarden and openmosixd) and C# (src/OmCheckpoint/Interop/AgentAbi.cs).
 * Every structure here is shared memory or wire: fixed width, no pointers of ours, asserted sizes.
 * tests/OmCheckpoint.Tests proves every offset that C# believes by compiling this file.
 */
#ifndef OM_ABI_H
#define OM_ABI_H

#include <stdint.h>
#include <stddef.h>

#define OM_ABI_VERSION 2u
#define OM_AGENT_MAGIC 0x544e4741584d4f01ull

/*
 * The agent area: one range of addresses, reserved at the same place in the body and in the skeleton
 * (KERNEL.md 5). Its base is page aligned and chosen at the first Snapshot, and so is how many threads it has room for:
 * `slots`, 1..OM_SLOTS_MAX.
 *
 *   base + 0x00000   code     RX, the blob; starts with struct om_agent_header
 *   base + 0x04000   block    RW private: batch calls and their data
 *   base + 0x24000   threads  RW private, OM_THREAD_BYTES for each slot: stack and TLS stand-in of a deputy's thread
 *   behind it        arena    RW MAP_SHARED memfd, only in a deputy; PROT_NONE in a remote and before:
 *                             struct om_arena, then the slots
 */
#define OM_AREA_CODE_OFFSET    0x00000u
#define OM_AREA_CODE_BYTES     0x04000u
#define OM_AREA_BLOCK_OFFSET   0x04000u
#define OM_AREA_BLOCK_BYTES    0x20000u
#define OM_AREA_THREADS_OFFSET 0x24000u

/*
 * Inside the block. One batch at a time in a process, whichever thread executes it.
 *
 *   + 0x00000   batch    struct om_batch and its calls
 *   + 0x08000   data     what the calls point at
 *   + 0x18000   stack of a batch, grows down from 0x20000
 */
#define OM_BLOCK_BATCH_OFFSET 0x00000u
#define OM_BLOCK_BATCH_BYTES  0x08000u
#define OM_BLOCK_DATA_OFFSET  0x08000u
#define OM_BLOCK_DATA_BYTES   0x10000u
#define OM_BLOCK_BATCH_STACK  0x20000u

/* Inside a thread's part: the stack grows down from OM_THREAD_TLS, where FS of the deputy's thread points (its own TLS
 * belongs to the body). */
#define OM_THREAD_BYTES 0x06000u
#define OM_THREAD_TLS   0x05000u

#define OM_SLOT_HEADER_BYTES  0x02000u
#define OM_SLOT_DATA_BYTES    0x110000u /* 1 MiB of call data and 64 KiB for what describes it */
#define OM_SLOT_BYTES         (OM_SLOT_HEADER_BYTES + OM_SLOT_DATA_BYTES)
#define OM_SLOTS_MAX          4096u
#define OM_ARENA_HEADER_BYTES 0x01000u

#define OM_ARENA_BYTES(slots)       (OM_ARENA_HEADER_BYTES + (uint64_t)(slots)*OM_SLOT_BYTES)
#define OM_AREA_ARENA_OFFSET(slots) (OM_AREA_THREADS_OFFSET + (uint64_t)(slots)*OM_THREAD_BYTES)
#define OM_AREA_BYTES(slots)        (OM_AREA_ARENA_OFFSET(slots) + OM_ARENA_BYTES(slots))
#define OM_ARENA_SLOT_OFFSET(index) (OM_ARENA_HEADER_BYTES + (uint64_t)(index)*OM_SLOT_BYTES)

/* At the start of the blob. Offsets are from the start of the blob. */
struct om_agent_header {
	uint64_t magic;
	uint32_t version;
	uint32_t code_bytes;
	uint32_t batch_entry;  /* rdi = address of a struct om_batch; ends in int3 */
	uint32_t deputy_entry; /* rdi = address of the thread's struct om_slot, rsi = its TLS, which is its stack's top
				* too; every signal blocked; never returns */
	uint32_t signal_handler;  /* sa_handler of every converted signal, SA_SIGINFO, no SA_RESTART */
	uint32_t signal_restorer; /* sa_restorer that goes with it */
	uint32_t call_begin;      /* [call_begin, call_end): a signal here cancels the call (KERNEL.md 11) */
	uint32_t call_end;        /* address of the instruction behind `syscall` */
	uint32_t call_cancelled;  /* where the handler sends a cancelled call */
	uint32_t reserved;
};
_Static_assert(sizeof(struct om_agent_header) == 48, "om_agent_header");

/* Batch transport: the thread is stopped under ptrace. Calls never sleep and never sigreturn (KERNEL.md 2). */
struct om_call {
	int64_t number;
	uint64_t args[6];
	int64_t result; /* the kernel's: -errno on failure */
};
_Static_assert(sizeof(struct om_call) == 64, "om_call");

#define OM_BATCH_STOP_ON_ERROR 1u

struct om_batch {
	uint32_t count;
	uint32_t flags;
	uint32_t done; /* calls executed; with OM_BATCH_STOP_ON_ERROR the failed one is counted */
	uint32_t reserved;
	struct om_call calls[];
};
_Static_assert(sizeof(struct om_batch) == 16, "om_batch");

/*
 * Arena transport: the deputy runs. One slot a thread; slot 0 is the leader's.
 *
 * The warden writes number, args and data, then stores `request` (a sequence number that never repeats within an
 * epoch's life of the slot) with release order and wakes the futex at `request`. The thread executes, writes result and
 * flags, stores `answer = request`, sets its bit in the arena's `rung`, increments the arena's `doorbell` and wakes it.
 * The warden waits at `doorbell`, which also rings for signals. The deputy trusts nothing here beyond what its own user
 * could do anyway; the warden copies once and checks the copy (KERNEL.md 24).
 */
struct om_arena {
	uint32_t doorbell; /* futex, written by the deputy's threads */
	uint32_t slots;
	uint64_t reserved[7];
	uint64_t rung[OM_SLOTS_MAX / 64]; /* a bit a slot: set by its thread, taken by the warden */
};
_Static_assert(offsetof(struct om_arena, rung) == 64, "om_arena.rung");
_Static_assert(sizeof(struct om_arena) <= OM_ARENA_HEADER_BYTES, "om_arena fits its header");

/*
 * What no system call does, as numbers of a call. Only the warden itself asks for them.
 *
 * OM_DEPUTY_CLONE: clone(2) of a thread that becomes a deputy of its own. args: flags (CLONE_THREAD and what goes with
 * it; no TLS is set), the new thread's slot, its OM_THREAD part. Result: its tid, which is in the new slot by then.
 * OM_DEPUTY_EXIT: the thread ends; args: status. There is no answer: `gone` becomes 0 when the kernel has let go of it.
 *
 * OM_DEPUTY_FORK: clone(2) of a process, whose only thread becomes a deputy in slot 0 of an arena of its own. args:
 * flags (with the signal of its end; no CLONE_VM), where the new arena is mapped in the caller, shared (the child moves
 * it to where arenas are, the caller unmaps it), where a pidfd goes (CLONE_PIDFD). Result: its pid.
 */
#define OM_DEPUTY_CLONE (-2)
#define OM_DEPUTY_EXIT  (-3)
#define OM_DEPUTY_FORK  (-4)

#define OM_SIGNAL_RING 32u

struct om_signal {
	int32_t signo;
	int32_t directed;  /* written by home's warden: 1: at the thread that has the slot; 0: at the process */
	uint8_t info[128]; /* siginfo_t as the kernel gave it */
};
_Static_assert(sizeof(struct om_signal) == 136, "om_signal");

#define OM_ANSWER_CANCELLED 1u /* the call had no effect: a signal or a cancel came first */

struct om_slot {
	uint32_t request; /* futex, written by the warden */
	uint32_t answer;  /* written by the deputy */
	uint32_t gone;    /* futex: the tid until the thread that is to end has ended (set_tid_address) */
	uint32_t index;
	uint32_t answer_flags;
	uint32_t tid;
	uint32_t cancel; /* the warden sets it to `request` before it signals: a call not yet begun is not begun */
	uint32_t reserved;
	int64_t number;
	uint64_t args[6];
	int64_t result;
	uint64_t data;  /* address of this slot's data area in the deputy */
	uint64_t arena; /* of the arena, in the deputy */
	uint64_t reserved2[2];
	uint32_t signal_head; /* written by the deputy's handler */
	uint32_t signal_tail; /* written by the warden; futex for a full ring */
	uint64_t reserved3;
	struct om_signal signals[OM_SIGNAL_RING];
};
_Static_assert(offsetof(struct om_slot, number) == 32, "om_slot.number");
_Static_assert(offsetof(struct om_slot, arena) == 104, "om_slot.arena");
_Static_assert(offsetof(struct om_slot, signal_head) == 128, "om_slot.signal_head");
_Static_assert(offsetof(struct om_slot, signals) == 144, "om_slot.signals");
_Static_assert(sizeof(struct om_slot) <= OM_SLOT_HEADER_BYTES, "om_slot fits its header");

/* The signal by which the warden cancels a call of a deputy: rt_tgsigqueueinfo with this si_code (< 0, KERNEL.md 31)
 * and si_value = request. Any signal number does; the handler knows it by the code and does not pass it on. */
#define OM_CANCEL_SIGNAL  33
#define OM_CANCEL_SI_CODE (-0x4f4d)

#endif
