using OpenMosix.Lab.Tests.Running;

namespace OpenMosix.Lab.Tests.Integration;

/// <summary>hostile/hostile.c on pc1: told what to do, a line at a time.</summary>
internal sealed class Hostile : IDisposable
{
    private readonly Job _job;
    private readonly Mover? _mover;
    private int _commands;

    private Hostile(Job job, int pid, Mover? mover)
    {
        _job = job;
        _mover = mover;
        Pid = pid;
    }

    /// <summary>A call of no consequence (getpid). Once it is answered the program has taken off its privileges.</summary>
    internal const string First = "number 39";

    internal int Pid { get; }

    internal string History => _mover?.History ?? "";

    /// <summary>Never moved, to compare with.</summary>
    internal static Hostile StartNative(HostileLab lab) => new(Job.StartNative(lab, $"moved {HostileLab.Programs}/hostile"), 0, null);

    internal static async Task<Hostile> StartMovedAsync(HostileLab lab)
    {
        var job = Job.Start(lab, $"moved {HostileLab.Programs}/hostile");
        var pid = await job.NextPidAsync();
        var hostile = new Hostile(job, pid, new Mover(lab, pid, 0));
        await hostile.DoAsync(First);
        Assert.True(await hostile.MoveAsync("pc2"), hostile.History);
        return hostile;
    }

    internal async Task<string?> WhereAsync() => (await _mover!.StateAsync())?.GetProperty("where").GetString();

    internal Task<bool> MoveAsync(string node) => _mover!.ToAsync(node);

    /// <summary>Returns when it has done it.</summary>
    internal async Task DoAsync(string command)
    {
        await SayAsync(command);
        await DoneAsync();
    }

    internal Task DoneAsync() => _job.Program.WroteAsync($"done {_commands}\n");

    internal Task SayAsync(string command)
    {
        _commands++;
        return _job.Program.WriteAsync(command + "\n");
    }

    internal Task WroteAsync(string text) => _job.Program.WroteAsync(text);

    /// <summary>How it ended, and everything it has said.</summary>
    internal async Task<Outcome> EndAsync() => (await _job.EndAsync()).Outcome;

    public void Dispose() => _job.Dispose();
}
