namespace OpenMosix.Checkpoint.Tests.Cell;

public sealed class NextTidTests
{
    private static readonly string Omcell = Path.Combine(Guest.Programs, "..", "..", "lib", "omcell");

    [RootFact]
    public void NextTid_OfAnyNumber_IsWhatIsMadeNextInside()
    {
        using var guest = Guest.Start("cell_next", Omcell);
        guest.ExpectGoodEnd();
    }
}
