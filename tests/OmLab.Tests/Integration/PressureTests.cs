using OpenMosix.Lab.Tests.Running;

namespace OpenMosix.Lab.Tests.Integration;

/// <summary>A node runs out of memory: the job whose departure helps leaves by itself, in time.</summary>
public sealed class PressureTests(PressureTests.Machine lab) : IClassFixture<PressureTests.Machine>
{
    public sealed class Machine() : TestLab("pressure", null, "3", "--memory", "384M,1G,1G");

    // Grows by a MiB a step to more than pc1 has, touching all of it at the end.
    private const string Script = """
        moved python3 -u -c "
        import hashlib, sys
        table = []
        for step in range(448):
            block = hashlib.sha256(str(step).encode()).digest() * 32768
            table.append(bytearray(block))
            sum(hashlib.sha256(block).digest()[0] for _ in range(12))
        digest = hashlib.sha256()
        for block in table:
            digest.update(block)
        print(digest.hexdigest())
        sys.exit(21)
        "
        """;

    [Fact]
    public async Task Job_OutgrowsItsNode_MovesByItselfAndEndsAsNatively()
    {
        lab.Need();
        using var elsewhere = RunningProgram.Start("bash", ["-c", Script.Replace("moved ", "", StringComparison.Ordinal)]);
        using var watch = lab.StartIn("pc1", "omctl", "watch", "--json");
        await watch.WroteAsync("\"watching\"");
        using var job = Job.Start(lab, Script);
        await job.NextPidAsync();
        await watch.WroteAsync("\"moved\"");
        var native = await elsewhere.EndAsync();
        var result = await job.EndAsync();
        Assert.Equal(21, native.Status);
        Assert.True(result.Outcome.Status == 21 && result.Outcome.Output == native.Output, $"{result.Outcome}");
        watch.Signal(15);
        var events = (await watch.EndAsync()).Output;
        Assert.Contains("\"pressure\"", events, StringComparison.Ordinal);
    }
}
