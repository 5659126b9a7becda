namespace OpenMosix.Warden.Tests.Harness;

internal static class ProcessState
{
    internal static char Of(int pid)
    {
        string stat = File.ReadAllText($"/proc/{pid}/stat");
        return stat[stat.LastIndexOf(')') + 2];
    }

    /// <summary>The kernel tells nobody but the parent and the tracer when a process stops: a test can only look.</summary>
    internal static async Task UntilAsync(int pid, char state)
    {
        while (Of(pid) != state)
            await Task.Delay(5, TestContext.Current.CancellationToken);
    }
}
