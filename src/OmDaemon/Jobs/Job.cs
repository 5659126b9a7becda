namespace OpenMosix.Daemon.Jobs;

/// <summary>What one omrun started. Immutable: what changes are its processes, which the registry keeps.</summary>
/// <param name="Id">The root's pid as text; a suffix tells jobs apart when that pid comes again.</param>
/// <param name="Uid">Owner: who called omrun.</param>
/// <param name="Stay">Never moved by itself, only when somebody asks (omrun --stay).</param>
/// <param name="RootParent">Parent of the root when it started.</param>
public sealed record Job(string Id, uint Uid, string Command, DateTimeOffset Started, bool Stay, int RootPid, int RootParent);
