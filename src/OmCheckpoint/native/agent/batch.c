/* SPDX-License-Identifier: MIT
 *
 * The batch transport: executes a list of calls in one resume of a thread that is stopped under ptrace. What it is
 * asked to do is the tracer's business; it only keeps count. Runs with every signal but SIGTRAP blocked by the tracer.
 */
#include "agent.h"

void om_batch_run(struct om_batch *batch)
{
	uint32_t count = batch->count;
	uint32_t stop_on_error = batch->flags & OM_BATCH_STOP_ON_ERROR;

	for (uint32_t i = 0; i < count; i++) {
		struct om_call *call = &batch->calls[i];

		call->result = om_syscall(call->number, call->args[0], call->args[1], call->args[2], call->args[3],
					  call->args[4], call->args[5]);
		batch->done = i + 1;
		if (stop_on_error && call->result < 0 && call->result > -4096)
			return;
	}
}
