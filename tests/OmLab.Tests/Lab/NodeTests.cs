namespace OpenMosix.Lab.Tests.Lab;

/// <summary>What is a node's own, and what is the host's.</summary>
public sealed class NodeTests(BareLab lab) : IClassFixture<BareLab>
{
    [Fact]
    public async Task Node_HostName_IsItsOwn()
    {
        lab.Need();
        Assert.Equal("pc2", await lab.AskAsync("pc2", "hostname"));
        Assert.Equal("pc2", await lab.AskAsync("pc2", "cat", "/proc/sys/kernel/hostname"));
        Assert.NotEqual("pc2", Environment.MachineName);
    }

    [Fact]
    public async Task Node_Processes_AreItsOwn()
    {
        lab.Need();
        Assert.Equal("omlab-init", await lab.AskAsync("pc1", "cat", "/proc/1/comm"));
        var listed = await lab.AskAsync("pc1", "sh", "-c", "ls -d /proc/[0-9]* | wc -l");
        Assert.InRange(int.Parse(listed), 2, 6);
    }

    [Fact]
    public async Task Node_Orphan_IsReapedByInit()
    {
        lab.Need();
        // The grandchild is orphaned, dies, and must not stay a zombie: its directory in /proc goes away.
        var script = "pid=$(sh -c 'sleep 0.05 >/dev/null & echo $!'); while [ -d /proc/$pid ]; do sleep 0.02; done; echo gone";
        Assert.Equal("gone", await lab.AskAsync("pc1", "sh", "-c", script));
    }

    [Theory]
    [InlineData("/run/mine")]
    [InlineData("/etc/openmosix/mine")]
    [InlineData("/var/lib/openmosix/mine")]
    public async Task Node_OwnDirectories_AreSeenByNobodyElse(string path)
    {
        lab.Need();
        await lab.AskAsync("pc1", "touch", path);
        Assert.False(File.Exists(path));
        Assert.Equal("no", await lab.AskAsync("pc2", "sh", "-c", $"test -e {path} && echo yes || echo no"));
    }

    [Fact]
    public async Task Node_OtherFiles_AreTheHosts()
    {
        lab.Need();
        var file = Path.Combine(Path.GetTempPath(), $"lab-{Guid.NewGuid():N}");
        try
        {
            await lab.AskAsync("pc1", "sh", "-c", $"echo from pc1 > {file}");
            Assert.Equal("from pc1\n", await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken));
            Assert.Equal("from pc1", await lab.AskAsync("pc2", "cat", file));
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public async Task Node_Path_BeginsWithTheProduct()
    {
        lab.Need();
        Assert.StartsWith(Running.Repository.Bin + ":", await lab.AskAsync("pc1", "sh", "-c", "echo $PATH"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Node_MemoryLimit_IsEnforced()
    {
        lab.Need();
        // tail keeps what has no newline: 200 MiB do not fit into 128, and do into 1 GiB.
        const string Hog = "head -c 200M /dev/zero | tail -c 1 | wc -c";
        Assert.Equal("1", await lab.AskAsync("pc2", "sh", "-c", "head -c 200M /dev/zero | tail | wc -c | grep -c 209715200"));
        Assert.NotEqual("1", (await lab.ExecAsync("pc1", "sh", "-c", "head -c 200M /dev/zero | tail | wc -c | grep -c 209715200")).Output.Trim());
        Assert.Equal("1", await lab.AskAsync("pc1", "sh", "-c", Hog));
    }

    [Fact]
    public async Task Node_Cgroup_TakesChildren()
    {
        lab.Need();
        const string Script = """
            set -e
            for each in /sys/fs/cgroup /sys/fs/cgroup/*; do
                case $each in */memory|/sys/fs/cgroup) ;; *) continue ;; esac
                path=$(awk -F: -v v1=${each##*/} '$2 == v1 || (v1 == "cgroup" && $1 == 0) { print $3 }' /proc/self/cgroup)
                [ -n "$path" ] && [ -e "$each$path/cgroup.procs" ] || continue
                mkdir "$each$path/cell" && rmdir "$each$path/cell" && echo made
            done
            """;
        Assert.Contains("made", await lab.AskAsync("pc1", "sh", "-c", Script), StringComparison.Ordinal);
    }
}
