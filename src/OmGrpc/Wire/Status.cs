namespace OpenMosix.Grpc;

/// <summary>How a call ended. <paramref name="Detail"/> is for people.</summary>
public readonly record struct Status(StatusCode Code, string Detail)
{
    public static readonly Status OK = new(StatusCode.OK, "");

    public override string ToString() => Detail.Length == 0 ? Code.ToString() : $"{Code}: {Detail}";
}
