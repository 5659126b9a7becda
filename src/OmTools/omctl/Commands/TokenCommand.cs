using System.CommandLine;
using System.Globalization;
using OpenMosix.Protocol.V1;
using OpenMosix.Tools.Ctl.Output;

namespace OpenMosix.Tools.Ctl.Commands;

internal static class TokenCommand
{
    private const uint DefaultSeconds = 3600;

    private static readonly Option<uint> s_valid = new("--valid")
    {
        Description = "For how long: 30s, 10m, 1h, 7d [default: 1h]",
        HelpName = "TIME",
        DefaultValueFactory = _ => DefaultSeconds,
        CustomParser = result =>
        {
            string text = result.Tokens[0].Value;
            if (TrySeconds(text) is { } seconds)
                return seconds;
            result.AddError($"'{text}' is not a time; 30s, 10m, 1h and 7d are");
            return 0;
        },
    };

    public static Command Make() =>
        Shared.Command("token", "Print a token with which nodes can join the cluster (root, on the node that holds the CA)", s_valid).Asks(async (parsed, daemon, cancellation) =>
        {
            MakeTokenReply reply = await daemon.TokenAsync(new MakeTokenRequest { ValidSeconds = parsed.GetValue(s_valid) }, cancellation).ConfigureAwait(false);
            if (parsed.GetValue(Shared.Json))
                JsonOutput.Print(w =>
                {
                    w.WriteString("token", reply.Token);
                    w.WriteNumber("valid_seconds", parsed.GetValue(s_valid));
                });
            else
                Console.WriteLine(reply.Token);
            return ExitStatus.Done;
        });

    private static uint? TrySeconds(string text)
    {
        if (text.Length == 0)
            return null;
        uint unit = text[^1] switch { 's' => 1, 'm' => 60, 'h' => 3600, 'd' => 86400, _ => 0 };
        ReadOnlySpan<char> number = unit == 0 ? text : text.AsSpan(0, text.Length - 1);
        return uint.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out uint count) && count > 0 && (ulong)count * Math.Max(unit, 1) <= uint.MaxValue
            ? count * Math.Max(unit, 1)
            : null;
    }
}
