// A stopped deputy (SIGSTOP, Ctrl-Z) cannot be seen by any descriptor, and reading its state costs 3.6 µs (KERNEL.md 10): the one place where
// the warden looks again and again, and only while a body is away. Tells the body's warden when it stops and goes on.
using System.Text;
using OpenMosix.Warden.Held;
using OpenMosix.Warden.Interop;

namespace OpenMosix.Warden.Signals;

internal sealed class StopWatcher(HeldProcesses held)
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(20);

    private readonly Dictionary<HomeProcess, bool> stopped = [];
    private readonly byte[] buffer = new byte[512];

    internal async Task RunAsync(CancellationToken stop)
    {
        try
        {
            while (true)
            {
                if (Look())
                    await Task.Delay(Interval, stop).ConfigureAwait(false);
                else
                    await held.Added.ReadAsync(stop).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
        }
    }

    /// <summary>False when nothing of this node is away or about to leave.</summary>
    private bool Look()
    {
        bool any = false;
        foreach (HomeProcess process in held.AtHome)
        {
            any = true;
            if (process.State is not HomeState.Deputy)
                continue;
            bool isStopped = StateOf(process.Pid) == 'T';
            if (stopped.GetValueOrDefault(process) == isStopped)
                continue;
            stopped[process] = isStopped;
            process.Queue.Run(() => process.Side?.Control(isStopped ? OmEngine.OM_CONTROL_STOP : OmEngine.OM_CONTROL_CONTINUE) ?? 0);
        }
        if (!any)
            stopped.Clear();
        return any;
    }

    private char StateOf(int pid)
    {
        try
        {
            using FileStream file = new($"/proc/{pid}/stat", FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
            int length = file.Read(buffer);
            // Behind the last parenthesis: the name may hold anything.
            int end = Encoding.ASCII.GetString(buffer, 0, length).LastIndexOf(')');
            return end >= 0 && end + 2 < length ? (char)buffer[end + 2] : '?';
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return '?';
        }
    }
}
