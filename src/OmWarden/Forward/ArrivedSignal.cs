using System.Buffers.Binary;
using OpenMosix.Warden.Interop;

namespace OpenMosix.Warden.Forward;

/// <summary>A signal that reached the deputy.</summary>
/// <param name="Slot">Of the thread of the deputy that took it, in whose ring it is counted.</param>
/// <param name="Directed">It was for that thread, and not for the process.</param>
/// <param name="Siginfo">128 bytes, as the kernel gave it.</param>
internal readonly record struct ArrivedSignal(uint Slot, bool Directed, byte[] Siginfo)
{
    internal int Number => BinaryPrimitives.ReadInt32LittleEndian(Siginfo);
    internal int Code => BinaryPrimitives.ReadInt32LittleEndian(Siginfo.AsSpan(8));

    internal static unsafe ArrivedSignal From(uint slot, OmEngine.om_signal* signal) =>
        new(slot, signal->directed != 0, new Span<byte>(signal->info, 128).ToArray());
}
