using System.Text.Json;

namespace OpenMosix.Lab.Tests.Running;

/// <summary>A lab of a test class: up before its first test, down after its last.</summary>
public abstract class TestLab : IAsyncLifetime
{
    private readonly string[] _up;
    private readonly Dictionary<string, string> _environment = [];

    protected TestLab(string name, string? bin, params string[] up)
    {
        Name = $"{Prefix}-{name}";
        _up = up;
        if (bin is not null)
        {
            _environment["OMLAB_BIN"] = bin;
        }
    }

    /// <summary>Of all labs of this run: another checkout's tests may run beside it. tests/run says it, to find what a killed run left.</summary>
    private static string Prefix { get; } = Environment.GetEnvironmentVariable("OMLAB_TESTS") ?? $"test{Environment.ProcessId}";

    public string Name { get; }

    /// <summary>Why there is no lab here, or null.</summary>
    internal string? Missing { get; private set; }

    public virtual async ValueTask InitializeAsync()
    {
        Missing = Privileges.Missing;
        if (Missing is not null)
        {
            return;
        }

        (await OmlabAsync(["up", .. _up])).Succeeded();
    }

    public async ValueTask DisposeAsync()
    {
        if (Missing is null)
        {
            KeepLogs();
            await OmlabAsync("down");
        }

        GC.SuppressFinalize(this);
    }

    /// <summary>First line of each test: skips it where a lab cannot be made.</summary>
    internal void Need() => Assert.SkipWhen(Missing is not null, Missing ?? "");

    internal RunningProgram Start(params IEnumerable<string> arguments)
    {
        var list = arguments.ToList();
        return RunningProgram.Start(Repository.Omlab, [list[0], "--name", Name, .. list.Skip(1)], _environment);
    }

    internal async Task<Outcome> OmlabAsync(params IEnumerable<string> arguments)
    {
        using var program = Start(arguments);
        return await program.EndAsync();
    }

    internal RunningProgram StartIn(string node, params IEnumerable<string> command) => Start(["exec", node, "--", .. command]);

    internal Task<Outcome> ExecAsync(string node, params IEnumerable<string> command) => OmlabAsync(["exec", node, "--", .. command]);

    /// <summary>What a command that must succeed wrote, without the last newline.</summary>
    internal async Task<string> AskAsync(string node, params IEnumerable<string> command) =>
        (await ExecAsync(node, command)).Succeeded().Output.TrimEnd('\n');

    internal async Task<JsonElement> StatusAsync(string? node = null)
    {
        using var status = JsonDocument.Parse((await OmlabAsync("status", "--json")).Succeeded().Output);
        var root = status.RootElement.Clone();
        return node is null ? root : root.GetProperty("nodes").EnumerateArray().Single(each => each.GetProperty("name").GetString() == node);
    }

    /// <summary>After a node was off: returns when all say that all are alive.</summary>
    internal Task SeeEachOtherAsync() => Task.Run(() =>
    {
        var lab = State.LabStore.Open(Name);
        Nodes.ClusterStart.AwaitEachOther(lab, lab.Nodes.Select(node => node.Name).ToArray());
    });

    // A failed test wants them, and they go with the lab.
    private void KeepLogs()
    {
        var state = Path.Combine("/run/omlab", Name);
        foreach (var file in Directory.Exists(state) ? Directory.GetFiles(state, "*.log", SearchOption.AllDirectories) : [])
        {
            var kept = Path.Combine(Repository.Logs, Name, Path.GetRelativePath(state, file));
            Directory.CreateDirectory(Path.GetDirectoryName(kept)!);
            File.Copy(file, kept, overwrite: true);
        }
    }
}
