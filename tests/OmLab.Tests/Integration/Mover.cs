using System.Text;
using System.Text.Json;
using OpenMosix.Lab.Nodes;
using OpenMosix.Lab.State;
using OpenMosix.Lab.Tests.Running;

namespace OpenMosix.Lab.Tests.Integration;

/// <summary>Moves a process by `omctl migrate`, as a user would, and remembers what came of each.</summary>
/// <param name="among">Null: all nodes of the lab.</param>
internal sealed class Mover(TestLab lab, int pid, int seed, string[]? among = null)
{
    private const int HomeStatusGone = 4; // omctl: no such process

    private readonly Random _random = new(seed);
    private readonly StringBuilder _history = new($"seed {seed}, pid {pid}\n");

    /// <summary>Where its body is, as far as we have moved it.</summary>
    internal string Where { get; private set; } = "pc1";

    internal int Moves { get; private set; }

    internal bool Ended { get; private set; }

    /// <summary>For the message of a failed test.</summary>
    internal string History => _history.ToString();

    /// <summary>To and fro at random moments, until so many moves were made or the process has ended.</summary>
    internal async Task MoveAsync(int moves, int longestPauseMs = 120)
    {
        var wanted = Moves + moves;
        // A process that is in the middle of a fork, say, is refused for the moment; that is no failure, but must not be all.
        for (var attempts = 4 * moves; Moves < wanted && !Ended && attempts > 0; attempts--)
        {
            await Task.Delay(_random.Next(longestPauseMs));
            var others = (among ?? ClusterLab.Nodes).Where(node => node != Where).ToArray();
            await ToAsync(others[_random.Next(others.Length)]);
        }
    }

    /// <returns>Whether it was moved.</returns>
    internal async Task<bool> ToAsync(string node)
    {
        var arguments = NodeProgram.EnterArguments(LabStore.Open(lab.Name), "pc1", "no", null, ["omctl", "migrate", $"{pid}", node == "pc1" ? "home" : node, "--json"]);
        using var omctl = RunningProgram.Start(Installation.Enter, arguments);
        var outcome = await omctl.EndAsync();
        using var reply = outcome.Output.Length > 0 ? JsonDocument.Parse(outcome.Output) : null;
        var moved = outcome.Status == 0;
        _history.Append(node).Append(": ").AppendLine(moved ? Describe(reply!.RootElement) : $"status {outcome.Status} {outcome.Output.ReplaceLineEndings(" ")}{outcome.Errors}");
        if (moved)
        {
            Moves++;
            Where = node;
        }
        else if (outcome.Status == HomeStatusGone)
        {
            Ended = true;
        }
        else if (reply is not null && reply.RootElement.TryGetProperty("from", out var from) && ClusterLab.Nodes.Contains(from.GetString()))
        {
            // It says where it runs on: it may have gone home by itself since.
            Where = from.GetString()!;
        }

        return moved;
    }

    internal async Task<JsonElement?> StateAsync()
    {
        using var reply = JsonDocument.Parse(await lab.AskAsync("pc1", "omctl", "ps", "--all", "--json"));
        foreach (var process in reply.RootElement.GetProperty("processes").EnumerateArray())
        {
            if (process.GetProperty("pid").GetInt32() == pid)
            {
                return process.Clone();
            }
        }

        return null;
    }

    /// <summary>Of a process that hangs: its moves, what the daemon says of it, and what the kernel says of its half at home.</summary>
    internal async Task<string> WhereItStandsAsync()
    {
        var asked = await lab.ExecAsync("pc1", "sh", "-c", $"omctl ps --all --json; omctl why {pid}; cd /proc/{pid} && head -v status wchan stack syscall; ls -l fd");
        return $"{_history}{asked}";
    }

    private static string Describe(JsonElement reply)
    {
        var times = reply.GetProperty("times").EnumerateObject().Select(each => $"{each.Name.Replace("_us", "", StringComparison.Ordinal)} {each.Value.GetInt64() / 1000.0:0.0}");
        return $"moved, {reply.GetProperty("bytes").GetInt64() >> 10} KiB, ms: {string.Join(' ', times)}";
    }
}
