/* SPDX-License-Identifier: MIT
 *
 * Stands in where the deputy's part of the agent is not linked: a thread that gets here dies of SIGILL.
 */
	.text
	.weak om_deputy_entry, om_signal_handler, om_signal_restorer, om_call_begin, om_call_end, om_call_cancelled
om_deputy_entry:
om_signal_handler:
om_signal_restorer:
om_call_begin:
om_call_end:
om_call_cancelled:
	ud2

	.section .note.GNU-stack, "", @progbits
