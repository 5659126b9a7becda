using OpenMosix.Lab.Tests.Running;

namespace OpenMosix.Lab.Tests.Workloads;

/// <summary>The programs of tests/workloads, as built.</summary>
internal static class Workload
{
    internal static string Path(string name) => System.IO.Path.Combine(Repository.Workloads, name);

    internal static string[] Names()
    {
        var sources = Directory.GetFiles(System.IO.Path.Combine(Repository.Root, "tests", "workloads"), "*.c");
        return sources.Select(file => System.IO.Path.GetFileNameWithoutExtension(file)).Order().ToArray();
    }
}
