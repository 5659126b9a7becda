using System.Globalization;
using OpenMosix.Lab.Tests.Running;

namespace OpenMosix.Lab.Tests.Integration;

/// <summary>Three nodes of a cluster with nothing to do: what lies there for hours takes no PC's memory or time. A budget, not a benchmark.</summary>
public sealed class RestTests(RestTests.Machine lab, ITestOutputHelper output) : IClassFixture<RestTests.Machine>
{
    public sealed class Machine() : TestLab("rest", null, "3");

    private const double ResidentMiB = 80;

    // Not measurable: what top rounds to nothing beside anything else that runs. /proc counts in hundredths of a second.
    private const double CpuPercent = 1;
    private const int Seconds = 10;

    // Waits until what the start needed has been given back, which is part of the budget; then: name, ticks before, ticks after, KiB resident.
    private static readonly string Watch = $$"""
        ticks() { set -- $(cat /proc/$1/stat); echo $(({14} + {15})); }
        resident() { while read -r key value unit; do [ "$key" = VmRSS: ] && echo "$value"; done < /proc/$1/status; }
        daemon=$(pgrep -x openmosixd) warden=$(pgrep -x omwarden)
        for i in $(seq 60); do [ "$(resident "$daemon")" -le {{ResidentMiB * 1024}} ] && break; sleep 1; done
        d=$(ticks "$daemon") w=$(ticks "$warden")
        sleep {{Seconds}}
        echo "openmosixd $d $(ticks "$daemon") $(resident "$daemon")"
        echo "omwarden $w $(ticks "$warden") $(resident "$warden")"
        """.Replace("{14}", "${14}", StringComparison.Ordinal).Replace("{15}", "${15}", StringComparison.Ordinal);

    [Fact]
    public async Task Daemons_AtRest_AreSmallAndQuiet()
    {
        lab.Need();
        string[] nodes = ["pc1", "pc2", "pc3"];
        var seen = await Task.WhenAll(nodes.Select(node => lab.AskAsync(node, "sh", "-c", Watch)));
        var over = new List<string>();
        foreach (var (node, line) in nodes.Zip(seen).SelectMany(each => each.Second.Split('\n').Select(line => (each.First, line))))
        {
            var fields = line.Split(' ');
            var numbers = fields.Skip(1).Select(field => int.Parse(field, CultureInfo.InvariantCulture)).ToArray();
            var (cpu, resident) = ((numbers[1] - numbers[0]) / (double)Seconds, numbers[2] / 1024.0);
            var text = string.Create(CultureInfo.InvariantCulture, $"{node} {fields[0]}: {cpu:0.0} % of a CPU, {resident:0.0} MiB resident");
            output.WriteLine(text);
            if (cpu >= CpuPercent || resident > ResidentMiB)
            {
                over.Add(text);
            }
        }

        Assert.True(over.Count == 0, string.Join('\n', over));
    }
}
