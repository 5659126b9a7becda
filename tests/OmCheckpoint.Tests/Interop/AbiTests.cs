using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.Image;

namespace OpenMosix.Checkpoint.Tests.Interop;

/// <summary>Offsets and sizes that C# believes, against what the C compiler says.</summary>
public sealed class AbiTests
{
    private static readonly Dictionary<string, ulong> Compiled = Ask();

    [Fact]
    public void AgentAbi_EveryConstant_IsWhatTheCompilerSays()
    {
        var believed = typeof(AgentAbi).GetFields(BindingFlags.Public | BindingFlags.Static).ToDictionary(
            field => field.Name, field => Convert.ToUInt64(field.GetRawConstantValue(), CultureInfo.InvariantCulture));
        Assert.NotEmpty(believed);
        Assert.Equal(Compiled.Where(entry => !entry.Key.Contains('.', StringComparison.Ordinal)).OrderBy(entry => entry.Key), believed.OrderBy(entry => entry.Key));
        Assert.Equal(AgentAbi.SlotsMax, ImageFormat.AgentSlotsMax);
    }

    [Fact]
    public void AgentAbi_ForAnyNumberOfSlots_IsWhatTheCompilerSays()
    {
        var asked = Compiled.Where(entry => entry.Key.StartsWith("of.", StringComparison.Ordinal)).ToList();
        Assert.NotEmpty(asked);
        foreach (var (key, value) in asked)
        {
            var name = key.Split('.')[1];
            var slots = uint.Parse(key.Split('.')[2], CultureInfo.InvariantCulture);
            Assert.Equal(value, typeof(AgentAbi).GetMethod(name)!.Invoke(null, [slots]));
            if (name == "AreaBytes")
            {
                Assert.Equal(value, ImageFormat.AgentAreaBytes(slots));
            }
        }
    }

    [Fact]
    public void AgentArea_OfAnySize_HasItsPartsBesideEachOther()
    {
        var area = new AgentArea(new RemoteAddress(0x1000_0000), 48);
        Assert.Equal(area.Threads + (48 * AgentAbi.ThreadBytes), area.Arena);
        Assert.Equal(area.Threads + AgentAbi.ThreadTls, area.Tls(0));
        Assert.Equal(area.Tls(46) + AgentAbi.ThreadBytes, area.Tls(47));
        Assert.True(area.Tls(47) < area.Arena);
        Assert.Equal(area.Arena + AgentAbi.ArenaHeaderBytes, area.Slot(0));
        Assert.Equal(area.Slot(47) + AgentAbi.SlotHeaderBytes, area.DataOf(47));
        Assert.Equal(area.End, area.Slot(48));
        Assert.Equal(area.BatchStack, area.Threads);
    }

    [Fact]
    public void KernelStructures_SizesAndOffsets_AreWhatTheCompilerSays()
    {
        Assert.Equal(Compiled["kernel.Registers"], (ulong)Marshal.SizeOf<Registers>());
        Assert.Equal(Compiled["kernel.Registers.OrigRax"], Offset<Registers>("OrigRax"));
        Assert.Equal(Compiled["kernel.Registers.Rip"], Offset<Registers>("Rip"));
        Assert.Equal(Compiled["kernel.Registers.Rsp"], Offset<Registers>("Rsp"));
        Assert.Equal(Compiled["kernel.Registers.FsBase"], Offset<Registers>("FsBase"));
        Assert.Equal(Compiled["kernel.FileStatus"], (ulong)Marshal.SizeOf<Kernel.FileStatus>());
        Assert.Equal(Compiled["kernel.FileStatus.Bytes"], Offset<Kernel.FileStatus>("Bytes"));
        Assert.Equal(Compiled["kernel.FileStatus.ModifySeconds"], Offset<Kernel.FileStatus>("ModifySeconds"));
        Assert.Equal(Compiled["kernel.PeekSiginfoArgs"], (ulong)Marshal.SizeOf<Ptrace.PeekSiginfoArgs>());
        Assert.Equal(Compiled["kernel.PeekSiginfoArgs.Flags"], Offset<Ptrace.PeekSiginfoArgs>("Flags"));
        Assert.Equal(Compiled["kernel.RseqConfiguration"], (ulong)Marshal.SizeOf<Ptrace.RseqConfiguration>());
        Assert.Equal(Compiled["kernel.RseqConfiguration.Signature"], Offset<Ptrace.RseqConfiguration>("Signature"));
    }

    private static ulong Offset<T>(string field) => (ulong)Marshal.OffsetOf<T>(field);

    private static Dictionary<string, ulong> Ask()
    {
        using var guest = Guest.Start("abi");
        return guest.End().Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(' ')).ToDictionary(
            words => words[0], words => ulong.Parse(words[1], CultureInfo.InvariantCulture));
    }
}
