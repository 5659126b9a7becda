using OpenMosix.Lab.Nodes;
using OpenMosix.Lab.State;
using OpenMosix.Lab.Tests.Running;

namespace OpenMosix.Lab.Tests.Integration;

/// <summary>
/// A bash script on pc1 in which `moved CMD` runs a program under omrun, so that it can be moved, and everything else stays as it is. The native
/// run of the same script has `moved` run the program alone: what the two give must be the same.
/// </summary>
internal sealed class Job : IDisposable
{
    // The pid goes through a fifo, from under omrun: whoever reads it knows that the process is registered and the program about to begin.
    private const string Moved = """moved() { exec omrun -- sh -c 'echo $$ > "$0"; exec "$@"' "$PIDS" "$@"; }""";
    private const string Alone = """moved() { exec "$@"; }""";

    private readonly TestLab _lab;
    private readonly RunningProgram _program;
    private readonly DirectoryInfo _directory;
    private readonly StreamReader? _pids;

    private Job(TestLab lab, RunningProgram program, DirectoryInfo directory, StreamReader? pids)
    {
        _lab = lab;
        _program = program;
        _directory = directory;
        _pids = pids;
    }

    internal RunningProgram Program => _program;

    /// <summary>Where the script runs: its files are part of what is compared.</summary>
    internal string Folder => Path.Combine(_directory.FullName, "work");

    /// <param name="beside">Files that the script finds in its folder: name and text.</param>
    internal static Job StartNative(TestLab lab, string script, IReadOnlyDictionary<string, string>? beside = null) =>
        Start(lab, script, Alone, false, false, beside);

    /// <param name="beside">Files that the script finds in its folder: name and text.</param>
    internal static Job Start(TestLab lab, string script, bool tty = false, IReadOnlyDictionary<string, string>? beside = null) =>
        Start(lab, script, Moved, true, tty, beside);

    /// <summary>Of the next program that `moved` starts.</summary>
    internal async Task<int> NextPidAsync()
    {
        var line = await _pids!.ReadLineAsync().WaitAsync(TimeSpan.FromMinutes(1));
        return int.Parse(line ?? throw new InvalidOperationException("the script ended before it started a program"));
    }

    /// <summary>Everything the run left to see: status, both streams, and every file of its folder.</summary>
    /// <param name="mover">Of the program that the script waits for: should that hang, the failure says where it stands.</param>
    internal Task<Result> EndAsync(Mover? mover = null) => EndAsync(mover is null ? null : mover.WhereItStandsAsync);

    /// <param name="whereItStands">Should it hang, the failure says this.</param>
    internal async Task<Result> EndAsync(Func<Task<string>>? whereItStands)
    {
        var outcome = await _program.EndAsync(whereItStands);
        var files = Directory.GetFiles(Folder, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal)
            .Select(file => (Path.GetRelativePath(Folder, file), Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(file)))));
        return new Result(outcome, files.ToArray());
    }

    public void Dispose()
    {
        _program.Dispose();
        _pids?.Dispose();
        _directory.Delete(recursive: true);
    }

    private static Job Start(TestLab lab, string script, string prologue, bool pids, bool tty, IReadOnlyDictionary<string, string>? beside)
    {
        var directory = Directory.CreateTempSubdirectory("lab-job-");
        var fifo = Path.Combine(directory.FullName, "pids");
        var folder = Directory.CreateDirectory(Path.Combine(directory.FullName, "work"));
        foreach (var (name, content) in beside ?? new Dictionary<string, string>())
        {
            File.WriteAllText(Path.Combine(folder.FullName, name), content);
        }

        StreamReader? reader = null;
        if (pids)
        {
            using var made = System.Diagnostics.Process.Start("mkfifo", [fifo]);
            made.WaitForExit();
            // Both ends, so that opening does not wait and several writers come and go.
            reader = new StreamReader(new FileStream(fifo, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 1));
        }

        var text = $"cd {directory.FullName}/work; PIDS={fifo}; WORKLOADS={Repository.Workloads}; export LC_ALL=C\n{prologue}\n{script}";
        var record = LabStore.Open(lab.Name);
        var arguments = NodeProgram.EnterArguments(record, "pc1", tty ? "yes" : "no", null, ["bash", "-c", text]);
        return new Job(lab, RunningProgram.Start(Installation.Enter, arguments), directory, reader);
    }

    internal sealed record Result(Outcome Outcome, IReadOnlyList<(string Name, string Sha256)> Files)
    {
        /// <summary>Fails, and shows how they differ.</summary>
        internal void MustEqual(Result native, string history)
        {
            Assert.True(native.Outcome.Status == Outcome.Status, $"status {Outcome.Status}, natively {native.Outcome.Status}\n{Outcome}\n{history}");
            Assert.True(native.Outcome.OutputBytes.AsSpan().SequenceEqual(Outcome.OutputBytes), $"stdout differs:\n{Outcome}\nnatively:\n{native.Outcome}\n{history}");
            Assert.True(native.Outcome.Errors == Outcome.Errors, $"stderr differs:\n{Outcome.Errors}\nnatively:\n{native.Outcome.Errors}\n{history}");
            Assert.True(native.Files.SequenceEqual(Files), $"files differ: {string.Join(' ', Files)}\nnatively: {string.Join(' ', native.Files)}\n{history}");
        }
    }
}
