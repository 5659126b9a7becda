using System.Globalization;
using OpenMosix.Checkpoint.Proc;

namespace OpenMosix.Checkpoint.Tests;

/// <summary>native/sharing.c: does what it is told with its memory. What it maps under a number lies at At(number).</summary>
internal sealed class Sharing(Guest guest) : IDisposable
{
    public int Pid => guest.Pid;

    public Guest Guest => guest;

    public static ulong At(int number) => 0x1000_0000_0000UL + ((ulong)number << 32);

    public static Sharing Start()
    {
        var guest = Guest.Start("sharing");
        guest.Expect("ready");
        return new Sharing(guest);
    }

    public long Do(string command)
    {
        guest.Send(command + "\n");
        return long.Parse(guest.ReadLine()!, CultureInfo.InvariantCulture);
    }

    public void Must(string command) => Assert.Equal((command, 0L), (command, Do(command)));

    /// <summary>Maps what another one has mapped: through that mapping, as no name leads there.</summary>
    public void Share(Sharing other, int number, ulong bytes, string how = "share") => Must(Invariant($"{how} {number} {bytes} 0 0 {other.LinkOf(number)}"));

    public string LinkOf(int number)
    {
        var area = MemoryMap.Read(Pid).First(area => area.Start == At(number));
        return Invariant($"/proc/{Pid}/map_files/{area.Start:x}-{area.End:x}");
    }

    /// <summary>How many pages differ from what fill with that seed leaves; 0 as seed: from zero.</summary>
    public long Differs(int number, ulong from, ulong bytes, int seed) => Do(Invariant($"differ {number} {from} {bytes} {seed}"));

    public void Fill(int number, ulong from, ulong bytes, int seed) => Must(Invariant($"fill {number} {from} {bytes} {seed}"));

    public static string Invariant(FormattableString text) => FormattableString.Invariant(text);

    public void Dispose() => guest.Dispose();
}
