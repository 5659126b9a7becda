using System.Globalization;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Pages;

/// <summary>
/// The name of the memfd that stands for a file of home in a remote: what a later Snapshot there needs to tell which file it is.
/// "om:DEVICE:INODE:SIZE:MTIME:END-OF-PATH", numbers in hex; "om-memory:" or "om-written:" for MappedFile.memory and .written. /proc shows it as
/// "/memfd:NAME (deleted)".
/// </summary>
public static class RemoteFileName
{
    private const string Mark = "om:";
    private const string MemoryMark = "om-memory:";
    private const string WrittenMark = "om-written:";
    private const string Before = "/memfd:";
    private const string Behind = " (deleted)";

    // memfd_create(2) takes 249 bytes.
    private const int PathBytesMax = 160;

    public static string Encode(MappedFile file)
    {
        string path = file.Path;
        while (System.Text.Encoding.UTF8.GetByteCount(path) > PathBytesMax)
        {
            path = path[1..];
        }

        return string.Create(CultureInfo.InvariantCulture, $"{MarkOf(file)}{file.Device:x}:{file.Inode:x}:{file.SizeBytes:x}:{file.ModifiedNs:x}:{path}");
    }

    /// <summary>The file that a mapping of a remote stands for, from its name in /proc/PID/maps.</summary>
    public static bool TryDecode(string name, out MappedFile file)
    {
        file = new MappedFile();
        if (Array.Find([Mark, MemoryMark, WrittenMark], mark => name.StartsWith(Before + mark, StringComparison.Ordinal)) is not { } found)
        {
            return false;
        }

        string text = name[(Before.Length + found.Length)..];
        if (text.EndsWith(Behind, StringComparison.Ordinal))
        {
            text = text[..^Behind.Length];
        }

        string[] parts = text.Split(':', 5);
        if (parts.Length != 5 || !Hex(parts[0], out ulong device) || !Hex(parts[1], out ulong inode)
            || !Hex(parts[2], out ulong size) || !Hex(parts[3], out ulong modified))
        {
            return false;
        }

        file = new MappedFile
        {
            Device = device,
            Inode = inode,
            SizeBytes = size,
            ModifiedNs = (long)modified,
            Path = parts[4],
            Memory = found != Mark,
            Written = found == WrittenMark,
        };
        return true;
    }

    private static string MarkOf(MappedFile file) => file.Written ? WrittenMark : file.Memory ? MemoryMark : Mark;

    private static bool Hex(string text, out ulong value) =>
        ulong.TryParse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture, out value);
}
