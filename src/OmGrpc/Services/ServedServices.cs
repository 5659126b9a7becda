using Google.Protobuf.Reflection;

namespace OpenMosix.Grpc.Services;

/// <summary>What this server offers, for health and reflection. Filled while the endpoints are mapped, read only afterwards.</summary>
internal sealed class ServedServices
{
    private readonly List<ServiceDescriptor> _services = [];

    public IReadOnlyList<ServiceDescriptor> All => _services;

    public void Add(ServiceDescriptor service) => _services.Add(service);

    public bool Contains(string fullName) => _services.Any(service => service.FullName == fullName);
}
