using System.Buffers.Binary;

namespace OpenMosix.Checkpoint.Interop;

/// <summary>The agent's code, embedded in this assembly, and the entries its header names.</summary>
internal static class AgentBlob
{
    private static readonly byte[] Blob = Load();

    public static ReadOnlySpan<byte> Code => Blob;

    public static uint BatchEntry => Field(AgentAbi.HeaderBatchEntry);

    public static uint DeputyEntry => Field(AgentAbi.HeaderDeputyEntry);

    public static uint SignalHandler => Field(AgentAbi.HeaderSignalHandler);

    public static uint SignalRestorer => Field(AgentAbi.HeaderSignalRestorer);

    private static uint Field(int offset) => BinaryPrimitives.ReadUInt32LittleEndian(Blob.AsSpan(offset));

    private static byte[] Load()
    {
        using var stream = typeof(AgentBlob).Assembly.GetManifestResourceStream("om_agent.bin")
            ?? throw new InvalidOperationException("the agent is not embedded in this assembly");
        var blob = new byte[stream.Length];
        stream.ReadExactly(blob);
        if (blob.Length is < AgentAbi.HeaderBytes or > (int)AgentAbi.CodeBytes
            || BinaryPrimitives.ReadUInt64LittleEndian(blob) != AgentAbi.Magic
            || BinaryPrimitives.ReadUInt32LittleEndian(blob.AsSpan(8)) != AgentAbi.Version)
        {
            throw new InvalidOperationException("the embedded agent is of another version");
        }

        return blob;
    }
}
