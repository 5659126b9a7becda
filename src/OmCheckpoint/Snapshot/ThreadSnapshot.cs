using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Google.Protobuf;
using OpenMosix.Checkpoint.Cpu;
using OpenMosix.Checkpoint.Freeze;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Proc;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Snapshot;

/// <summary>One thread: what ptrace and /proc tell, and what only the thread itself can ask, in one batch. Signals that wait come later.</summary>
/// <param name="ahead">How far the process's CLOCK_MONOTONIC, which in a cell is home's, is ahead of ours.</param>
internal sealed class ThreadSnapshot(FrozenThreads frozen, Agent agent, ProcessImage image, SnapshotOptions options, long ahead)
{
    private const ulong PR_GET_TID_ADDRESS = 40;
    private const int StackBytes = 24; // stack_t: address, flags, size

    public ThreadImage Take(int index)
    {
        var tracee = frozen.Threads[index].Tracee;
        var resumption = RestartRules.ForImage(tracee, tracee.Registers, frozen.Threads[index].Context);
        var stat = ThreadStat.Read(frozen.Pid, tracee.Tid) ?? throw new TraceeException($"thread {tracee.Tid} is gone", Errno.ESRCH);
        var thread = new ThreadImage
        {
            Tid = index == 0 ? image.Pid : options.Remote ? ThreadBirth.InnermostTid(tracee) : tracee.Tid,
            Slot = options.Slot?.Invoke(tracee.Tid) ?? (uint)index,
            Name = Name(tracee.Tid),
            Nice = stat.Nice,
            Registers = ByteString.CopyFrom(MemoryMarshal.AsBytes([resumption.Registers])),
            SignalMask = tracee.SignalMask,
            ResumedCall = (uint)resumption.Call,
            ResumedDeadlineNs = resumption.Call == 0 ? 0 : resumption.Deadline + ahead,
            Restart = (uint)resumption.Restart,
        };
        XsaveLayout.Save(tracee, thread);
        Restartable(tracee, thread);
        Ask(tracee, thread);
        if (options.Forwarded?.Invoke(tracee.Tid) is { } forwarded && resumption.Registers.Rax == (ulong)forwarded.Number)
        {
            thread.ResumedCall = (uint)forwarded.Number;
            thread.ResumedDeadlineNs = forwarded.LeftNs > long.MaxValue / 4
                ? long.MaxValue
                : image.Clocks.MonotonicNs + (long)forwarded.LeftNs;
            thread.ResumedDone = forwarded.Done;
        }

        return thread;
    }

    private string Name(int tid)
    {
        var name = ProcFile.Read($"/proc/{frozen.Pid}/task/{tid}/comm") ?? "";
        return name.EndsWith('\n') ? name[..^1] : name;
    }

    private static void Restartable(Tracee tracee, ThreadImage thread)
    {
        var configuration = RseqRules.Configuration(tracee);
        thread.RseqAddress = configuration.Address;
        thread.RseqBytes = configuration.Size;
        thread.RseqSignature = configuration.Signature;
    }

    private void Ask(Tracee tracee, ThreadImage thread)
    {
        var batch = agent.NewBatch(stopOnError: true);
        var stack = batch.Reserve(StackBytes);
        var words = batch.Reserve(3 * sizeof(ulong)); // tid address, robust list, its length
        batch.Add(CallNumber.sigaltstack, 0, stack);
        batch.Add(CallNumber.prctl, PR_GET_TID_ADDRESS, words);
        batch.Add(CallNumber.get_robust_list, 0, words + 8, words + 16);
        var results = agent.Execute(batch, tracee, "asking for a thread's state");
        var stackWords = results.Bytes(stack, StackBytes);
        thread.AltstackAddress = BinaryPrimitives.ReadUInt64LittleEndian(stackWords);
        thread.AltstackFlags = BinaryPrimitives.ReadUInt32LittleEndian(stackWords[8..]);
        thread.AltstackBytes = BinaryPrimitives.ReadUInt64LittleEndian(stackWords[16..]);
        var answered = results.Bytes(words, 3 * sizeof(ulong));
        thread.ClearChildTid = BinaryPrimitives.ReadUInt64LittleEndian(answered);
        thread.RobustList = BinaryPrimitives.ReadUInt64LittleEndian(answered[8..]);
        thread.RobustListBytes = BinaryPrimitives.ReadUInt64LittleEndian(answered[16..]);
    }
}
