// {StateDirectory}/members: the nodes of the cluster across restarts, one a line: node address daemon-port link-port.
using System.Globalization;
using OpenMosix.Daemon.Hosting;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Cluster;

internal sealed class MemberFile(DaemonOptions options)
{
    private readonly Lock _lock = new();
    private readonly string _path = Path.Combine(options.StateDirectory, "members");
    private string _written = "";

    public IReadOnlyList<NodeInfo> Read()
    {
        var nodes = new List<NodeInfo>();
        if (!File.Exists(_path))
            return nodes;
        foreach (string line in File.ReadLines(_path))
        {
            string[] fields = line.Split(' ');
            if (fields.Length == 4 && TryPort(fields[2], out uint daemonPort) && TryPort(fields[3], out uint linkPort))
                nodes.Add(new NodeInfo { Node = fields[0], Address = fields[1], DaemonPort = daemonPort, LinkPort = linkPort });
        }
        return nodes;
    }

    /// <summary>Writes if something to be kept has changed.</summary>
    public void Write(IEnumerable<NodeInfo> nodes)
    {
        string text = string.Concat(nodes.Select(n => string.Create(CultureInfo.InvariantCulture, $"{n.Node} {n.Address} {n.DaemonPort} {n.LinkPort}\n")));
        lock (_lock)
        {
            if (text == _written)
                return;
            Directory.CreateDirectory(options.StateDirectory);
            PrivateFile.Write(_path, text);
            _written = text;
        }
    }

    private static bool TryPort(string text, out uint port) => uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out port) && port <= 65535;
}
