using OpenMosix.Lab.State;

namespace OpenMosix.Lab.Nodes;

/// <summary>One file per daemon and one for init, kept while the lab is up, over kill and start.</summary>
internal static class NodeLogs
{
    private const int TailLines = 20;

    internal static readonly string[] Names = ["init", "omwarden", "openmosixd"];

    internal static string File(LabPaths paths, string node, string name) => Path.Combine(paths.Logs(node), name + ".log");

    /// <summary>The last lines of each, for an error message.</summary>
    internal static string Tail(LabPaths paths, string node) =>
        string.Join('\n', Names.SelectMany(name => Lines(File(paths, node, name)).TakeLast(TailLines).Select(line => $"  {name}: {line}")));

    internal static string[] Lines(string file) => System.IO.File.Exists(file) ? System.IO.File.ReadAllLines(file) : [];
}
