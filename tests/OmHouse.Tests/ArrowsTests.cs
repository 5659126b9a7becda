using System.Reflection;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace OpenMosix.House.Tests;

/// <summary>The dependency rule of src/DESIGN.md: which project and which folder may use which.</summary>
public sealed partial class ArrowsTests
{
    private static readonly string Root = typeof(ArrowsTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
        .Single(attribute => attribute.Key == "RepositoryRoot").Value!;

    private static readonly Dictionary<string, string[]> MayUse = new()
    {
        ["OmProtocol"] = [],
        ["OmGrpc"] = [],
        ["OmCheckpoint"] = ["OmProtocol"],
        ["OmWarden"] = ["OmProtocol", "OmCheckpoint"],
        ["OmDaemon"] = ["OmProtocol", "OmGrpc", "OmCheckpoint"],
        ["OmCtl"] = ["OmProtocol", "OmGrpc"],
    };

    [Fact]
    public void ProjectReferences_EveryProjectOfSource_FollowTheArrows()
    {
        var wrong = new List<string>();
        foreach (string path in Directory.EnumerateFiles(Path.Combine(Root, "src"), "*.csproj", SearchOption.AllDirectories))
        {
            string name = Path.GetFileNameWithoutExtension(path);
            if (!MayUse.TryGetValue(name, out string[]? allowed))
            {
                // A build tool: it must not be used by, nor use, what is shipped.
                allowed = [];
            }

            foreach (string used in XDocument.Load(path).Descendants("ProjectReference")
                .Where(reference => (string?)reference.Attribute("ReferenceOutputAssembly") != "false")
                .Select(reference => Path.GetFileNameWithoutExtension(((string)reference.Attribute("Include")!).Replace('\\', '/'))))
            {
                if (!allowed.Contains(used))
                {
                    wrong.Add($"{name} uses {used}");
                }
            }
        }

        Assert.Empty(wrong);
    }

    [Fact]
    public void Interop_Declarations_LieInInteropFoldersOnly()
    {
        string[] wrong = Sources(Path.Combine(Root, "src"))
            .Where(path => !path.Contains("/Interop/", StringComparison.Ordinal))
            .Where(path => File.ReadAllText(path).Contains("[LibraryImport(", StringComparison.Ordinal))
            .Select(path => Path.GetRelativePath(Root, path))
            .ToArray();
        Assert.Empty(wrong);
    }

    [Fact]
    public void Folders_NamedForNothingInParticular_DoNotExist()
    {
        string[] wrong = Directory.EnumerateFileSystemEntries(Path.Combine(Root, "src"), "*", SearchOption.AllDirectories)
            .Where(path => Vague().IsMatch(Path.GetFileNameWithoutExtension(path)) && !path.Contains("/obj/", StringComparison.Ordinal))
            .Select(path => Path.GetRelativePath(Root, path))
            .ToArray();
        Assert.Empty(wrong);
    }

    private static IEnumerable<string> Sources(string folder) =>
        Directory.Exists(folder)
            ? Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories)
            : throw new DirectoryNotFoundException(folder);

    [GeneratedRegex(@"^(Utils?|Helpers?|Common|Misc|(?!Service)\w*Manager|\w*Helper|\w*Utils?)$", RegexOptions.IgnoreCase)]
    private static partial Regex Vague();
}
