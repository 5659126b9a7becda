using Microsoft.Win32.SafeHandles;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Restore;

public sealed record FinishOptions
{
    /// <summary>A compiled seccomp filter (struct sock_filter[]) to run under; empty: none.</summary>
    public ReadOnlyMemory<byte> SeccompProgram { get; init; }

    /// <summary>Signals (siginfo, 128 bytes each) that reached the deputy and were not passed on: pending for the process.</summary>
    public IReadOnlyList<byte[]> Signals { get; init; } = [];
}

/// <summary>
/// A process that is being made into the body an image describes: a blank child in a cell (Begin), the deputy at home (BeginReturn), or
/// the deputy of a move that did not happen (TakeBack). The caller writes the pages between Begin and Finish. Ends by Run or Abort;
/// Dispose aborts. Calls may come from any thread, one at a time.
/// </summary>
public sealed class RestoringProcess : IDisposable
{
    private RestoringProcess(int pid) => Pid = pid;

    public int Pid { get; }

    /// <summary>Per image.Files: the address at which file offset 0 lies while it is being filled (modulo 2^64); 0: not wanted.</summary>
    public IReadOnlyList<ulong> FileBases => throw new NotImplementedException();

    /// <summary>Takes a blank child (any process with one thread that only waits) and builds the address space. It stays stopped.
    /// It is killed should this process end before Run.</summary>
    public static Outcome<RestoringProcess> Begin(int pid, ProcessImage image) => throw new NotImplementedException();

    /// <summary>Home: stops the deputy and repairs the skeleton so that pages can be written.</summary>
    public static Outcome<RestoringProcess> BeginReturn(int pid, ProcessImage image) => throw new NotImplementedException();

    /// <summary>Home: a deputy whose body never ran goes on as the process image describes. Its pages were kept. Runs when this returns.</summary>
    public static Outcome TakeBack(int pid, ProcessImage image, FinishOptions? options = null) => throw new NotImplementedException();

    /// <summary>All pages are there. With a filter, returns the listener.</summary>
    public Outcome<SafeFileHandle?> Finish(FinishOptions? options = null) => throw new NotImplementedException();

    /// <summary>Lets it run, detached.</summary>
    public Outcome Run() => throw new NotImplementedException();

    /// <summary>A blank child is killed. A deputy is made a deputy again, in the agent, its pages undefined.</summary>
    public void Abort() => throw new NotImplementedException();

    public void Dispose() => throw new NotImplementedException();
}
