using System.Diagnostics;

namespace OpenMosix.Protocol.Tests;

/// <summary>Runs the native tests of the system-call table (native/, built by `make test`). Each checks itself and says what it saw.</summary>
public sealed class SyscallNativeTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("syscalls_compared")]
    [InlineData("syscalls_hostile", "60000")]
    [InlineData("syscalls_interrupted")]
    [InlineData("syscalls_filter")]
    [InlineData("syscalls_sizes")]
    public async Task NativeTest_Run_FindsNothingWrong(string name, params string[] arguments)
    {
        var path = Path.Combine(Repository.Root, "out", "tests", name);
        Assert.True(File.Exists(path), $"{path} is not built: make test builds it");
        using var process = Process.Start(new ProcessStartInfo(path, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var errors = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        output.WriteLine(await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken));
        output.WriteLine(await errors);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(0, process.ExitCode);
    }
}
