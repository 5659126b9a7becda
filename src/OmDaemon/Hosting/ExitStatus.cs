namespace OpenMosix.Daemon.Hosting;

/// <summary>What openmosixd ends with. systemd restarts after Failed, and not after Usage or AlreadyRuns.</summary>
public static class ExitStatus
{
    public const int Failed = 1;
    public const int Usage = 2;
    public const int AlreadyRuns = 3;
}
