/* SPDX-License-Identifier: MIT
 *
 * The head of the blob (struct om_agent_header) and the entry of a batch.
 */
#define OM_ABI_VERSION 2

	.section .agent.header, "ax", @progbits
	.globl om_agent_start
om_agent_start:
	.quad 0x544e4741584d4f01
	.long OM_ABI_VERSION
	.long om_agent_end - om_agent_start
	.long om_batch_entry - om_agent_start
	.long om_deputy_entry - om_agent_start
	.long om_signal_handler - om_agent_start
	.long om_signal_restorer - om_agent_start
	.long om_call_begin - om_agent_start
	.long om_call_end - om_agent_start
	.long om_call_cancelled - om_agent_start
	.long 0

	.text
	.globl om_batch_entry
om_batch_entry: /* rdi: the batch, rsp: a stack in the agent's block. The tracer waits for the int3. */
	call om_batch_run
	int3
	ud2

	.section .note.GNU-stack, "", @progbits
