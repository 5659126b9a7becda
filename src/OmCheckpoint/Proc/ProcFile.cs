using System.Text;
using OpenMosix.Checkpoint.Interop;

namespace OpenMosix.Checkpoint.Proc;

/// <summary>Reads small files of /proc. With hundreds of threads what a FileStream does around one read is most of the time.</summary>
internal static class ProcFile
{
    private const int UsualBytes = 4096;

    /// <returns>null: what it tells of is gone, or may not be seen.</returns>
    public static string? Read(string path)
    {
        if (Kernel.OpenRead(path, out var file) != 0)
        {
            return null;
        }

        using (file)
        {
            var buffer = new byte[UsualBytes];
            for (var length = 0; ;)
            {
                var read = Kernel.ReadSome(file!, buffer.AsSpan(length), length);
                if (read <= 0)
                {
                    return read == 0 ? Encoding.UTF8.GetString(buffer, 0, length) : null;
                }

                length += read;
                if (length == buffer.Length)
                {
                    Array.Resize(ref buffer, buffer.Length * 2);
                }
            }
        }
    }
}
