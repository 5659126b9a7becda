// One process of a job, by its pid at home. The pidfd is the registry's; it is closed when the process leaves the registry.
using OpenMosix.Daemon.Interop;

namespace OpenMosix.Daemon.Jobs;

public sealed class JobProcess
{
    private readonly Pidfd _pidfd;
    private volatile Residence _residence;
    private (ulong Key, uint Epoch) _lastAttempt;
    private TaskCompletionSource _changed = NewChange();

    internal JobProcess(Job job, int pid, ulong startTicks, Pidfd pidfd, Residence residence)
    {
        Job = job;
        Pid = pid;
        StartTicks = startTicks;
        _pidfd = pidfd;
        _residence = residence;
    }

    public Job Job { get; }
    public int Pid { get; }
    public ulong StartTicks { get; }

    /// <summary>Replaced whole; written by Migration, which moves a process once at a time.</summary>
    public Residence Residence
    {
        get => _residence;
        internal set
        {
            _residence = value;
            TellChange();
        }
    }

    /// <summary>Ends with the next change of its residence, or when it has ended. To be read before what it may change.</summary>
    internal Task Changed => Volatile.Read(ref _changed).Task;

    /// <summary>The epoch of the next attempt to move it: above the one in force and those of all attempts under its key. For one move at a time.</summary>
    internal uint NextEpoch(Residence from)
    {
        if (from.Key == 0)
            return 1; // a key of its own for each
        uint next = Math.Max(from.Epoch, _lastAttempt.Key == from.Key ? _lastAttempt.Epoch : 0) + 1;
        _lastAttempt = (from.Key, next);
        return next;
    }

    public uint Moves { get; internal set; }

    /// <summary>Outcome of the last move, in words; empty before the first.</summary>
    public string LastMove { get; internal set; } = "";

    /// <summary>Resident bytes of the body when it was last seen; the deputy at home shows none of them.</summary>
    public ulong BodyBytes { get; internal set; }

    public bool HasEnded { get; private set; }

    /// <summary>False when it has ended already.</summary>
    public bool TrySignal(int signal)
    {
        try
        {
            return _pidfd.TrySignal(signal);
        }
        catch (ObjectDisposedException)
        {
            return false;
        }
    }

    internal Pidfd Handle => _pidfd;

    internal void End()
    {
        HasEnded = true;
        _pidfd.Dispose();
        TellChange();
    }

    private void TellChange() => Interlocked.Exchange(ref _changed, NewChange()).SetResult();

    private static TaskCompletionSource NewChange() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
