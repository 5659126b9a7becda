/* SPDX-License-Identifier: MIT
 *
 * Where a thread of a deputy enters, made by clone or put there by a tracer, the one place from which it executes a
 * forwarded call, and the way back from its signal handler.
 *
 * Cancelling without a race (KERNEL.md 11): from om_call_begin up to and including `syscall` nothing has happened yet, so a
 * signal that finds the thread there may send it to om_call_cancelled. Behind it the call has had its effect, or
 * the kernel itself has answered -EINTR.
 */
#define SLOT_TID    20
#define SLOT_CANCEL 24
#define SLOT_NUMBER 32
#define SLOT_ARGS   40
#define ANSWER_CANCELLED 1
#define EINTR 4

	.text
	.globl om_deputy_entry
om_deputy_entry: /* rdi: the slot, rsi: the TLS, below which the stack begins. Every signal is blocked; om_deputy_run opens the mask. */
	xor %ebp, %ebp
	mov %rsi, %rsp
	call om_deputy_run
	ud2

	.globl om_deputy_clone
om_deputy_clone: /* rdi: flags, rsi: the new thread's TLS, rdx: its slot; every signal is blocked. Returns what clone(2) does. */
	mov %rdx, %r9 /* clone has five arguments: what is here the new thread finds here */
	lea SLOT_TID(%rdx), %rdx
	xor %r10d, %r10d
	xor %r8d, %r8d
	mov $56, %eax
	syscall
	test %rax, %rax
	jz 1f
	ret
1:
	mov %r9, %rdi
	jmp om_deputy_entry

	.globl om_deputy_call
om_deputy_call: /* rdi: the slot, esi: its request; returns the result in rax, OM_ANSWER_* in rdx */
	push %rbx
	mov %rdi, %rbx
	.globl om_call_begin
om_call_begin:
	cmp %esi, SLOT_CANCEL(%rbx)
	je om_call_cancelled
	mov SLOT_NUMBER(%rbx), %rax
	mov SLOT_ARGS(%rbx), %rdi
	mov SLOT_ARGS + 8(%rbx), %rsi
	mov SLOT_ARGS + 16(%rbx), %rdx
	mov SLOT_ARGS + 24(%rbx), %r10
	mov SLOT_ARGS + 32(%rbx), %r8
	mov SLOT_ARGS + 40(%rbx), %r9
	syscall
	.globl om_call_end
om_call_end:
	xor %edx, %edx
	pop %rbx
	ret
	.globl om_call_cancelled
om_call_cancelled: /* the stack and rbx are as between begin and end */
	mov $-EINTR, %rax
	mov $ANSWER_CANCELLED, %edx
	pop %rbx
	ret

	.globl om_signal_restorer
om_signal_restorer:
	mov $15, %eax /* rt_sigreturn */
	syscall
	ud2

	.section .note.GNU-stack, "", @progbits
