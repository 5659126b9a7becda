namespace OpenMosix.Compat.Applications;

/// <summary>
/// One application: cases/NAME.sh, whose first lines say `# what: ...`, `# packages: ...` and perhaps `# source: ...` or `# user: ...`, and which
/// defines `run`, and where wanted `prepare` and `normalise` (see cases/prologue.sh). What `run` starts with `moved` is moved, everything else stays as it is.
/// </summary>
/// <param name="Source">A package whose source it wants unpacked in its cache, or null.</param>
/// <param name="User">UID:GID, or null for root.</param>
internal sealed record ApplicationCase(string Name, string What, IReadOnlyList<string> Packages, string? Source, string? User)
{
    private const string Prologue = "prologue";

    private static string Folder => Path.Combine(Repository.Compat, "cases");

    private string File => Path.Combine(Folder, Name + ".sh");

    internal static IReadOnlyList<ApplicationCase> All() =>
        [.. Directory.GetFiles(Folder, "*.sh").Select(Path.GetFileNameWithoutExtension).Where(name => name != Prologue).Order(StringComparer.Ordinal).Select(name => Read(name!))];

    /// <summary>A bash script that does one of its functions.</summary>
    internal string Script(string function) => $". {Folder}/{Prologue}.sh; . {File}; {function}";

    private static ApplicationCase Read(string name)
    {
        var header = System.IO.File.ReadLines(Path.Combine(Folder, name + ".sh")).TakeWhile(line => line.StartsWith("# ", StringComparison.Ordinal))
            .Select(line => line[2..].Split(": ", 2)).Where(parts => parts.Length == 2).ToDictionary(parts => parts[0], parts => parts[1]);
        var packages = header.GetValueOrDefault("packages", "").Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return new ApplicationCase(name, header["what"], packages, header.GetValueOrDefault("source"), UserIds(header.GetValueOrDefault("user")));
    }

    private static string? UserIds(string? user) => user is null ? null : System.IO.File.ReadLines("/etc/passwd").Select(line => line.Split(':'))
        .Where(fields => fields[0] == user).Select(fields => $"{fields[2]}:{fields[3]}").FirstOrDefault() ?? "65534:65534"; // nobody
}
