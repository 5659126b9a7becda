using Microsoft.Extensions.Logging;
using OpenMosix.Protocol.V1;
using OpenMosix.Warden.Cell;
using OpenMosix.Warden.Forward;
using OpenMosix.Warden.Handover;
using OpenMosix.Warden.Hosting;

namespace OpenMosix.Warden.Held;

/// <summary>What every process held here needs of the warden.</summary>
internal sealed class WardenContext(WardenOptions options, CgroupTree cgroups, DescriptorStore store, ILoggerFactory loggers, Action<FromWarden> broadcast)
{
    internal WardenOptions Options { get; } = options;
    internal CgroupTree Cgroups { get; } = cgroups;
    internal DescriptorStore Store { get; } = store;
    internal HeldProcesses Held { get; } = new();
    internal HashSet<uint> TakenIds { get; } = [];
    internal Sleepers Sleepers { get; } = new();
    internal FileGuards Guards => field ??= new(key => (Held.Find(key) as HomeProcess)?.Wanted("a file that it has mapped is being opened at home"));
    internal string Node { get; set; } = "";
    internal LinkEngine? Engine { get; set; }

    internal ILogger<T> Logger<T>() => loggers.CreateLogger<T>();

    /// <summary>An event for the daemon.</summary>
    internal void Tell(FromWarden message) => broadcast(message);
}
