using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Ship;

/// <summary>
/// The pages of frozen processes that other nodes may pull. One per daemon; safe from any thread. A process is offered from Register to
/// Release, to the one node named, for one epoch; it must stay stopped in between.
/// </summary>
public sealed class PageSource
{
    /// <param name="key">Process key.</param>
    /// <param name="epoch">Of the move; a pull for another epoch is refused.</param>
    /// <param name="memoryPid">Whose memory and mapped files are read (WardenFrozen.memory_pid).</param>
    /// <param name="targetNode">Node id: nobody else gets a page.</param>
    public Outcome Register(ulong key, uint epoch, ProcessImage image, int memoryPid, string targetNode) => throw new NotImplementedException();

    /// <summary>Ends the offer and what is still being pulled. When it returns, nothing reads the process any more. Unknown keys are no error.</summary>
    public Task ReleaseAsync(ulong key) => throw new NotImplementedException();
}
