namespace OpenMosix.Warden.Forward;

/// <summary>What the engine tells. Called on threads of the engine: implementations only queue, except AskedHome, which has its own.</summary>
internal interface ILinkEvents
{
    void Claimed(ulong key, uint epoch);
    void DeputyGone(ulong key);
    /// <summary>Answers within.</summary>
    void AskedHome(ulong key, ulong call, uint kind, ReadOnlySpan<byte> request);
    /// <summary>A call of the body's waits at home: it is of a file whose data the body has (HomeSide.Guard).</summary>
    void Guarded(ulong key, int number);
    void Structural(ulong key, StructuralCall call);
    void Signalled(ulong key, ArrivedSignal signal);
    /// <summary>Of a thread: a call waits under a mask that lets a pending signal through, or home is heard again that was silent when it was needed.</summary>
    void Due(ulong key, uint slot);
    void Controlled(ulong key, uint what);
    void LinkChanged(string node, bool up, string why);
}
