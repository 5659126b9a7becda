using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Warden;

/// <summary>Hears of the warden, one thing after the other, in the order in which they happened. May ask the warden; must not wait for a later event.</summary>
public interface IWardenListener
{
    /// <param name="status">What the warden holds at this moment: the truth about deputies, remotes and what is stopped or being built.</param>
    Task WardenConnectedAsync(WardenStatusReply status, CancellationToken cancellationToken) => Task.CompletedTask;

    Task WardenLostAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    Task WardenSaidAsync(FromWarden happened, CancellationToken cancellationToken) => Task.CompletedTask;
}
