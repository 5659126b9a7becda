using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using Google.Protobuf;
using Microsoft.Win32.SafeHandles;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Proc;
using OpenMosix.Checkpoint.Snapshot;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Pages;

/// <summary>
/// What is in mapped files, as SHA-256: a node that has the same file need not be sent its pages. Computed once for each state of a file, which its
/// inode, size, and times of change tell apart. Any thread.
/// </summary>
public static class FileContents
{
    private const long LargestBytes = 1L << 30;
    private const int PieceBytes = 1 << 20;
    private const int KnownMost = 4096;

    private static readonly ConcurrentDictionary<State, byte[]> Known = [];

    /// <summary>Of the files that a process at home has mapped: done before it is frozen, while it runs.</summary>
    public static void Warm(int pid)
    {
        try
        {
            foreach (var area in MemoryMap.Read(pid).Where(area => IsLasting(area.Name) && !MappingRules.IsWritten(area)).DistinctBy(area => (area.Device, area.Inode)))
            {
                var link = string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/map_files/{area.Start:x}-{area.End:x}");
                if (Kernel.OpenRead(link, out var file) == 0)
                {
                    using (file)
                    {
                        _ = Of(file!);
                    }
                }
            }
        }
        catch (Exception gone) when (gone is IOException or TraceeException)
        {
            // It has ended; whoever freezes it hears that.
        }
    }

    /// <summary>Into the image of a process at home. On a hosting node its files are copies, of which the image before tells.</summary>
    /// <param name="files">As image.Files.</param>
    public static void Describe(ProcessImage image, SourceFiles files)
    {
        for (var i = 0; i < image.Files.Count; i++)
        {
            var file = image.Files[i];
            if (file.ContentSha256.IsEmpty && !file.Memory && IsLasting(file.Path) && StateOf(files.Handles[i]) is { } state
                && state.Inode == file.Inode && Of(files.Handles[i]) is { } hash)
            {
                file.ContentSha256 = ByteString.CopyFrom(hash);
            }
        }
    }

    /// <summary>What of these files was told before is still true of them.</summary>
    public static void CarryOver(ProcessImage from, ProcessImage to)
    {
        foreach (var file in to.Files)
        {
            file.ContentSha256 = from.Files.FirstOrDefault(known => known.Path == file.Path && known.Device == file.Device && known.Inode == file.Inode
                && known.SizeBytes == file.SizeBytes && known.ModifiedNs == file.ModifiedNs)?.ContentSha256 ?? ByteString.Empty;
        }
    }

    /// <summary>This node's file of the same name, if it has the same content. Whether it had it all the time while it was read, IsStill tells.</summary>
    public static SafeFileHandle? OpenSame(MappedFile wanted)
    {
        if (wanted.ContentSha256.IsEmpty || wanted.Memory || !IsLasting(wanted.Path) || Kernel.OpenRead(wanted.Path, out var file) != 0)
        {
            return null;
        }

        if (IsStill(file!, wanted))
        {
            return file;
        }

        file!.Dispose();
        return null;
    }

    public static bool IsStill(SafeFileHandle file, MappedFile wanted) =>
        StateOf(file) is { } state && (ulong)state.Bytes == wanted.SizeBytes && Of(file) is { } hash && wanted.ContentSha256.Span.SequenceEqual(hash);

    /// <summary>Null: it is none of which that can be said.</summary>
    private static byte[]? Of(SafeFileHandle file)
    {
        if (StateOf(file) is not { Bytes: <= LargestBytes } state)
        {
            return null;
        }

        if (Known.TryGetValue(state, out var known))
        {
            return known;
        }

        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var piece = GC.AllocateUninitializedArray<byte>((int)Math.Min(PieceBytes, Math.Max(1, state.Bytes)));
        for (long at = 0; at < state.Bytes;)
        {
            var got = Kernel.ReadSome(file, piece, at);
            if (got <= 0)
            {
                return null;
            }

            hash.AppendData(piece, 0, (int)Math.Min(got, state.Bytes - at));
            at += got;
        }

        var computed = hash.GetHashAndReset();
        if (StateOf(file) != state)
        {
            return null; // it changed meanwhile
        }

        if (Known.Count >= KnownMost)
        {
            Known.Clear();
        }

        Known[state] = computed;
        return computed;
    }

    // Files that are memory change without a time that tells.
    private static bool IsLasting(string path) => path.StartsWith('/') && !path.StartsWith("/memfd:", StringComparison.Ordinal)
        && !path.StartsWith("/dev/", StringComparison.Ordinal) && !path.StartsWith("/SYSV", StringComparison.Ordinal)
        && !path.StartsWith("/proc/", StringComparison.Ordinal) && !path.EndsWith(" (deleted)", StringComparison.Ordinal);

    private static State? StateOf(SafeFileHandle file)
    {
        var link = string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{file.DangerousGetHandle()}");
        return Kernel.Status(link, out var status) == 0 && status.IsRegular
            ? new(status.Device, status.Inode, status.Bytes, status.ModifiedNs, status.ChangeSeconds, status.ChangeNanoseconds)
            : null;
    }

    private readonly record struct State(ulong Device, ulong Inode, long Bytes, long ModifiedNs, long ChangeSeconds, long ChangeNanoseconds);
}
