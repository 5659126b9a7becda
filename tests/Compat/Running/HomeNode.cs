using System.Diagnostics;
using System.Globalization;
using OpenMosix.Compat.Moving;
using OpenMosix.Lab;
using OpenMosix.Lab.Cgroups;
using OpenMosix.Lab.Nodes;
using OpenMosix.Lab.State;

namespace OpenMosix.Compat.Running;

/// <summary>pc1 of a lab of three: where everything is started, natively or under omrun. The lab goes when this is disposed.</summary>
internal sealed class HomeNode : IDisposable
{
    internal const string Name = "pc1";

    private static readonly string[] Nodes = ["pc1", "pc2", "pc3"];
    private readonly string _lab;
    private readonly string? _memory, _temporary;
    private LabRecord _record;

    private HomeNode(string lab, string? memory, string? temporary, CancellationToken stop)
    {
        (_lab, _memory, _temporary) = (lab, memory, temporary);
        _record = Make(stop);
    }

    internal static HomeNode Up(string lab, CancellationToken stop) => new(lab, null, null, stop);

    /// <param name="memory">Limit of each node, as 4G.</param>
    /// <param name="temporary">What the node has as its /tmp.</param>
    internal static HomeNode UpWithin(string memory, string temporary, string lab, CancellationToken stop) => new(lab, memory, temporary, stop);

    /// <summary>After a run that left something broken: the next one must not suffer for it.</summary>
    internal void Renew(CancellationToken stop)
    {
        LabDown.Run(_lab);
        _record = Make(stop);
    }

    /// <summary>Runs a bash script in the node. Nothing that it started is left when this returns.</summary>
    internal async Task<Run> RunAsync(Script script, TimeSpan limit, CancellationToken stop)
    {
        using var process = Start(script);
        return await EndAsync(process, limit, stop);
    }

    /// <summary>The same, while every process of a job is moved.</summary>
    internal async Task<MovedRun> RunMovedAsync(Script script, TimeSpan limit, int seed, CancellationToken stop)
    {
        using var init = ControlSocket.Open(new LabPaths(_lab), Name);
        using var daemon = new HomeDaemon(init.Pid);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(stop);
        var mover = new JobMover(daemon, Name, Nodes, seed);
        var bytes = WireBytes(init.Pid);
        using var process = Start(script);
        var moving = mover.RunAsync(ended.Token);
        Run run;
        try
        {
            run = await EndAsync(process, limit, stop);
        }
        finally
        {
            await ended.CancelAsync();
            await moving;
        }

        return new MovedRun(run, mover.Tally, Math.Max(0, WireBytes(init.Pid) - bytes - mover.Tally.ImageBytesAtHome));
    }

    /// <summary>What a command of the node printed, whatever its status.</summary>
    internal string Ask(params string[] command)
    {
        using var process = NodeProgram.Start(_record, Name, command);
        var errors = process.StandardError.ReadToEndAsync();
        return process.StandardOutput.ReadToEnd() + errors.Result;
    }

    /// <summary>What the daemons and wardens of all nodes have written since then.</summary>
    internal string Log(DateTime since) => string.Join('\n', Nodes.SelectMany(node => NodeLogs.Names.Select(name =>
        $"==> {node} {name}\n{string.Join('\n', NodeLogs.Lines(NodeLogs.File(new LabPaths(_lab), node, name)).SkipWhile(line => IsBefore(line, since)))}")));

    public void Dispose() => LabDown.Run(_lab);

    private LabRecord Make(CancellationToken stop)
    {
        var record = LabUp.Run(_lab, Nodes.Length, _memory, false, stop);
        if (_temporary is not null)
        {
            NodeProgram.Run(record, Name, "mount", "--bind", _temporary, "/tmp");
        }

        return record;
    }

    private Process Start(Script script)
    {
        var start = new ProcessStartInfo(Installation.Enter, NodeProgram.EnterArguments(_record, Name, "no", script.User, ["bash", "-c", script.Text]))
        {
            WorkingDirectory = script.Directory,
        };
        start.Environment.Clear();
        foreach (var (name, value) in script.Environment)
        {
            start.Environment[name] = value;
        }

        return Process.Start(start)!;
    }

    private async Task<Run> EndAsync(Process process, TimeSpan limit, CancellationToken stop)
    {
        var begin = Stopwatch.GetTimestamp();
        using var waiting = CancellationTokenSource.CreateLinkedTokenSource(stop);
        waiting.CancelAfter(limit);
        string? evidence = null;
        try
        {
            await process.WaitForExitAsync(waiting.Token);
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            evidence = Evidence.OfHang(this);
        }
        finally
        {
            EndAll();
        }

        var wall = Stopwatch.GetElapsedTime(begin);
        await process.WaitForExitAsync(stop);
        return new Run(process.ExitCode, wall, evidence);
    }

    // Daemons that left their parent, sleepers and what hangs: all is in the cgroup of the node's commands.
    private void EndAll()
    {
        var unified = _record.Unified ?? throw new LabException("this machine has no cgroup v2 tree, which tells what a run has left behind");
        LabCgroups.Kill([Path.Combine(unified, Name, "session")]);
    }

    // Their lines begin with the time; what does not belongs to the line before.
    private static bool IsBefore(string line, DateTime time) => string.CompareOrdinal(line, time.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture)) < 0;

    // Both ways, over everything but the loopback.
    private static long WireBytes(int initPid) => File.ReadLines($"/proc/{initPid}/net/dev").Skip(2)
        .Select(line => line.Split(':', 2)).Where(parts => parts[0].Trim() != "lo")
        .Select(parts => parts[1].Split(' ', StringSplitOptions.RemoveEmptyEntries))
        .Sum(fields => long.Parse(fields[0], CultureInfo.InvariantCulture) + long.Parse(fields[8], CultureInfo.InvariantCulture));
}
