using OpenMosix.Daemon.Balancing;

namespace OpenMosix.Daemon.Tests.Balancing;

public sealed class ReluctanceTests
{
    private static readonly DateTimeOffset Now = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly CandidateId One = new(1, 0);

    [Fact]
    public void Failed_AgainAndAgain_WaitsTwiceAsLongEachTimeUpToALimit()
    {
        var reluctance = new Reluctance();
        var waits = new List<double>();
        for (int i = 0; i < 10; i++)
        {
            reluctance.Failed(One, Now);
            waits.Add((reluctance.NotBefore(One) - Now).TotalSeconds);
        }

        Assert.Equal([10, 20, 40, 80, 160, 320, 600, 600, 600, 600], waits);
    }

    [Fact]
    public void Moved_AfterAFailure_IsForgivenAndSettled()
    {
        var reluctance = new Reluctance();
        reluctance.Failed(One, Now);
        reluctance.Moved(One, Now);

        Assert.True(reluctance.NotBefore(One) <= Now);
        Assert.Equal(Now, reluctance.SettledAt(One));
    }

    [Fact]
    public void Keep_ProcessIsGone_IsForgotten()
    {
        var reluctance = new Reluctance();
        reluctance.Failed(One, Now);
        reluctance.Moved(new CandidateId(2, 0), Now);
        reluctance.Keep(new HashSet<CandidateId>());

        Assert.Equal(DateTimeOffset.MinValue, reluctance.NotBefore(One));
        Assert.Null(reluctance.SettledAt(new CandidateId(2, 0)));
    }
}
