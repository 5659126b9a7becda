using Google.Protobuf;
using Google.Protobuf.Reflection;

namespace OpenMosix.Grpc.Services;

/// <summary>The .proto files behind the served services, by file name and by the symbols in them.</summary>
internal sealed class SymbolIndex
{
    private readonly Dictionary<string, FileDescriptor> _files = [];
    private readonly Dictionary<string, FileDescriptor> _symbols = [];

    public SymbolIndex(IEnumerable<ServiceDescriptor> services)
    {
        foreach (var service in services)
        {
            Add(service.File);
        }
    }

    public FileDescriptor? ByFileName(string name) => _files.GetValueOrDefault(name);

    public FileDescriptor? BySymbol(string fullName) => _symbols.GetValueOrDefault(fullName);

    /// <summary>The file and all it imports, each once, as FileDescriptorProto.</summary>
    public static IEnumerable<ByteString> WithImports(FileDescriptor file)
    {
        var seen = new HashSet<string>();
        var todo = new Queue<FileDescriptor>([file]);
        while (todo.TryDequeue(out var next))
        {
            if (!seen.Add(next.Name))
            {
                continue;
            }

            yield return next.SerializedData;
            foreach (var import in next.Dependencies)
            {
                todo.Enqueue(import);
            }
        }
    }

    private void Add(FileDescriptor file)
    {
        if (!_files.TryAdd(file.Name, file))
        {
            return;
        }

        foreach (var service in file.Services)
        {
            _symbols[service.FullName] = file;
            foreach (var method in service.Methods)
            {
                _symbols[method.FullName] = file;
            }
        }

        foreach (var message in file.MessageTypes)
        {
            Add(message, file);
        }

        foreach (var enumeration in file.EnumTypes)
        {
            _symbols[enumeration.FullName] = file;
        }

        foreach (var import in file.Dependencies)
        {
            Add(import);
        }
    }

    private void Add(MessageDescriptor message, FileDescriptor file)
    {
        _symbols[message.FullName] = file;
        foreach (var field in message.Fields.InDeclarationOrder())
        {
            _symbols[field.FullName] = file;
        }

        foreach (var nested in message.NestedTypes)
        {
            Add(nested, file);
        }

        foreach (var enumeration in message.EnumTypes)
        {
            _symbols[enumeration.FullName] = file;
        }
    }
}
