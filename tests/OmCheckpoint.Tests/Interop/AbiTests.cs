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
        Assert.Equal(Compiled.Where(entry => !entry.Key.StartsWith("kernel.", StringComparison.Ordinal)).OrderBy(entry => entry.Key), believed.OrderBy(entry => entry.Key));
        Assert.Equal(ImageFormat.AgentAreaBytes, Compiled["AreaBytes"]);
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
