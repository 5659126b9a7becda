// A deputy that forks: on the thread of what the body asks. The child begins as a deputy whose body is expected where its parent's is.
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using OpenMosix.Checkpoint.Restore;
using OpenMosix.Protocol.V1;
using OpenMosix.Warden.Forward;
using OpenMosix.Warden.Interop;

namespace OpenMosix.Warden.Held;

internal sealed partial class HomeProcess
{
    private const uint FirstEpoch = 1;
    private const int SIGKILL = 9, EMFILE = 24;

    private bool told; // of a forked one: that it has begun

    /// <summary>Held while it forks, and while its pages are given back: a child has them all or none.</summary>
    internal Lock Forking { get; } = new();

    /// <summary>By the slot that made them: children whose bodies may not have presented themselves yet. Under Forking.</summary>
    internal Dictionary<uint, (HomeProcess Child, int PidDescriptor)> Unclaimed { get; } = [];

    /// <summary>A child of this deputy, which has just been made and is a deputy too, in this arena. Null: it cannot be served, and has been ended.</summary>
    internal HomeProcess? Forked(int childPid, ulong childKey, SafeFileHandle arena)
    {
        if (Processes.OpenPidfd(childPid) is not { } childPidfd)
        {
            HomeSide.Abandon(arena);
            return null;
        }
        var child = new HomeProcess(childKey, childPid, childPidfd, Context)
        {
            State = HomeState.Deputy,
            deputy = deputy! with { Pid = childPid, Threads = [new DeputyThread(Leader, childPid)], Arena = arena },
            parentKey = Key,
            guarded = guarded,
        };
        if (child.BeginForked(State == HomeState.DeputyKept, bodyNode, out int errno))
            return child;
        LogNotForked(Key, childPid, errno);
        return null;
    }

    /// <summary>It was forked, and its body has not been heard of.</summary>
    internal bool IsUnclaimed => parentKey != 0 && !told && State is HomeState.Deputy;

    /// <summary>Once, when its body has presented itself.</summary>
    internal void TellBegan()
    {
        lock (Forking)
        {
            if (parentKey != 0 && !told)
                Context.Tell(new() { Began = new ProcessBegan { Process = Describe(), ParentKey = parentKey } });
            told = true;
        }
    }

    private bool BeginForked(bool pagesKept, string node, out int errno)
    {
        Context.Held.TryAdd(this);
        if (TryBeginHandover(out errno) && TakeOver(out errno) && Introduce(out errno))
        {
            if (pagesKept)
                DropPages();
            errno = -Side!.Expect(node, FirstEpoch, takeBack: false);
            if (errno == 0)
            {
                (epoch, bodyNode) = (FirstEpoch, node);
                WriteRecord();
                return true;
            }
        }
        Processes.SendSignal(pidfd, SIGKILL);
        CloseSide();
        Gone(Control.Replies.Done());
        return false;
    }

    private bool TryBeginHandover(out int errno)
    {
        errno = 0;
        try
        {
            BeginHandover();
        }
        catch (IOException)
        {
            errno = EMFILE; // descriptors, most likely
        }
        return errno == 0;
    }

    /// <summary>Their parent was in the middle of making them when it ended.</summary>
    private void EndUnclaimed()
    {
        lock (Forking)
            foreach ((HomeProcess child, _) in Unclaimed.Values.Where(made => made.Child.IsUnclaimed))
                child.Kill();
    }

    internal void Kill()
    {
        try
        {
            Processes.SendSignal(pidfd, SIGKILL);
        }
        catch (ObjectDisposedException)
        {
            // it has ended meanwhile
        }
    }

    [LoggerMessage(EventId = 211, Level = LogLevel.Warning, Message = "key {Key:x16}: its child {Pid} cannot be served, and was ended: errno {Errno}")]
    private partial void LogNotForked(ulong key, int pid, int errno);
}
