// posix_spawn(3): how omcell is started with exactly one descriptor. System.Diagnostics.Process cannot hand over a descriptor.
using System.Runtime.InteropServices;

namespace OpenMosix.Warden.Interop;

internal static unsafe partial class Spawn
{
    private const string libc = "libc";
    private const short POSIX_SPAWN_SETSIGDEF = 0x04;
    private const short POSIX_SPAWN_SETSIGMASK = 0x08;
    private const short POSIX_SPAWN_SETSID = 0x80;
    // glibc x86-64: posix_spawn_file_actions_t is 80 bytes, posix_spawnattr_t 336, sigset_t 128.
    private const int StructRoom = 512;

    [LibraryImport(libc)]
    private static partial int posix_spawn_file_actions_init(byte* actions);
    [LibraryImport(libc)]
    private static partial int posix_spawn_file_actions_destroy(byte* actions);
    [LibraryImport(libc)]
    private static partial int posix_spawn_file_actions_adddup2(byte* actions, int fd, int target);
    [LibraryImport(libc)]
    private static partial int posix_spawnattr_init(byte* attributes);
    [LibraryImport(libc)]
    private static partial int posix_spawnattr_destroy(byte* attributes);
    [LibraryImport(libc)]
    private static partial int posix_spawnattr_setflags(byte* attributes, short flags);
    [LibraryImport(libc)]
    private static partial int posix_spawnattr_setsigdefault(byte* attributes, byte* set);
    [LibraryImport(libc)]
    private static partial int posix_spawnattr_setsigmask(byte* attributes, byte* set);
    [LibraryImport(libc)]
    private static partial int posix_spawn(int* pid, byte* path, byte* actions, byte* attributes, byte** argv, byte** envp);

    /// <summary>Starts path with no argument, an empty environment, default signals, its own session and fd as descriptor targetFd.
    /// Returns its pid, or -errno.</summary>
    internal static int WithDescriptor(string path, SafeHandle fd, int targetFd)
    {
        // Unsafe: the buffers live on this frame for the duration of the call, as posix_spawn requires.
        byte* actions = stackalloc byte[StructRoom];
        byte* attributes = stackalloc byte[StructRoom];
        byte* signals = stackalloc byte[128];
        bool held = false;
        nint pathText = Marshal.StringToCoTaskMemUTF8(path);
        try
        {
            fd.DangerousAddRef(ref held);
            posix_spawn_file_actions_init(actions);
            posix_spawn_file_actions_adddup2(actions, (int)fd.DangerousGetHandle(), targetFd);
            posix_spawnattr_init(attributes);
            new Span<byte>(signals, 128).Clear();
            posix_spawnattr_setsigmask(attributes, signals);
            new Span<byte>(signals, 128).Fill(0xff);
            posix_spawnattr_setsigdefault(attributes, signals);
            posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
            byte** argv = stackalloc byte*[2] { (byte*)pathText, null };
            byte** envp = stackalloc byte*[1] { null };
            int pid;
            int error = posix_spawn(&pid, (byte*)pathText, actions, attributes, argv, envp);
            posix_spawn_file_actions_destroy(actions);
            posix_spawnattr_destroy(attributes);
            return error == 0 ? pid : -error;
        }
        finally
        {
            Marshal.FreeCoTaskMem(pathText);
            if (held)
                fd.DangerousRelease();
        }
    }
}
