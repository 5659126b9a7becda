using OpenMosix.Warden.Interop;

namespace OpenMosix.Warden.Forward;

/// <summary>A call of the body that is conducted here; its notification is pending until it is answered.</summary>
/// <param name="GoesHome">With these arguments the body issues it at home, whatever is done about others of this number.</param>
internal sealed record StructuralCall(ulong Notification, int Tid, uint Slot, int Number, bool GoesHome, ulong[] Args, ulong InstructionPointer)
{
    internal static unsafe StructuralCall From(OmEngine.om_structural* call) => new(call->notification, (int)call->tid, call->slot, call->number, call->goes_home != 0,
        [call->args[0], call->args[1], call->args[2], call->args[3], call->args[4], call->args[5]], call->instruction_pointer);
}
