namespace OpenMosix.Daemon.Jobs;

/// <summary>What one omrun started. Immutable: what changes are its processes, which the registry keeps.</summary>
/// <param name="Id">The root's pid as text; a suffix tells jobs apart when that pid comes again.</param>
/// <param name="Uid">Owner: who called omrun.</param>
/// <param name="Stay">Never moved by itself, only when somebody asks (omrun --stay).</param>
/// <param name="Follow">A program that one of its processes executes while it is away is moved to where that was (omrun --follow).</param>
/// <param name="RootParent">Parent of the root when it started.</param>
public sealed record Job(string Id, uint Uid, string Command, DateTimeOffset Started, bool Stay, bool Follow, int RootPid, int RootParent);
