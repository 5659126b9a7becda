using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using OpenMosix.Lab.State;
using OpenMosix.Lab.Tests.Running;

namespace OpenMosix.Lab.Tests.Integration;

/// <summary>A peer without a certificate of the cluster gets nothing from a node's two ports, and the node's log says who it was and why.</summary>
[Collection(HostileCollection.Name)]
public sealed class StrangerTests(HostileLab lab)
{
    private const int Daemon = 7946, Link = 7947;

    // Says what it got: the bytes of an answer, of which HTTP/2's own settings and refusals of a call are none, and how it ended.
    private const string Stranger = """
        import socket, ssl, struct, sys
        host, port, certificate = sys.argv[1], int(sys.argv[2]), sys.argv[3]

        def frame(kind, flags, stream, payload):
            return struct.pack('>I', len(payload))[1:] + bytes([kind, flags]) + struct.pack('>I', stream) + payload

        def literal(index, text):
            return bytes([index, len(text)]) + text

        # POST, https, a method that gives away what a node holds
        headers = b'\x83\x87' + literal(4, b'/openmosix.v1.Migration/Held') + literal(1, b'pc2') \
            + b'\x00' + literal(12, b'content-type')[1:] + literal(0, b'application/grpc')[1:] + b'\x00' + literal(2, b'te')[1:] + literal(0, b'trailers')[1:]
        request = b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' + frame(4, 0, 0, b'') + frame(1, 4, 1, headers) + frame(0, 1, 1, b'\0\0\0\0\0')

        connection = socket.create_connection((host, port))
        got, data = b'', 0
        try:
            if certificate != 'plain':
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                context.set_alpn_protocols(['h2'])
                if certificate != 'none':
                    context.load_cert_chain(certificate)
                connection = context.wrap_socket(connection)
            connection.sendall(request)
            while piece := connection.recv(65536):
                got += piece
                while len(got) >= 9 and len(got) >= 9 + int.from_bytes(got[:3]):
                    length, kind, flags, stream = int.from_bytes(got[:3]), got[3], got[4], int.from_bytes(got[5:9])
                    payload, got = got[9:9 + length], got[9 + length:]
                    data += length if kind == 0 else 0
                    if kind == 1 and flags & 1:
                        print('status 16' if b'grpc-status\x0216' in payload else payload)
                        connection.close()
                        break
        except OSError:
            pass
        print('data', data + len(got))
        """;

    public static TheoryData<int, string, string> Strangers() => new()
    {
        { Daemon, "none", "calling /openmosix.v1.Migration/Held: it has no certificate of the cluster" },
        { Daemon, "self-signed", "certificate of 'self-signed' is not trusted" },
        { Daemon, "other-cluster", "certificate of 'other-cluster' is not trusted" },
        { Daemon, "plain", "no handshake of TLS 1.3 came about" },
        { Link, "none", "peer did not return a certificate" },
        { Link, "self-signed", "self-signed certificate" },
        { Link, "other-cluster", "unable to get local issuer certificate" },
        { Link, "plain", "wrong version number" },
    };

    [Theory]
    [MemberData(nameof(Strangers))]
    public async Task Stranger_AtAPort_GetsNothingAndIsNamedInTheLog(int port, string certificate, string reason)
    {
        lab.Need();
        var nodes = LabStore.Open(lab.Name).Nodes;
        var folder = Directory.CreateTempSubdirectory("stranger-");
        try
        {
            using var log = lab.Start("logs", "pc2", "--follow");
            var shown = certificate is "none" or "plain" ? certificate : Write(folder, certificate);
            var outcome = await lab.ExecAsync("pc1", "python3", "-c", Stranger, nodes[1].Address, $"{port}", shown);
            var expected = port == Daemon && certificate == "none" ? "status 16\ndata 0\n" : "data 0\n";
            Assert.Equal(expected, outcome.Succeeded().Output);
            await log.WroteLineAsync(nodes[0].Address, reason);
            log.Signal(2);
            await log.EndAsync();
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <returns>A PEM file with a certificate and its key.</returns>
    private static string Write(DirectoryInfo folder, string kind)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var authorityKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var now = DateTimeOffset.UtcNow;
        var request = new CertificateRequest($"CN={kind}", key, HashAlgorithmName.SHA256);
        var authority = new CertificateRequest("CN=test-hostile", authorityKey, HashAlgorithmName.SHA256);
        authority.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        using var issuer = authority.CreateSelfSigned(now.AddHours(-1), now.AddHours(1));
        using var certificate = kind == "self-signed" ? request.CreateSelfSigned(now.AddHours(-1), now.AddHours(1))
            : request.Create(issuer, now.AddHours(-1), now.AddMinutes(59), [1]);
        var path = Path.Combine(folder.FullName, "stranger.pem");
        File.WriteAllText(path, $"{certificate.ExportCertificatePem()}\n{key.ExportPkcs8PrivateKeyPem()}\n");
        return path;
    }
}
