using System.Text;

namespace OpenMosix.Lab.Tests.Running;

/// <summary>What a program wrote and how it ended; a signal is 128 + its number.</summary>
internal sealed record Outcome(string Command, int Status, byte[] OutputBytes, string Errors)
{
    internal string Output => Encoding.UTF8.GetString(OutputBytes);

    /// <summary>Itself, if it succeeded; else the test fails and shows everything.</summary>
    internal Outcome Succeeded()
    {
        Assert.True(Status == 0, ToString());
        return this;
    }

    public override string ToString() => $"{Command}\n  status {Status}\n  stdout: {Output}\n  stderr: {Errors}";
}
