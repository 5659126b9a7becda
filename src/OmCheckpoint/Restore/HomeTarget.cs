using Microsoft.Win32.SafeHandles;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Pages;
using OpenMosix.Checkpoint.Proc;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Restore;

/// <summary>The deputy, which becomes the process again. Until Run it can be made a deputy once more.</summary>
internal sealed class HomeTarget : IRestoreTarget
{
    private readonly StoppedDeputy _deputy;
    private readonly ProcessImage _image;
    private readonly Func<MappedFile, SafeFileHandle?> _guarded;
    private bool _converted;

    /// <param name="guarded">What this process may not write by itself, if it is known to somebody who may; to be closed here.</param>
    public HomeTarget(StoppedDeputy deputy, Func<MappedFile, SafeFileHandle?> guarded)
    {
        _deputy = deputy;
        _guarded = guarded;
        _image = deputy.Image;
        FileStand? made = null;
        try
        {
            var extents = new ExtentIndex(_image);
            var skeleton = new Skeleton(deputy.Frozen.Pid, _image, extents);
            Files = made = FileStand.Make(
                deputy.Agent, deputy.Bodies.Leader, _image, file => skeleton.Lacks(file) || Comes(_image.Files[file]), Present,
                skeleton.Taken.Append((_image.AgentArea, deputy.Agent.Area.End.Value)));
            var batch = deputy.Agent.NewBatch(stopOnError: true);
            skeleton.AddRepair(batch, Files);
            foreach (var mapping in Mappings.OfBody(_image))
            {
                Mappings.AddHugePages(batch, mapping, extents);
            }

            deputy.Agent.Execute(batch, "repairing the skeleton");
        }
        catch (TraceeException)
        {
            Remove(deputy.Agent, made);
            deputy.Frozen.LetGo();
            throw;
        }
    }

    public FileStand Files { get; }

    public IReadOnlyList<RestoredThread> Threads =>
        [.. _image.Threads.Select(thread => new RestoredThread(thread.Tid, thread.Tid, thread.Slot))];

    /// <summary>The deputy of a body that never ran: its pages are those of the image still.</summary>
    public static void TakeBack(StoppedDeputy deputy, FinishOptions options)
    {
        BodyState.SetThreads(deputy.Agent, deputy.Bodies, deputy.Image);
        deputy.QueueSignals(options.Signals);
        GoOn(deputy);
    }

    public Outcome<SafeFileHandle?> Finish(FinishOptions options)
    {
        BodyState.SetMemory(_deputy.Agent, _image, Files);
        _converted = true;
        BodyState.SetThreads(_deputy.Agent, _deputy.Bodies, _image);
        _deputy.QueueSignals(options.Signals);
        return (SafeFileHandle?)null;
    }

    public void Run() => GoOn(_deputy);

    public void Abort()
    {
        Remove(_deputy.Agent, Files);
        if (!_converted)
        {
            _deputy.Frozen.LetGo();
            return;
        }

        // What came from the rings waits in the queues now, and goes the way of every signal of a deputy again.
        new DrainedSignals(_deputy.Agent, _deputy.Frozen.InnerPid).Take(_deputy.Bodies.All, _image);
        Deputizer.Convert(_deputy.Agent, _deputy.Bodies, _image);
        _deputy.Frozen.PutBack();
        Deputizer.Enter(_deputy.Agent.Area, _deputy.Bodies);
        _deputy.Frozen.Release();
    }

    /// <summary>No descriptor of ours stays in the job's table.</summary>
    private static void Remove(Agent agent, FileStand? files)
    {
        var removal = agent.NewBatch();
        files?.AddRemoval(removal);
        agent.Run(removal);
    }

    private static bool Comes(MappedFile file) => file.Memory && !file.Held;

    /// <summary>The memory itself, which this or another process of the group has kept; empty, if what is in it comes now, or as what comes makes it.</summary>
    private SafeFileHandle? Present(MappedFile memory)
    {
        var area = _deputy.Agent.Area;
        var file = MemoryFiles.Open(_deputy.Frozen.Pid, memory, area.Base.Value, area.End.Value) ?? _guarded(memory)
            ?? throw new TraceeException($"{memory.Path} is not mapped at home", Errno.ENOENT);
        var error = !Comes(memory) ? 0 : memory.Written ? FileContent.ClearOutside(file, memory.Ranges) : Kernel.Empty(file);
        if (error != 0)
        {
            file.Dispose();
            throw new TraceeException($"emptying {memory.Path}", error);
        }

        return file;
    }

    private static void GoOn(StoppedDeputy deputy)
    {
        var registers = BodyState.Interrupted(deputy.Agent, deputy.Bodies, native: true);
        deputy.Frozen.PutBack();
        deputy.Agent.SetTrap(Dispositions.OfBody(deputy.Image, Signals.SIGTRAP));
        deputy.Agent.Unmap(AddressSpace.SyscallInstruction(deputy.Bodies.Leader, MemoryMap.Read(deputy.Frozen.Pid)));
        BodyState.SetRegisters(deputy.Bodies, registers);
        deputy.Frozen.Release();
    }
}
