using System.Text.Json.Serialization;

namespace OpenMosix.Lab.State;

/// <summary>What is planned of a lab, written before any of it is made, so that `down` knows what to remove after a crash.</summary>
public sealed record LabRecord
{
    public required string Name { get; init; }
    public required int Subnet { get; init; }
    public required IReadOnlyList<NodeRecord> Nodes { get; init; }

    /// <summary>Per mounted hierarchy, the lab's directory in it.</summary>
    public required IReadOnlyList<string> Cgroups { get; init; }

    /// <summary>The lab's directory in the cgroup v2 tree, if there is one: processes go into leaves of it.</summary>
    public string? Unified { get; init; }

    /// <summary>Where its daemons and tools are: first on the PATH of its nodes.</summary>
    public required string Bin { get; init; }

    /// <summary>Without daemons: namespaces, network and exec only.</summary>
    public bool Bare { get; init; }

    public NodeRecord Node(string name) =>
        Nodes.FirstOrDefault(node => node.Name == name)
        ?? throw new LabException($"lab '{Name}' has no node '{name}' (it has {string.Join(", ", Nodes.Select(node => node.Name))})");
}

public sealed record NodeRecord
{
    public required string Name { get; init; }
    public required string Address { get; init; }
    public long? MemoryBytes { get; init; }

    /// <summary>As tc(8) takes it, both ways; null: as fast as it goes.</summary>
    public string? Rate { get; init; }
}

[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(LabRecord))]
internal sealed partial class LabJson : JsonSerializerContext;
