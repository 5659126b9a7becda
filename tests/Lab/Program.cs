using System.CommandLine;
using System.Runtime.Versioning;
using OpenMosix.Lab.Commands;

[assembly: SupportedOSPlatform("linux")]

var root = new RootCommand("A room full of PCs on one machine: real nodes, each with its own network, processes, memory and daemons.")
{
    UpCommand.Create(),
    ExecCommand.Create(),
    StatusCommand.Create(),
    LogsCommand.Create(),
    PowerCommands.CreateKill(),
    PowerCommands.CreateStart(),
    PowerCommands.CreateRestart(),
    PowerCommands.CreateStop(),
    LinkCommands.CreateCut(),
    LinkCommands.CreateHeal(),
    LinkCommands.CreateRate(),
    DownCommand.Create(),
    DownCommand.CreateList(),
};

// A command's argument that begins with @ is that argument, not the name of a file with more.
return await root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null })
    .InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = Timeout.InfiniteTimeSpan });
