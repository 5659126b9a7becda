using System.Globalization;
using OpenMosix.Checkpoint.Snapshot;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Tests.Snapshot;

public sealed class SharersTests
{
    private const ulong Bytes = 64 << 10;
    private const int F_SEAL_SHRINK = 2, F_SEAL_WRITE = 8, F_SEAL_FUTURE_WRITE = 16;

    [RootFact]
    public void Find_ThreeOfWhichNoTwoShareTheSame_FindsAllOfThem()
    {
        using var first = Sharing.Start();
        using var second = Sharing.Start();
        using var third = Sharing.Start();
        using var stranger = Sharing.Start();
        first.Must($"anonymous 1 {Bytes}");
        second.Share(first, 1, Bytes);
        second.Must($"anonymous 2 {Bytes}");
        third.Share(second, 2, Bytes);
        stranger.Must($"anonymous 1 {Bytes}");

        foreach (var asked in new[] { first, second, third })
        {
            var found = Sharers.Find(asked.Pid, _ => default);
            Assert.Null(found.Refusal);
            Assert.Equal(new[] { first.Pid, second.Pid, third.Pid }.Order(), found.Pids);
            Assert.Equal(2, found.Memory.Count);
            Assert.All(found.Memory, memory => Assert.Equal(2, memory.Pids.Count));
        }

        Assert.Equal([stranger.Pid], Sharers.Find(stranger.Pid, _ => default).Pids);
    }

    [RootFact]
    public void Find_OfOneWithoutSharedMemory_SaysNothing()
    {
        using var guest = Sharing.Start();
        Assert.Empty(Sharers.Find(guest.Pid, _ => default).Pids);
    }

    [RootTheory]
    [InlineData("aio")]
    [InlineData("sysv-shared-memory")]
    public void Find_OfOneThatCannotMoveForAReasonOfItsOwn_RefusesByThatName(string kind)
    {
        using var guest = Guest.Start("refused", kind);
        Assert.SkipWhen(guest.ReadLine() == "cannot", $"this kernel does not offer {kind}");

        var found = Sharers.Find(guest.Pid, _ => default);
        Assert.Equal(kind, found.Refusal?.Name);
        Assert.Equal([guest.Pid], found.Pids);
    }

    /// <summary>Whatever else it shares, and with whom: nobody else is looked at.</summary>
    [RootFact]
    public void Find_OfOneThatRunsInItsParentsMemory_RefusesByName()
    {
        using var guest = Guest.Start("refused", "shared-address-space");
        guest.Expect("ready");
        var child = int.Parse(File.ReadAllText($"/proc/{guest.Pid}/task/{guest.Pid}/children"), CultureInfo.InvariantCulture);

        var found = Sharers.Find(child, _ => default);
        Assert.Equal("shared-address-space", found.Refusal?.Name);
        Assert.Equal([child], found.Pids);
        Assert.Equal([guest.Pid, child], Sharers.Find(guest.Pid, _ => default).Pids.Order());
    }

    [RootFact]
    public void Find_OneUnmapsIt_IsAStrangerAgain()
    {
        using var first = Sharing.Start();
        using var second = Sharing.Start();
        first.Must($"anonymous 1 {Bytes}");
        second.Share(first, 1, Bytes);
        second.Must($"unmap 1 0 {Bytes}");
        Assert.Equal([first.Pid], Sharers.Find(first.Pid, _ => default).Pids);
    }

    [RootTheory]
    [InlineData(true)]
    [InlineData(false)]
    public void Find_FileInDevShm_IsWrittenToAsLongAsItHasAName(bool named)
    {
        var path = $"/dev/shm/om-sharers-{Guid.NewGuid():N}";
        File.WriteAllBytes(path, new byte[Bytes]);
        try
        {
            using var guest = Sharing.Start();
            guest.Must($"share 1 {Bytes} 0 0 {path}");
            if (!named)
            {
                File.Delete(path);
            }

            var found = Sharers.Find(guest.Pid, _ => default);
            Assert.Null(found.Refusal);
            Assert.Equal(named, Assert.Single(found.Memory).Written);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [RootFact]
    public void Find_MemoryFile_IsWrittenToAsLongAsOneOfThemHasADescriptor()
    {
        using var guest = Sharing.Start();
        using var other = Sharing.Start();
        var descriptor = guest.Do($"memfd 1 {Bytes}");
        other.Share(guest, 1, Bytes);

        var open = Sharers.Find(other.Pid, _ => default);
        Assert.Null(open.Refusal);
        Assert.True(Assert.Single(open.Memory).Written);

        guest.Must($"close {descriptor}");
        var closed = Sharers.Find(other.Pid, _ => default);
        Assert.Null(closed.Refusal);
        Assert.False(Assert.Single(closed.Memory).Written);
        Assert.Equal(new[] { guest.Pid, other.Pid }.Order(), closed.Pids);
    }

    [RootFact]
    public void Find_MemoryFileThatOneHasOpenWhoDoesNotMapIt_IsRefused()
    {
        using var guest = Sharing.Start();
        using var other = Sharing.Start();
        var descriptor = guest.Do($"memfd 1 {Bytes}");
        other.Share(guest, 1, Bytes);
        guest.Must($"unmap 1 0 {Bytes}");

        var found = Sharers.Find(other.Pid, _ => default);
        Assert.Equal("shared-memory", found.Refusal?.Name);
        Assert.Contains(Sharing.Invariant($"descriptor {descriptor} of process {guest.Pid}"), found.Refusal!.Object, StringComparison.Ordinal);
    }

    [RootTheory]
    [InlineData("MAP_PRIVATE")]
    [InlineData("MAP_SHARED")]
    public void Find_OrdinaryFileThatAnotherHasOpenedForReading_IsRefusedIfThatHasACopy(string how)
    {
        var path = Path.GetTempFileName();
        File.WriteAllBytes(path, new byte[Bytes]);
        try
        {
            using var guest = Sharing.Start();
            guest.Must($"share 1 {Bytes} 0 0 {path}");
            var alone = Sharers.Find(guest.Pid, _ => default);
            Assert.Null(alone.Refusal);
            Assert.True(Assert.Single(alone.Memory).Written);

            using var other = Guest.Start("/usr/bin/python3", "-c", Sharing.Invariant(
                $"import mmap, os; m = mmap.mmap(os.open('{path}', os.O_RDONLY), 0, mmap.{how}, mmap.PROT_READ); print('ready', flush=True); input()"));
            other.Expect("ready");
            var both = Sharers.Find(guest.Pid, _ => default);
            Assert.Equal(how == "MAP_PRIVATE" ? "shared-memory" : null, both.Refusal?.Name);
            Assert.Equal(how == "MAP_PRIVATE" ? [guest.Pid] : new[] { guest.Pid, other.Pid }.Order(), both.Pids);
        }
        finally
        {
            File.Delete(path);
        }
    }

    /// <summary>Whoever ships the pages has them open.</summary>
    [RootFact]
    public void Find_MemoryFileThatTheReaderHasOpen_IsAccepted()
    {
        using var guest = Sharing.Start();
        using var reader = Guest.Start("/bin/sh", "-c", $"exec 3<{OpenLater(guest)}; echo ready; read x");
        reader.Expect("ready");
        Assert.Equal("shared-memory", Sharers.Find(guest.Pid, _ => default).Refusal?.Name);
        Assert.Null(Sharers.Find(guest.Pid, _ => default, reader.Pid).Refusal);
    }

    [RootTheory]
    [InlineData(F_SEAL_WRITE, true)]
    [InlineData(F_SEAL_FUTURE_WRITE, true)]
    [InlineData(F_SEAL_SHRINK, false)]
    public void Find_SealedMemory_IsRefusedWhereItCouldNotBeWrittenAtHome(int seal, bool refused)
    {
        using var guest = Sharing.Start();
        using var other = Sharing.Start();
        var descriptor = guest.Do($"memfd 1 {Bytes}");
        other.Share(guest, 1, Bytes, "watch");
        guest.Must($"unmap 1 0 {Bytes}");
        guest.Must($"seal {descriptor} {seal}");
        guest.Must($"close {descriptor}");

        Assert.Equal(refused ? "shared-memory" : null, Sharers.Find(other.Pid, _ => default).Refusal?.Name);
    }

    /// <summary>It would show zeros where it shows the memory now.</summary>
    [RootFact]
    public void Find_SomebodyHasItPrivately_IsRefusedByName()
    {
        using var guest = Sharing.Start();
        using var other = Sharing.Start();
        guest.Must($"anonymous 1 {Bytes}");
        other.Share(guest, 1, Bytes, "copy");

        var found = Sharers.Find(guest.Pid, _ => default);
        Assert.Equal("shared-memory", found.Refusal?.Name);
        Assert.Contains(Sharing.Invariant($"process {other.Pid}"), found.Refusal!.Object, StringComparison.Ordinal);
        Assert.Equal([guest.Pid], found.Pids);
        Assert.Empty(Sharers.Find(other.Pid, _ => default).Pids);
    }

    [RootFact]
    public void Find_WhatIsHidden_IsNobodysMemory()
    {
        using var guest = Sharing.Start();
        using var other = Sharing.Start();
        guest.Must($"anonymous 1 {Bytes}");
        other.Share(guest, 1, Bytes);
        var arena = (Sharing.At(1), Sharing.At(1) + Bytes);

        Assert.Empty(Sharers.Find(guest.Pid, pid => pid == guest.Pid ? arena : default).Pids);
        Assert.Equal([other.Pid], Sharers.Find(other.Pid, pid => pid == guest.Pid ? arena : default).Pids);
    }

    private static string OpenLater(Sharing guest)
    {
        var descriptor = guest.Do($"memfd 1 {Bytes}");
        guest.Must($"close {descriptor}");
        return guest.LinkOf(1);
    }
}
