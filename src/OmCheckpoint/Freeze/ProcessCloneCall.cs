namespace OpenMosix.Checkpoint.Freeze;

/// <summary>A call that makes a process: clone(2), fork(2), vfork(2).</summary>
/// <param name="Number">Of the system call that the program made.</param>
/// <param name="Flags">With which clone(2) is to be executed in its place.</param>
/// <param name="WaitsForChild">CLONE_VFORK: the maker does not come back from it before its child has a memory of its own, or is no more.</param>
public readonly record struct ProcessCloneCall(int Number, ulong Flags, bool WaitsForChild);
