using System.CommandLine;
using OpenMosix.Protocol.V1;
using OpenMosix.Tools.Ctl.Output;

namespace OpenMosix.Tools.Ctl.Commands;

internal static class JoinCommand
{
    private static readonly Argument<string> s_token = new("TOKEN") { Description = "What `omctl token` printed" };
    private static readonly Argument<string> s_address = new("ADDRESS")
    {
        Description = "HOST or HOST:PORT of the node that made it, if not as the token says",
        Arity = ArgumentArity.ZeroOrOne,
        DefaultValueFactory = _ => "",
    };

    public static Command Make() => Shared.Command("join", "Make this node a member of the cluster that made the token (root)", s_token, s_address).Asks(async (parsed, daemon, cancellation) =>
    {
        var request = new JoinClusterRequest { Token = parsed.GetRequiredValue(s_token), Address = parsed.GetValue(s_address) ?? "" };
        JoinClusterReply reply = await daemon.JoinAsync(request, cancellation).ConfigureAwait(false);
        if (parsed.GetValue(Shared.Json))
            JsonOutput.Print(w =>
            {
                w.WriteString("cluster", reply.Cluster);
                w.WriteString("node", reply.Node);
            });
        else
            Console.WriteLine($"node '{reply.Node}' is a member of cluster '{reply.Cluster}'");
        return ExitStatus.Done;
    });
}
