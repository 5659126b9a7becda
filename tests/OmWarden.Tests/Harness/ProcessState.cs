namespace OpenMosix.Warden.Tests.Harness;

internal static class ProcessState
{
    internal static char Of(int pid)
    {
        string stat = File.ReadAllText($"/proc/{pid}/stat");
        return stat[stat.LastIndexOf(')') + 2];
    }

    /// <summary>The kernel tells nobody but the parent and the tracer when a process stops: a test can only look.</summary>
    internal static async Task UntilAsync(int pid, string states)
    {
        while (!states.Contains(Of(pid)))
            await Task.Delay(5, TestContext.Current.CancellationToken);
    }

    /// <summary>The number of the call it waits in; -1: it waits in none.</summary>
    internal static int CallOf(int pid) => int.TryParse(File.ReadAllText($"/proc/{pid}/syscall").Split(' ')[0], out int number) ? number : -1;

    internal static async Task UntilInCallAsync(int pid, params int[] numbers)
    {
        while (!numbers.Contains(CallOf(pid)))
            await Task.Delay(5, TestContext.Current.CancellationToken);
    }
}
