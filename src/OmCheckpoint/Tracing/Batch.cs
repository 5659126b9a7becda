namespace OpenMosix.Checkpoint.Tracing;

/// <summary>System calls to be executed by the agent in one resume, with the data they point at. Results come back in order.</summary>
public sealed class Batch
{
    /// <summary>Adds a call; returns its index in the results.</summary>
    public int Add(long number, params ReadOnlySpan<ulong> args) => throw new NotImplementedException();

    /// <summary>Puts bytes beside the calls; the returned address may be used in arguments.</summary>
    public ulong Data(ReadOnlySpan<byte> bytes) => throw new NotImplementedException();

    /// <summary>Room for something a call writes.</summary>
    public ulong Reserve(int bytes) => throw new NotImplementedException();
}

/// <summary>What the calls returned: the kernel's word, -errno on failure.</summary>
public sealed class BatchResults
{
    public long this[int index] => throw new NotImplementedException();

    /// <summary>Bytes that a call wrote at an address from Batch.Reserve.</summary>
    public ReadOnlySpan<byte> Bytes(ulong address, int count) => throw new NotImplementedException();
}
