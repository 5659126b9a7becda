/* SPDX-License-Identifier: MIT
 *
 * The deputy: what the original thread does at home while its body is away. It waits on its slot, executes what the
 * warden put there, answers, and waits again; its signal handler puts what arrives into the slot's ring and cancels the
 * call in progress. Runs as the job's own user, with its own stack and TLS in the agent's block, every signal open;
 * trusts the warden, and is trusted by nobody. If the warden dies it waits; if it comes back it finds the slot as it
 * was.
 *
 * The handler is installed with every signal in sa_mask (it never nests: one writer to the ring), SA_SIGINFO,
 * SA_ONSTACK unset, SA_RESTART unset.
 */
#include "agent.h"

#define FUTEX_WAIT        0
#define FUTEX_WAKE        1
#define SIG_SETMASK       2
#define ARCH_SET_FS       0x1002
#define NR_RT_SIGPROCMASK 14
#define NR_ARCH_PRCTL     158
#define NR_FUTEX          202

_Static_assert(offsetof(struct om_slot, cancel) == 24, "SLOT_CANCEL of deputy.S");
_Static_assert(offsetof(struct om_slot, args) == 40, "SLOT_ARGS of deputy.S");

struct answer {
	int64_t result;
	uint64_t flags;
};

struct answer om_deputy_call(struct om_slot *slot, uint32_t request);
void om_deputy_run(struct om_slot *slot);
void om_signal_handler(int signo, uint8_t *info, uint8_t *context);
extern char om_agent_start[], om_call_begin[], om_call_end[], om_call_cancelled[];

static void wait_for_change(uint32_t *word, uint32_t value)
{
	om_syscall(NR_FUTEX, (uint64_t)word, FUTEX_WAIT, value, 0, 0, 0);
}

static void ring(struct om_slot *slot)
{
	__atomic_fetch_add(&slot->doorbell, 1, __ATOMIC_SEQ_CST);
	om_syscall(NR_FUTEX, (uint64_t)&slot->doorbell, FUTEX_WAKE, 1, 0, 0, 0);
}

static void give_answer(struct om_slot *slot, uint32_t request, struct answer answer)
{
	slot->result = answer.result;
	slot->answer_flags = (uint32_t)answer.flags;
	__atomic_store_n(&slot->answer, request, __ATOMIC_RELEASE);
	ring(slot);
}

void om_deputy_run(struct om_slot *slot)
{
	/* The first word of the TLS is how the handler finds the slot. */
	struct om_slot **tls = (struct om_slot **)(om_agent_start + OM_AREA_BLOCK_OFFSET + OM_BLOCK_DEPUTY_TLS);
	uint64_t open = 0;

	*tls = slot;
	om_syscall(NR_ARCH_PRCTL, ARCH_SET_FS, (uint64_t)tls, 0, 0, 0, 0);
	om_syscall(NR_RT_SIGPROCMASK, SIG_SETMASK, (uint64_t)&open, 0, sizeof(open), 0, 0);

	for (;;) {
		uint32_t request = __atomic_load_n(&slot->request, __ATOMIC_ACQUIRE);

		if (request == slot->answer) {
			wait_for_change(&slot->request, request);
			continue;
		}
		give_answer(slot, request, om_deputy_call(slot, request));
	}
}

#define INFO_CODE   8   /* siginfo_t.si_code */
#define INFO_VALUE  24  /* siginfo_t.si_value */
#define CONTEXT_RIP 168 /* ucontext_t.uc_mcontext.gregs[REG_RIP] */

static void keep(struct om_slot *slot, int signo, const uint8_t *info)
{
	uint32_t head = slot->signal_head, tail;

	while (head - (tail = __atomic_load_n(&slot->signal_tail, __ATOMIC_ACQUIRE)) >= OM_SIGNAL_RING)
		wait_for_change(&slot->signal_tail, tail);

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
