using System.Globalization;
using OpenMosix.Protocol.Syscalls;
using OpenMosix.Tables;

namespace OpenMosix.Protocol.Tests;

public sealed class SyscallTableTests
{
    private static readonly string TablePath = Path.Combine(Repository.Root, "src", "OmProtocol", "Syscalls", "syscalls.tbl");
    private static readonly IReadOnlyList<Entry> Table = TableReader.Read(TablePath);

    [Fact]
    public void Table_EveryNumberOfTheInstalledHeader_HasItsName()
    {
        const string Header = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h";
        Assert.SkipUnless(File.Exists(Header), $"{Header} is not installed");
        var lines = File.ReadLines(Header)
            .Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(w => w.Length == 3 && w[0] == "#define" && w[1].StartsWith("__NR_", StringComparison.Ordinal));
        var count = 0;
        foreach (var words in lines)
        {
            var entry = SyscallTable.Find(int.Parse(words[2], CultureInfo.InvariantCulture));
            Assert.True(entry?.Name == words[1][5..], $"{words[2]} {words[1]}: the table says {entry?.Name ?? "nothing"}");
            count++;
        }
        Assert.True(count > 350, $"only {count} calls found in {Header}");
    }

    [Theory]
    [InlineData(335, "uretprobe")]
    [InlineData(336, "uprobe")]
    [InlineData(451, "cachestat")]
    [InlineData(453, "map_shadow_stack")]
    [InlineData(456, "futex_requeue")]
    [InlineData(462, "mseal")]
    [InlineData(466, "removexattrat")]
    [InlineData(469, "file_setattr")]
    public void Table_NumbersNewerThanTheHeader_AreKnown(int number, string name) => Assert.Equal(name, SyscallTable.NameOf(number));

    [Fact]
    public void Table_OfLinux618_HasNoGapsOutsideTheReservedOnes() =>
        Assert.Equal([.. Enumerable.Range(0, 337), .. Enumerable.Range(424, 46)], Table.Select(e => e.Number));

    [Fact]
    public void Find_UnknownNumber_GivesNothing()
    {
        Assert.Null(SyscallTable.Find(400));
        Assert.Null(SyscallTable.Find(-1));
        Assert.Equal("syscall_999", SyscallTable.NameOf(999));
    }

    [Fact]
    public void Table_CloseAndItsLike_AreNeverCancelled() =>
        Assert.DoesNotContain(Table, e => e.Name is "close" or "close_range" or "dup2" or "dup3" && e.Flag("reissue") is not null);

    [Fact]
    public void Table_EveryForwardedCallThatWaits_MayBeCancelled() =>
        Assert.DoesNotContain(Table.Concat(Table.SelectMany(e => e.Variants)),
            e => e.Side == Side.Home && e.Restart != "-" && e.Flag("reissue") is null);

    [Fact]
    public void Page_InTheRepository_IsTheOneTheTableMakes() =>
        Assert.True(File.ReadAllText(Path.ChangeExtension(Path.Combine(Path.GetDirectoryName(TablePath)!, "SYSCALLS"), ".md")) == MarkdownPage.ToText(Table),
            "SYSCALLS.md is stale: make syscalls-page");

    [Fact]
    public void Filter_OfTheTable_IsWhatTheProgramsCarry() =>
        Assert.Equal(SeccompFilter.ToBytes(Table), SyscallTable.SeccompFilter.ToArray());

    [Theory]
    [InlineData("0 read", "a line is")]
    [InlineData("0 read elsewhere", "side elsewhere")]
    [InlineData("0 read home perhaps", "restart class perhaps")]
    [InlineData("0 read home - quickly", "flag quickly")]
    [InlineData("0 read home - - | fd, out:arg7, size", "size arg7")]
    [InlineData("0 read home - - | fd, out:arg0!len, size", "cut len")]
    [InlineData("0 read home - - | fd, out:arg3, size", "not a size")]
    [InlineData("0 read home - - | fd, ptr", "cannot be forwarded")]
    [InlineData("0 read refuse", "refuse and errno=")]
    [InlineData(".arg0=1 variant local", "a variant of nothing")]
    [InlineData("1 write local\n1 again local", "1 follows 1")]
    public void Read_MistakeInALine_SaysWhichAndWhere(string text, string why)
    {
        var path = Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, text);
            var failure = Assert.Throws<TableException>(() => TableReader.Read(path));
            Assert.Contains(why, failure.Message, StringComparison.Ordinal);
            Assert.StartsWith(path + ":", failure.Message, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(path);
        }
    }
}
