namespace OpenMosix.Checkpoint.Tracing;

/// <summary>What the calls of a batch returned: the kernel's word, -errno on failure.</summary>
public sealed class BatchResults
{
    private readonly long[] _results;
    private readonly byte[] _data;
    private readonly ulong _dataBase;

    internal BatchResults(long[] results, int executed, byte[] data, ulong dataBase)
    {
        _results = results;
        Executed = executed;
        _data = data;
        _dataBase = dataBase;
    }

    /// <summary>How many calls were executed; fewer than there are when one failed and the batch was to stop on errors.</summary>
    public int Executed { get; }

    public long this[int index] => _results[index];

    public static bool IsError(long result) => result is < 0 and > -4096;

    /// <summary>Index of the first call that failed; -1: none.</summary>
    public int FirstError => Array.FindIndex(_results, IsError);

    /// <summary>Bytes that a call wrote at an address from Batch.Reserve.</summary>
    public ReadOnlySpan<byte> Bytes(ulong address, int count) => _data.AsSpan((int)(address - _dataBase), count);
}
