using OpenMosix.Compat.Pages;
using OpenMosix.Compat.Running;
using OpenMosix.Lab;

namespace OpenMosix.Compat.Applications;

/// <summary>All cases, or those that are named, one after the other; RESULTS.md is written after each.</summary>
internal static class ApplicationSuite
{
    /// <returns>Exit status: 1 if one of them was not as natively.</returns>
    internal static async Task<int> RunAsync(IReadOnlyList<string> names, CancellationToken stop)
    {
        var all = ApplicationCase.All();
        if (names.Except(all.Select(each => each.Name)).FirstOrDefault() is { } unknown)
        {
            throw new LabException($"there is no case '{unknown}' (there are {string.Join(' ', all.Select(each => each.Name))})");
        }

        ApplicationCase[] wanted = [.. all.Where(each => names.Count == 0 || names.Contains(each.Name))];
        Packages.Install([.. wanted.SelectMany(each => each.Packages).Distinct()]);
        var versions = Packages.Versions(all.SelectMany(each => each.Packages).Distinct());
        var page = new ResultsPage(all, versions);
        using var node = HomeNode.Up(Environment.GetEnvironmentVariable("OMCOMPAT_LAB") ?? "compat", stop);
        using var space = new Workspace();
        var failed = 0;
        foreach (var application in wanted)
        {
            Console.Write($"{application.Name}: ");
            var missing = application.Packages.Where(package => !versions.ContainsKey(package)).ToArray();
            var result = missing.Length > 0
                ? new ApplicationResult($"cannot: no package {string.Join(' ', missing)} here")
                : await new ApplicationRun(application, node, space, stop).RunAsync();
            Console.WriteLine(page.Add(application, result));
            page.Save();
            failed += result.Fault is null ? 0 : 1;
        }

        Console.WriteLine($"{wanted.Length - failed} equal, {failed} not");
        return failed == 0 ? 0 : 1;
    }
}
