using System.Runtime.InteropServices;

namespace OpenMosix.Checkpoint.Tracing;

/// <summary>struct user_regs_struct of x86-64.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct Registers
{
    public ulong R15, R14, R13, R12, Rbp, Rbx, R11, R10, R9, R8, Rax, Rcx, Rdx, Rsi, Rdi, OrigRax, Rip, Cs, Eflags, Rsp, Ss,
        FsBase, GsBase, Ds, Es, Fs, Gs;
}
