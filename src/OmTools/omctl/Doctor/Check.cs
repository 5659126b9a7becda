namespace OpenMosix.Tools.Ctl.Doctor;

internal enum CheckStatus
{
    Ok,
    Missing,

    /// <summary>Not allowed for this user, so not known.</summary>
    NeedsRoot,
}

/// <summary>What a probe found.</summary>
/// <param name="Found">A figure or a name, or the error; may be empty.</param>
internal sealed record Finding(CheckStatus Status, string Found = "")
{
    private const int EPERM = 1;
    private const int EACCES = 13;

    public static Finding Ok(string found = "") => new(CheckStatus.Ok, found);

    public static Finding Missing(string found = "") => new(CheckStatus.Missing, found);

    public static Finding Of(bool there, string found = "") => new(there ? CheckStatus.Ok : CheckStatus.Missing, found);

    /// <param name="result">0, or -errno.</param>
    public static Finding OfResult(int result, string found = "") => -result switch
    {
        0 => Ok(found),
        EPERM or EACCES when Environment.UserName != "root" => new Finding(CheckStatus.NeedsRoot, "not permitted to this user; probe as root"),
        int error => Missing(System.Runtime.InteropServices.Marshal.GetPInvokeErrorMessage(error)),
    };
}

/// <param name="Name">Stable, kebab-case.</param>
/// <param name="Enables">What it is for; when it is missing, what is lost.</param>
/// <param name="Required">Without it nothing moves to or from this node.</param>
internal sealed record Check(string Name, bool Required, string Enables, Func<Finding> Probe);
