/* SPDX-License-Identifier: MIT
 *
 * The deputy: what an original thread does at home while its body is away. It waits on its slot, executes what the
 * warden put there, answers, and waits again; its signal handler puts what arrives into the slot's ring and cancels the
 * call in progress. Runs as the job's own user, with a stack and TLS of its own in the agent's area, every signal open;
 * trusts the warden, and is trusted by nobody. If the warden dies it waits; if it comes back it finds the slot as it
 * was. Threads have nothing in common but the arena's doorbell: none waits for another.
 *
 * The handler is installed with every signal in sa_mask (it never nests: one writer to the ring), SA_SIGINFO,
 * SA_ONSTACK unset, SA_RESTART unset.
 */
#include "agent.h"

#define FUTEX_WAIT          0
#define FUTEX_WAKE          1
#define SIG_SETMASK         2
#define CLONE_PARENT_SETTID 0x100000
#define ARCH_SET_FS         0x1002
#define MREMAP_MAYMOVE      1
#define MREMAP_FIXED        2
#define NR_MUNMAP           11
#define NR_RT_SIGPROCMASK   14
#define NR_MREMAP           25
#define NR_CLONE            56
#define NR_EXIT             60
#define NR_ARCH_PRCTL       158
#define NR_FUTEX            202
#define NR_SET_TID_ADDRESS  218
#define NR_EXIT_GROUP       231

_Static_assert(offsetof(struct om_slot, tid) == 20, "SLOT_TID of deputy.S");
_Static_assert(offsetof(struct om_slot, cancel) == 24, "SLOT_CANCEL of deputy.S");
_Static_assert(offsetof(struct om_slot, args) == 40, "SLOT_ARGS of deputy.S");

struct answer {
	int64_t result;
	uint64_t flags;
};

struct answer om_deputy_call(struct om_slot *slot, uint32_t request);
int64_t om_deputy_clone(uint64_t flags, uint64_t tls, uint64_t slot);
_Noreturn void om_deputy_entry(struct om_slot *slot, struct om_slot **tls);
void om_deputy_run(struct om_slot *slot, struct om_slot **tls);
void om_signal_handler(int signo, uint8_t *info, uint8_t *context);
extern char om_call_begin[], om_call_end[], om_call_cancelled[];

static void set_mask(uint64_t blocked)
{
	om_syscall(NR_RT_SIGPROCMASK, SIG_SETMASK, (uint64_t)&blocked, 0, sizeof(blocked), 0, 0);
}

static void ring(const struct om_slot *slot)
{
	struct om_arena *arena = (struct om_arena *)slot->arena;

	/* In this order: whoever the bell wakes finds out who rang. */
	__atomic_fetch_or(&arena->rung[slot->index / 64], 1ull << (slot->index % 64), __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&arena->doorbell, 1, __ATOMIC_SEQ_CST);
	om_syscall(NR_FUTEX, (uint64_t)&arena->doorbell, FUTEX_WAKE, 1, 0, 0, 0);
}

/* With every signal blocked: until it has a stack and a TLS of its own, a handler of the new thread would work on those
 * of the one that makes it. */
static struct answer make_thread(const struct om_slot *slot)
{
	struct answer answer = {0, 0};

	set_mask(~0ull);
	answer.result =
		om_deputy_clone(slot->args[0] | CLONE_PARENT_SETTID, slot->args[2] + OM_THREAD_TLS, slot->args[1]);
	set_mask(0);
	return answer;
}

/* The first thread's stack is here as it was in the parent, and free. */
_Noreturn static void be_child(uint64_t arena, uint32_t slots, uint64_t own_arena)
{
	uint64_t bytes = OM_ARENA_BYTES(slots);
	uint64_t threads = arena - OM_AREA_ARENA_OFFSET(slots) + OM_AREA_THREADS_OFFSET;

	if (om_syscall(NR_MREMAP, own_arena, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, arena, 0) != (int64_t)arena)
		for (;;)
			om_syscall(NR_EXIT_GROUP, 255, 0, 0, 0, 0, 0);
	om_deputy_entry((struct om_slot *)(arena + OM_ARENA_SLOT_OFFSET(0)),
			(struct om_slot **)(threads + OM_THREAD_TLS));
}

/* With every signal blocked, as above. */
static struct answer make_process(const struct om_slot *slot)
{
	struct answer answer = {0, 0};
	uint64_t arena = slot->arena, own_arena = slot->args[1];
	uint32_t slots = ((const struct om_arena *)arena)->slots;

	set_mask(~0ull);
	answer.result = om_syscall(NR_CLONE, slot->args[0], 0, slot->args[2], 0, 0, 0);
	if (answer.result == 0)
		be_child(arena, slots, own_arena);
	om_syscall(NR_MUNMAP, own_arena, OM_ARENA_BYTES(slots), 0, 0, 0, 0);
	set_mask(0);
	return answer;
}

/* What is queued for the process from here on another thread takes. */
_Noreturn static void end_thread(struct om_slot *slot)
{
	set_mask(~0ull);
	om_syscall(NR_SET_TID_ADDRESS, (uint64_t)&slot->gone, 0, 0, 0, 0, 0);
	for (;;)
		om_syscall(NR_EXIT, slot->args[0], 0, 0, 0, 0, 0);
}

static struct answer execute(struct om_slot *slot, uint32_t request)
{
	switch (slot->number) {
	case OM_DEPUTY_CLONE:
		return make_thread(slot);
	case OM_DEPUTY_FORK:
		return make_process(slot);
	case OM_DEPUTY_EXIT:
		end_thread(slot);
	default:
		return om_deputy_call(slot, request);
	}
}

static void give_answer(struct om_slot *slot, uint32_t request, struct answer answer)
{
	slot->result = answer.result;
	slot->answer_flags = (uint32_t)answer.flags;
	__atomic_store_n(&slot->answer, request, __ATOMIC_RELEASE);
	ring(slot);
}

void om_deputy_run(struct om_slot *slot, struct om_slot **tls)
{
	/* The first word of the TLS is how the handler finds the slot. */
	*tls = slot;
	om_syscall(NR_ARCH_PRCTL, ARCH_SET_FS, (uint64_t)tls, 0, 0, 0, 0);
	set_mask(0);

	for (;;) {
		uint32_t request = __atomic_load_n(&slot->request, __ATOMIC_ACQUIRE);

		if (request == slot->answer) {
			om_syscall(NR_FUTEX, (uint64_t)&slot->request, FUTEX_WAIT, request, 0, 0, 0);
			continue;
		}
		give_answer(slot, request, execute(slot, request));
	}
}

#define INFO_CODE   8   /* siginfo_t.si_code */
#define INFO_VALUE  24  /* siginfo_t.si_value */
#define CONTEXT_RIP 168 /* ucontext_t.uc_mcontext.gregs[REG_RIP] */

static void keep(struct om_slot *slot, int signo, const uint8_t *info)
{
	uint32_t head = slot->signal_head, tail;

	/* The fifth argument means nothing to the kernel: a tracer that finds the thread here finds the signal it has
	 * in hand (DeputyHandler.cs). */
	while (head - (tail = __atomic_load_n(&slot->signal_tail, __ATOMIC_ACQUIRE)) >= OM_SIGNAL_RING)
		om_syscall(NR_FUTEX, (uint64_t)&slot->signal_tail, FUTEX_WAIT, tail, 0, (uint64_t)info, 0);

	struct om_signal *signal = &slot->signals[head % OM_SIGNAL_RING];

	signal->signo = signo;
	for (uint32_t i = 0; i < sizeof(signal->info); i += 8)
		*(volatile uint64_t *)(signal->info + i) = *(const uint64_t *)(info + i);
	__atomic_store_n(&slot->signal_head, head + 1, __ATOMIC_RELEASE);
	ring(slot);
}

void om_signal_handler(int signo, uint8_t *info, uint8_t *context)
{
	struct om_slot *slot;
	uint64_t *rip = (uint64_t *)(context + CONTEXT_RIP);

	__asm__("mov %%fs:0, %0" : "=r"(slot));
	if (*(int32_t *)(info + INFO_CODE) == OM_CANCEL_SI_CODE) {
		/* One that was meant for a call that has ended meanwhile. */
		if (*(uint32_t *)(info + INFO_VALUE) != __atomic_load_n(&slot->request, __ATOMIC_ACQUIRE))
			return;
	} else {
		keep(slot, signo, info);
	}
	if (*rip >= (uint64_t)om_call_begin && *rip < (uint64_t)om_call_end)
		*rip = (uint64_t)om_call_cancelled;
}
