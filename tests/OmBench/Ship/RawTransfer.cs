using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using OpenMosix.Grpc;

namespace OpenMosix.Bench.Ship;

/// <summary>What a plain socket does between two threads of this machine: the measure for everything else.</summary>
internal static class RawTransfer
{
    private const int PieceBytes = 1 << 20;

    public static async Task RunAsync(long bytes, TlsIdentity? server)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        Task send = SendAsync(listener, bytes, server);
        using var client = new TcpClient();
        await client.ConnectAsync((IPEndPoint)listener.LocalEndpoint);
        await using Stream stream = await ClientStreamAsync(client, server is not null);
        var buffer = GC.AllocateUninitializedArray<byte>(PieceBytes, pinned: true);
        for (long got = 0; got < bytes;)
        {
            var count = await stream.ReadAsync(buffer);
            got += count > 0 ? count : throw new EndOfStreamException();
        }

        await send;
    }

    private static async Task SendAsync(TcpListener listener, long bytes, TlsIdentity? identity)
    {
        using TcpClient peer = await listener.AcceptTcpClientAsync();
        await using Stream stream = await ServerStreamAsync(peer, identity);
        var buffer = GC.AllocateUninitializedArray<byte>(PieceBytes, pinned: true);
        new Random(1).NextBytes(buffer);
        for (long sent = 0; sent < bytes; sent += PieceBytes)
            await stream.WriteAsync(buffer);
    }

    private static async Task<Stream> ServerStreamAsync(TcpClient peer, TlsIdentity? identity)
    {
        if (identity is null)
            return peer.GetStream();
        var tls = new SslStream(peer.GetStream());
        await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = identity.Certificate, EnabledSslProtocols = SslProtocols.Tls13 });
        return tls;
    }

    private static async Task<Stream> ClientStreamAsync(TcpClient client, bool secure)
    {
        if (!secure)
            return client.GetStream();
        var tls = new SslStream(client.GetStream(), false, (_, _, _, _) => true);
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = "pc1", EnabledSslProtocols = SslProtocols.Tls13 });
        return tls;
    }
}
