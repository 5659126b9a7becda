using System.CommandLine;
using OpenMosix.Tools.Ctl.Doctor;
using OpenMosix.Tools.Ctl.Output;
using Spectre.Console;
using Text = OpenMosix.Tools.Ctl.Output.Text;

namespace OpenMosix.Tools.Ctl.Commands;

internal static class DoctorCommand
{
    public static Command Make()
    {
        Command command = Shared.Command("doctor", "Probe what this kernel and CPU offer and say what it enables; needs no daemon (exit status 1: something needed is missing)");
        command.SetAction(parsed => Run(parsed.GetValue(Shared.Json)));
        return command;
    }

    private static int Run(bool json)
    {
        var findings = new List<(Check Check, Finding Finding)>();
        try
        {
            foreach (Check check in KernelChecks.All.Concat(CpuChecks.All).Concat(SystemChecks.All))
                findings.Add((check, check.Probe()));
        }
        catch (DllNotFoundException)
        {
            return Problem.Report(json, ExitStatus.Refused, "libomprobe.so is missing: build it with `make`, or install the package again");
        }

        bool fit = findings.All(f => !f.Check.Required || f.Finding.Status != CheckStatus.Missing);
        string kernel = File.ReadAllText("/proc/sys/kernel/osrelease").Trim();
        if (json)
            PrintJson(kernel, fit, findings);
        else
            PrintText(kernel, fit, findings);
        return fit ? ExitStatus.Done : ExitStatus.Refused;
    }

    private static void PrintText(string kernel, bool fit, List<(Check Check, Finding Finding)> findings)
    {
        Console.WriteLine($"Linux {Text.Clean(kernel)}");
        Table table = Text.Columns(("CHECK", false), ("", false), ("FOUND", false), ("WHAT IT IS FOR", false));
        foreach ((Check check, Finding finding) in findings)
            table.Row(check.Name, Word(check, finding), finding.Found, check.Enables);
        Text.Print(table);
        Console.WriteLine(fit ? "Processes can move to and from this node." : "Processes cannot move to or from this node: what is marked MISSING is needed.");
    }

    private static string Word(Check check, Finding finding) => finding.Status switch
    {
        CheckStatus.Ok => "ok",
        CheckStatus.NeedsRoot => "?",
        _ => check.Required ? "MISSING" : "missing",
    };

    private static void PrintJson(string kernel, bool fit, List<(Check Check, Finding Finding)> findings) => JsonOutput.Print(w =>
    {
        w.WriteString("kernel_release", kernel);
        w.WriteBoolean("fit", fit);
        w.Array("checks", findings, f =>
        {
            w.WriteString("name", f.Check.Name);
            w.WriteString("status", f.Finding.Status switch { CheckStatus.Ok => "ok", CheckStatus.NeedsRoot => "needs-root", _ => "missing" });
            w.WriteBoolean("required", f.Check.Required);
            w.WriteString("found", f.Finding.Found);
            w.WriteString("enables", f.Check.Enables);
        });
    });
}
