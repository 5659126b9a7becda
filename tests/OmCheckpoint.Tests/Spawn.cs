using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace OpenMosix.Checkpoint.Tests;

/// <summary>posix_spawn. System.Diagnostics.Process would wait for its children by itself, and take the stops of those that are traced.</summary>
internal static unsafe partial class Spawn
{
    private const int O_CLOEXEC = 0x80000;
    private const short POSIX_SPAWN_SETSIGDEF = 0x04;
    private const short POSIX_SPAWN_SETSIGMASK = 0x08;

    [LibraryImport("libc", SetLastError = true)]
    private static partial int pipe2(int* descriptors, int flags);

    [LibraryImport("libc")]
    private static partial int posix_spawn(int* pid, byte* path, void* fileActions, void* attributes, byte** argv, byte** envp);

    [LibraryImport("libc")]
    private static partial int posix_spawn_file_actions_init(void* actions);

    [LibraryImport("libc")]
    private static partial int posix_spawn_file_actions_adddup2(void* actions, int from, int to);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int posix_spawn_file_actions_addopen(void* actions, int descriptor, string path, int flags, int mode);

    [LibraryImport("libc")]
    private static partial int posix_spawn_file_actions_destroy(void* actions);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_init(void* attributes);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_setflags(void* attributes, short flags);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_setsigdefault(void* attributes, void* set);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_setsigmask(void* attributes, void* set);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_destroy(void* attributes);

    /// <summary>Starts a program with a pipe on either side of it and no signal ignored or blocked.</summary>
    public static (int Pid, FileStream Input, FileStream Output) Start(string path, params string[] arguments)
    {
        var input = Pipe();
        var output = Pipe();
        var actions = stackalloc byte[256];
        var attributes = stackalloc byte[512];
        var all = stackalloc byte[128];
        var none = stackalloc byte[128];
        new Span<byte>(all, 128).Fill(0xff);
        new Span<byte>(none, 128).Clear();
        posix_spawn_file_actions_init(actions);
        posix_spawn_file_actions_adddup2(actions, input.Read, 0);
        posix_spawn_file_actions_adddup2(actions, output.Write, 1);
        posix_spawn_file_actions_addopen(actions, 2, "/dev/null", 1, 0); // a guest that is left behind must not hold the runner's pipe
        posix_spawnattr_init(attributes);
        posix_spawnattr_setsigdefault(attributes, all);
        posix_spawnattr_setsigmask(attributes, none);
        posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
        var argv = Vector([path, .. arguments]);
        var envp = Vector(["PATH=/usr/bin:/bin", "LC_ALL=C"]);
        int pid;
        var error = posix_spawn(&pid, argv[0], actions, attributes, argv, envp);
        posix_spawn_file_actions_destroy(actions);
        posix_spawnattr_destroy(attributes);
        Free(argv);
        Free(envp);
        using (new SafeFileHandle(input.Read, true))
        using (new SafeFileHandle(output.Write, true))
        {
            Assert.Equal(0, error);
        }

        return (pid, new FileStream(new SafeFileHandle(input.Write, true), FileAccess.Write, 0),
            new FileStream(new SafeFileHandle(output.Read, true), FileAccess.Read, 1));
    }

    private static (int Read, int Write) Pipe()
    {
        var descriptors = stackalloc int[2];
        Assert.Equal(0, pipe2(descriptors, O_CLOEXEC));
        return (descriptors[0], descriptors[1]);
    }

    private static byte** Vector(string[] texts)
    {
        var vector = (byte**)NativeMemory.AllocZeroed((nuint)(texts.Length + 1), (nuint)sizeof(byte*));
        for (var i = 0; i < texts.Length; i++)
        {
            vector[i] = (byte*)Marshal.StringToCoTaskMemUTF8(texts[i]);
        }

        return vector;
    }

    private static void Free(byte** vector)
    {
        for (var i = 0; vector[i] is not null; i++)
        {
            Marshal.FreeCoTaskMem((nint)vector[i]);
        }

        NativeMemory.Free(vector);
    }
}
