using System.Text.Json;
using OpenMosix.Lab.Tests.Running;
using OpenMosix.Protocol.Syscalls;

namespace OpenMosix.Lab.Tests.Integration;

/// <summary>
/// A program of an ordinary user turns hostile where it was moved to, in its real cell and under its real filter: it reaches nothing of its host,
/// is told what home says, and leaves nothing behind, whatever it does to itself.
/// </summary>
[Collection(HostileCollection.Name)]
public sealed class HostileTests(HostileLab lab)
{
    private const uint FirstCellUid = 0x7000_0000; // SubordinateIds.cs
    private const int X32 = 0x4000_0000;
    private const int LastNumber = 1023;
    private const int Sets = 6; // of arguments, hostile_numbers.c
    private const int Killed = 128 + 9, Faulted = 128 + 11, BadCall = 128 + 31;

    /// <summary>Executed natively once the body is at home: of those, what could reach something.</summary>
    private static readonly string[] BringHome =
    [
        "ptrace", "process_vm_readv", "process_vm_writev", "bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "unshare", "setns", "iopl",
        "modify_ldt", "keyctl", "memfd_secret",
    ];

    [Fact]
    public async Task Call_ToWhatIsOnTheHostOnly_SaysWhatHomeSays()
    {
        lab.Need();
        var before = await lab.StandAsync();
        using var witness = lab.StartIn("pc2", $"{HostileLab.Programs}/witness", "/run/witness", "4747");
        await witness.WroteAsync("ready\n");
        var (inside, outside) = lab.ProcessOf("witness");
        var reach = $"reach /run/witness/secret witness 4747 {inside} {outside}";

        var native = NativelyAsync(reach);
        using var hostile = await Hostile.StartMovedAsync(lab);
        var (uid, descriptors) = lab.Remote();
        Assert.True(uid >= FirstCellUid, $"uid {uid}");
        Assert.Equal(0, descriptors);
        await hostile.DoAsync(reach);
        await AwayAsync(hostile);
        Assert.Equal(await native, (await hostile.EndAsync()).Succeeded().Output);

        Assert.Equal("ready\nend\n", (await witness.EndAsync()).Succeeded().Output);
        await lab.AskAsync("pc2", "rm", "-r", "/run/witness");
        await UnharmedAsync(before);
    }

    [Fact]
    public async Task Call_OfEveryNumber_SaysWhatItSaysNatively()
    {
        lab.Need();
        var before = await lab.StandAsync();
        var known = Enumerable.Range(0, LastNumber + 1).Where(number => SyscallTable.Find(number)?.Side != SyscallSide.GoHome);
        var numbers = "numbers " + string.Join(' ', known.Concat(Enumerable.Range(0, 48).Select(i => X32 + (11 * i))));

        var native = NativelyAsync(numbers);
        using var hostile = await Hostile.StartMovedAsync(lab);
        await hostile.DoAsync(numbers);
        await AwayAsync(hostile);
        var refused = await RefusedAsync(hostile.Pid);
        var away = (await hostile.EndAsync()).Succeeded().Output;
        var expected = (await native).Split('\n');
        var actual = away.Split('\n');
        Assert.Equal(expected.Length, actual.Length);
        Assert.All(expected.Zip(actual), pair => SaysTheSame(pair.First, pair.Second));
        Assert.Equal(Sets, refused["vserver"]);
        Assert.Equal(Sets, refused["syscall_400"]);
        await UnharmedAsync(before);
    }

    [Fact]
    public async Task Call_ThatNobodyMayMakeForIt_BringsItHomeFirst()
    {
        lab.Need();
        var before = await lab.StandAsync();
        var commands = BringHome.Select(name => $"number {SyscallTable.All.First(entry => entry.Name == name).Number}").ToArray();
        var native = NativelyAsync(commands);
        using var hostile = await Hostile.StartMovedAsync(lab);
        foreach (var command in commands)
        {
            await hostile.DoAsync(command);
            Assert.True(await hostile.MoveAsync("pc2"), $"{command} did not bring it home\n{hostile.History}");
        }

        Assert.Equal(await native, (await hostile.EndAsync()).Succeeded().Output);
        await UnharmedAsync(before);
    }

    [Fact]
    public async Task Body_ThatAbusesWhatIsItsOwn_CallsAndMovesAsEver()
    {
        lab.Need();
        var before = await lab.StandAsync();
        using var hostile = await Hostile.StartMovedAsync(lab);
        foreach (var abuse in (string[])["descriptors", "timers", "jump", "in-flight", "scribble-block", "scribble-vdso", "unmap-vdso"])
        {
            await hostile.DoAsync(abuse);
        }

        await hostile.SayAsync("32-bit");
        await hostile.WroteAsync("32 bits\n");
        Assert.False(await hostile.MoveAsync("pc1"), hostile.History);
        Assert.Contains("32", hostile.History, StringComparison.Ordinal);
        await hostile.DoneAsync();
        Assert.True(await hostile.MoveAsync("pc1") && await hostile.MoveAsync("pc2"), hostile.History);
        var result = (await hostile.EndAsync()).Succeeded();
        Assert.Equal(
            """
             +
            done 1
            0 seen
            calls work
            done 2
            calls work
            done 3
            open -2, uid 65534
            calls work
            done 4
            interrupted 100
            calls work
            done 5
            calls work
            done 6
            calls work
            done 7
            calls work
            done 8
            32 bits
            calls work
            done 9

            """, result.Output);
        await UnharmedAsync(before);
    }

    [Fact]
    public async Task Body_ThatSpoilsWhatAMoveNeeds_StaysAndCanBeKilled()
    {
        lab.Need();
        var before = await lab.StandAsync();
        await Task.WhenAll(((string[])["scribble-code", "close-block", "unmap-agent"]).Select(async damage =>
        {
            using var hostile = await Hostile.StartMovedAsync(lab);
            await hostile.DoAsync(damage);
            Assert.False(await hostile.MoveAsync("pc1"), $"{damage}\n{hostile.History}");
            await hostile.DoAsync("number 39");
            await lab.AskAsync("pc1", "kill", "-9", $"{hostile.Pid}");
            var result = await hostile.EndAsync();
            Assert.True(result.Status == Killed && result.Output.EndsWith("done 2\n +\ndone 3\n", StringComparison.Ordinal), $"{damage}: {result}");
        }));
        await UnharmedAsync(before);
    }

    [Theory]
    [InlineData("odd", Faulted)]
    [InlineData("int80", BadCall)]
    public async Task Body_ThatBringsDeathUponItself_DiesAlone(string damage, int status)
    {
        lab.Need();
        var before = await lab.StandAsync();
        using var hostile = await Hostile.StartMovedAsync(lab);
        await hostile.SayAsync(damage);
        var result = await hostile.EndAsync();
        Assert.True(result.Status == status, result.ToString());
        await UnharmedAsync(before);
    }

    [Fact]
    public async Task Body_ThatOutgrowsItsCell_IsSentHome()
    {
        lab.Need();
        var before = await lab.StandAsync();
        using var hostile = await Hostile.StartMovedAsync(lab);
        await hostile.DoAsync("grow");
        Assert.Equal("pc1", await hostile.WhereAsync());
        Assert.Equal(0, (await hostile.EndAsync()).Status);
        await UnharmedAsync(before);
    }

    private async Task<string> NativelyAsync(params IEnumerable<string> commands)
    {
        using var native = Hostile.StartNative(lab);
        await native.DoAsync(Hostile.First);
        foreach (var command in commands)
        {
            await native.DoAsync(command);
        }

        return (await native.EndAsync()).Succeeded().Output;
    }

    // Where several things are wrong: a body's memory is read before home sees the call, so EFAULT is what is found first.
    private static void SaysTheSame(string expected, string actual)
    {
        var native = expected.Split(' ');
        var away = actual.Split(' ');
        Assert.True(
            native.Length == away.Length && native.Zip(away).All(pair => pair.First == pair.Second || (pair.First[0] == 'E' && pair.Second == "EFAULT")),
            $"natively {expected}\naway     {actual}");
    }

    // Had anything brought it home, what came after that would have been harmless.
    private async Task AwayAsync(Hostile hostile)
    {
        using var reply = JsonDocument.Parse(await lab.AskAsync("pc1", "omctl", "why", $"{hostile.Pid}", "--json"));
        Assert.Equal("pc2", reply.RootElement.GetProperty("where").GetString());
    }

    private async Task<Dictionary<string, int>> RefusedAsync(int pid)
    {
        using var reply = JsonDocument.Parse(await lab.AskAsync("pc1", "omctl", "why", $"{pid}", "--json"));
        return reply.RootElement.GetProperty("refused_calls").EnumerateArray()
            .ToDictionary(call => call.GetProperty("name").GetString()!, call => call.GetProperty("count").GetInt32());
    }

    /// <summary>pc2 is as it was, by who runs and what is mounted there, and the cluster is whole.</summary>
    private async Task UnharmedAsync(string before)
    {
        await lab.EmptyAsync();
        Assert.Equal(before, await lab.StandAsync());
        using var reply = JsonDocument.Parse(await lab.AskAsync("pc2", "omctl", "nodes", "--json"));
        Assert.All(reply.RootElement.GetProperty("nodes").EnumerateArray(), node => Assert.True(node.GetProperty("alive").GetBoolean()));
    }
}
