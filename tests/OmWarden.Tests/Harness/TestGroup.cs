// What openmosixd does to move processes that share memory. The first leads.
using System.Security.Cryptography;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Warden.Tests.Harness;

internal sealed class TestGroup
{
    private readonly TestNode home;
    private readonly int[] pids;
    private readonly WardenDescribed[] described;
    private uint epoch;

    internal TestGroup(TestNode home, params int[] pids)
    {
        this.home = Where = home;
        this.pids = pids;
        described = new WardenDescribed[pids.Length];
        Keys = [.. pids.Select(_ => BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8)) | 1)];
    }

    internal ulong[] Keys { get; }
    internal TestNode Where { get; private set; }

    internal async Task ToAsync(TestNode target)
    {
        await ReadyAsync(target);
        await target.DoAsync(RunAll());
        await ForwardAsync(target);
    }

    /// <summary>Everything before Run.</summary>
    internal async Task ReadyAsync(TestNode target)
    {
        WardenSharersReply sharing = (await home.DoAsync(new() { Sharers = new() { Pid = pids[0] } })).Sharers;
        Assert.Equal(pids.Order(), sharing.Pids);
        Assert.Null(sharing.Refusal);
        for (int i = pids.Length - 1; i >= 0; i--)
            await Where.DoAsync(new()
            {
                Freeze = new() { Key = Keys[i], Pid = Where == home ? pids[i] : 0, Returns = target == home, Memory = { Where == home ? sharing.Memory : [] } },
            });
        for (int i = pids.Length - 1; i >= 0; i--)
            described[i] = (await Where.DoAsync(new() { Snapshot = new() { Key = Keys[i] } })).Described;
        epoch++;
        var held = new HashSet<(ulong Device, ulong Inode)>();
        for (int i = 0; i < pids.Length; i++)
        {
            foreach (MappedFile memory in described[i].Image.Files.Where(file => file.Memory && !held.Add((file.Device, file.Inode))))
            {
                memory.Ranges.Clear();
                memory.Held = true;
            }
            WardenRestoring restoring = (await target.DoAsync(new()
            {
                Restore = new()
                {
                    Key = Keys[i],
                    Epoch = epoch,
                    Image = described[i].Image,
                    Home = home.Name,
                    Limits = new() { MemoryBytes = 512 << 20, Pids = 16, Cpus = (uint)Environment.ProcessorCount },
                    Beside = i == 0 ? 0 : Keys[0],
                },
            })).Restoring;
            TestMove.Copy(described[i], restoring);
            await target.DoAsync(new() { Finish = new() { Key = Keys[i] } });
        }
        if (target == home)
            return;
        if (Where == home)
            foreach (ulong key in Keys)
                await home.DoAsync(new() { Deputize = new() { Key = key, Epoch = epoch } });
        foreach (ulong key in Keys)
            await home.DoAsync(new() { Expect = new() { Key = key, Epoch = epoch, Node = target.Name, Leader = Keys[0] } });
    }

    internal ToWarden RunAll() => new()
    {
        Run = new() { Key = Keys[0], Epoch = epoch, Others = { Keys.Skip(1).Select(key => new WardenRun { Key = key, Epoch = epoch }) } },
    };

    internal async Task ForwardAsync(TestNode target)
    {
        // The others have run with the first; what became of them, their own Run tells.
        if (target != home)
            foreach (ulong key in Keys)
                await target.DoAsync(new() { Run = new() { Key = key, Epoch = epoch } });
        foreach (ulong key in Keys)
        {
            if (target != home)
                await home.DoAsync(new() { Committed = new() { Key = key } });
            if (Where != home)
                await Where.DoAsync(new() { Discard = new() { Key = key } });
        }
        Where = target;
    }

    /// <summary>Nobody ran at the target, or will.</summary>
    internal async Task<bool> TakeBackAsync(ulong key) =>
        !(await home.DoAsync(new() { Expect = new() { Key = key, Epoch = epoch + 1, Node = Where.Name, TakeBack = true } })).Expected.Claimed;

    internal async Task ThawAsync()
    {
        foreach (ulong key in Keys)
            await Where.DoAsync(new() { Thaw = new() { Key = key, Epoch = Where == home ? 0 : epoch + 1 } });
        epoch++;
    }
}
