using System.Buffers.Binary;
using System.Runtime.Intrinsics.X86;
using Google.Protobuf;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Cpu;

/// <summary>
/// The XSAVE area in standard format, as PTRACE_GETREGSET gives it, taken apart by component and put together for this CPU: offsets
/// differ by vendor (CPUID 0xD; KERNEL.md 18). Component 0 is the legacy area's first 160 bytes (x87 with MXCSR), 1 its XMM registers.
/// </summary>
internal static class XsaveLayout
{
    private const int LegacyX87Bytes = 160;
    private const int LegacyXmmBytes = 256;
    private const int MxcsrOffset = 24;
    private const int HeaderOffset = 512;
    private const int HeaderBytes = 64;
    private const int LargestArea = 16 * 1024;

    /// <summary>Where each component of this CPU lies, those above the legacy area.</summary>
    public static IReadOnlyList<XsaveComponent> Components { get; } = Find();

    /// <summary>Takes the thread's state apart into image.</summary>
    public static void Save(Tracee tracee, ThreadImage image)
    {
        byte[] area = Read(tracee);
        ulong inUse = BinaryPrimitives.ReadUInt64LittleEndian(area.AsSpan(HeaderOffset));
        image.XstateBvLow = (uint)inUse;
        image.Mxcsr = BinaryPrimitives.ReadUInt32LittleEndian(area.AsSpan(MxcsrOffset));
        image.Xstate[0] = ByteString.CopyFrom(area, 0, LegacyX87Bytes);
        image.Xstate[1] = ByteString.CopyFrom(area, LegacyX87Bytes, LegacyXmmBytes);
        foreach (XsaveComponent component in Components)
        {
            if ((inUse & (1UL << (int)component.Number)) != 0 && component.Offset + component.Bytes <= area.Length)
            {
                image.Xstate[component.Number] = ByteString.CopyFrom(area, (int)component.Offset, (int)component.Bytes);
            }
        }
    }

    /// <summary>The component this CPU has not, of those in use; null: it has all, in the same sizes.</summary>
    public static uint? Missing(ThreadImage image)
    {
        foreach ((uint number, ByteString bytes) in image.Xstate)
        {
            if (number > 1 && !Components.Any(component => component.Number == number && component.Bytes == bytes.Length))
            {
                return number;
            }
        }

        return null;
    }

    /// <summary>Gives the thread the state of image.</summary>
    public static void Load(Tracee tracee, ThreadImage image)
    {
        byte[] area = Read(tracee);
        area.AsSpan(HeaderOffset, HeaderBytes).Clear();
        ulong inUse = 0b11;
        Put(area, 0, LegacyX87Bytes, image, 0);
        Put(area, LegacyX87Bytes, LegacyXmmBytes, image, 1);
        foreach (XsaveComponent component in Components)
        {
            if (image.Xstate.ContainsKey(component.Number))
            {
                Put(area, (int)component.Offset, (int)component.Bytes, image, component.Number);
                inUse |= 1UL << (int)component.Number;
            }
        }

        // A component that was in its initial state stays so, the legacy ones included.
        inUse &= image.XstateBvLow;
        BinaryPrimitives.WriteUInt64LittleEndian(area.AsSpan(HeaderOffset), inUse);
        BinaryPrimitives.WriteUInt32LittleEndian(area.AsSpan(MxcsrOffset), image.Mxcsr);
        Tracee.Check(Ptrace.SetRegisterSet(tracee.Tid, Ptrace.NT_X86_XSTATE, area), "setting the extended registers");
    }

    private static void Put(byte[] area, int offset, int bytes, ThreadImage image, uint number)
    {
        if (!image.Xstate.TryGetValue(number, out ByteString? state) || state.Length != bytes || offset + bytes > area.Length)
        {
            throw new TraceeException($"component {number} of the extended registers has another size here");
        }

        state.Span.CopyTo(area.AsSpan(offset));
    }

    private static byte[] Read(Tracee tracee)
    {
        byte[] area = new byte[LargestArea];
        long bytes = Ptrace.GetRegisterSet(tracee.Tid, Ptrace.NT_X86_XSTATE, area);
        Tracee.Check(bytes, "reading the extended registers");
        return area[..(int)bytes];
    }

    private static List<XsaveComponent> Find()
    {
        var components = new List<XsaveComponent>();
        (int low, _, _, int high) = X86Base.CpuId(0xd, 0);
        ulong supported = (uint)low | ((ulong)(uint)high << 32);
        for (int number = 2; number < 63; number++)
        {
            if ((supported & (1UL << number)) == 0)
            {
                continue;
            }

            (int bytes, int offset, _, _) = X86Base.CpuId(0xd, number);
            if (bytes > 0)
            {
                components.Add(new XsaveComponent { Number = (uint)number, Offset = (uint)offset, Bytes = (uint)bytes });
            }
        }

        return components;
    }
}
