using OpenMosix.Daemon.Balancing;

namespace OpenMosix.Daemon.Tests.Balancing;

public sealed class GrowthTests
{
    private static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Note_MemoryShrinks_RisesAtOnce()
    {
        var growth = new Growth();
        growth.Note(Start, 1000);
        growth.Note(Start.AddSeconds(2), 800);

        Assert.Equal(100, growth.BytesPerSecond);
    }

    [Fact]
    public void Note_Pause_FallsSlowly()
    {
        var growth = new Growth();
        growth.Note(Start, 1000);
        growth.Note(Start.AddSeconds(1), 900);
        growth.Note(Start.AddSeconds(2), 900);

        Assert.Equal(70, growth.BytesPerSecond, 3);
    }

    [Fact]
    public void Note_TwoLooksAtOnce_MakeNoRate()
    {
        var growth = new Growth();
        growth.Note(Start, 1000);
        growth.Note(Start.AddMilliseconds(1), 0);

        Assert.Equal(0, growth.BytesPerSecond);
    }
}
