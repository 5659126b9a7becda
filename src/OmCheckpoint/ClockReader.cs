using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint;

/// <summary>Reads this node's clocks, for the image and for the offsets of a cell's time namespace.</summary>
public static class ClockReader
{
    public static ClockOffsets Read() => throw new NotImplementedException();
}
