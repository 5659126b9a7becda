namespace OpenMosix.Warden.Forward;

/// <summary>The filter a remote runs under, compiled from the system-call table.</summary>
internal static class SeccompFilter
{
    internal static ReadOnlyMemory<byte> Program { get; } = ReadOnlyMemory<byte>.Empty;
}
