using OpenMosix.Checkpoint.Pages;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Ship;

/// <summary>The process that is being restored, as a place to put pages. Safe from several threads for different pages.</summary>
internal sealed class PageDestination
{
    private static readonly byte[] Zeros = new byte[SpanSender.MaxChunkBytes];

    private readonly WardenRestoring _restoring;
    private readonly List<(ulong Start, ulong End)> _notBlank;

    public PageDestination(ProcessImage image, WardenRestoring restoring)
    {
        _restoring = restoring;
        // Everywhere else memory is blank when it is restored: zeros are there already.
        _notBlank = [.. image.Mappings
            .Where(mapping => mapping.Kind is MappingKind.FilePrivate or MappingKind.FileShared)
            .Select(mapping => (mapping.Start, mapping.End))];
    }

    public Outcome Write(uint file, ulong offset, ReadOnlySpan<byte> data)
    {
        // The base may lie "below zero": file offset 0 need not be mapped. It wraps as the warden's arithmetic does.
        var address = new RemoteAddress(file == 0 ? offset : unchecked(_restoring.FileBase[(int)file - 1] + offset));
        var errno = IsKept(file) ? PageWriter.WriteDifferent(_restoring.MemoryPid, address, data) : PageWriter.Write(_restoring.MemoryPid, address, data);
        return errno == 0
            ? Outcome.Done
            : Failures.Broken(Stage.Ship, $"memory 0x{address.Value:x}+0x{data.Length:x} of process {_restoring.MemoryPid} cannot be written", errno);
    }

    /// <summary>Zeros: written only where something else shows through, which is a private page over a file.</summary>
    public Outcome Clear(uint file, ulong offset, ulong bytes)
    {
        if (file != 0)
            return IsKept(file) ? WriteZeros(file, offset, offset + bytes) : Outcome.Done; // else the file that is being filled is blank
        foreach (var (start, end) in _notBlank)
        {
            Outcome written = WriteZeros(0, Math.Max(start, offset), Math.Min(end, offset + bytes));
            if (!written.Ok)
                return written;
        }

        return Outcome.Done;
    }

    private bool IsKept(uint file) => file != 0 && file <= _restoring.FileKept.Count && _restoring.FileKept[(int)file - 1];

    private Outcome WriteZeros(uint file, ulong from, ulong to)
    {
        for (; from < to; from += (ulong)Zeros.Length)
        {
            Outcome written = Write(file, from, Zeros.AsSpan(0, (int)Math.Min(to - from, (ulong)Zeros.Length)));
            if (!written.Ok)
                return written;
        }

        return Outcome.Done;
    }
}
