using System.Runtime.InteropServices;
using OpenMosix.Checkpoint.Tracing;

namespace OpenMosix.Checkpoint.Tests.Threads;

public sealed unsafe partial class SignalDirectionTests
{
    private const int Own = 4711;
    private const int SIGPIPE = 13;
    private const int SIGURG = 23;
    private const int SIGXFSZ = 25;
    private const int SIGEV_SIGNAL = 0;
    private const int SIGEV_THREAD_ID = 4;

    [Theory]
    [InlineData(SIGPIPE, 0, Own, true)]
    [InlineData(SIGXFSZ, 0, Own, true)]
    [InlineData(SIGPIPE, 0, 1, false)]  // kill(1)
    [InlineData(SIGURG, 0, Own, false)] // kill(getpid(), ...)
    [InlineData(SIGURG, -6, 1, true)]   // tgkill(2)
    [InlineData(SIGURG, -1, Own, false)] // sigqueue(3)
    [InlineData(SIGURG, 0x80, 0, false)] // the kernel: SIGALRM, SIGIO...
    [InlineData(SIGURG, -2, 7, true)]
    [InlineData(SIGURG, -2, 8, false)]
    public void IsForThread_OfASiginfo_IsWhatItsSenderMeant(int signal, int code, int sender, bool forThread)
    {
        var info = new byte[128];
        BitConverter.TryWriteBytes(info, signal);
        BitConverter.TryWriteBytes(info.AsSpan(8), code);
        BitConverter.TryWriteBytes(info.AsSpan(16), sender);
        Assert.Equal(forThread, SignalDirection.IsForThread(info, Own, timer => timer == 7));
    }

    [Fact]
    public void TimersOf_AProcess_TellsThoseOfThreads()
    {
        int ofProcess = Create(SIGEV_SIGNAL), ofThread = Create(SIGEV_THREAD_ID);
        var timers = SignalDirection.TimersOf(Environment.ProcessId);
        Assert.True(timers(ofThread));
        Assert.False(timers(ofProcess));
        Assert.Equal(0, SystemCall(226, ofProcess, null, null)); // timer_delete
        Assert.Equal(0, SystemCall(226, ofThread, null, null));
    }

    private static int Create(int notify)
    {
        var sigevent = stackalloc int[16]; // value (two words), signal, notify, tid
        new Span<int>(sigevent, 16).Clear();
        (sigevent[2], sigevent[3], sigevent[4]) = (SIGURG, notify, Checkpoint.Interop.Kernel.ThreadId());
        int timer;
        Assert.Equal(0, SystemCall(222, 1, sigevent, &timer)); // timer_create, CLOCK_MONOTONIC
        return timer;
    }

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial nint SystemCall(nint number, nint first, int* second, int* third);
}
