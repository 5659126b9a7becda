// The engine of this node: links, and the threads that serve what is away. Opened when the daemon has said who we are. Any thread.
// Callbacks find their receiver through a GCHandle that lives as long as the engine.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using OpenMosix.Protocol.V1;
using OpenMosix.Warden.Interop;

namespace OpenMosix.Warden.Forward;

internal sealed unsafe class LinkEngine : IDisposable
{
    private GCHandle context;
    private nint handle;

    private LinkEngine(GCHandle context, nint handle)
    {
        this.context = context;
        this.handle = handle;
    }

    internal int Port => OmEngine.om_engine_port(handle);
    internal nint Handle => handle;

    /// <summary>Null and errno when it cannot be opened (port taken, certificate not readable).</summary>
    internal static LinkEngine? Open(WardenConfigure configuration, ILinkEvents events, out int errno)
    {
        GCHandle context = GCHandle.Alloc(events);
        nint[] texts = [.. new[] { configuration.Node, configuration.CertificatePath, configuration.KeyPath, configuration.CaPath,
            configuration.ListenAddress }.Select(Marshal.StringToCoTaskMemUTF8)];
        try
        {
            // Unsafe: the strings outlive the call, which copies what it keeps.
            var options = new OmEngine.om_engine_options
            {
                node = (byte*)texts[0],
                certificate_path = (byte*)texts[1],
                key_path = (byte*)texts[2],
                ca_path = (byte*)texts[3],
                listen_address = (byte*)texts[4],
                listen_port = (ushort)configuration.ListenPort,
                callbacks = new()
                {
                    context = GCHandle.ToIntPtr(context),
                    home_claimed = &OnClaimed,
                    home_deputy_gone = &OnDeputyGone,
                    home_structural = &OnHomeStructural,
                    home_guarded = &OnHomeGuarded,
                    remote_structural = &OnRemoteStructural,
                    remote_signal = &OnRemoteSignal,
                    remote_due = &OnRemoteDue,
                    remote_control = &OnRemoteControl,
                    link_state = &OnLinkState,
                },
            };
            nint handle;
            errno = -OmEngine.om_engine_open(&options, &handle);
            if (errno == 0)
                return new(context, handle);
            context.Free();
            return null;
        }
        finally
        {
            foreach (nint text in texts)
                Marshal.FreeCoTaskMem(text);
        }
    }

    internal int Peer(string node, string address, ushort port) => OmEngine.om_engine_peer(handle, node, address, port);

    /// <summary>Every deputy there is has been opened: the body of any other is told that it has none.</summary>
    internal void HomesKnown() => OmEngine.om_engine_homes_known(handle);

    public void Dispose()
    {
        if (handle == 0)
            return;
        OmEngine.om_engine_close(handle);
        handle = 0;
        context.Free();
    }

    private static ILinkEvents To(nint context) => Unsafe.As<ILinkEvents>(GCHandle.FromIntPtr(context).Target)!;

    [UnmanagedCallersOnly]
    private static void OnClaimed(nint context, ulong key, uint epoch) => To(context).Claimed(key, epoch);

    [UnmanagedCallersOnly]
    private static void OnDeputyGone(nint context, ulong key) => To(context).DeputyGone(key);

    [UnmanagedCallersOnly]
    private static void OnHomeStructural(nint context, ulong key, ulong call, uint kind, byte* request, uint bytes)
    {
        To(context).AskedHome(key, call, kind, new(request, (int)bytes));
    }

    [UnmanagedCallersOnly]
    private static void OnHomeGuarded(nint context, ulong key, int number) => To(context).Guarded(key, number);

    [UnmanagedCallersOnly]
    private static void OnRemoteStructural(nint context, ulong key, OmEngine.om_structural* call) =>
        To(context).Structural(key, StructuralCall.From(call));

    [UnmanagedCallersOnly]
    private static void OnRemoteSignal(nint context, ulong key, uint slot, OmEngine.om_signal* signal, ulong notification) =>
        To(context).Signalled(key, ArrivedSignal.From(slot, signal));

    [UnmanagedCallersOnly]
    private static void OnRemoteDue(nint context, ulong key, uint slot) => To(context).Due(key, slot);

    [UnmanagedCallersOnly]
    private static void OnRemoteControl(nint context, ulong key, uint what) => To(context).Controlled(key, what);

    [UnmanagedCallersOnly]
    private static void OnLinkState(nint context, byte* node, byte up, byte* why) =>
        To(context).LinkChanged(Text(node), up != 0, Text(why));

    private static string Text(byte* text) => text == null ? "" : Marshal.PtrToStringUTF8((nint)text) ?? "";
}
