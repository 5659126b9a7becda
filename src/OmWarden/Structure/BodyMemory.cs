using System.Buffers.Binary;
using System.Globalization;
using OpenMosix.Checkpoint.Pages;
using OpenMosix.Checkpoint.Tracing;

namespace OpenMosix.Warden.Structure;

/// <summary>Reads what a body points at. Whatever is there may be hostile; whatever is missing is EFAULT, as the kernel would say.</summary>
internal sealed class BodyMemory(int pid)
{
    internal const int EFAULT = 14;
    internal const int E2BIG = 7;
    private const int PageBytes = 4096;

    internal int Pid { get; } = pid;

    internal bool TryRead(ulong address, Span<byte> into) => PageReader.Read(Pid, new RemoteAddress(address), into) == 0;

    /// <summary>A text up to its NUL. 0, or errno.</summary>
    internal int ReadText(ulong address, int mostBytes, out byte[] text)
    {
        var gathered = new MemoryStream();
        text = [];
        Span<byte> page = stackalloc byte[PageBytes];
        while (gathered.Length < mostBytes)
        {
            // Never across a page: what lies behind the NUL need not be mapped.
            Span<byte> part = page[..(PageBytes - (int)(address % PageBytes))];
            if (!TryRead(address, part))
                return EFAULT;
            int end = part.IndexOf((byte)0);
            gathered.Write(end < 0 ? part : part[..end]);
            if (end >= 0)
            {
                text = gathered.ToArray();
                return text.Length < mostBytes ? 0 : E2BIG;
            }
            address += (ulong)part.Length;
        }
        return E2BIG;
    }

    /// <summary>A NULL-terminated array of texts; a NULL array is empty (execve(2), Linux). budget is what may still be read.</summary>
    internal int ReadTexts(ulong array, ref int budget, out List<byte[]> texts)
    {
        texts = [];
        if (array == 0)
            return 0;
        Span<byte> pointer = stackalloc byte[8];
        for (; ; array += 8)
        {
            if (!TryRead(array, pointer))
                return EFAULT;
            ulong address = BinaryPrimitives.ReadUInt64LittleEndian(pointer);
            if (address == 0)
                return 0;
            int error = ReadText(address, Math.Min(budget, 131072), out byte[] text);
            if (error != 0)
                return error;
            budget -= text.Length + 1 + 8;
            if (budget <= 0)
                return E2BIG;
            texts.Add(text);
        }
    }

    /// <summary>SigBlk and the union of what is pending.</summary>
    internal (ulong Mask, ulong Pending) Signals()
    {
        (ulong mask, ulong pending, _, _) = Sets();
        return (mask, pending);
    }

    /// <summary>Whether one that is pending would be taken, under this mask or its own, and does something.</summary>
    internal bool WouldTake(ulong? mask)
    {
        const ulong ignoredByDefault = 1ul << 16 | 1ul << 17 | 1ul << 22 | 1ul << 27; // SIGCHLD, SIGCONT, SIGURG, SIGWINCH
        (ulong blocked, ulong pending, ulong ignored, ulong caught) = Sets();
        return (pending & ~(mask ?? blocked) & ~ignored & (caught | ~ignoredByDefault)) != 0;
    }

    private (ulong Blocked, ulong Pending, ulong Ignored, ulong Caught) Sets()
    {
        ulong blocked = 0, pending = 0, ignored = 0, caught = 0;
        foreach (string line in File.ReadLines($"/proc/{Pid}/status"))
        {
            if (line.StartsWith("SigBlk:", StringComparison.Ordinal))
                blocked = Set(line);
            else if (line.StartsWith("SigPnd:", StringComparison.Ordinal) || line.StartsWith("ShdPnd:", StringComparison.Ordinal))
                pending |= Set(line);
            else if (line.StartsWith("SigIgn:", StringComparison.Ordinal))
                ignored = Set(line);
            else if (line.StartsWith("SigCgt:", StringComparison.Ordinal))
                caught = Set(line);
        }
        return (blocked, pending, ignored, caught);
    }

    private static ulong Set(string line) => ulong.Parse(line.AsSpan(7).Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
}
