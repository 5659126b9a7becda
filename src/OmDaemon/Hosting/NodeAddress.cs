using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;

namespace OpenMosix.Daemon.Hosting;

/// <summary>Where a daemon is dialled: `host`, `host:port`, `[v6]:port`.</summary>
public sealed record NodeAddress(string Host, int Port)
{
    public static bool TryParse(string text, int defaultPort, [NotNullWhen(true)] out NodeAddress? address)
    {
        address = null;
        if (IPAddress.TryParse(text, out IPAddress? ip) && !text.StartsWith('['))
        {
            address = new NodeAddress(ip.ToString(), defaultPort);
            return true;
        }
        if (IPEndPoint.TryParse(text, out IPEndPoint? end))
        {
            address = new NodeAddress(end.Address.ToString(), end.Port == 0 ? defaultPort : end.Port);
            return true;
        }
        int colon = text.LastIndexOf(':');
        string host = colon < 0 ? text : text[..colon];
        int port = defaultPort;
        if (colon >= 0 && (!int.TryParse(text[(colon + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out port) || port is <= 0 or > 65535))
            return false;
        if (Uri.CheckHostName(host) != UriHostNameType.Dns)
            return false;
        address = new NodeAddress(host, port);
        return true;
    }

    public override string ToString() => Host.Contains(':') ? $"[{Host}]:{Port}" : $"{Host}:{Port}";
}
