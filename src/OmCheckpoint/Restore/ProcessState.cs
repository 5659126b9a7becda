using System.Buffers.Binary;
using System.Text;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Restore;

/// <summary>What a thread and its process have beside memory and registers, as calls to be executed by the thread itself.</summary>
internal static class ProcessState
{
    private const ulong PRIO_PROCESS = 0;
    private const ulong PR_SET_DUMPABLE = 4;
    private const ulong PR_SET_NAME = 15;
    private const ulong PR_SET_MM = 35;
    private const ulong PR_SET_MM_MAP = 14;
    private const ulong PR_SET_THP_DISABLE = 41;
    private const ulong RSEQ_FLAG_UNREGISTER = 1;
    private const int SS_DISABLE = 2;
    private const int RobustListHeadBytes = 24;
    private const int MmMapBytes = 104; // struct prctl_mm_map, linux/prctl.h

    /// <summary>Altstack, rseq, robust list, tid address: as the body has them.</summary>
    public static void AddThread(Batch batch, ThreadImage thread)
    {
        batch.Add(CallNumber.sigaltstack, batch.Data(Altstack(thread.AltstackAddress, thread.AltstackFlags, thread.AltstackBytes)), 0);
        batch.Add(CallNumber.set_tid_address, thread.ClearChildTid);
        batch.Add(CallNumber.set_robust_list, thread.RobustList, RobustListHeadBytes);
        if (thread.RseqAddress != 0)
        {
            batch.Add(CallNumber.rseq, thread.RseqAddress, thread.RseqBytes, 0, thread.RseqSignature);
        }
    }

    /// <summary>The thread's ties to memory that goes away are cut (KERNEL.md 6).</summary>
    public static void AddUntied(Batch batch, Tracee tracee)
    {
        AddRseqUnregistered(batch, tracee);
        batch.Add(CallNumber.set_robust_list, 0, RobustListHeadBytes);
        batch.Add(CallNumber.set_tid_address, 0);
        batch.Add(CallNumber.sigaltstack, batch.Data(Altstack(0, SS_DISABLE, 0)), 0);
    }

    /// <summary>prctls of a process that is built anew. At home they have never changed.</summary>
    public static void AddProcess(Batch batch, ProcessImage image)
    {
        batch.Add(CallNumber.prctl, PR_SET_DUMPABLE, image.Dumpable ? 1u : 0u);
        batch.Add(CallNumber.prctl, PR_SET_THP_DISABLE, image.ThpDisable, 0, 0, 0);
        for (var command = 1u; command <= image.Membarrier && command != 0; command <<= 1)
        {
            if ((image.Membarrier & command) != 0)
            {
                batch.Add(CallNumber.membarrier, command); // each has a bit of its own (membarrier(2))
            }
        }
    }

    /// <summary>Likewise of a thread. A nice value that asks for more than others get may be refused: home keeps the true one.</summary>
    public static void AddNewThread(Batch batch, ThreadImage thread, ProcessImage image)
    {
        var name = new byte[16]; // TASK_COMM_LEN, with its NUL
        var text = Encoding.UTF8.GetBytes(thread.Name);
        text.AsSpan(0, Math.Min(text.Length, name.Length - 1)).CopyTo(name);
        batch.Add(CallNumber.prctl, PR_SET_NAME, batch.Data(name));
        batch.Add(CallNumber.personality, image.Personality);
        batch.Add(CallNumber.setpriority, PRIO_PROCESS, 0, (ulong)thread.Nice);
    }

    /// <summary>brk, arguments, environment and auxv, in one call that needs no capability (prctl(2), PR_SET_MM_MAP).</summary>
    public static int AddLayout(Batch batch, MemoryLayout layout)
    {
        var map = new byte[MmMapBytes];
        ulong[] fields =
        [
            layout.StartCode, layout.EndCode, layout.StartData, layout.EndData, layout.StartBrk, layout.Brk, layout.StartStack,
            layout.ArgStart, layout.ArgEnd, layout.EnvStart, layout.EnvEnd, batch.Data(layout.Auxv.Span),
        ];
        for (var i = 0; i < fields.Length; i++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(map.AsSpan(8 * i), fields[i]);
        }

        BinaryPrimitives.WriteInt32LittleEndian(map.AsSpan(96), layout.Auxv.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(map.AsSpan(100), uint.MaxValue); // the executable stays
        return batch.Add(CallNumber.prctl, PR_SET_MM, PR_SET_MM_MAP, batch.Data(map), MmMapBytes, 0);
    }

    private static void AddRseqUnregistered(Batch batch, Tracee tracee)
    {
        Tracee.Check(Ptrace.GetRseqConfiguration(tracee.Tid, out var rseq), "PTRACE_GET_RSEQ_CONFIGURATION");
        if (rseq.Address != 0)
        {
            batch.Add(CallNumber.rseq, rseq.Address, rseq.Size, RSEQ_FLAG_UNREGISTER, rseq.Signature);
        }
    }

    private static byte[] Altstack(ulong address, uint flags, ulong bytes)
    {
        // stack_t; only what can be set: SS_ONSTACK is told, not asked for.
        const uint SettableFlags = 0x8000_0000 | SS_DISABLE;
        var stack = new byte[24];
        BinaryPrimitives.WriteUInt64LittleEndian(stack, address);
        BinaryPrimitives.WriteUInt32LittleEndian(stack.AsSpan(8), address == 0 ? SS_DISABLE : flags & SettableFlags);
        BinaryPrimitives.WriteUInt64LittleEndian(stack.AsSpan(16), bytes);
        return stack;
    }
}
