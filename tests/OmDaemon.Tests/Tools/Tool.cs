using System.Diagnostics;
using System.Text.Json;

namespace OpenMosix.Daemon.Tests.Tools;

/// <summary>omctl as a user runs it.</summary>
internal sealed record Tool(int Status, string Output, string Errors)
{
    private static string Program { get; } = Path.Combine(AppContext.BaseDirectory, "omctl");

    public JsonElement Json => JsonDocument.Parse(Output).RootElement;

    public static Task<Tool> RunAsync(TestNode node, params string[] arguments) => RunAsync([.. arguments, "--run-dir", node.Options.RunDirectory]);

    public static async Task<Tool> RunAsync(params string[] arguments) => await EndAsync(Start(Program, arguments));

    /// <summary>As the user nobody.</summary>
    public static async Task<Tool> RunAsNobodyAsync(TestNode node, params string[] arguments)
    {
        Assert.SkipUnless(Environment.UserName == "root" && File.Exists("/usr/bin/setpriv"), "not root: acting as another user is not tested.");
        return await EndAsync(Start("/usr/bin/setpriv", ["--reuid=65534", "--regid=65534", "--clear-groups", Program, .. arguments, "--run-dir", node.Options.RunDirectory]));
    }

    public static Process Start(TestNode node, params string[] arguments) => Start(Program, [.. arguments, "--run-dir", node.Options.RunDirectory]);

    public static async Task<Tool> EndAsync(Process process)
    {
        using (process)
        {
            Task<string> output = process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
            string errors = await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
            return new Tool(process.ExitCode, await output, errors);
        }
    }

    private static Process Start(string program, params string[] arguments) =>
        Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
}
