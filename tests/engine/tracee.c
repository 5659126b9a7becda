/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "engine/om_syscalls.h"
#include "tracee.h"

struct batch {
	struct om_batch head;
	struct om_call call;
	uint8_t info[128];
};

static void fail(const char *what)
{
	fprintf(stderr, "tracer: %s: %s\n", what, strerror(errno));
	abort();
}

/* false: it has ended. */
static bool wait_stop(pid_t tid, int *status)
{
	if (waitpid(tid, status, __WALL) != tid)
		fail("waitpid");
	return WIFSTOPPED(*status);
}

/* A signal queued before may be on its way to its handler just now: it goes on, or it would be lost with the detach. */
bool tracee_await(struct world *w, uint32_t slot)
{
	pid_t tid = w->tids[slot];
	int status;
	while (wait_stop(tid, &status)) {
		if (status >> 16 == PTRACE_EVENT_STOP)
			return true;
		ptrace(PTRACE_CONT, tid, 0, WSTOPSIG(status));
	}
	return false;
}

bool tracee_queue(struct world *w, uint32_t slot, const struct om_signal *signal)
{
	pid_t tid = w->tids[slot];
	const uint64_t at = AREA + OM_AREA_BLOCK_OFFSET;
	struct om_agent_header header;
	struct user_regs_struct saved, regs;
	struct batch batch = {.head = {.count = 1}};
	uint64_t mask, all = ~(1ull << (SIGTRAP - 1));
	memcpy(batch.info, signal->info, sizeof(batch.info));
	batch.call = (struct om_call){
		.number = SYS_rt_tgsigqueueinfo,
		.args = {(uint64_t)w->body, (uint64_t)tid, (uint64_t)signal->signo, at + offsetof(struct batch, info)}};
	struct iovec local = {&batch, sizeof(batch)}, there = {(void *)at, sizeof(batch)};
	struct iovec local_header = {&header, sizeof(header)}, header_there = {(void *)AREA, sizeof(header)};
	if (process_vm_writev(w->body, &local, 1, &there, 1, 0) < 0 ||
	    process_vm_readv(w->body, &local_header, 1, &header_there, 1, 0) < 0)
		fail("body's memory");
	if (ptrace(PTRACE_GETREGS, tid, 0, &saved) || ptrace(PTRACE_GETSIGMASK, tid, 8, &mask) ||
	    ptrace(PTRACE_SETSIGMASK, tid, 8, &all))
		fail("registers");
	regs = saved;
	regs.rip = AREA + header.batch_entry;
	regs.rdi = at;
	regs.rsp = at + OM_BLOCK_BATCH_STACK;
	regs.orig_rax = (unsigned long long)-1;
	if (ptrace(PTRACE_SETREGS, tid, 0, &regs) || ptrace(PTRACE_CONT, tid, 0, 0))
		fail("batch");
	int status;
	if (!wait_stop(tid, &status))
		return false;
	if (ptrace(PTRACE_SETREGS, tid, 0, &saved) || ptrace(PTRACE_SETSIGMASK, tid, 8, &mask))
		fail("registers back");
	if (process_vm_readv(w->body, &local, 1, &there, 1, 0) < 0 || batch.call.result != 0)
		fail("rt_tgsigqueueinfo");
	return true;
}

/* Signals that wait, but for those that would be gone without a trace when they are taken. */
static uint64_t pending(pid_t tid)
{
	static const char *const names[] = {"SigPnd", "ShdPnd", "SigIgn", "SigCgt"};
	const uint64_t by_default_ignored =
		1ull << (SIGCHLD - 1) | 1ull << (SIGCONT - 1) | 1ull << (SIGURG - 1) | 1ull << (SIGWINCH - 1);
	uint64_t sets[4] = {0};
	char path[64], line[256];
	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	FILE *f = fopen(path, "re");
	if (!f)
		fail(path);
	while (fgets(line, sizeof(line), f))
		for (int i = 0; i < 4; i++)
			if (!strncmp(line, names[i], 6))
				sets[i] = strtoull(line + 7, NULL, 16);
	fclose(f);
	return (sets[0] | sets[1]) & ~sets[2] & (sets[3] | ~by_default_ignored);
}

/* ppoll and its kin: om_remote_mask says what happens here. Returns the signal to detach with. */
int tracee_end_masked_wait(struct world *w, uint32_t slot)
{
	pid_t tid = w->tids[slot];
	const uint64_t at = AREA + OM_AREA_BLOCK_OFFSET + OM_BLOCK_DATA_OFFSET;
	struct user_regs_struct saved, regs;
	uint64_t mask;
	if (!om_remote_mask(w->remote, slot, &mask) || !(pending(tid) & ~mask))
		return 0;
	struct iovec local = {&mask, sizeof(mask)}, there = {(void *)at, sizeof(mask)};
	if (process_vm_writev(w->body, &local, 1, &there, 1, 0) < 0 || ptrace(PTRACE_GETREGS, tid, 0, &saved))
		fail("mask");
	regs = saved;
	regs.rip -= 2;
	regs.rax = SYS_rt_sigsuspend;
	regs.rdi = at;
	regs.rsi = sizeof(mask);
	regs.orig_rax = (unsigned long long)-1;
	int status;
	if (ptrace(PTRACE_SETREGS, tid, 0, &regs) || ptrace(PTRACE_CONT, tid, 0, 0) || !wait_stop(tid, &status))
		fail("rt_sigsuspend");
	saved.rax = (unsigned long long)-EINTR;
	saved.orig_rax = (unsigned long long)-1;
	if (ptrace(PTRACE_SETREGS, tid, 0, &saved))
		fail("registers of the call");
	return WSTOPSIG(status);
}

bool tracee_seize(struct world *w, uint32_t slot)
{
	pid_t tid = w->tids[slot];
	if (ptrace(PTRACE_SEIZE, tid, 0, 0)) {
		if (errno != ESRCH && errno != EPERM)
			fail("PTRACE_SEIZE");
		return false;
	}
	ptrace(PTRACE_INTERRUPT, tid, 0, 0);
	return true;
}

/* The kernel says -ERESTARTSYS of a call that nobody had taken from the listener. One that goes on with what is left of
 * it had waited before: what says EINTR whatever SA_RESTART says does so then (RestartRules.NotTaken). */
void tracee_interrupt_rest(struct world *w, uint32_t slot)
{
	pid_t tid = w->tids[slot];
	struct user_regs_struct regs;
	int32_t number;
	uint64_t left_ns, done;
	if (!om_remote_left(w->remote, slot, &number, &left_ns, &done))
		return;
	if (ptrace(PTRACE_GETREGS, tid, 0, &regs))
		fail("registers");
	const uint64_t args[6] = {regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9};
	if ((int64_t)regs.orig_rax != number || (int64_t)regs.rax != -512 ||
	    om_syscall_of(number, args)->restart != EINTR)
		return;
	regs.rax = (unsigned long long)-514;
	if (ptrace(PTRACE_SETREGS, tid, 0, &regs))
		fail("registers of a rest");
}
