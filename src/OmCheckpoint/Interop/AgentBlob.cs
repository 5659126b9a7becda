using System.Buffers.Binary;

namespace OpenMosix.Checkpoint.Interop;

/// <summary>The agent's code, embedded in this assembly, and the entries its header names.</summary>
internal static class AgentBlob
{
    private const uint BatchEntryBytes = 6; // call rel32, int3
    private const byte Int3 = 0xcc;

    private static readonly byte[] Blob = Load();

    public static ReadOnlySpan<byte> Code => Blob;

    public static uint BatchEntry => Field(AgentAbi.HeaderBatchEntry);

    /// <summary>Behind the int3 on which a batch ends: start.S calls, and traps.</summary>
    public static uint BatchEnd => BatchEntry + BatchEntryBytes;

    public static uint DeputyEntry => Field(AgentAbi.HeaderDeputyEntry);

    public static uint SignalHandler => Field(AgentAbi.HeaderSignalHandler);

    public static uint SignalRestorer => Field(AgentAbi.HeaderSignalRestorer);

    /// <summary>A syscall instruction in it.</summary>
    public static uint SyscallInstruction => (uint)Blob.AsSpan().IndexOf([(byte)0x0f, (byte)0x05]);

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

        var entry = BinaryPrimitives.ReadUInt32LittleEndian(blob.AsSpan(AgentAbi.HeaderBatchEntry));
        if (blob[entry + BatchEntryBytes - 1] != Int3)
        {
            throw new InvalidOperationException("the embedded agent's batch entry does not end as it should");
        }

        return blob;
    }
}
