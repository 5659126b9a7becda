using System.Buffers.Binary;
using System.Globalization;
using OpenMosix.Checkpoint.Proc;

namespace OpenMosix.Checkpoint.Tracing;

/// <summary>Whether a signal was for one thread or for its process. The kernel keeps them in different queues and tells nobody which, once
/// it is delivered; its siginfo gives it away (sigaction(2), timer_create(2)).</summary>
public static class SignalDirection
{
    private const int SIGPIPE = 13;
    private const int SIGXFSZ = 25;
    private const int SI_USER = 0;
    private const int SI_TIMER = -2;
    private const int SI_TKILL = -6;
    private const int CodeOffset = 8;
    private const int SenderOffset = 16; // si_pid; si_tid of a timer, which is its id

    /// <param name="siginfo">128 bytes.</param>
    /// <param name="ownPid">The process's pid as it sees it itself.</param>
    /// <param name="isOfThread">Whether the timer of that id signals a thread (SIGEV_THREAD_ID).</param>
    public static bool IsForThread(ReadOnlySpan<byte> siginfo, int ownPid, Func<int, bool> isOfThread)
    {
        var sender = BinaryPrimitives.ReadInt32LittleEndian(siginfo[SenderOffset..]);
        return BinaryPrimitives.ReadInt32LittleEndian(siginfo[CodeOffset..]) switch
        {
            SI_TKILL => true,
            // What write(2) gets: the kernel sends it in the thread's own name.
            SI_USER => sender == ownPid && SignalQueue.SignalOf(siginfo) is SIGPIPE or SIGXFSZ,
            SI_TIMER => isOfThread(sender),
            _ => false,
        };
    }

    /// <summary>Asks /proc/PID/timers, when it is first asked. What a timer has sent that was deleted since is left to the thread that took it.</summary>
    public static Func<int, bool> TimersOf(int pid)
    {
        var ofProcess = new Lazy<HashSet<int>>(() => ReadTimers(pid));
        return timer => !ofProcess.Value.Contains(timer);
    }

    private static HashSet<int> ReadTimers(int pid)
    {
        const string Id = "ID: ";
        var timers = new HashSet<int>();
        var timer = 0;
        foreach (var line in (ProcFile.Read($"/proc/{pid}/timers") ?? "").Split('\n'))
        {
            if (line.StartsWith(Id, StringComparison.Ordinal))
            {
                timer = int.Parse(line.AsSpan(Id.Length), CultureInfo.InvariantCulture);
            }
            else if (line.StartsWith("notify: signal/pid.", StringComparison.Ordinal))
            {
                timers.Add(timer);
            }
        }

        return timers;
    }
}
