// Files of which its body has the data (MappedFile.written): while it is away nobody gets to see home's.
using Microsoft.Extensions.Logging;
using OpenMosix.Checkpoint.Pages;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Warden.Held;

internal sealed partial class HomeProcess
{
    private IReadOnlyList<SharedMemory> guarded = [];
    private string whyHome = ""; // somebody waits for it to be at home; empty: nobody

    /// <summary>Somebody waits until it is home. Any thread.</summary>
    internal void Wanted(string why) => _ = Queue.Run(() =>
    {
        whyHome = why;
        TellWanted();
        return true;
    });

    /// <summary>While its move is not committed it is not said: if it is undone, nobody waits any more.</summary>
    private void TellWanted()
    {
        if (whyHome.Length > 0 && State is HomeState.Deputy)
            Context.Tell(new() { BringHome = new() { Key = Key, Reason = whyHome } });
    }

    /// <summary>Of the memory that is to move. It stands still. Null: nobody gets at them any more, until it is native again.</summary>
    private Refusal? GuardFiles()
    {
        guarded = [.. memory.Where(one => one.Written)];
        return guarded.Count > 0 && Context.Guards.Add(Key, pid, Mover?.PeerPid ?? 0, guarded, MappedForWriting()) is not 0 and var errno
            ? Refusals.SharedMemory($"{guarded[0].Name}: it cannot be watched ({System.Runtime.InteropServices.Marshal.GetPInvokeErrorMessage(errno)})")
            : null;
    }

    private IReadOnlyList<MappedFile> MappedForWriting() => [.. guarded
        .Select(one => new MappedFile { Path = one.Name, Device = one.Device, Inode = one.Inode, Memory = true, Written = true })
        .Where(file => MemoryFiles.IsMapped(pid, file))];

    /// <summary>A new program would have a descriptor of one of them, and no part in the move.</summary>
    internal bool HandsDownGuarded() => guarded.Count > 0 && MemoryFiles.HandsDown(pid, guarded);

    /// <summary>What the body's memory has. On the thread of what it asks.</summary>
    /// <returns>0 or errno (EBADF: it has no such file).</returns>
    internal int WriteBack(ulong device, ulong inode, long offset, ReadOnlySpan<byte> data)
    {
        byte[] copy = data.ToArray();
        return Context.Guards.With(Key, device, inode, file => FileContent.Write(file, offset, copy));
    }

    /// <summary>Where that has nothing but zeros.</summary>
    /// <returns>As WriteBack.</returns>
    internal int ClearBack(ulong device, ulong inode, long offset, long bytes) =>
        Context.Guards.With(Key, device, inode, file => FileContent.Clear(file, offset, Math.Min(offset + bytes, RandomAccess.GetLength(file))));

    /// <summary>All of it has been written back, and no body has it mapped any more.</summary>
    internal void GiveUpFile(ulong device, ulong inode)
    {
        foreach (ulong key in Context.Guards.GiveUp(Key, device, inode))
            (Context.Held.Find(key) as HomeProcess)?.Unguard(device, inode);
    }

    private void Unguard(ulong device, ulong inode) => _ = Queue.Run(() =>
    {
        guarded = [.. guarded.Where(one => (one.Device, one.Inode) != (device, inode))];
        Side?.Guard(guarded);
        WriteRecord();
        return true;
    });

    /// <summary>Once the engine serves it.</summary>
    private bool GuardServed()
    {
        if (guarded.Count == 0)
            return true;
        // Of one that was taken over there is no guard yet. Where there can be none any more it goes on: nobody else will wait for it, that is all.
        if (Context.Guards.Add(Key, pid, 0, guarded, MappedForWriting()) is not 0 and var errno)
            LogUnguarded(Key, errno);
        return Side!.Guard(guarded);
    }

    [LoggerMessage(EventId = 212, Level = LogLevel.Error, Message = "key {Key:x16}: its files are not watched any more: errno {Errno}")]
    private partial void LogUnguarded(ulong key, int errno);
}
