// Files of which the data are where the processes are that have them mapped (MappedFile.written): whoever opens one at home waits until these have come
// home. Those who are away with it, and the daemon, which reads it to move it, may. One thread, which sleeps until the kernel tells. Any thread.
using Microsoft.Win32.SafeHandles;
using OpenMosix.Checkpoint.Pages;
using OpenMosix.Protocol.V1;
using OpenMosix.Warden.Interop;

namespace OpenMosix.Warden.Held;

/// <param name="wanted">Somebody wants a file that this one, among others, is away with: told by its key.</param>
internal sealed class FileGuards(Action<ulong> wanted) : IDisposable
{
    private readonly Lock gate = new();
    private readonly Dictionary<(ulong Device, ulong Inode), Guarded> files = [];
    private SafeFileHandle? group;
    private SafeFileHandle? stop;
    private Thread? thread;
    private int daemon; // reads memory of those that leave

    /// <param name="Memory">Its identity as mappings tell it.</param>
    private sealed record Guarded(SharedMemory Memory)
    {
        /// <summary>Null: those who are away do not have it mapped, yet.</summary>
        internal SafeFileHandle? File { get; set; }

        /// <summary>Who is away with it, by key.</summary>
        internal Dictionary<ulong, int> Pids { get; } = [];
        internal List<OpenEvent> Waiting { get; } = [];
    }

    /// <summary>From now on nobody gets at them, once one who has them mapped is away. 0; or errno, and nothing has changed.</summary>
    /// <param name="pid">It may, and stands still.</param>
    /// <param name="mapped">What it has mapped of them for writing.</param>
    /// <param name="daemonPid">0: not known.</param>
    internal int Add(ulong key, int pid, int daemonPid, IReadOnlyList<SharedMemory> memory, IReadOnlyList<MappedFile> mapped)
    {
        lock (gate)
        {
            daemon = daemonPid == 0 ? daemon : daemonPid;
            foreach (SharedMemory one in memory)
            {
                int errno = Add(key, pid, one, mapped.FirstOrDefault(file => (file.Device, file.Inode) == (one.Device, one.Inode)));
                if (errno == 0)
                    continue;
                Release(key);
                return errno;
            }
        }
        return 0;
    }

    /// <summary>It is home, or has ended: what nobody is away with any more can be had again.</summary>
    internal void Remove(ulong key)
    {
        lock (gate)
            Release(key);
    }

    /// <summary>Its data are here again, and nobody who is away has it mapped.</summary>
    /// <returns>Who was away with it, by key.</returns>
    internal IReadOnlyList<ulong> GiveUp(ulong key, ulong device, ulong inode)
    {
        lock (gate)
        {
            if (Find(key, device, inode) is not { } file)
                return [];
            List<ulong> keys = [.. file.Pids.Keys];
            file.Pids.Clear();
            End(file);
            return keys;
        }
    }

    /// <summary>One that this process is away with, for reading and writing; it stays the guard's, and open for as long as use runs. EBADF: there is none.</summary>
    /// <param name="device">As mappings tell it.</param>
    internal int With(ulong key, ulong device, ulong inode, Func<SafeFileHandle, int> use)
    {
        const int EBADF = 9;
        lock (gate)
            return Find(key, device, inode) is { File: { } file } ? use(file) : EBADF;
    }

    /// <summary>The same, for the caller to close. Null: there is none.</summary>
    internal SafeFileHandle? Open(ulong key, ulong device, ulong inode)
    {
        lock (gate)
            return Find(key, device, inode) is { File: { } file } ? MemoryFiles.Again(file) : null;
    }

    public void Dispose()
    {
        if (thread is null)
            return;
        EventFile.Signal(stop!);
        thread.Join();
        foreach (Guarded file in files.Values)
            file.File?.Dispose();
        group!.Dispose();
        stop!.Dispose();
    }

    private int Add(ulong key, int pid, SharedMemory memory, MappedFile? mapped)
    {
        const int ENOENT = 2;
        (ulong, ulong) identity = (memory.FileDevice, memory.FileInode);
        if (!files.TryGetValue(identity, out Guarded? file))
            files.Add(identity, file = new(memory.Clone()));
        file.Pids[key] = pid;
        if (file.File is not null || mapped is null)
            return 0;
        if (Begin() is not 0 and var refused)
            return refused;
        file.File = MemoryFiles.Open(pid, mapped);
        return file.File is null ? ENOENT : Fanotify.Watch(group!, file.File);
    }

    private void Release(ulong key)
    {
        foreach (Guarded file in files.Values.Where(file => file.Pids.Remove(key) && file.Pids.Count == 0).ToList())
            End(file);
    }

    private void End(Guarded file)
    {
        files.Remove((file.Memory.FileDevice, file.Memory.FileInode));
        if (file.File is not null)
        {
            Fanotify.Unwatch(group!, file.File);
            file.File.Dispose();
        }
        foreach (OpenEvent opened in file.Waiting)
            Fanotify.Allow(group!, opened);
    }

    private Guarded? Find(ulong key, ulong device, ulong inode) =>
        files.Values.FirstOrDefault(file => (file.Memory.Device, file.Memory.Inode) == (device, inode) && file.Pids.ContainsKey(key));

    private int Begin()
    {
        if (thread is not null)
            return 0;
        group = Fanotify.Create(out int errno);
        if (group is null)
            return errno;
        stop = EventFile.Create();
        thread = new(Run, 256 << 10) { IsBackground = true, Name = "file guards" };
        thread.Start();
        return 0;
    }

    private void Run()
    {
        while (true)
        {
            if (EventFile.Wait((group!, EventFile.POLLIN), (stop!, EventFile.POLLIN))[1])
                return;
            foreach (OpenEvent opened in Fanotify.Read(group!))
                Opened(opened);
        }
    }

    private void Opened(OpenEvent opened)
    {
        // Before the gate is wanted, which whoever opens it here may hold.
        if (opened.Pid == Environment.ProcessId)
        {
            Fanotify.Allow(group!, opened);
            return;
        }
        ulong owner;
        lock (gate)
        {
            Guarded? file = files.GetValueOrDefault(MemoryFiles.IdentityOf(opened.File));
            if (file is null || file.Pids.ContainsValue(opened.Pid) || opened.Pid == daemon)
            {
                Fanotify.Allow(group!, opened);
                return;
            }
            file.Waiting.Add(opened);
            owner = file.Pids.Keys.First();
        }
        wanted(owner);
    }
}
