using Google.Protobuf;
using OpenMosix.Checkpoint.Cpu;
using OpenMosix.Checkpoint.Freeze;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Proc;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.Image;
using OpenMosix.Protocol.V1;
using ProcessStatus = OpenMosix.Checkpoint.Proc.ProcessStatus;

namespace OpenMosix.Checkpoint.Snapshot;

/// <summary>
/// Describes a frozen process completely, without its pages. On the tracer's thread. Changes nothing but that the agent is there afterwards, at
/// the place the image names, until Thaw takes it out.
/// </summary>
internal static class SnapshotTaker
{
    public static Outcome<ProcessImage> Take(FrozenThreads frozen, SnapshotOptions options)
    {
        var pid = frozen.Pid;
        var status = ProcessStatus.Read(pid) ?? throw new TraceeException($"process {pid} is gone", Errno.ESRCH);
        if (!options.Remote && ProcessRules.Check(pid, status) is { } refusal)
        {
            return Failures.Refused(Stage.Snapshot, refusal);
        }

        // With the agent in, so that its own areas are known for what they are.
        var agent = frozen.Agent();
        VdsoStep.Out(frozen, MemoryMap.Read(pid));
        var areas = MemoryMap.ReadWithFlags(pid).Where(area => !area.Overlaps(agent.Area.Base.Value, agent.Area.End.Value)).ToList();
        if (areas.Select(area => MappingRules.Check(area, options.Memory)).FirstOrDefault(found => found is not null) is { } mappingRefusal)
        {
            return Failures.Refused(Stage.Snapshot, mappingRefusal);
        }

        var image = new ProcessImage
        {
            Version = ImageFormat.Version,
            Node = options.Node,
            KernelRelease = ReadLine("/proc/sys/kernel/osrelease"),
            Name = ReadLine($"/proc/{pid}/comm"),
            Pid = options.HomePid != 0 ? options.HomePid : pid,
            Cpu = new Protocol.V1.Cpu { Vendor = CpuFeatures.Vendor, Features = ByteString.CopyFrom(CpuFeatures.Read()) },
            AgentArea = agent.Area.Base.Value,
            AgentSlots = agent.Area.Slots,
            Personality = Convert.ToUInt32(ReadLine($"/proc/{pid}/personality"), 16),
            ResidentBytes = status.ResidentBytes,
            HomeHostname = options.HomeHostname.Length > 0 ? options.HomeHostname : ReadLine("/proc/sys/kernel/hostname"),
            Stopped = frozen.GroupStopped,
        };
        image.Cpu.Components.AddRange(XsaveLayout.Components);
        image.Cpu.Xfeatures = XsaveLayout.Components.Aggregate(3UL, (bits, component) => bits | (1UL << (int)component.Number));
        MappingSnapshot.Take(frozen.First.Tracee, areas, image, options.Memory);
        // Ours is read before the process reads its own: what lies between makes a sleep longer, never shorter.
        var ours = ClockReader.Monotonic;
        StateSnapshot.Take(pid, agent, image);
        var snapshot = new ThreadSnapshot(frozen, agent, image, options, ahead: image.Clocks.MonotonicNs - ours);
        image.Threads.AddRange(Enumerable.Range(0, frozen.Threads.Count).Select(snapshot.Take));
        PendingSnapshot.Take(frozen, agent, image);
        return image;
    }

    private static string ReadLine(string path) =>
        (ProcFile.Read(path) ?? throw new TraceeException($"reading {path}", Errno.ESRCH)).TrimEnd('\n');
}
