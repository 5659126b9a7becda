using Google.Protobuf;
using OpenMosix.Daemon.Migration;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Tests.Migration;

public sealed class TargetAdmissionTests
{
    private const ulong MiB = 1 << 20;

    [Theory]
    [InlineData(100, 200, 0, null)]
    [InlineData(96, 140, 0, null)]
    [InlineData(96, 139, 0, "target-memory")]
    [InlineData(96, 200, 61, "target-memory")] // promised to others already
    public void Check_Memory_NeedsTheBodyAnEighthMoreAndSlack(ulong bodyMiB, ulong availableMiB, ulong reservedMiB, string? refusal) =>
        Assert.Equal(refusal, TargetAdmission.Check(Image(bodyMiB), Target(availableMiB, reservedMiB))?.Name);

    [Fact]
    public void Check_FilesAreShippedWhole_AndCounted()
    {
        ProcessImage image = Image(50);
        image.Files.Add(new MappedFile { Ranges = { new FileRange { Bytes = 60 * MiB } } });

        Assert.Equal("target-memory", TargetAdmission.Check(image, Target(130, 0))?.Name);
    }

    [Fact]
    public void Check_DoesNotAccept_IsRefusedFirst()
    {
        TargetState target = Target(1, 0);
        target.Self.Accepts = false;

        Assert.Equal("not-accepting", TargetAdmission.Check(Image(100), target)?.Name);
    }

    [Theory]
    [InlineData(new byte[] { 1, 0, 0, 0 }, new byte[] { 1, 0, 0, 0 }, null)] // fpu
    [InlineData(new byte[] { 1, 0, 0, 0 }, new byte[] { 1, 0, 0, 2 }, null)]
    [InlineData(new byte[] { 1, 0, 0, 2 }, new byte[] { 1, 0, 0, 0 }, "sse")]
    [InlineData(new byte[] { 1, 0, 0, 0 }, new byte[0], "fpu")]
    [InlineData(new byte[] { 2, 0, 0, 0 }, new byte[0], null)] // vme: nothing that a program could pick up
    public void Check_CpuFeatures_MustAllBeThere(byte[] needed, byte[] present, string? missing)
    {
        ProcessImage image = Image(1);
        image.Cpu = new Cpu { Features = ByteString.CopyFrom(needed) };
        TargetState target = Target(1000, 0);
        target.Self.CpuFeatures = ByteString.CopyFrom(present);

        Refusal? refusal = TargetAdmission.Check(image, target);
        Assert.Equal(missing is null ? null : "cpu", refusal?.Name);
        Assert.Contains(missing is null ? "" : $": {missing}", refusal?.Object ?? "", StringComparison.Ordinal);
    }

    [Fact]
    public void Limits_LeaveATenthToTheNode_ButNeverLessThanTheBodyNeeds()
    {
        Assert.Equal(900 * MiB, TargetAdmission.Limits(Image(100), Target(1000, 0), 4).MemoryBytes);
        Assert.Equal(140 * MiB, TargetAdmission.Limits(Image(96), Target(141, 0), 4).MemoryBytes);
        Assert.Equal(140 * MiB, TargetAdmission.Limits(Image(96), Target(1000, 0), 4).NeedBytes);
        Assert.Equal(4u, TargetAdmission.Limits(Image(100), Target(1000, 0), 4).Cpus);
    }

    private static ProcessImage Image(ulong mebibytes) => new() { Node = "a", Extents = { new Extent { Bytes = mebibytes * MiB } } };

    private static TargetState Target(ulong availableMiB, ulong reservedMiB) =>
        new(new NodeInfo { Node = "b", Accepts = true, Load = new Load { MemoryAvailableBytes = availableMiB * MiB } }, reservedMiB * MiB);
}
