namespace OpenMosix.Protocol.Image;

/// <summary>The image's own version and its ceilings: what a receiver allocates for at most, whoever sends.</summary>
public static class ImageFormat
{
    public const uint Version = 2;

    public const int MappingsMax = 65_536;
    public const int ExtentsMax = 1 << 20;
    public const int FilesMax = 8_192;
    public const int FileRangesMax = 65_536;
    public const int ThreadsMax = 4_096;
    public const int PendingSignalsMax = 4_096;
    public const int AuxvBytesMax = 4_096;
    public const int XstateBytesMax = 16_384;
    public const int NameBytesMax = 4_096;
    public const int ChunkBytesMax = 256 * 1024;

    public const ulong PageBytes = 4096;

    /// <summary>OM_SLOTS_MAX of om_abi.h.</summary>
    public const uint AgentSlotsMax = 4_096;

    /// <summary>The first address that is not the user's with four-level page tables.</summary>
    public const ulong UserEnd = 0x7fff_ffff_f000;

    /// <summary>OM_AREA_BYTES of om_abi.h: addresses that belong to the agent from ProcessImage.agent_area on.</summary>
    public static ulong AgentAreaBytes(uint slots) => 0x2_5000 + (slots * 0x11_8000UL);
}
