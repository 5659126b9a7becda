namespace OpenMosix.Checkpoint.Tracing;

/// <summary>Signal numbers and sets of x86-64. In a set, signal n is bit n-1.</summary>
internal static class Signals
{
    public const int SIGILL = 4;
    public const int SIGTRAP = 5;
    public const int SIGBUS = 7;
    public const int SIGFPE = 8;
    public const int SIGKILL = 9;
    public const int SIGSEGV = 11;
    public const int SIGCHLD = 17;
    public const int SIGCONT = 18;
    public const int SIGSTOP = 19;
    public const int SIGTSTP = 20;
    public const int SIGTTIN = 21;
    public const int SIGTTOU = 22;
    public const int SIGURG = 23;
    public const int SIGWINCH = 28;
    public const int SIGSYS = 31;
    public const int Count = 64;

    /// <summary>Default action: nothing.</summary>
    public const ulong DefaultIgnored = (1UL << (SIGCHLD - 1)) | (1UL << (SIGCONT - 1)) | (1UL << (SIGURG - 1)) | (1UL << (SIGWINCH - 1));

    /// <summary>Default action: stop. SIGSTOP, which nobody can change, is not in it.</summary>
    public const ulong DefaultStopping = (1UL << (SIGTSTP - 1)) | (1UL << (SIGTTIN - 1)) | (1UL << (SIGTTOU - 1));

    public const ulong Unchangeable = (1UL << (SIGKILL - 1)) | (1UL << (SIGSTOP - 1));

    public static ulong Bit(int signal) => 1UL << (signal - 1);
}
