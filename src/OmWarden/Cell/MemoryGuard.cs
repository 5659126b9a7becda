// Tells when the memory of a cell is nearly used up, before the kernel would end the only body there is (KERNEL.md 19). v1: a threshold on the
// usage, and at the limit the body is paused instead of ended; only while it is being stopped it has a little more, without which it would not come
// to a stop. v2: beyond memory.high the body is slowed down, and the count of that changes. One thread a cell, which sleeps until the kernel says
// something.
using System.Globalization;
using Microsoft.Win32.SafeHandles;
using OpenMosix.Warden.Interop;

namespace OpenMosix.Warden.Cell;

internal sealed class MemoryGuard : IDisposable
{
    private const string Usage = "memory.usage_in_bytes";

    /// <summary>What a body needs to come to a stop and be described: the page it faults in, its stack, the agent's pages, page tables.</summary>
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

    /// <summary>Before a body is waited for that may be paused at its limit. On its queue, as Tighten.</summary>
    internal void Loosen()
    {
        if (!unified)
            Limit(Math.Max(limitBytes, Number(Usage)) + SlackBytes);
    }

    /// <summary>It goes on here: with what it has, and as little more than its limit as that allows.</summary>
    internal void Tighten()
    {
        if (unified)
            return;
        try
        {
            Limit(limitBytes);
        }
        catch (IOException) // EBUSY: more is in use
        {
            Limit(Number(Usage) + (ulong)Environment.SystemPageSize);
        }
    }

    /// <summary>Another limit: v1, from the next Tighten on. On the queue of Loosen and Tighten.</summary>
    internal void Resize(ulong bytes)
    {
        limitBytes = bytes;
        if (unified)
        {
            Cgroup.Write(Path.Combine(path, "memory.high"), ThresholdBytes.ToString(CultureInfo.InvariantCulture));
            // Below what is in use it would be the end of one of them.
            Cgroup.Write(Path.Combine(path, "memory.max"), Math.Max(bytes, Number("memory.current")).ToString(CultureInfo.InvariantCulture));
        }
        else
            Register(Usage, ThresholdBytes.ToString(CultureInfo.InvariantCulture)); // the one before tells too, and is not believed
    }

    private void Limit(ulong bytes) => Cgroup.Write(Path.Combine(path, "memory.limit_in_bytes"), bytes.ToString(CultureInfo.InvariantCulture));

    private void Watch()
    {
        Register(Usage, ThresholdBytes.ToString(CultureInfo.InvariantCulture));
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
        try
        {
            // A body that came with more than that is told of at once.
            if (Number(unified ? "memory.current" : Usage) >= ThresholdBytes)
                pressed();
            while (!EventFile.Wait((source, events), (stop, EventFile.POLLIN))[1])
            {
                if (unified)
                    _ = RandomAccess.Read(source, new byte[512], 0); // the next change is told after this one was read
                else
                    EventFile.Clear(happened);
                if (unified || Number(Usage) >= ThresholdBytes) // v1 tells of falling below it, too
                    pressed();
            }
        }
        catch (IOException)
        {
            // the cell ends
        }
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
