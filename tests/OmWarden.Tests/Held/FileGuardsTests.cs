using System.Diagnostics;
using OpenMosix.Checkpoint.Pages;
using OpenMosix.Protocol.V1;
using OpenMosix.Warden.Held;

namespace OpenMosix.Warden.Tests.Held;

/// <summary>Files of which somebody who is away has the data: whoever opens one waits until nobody is.</summary>
public sealed class FileGuardsTests : IDisposable
{
    private const ulong Key = 1, Other = 2;

    private readonly string path = Path.GetTempFileName();
    private readonly SemaphoreSlim wanted = new(0);
    private readonly List<ulong> keys = [];
    private readonly FileGuards guards;
    private readonly Process owner;
    private readonly SharedMemory memory;

    public FileGuardsTests()
    {
        guards = new(key =>
        {
            keys.Add(key);
            wanted.Release();
        });
        File.WriteAllText(path, new string('a', 5000));
        owner = Python("m = mmap.mmap(os.open(path, os.O_RDWR), 0); print('ready', flush=True); input()");
        using FileStream opened = File.OpenRead(path);
        (ulong device, ulong inode) = MemoryFiles.IdentityOf(opened.SafeFileHandle);
        memory = new() { Device = device, Inode = inode, FileDevice = device, FileInode = inode, Name = path, Written = true, Pids = { owner.Id } };
    }

    private MappedFile Mapped => new() { Path = path, Device = memory.Device, Inode = memory.Inode, Memory = true, Written = true };

    [Fact]
    public async Task Add_AnotherOpens_WaitsUntilRemoved()
    {
        Privileged.OrSkip();
        Assert.Equal(0, guards.Add(Key, owner.Id, 0, [memory], [Mapped]));
        using Process reader = Python("print(len(open(path).read()), flush=True)");
        await wanted.WaitAsync(TestContext.Current.CancellationToken);
        Assert.Equal([Key], keys);
        Assert.False(reader.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken).IsCompleted);
        guards.Remove(Key);
        await reader.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(0, reader.ExitCode);
    }

    /// <summary>The warden itself, the daemon, and those who are away with it.</summary>
    [Fact]
    public async Task Add_ThoseWhoMayOpen_DoNotWait()
    {
        Privileged.OrSkip();
        using Process member = Python("input(); print(len(open(path).read()), flush=True); input()");
        using Process daemon = Python("input(); print(len(open(path).read()), flush=True); input()");
        Assert.Equal(0, guards.Add(Key, owner.Id, daemon.Id, [memory], [Mapped]));
        Assert.Equal(0, guards.Add(Other, member.Id, 0, [memory], []));
        Assert.Equal(5000, (await File.ReadAllTextAsync(path, TestContext.Current.CancellationToken)).Length);
        foreach (Process may in new[] { member, daemon })
        {
            await may.StandardInput.WriteLineAsync("go");
            Assert.Equal("5000", await may.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken));
            await may.StandardInput.WriteLineAsync("end");
            await may.WaitForExitAsync(TestContext.Current.CancellationToken);
        }
        Assert.Empty(keys);
    }

    [Fact]
    public async Task Remove_OneOfTwo_OthersWaitOn()
    {
        Privileged.OrSkip();
        Assert.Equal(0, guards.Add(Other, Environment.ProcessId, 0, [memory], []));
        Assert.Equal(0, guards.Add(Key, owner.Id, 0, [memory], [Mapped]));
        guards.Remove(Key);
        using Process reader = Python("print(len(open(path).read()), flush=True)");
        await wanted.WaitAsync(TestContext.Current.CancellationToken);
        Assert.Equal([Other], keys);
        Assert.Equal([Other], guards.GiveUp(Other, memory.Device, memory.Inode));
        await reader.WaitForExitAsync(TestContext.Current.CancellationToken);
    }

    [Fact]
    public void Add_NotMappedForWriting_IsRefused()
    {
        Privileged.OrSkip();
        using Process reader = Python("m = mmap.mmap(os.open(path, os.O_RDONLY), 0, prot=mmap.PROT_READ); print('ready', flush=True); input()");
        Assert.NotEqual(0, guards.Add(Key, reader.Id, 0, [memory], [Mapped]));
        Assert.Equal(5000, File.ReadAllText(path).Length);
        reader.Kill();
    }

    [Fact]
    public void With_ContentThatDiffers_WritesOnlyThat()
    {
        Privileged.OrSkip();
        Assert.Equal(0, guards.Add(Key, owner.Id, 0, [memory], [Mapped]));
        byte[] same = File.ReadAllBytes(path);
        DateTime before = DateTime.UnixEpoch.AddYears(40);
        File.SetLastWriteTimeUtc(path, before);
        Assert.Equal(0, guards.With(Key, memory.Device, memory.Inode, file => FileContent.Write(file, 0, [.. same, .. new byte[3192]])));
        Assert.Equal(before, File.GetLastWriteTimeUtc(path));
        Assert.Equal(same, File.ReadAllBytes(path));

        same[4097] = (byte)'b';
        Assert.Equal(0, guards.With(Key, memory.Device, memory.Inode, file => FileContent.Write(file, 0, same)));
        Assert.NotEqual(before, File.GetLastWriteTimeUtc(path));
        Assert.Equal(same, File.ReadAllBytes(path));
        Assert.Equal(0, guards.With(Key, memory.Device, memory.Inode, file => FileContent.Clear(file, 0, 4096)));
        Assert.Equal([.. new byte[4096], .. same[4096..]], File.ReadAllBytes(path));
        const int EBADF = 9;
        Assert.Equal(EBADF, guards.With(Other, memory.Device, memory.Inode, _ => 0));
    }

    public void Dispose()
    {
        guards.Dispose();
        owner.Kill();
        owner.WaitForExit();
        owner.Dispose();
        File.Delete(path);
        wanted.Dispose();
    }

    /// <summary>Has said "ready" if it says anything before it reads.</summary>
    private Process Python(string script)
    {
        var start = new ProcessStartInfo("/usr/bin/python3") { RedirectStandardInput = true, RedirectStandardOutput = true };
        start.ArgumentList.Add("-c");
        start.ArgumentList.Add($"import mmap, os; path = '{path}'\n{script}");
        Process started = Process.Start(start)!;
        if (script.Contains("'ready'", StringComparison.Ordinal))
            Assert.Equal("ready", started.StandardOutput.ReadLine());
        return started;
    }
}
