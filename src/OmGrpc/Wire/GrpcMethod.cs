using Google.Protobuf;
using Google.Protobuf.Reflection;

namespace OpenMosix.Grpc;

/// <summary>One method of a service, with its message types checked against the .proto it came from.</summary>
public sealed class GrpcMethod<TRequest, TResponse>
    where TRequest : class, IMessage<TRequest>, new()
    where TResponse : class, IMessage<TResponse>, new()
{
    /// <exception cref="ArgumentException">The service has no such method, or its types are others.</exception>
    public GrpcMethod(ServiceDescriptor service, string name)
    {
        var descriptor = service.FindMethodByName(name)
            ?? throw new ArgumentException($"Service {service.FullName} has no method '{name}'.", nameof(name));
        if (descriptor.InputType.ClrType != typeof(TRequest) || descriptor.OutputType.ClrType != typeof(TResponse))
        {
            throw new ArgumentException(
                $"{service.FullName}.{name} is {descriptor.InputType.Name} → {descriptor.OutputType.Name}, not {typeof(TRequest).Name} → {typeof(TResponse).Name}.",
                nameof(name));
        }

        Service = service;
        Name = name;
        Path = $"/{service.FullName}/{name}";
        Kind = (descriptor.IsClientStreaming, descriptor.IsServerStreaming) switch
        {
            (false, false) => MethodKind.Unary,
            (true, false) => MethodKind.ClientStreaming,
            (false, true) => MethodKind.ServerStreaming,
            (true, true) => MethodKind.Duplex,
        };
        RequestParser = (MessageParser<TRequest>)descriptor.InputType.Parser;
        ResponseParser = (MessageParser<TResponse>)descriptor.OutputType.Parser;
    }

    public ServiceDescriptor Service { get; }

    public string Name { get; }

    /// <summary>Path of the HTTP/2 request, "/package.Service/Method".</summary>
    public string Path { get; }

    public MethodKind Kind { get; }

    internal MessageParser<TRequest> RequestParser { get; }

    internal MessageParser<TResponse> ResponseParser { get; }

    public override string ToString() => Path;

    internal void MustBe(MethodKind kind)
    {
        if (Kind != kind)
        {
            throw new ArgumentException($"{Path} is a {Kind} method, not {kind}.");
        }
    }
}
