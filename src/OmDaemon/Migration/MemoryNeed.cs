using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Migration;

internal static class MemoryNeed
{
    /// <summary>Bytes a node must find for the body: its private pages and what it shows of files, which are shipped whole.</summary>
    public static ulong Of(ProcessImage image)
    {
        ulong bytes = 0;
        foreach (Extent extent in image.Extents)
            bytes += extent.Bytes;
        foreach (MappedFile file in image.Files)
        {
            foreach (FileRange range in file.Ranges)
                bytes += range.Bytes;
        }
        return bytes;
    }
}
