/* SPDX-License-Identifier: MIT
 *
 * Prints what the compiler makes of om_abi.h and of the kernel's structures, a name and a number a line: what C#
 * believes is compared with it.
 */
#define _GNU_SOURCE
#include "om_abi.h"
#include <linux/ptrace.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/user.h>

#define SAY(name, value)           printf(name " %llu\n", (unsigned long long)(value))
#define SAY_OF(name, slots, value) printf("of." name ".%u %llu\n", slots, (unsigned long long)(value))

int main(void)
{
	SAY("Version", OM_ABI_VERSION);
	SAY("Magic", OM_AGENT_MAGIC);
	SAY("CodeOffset", OM_AREA_CODE_OFFSET);
	SAY("CodeBytes", OM_AREA_CODE_BYTES);
	SAY("BlockOffset", OM_AREA_BLOCK_OFFSET);
	SAY("BlockBytes", OM_AREA_BLOCK_BYTES);
	SAY("ThreadsOffset", OM_AREA_THREADS_OFFSET);
	SAY("BatchOffset", OM_BLOCK_BATCH_OFFSET);
	SAY("BatchBytes", OM_BLOCK_BATCH_BYTES);
	SAY("DataOffset", OM_BLOCK_DATA_OFFSET);
	SAY("DataBytes", OM_BLOCK_DATA_BYTES);
	SAY("BatchStack", OM_BLOCK_BATCH_STACK);
	SAY("ThreadBytes", OM_THREAD_BYTES);
	SAY("ThreadTls", OM_THREAD_TLS);
	SAY("SlotHeaderBytes", OM_SLOT_HEADER_BYTES);
	SAY("SlotDataBytes", OM_SLOT_DATA_BYTES);
	SAY("SlotBytes", OM_SLOT_BYTES);
	SAY("SlotsMax", OM_SLOTS_MAX);
	SAY("ArenaHeaderBytes", OM_ARENA_HEADER_BYTES);
	SAY("ArenaSlots", offsetof(struct om_arena, slots));
	for (unsigned slots = 1; slots <= OM_SLOTS_MAX; slots *= 16) {
		SAY_OF("ArenaBytes", slots, OM_ARENA_BYTES(slots));
		SAY_OF("ArenaOffset", slots, OM_AREA_ARENA_OFFSET(slots));
		SAY_OF("AreaBytes", slots, OM_AREA_BYTES(slots));
		SAY_OF("SlotOffset", slots, OM_ARENA_SLOT_OFFSET(slots));
	}
	SAY("HeaderBytes", sizeof(struct om_agent_header));
	SAY("HeaderBatchEntry", offsetof(struct om_agent_header, batch_entry));
	SAY("HeaderDeputyEntry", offsetof(struct om_agent_header, deputy_entry));
	SAY("HeaderSignalHandler", offsetof(struct om_agent_header, signal_handler));
	SAY("HeaderSignalRestorer", offsetof(struct om_agent_header, signal_restorer));
	SAY("CallBytes", sizeof(struct om_call));
	SAY("CallResult", offsetof(struct om_call, result));
	SAY("BatchHeaderBytes", sizeof(struct om_batch));
	SAY("BatchDone", offsetof(struct om_batch, done));
	SAY("StopOnError", OM_BATCH_STOP_ON_ERROR);
	SAY("SlotIndex", offsetof(struct om_slot, index));
	SAY("SlotTid", offsetof(struct om_slot, tid));
	SAY("SlotData", offsetof(struct om_slot, data));
	SAY("SlotArena", offsetof(struct om_slot, arena));
	SAY("SlotSignalHead", offsetof(struct om_slot, signal_head));
	SAY("SlotSignalTail", offsetof(struct om_slot, signal_tail));
	SAY("SlotSignals", offsetof(struct om_slot, signals));
	SAY("SignalBytes", sizeof(struct om_signal));
	SAY("SignalInfo", offsetof(struct om_signal, info));
	SAY("SignalRing", OM_SIGNAL_RING);
	SAY("CancelCode", -OM_CANCEL_SI_CODE);
	SAY("kernel.Registers", sizeof(struct user_regs_struct));
	SAY("kernel.Registers.OrigRax", offsetof(struct user_regs_struct, orig_rax));
	SAY("kernel.Registers.Rip", offsetof(struct user_regs_struct, rip));
	SAY("kernel.Registers.Rsp", offsetof(struct user_regs_struct, rsp));
	SAY("kernel.Registers.FsBase", offsetof(struct user_regs_struct, fs_base));
	SAY("kernel.FileStatus", sizeof(struct stat));
	SAY("kernel.FileStatus.Bytes", offsetof(struct stat, st_size));
	SAY("kernel.FileStatus.ModifySeconds", offsetof(struct stat, st_mtim));
	SAY("kernel.PeekSiginfoArgs", sizeof(struct ptrace_peeksiginfo_args));
	SAY("kernel.PeekSiginfoArgs.Flags", offsetof(struct ptrace_peeksiginfo_args, flags));
	SAY("kernel.RseqConfiguration", sizeof(struct ptrace_rseq_configuration));
	SAY("kernel.RseqConfiguration.Signature", offsetof(struct ptrace_rseq_configuration, signature));
	return 0;
}
