using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Proc;
using OpenMosix.Checkpoint.Tracing;

namespace OpenMosix.Checkpoint.Freeze;

/// <summary>The threads of one process that stand still, and the agent in it. On the tracer's thread.</summary>
internal sealed class FrozenThreads
{
    private readonly FreezeOptions _options;
    private readonly List<FrozenThread> _threads;
    private Agent? _agent;

    /// <param name="threads">The leader first when it is among them.</param>
    public FrozenThreads(int pid, FreezeOptions options, List<FrozenThread> threads)
    {
        Pid = pid;
        _options = options;
        _threads = threads;
        GroupStopped = First.Context.GroupStopped;
    }

    public int Pid { get; }

    /// <summary>As the process sees it itself.</summary>
    public int InnerPid => ProcessStatus.InnermostIds(Pid).Pid;

    public IReadOnlyList<FrozenThread> Threads => _threads;

    public FrozenThread First => _threads[0];

    /// <summary>The one that may send signals to the process with any si_code (rt_sigqueueinfo(2)).</summary>
    public FrozenThread Leader =>
        First.Tid == Pid ? First : throw new InvalidOperationException($"the first thread of {Pid} is not held, and only it can do this");

    /// <summary>It was stopped by a signal (SIGSTOP...).</summary>
    public bool GroupStopped { get; }

    /// <summary>PTRACE_O_* of its threads.</summary>
    public int WhileHeld => _options.WhileHeld;

    /// <param name="tid">null: the first.</param>
    public FrozenThread Of(int? tid) => tid is null ? First
        : _threads.Find(thread => thread.Tid == tid) ?? throw new InvalidOperationException($"thread {tid} of {Pid} is not held");

    /// <summary>The agent, brought in when it is first needed. Its host is the first thread.</summary>
    public Agent Agent() => _agent ??= _options.AgentArea is { } area ? Tracing.Agent.Find(First.Tracee, area) : Insert();

    /// <summary>Until the result is disposed the thread, which may execute something of its own, is under its filter.</summary>
    public IDisposable? Filtered(Tracee tracee)
    {
        if (!_options.SuspendSeccomp)
        {
            return null;
        }

        tracee.SetOptions(Ptrace.PTRACE_O_TRACESYSGOOD);
        return new Suspension(tracee, _options.WhileHeld);
    }

    /// <summary>Queues what had to be taken off the queues. Nothing may be executed in the threads behind this but quietly.</summary>
    public void PutBack()
    {
        foreach (var thread in _threads)
        {
            PutBack(thread);
        }
    }

    public void PutBack(FrozenThread thread)
    {
        if (_agent is not null)
        {
            SignalQueue.PutBack(_agent, thread.Tracee, First.Tid == Pid ? First.Tracee : null);
        }
    }

    /// <summary>All go on where they were.</summary>
    public void LetGo()
    {
        PutBack();
        _agent?.Leave();
        foreach (var thread in _threads)
        {
            thread.SetForThaw();
        }

        Release();
    }

    /// <summary>Detaches all with the registers as they are.</summary>
    public void Release()
    {
        if (_threads.Exists(thread => thread.Tracee.HeldStop))
        {
            _ = Kernel.Kill(Pid, Signals.SIGSTOP);
        }

        Tracee.DetachAll(_threads.Select(thread => thread.Tracee));
        _threads.Clear();
    }

    public void Add(FrozenThread thread) => _threads.Add(thread);

    /// <summary>This one has gone on, or has ended.</summary>
    public void Forget(FrozenThread thread) => _threads.Remove(thread);

    private Agent Insert()
    {
        var areas = MemoryMap.Read(Pid);
        var area = AddressSpace.ForAgent(areas, AgentRoom.For(Pid, _threads.Count));
        return Tracing.Agent.Insert(First.Tracee, area, AddressSpace.SyscallInstruction(First.Tracee, areas));
    }

    private sealed class Suspension(Tracee tracee, int options) : IDisposable
    {
        public void Dispose() => tracee.SetOptions(options);
    }
}
