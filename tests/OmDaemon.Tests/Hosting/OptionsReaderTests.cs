using System.Net;
using OpenMosix.Daemon.Hosting;

namespace OpenMosix.Daemon.Tests.Hosting;

public sealed class OptionsReaderTests : IDisposable
{
    private readonly TestDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Read_NothingGiven_Defaults()
    {
        DaemonOptions options = Good(Read());
        Assert.Equal(7946, options.DaemonPort);
        Assert.Equal(7947, options.LinkPort);
        Assert.True(options.Accepts);
    }

    [Fact]
    public void Read_FileThenCommandLine_LastWins()
    {
        _directory.Write("openmosixd.conf", "# a comment\n\nnode = pc1\ndaemon-port=8000\n  seeds = 10.0.0.1, pc2:9000\n");
        DaemonOptions options = Good(Read("--daemon-port", "8001", "--listen=10.1.1.1"));
        Assert.Equal("pc1", options.Node);
        Assert.Equal(8001, options.DaemonPort);
        Assert.Equal(IPAddress.Parse("10.1.1.1"), options.ListenAddress);
        Assert.Equal(["10.0.0.1", "pc2:9000"], options.Seeds);
    }

    [Fact]
    public void Read_Directories_EnvironmentThenCommandLine()
    {
        var environment = new Dictionary<string, string?> { ["OPENMOSIX_ETC"] = _directory.Path, ["OPENMOSIX_RUN"] = "/a", ["OPENMOSIX_STATE"] = "/b" };
        DaemonOptions options = Good(OptionsReader.Read(["--run-dir", "/c"], environment.GetValueOrDefault));
        Assert.Equal("/c", options.RunDirectory);
        Assert.Equal("/b", options.StateDirectory);
        Assert.Equal("/c/openmosixd.sock", options.ControlSocket);
    }

    [Theory]
    [InlineData("nod = pc1", "openmosixd.conf:1: unknown key 'nod'")]
    [InlineData("node", "openmosixd.conf:1: 'node' is not 'key = value'")]
    [InlineData("\ndaemon-port = 70000", "openmosixd.conf:2: daemon-port = '70000' is not a port, 1 to 65535")]
    [InlineData("node = home", "node = 'home' is not a node name")]
    [InlineData("node = a b", "node = 'a b' is not a node name")]
    [InlineData("accepts = maybe", "accepts = 'maybe' is not yes or no")]
    [InlineData("seeds = a:b:c", "seeds = 'a:b:c' is not host[:port]")]
    [InlineData("listen = here", "listen = 'here' is not an IP address")]
    public void Read_MistakeInFile_NamesPlaceAndWhatIsRight(string text, string expected)
    {
        _directory.Write("openmosixd.conf", text);
        Assert.Contains(expected, Assert.Single(Bad(Read())), StringComparison.Ordinal);
    }

    [Fact]
    public void Read_SeveralMistakes_AllAreNamed() =>
        Assert.Equal(3, Bad(OptionsReader.Read(["--accepts", "x", "stray", "--run-dir", "relative", "--etc-dir", _directory.Path], _ => null)).Count);

    [Fact]
    public void Read_ValueMissing_IsNamed() => Assert.Contains("--node needs a value", Bad(Read("--node")));

    [Fact]
    public void Read_Help_ListsEveryKey()
    {
        string help = Assert.IsType<OptionsResult.Print>(Read("--help")).Text;
        Assert.All(OptionKeys.All, key => Assert.Contains($"--{key.Name}", help, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("10.0.0.1", "10.0.0.1", 7946)]
    [InlineData("10.0.0.1:80", "10.0.0.1", 80)]
    [InlineData("pc1", "pc1", 7946)]
    [InlineData("pc1.lan:90", "pc1.lan", 90)]
    [InlineData("fe80::1", "fe80::1", 7946)]
    [InlineData("[fe80::1]:81", "fe80::1", 81)]
    public void NodeAddress_Right_IsParsed(string text, string host, int port)
    {
        Assert.True(NodeAddress.TryParse(text, 7946, out NodeAddress? address));
        Assert.Equal(new NodeAddress(host, port), address);
    }

    [Theory]
    [InlineData("")]
    [InlineData(":80")]
    [InlineData("pc1:0")]
    [InlineData("pc1:99999")]
    [InlineData("pc 1")]
    [InlineData("http://pc1")]
    public void NodeAddress_Wrong_IsRefused(string text) => Assert.False(NodeAddress.TryParse(text, 7946, out _));

    private OptionsResult Read(params string[] arguments) => OptionsReader.Read(["--etc-dir", _directory.Path, .. arguments], _ => null);

    private static DaemonOptions Good(OptionsResult result) => Assert.IsType<OptionsResult.Good>(result).Options;

    private static IReadOnlyList<string> Bad(OptionsResult result) => Assert.IsType<OptionsResult.Bad>(result).Errors;
}
