// Listens on omwarden.sock. Root only: by the mode of the socket, and by SO_PEERCRED for whoever holds a descriptor of the directory.
using System.Collections.Concurrent;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using OpenMosix.Protocol.V1;
using OpenMosix.Warden.Interop;

namespace OpenMosix.Warden.Control;

internal sealed partial class ControlSocket(string path, IRequestHandler handler, ILogger<ControlSocket> log) : IDisposable
{
    private readonly Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly ConcurrentDictionary<ControlConnection, Task> connections = new();

    internal void Bind()
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.Delete(path);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        listener.Listen();
    }

    internal void Broadcast(FromWarden message)
    {
        foreach (ControlConnection connection in connections.Keys)
            connection.Send(message);
    }

    internal async Task RunAsync(CancellationToken stop)
    {
        try
        {
            while (true)
            {
                Socket socket = await listener.AcceptAsync(stop).ConfigureAwait(false);
                Sockets.Credentials peer = Sockets.Peer(socket.SafeHandle);
                if (peer.uid != 0)
                {
                    LogStranger(peer.uid, peer.pid);
                    socket.Dispose();
                    continue;
                }
                var connection = new ControlConnection(socket, peer.pid, handler, log);
                connections[connection] = Task.CompletedTask;
                connections[connection] = ServeAsync(connection, stop);
            }
        }
        catch (OperationCanceledException)
        {
            await Task.WhenAll(connections.Values).ConfigureAwait(false);
        }
    }

    public void Dispose()
    {
        listener.Dispose();
        File.Delete(path);
    }

    private async Task ServeAsync(ControlConnection connection, CancellationToken stop)
    {
        // Off the accepting loop from the first instruction.
        await Task.Yield();
        try
        {
            await connection.RunAsync(stop).ConfigureAwait(false);
        }
        finally
        {
            connections.TryRemove(connection, out _);
            if (!stop.IsCancellationRequested)
                await handler.ConnectionEndedAsync(connection).ConfigureAwait(false);
        }
    }

    [LoggerMessage(EventId = 100, Level = LogLevel.Warning, Message = "control connection of uid {Uid} (pid {Pid}) refused: root only")]
    private partial void LogStranger(uint uid, int pid);
}
