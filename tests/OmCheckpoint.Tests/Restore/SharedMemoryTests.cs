using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;
using OpenMosix.Checkpoint.Freeze;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Pages;
using OpenMosix.Checkpoint.Restore;
using OpenMosix.Checkpoint.Snapshot;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.Image;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Tests.Restore;

/// <summary>Processes that share memory, carried away and home again as the daemons do it with a group.</summary>
public sealed class SharedMemoryTests
{
    private const ulong Bytes = 1 << 20;
    private const ulong Page = 4096;

    [RootFact]
    public void Restore_OfTwoThatShare_TheySeeEachOthersWrites()
    {
        using var first = Sharing.Start();
        using var second = Sharing.Start();
        first.Must($"anonymous 1 {Bytes}");
        second.Share(first, 1, Bytes);
        first.Fill(1, 0, 16 * Page, 7);
        second.Fill(1, 32 * Page, 16 * Page, 8);
        using var away = new Away([first, second]);

        foreach (var one in away.Copies)
        {
            Assert.Equal(0, one.Differs(1, 0, 16 * Page, 7));
            Assert.Equal(0, one.Differs(1, 32 * Page, 16 * Page, 8));
            Assert.Equal(0, one.Differs(1, 48 * Page, Bytes - (48 * Page), 0));
        }

        away.Copies[0].Fill(1, 100 * Page, 10 * Page, 9);
        Assert.Equal(0, away.Copies[1].Differs(1, 100 * Page, 10 * Page, 9));
        away.Copies[1].Fill(1, 0, Page, 10);
        Assert.Equal(0, away.Copies[0].Differs(1, 0, Page, 10));
        // What stays behind has nothing of that.
        Assert.Equal(0, first.Differs(1, 0, 16 * Page, 7));
        Assert.All(away.Copies, copy => Assert.DoesNotContain(Descriptors(copy.Pid), link => link.Contains("memfd", StringComparison.Ordinal) || link.Contains("socket", StringComparison.Ordinal)));
    }

    [RootFact]
    public void Snapshot_OfMemoryThatIsMostlyEmpty_CarriesWhatIsInIt()
    {
        const ulong Large = 256 << 20;
        using var guest = Sharing.Start();
        guest.Must($"anonymous 1 {Large}");
        guest.Fill(1, 5 * Page, 3 * Page, 7);
        guest.Fill(1, Large - Page, Page, 8);
        using var away = new Away([guest]);

        var memory = Assert.Single(away.Images[0].Files, file => file.Memory);
        Assert.Equal(Large, memory.SizeBytes);
        Assert.Equal([(5 * Page, 3 * Page), (Large - Page, Page)], memory.Ranges.Select(range => (range.Offset, range.Bytes)));
        Assert.Null(ImageValidation.Check(away.Images[0]));
        var copy = away.Copies[0];
        Assert.Equal(4, BlocksOf(copy.LinkOf(1)) * 512 / (long)Page);
        Assert.Equal(0, copy.Differs(1, 5 * Page, 3 * Page, 7));
        Assert.Equal(0, copy.Differs(1, Large - Page, Page, 8));
        Assert.Equal(0, copy.Differs(1, 0, 5 * Page, 0));
    }

    /// <summary>What one has unmapped another has still: the first of a group carries all of it.</summary>
    [RootFact]
    public void Snapshot_OfOneThatHasUnmappedAPart_CarriesAllOfIt()
    {
        using var first = Sharing.Start();
        using var second = Sharing.Start();
        first.Must($"anonymous 1 {Bytes}");
        second.Share(first, 1, Bytes);
        second.Fill(1, 0, Bytes, 7);
        first.Must($"unmap 1 {16 * Page} {Bytes - (16 * Page)}");
        using var away = new Away([first, second]);

        Assert.Equal(0, away.Copies[0].Differs(1, 0, 16 * Page, 7));
        Assert.Equal(0, away.Copies[1].Differs(1, 0, Bytes, 7));
        Assert.Equal([true, false], away.Images.Select(image => image.Files.Single(file => file.Memory).Ranges.Count > 0));
    }

    [RootFact]
    public void Restore_OfMemoryMappedTwice_IsOneMemory()
    {
        using var guest = Sharing.Start();
        guest.Must($"anonymous 1 {Bytes}");
        guest.Must($"again 1 2 {Bytes}");
        guest.Fill(1, 0, Bytes, 7);
        using var away = new Away([guest]);

        Assert.Single(away.Images[0].Files, file => file.Memory);
        var copy = away.Copies[0];
        Assert.Equal(0, copy.Differs(2, 0, Bytes, 7));
        copy.Fill(2, 3 * Page, Page, 8);
        Assert.Equal(0, copy.Differs(1, 3 * Page, Page, 8));
    }

    [RootFact]
    public void Restore_OfThreeThatShareInAChain_EachMemoryComesOnce()
    {
        using var first = Sharing.Start();
        using var second = Sharing.Start();
        using var third = Sharing.Start();
        first.Must($"anonymous 1 {Bytes}");
        second.Share(first, 1, Bytes);
        third.Must($"close {third.Do($"memfd 2 {Bytes + 100}")}");
        second.Share(third, 2, Bytes);
        first.Fill(1, 0, Bytes, 7);
        third.Fill(2, 0, Bytes, 8);
        using var away = new Away([first, second, third]);

        Assert.Equal([0, 1, 1], away.Images.Select(image => image.Files.Count(file => file.Held)));
        Assert.Equal(0, away.Copies[1].Differs(1, 0, Bytes, 7));
        Assert.Equal(0, away.Copies[2].Differs(2, 0, Bytes, 8));
        away.Copies[2].Fill(2, 0, Bytes, 9);
        Assert.Equal(0, away.Copies[1].Differs(2, 0, Bytes, 9));
    }

    [RootFact]
    public void Restore_OfTheCopies_IsStillTheSameMemory()
    {
        using var first = Sharing.Start();
        using var second = Sharing.Start();
        first.Must($"anonymous 1 {Bytes}");
        second.Share(first, 1, Bytes);
        first.Fill(1, 0, 10 * Page, 7);
        using var there = new Away([first, second]);
        there.Copies[1].Fill(1, 10 * Page, 10 * Page, 8);
        using var further = new Away([.. there.Copies], there);

        var before = there.Images[0].Files.Single(file => file.Memory);
        var after = further.Images[0].Files.Single(file => file.Memory);
        Assert.Equal((before.Path, before.Device, before.Inode, before.SizeBytes), (after.Path, after.Device, after.Inode, after.SizeBytes));
        Assert.Equal(20 * Page, after.Ranges.Aggregate(0UL, (sum, range) => sum + range.Bytes));
        Assert.Equal(0, further.Copies[0].Differs(1, 10 * Page, 10 * Page, 8));
        further.Copies[0].Fill(1, 0, Bytes, 9);
        Assert.Equal(0, further.Copies[1].Differs(1, 0, Bytes, 9));
    }

    [RootFact]
    public void Snapshot_OfMemoryNobodyNamed_IsRefused()
    {
        using var guest = Sharing.Start();
        guest.Must($"anonymous 1 {Bytes}");
        using (var frozen = FrozenProcess.Freeze(guest.Pid).Value)
        {
            Assert.Equal("shared-memory", frozen.Snapshot().Failure?.Refusal?.Name);
        }

        Assert.Equal(0, guest.Differs(1, 0, Bytes, 0));
    }

    /// <summary>It could not bring it home by itself.</summary>
    [RootFact]
    public void Snapshot_OfMemoryItMayOnlyRead_SaysThatItIsWrittenTo()
    {
        using var guest = Sharing.Start();
        using var writer = Sharing.Start();
        writer.Must($"anonymous 1 {Bytes}");
        guest.Share(writer, 1, Bytes, "watch");
        var found = Sharers.Find(guest.Pid, _ => default).Memory;
        Assert.True(Assert.Single(found).Written);
        Assert.Null(Inspection.Inspect(guest.Pid, new(found)));
        Assert.Null(Inspection.Inspect(writer.Pid, new(found)));
    }

    [RootFact]
    public void Return_OfTwoThatShare_WritesIntoTheMemoryItself()
    {
        using var first = Sharing.Start();
        using var second = Sharing.Start();
        first.Must($"anonymous 1 {Bytes}");
        second.Share(first, 1, Bytes);
        first.Fill(1, 0, 16 * Page, 7);
        var before = Descriptors(first.Pid);
        using var watching = File.OpenHandle(first.LinkOf(1), FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        using var away = new Away([first, second], deputies: true);
        away.Copies[1].Fill(1, 16 * Page, 16 * Page, 8);
        away.Copies[0].Fill(1, 0, 4 * Page, 9);
        // Whatever the skeleton shows meanwhile is not the body's.
        RandomAccess.Write(watching, [1, 2, 3, 4], 200 * (long)Page);

        away.Return();

        Assert.Equal(Word(0, 9), WordAt(watching, 0));
        Assert.Equal(Word(4 * Page, 7), WordAt(watching, 4 * Page));
        Assert.Equal(Word(31 * Page, 8), WordAt(watching, 31 * Page));
        Assert.Equal(0UL, WordAt(watching, 200 * Page));
        foreach (var home in new[] { first, second })
        {
            Assert.Equal(0, home.Differs(1, 0, 4 * Page, 9));
            Assert.Equal(0, home.Differs(1, 16 * Page, 16 * Page, 8));
            Assert.Equal(0, home.Differs(1, 32 * Page, Bytes - (32 * Page), 0));
            Assert.Equal(before.Count, Descriptors(home.Pid).Count);
        }

        first.Fill(1, 50 * Page, Page, 10);
        Assert.Equal(0, second.Differs(1, 50 * Page, Page, 10));
        Assert.Equal(Word(50 * Page, 10), WordAt(watching, 50 * Page));
    }

    /// <summary>It was mapped at another place, too, while it was away: the skeleton does not have that.</summary>
    [RootFact]
    public void Return_OfMemoryMappedAgainAway_IsOneMemory()
    {
        using var guest = Sharing.Start();
        guest.Must($"anonymous 1 {Bytes}");
        guest.Fill(1, 0, Bytes, 7);
        using var away = new Away([guest], deputies: true);
        away.Copies[0].Must($"again 1 2 {Bytes}");
        away.Copies[0].Must($"unmap 1 {Page} {Page}");
        away.Return();

        Assert.Equal(0, guest.Differs(2, 0, Bytes, 7));
        guest.Fill(2, 0, Page, 8);
        Assert.Equal(0, guest.Differs(1, 0, Page, 8));
    }

    /// <summary>A hosting node may say of anything that it is memory.</summary>
    [RootTheory]
    [InlineData("file")]
    [InlineData("/memfd:om-arena")]
    public void Return_OfAnImageThatCallsSomethingElseMemory_FailsAndNothingIsWritten(string what)
    {
        var path = Path.GetTempFileName();
        File.WriteAllBytes(path, [.. Enumerable.Repeat((byte)0x5a, (int)Bytes)]);
        try
        {
            using var guest = Sharing.Start();
            guest.Must($"watch 1 {Bytes} 0 0 {path}");
            using var frozen = FrozenProcess.Freeze(guest.Pid).Value;
            var image = frozen.Snapshot().Value;
            using var deputy = frozen.Deputize(image).Value;
            frozen.Dispose();
            var (device, inode) = Area(guest.Pid, what == "file" ? path : what);
            image.Files.Add(new MappedFile { Path = "/dev/zero (deleted)", Device = device, Inode = inode, SizeBytes = Bytes, Memory = true });

            var begun = RestoringProcess.BeginReturn(guest.Pid, image);

            Assert.False(begun.Ok);
            Assert.Equal(Errno.ENOENT, begun.Failure!.Errno);
            Assert.Equal(Bytes, (ulong)File.ReadAllBytes(path).Count(value => value == 0x5a));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [RootFact]
    public void Open_OfWhatHasANameOrIsOnlyRead_IsNothing()
    {
        var path = $"/dev/shm/om-open-{Guid.NewGuid():N}";
        File.WriteAllBytes(path, new byte[Bytes]);
        try
        {
            using var guest = Sharing.Start();
            using var owner = Sharing.Start();
            guest.Must($"share 1 {Bytes} 0 0 {path}");
            owner.Must($"anonymous 2 {Bytes}");
            guest.Share(owner, 2, Bytes, "watch");

            using var named = MemoryFiles.Open(guest.Pid, Memory(guest, 1));
            using var read = MemoryFiles.Open(guest.Pid, Memory(guest, 2));
            using var written = MemoryFiles.Open(owner.Pid, Memory(owner, 2));
            Assert.Null(named);
            Assert.Null(read);
            Assert.NotNull(written);

            File.Delete(path);
            using var nameless = MemoryFiles.Open(guest.Pid, Memory(guest, 1));
            Assert.NotNull(nameless);
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static MappedFile Memory(Sharing guest, int number)
    {
        var area = Proc.MemoryMap.Read(guest.Pid).First(area => area.Start == Sharing.At(number));
        return new MappedFile { Device = area.Device, Inode = area.Inode, Memory = true };
    }

    private static (ulong Device, ulong Inode) Area(int pid, string name)
    {
        var area = Proc.MemoryMap.Read(pid).First(area => area.Name.StartsWith(name, StringComparison.Ordinal));
        return (area.Device, area.Inode);
    }

    private static List<string> Descriptors(int pid) =>
        [.. Directory.GetFileSystemEntries(Sharing.Invariant($"/proc/{pid}/fd")).Select(path => new FileInfo(path).LinkTarget ?? "")];

    private static long BlocksOf(string link)
    {
        Assert.Equal(0, Kernel.Status(link, out var status));
        return status.Blocks;
    }

    private static ulong Word(ulong at, ulong seed) => unchecked((at + seed) * 0x9e3779b97f4a7c15UL);

    private static ulong WordAt(SafeFileHandle file, ulong at)
    {
        var word = new byte[sizeof(ulong)];
        Assert.Equal(word.Length, RandomAccess.Read(file, word, (long)at));
        return BinaryPrimitives.ReadUInt64LittleEndian(word);
    }

    /// <summary>A group that runs elsewhere: in blank processes on this machine.</summary>
    private sealed class Away : IDisposable
    {
        private readonly List<Sharing> _homes;
        private readonly List<DeputyProcess> _deputies = [];

        public Away(List<Sharing> homes, Away? earlier = null, bool deputies = false)
        {
            _homes = homes;
            var memory = earlier is null ? new SharedMemorySet(Sharers.Find(homes[0].Pid, _ => default).Memory) : SharedMemorySet.None;
            // The last first, as the daemon does it: what there is of memory the leader's image tells.
            var frozen = Enumerable.Range(0, homes.Count).Reverse().Select(i => FrozenProcess.Freeze(homes[i].Pid, Options(earlier, i)).Value).Reverse().ToList();
            Images = [.. frozen.Select(one => Taken(one.Snapshot(earlier is null
                ? new SnapshotOptions { Memory = memory }
                : new SnapshotOptions { Remote = true, HomePid = earlier._homes[frozen.IndexOf(one)].Pid })))];
            HoldLater(Images);
            for (var i = 0; i < homes.Count; i++)
            {
                Copies.Add(Restore(homes[i].Pid, Images[i]));
                if (deputies)
                {
                    _deputies.Add(frozen[i].Deputize(Images[i]).Value);
                }
            }

            frozen.ForEach(one => one.Dispose());
            foreach (var process in Restoring)
            {
                Assert.True(process.Run().Ok);
            }
        }

        public List<ProcessImage> Images { get; }

        public List<Sharing> Copies { get; } = [];

        private List<RestoringProcess> Restoring { get; } = [];

        public void Return()
        {
            var frozen = Copies.Select((copy, i) => FrozenProcess.Freeze(copy.Pid, new FreezeOptions { AgentArea = _deputies[i].Area }).Value).ToList();
            var images = frozen.Select((one, i) => Taken(one.Snapshot(new SnapshotOptions { Remote = true, HomePid = _homes[i].Pid }))).ToList();
            HoldLater(images);
            var begun = new List<RestoringProcess>();
            for (var i = 0; i < _homes.Count; i++)
            {
                var outcome = RestoringProcess.BeginReturn(_homes[i].Pid, images[i]);
                Assert.True(outcome.Ok, outcome.ToString());
                begun.Add(outcome.Value);
                Copy.All(Copies[i].Pid, images[i], begun[i]);
                Assert.True(begun[i].Finish().Ok);
            }

            for (var i = 0; i < _homes.Count; i++)
            {
                Assert.Equal(0, Kernel.Kill(Copies[i].Pid, 9));
                frozen[i].Dispose();
                Assert.True(begun[i].Run().Ok);
            }
        }

        public void Dispose()
        {
            Restoring.ForEach(process => process.Dispose());
            _deputies.ForEach(deputy => deputy.Dispose());
            Copies.ForEach(copy => copy.Dispose());
        }

        private Sharing Restore(int from, ProcessImage image)
        {
            var blank = Guest.Start("blank");
            blank.Expect("blank");
            var there = Copies.Select(copy => copy.Pid).ToList();
            var begun = RestoringProcess.Begin(blank.Pid, image, present: wanted => there.Select(pid => MemoryFiles.Open(pid, wanted)).FirstOrDefault(found => found is not null));
            Assert.True(begun.Ok, begun.ToString());
            Copy.All(from, image, begun.Value);
            var finished = begun.Value.Finish();
            Assert.True(finished.Ok, finished.ToString());
            Restoring.Add(begun.Value);
            return new Sharing(blank);
        }

        private static void HoldLater(List<ProcessImage> images)
        {
            var come = new HashSet<(ulong Device, ulong Inode)>();
            foreach (var file in images.SelectMany(image => image.Files).Where(file => file.Memory && !come.Add((file.Device, file.Inode))))
            {
                file.Ranges.Clear();
                file.Held = true;
            }

            Assert.All(images, image => Assert.Null(ImageValidation.Check(image)));
        }

        private static FreezeOptions Options(Away? earlier, int i) => earlier is null ? new FreezeOptions() : new FreezeOptions { AgentArea = AgentArea.Of(earlier.Images[i]) };

        private static ProcessImage Taken(Protocol.Errors.Outcome<ProcessImage> taken)
        {
            Assert.True(taken.Ok, taken.ToString());
            return taken.Value;
        }
    }
}
