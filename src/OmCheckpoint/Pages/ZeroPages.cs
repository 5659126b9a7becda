namespace OpenMosix.Checkpoint.Pages;

/// <summary>Finds pages that need not be sent.</summary>
public static class ZeroPages
{
    public const int PageBytes = 4096;

    public static bool IsZero(ReadOnlySpan<byte> page) => page.IndexOfAnyExcept((byte)0) < 0;
}
