// What openmosixd does for a move, as short as it can be said: pages are copied from process to process on this machine.
using System.Security.Cryptography;
using OpenMosix.Checkpoint.Pages;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Warden.Tests.Harness;

internal sealed class TestMove
{
    private readonly TestNode home;
    private readonly int pid;
    private readonly ulong key = BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8)) | 1;
    private TestNode where;
    private uint epoch;

    internal TestMove(TestNode home, int pid)
    {
        this.home = where = home;
        this.pid = pid;
    }

    internal ulong Key => key;
    internal TestNode Where => where;

    internal async Task ToAsync(TestNode target)
    {
        if (where == home)
            await OutAsync(target);
        else if (target == home)
            await BackAsync();
        else
            await OnAsync(target);
        where = target;
    }

    internal Task<FromWarden> FreezeAsync() => where.DoAsync(new() { Freeze = new() { Key = key, Pid = where == home ? pid : 0 } });

    internal Task<FromWarden> SnapshotAsync() => where.DoAsync(new() { Snapshot = new() { Key = key } });

    internal Task<FromWarden> ThawAsync() => where.DoAsync(new() { Thaw = new() { Key = key } });

    internal async Task<WardenDescribed> RestoreAsync(TestNode source, TestNode target)
    {
        await source.DoAsync(new() { Freeze = new() { Key = key, Pid = source == home ? pid : 0 } });
        WardenDescribed described = (await source.DoAsync(new() { Snapshot = new() { Key = key } })).Described;
        WardenRestoring restoring = (await target.DoAsync(new()
        {
            Restore = new()
            {
                Key = key,
                Epoch = epoch + 1,
                Image = described.Image,
                Home = home.Name,
                Limits = new() { MemoryBytes = 512 << 20, Pids = 16, Cpus = (uint)Environment.ProcessorCount },
            },
        })).Restoring;
        Copy(described, restoring);
        await target.DoAsync(new() { Finish = new() { Key = key } });
        return described;
    }

    private async Task OutAsync(TestNode target)
    {
        await RestoreAsync(home, target);
        epoch++;
        await home.DoAsync(new() { Deputize = new() { Key = key, Epoch = epoch } });
        await home.DoAsync(new() { Expect = new() { Key = key, Epoch = epoch, Node = target.Name } });
        await target.DoAsync(new() { Run = new() { Key = key, Epoch = epoch } });
        await home.DoAsync(new() { Committed = new() { Key = key } });
    }

    private async Task BackAsync()
    {
        await RestoreAsync(where, home);
        epoch++;
        await home.DoAsync(new() { Run = new() { Key = key, Epoch = epoch } });
        await where.DoAsync(new() { Discard = new() { Key = key } });
    }

    private async Task OnAsync(TestNode target)
    {
        TestNode source = where;
        await RestoreAsync(source, target);
        epoch++;
        await home.DoAsync(new() { Expect = new() { Key = key, Epoch = epoch, Node = target.Name } });
        await target.DoAsync(new() { Run = new() { Key = key, Epoch = epoch } });
        await home.DoAsync(new() { Committed = new() { Key = key } });
        await source.DoAsync(new() { Discard = new() { Key = key } });
    }

    internal static void Copy(WardenDescribed from, WardenRestoring to)
    {
        byte[] buffer = new byte[1 << 20];
        foreach (Extent extent in from.Image.Extents)
            for (ulong done = 0; done < extent.Bytes;)
            {
                Span<byte> piece = buffer.AsSpan(0, (int)Math.Min((ulong)buffer.Length, extent.Bytes - done));
                var address = new RemoteAddress(extent.Address + done);
                Assert.Equal(0, PageReader.Read(from.MemoryPid, address, piece));
                Assert.Equal(0, PageWriter.Write(to.MemoryPid, address, piece));
                done += (ulong)piece.Length;
            }
        if (to.FileBase.All(file => file == 0))
            return;
        using SourceFiles files = SourceFiles.Open(from.MemoryPid, from.Image).Value;
        for (int i = 0; i < to.FileBase.Count; i++)
        {
            if (to.FileBase[i] == 0)
                continue;
            foreach (FileRange range in from.Image.Files[i].Ranges)
                for (ulong done = 0; done < range.Bytes;)
                {
                    int want = (int)Math.Min((ulong)buffer.Length, range.Bytes - done);
                    int got = RandomAccess.Read(files.Handles[i], buffer.AsSpan(0, want), (long)(range.Offset + done));
                    if (got == 0)
                        break;
                    Assert.Equal(0, PageWriter.Write(to.MemoryPid, new RemoteAddress(to.FileBase[i] + range.Offset + done), buffer.AsSpan(0, got)));
                    done += (ulong)got;
                }
        }
    }
}
