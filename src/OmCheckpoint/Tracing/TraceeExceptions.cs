namespace OpenMosix.Checkpoint.Tracing;

/// <summary>The tracee ended while it was worked on. Inside this library only: the stages turn it into a failure.</summary>
internal sealed class TraceeGoneException(WaitStatus status) : Exception($"the process is gone: {status}")
{
    public WaitStatus Status { get; } = status;
}

/// <summary>The kernel refused something that was thought to work. Inside this library only.</summary>
internal sealed class TraceeException(string message, int errno = 0)
    : Exception(errno == 0 ? message : $"{message}: {Interop.Errno.Describe(errno)}")
{
    public int Error { get; } = errno;
}
