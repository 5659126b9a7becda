using System.Buffers.Binary;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Tracing;

namespace OpenMosix.Checkpoint.Freeze;

/// <summary>Restartable sequences. The kernel aborts one when it sees the thread return into it; once injected code has run, it never sees
/// that (KERNEL.md 1). So it is aborted here, as a preemption would have.</summary>
internal static class RseqRules
{
    private const ulong CriticalSectionOffset = 8; // struct rseq.rseq_cs
    private const int DescriptorBytes = 32;        // struct rseq_cs: version, flags, start_ip, post_commit_offset, abort_ip

    public static Ptrace.RseqConfiguration Configuration(Tracee tracee) =>
        Ptrace.GetRseqConfiguration(tracee.Tid, out var configuration) < 0 ? default : configuration;

    public static Registers AbortSection(Tracee tracee, Registers registers)
    {
        var configuration = Configuration(tracee);
        var field = new RemoteAddress(configuration.Address) + CriticalSectionOffset;
        if (configuration.Address == 0 || !tracee.TryRead(field, out ulong section) || section == 0)
        {
            return registers;
        }

        Span<byte> descriptor = stackalloc byte[DescriptorBytes];
        if (RemoteMemory.Read(tracee.Tid, new RemoteAddress(section), descriptor, out _) != 0)
        {
            return registers; // the kernel will kill it for that by itself
        }

        var start = BinaryPrimitives.ReadUInt64LittleEndian(descriptor[8..]);
        var length = BinaryPrimitives.ReadUInt64LittleEndian(descriptor[16..]);
        if (registers.Rip - start >= length)
        {
            return registers;
        }

        registers.Rip = BinaryPrimitives.ReadUInt64LittleEndian(descriptor[24..]);
        tracee.Write(field, new byte[sizeof(ulong)]);
        return registers;
    }
}
