using System.CommandLine;
using OpenMosix.Protocol.V1;
using OpenMosix.Tools.Ctl.Output;

namespace OpenMosix.Tools.Ctl.Commands;

internal static class InitCommand
{
    private static readonly Option<string> s_name = new("--name") { Description = "The cluster's name [default: this node's]", HelpName = "NAME", DefaultValueFactory = _ => "" };

    public static Command Make() =>
        Shared.Command("init", "Make a cluster with this node as its first; this node keeps the cluster's CA (root)", s_name).Asks(async (parsed, daemon, cancellation) =>
        {
            InitClusterReply reply = await daemon.InitAsync(new InitClusterRequest { Name = parsed.GetRequiredValue(s_name) }, cancellation).ConfigureAwait(false);
            if (parsed.GetValue(Shared.Json))
                JsonOutput.Print(w =>
                {
                    w.WriteString("cluster", reply.Cluster);
                    w.WriteString("ca_fingerprint", reply.Fingerprint);
                });
            else
                Console.WriteLine($"cluster '{reply.Cluster}' made; its CA's SHA-256 fingerprint is {reply.Fingerprint}\n`omctl token` here lets another node join.");
            return ExitStatus.Done;
        });
}
