using OpenMosix.Checkpoint.Freeze;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Proc;

namespace OpenMosix.Checkpoint.Tests.Freeze;

/// <summary>What became of a remote's calls when its stops were asked for is undone when they do not come, and only then.</summary>
public sealed class UndoTests
{
    private const int SIGKILL = 9;

    private int _interrupted;
    private int _undone;

    [RootTheory]
    [InlineData(false)]
    [InlineData(true)]
    public void Interruption_OfWhatStops_IsNotUndone(bool oneThread)
    {
        using var guest = Guest.Start("waits", "read-forever");
        guest.Expect("ready");
        using (var frozen = Freeze(guest.Pid, oneThread).Value)
        {
            Assert.Equal((1, 0), (_interrupted, _undone));
        }

        Assert.Equal((1, 0), (_interrupted, _undone));
        guest.Send("x");
        guest.ExpectGoodEnd();
    }

    [RootTheory]
    [InlineData(false)]
    [InlineData(true)]
    public void Interruption_OfWhatDoesNotStop_IsUndoneOnce(bool oneThread)
    {
        using var guest = Guest.Start("forks", "stuck");
        guest.Expect("ready");
        var frozen = Freeze(guest.Pid, oneThread, timeout: TimeSpan.FromMilliseconds(20));
        Assert.Equal(Errno.ETIMEDOUT, frozen.Failure?.Errno);
        Assert.Equal((1, 1), (_interrupted, _undone));
        AssertLeftAlone(guest);
    }

    [RootTheory]
    [InlineData(false)]
    [InlineData(true)]
    public void Interruption_OfAFreezeThatIsCancelled_IsUndoneOnce(bool oneThread)
    {
        using var guest = Guest.Start("forks", "stuck");
        guest.Expect("ready");
        using var cancellation = new CancellationTokenSource();
        var frozen = Freeze(guest.Pid, oneThread, meanwhile: cancellation.Cancel, cancellation: cancellation.Token);
        Assert.Equal(Errno.ECANCELED, frozen.Failure?.Errno);
        Assert.Equal((1, 1), (_interrupted, _undone));
        AssertLeftAlone(guest);
    }

    [RootFact]
    public void Interruption_OfWhatIsKilled_IsUndoneOnce()
    {
        using var guest = Guest.Start("waits", "read-forever");
        guest.Expect("ready");
        var frozen = Freeze(guest.Pid, oneThread: false, meanwhile: () => Assert.Equal(0, Kernel.Kill(guest.Pid, SIGKILL)));
        Assert.Equal(Errno.ESRCH, frozen.Failure?.Errno);
        Assert.Equal((1, 1), (_interrupted, _undone));
    }

    [RootFact]
    public void Interruption_ThatGivesUp_HasNothingToUndo()
    {
        using var guest = Guest.Start("forks", "stuck");
        guest.Expect("ready");
        var frozen = Freeze(guest.Pid, oneThread: false, giveUp: "home is silent");
        Assert.Equal(Errno.EBUSY, frozen.Failure?.Errno);
        Assert.Equal((1, 0), (_interrupted, _undone));
        AssertLeftAlone(guest);
    }

    private Protocol.Errors.Outcome<FrozenProcess> Freeze(
        int pid, bool oneThread, TimeSpan? timeout = null, Action? meanwhile = null, string? giveUp = null, CancellationToken cancellation = default)
    {
        var options = new FreezeOptions
        {
            Timeout = timeout ?? TimeSpan.FromMinutes(1),
            Interrupted = tids =>
            {
                Assert.Equal([pid], tids);
                _interrupted++;
                meanwhile?.Invoke();
                return new(giveUp, Undo: () =>
                {
                    Assert.Equal(1, _interrupted);
                    // It is seized still: what goes on now is answered as ever.
                    Assert.NotEqual(0, ProcessStatus.Read(pid)?.TracerPid);
                    _undone++;
                });
            },
        };
        return oneThread ? FrozenProcess.FreezeThread(pid, pid, options, cancellation) : FrozenProcess.Freeze(pid, options, cancellation);
    }

    private static void AssertLeftAlone(Guest guest)
    {
        Assert.Equal(0, ProcessStatus.Read(guest.Pid)!.TracerPid);
        guest.Send("x");
        guest.ExpectGoodEnd();
    }
}
