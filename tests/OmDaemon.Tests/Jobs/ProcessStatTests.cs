using System.Text;
using OpenMosix.Daemon.Jobs;

namespace OpenMosix.Daemon.Tests.Jobs;

public sealed class ProcessStatTests
{
    private const string Rest = " S 7 8 9 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 12345 1000 25 18446744073709551615";

    [Theory]
    [InlineData("cat")]
    [InlineData(") R 1 (")]
    [InlineData("a b\nc")]
    [InlineData("")]
    public void Parse_AnyName_FindsTheFieldsBehindTheLastBracket(string name)
    {
        ProcessStat? stat = ProcessStat.Parse(Encoding.UTF8.GetBytes($"42 ({name}){Rest}"));

        Assert.Equal(new ProcessStat(42, name, 'S', 7, 8, 9, 12345, 25 * Environment.SystemPageSize), stat);
    }

    [Theory]
    [InlineData("")]
    [InlineData("42")]
    [InlineData("42 (cat")]
    [InlineData("42 (cat) S 1")]
    [InlineData("x (cat)" + Rest)]
    public void Parse_NoStat_IsNull(string text) => Assert.Null(ProcessStat.Parse(Encoding.UTF8.GetBytes(text)));

    [Fact]
    public void Read_Self_IsUs()
    {
        ProcessStat? stat = ProcessStat.Read(Environment.ProcessId);

        Assert.Equal(Environment.ProcessId, stat?.Pid);
        Assert.True(stat!.StartTicks > 0 && stat.ResidentBytes > 0);
    }
}
