using Microsoft.Win32.SafeHandles;

namespace OpenMosix.Lab.Interop;

/// <summary>A process that cannot be mistaken for another one that got its number later.</summary>
internal sealed class PidFd() : SafeHandleMinusOneIsInvalid(ownsHandle: true)
{
    /// <summary>Kills it and returns when it has ended. One that had already ended is no error.</summary>
    internal void KillAndWait()
    {
        _ = LibC.SendSignal(this, LibC.SigKill, 0, 0);
        var wait = new LibC.PollFd { Fd = (int)handle, Events = LibC.PollIn };
        while (LibC.Poll(ref wait, 1, -1) < 0)
        {
            // EINTR: the runtime's own signals.
        }
    }

    protected override bool ReleaseHandle() => LibC.Close((int)handle) == 0;
}
