using OpenMosix.Daemon.Hosting;

OptionsResult read() => OptionsReader.Read(args, Environment.GetEnvironmentVariable);
switch (read())
{
    case OptionsResult.Print print:
        Console.Out.WriteLine(print.Text);
        return 0;
    case OptionsResult.Bad bad:
        foreach (string error in bad.Errors)
            Console.Error.WriteLine($"openmosixd: {error}");
        return ExitStatus.Usage;
    case OptionsResult.Good good:
        return await DaemonApplication.RunAsync(good.Options, read).ConfigureAwait(false);
    default:
        return ExitStatus.Failed;
}
