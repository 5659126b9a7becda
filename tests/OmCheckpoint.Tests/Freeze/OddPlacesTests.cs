using System.Globalization;
using OpenMosix.Checkpoint.Freeze;
using OpenMosix.Checkpoint.Interop;

namespace OpenMosix.Checkpoint.Tests.Freeze;

public sealed class OddPlacesTests
{
    [RootFact]
    public void Freeze_OfAProcessThatIgnoresSigtrap_LeavesThatDisposition()
    {
        using var guest = Guest.Start("odd", "trap");
        guest.Expect("ready");
        for (var i = 0; i < 40; i++)
        {
            using var frozen = FrozenProcess.Freeze(guest.Pid).Value;
            var image = frozen.Snapshot();
            Assert.True(image.Ok, image.ToString());
            Assert.Contains(image.Value.Actions, action => action is { Signal: 5, Handler: 1 });
        }

        guest.Send("x");
        guest.ExpectGoodEnd();
    }

    [RootFact]
    public void Freeze_InsideARestartableSequence_AbortsIt()
    {
        using var guest = Guest.Start("odd", "rseq");
        var addresses = guest.ReadLine()!.Split(' ').Select(text => ulong.Parse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture)).ToArray();
        guest.Expect("ready");
        var aborted = 0;
        for (var i = 0; i < 40; i++)
        {
            using var frozen = FrozenProcess.Freeze(guest.Pid).Value;
            var rip = frozen.ReadRegisters().Value.Rip;
            Assert.False(rip >= addresses[0] && rip < addresses[1], "it would go on inside the sequence, after other code has run");
            aborted += rip == addresses[2] ? 1 : 0;
            Assert.True(frozen.Execute(frozen.NewBatch().Value).Ok);
        }

        Assert.NotEqual(0, aborted);
        guest.Send("x");
        guest.ExpectGoodEnd();
    }

    [RootFact]
    public void Freeze_OfAParentInVfork_GivesUpByNameAndLeavesItAlone()
    {
        using var guest = Guest.Start("odd", "vfork");
        guest.Expect("ready");
        GuestState.WaitFor(guest.Pid, 'D');
        var outcome = FrozenProcess.Freeze(guest.Pid, new FreezeOptions { Timeout = TimeSpan.FromMilliseconds(50) });
        Assert.Equal(Errno.ETIMEDOUT, outcome.Failure?.Errno);
        guest.Send("x");
        guest.ExpectGoodEnd();
    }

    [RootFact]
    public void Freeze_WhileAThreadExecutesAProgram_HoldsWhatThereIs()
    {
        using var guest = Guest.Start("odd", "exec");
        guest.Expect("ready");
        var held = 0;
        for (var i = 0; i < 200; i++)
        {
            var outcome = FrozenProcess.Freeze(guest.Pid);
            if (outcome.Ok)
            {
                using var frozen = outcome.Value;
                Assert.Equal(Proc.TaskList.Of(guest.Pid), frozen.Threads);
                held++;
                continue;
            }

            // In the moment when the leader is dead and the other thread has not taken its number.
            Assert.True(outcome.Failure is { Errno: Errno.EBUSY or Errno.EPERM or Errno.ESRCH } or { Refusal.Name: "leader-exited" }, outcome.ToString());
        }

        Assert.InRange(held, 1, 200); // it spends much of its time in that moment
        guest.Send("x");
        guest.ExpectGoodEnd();
    }

    [RootFact]
    public void Freeze_Cancelled_EndsAtOnce()
    {
        using var guest = Guest.Start("odd", "vfork");
        guest.Expect("ready");
        GuestState.WaitFor(guest.Pid, 'D');
        using var cancel = new CancellationTokenSource();
        var options = new FreezeOptions
        {
            Timeout = TimeSpan.FromDays(1),
            Interrupted = tids =>
            {
                Assert.Equal([guest.Pid], tids);
                cancel.Cancel();
                return new(null, _ => new CallEnd(Answered: false));
            },
        };
        var freeze = Task.Run(() => FrozenProcess.Freeze(guest.Pid, options, cancel.Token));
        Assert.Equal(Errno.ECANCELED, freeze.GetAwaiter().GetResult().Failure?.Errno);
        guest.Send("x");
        guest.ExpectGoodEnd();
    }
}
