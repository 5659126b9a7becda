using OpenMosix.Lab.Tests.Running;

namespace OpenMosix.Lab.Tests.Lab;

/// <summary>Three nodes without daemons, the first with little memory.</summary>
public sealed class BareLab() : TestLab("bare", null, "3", "--bare", "--memory", "128M,1G,1G");
