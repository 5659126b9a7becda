namespace OpenMosix.Grpc;

/// <summary>struct ucred of the process that connected, as it was when it connected (unix(7), SO_PEERCRED).</summary>
public sealed record UnixPeer(int Pid, uint Uid, uint Gid);
