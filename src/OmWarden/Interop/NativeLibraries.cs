// Where libomengine.so lies: beside the program or in ../lib/openmosix when installed, in out/lib of a source tree.
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace OpenMosix.Warden.Interop;

internal static class NativeLibraries
{
    [ModuleInitializer]
    internal static void Register() => NativeLibrary.SetDllImportResolver(typeof(NativeLibraries).Assembly, Resolve);

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path)
    {
        if (name != OmEngine.Library)
            return 0;
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            foreach (string below in (string[])["libomengine.so", "lib/openmosix/libomengine.so", "lib/libomengine.so"])
                if (File.Exists(Path.Combine(folder.FullName, below)))
                    return NativeLibrary.Load(Path.Combine(folder.FullName, below));
        return 0;
    }
}
