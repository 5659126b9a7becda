using OpenMosix.Protocol.V1;

namespace OpenMosix.Warden.Structure;

/// <summary>The classes of a body's signal dispositions, as home knows them.</summary>
internal sealed class Dispositions
{
    private const ulong Telling = 3; // SA_NOCLDSTOP | SA_NOCLDWAIT
    private readonly (int Disposition, ulong Flags)[] classes = new (int, ulong)[65];

    internal Dispositions(ProcessImage image)
    {
        foreach (Protocol.V1.SignalAction action in image.Actions)
            if (action.Signal is > 0 and <= 64)
                classes[action.Signal] = (action.Handler <= 1 ? (int)action.Handler : SignalAction.Handler, action.Flags & Telling);
    }

    /// <summary>Those of a child that has just been forked.</summary>
    internal Dispositions(Dispositions parent) => parent.classes.CopyTo(classes, 0);

    internal bool IsDefault(int signal) => signal is > 0 and <= 64 && classes[signal].Disposition == SignalAction.Default;

    /// <summary>False when nothing changes for home.</summary>
    internal bool Change(int signal, int disposition, ulong flags)
    {
        if (signal is < 1 or > 64 || classes[signal] == (disposition, flags))
            return false;
        classes[signal] = (disposition, flags);
        return true;
    }
}
