using System.Globalization;

namespace OpenMosix.Lab.Nodes;

/// <summary>A daemon of a node, as its init sees it. Pid is the node's own.</summary>
public sealed record ServiceStatus(string Name, string State, int Pid, int Restarts, int StoredFds, string Status)
{
    internal static ServiceStatus Parse(string line)
    {
        var fields = line.Split('\t');
        return new ServiceStatus(fields[0], fields[1], Number(fields[2]), Number(fields[3]), Number(fields[4]), fields[5]);
    }

    /// <summary>`daemon` and `warden` are what people say.</summary>
    public static string FullName(string name) => name switch
    {
        "daemon" or "openmosixd" => "openmosixd",
        "warden" or "omwarden" => "omwarden",
        _ => throw new LabException($"'{name}' is no service of a node: daemon or warden"),
    };

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}
