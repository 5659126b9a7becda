// The descriptors that outlive this warden: what systemd gave back at start, and what it is asked to keep. Names are
// "KIND-KEY-WHAT". Any thread.
using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using OpenMosix.Warden.Hosting;

namespace OpenMosix.Warden.Handover;

internal sealed class DescriptorStore(ServiceManager manager, Dictionary<string, SafeFileHandle> given)
{
    private const int FirstDescriptor = 3;

    /// <summary>There is somebody who keeps descriptors.</summary>
    internal bool Keeps => manager.IsThere;

    /// <summary>LISTEN_FDS and LISTEN_FDNAMES (sd_listen_fds(3)), if they are meant for this process.</summary>
    internal static Dictionary<string, SafeFileHandle> Given(Func<string, string?> environment)
    {
        var given = new Dictionary<string, SafeFileHandle>();
        if (environment("LISTEN_PID") != Environment.ProcessId.ToString(CultureInfo.InvariantCulture)
            || !int.TryParse(environment("LISTEN_FDS"), CultureInfo.InvariantCulture, out int count))
            return given;
        string[] names = (environment("LISTEN_FDNAMES") ?? "").Split(':');
        for (int i = 0; i < count; i++)
        {
            var handle = new SafeFileHandle(FirstDescriptor + i, true);
            if (i >= names.Length || !given.TryAdd(names[i], handle))
                handle.Dispose();
        }
        return given;
    }

    internal IEnumerable<string> Keys(string kind) => given.Keys.Where(name => name.StartsWith(kind + "-", StringComparison.Ordinal))
        .Select(name => name.Split('-')).Where(parts => parts.Length == 3).Select(parts => parts[1]).Distinct().ToList();

    /// <summary>What an earlier warden left under this name; it is the caller's from now on.</summary>
    internal SafeFileHandle? Take(string kind, string key, string what) =>
        given.Remove($"{kind}-{key}-{what}", out SafeFileHandle? handle) ? handle : null;

    internal void Keep(string kind, string key, string what, SafeHandle handle) => manager.Store($"{kind}-{key}-{what}", handle);

    internal void Drop(string kind, string key, params ReadOnlySpan<string> what)
    {
        foreach (string one in what)
            manager.Remove($"{kind}-{key}-{one}");
    }
}
