namespace OpenMosix.Tools.Ctl.Output;

/// <summary>How a command says that it did not do what was asked.</summary>
internal static class Problem
{
    /// <summary>Text goes to stderr; JSON to stdout, where its reader is: {"error": ..., "exit_status": ...}.</summary>
    public static int Report(bool json, int exitStatus, string sentence)
    {
        if (json)
            JsonOutput.Print(w =>
            {
                w.WriteString("error", sentence);
                w.WriteNumber("exit_status", exitStatus);
            });
        else
            Console.Error.WriteLine($"omctl: {sentence}");
        return exitStatus;
    }
}
