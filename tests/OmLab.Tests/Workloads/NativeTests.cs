using OpenMosix.Lab.Tests.Running;

namespace OpenMosix.Lab.Tests.Workloads;

/// <summary>Each workload passes where nothing is in its way; what it does when it is moved is then the product's doing.</summary>
public sealed class NativeTests
{
    public static TheoryData<string> All()
    {
        var names = new TheoryData<string>();
        names.AddRange(Workload.Names());
        return names;
    }

    [Theory]
    [MemberData(nameof(All))]
    public async Task Workload_Native_Passes(string name)
    {
        using var program = RunningProgram.Start(Workload.Path(name), ["300"]);
        var outcome = (await program.EndAsync()).Succeeded();
        Assert.EndsWith($"ok {name}\n", outcome.Output, StringComparison.Ordinal);
        Assert.Empty(outcome.Errors);
    }
}
