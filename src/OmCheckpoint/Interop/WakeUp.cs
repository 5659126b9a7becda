using System.Runtime.InteropServices;

namespace OpenMosix.Checkpoint.Interop;

/// <summary>
/// Gets a thread out of a blocking waitpid: a signal whose handler does nothing. It may come just before the wait begins and be lost, so
/// it is sent again until the wait has ended; the wait itself is woken by its own event and by nothing else. (SIGCHLD is no event to use:
/// System.Diagnostics.Process answers it with waits of its own, and takes the stops of a tracee that it has itself started.)
/// </summary>
internal sealed unsafe partial class WakeUp : IDisposable
{
    private const int Signal = 44; // SIGRTMIN+10; the runtime uses SIGRTMIN
    private static readonly TimeSpan Again = TimeSpan.FromMilliseconds(5);

    private readonly Timer _timer;
    private readonly CancellationTokenRegistration _registration;
    private readonly int _process = Environment.ProcessId;
    private readonly int _thread = Kernel.ThreadId();
    private volatile bool _due;

    static WakeUp()
    {
        // struct sigaction of the C library. The handler is code that does nothing with its number and touches nothing: managed
        // code may not run in a signal handler.
        var action = stackalloc byte[152];
        new Span<byte>(action, 152).Clear();
        *(nint*)action = NativeLibrary.GetExport(NativeLibrary.Load("libc.so.6"), "abs");
        if (SigAction(Signal, action, null) != 0)
        {
            throw new InvalidOperationException($"sigaction: {Errno.Describe(Marshal.GetLastPInvokeError())}");
        }
    }

    /// <summary>Wakes the calling thread at the end of the time, or when cancelled, until disposed.</summary>
    public WakeUp(TimeSpan after, CancellationToken cancellation)
    {
        _timer = new Timer(_ => Fire(), null, after, Again);
        _registration = cancellation.Register(() => _timer.Change(TimeSpan.Zero, Again));
    }

    /// <summary>Time is up, or it was cancelled.</summary>
    public bool IsDue => _due;

    public void Dispose()
    {
        _registration.Dispose();
        using var ended = new ManualResetEvent(false);
        // No signal may go to this thread number once it belongs to someone else.
        _timer.Dispose(ended);
        ended.WaitOne();
    }

    private void Fire()
    {
        _due = true;
        _ = Kernel.SignalThread(_process, _thread, Signal);
    }

    [LibraryImport("libc", EntryPoint = "sigaction", SetLastError = true)]
    private static partial int SigAction(int signal, byte* action, byte* old);
}
