using System.Net.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using OpenMosix.Daemon.Hosting;
using OpenMosix.Daemon.Tests.Fakes;
using OpenMosix.Daemon.Warden;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Tests.Warden;

public sealed class WardenClientTests
{
    [Fact]
    public async Task Run_WardenComesGoesAndComesBack_IsNoticedEachTime()
    {
        CancellationToken token = TestContext.Current.CancellationToken;
        var options = new DaemonOptions { RunDirectory = Directory.CreateTempSubdirectory("omwarden").FullName };
        using var client = new WardenClient(options, TimeProvider.System, NullLogger<WardenClient>.Instance);
        await client.StartAsync(token);
        Assert.IsType<WardenAnswer.Failed>(await client.AskAsync(new ToWarden { Status = new WardenStatus() }, token));

        for (int time = 0; time < 3; time++)
        {
            using (var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
            {
                listener.Bind(new UnixDomainSocketEndPoint(options.WardenSocket));
                listener.Listen();
                using Socket warden = await listener.AcceptAsync(token);
                Assert.IsType<WardenHappening.Connected>(await client.Happenings.ReadAsync(token));
                Assert.True(client.IsConnected);
            }
            File.Delete(options.WardenSocket);
            Assert.IsType<WardenHappening.Lost>(await client.Happenings.ReadAsync(token));
            Assert.False(client.IsConnected);
        }

        await client.StopAsync(token);
        Directory.Delete(options.RunDirectory, recursive: true);
    }

    [Fact]
    public async Task Ask_WhileTheWardenIsReplaced_WaitsForTheNextOneAndNotForEver()
    {
        CancellationToken token = TestContext.Current.CancellationToken;
        var options = new DaemonOptions { RunDirectory = Directory.CreateTempSubdirectory("omwarden").FullName };
        var time = new ManualTime();
        using var client = new WardenClient(options, time, NullLogger<WardenClient>.Instance);
        await client.StartAsync(token);
        Task<WardenAnswer>? asked = null;

        for (int round = 0; round < 2; round++)
        {
            using (var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
            {
                listener.Bind(new UnixDomainSocketEndPoint(options.WardenSocket));
                listener.Listen();
                Task<Socket> accepting = listener.AcceptAsync(token).AsTask();
                using Socket warden = await time.RunAsync(accepting);
                Assert.IsType<WardenHappening.Connected>(await client.Happenings.ReadAsync(token));
                if (asked is not null)
                    Assert.True(await warden.ReceiveAsync(new byte[100], token) > 0, "what was asked in between does not come");
            }
            File.Delete(options.WardenSocket);
            Assert.IsType<WardenHappening.Lost>(await client.Happenings.ReadAsync(token));
            asked = client.AskAsync(new ToWarden { Status = new WardenStatus() }, token);
            Assert.False(asked.IsCompleted);
        }

        Assert.IsType<WardenAnswer.Failed>(await time.RunAsync(asked!));
        Assert.IsType<WardenAnswer.Failed>(await client.AskAsync(new ToWarden { Status = new WardenStatus() }, token));
        await client.StopAsync(token);
        Directory.Delete(options.RunDirectory, recursive: true);
    }
}
