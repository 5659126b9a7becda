// Tells when the memory of a cell is nearly used up, before the kernel would end the only body there is (KERNEL.md 19). v1: a threshold on the
// usage, and at the limit the body is paused instead of ended, then given a little more, enough to be stopped and moved. v2: beyond memory.high
// the body is slowed down, and the count of that changes. One thread a cell, which sleeps until the kernel says something.
using System.Globalization;
using Microsoft.Win32.SafeHandles;
using OpenMosix.Warden.Interop;

namespace OpenMosix.Warden.Cell;

internal sealed class MemoryGuard : IDisposable
{
    /// <summary>What a body that has reached its limit gets to come to a stop: its stack, the agent's pages, page tables.</summary>
    private const ulong SlackBytes = 16 << 20;

    private readonly string path;
    private readonly bool unified;
    private readonly Action pressed;
    private readonly SafeFileHandle happened;
    private readonly SafeFileHandle stop;
    private readonly List<SafeFileHandle> watched = [];
    private readonly Thread thread;
    private ulong limitBytes;

    private MemoryGuard(string path, bool unified, Action pressed)
    {
        (this.path, this.unified, this.pressed) = (path, unified, pressed);
        limitBytes = Number(unified ? "memory.max" : "memory.limit_in_bytes");
        (happened, stop) = (EventFile.Create(), EventFile.Create());
        try
        {
            if (unified)
                WatchUnified();
            else
                Watch();
        }
        catch
        {
            Close();
            throw;
        }
        thread = new(Run, 256 << 10) { IsBackground = true, Name = "memory guard" };
        thread.Start();
    }

    private ulong ThresholdBytes => limitBytes - (limitBytes / 10);

    /// <param name="pressed">Called on the guard's thread, each time it gets that far.</param>
    /// <returns>Null: the cell has no memory limit, or the kernel does not tell; then the limit is just a limit.</returns>
    internal static MemoryGuard? Start(Cgroup cgroup, Action pressed)
    {
        if (cgroup.Memory is not { } memory)
            return null;
        try
        {
            return new(memory.Path, memory.Unified, pressed);
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Returns when pressed is not running any more, and will not.</summary>
    public void Dispose()
    {
        EventFile.Signal(stop);
        thread.Join();
        Close();
    }

    private void Watch()
    {
        Register("memory.usage_in_bytes", ThresholdBytes.ToString(CultureInfo.InvariantCulture));
        Register("memory.oom_control", "");
        Cgroup.Write(Path.Combine(path, "memory.oom_control"), "1");
    }

    private void Register(string name, string argument)
    {
        SafeFileHandle file = File.OpenHandle(Path.Combine(path, name));
        watched.Add(file);
        Cgroup.Write(
            Path.Combine(path, "cgroup.event_control"),
            string.Create(CultureInfo.InvariantCulture, $"{happened.DangerousGetHandle()} {file.DangerousGetHandle()} {argument}"));
    }

    private void WatchUnified()
    {
        Cgroup.Write(Path.Combine(path, "memory.high"), ThresholdBytes.ToString(CultureInfo.InvariantCulture));
        watched.Add(File.OpenHandle(Path.Combine(path, "memory.events")));
    }

    private void Run()
    {
        SafeFileHandle source = unified ? watched[0] : happened;
        short events = unified ? EventFile.POLLPRI : EventFile.POLLIN;
        // A body that came with more than that is told of at once.
        if (!unified && Number("memory.usage_in_bytes") >= ThresholdBytes)
            pressed();
        while (true)
        {
            bool[] which = EventFile.Wait((source, events), (stop, EventFile.POLLIN));
            if (which[1])
                return;
            if (unified)
                _ = RandomAccess.Read(source, new byte[512], 0); // the next change is told after this one was read
            else
                EventFile.Clear(happened);
            try
            {
                if (!unified && IsPaused())
                    GiveSlack();
                if (unified || Number("memory.usage_in_bytes") >= ThresholdBytes)
                    pressed();
            }
            catch (IOException)
            {
                return; // the cell ends
            }
        }
    }

    private bool IsPaused() => File.ReadLines(Path.Combine(path, "memory.oom_control")).Contains("under_oom 1");

    private void GiveSlack()
    {
        limitBytes += SlackBytes;
        Cgroup.Write(Path.Combine(path, "memory.limit_in_bytes"), limitBytes.ToString(CultureInfo.InvariantCulture));
    }

    private ulong Number(string name) =>
        ulong.TryParse(File.ReadAllText(Path.Combine(path, name)), CultureInfo.InvariantCulture, out ulong value) ? value : long.MaxValue;

    private void Close()
    {
        foreach (SafeFileHandle file in watched)
            file.Dispose();
        happened.Dispose();
        stop.Dispose();
    }
}
