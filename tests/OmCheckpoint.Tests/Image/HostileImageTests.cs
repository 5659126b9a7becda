using Google.Protobuf;
using OpenMosix.Checkpoint.Freeze;
using OpenMosix.Checkpoint.Restore;
using OpenMosix.Protocol.Image;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Tests.Image;

/// <summary>Images as a peer could send them that means harm.</summary>
public sealed class HostileImageTests
{
    public static TheoryData<string> Harms => [.. Changes.Keys];

    private static readonly Dictionary<string, Action<ProcessImage>> Changes = new()
    {
        ["another version"] = image => image.Version++,
        ["no threads"] = image => image.Threads.Clear(),
        ["a thread twice"] = image => AddThread(image, thread => thread.Tid = image.Pid),
        ["a slot twice"] = image => AddThread(image, thread => thread.Slot = 0),
        ["a slot there is not"] = image => AddThread(image, thread => thread.Slot = image.AgentSlots),
        ["another leader"] = image => image.Threads[0].Tid++,
        ["a leader elsewhere"] = image => image.Threads[0].Slot = 1,
        ["no room for threads"] = image => image.AgentSlots = 0,
        ["room for too many"] = image => image.AgentSlots = ImageFormat.AgentSlotsMax + 1,
        ["room for too few"] = image => Enumerable.Range(0, 20).ToList().ForEach(number => AddThread(image, thread =>
        {
            (thread.Tid, thread.Slot) = (image.Pid + number + 1, (uint)number + 1);
            image.AgentSlots = 20;
        })),
        ["more threads than anybody has"] = image => Enumerable.Range(1, ImageFormat.ThreadsMax).ToList().ForEach(number =>
            AddThread(image, thread => (thread.Tid, thread.Slot) = (image.Pid + number, (uint)number))),
        ["no memory layout"] = image => image.Memory = null,
        ["no cpu"] = image => image.Cpu = null,
        ["init's pid"] = image => image.Pid = 1,
        ["a negative pid"] = image => image.Pid = -5,
        ["a mapping of the kernel"] = image => image.Mappings[0].End = 0xffff_8000_0000_0000,
        ["a mapping of nothing"] = image => image.Mappings[0].End = image.Mappings[0].Start,
        ["a mapping backwards"] = image => image.Mappings[0].End = image.Mappings[0].Start - 4096,
        ["half a page"] = image => image.Mappings[0].Start += 512,
        ["mappings that overlap"] = image => image.Mappings[0].End = image.Mappings[1].End,
        ["mappings out of order"] = image => image.Mappings.Add(image.Mappings[0].Clone()),
        ["a mapping over the agent"] = image => image.AgentArea = image.Mappings[0].Start,
        ["the agent above the user"] = image => image.AgentArea = ImageFormat.UserEnd - 4096,
        ["the agent at the end of all addresses"] = image => image.AgentArea = ulong.MaxValue - 4095,
        ["an impossible protection"] = image => image.Mappings[0].Protection = 0x1000000f,
        ["a kind nobody knows"] = image => image.Mappings[0].Kind = (MappingKind)99,
        ["a file that is not there"] = image => image.Mappings[0].File = 1_000_000,
        ["an anonymous file"] = image => image.Mappings[0].Kind = MappingKind.Anonymous,
        ["an offset without end"] = image => image.Mappings[0].Offset = ulong.MaxValue - 4095,
        ["an extent of nothing"] = image => image.Extents[0].Bytes = 0,
        ["an extent around the world"] = image => image.Extents[0].Bytes = ulong.MaxValue - 4095,
        ["an extent outside"] = image => image.Extents[0].Address = 0x1000,
        ["an extent in the vDSO"] = image => image.Extents.Add(new Extent { Address = image.Mappings.Single(m => m.Kind == MappingKind.Vdso).Start, Bytes = 4096 }),
        ["extents twice"] = image => image.Extents.Add(image.Extents[0].Clone()),
        ["a file larger than disks"] = image => image.Files[0].SizeBytes = ulong.MaxValue,
        ["a range outside its file"] = image => image.Files[0].Ranges[0].Bytes += 1UL << 40,
        ["a range around the world"] = image => image.Files[0].Ranges[0].Offset = ulong.MaxValue - 4095,
        ["memory in a private mapping"] = image =>
            image.Files[(int)image.Mappings.First(mapping => mapping.Kind == MappingKind.FilePrivate).File - 1].Memory = true,
        ["a plain file that is elsewhere already"] = image => Hold(image, memory: false, ranges: false),
        ["memory that is elsewhere already, with content"] = image => Hold(image, memory: true, ranges: true),
        ["memory with a range outside"] = image => Memory(image).Ranges.Add(new FileRange { Offset = 1 << 20, Bytes = 4096 }),
        ["memory with ranges out of order"] = image => Memory(image).Ranges.Add([new FileRange { Offset = 8192, Bytes = 4096 }, new FileRange { Offset = 0, Bytes = 4096 }]),
        ["memory with more ranges than anybody takes"] = image => Memory(image).Ranges.AddRange(
            Enumerable.Range(0, ImageFormat.FileRangesMax + 1).Select(number => new FileRange { Offset = (ulong)number * 4096, Bytes = 4096 })),
        ["memory larger than disks"] = image => Memory(image).SizeBytes = ulong.MaxValue,
        ["a name without end"] = image => image.Files[0].Path = new string('x', 1 << 20),
        ["half the registers"] = image => image.Threads[0].Registers = ByteString.CopyFrom(new byte[100]),
        ["no legacy registers"] = image => image.Threads[0].Xstate.Remove(0),
        ["too many extended registers"] = image => image.Threads[0].Xstate[5] = ByteString.CopyFrom(new byte[1 << 20]),
        ["signal 65"] = image => image.Actions.Add(new SignalAction { Signal = 65 }),
        ["signal 0"] = image => image.Actions.Add(new SignalAction { Signal = 0 }),
        ["half a siginfo"] = image => image.SharedPending.Add(new PendingSignal { Siginfo = ByteString.CopyFrom(new byte[64]) }),
        ["half a siginfo of the thread"] = image => image.Threads[0].Pending.Add(new PendingSignal()),
        ["a siginfo of no signal"] = image => image.SharedPending.Add(new PendingSignal { Siginfo = ByteString.CopyFrom(new byte[128]) }),
        ["too many signals"] = image => image.SharedPending.AddRange(Enumerable.Repeat(new PendingSignal { Siginfo = ByteString.CopyFrom(new byte[128]) }, 5000)),
        ["a timer of nobody's"] = image => image.CpuTimers.Add(new CpuTimer { Which = 0, LeftUs = 1 }),
        ["a timer that went off long ago"] = image => image.CpuTimers.Add(new CpuTimer { Which = 1, LeftUs = -1 }),
        ["too many timers"] = image => image.CpuTimers.AddRange(Enumerable.Repeat(new CpuTimer { Which = 1, LeftUs = 1 }, 1000)),
        ["an auxv without end"] = image => image.Memory.Auxv = ByteString.CopyFrom(new byte[1 << 16]),
        ["too many mappings"] = image => image.Mappings.AddRange(Enumerable.Repeat(image.Mappings[0], 70_000)),
    };

    [RootTheory]
    [MemberData(nameof(Harms))]
    public void Check_OfAnImageThatMeansHarm_SaysWhatIsWrong(string harm)
    {
        var image = Good();
        Assert.Null(ImageValidation.Check(image));
        Changes[harm](image);
        Assert.NotNull(ImageValidation.Check(image));
    }

    [RootFact]
    public void Begin_OfAnImageItCannotBuild_FailsAndEndsTheChild()
    {
        var image = Good();
        // Valid as far as an image can be judged, and impossible all the same: below the lowest address a user may map.
        image.Mappings.Insert(0, new Mapping { Start = 0x1000, End = 0x2000, Protection = 3, Kind = MappingKind.Anonymous, Flags = 2 });
        Assert.Null(ImageValidation.Check(image));
        using var blank = Guest.Start("blank");
        blank.Expect("blank");
        var outcome = RestoringProcess.Begin(blank.Pid, image);
        if (outcome.Ok)
        {
            outcome.Value.Dispose(); // root may map there
        }

        Assert.True(blank.Reap().IsSignaled);
    }

    /// <summary>A file of its own that nothing shows: it is looked at all the same.</summary>
    private static MappedFile Memory(ProcessImage image)
    {
        var memory = new MappedFile { Path = "/dev/zero (deleted)", SizeBytes = 1 << 20, Memory = true };
        image.Files.Add(memory);
        return memory;
    }

    private static void Hold(ProcessImage image, bool memory, bool ranges)
    {
        var file = Memory(image);
        (file.Memory, file.Held) = (memory, true);
        if (ranges)
        {
            file.Ranges.Add(new FileRange { Offset = 0, Bytes = 4096 });
        }
    }

    private static void AddThread(ProcessImage image, Action<ThreadImage> change)
    {
        var thread = image.Threads[0].Clone();
        (thread.Tid, thread.Slot) = (image.Pid + 1, 1);
        change(thread);
        image.Threads.Add(thread);
    }

    private static ProcessImage Good()
    {
        using var guest = Guest.Start("waits", "read-forever");
        guest.Expect("ready");
        using var frozen = FrozenProcess.Freeze(guest.Pid).Value;
        var outcome = frozen.Snapshot();
        Assert.True(outcome.Ok, outcome.ToString());
        return outcome.Value;
    }
}
