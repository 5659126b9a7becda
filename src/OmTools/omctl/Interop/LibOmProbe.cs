// libomprobe.so (native/om_probe.h). Found beside the tool, in the build's lib directory, or in the package's.
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace OpenMosix.Tools.Ctl.Interop;

internal static partial class LibOmProbe
{
    private const string Library = "libomprobe.so";

    [ModuleInitializer]
    internal static void FindLibrary() => NativeLibrary.SetDllImportResolver(typeof(LibOmProbe).Assembly, (name, assembly, path) =>
        name == Library ? Places().Select(Load).FirstOrDefault(handle => handle != IntPtr.Zero) : IntPtr.Zero);

    [LibraryImport(Library)]
    internal static partial int om_probe_ptrace(out ulong xsaveBytes);

    [LibraryImport(Library)]
    internal static partial int om_probe_rseq(out ulong unused);

    [LibraryImport(Library)]
    internal static partial int om_probe_process_vm(out ulong unused);

    [LibraryImport(Library)]
    internal static partial int om_probe_mm_map(out ulong unused);

    [LibraryImport(Library)]
    internal static partial int om_probe_map_files(out ulong unused);

    [LibraryImport(Library)]
    internal static partial int om_probe_pidfd(out ulong unused);

    [LibraryImport(Library)]
    internal static partial int om_probe_seccomp_notify(out ulong extras);

    [LibraryImport(Library)]
    internal static partial int om_probe_pagemap_scan(out ulong unused);

    [LibraryImport(Library)]
    internal static partial int om_probe_uffd(out ulong features);

    [LibraryImport(Library)]
    internal static partial int om_probe_uffd_wp_async(out ulong unused);

    [LibraryImport(Library)]
    internal static partial int om_probe_soft_dirty(out ulong unused);

    [LibraryImport(Library)]
    internal static partial int om_probe_user_namespace(out ulong unused);

    [LibraryImport(Library)]
    internal static partial int om_probe_cell_namespaces(out ulong unused);

    [LibraryImport(Library)]
    internal static partial int om_probe_time_namespace(out ulong unused);

    [LibraryImport(Library)]
    internal static partial int om_probe_set_tid(out ulong unused);

    private static IEnumerable<string> Places()
    {
        string here = AppContext.BaseDirectory;
        yield return Path.Combine(here, Library);
        yield return Path.GetFullPath(Path.Combine(here, "../../../../lib", Library)); // out/dotnet/bin/OmCtl/release → out/lib
        yield return "/usr/lib/openmosix/" + Library;
    }

    private static IntPtr Load(string path) => NativeLibrary.TryLoad(path, out IntPtr handle) ? handle : IntPtr.Zero;
}
