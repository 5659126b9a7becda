using OpenMosix.Lab.Tests.Running;

namespace OpenMosix.Lab.Tests.Integration;

/// <summary>Three nodes of one cluster, running the product as it was built. One for all tests that leave it as they found it.</summary>
public sealed class ClusterLab() : TestLab("cluster", null, "3")
{
    internal static readonly string[] Nodes = ["pc1", "pc2", "pc3"];
}

[CollectionDefinition(Name)]
public sealed class ClusterCollection : ICollectionFixture<ClusterLab>
{
    public const string Name = "cluster";
}
