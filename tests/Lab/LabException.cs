namespace OpenMosix.Lab;

/// <summary>Ends the command with this message and exit status 1. Everything else that escapes is a bug of omlab.</summary>
public sealed class LabException : Exception
{
    public LabException(string message) : base(message)
    {
    }

    public LabException(string message, Exception inner) : base(message, inner)
    {
    }
}
