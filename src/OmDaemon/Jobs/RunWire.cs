// What omrun and the daemon say to each other; the truth is src/OmTools/omrun/omrun_wire.h. The request comes from any user of the node: every
// length is checked against its ceiling and against what is really there.
using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace OpenMosix.Daemon.Jobs;

[Flags]
internal enum RunTerminals : uint
{
    None = 0,
    In = 1,
    Out = 2,
    Error = 4,
}

/// <summary>omrun's own argv (the first is its name), and the surroundings.</summary>
internal sealed record OmrunRequest(IReadOnlyList<string> Arguments, IReadOnlyList<string> Environment, string WorkingDirectory, RunTerminals Terminals);

internal abstract record OmrunReply(string Output, string Error)
{
    /// <summary>Execute argv[Command] of the request, with these "NAME=VALUE" put into its environment.</summary>
    public sealed record Execute(int Command, IReadOnlyList<string> Set, string Error = "") : OmrunReply("", Error);

    public sealed record Exit(int Status, string Output = "", string Error = "") : OmrunReply(Output, Error);
}

internal static class RunWire
{
    public const int RequestCeilingBytes = 8 << 20;
    public const int StringsCeiling = 1 << 20;
    public const int LengthBytes = sizeof(uint);

    private const uint Magic = 0x314e524f;
    private const uint ExecuteAction = 1;
    private const uint ExitAction = 2;
    private const int RequestHeadBytes = 16;
    private const int ReplyHeadBytes = 20;

    /// <summary>Null, and why, when this is no request.</summary>
    public static OmrunRequest? ReadRequest(ReadOnlySpan<byte> body, out string why)
    {
        why = "it is too short";
        if (body.Length < RequestHeadBytes)
            return null;
        why = "it is of another version";
        if (BinaryPrimitives.ReadUInt32LittleEndian(body) != Magic)
            return null;
        var terminals = (RunTerminals)(BinaryPrimitives.ReadUInt32LittleEndian(body[4..]) & 7);
        uint arguments = BinaryPrimitives.ReadUInt32LittleEndian(body[8..]);
        uint environment = BinaryPrimitives.ReadUInt32LittleEndian(body[12..]);
        body = body[RequestHeadBytes..];
        // Each string takes at least its length field: so the lists are never larger than what was sent.
        why = "its counts do not fit its length";
        if (arguments is 0 or > StringsCeiling || environment > StringsCeiling || ((ulong)arguments + environment + 1) * LengthBytes > (ulong)body.Length)
            return null;
        why = "a string reaches beyond its end";
        if (!TryTake(ref body, out string directory) || !TryTake(ref body, arguments, out string[] argv) || !TryTake(ref body, environment, out string[] environ))
            return null;
        why = "something follows its last string";
        return body.IsEmpty ? new OmrunRequest(argv, environ, directory, terminals) : null;
    }

    /// <summary>The whole frame, with its length.</summary>
    public static byte[] WriteReply(OmrunReply reply)
    {
        var frame = new ArrayBufferWriter<byte>(256);
        Span<byte> head = frame.GetSpan(LengthBytes + ReplyHeadBytes)[..(LengthBytes + ReplyHeadBytes)];
        head.Clear();
        IReadOnlyList<string> set = [];
        BinaryPrimitives.WriteUInt32LittleEndian(head[4..], Magic);
        if (reply is OmrunReply.Execute execute)
        {
            set = execute.Set;
            BinaryPrimitives.WriteUInt32LittleEndian(head[8..], ExecuteAction);
            BinaryPrimitives.WriteInt32LittleEndian(head[12..], execute.Command);
        }
        else if (reply is OmrunReply.Exit exit)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(head[8..], ExitAction);
            BinaryPrimitives.WriteInt32LittleEndian(head[16..], exit.Status);
        }
        BinaryPrimitives.WriteUInt32LittleEndian(head[20..], (uint)set.Count);
        frame.Advance(head.Length);
        Put(frame, reply.Output);
        Put(frame, reply.Error);
        foreach (string entry in set)
            Put(frame, entry);
        byte[] bytes = frame.WrittenSpan.ToArray();
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, (uint)(bytes.Length - LengthBytes));
        return bytes;
    }

    private static void Put(ArrayBufferWriter<byte> frame, string text)
    {
        int bytes = Encoding.UTF8.GetByteCount(text);
        Span<byte> span = frame.GetSpan(LengthBytes + bytes);
        BinaryPrimitives.WriteUInt32LittleEndian(span, (uint)bytes);
        Encoding.UTF8.GetBytes(text, span[LengthBytes..]);
        frame.Advance(LengthBytes + bytes);
    }

    private static bool TryTake(ref ReadOnlySpan<byte> from, uint count, out string[] strings)
    {
        strings = new string[count];
        for (int i = 0; i < strings.Length; i++)
        {
            if (!TryTake(ref from, out strings[i]))
                return false;
        }
        return true;
    }

    private static bool TryTake(ref ReadOnlySpan<byte> from, out string text)
    {
        text = "";
        if (from.Length < LengthBytes)
            return false;
        uint length = BinaryPrimitives.ReadUInt32LittleEndian(from);
        if (length > from.Length - LengthBytes)
            return false;
        // For people and for our own options only: bytes that are not UTF-8 may be shown as such.
        text = Encoding.UTF8.GetString(from.Slice(LengthBytes, (int)length));
        from = from[(LengthBytes + (int)length)..];
        return true;
    }
}
