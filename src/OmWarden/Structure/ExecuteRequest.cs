// execve as it crosses to home: who, with what, and the body's signal mask and pending signals, which the new program inherits.
//   int32 dirfd, flags · uint64 mask, pending · int32 path length, argc, envc · texts, each: int32 length, bytes (no NUL)
using System.Buffers.Binary;

namespace OpenMosix.Warden.Structure;

internal sealed record ExecuteRequest(int DirectoryFd, int Flags, ulong Mask, ulong Pending, byte[] Path, List<byte[]> Arguments, List<byte[]> Environment)
{
    /// <summary>The kernel's own ceiling for argv and envp together, at the largest stack limit (execve(2)).</summary>
    internal const int MaximumBytes = 6 << 20;
    private const int HeaderBytes = 36;

    internal byte[] Write()
    {
        using var stream = new MemoryStream();
        Span<byte> header = stackalloc byte[HeaderBytes];
        BinaryPrimitives.WriteInt32LittleEndian(header, DirectoryFd);
        BinaryPrimitives.WriteInt32LittleEndian(header[4..], Flags);
        BinaryPrimitives.WriteUInt64LittleEndian(header[8..], Mask);
        BinaryPrimitives.WriteUInt64LittleEndian(header[16..], Pending);
        BinaryPrimitives.WriteInt32LittleEndian(header[24..], Path.Length);
        BinaryPrimitives.WriteInt32LittleEndian(header[28..], Arguments.Count);
        BinaryPrimitives.WriteInt32LittleEndian(header[32..], Environment.Count);
        stream.Write(header);
        stream.Write(Path);
        Span<byte> length = stackalloc byte[4];
        foreach (byte[] text in Arguments.Concat(Environment))
        {
            BinaryPrimitives.WriteInt32LittleEndian(length, text.Length);
            stream.Write(length);
            stream.Write(text);
        }
        return stream.ToArray();
    }

    /// <summary>Null: not what a well-behaved warden sends.</summary>
    internal static ExecuteRequest? Read(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length is < HeaderBytes or > MaximumBytes + (1 << 20))
            return null;
        int path = BinaryPrimitives.ReadInt32LittleEndian(bytes[24..]);
        int argumentCount = BinaryPrimitives.ReadInt32LittleEndian(bytes[28..]);
        int environmentCount = BinaryPrimitives.ReadInt32LittleEndian(bytes[32..]);
        ReadOnlySpan<byte> rest = bytes[HeaderBytes..];
        if (path < 0 || path > rest.Length || argumentCount < 0 || environmentCount < 0)
            return null;
        byte[] pathText = rest[..path].ToArray();
        rest = rest[path..];
        if (!ReadTexts(ref rest, argumentCount, out List<byte[]> arguments) || !ReadTexts(ref rest, environmentCount, out List<byte[]> environment))
            return null;
        return new(BinaryPrimitives.ReadInt32LittleEndian(bytes), BinaryPrimitives.ReadInt32LittleEndian(bytes[4..]),
            BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]), BinaryPrimitives.ReadUInt64LittleEndian(bytes[16..]), pathText, arguments, environment);
    }

    private static bool ReadTexts(ref ReadOnlySpan<byte> rest, int count, out List<byte[]> texts)
    {
        texts = [];
        for (int i = 0; i < count; i++)
        {
            if (rest.Length < 4 || BinaryPrimitives.ReadInt32LittleEndian(rest) is var length && (length < 0 || length > rest.Length - 4))
                return false;
            texts.Add(rest.Slice(4, length).ToArray());
            rest = rest[(4 + length)..];
        }
        return true;
    }
}
