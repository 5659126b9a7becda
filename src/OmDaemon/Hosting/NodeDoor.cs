// The port for nodes is not bound before there is a cluster: a PC on which the package was merely installed listens to nobody. Kestrel
// binds its endpoints once, at the start, so it is given a listener that waits: OpenAsync binds the real one beneath it. A node that starts
// as a member binds at once, and does not start if it cannot.
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using OpenMosix.Daemon.Cluster;

namespace OpenMosix.Daemon.Hosting;

internal sealed class NodeDoor(SocketTransportFactory sockets, IClusterIdentity identity) : IConnectionListenerFactory, IConnectionListenerFactorySelector
{
    private Waiting? _listener;

    public bool CanBind(EndPoint endpoint) => endpoint is IPEndPoint;

    public async ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        _listener = new Waiting(sockets, endpoint);
        if (identity.Current is not null)
            await _listener.OpenAsync(cancellationToken).ConfigureAwait(false);
        return _listener;
    }

    /// <summary>Null when nodes can come in from now on; else why not.</summary>
    public async Task<string?> OpenAsync(CancellationToken cancellationToken)
    {
        if (_listener is not { } listener)
            return "the daemon is only starting";
        try
        {
            await listener.OpenAsync(cancellationToken).ConfigureAwait(false);
            return null;
        }
        catch (Exception e) when (e is AddressInUseException or SocketException)
        {
            return $"cannot listen at {listener.EndPoint}: {(e is AddressInUseException ? "another program does" : e.Message)}";
        }
    }

    private sealed class Waiting(SocketTransportFactory sockets, EndPoint endpoint) : IConnectionListener
    {
        private readonly TaskCompletionSource<IConnectionListener?> _bound = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly SemaphoreSlim _turn = new(1, 1);

        public EndPoint EndPoint => endpoint;

        public async Task OpenAsync(CancellationToken cancellationToken)
        {
            await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                if (!_bound.Task.IsCompleted)
                    _bound.SetResult(await sockets.BindAsync(endpoint, cancellationToken).ConfigureAwait(false));
            }
            finally
            {
                _turn.Release();
            }
        }

        public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default) =>
            await _bound.Task.WaitAsync(cancellationToken).ConfigureAwait(false) is { } listener
                ? await listener.AcceptAsync(cancellationToken).ConfigureAwait(false)
                : null; // unbound before it was ever open

        public async ValueTask UnbindAsync(CancellationToken cancellationToken = default)
        {
            if (await EndAsync().ConfigureAwait(false) is { } listener)
                await listener.UnbindAsync(cancellationToken).ConfigureAwait(false);
        }

        public async ValueTask DisposeAsync()
        {
            if (await EndAsync().ConfigureAwait(false) is { } listener)
                await listener.DisposeAsync().ConfigureAwait(false);
        }

        private Task<IConnectionListener?> EndAsync()
        {
            _bound.TrySetResult(null);
            return _bound.Task;
        }
    }
}
