using OpenMosix.Checkpoint.Interop;

namespace OpenMosix.Checkpoint.Tracing;

/// <summary>The word that wait gives, with the bits ptrace adds above it.</summary>
public readonly record struct WaitStatus(int Word)
{
    private const int Sigtrap = 5;
    private const int SysGood = 0x80;

    public bool IsExited => (Word & 0x7f) == 0;

    public bool IsSignaled => !IsExited && !IsStopped;

    public bool IsStopped => (Word & 0xff) == 0x7f;

    public bool IsGone => !IsStopped;

    public int StopSignal => (Word >> 8) & 0xff;

    /// <summary>PTRACE_EVENT_*; 0: a signal about to be delivered, or a system call.</summary>
    public int Event => (Word >> 16) & 0xff;

    public bool IsEventStop => IsStopped && Event == Ptrace.PTRACE_EVENT_STOP;

    public bool IsSystemCall => IsStopped && Event == 0 && StopSignal == (Sigtrap | SysGood);

    public bool IsSignalDelivery => IsStopped && Event == 0 && StopSignal != (Sigtrap | SysGood);

    public override string ToString() =>
        IsExited ? $"exited with status {(Word >> 8) & 0xff}"
        : IsSignaled ? $"killed by signal {Word & 0x7f}"
        : $"stopped by signal {StopSignal}, event {Event}";
}
