namespace OpenMosix.Warden.Tests;

internal static class Privileged
{
    internal static void OrSkip() => Assert.SkipUnless(Environment.IsPrivilegedProcess, "needs root: makes namespaces and cgroups");
}
