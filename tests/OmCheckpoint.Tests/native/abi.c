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

#define SAY(name, value) printf(name " %llu\n", (unsigned long long)(value))

int main(void)
{
	SAY("Version", OM_ABI_VERSION);
	SAY("Magic", OM_AGENT_MAGIC);
	SAY("CodeOffset", OM_AREA_CODE_OFFSET);
	SAY("CodeBytes", OM_AREA_CODE_BYTES);
	SAY("BlockOffset", OM_AREA_BLOCK_OFFSET);
	SAY("BlockBytes", OM_AREA_BLOCK_BYTES);
	SAY("ArenaOffset", OM_AREA_ARENA_OFFSET);
	SAY("BatchOffset", OM_BLOCK_BATCH_OFFSET);
	SAY("BatchBytes", OM_BLOCK_BATCH_BYTES);
	SAY("DataOffset", OM_BLOCK_DATA_OFFSET);
	SAY("DataBytes", OM_BLOCK_DATA_BYTES);
	SAY("BatchStack", OM_BLOCK_BATCH_STACK);
	SAY("DeputyStack", OM_BLOCK_DEPUTY_STACK);
	SAY("DeputyTls", OM_BLOCK_DEPUTY_TLS);
	SAY("SlotHeaderBytes", OM_SLOT_HEADER_BYTES);
	SAY("SlotDataBytes", OM_SLOT_DATA_BYTES);
	SAY("SlotBytes", OM_SLOT_BYTES);
	SAY("ArenaSlots", OM_ARENA_SLOTS);
	SAY("ArenaBytes", OM_ARENA_BYTES);
	SAY("AreaBytes", OM_AREA_BYTES);
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
	SAY("SlotTid", offsetof(struct om_slot, tid));
	SAY("SlotData", offsetof(struct om_slot, data));
	SAY("SlotSignalHead", offsetof(struct om_slot, signal_head));
	SAY("SlotSignals", offsetof(struct om_slot, signals));
	SAY("SignalBytes", sizeof(struct om_signal));
	SAY("SignalInfo", offsetof(struct om_signal, info));
	SAY("SignalRing", OM_SIGNAL_RING);
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
