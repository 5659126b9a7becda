// Defaults, file, environment, command line. Every mistake is reported with its place; none is skipped.
namespace OpenMosix.Daemon.Hosting;

public abstract record OptionsResult
{
    private OptionsResult() { }

    public sealed record Good(DaemonOptions Options) : OptionsResult;
    public sealed record Bad(IReadOnlyList<string> Errors) : OptionsResult;
    public sealed record Print(string Text) : OptionsResult;
}

public static class OptionsReader
{
    public static OptionsResult Read(IReadOnlyList<string> arguments, Func<string, string?> environment)
    {
        var errors = new List<string>();
        var given = new List<(string Key, string Value)>();
        var options = new DaemonOptions();
        options = options with
        {
            RunDirectory = environment("OPENMOSIX_RUN") ?? options.RunDirectory,
            EtcDirectory = environment("OPENMOSIX_ETC") ?? options.EtcDirectory,
            StateDirectory = environment("OPENMOSIX_STATE") ?? options.StateDirectory,
        };

        for (int i = 0; i < arguments.Count; i++)
        {
            string argument = arguments[i];
            if (argument is "--help" or "-h")
                return new OptionsResult.Print(Help());
            if (argument is "--version")
                return new OptionsResult.Print(ProductVersion.Text);
            if (!argument.StartsWith("--", StringComparison.Ordinal))
            {
                errors.Add($"unexpected argument '{argument}'; --help lists the options");
                continue;
            }
            int equals = argument.IndexOf('=');
            string key = equals < 0 ? argument[2..] : argument[2..equals];
            if (equals < 0 && i + 1 == arguments.Count)
            {
                errors.Add($"--{key} needs a value");
                break;
            }
            string value = equals < 0 ? arguments[++i] : argument[(equals + 1)..];
            switch (key)
            {
                case "run-dir": options = options with { RunDirectory = value }; break;
                case "etc-dir": options = options with { EtcDirectory = value }; break;
                case "state-dir": options = options with { StateDirectory = value }; break;
                default: given.Add((key, value)); break;
            }
        }

        foreach (string directory in new[] { options.RunDirectory, options.EtcDirectory, options.StateDirectory })
        {
            if (!Path.IsPathFullyQualified(directory))
                errors.Add($"'{directory}': a directory must be given with its full path");
        }

        options = ReadFile(options, errors);
        foreach ((string key, string value) in given)
            options = Apply(options, key, value, $"--{key}", errors);
        return errors.Count == 0 ? new OptionsResult.Good(options) : new OptionsResult.Bad(errors);
    }

    private static DaemonOptions ReadFile(DaemonOptions options, List<string> errors)
    {
        string[] lines;
        try
        {
            lines = File.ReadAllLines(options.ConfigurationFile);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return options;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            errors.Add($"{options.ConfigurationFile}: {e.Message}");
            return options;
        }

        for (int i = 0; i < lines.Length; i++)
        {
            string line = lines[i].Trim();
            if (line.Length == 0 || line[0] == '#')
                continue;
            string place = $"{options.ConfigurationFile}:{i + 1}";
            int equals = line.IndexOf('=');
            if (equals < 0)
                errors.Add($"{place}: '{line}' is not 'key = value'");
            else
                options = Apply(options, line[..equals].Trim(), line[(equals + 1)..].Trim(), place, errors);
        }
        return options;
    }

    private static DaemonOptions Apply(DaemonOptions options, string key, string value, string place, List<string> errors)
    {
        OptionKey? known = OptionKeys.All.FirstOrDefault(k => k.Name == key);
        if (known is null)
        {
            errors.Add($"{place}: unknown key '{key}'; known are {string.Join(", ", OptionKeys.All.Select(k => k.Name))}");
            return options;
        }
        if (known.Apply(options, value) is { } changed)
            return changed;
        errors.Add($"{place}: {key} = '{value}' is not {known.Expects}");
        return options;
    }

    private static string Help()
    {
        IEnumerable<string> keys = OptionKeys.All.Select(k => $"  --{k.Name,-14} {k.Help}");
        return $"""
            Usage: openmosixd [--KEY VALUE]...
            The OpenMosix daemon of one node. Keys may also stand in openmosixd.conf, as `key = value`.

            {string.Join('\n', keys)}
              --run-dir        sockets (default: /run/openmosix, $OPENMOSIX_RUN)
              --etc-dir        configuration and certificates (default: /etc/openmosix, $OPENMOSIX_ETC)
              --state-dir      the CA and the membership (default: /var/lib/openmosix, $OPENMOSIX_STATE)
              --version        print the version

            Exit status: 0 stopped as asked, 1 failed, 2 bad configuration, 3 another daemon uses this run directory.
            """;
    }
}
