using System.CommandLine;
using OpenMosix.Lab.Interop;

namespace OpenMosix.Lab.Commands;

/// <summary>What several commands share: the name of the lab, of a node, and how a failure is told.</summary>
internal static class Arguments
{
    internal static Option<string> Name() => new("--name") { Description = "Which lab", DefaultValueFactory = _ => "lab", HelpName = "NAME" };

    internal static Argument<string> Node(string name = "node") => new(name) { Description = "A node, as pc1", HelpName = name.ToUpperInvariant() };

    /// <summary>
    /// Needs root; a <see cref="LabException"/> becomes one message and status 1. On a thread of the pool, because SIGINT and SIGTERM cancel
    /// only what has returned to System.CommandLine a task that still runs.
    /// </summary>
    internal static void SetLabAction(this Command command, Func<ParseResult, CancellationToken, int> action) =>
        command.SetAction((parsed, stop) => Task.Run(() => Guard(() => action(parsed, stop)), CancellationToken.None));

    internal static void SetLabAction(this Command command, Action<ParseResult> action) =>
        command.SetLabAction((parsed, _) =>
        {
            action(parsed);
            return 0;
        });

    private static int Guard(Func<int> action)
    {
        try
        {
            if (LibC.EffectiveUserId() != 0)
            {
                throw new LabException("a lab is made of namespaces and cgroups: run as root");
            }

            return action();
        }
        catch (LabException e)
        {
            Console.Error.WriteLine($"omlab: {e.Message}");
            return 1;
        }
        catch (OperationCanceledException e)
        {
            Console.Error.WriteLine($"omlab: {e.Message}; nothing is left of it");
            return 130;
        }
    }
}
