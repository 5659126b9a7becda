using System.Text;
using System.Text.Json;
using OpenMosix.Lab.Tests.Running;

namespace OpenMosix.Lab.Tests.Integration;

/// <summary>Moves every process of pc1's jobs by `omctl migrate`, whichever there are at the moment, and remembers what came of each.</summary>
internal sealed class FamilyMover(TestLab lab, int seed)
{
    private readonly Random _random = new(seed);
    private readonly StringBuilder _history = new($"seed {seed}\n");
    private readonly Dictionary<int, int> _moves = [];

    /// <summary>Of each process that was moved: how often.</summary>
    internal IReadOnlyDictionary<int, int> Moves => _moves;

    /// <summary>For the message of a failed test.</summary>
    internal string History => _history.ToString();

    /// <summary>One process after the other, taken at random, until so many moves were made, of so many processes.</summary>
    internal async Task MoveAsync(int moves, int processes = 1, int longestPauseMs = 30)
    {
        while (_moves.Values.Sum() < moves || _moves.Count < processes)
        {
            if (!await MoveOneAsync())
            {
                return;
            }

            await Task.Delay(_random.Next(longestPauseMs));
        }
    }

    /// <summary>Of a job that hangs.</summary>
    internal async Task<string> WhereItStandsAsync() => $"{History}{await lab.ExecAsync("pc1", "omctl", "ps", "--all", "--json")}";

    /// <returns>False when there is none.</returns>
    private async Task<bool> MoveOneAsync()
    {
        using var reply = JsonDocument.Parse(await lab.AskAsync("pc1", "omctl", "ps", "--all", "--json"));
        var processes = reply.RootElement.GetProperty("processes").EnumerateArray().ToArray();
        if (processes.Length == 0)
        {
            return false;
        }

        var chosen = processes[_random.Next(processes.Length)];
        var pid = chosen.GetProperty("pid").GetInt32();
        var others = ClusterLab.Nodes.Where(node => node != chosen.GetProperty("where").GetString()).ToArray();
        // Refused while it forks, gone meanwhile: no failure, but it must not be all that there is.
        var mover = new Mover(lab, pid, seed);
        if (await mover.ToAsync(others[_random.Next(others.Length)]))
        {
            _moves[pid] = _moves.GetValueOrDefault(pid) + 1;
        }

        _history.Append(mover.History);
        return true;
    }
}
