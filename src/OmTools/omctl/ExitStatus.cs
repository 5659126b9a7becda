namespace OpenMosix.Tools.Ctl;

/// <summary>What a script can rely on.</summary>
public static class ExitStatus
{
    public const int Done = 0;
    public const int Refused = 1;
    public const int Usage = 2;
    public const int NoDaemon = 3;
    public const int NotFound = 4;
    public const int NotPermitted = 5;
    public const int Interrupted = 130;
    public const int Terminated = 143;
}
