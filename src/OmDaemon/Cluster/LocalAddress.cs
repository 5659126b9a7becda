// The address others are told to dial, when none is configured.
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;

namespace OpenMosix.Daemon.Cluster;

internal static class LocalAddress
{
    public static IPAddress Find(IPAddress listen)
    {
        if (!listen.Equals(IPAddress.Any) && !listen.Equals(IPAddress.IPv6Any))
            return listen;
        return OfDefaultRoute() ?? OfAnyInterface() ?? IPAddress.Loopback;
    }

    /// <summary>An IPv4 address seen through a dual-stack socket, as what it is.</summary>
    public static IPAddress Plain(IPAddress address) => address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;

    // connect() of a datagram socket sends nothing: it asks the kernel's routes for the source address. 192.0.2.1 is TEST-NET-1.
    private static IPAddress? OfDefaultRoute()
    {
        try
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            socket.Connect(new IPEndPoint(IPAddress.Parse("192.0.2.1"), 9));
            return (socket.LocalEndPoint as IPEndPoint)?.Address;
        }
        catch (SocketException)
        {
            return null; // no default route
        }
    }

    private static IPAddress? OfAnyInterface() =>
        NetworkInterface.GetAllNetworkInterfaces()
            .Where(i => i.OperationalStatus != OperationalStatus.Down && i.NetworkInterfaceType != NetworkInterfaceType.Loopback)
            .SelectMany(i => i.GetIPProperties().UnicastAddresses)
            .Select(a => a.Address)
            .Where(a => !a.IsIPv6LinkLocal)
            .OrderBy(a => a.AddressFamily == AddressFamily.InterNetwork ? 0 : 1)
            .FirstOrDefault();
}
