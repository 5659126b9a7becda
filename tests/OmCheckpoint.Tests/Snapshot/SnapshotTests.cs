using OpenMosix.Checkpoint.Freeze;
using OpenMosix.Checkpoint.Proc;
using OpenMosix.Protocol.Image;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Tests.Snapshot;

public sealed class SnapshotTests
{
    [RootFact]
    public void Snapshot_OfAnyProcess_NamesItsMappingsFilesAndPages()
    {
        using var guest = Guest.Start("waits", "read-forever");
        guest.Expect("ready");
        var before = MemoryMap.Read(guest.Pid);
        using (var frozen = FrozenProcess.Freeze(guest.Pid).Value)
        {
            var outcome = frozen.Snapshot();
            Assert.True(outcome.Ok, outcome.ToString());
            var image = outcome.Value;

            Assert.Equal(guest.Pid, image.Pid);
            Assert.Equal(before.Select(area => (area.Start, area.End)), image.Mappings.Select(mapping => (mapping.Start, mapping.End)));
            Assert.Contains(image.Mappings, mapping => mapping.Kind == MappingKind.Stack);
            Assert.Contains(image.Mappings, mapping => mapping.Kind == MappingKind.Vdso && mapping.VdsoHash.Length == 32);
            Assert.Contains(image.Files, file => file.Path.EndsWith("/waits", StringComparison.Ordinal) && file.Ranges.Count > 0);
            Assert.NotEmpty(image.Extents);
            Assert.Equal(0UL, image.Extents.Aggregate(0UL, (bits, extent) => bits | ((extent.Address | extent.Bytes) % ImageFormat.PageBytes)));
            Assert.NotEqual(0UL, image.Threads[0].RseqAddress);
            Assert.NotEqual(0UL, image.Threads[0].ClearChildTid);
            Assert.Equal(27, image.Threads[0].Registers.Length / sizeof(ulong));
        }

        Assert.Equal(before, MemoryMap.Read(guest.Pid), (left, right) => left.ToString() == right.ToString());
        guest.Send("x");
        guest.ExpectGoodEnd();
    }

    [RootTheory]
    [InlineData("ulimit -v 900000", 16u)]
    [InlineData("ulimit -d 30000", 16u)]
    [InlineData("ulimit -v 9000000", 1024u)]
    [InlineData("true", 1024u)]
    public void Snapshot_UnderNarrowLimits_TakesLessRoom(string limit, uint slots)
    {
        using var guest = Guest.Start("/bin/sh", "-c", $"{limit}; exec {Path.Combine(Guest.Programs, "waits")} read-forever");
        guest.Expect("ready");
        using (var frozen = FrozenProcess.Freeze(guest.Pid).Value)
        {
            var outcome = frozen.Snapshot();
            Assert.True(outcome.Ok, outcome.ToString());
            Assert.Equal(slots, outcome.Value.AgentSlots);
        }

        guest.Send("x");
        guest.ExpectGoodEnd();
    }

    [RootTheory]
    [InlineData("sleep")]
    [InlineData("sleep-rmtp")]
    [InlineData("poll")]
    [InlineData("epoll")]
    [InlineData("futex")]
    [InlineData("compute")]
    [InlineData("calls")]
    public void Snapshot_WhileItWaits_NoticesNothing(string kind)
    {
        using var guest = Guest.Start("waits", kind);
        guest.Expect("ready");
        for (var i = 0; i < 20; i++)
        {
            using var frozen = FrozenProcess.Freeze(guest.Pid).Value;
            var outcome = frozen.Snapshot();
            Assert.True(outcome.Ok, outcome.ToString());
        }

        guest.Send("x");
        guest.ExpectGoodEnd();
    }
}
