using Google.Protobuf;
using Google.Protobuf.Reflection;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using OpenMosix.Grpc.Services.ReflectionV1;
using V1Alpha = OpenMosix.Grpc.Services.ReflectionV1Alpha;

namespace OpenMosix.Grpc.Services;

/// <summary>
/// grpc.reflection: what grpcurl and its like ask before they call. v1alpha has the same bytes under another package name, so it is
/// answered by v1 and translated through the wire.
/// </summary>
internal static class ReflectionService
{
    public static void Map(IEndpointRouteBuilder endpoints)
    {
        var served = endpoints.ServiceProvider.GetRequiredService<ServedServices>();
        var index = new Lazy<SymbolIndex>(() => new SymbolIndex(served.All));
        endpoints.MapGrpcService(
            ReflectionReflection.Descriptor.Service("ServerReflection"),
            service => service.Duplex<ServerReflectionRequest, ServerReflectionResponse>(
                "ServerReflectionInfo",
                async (requests, answers, _) =>
                {
                    await foreach (var request in requests.ConfigureAwait(false))
                    {
                        await answers.WriteAsync(Answer(request, served, index.Value)).ConfigureAwait(false);
                    }
                }));
        endpoints.MapGrpcService(
            V1Alpha.ReflectionReflection.Descriptor.Service("ServerReflection"),
            service => service.Duplex<V1Alpha.ServerReflectionRequest, V1Alpha.ServerReflectionResponse>(
                "ServerReflectionInfo",
                async (requests, answers, _) =>
                {
                    await foreach (var request in requests.ConfigureAwait(false))
                    {
                        var answer = Answer(ServerReflectionRequest.Parser.ParseFrom(request.ToByteArray()), served, index.Value);
                        await answers.WriteAsync(V1Alpha.ServerReflectionResponse.Parser.ParseFrom(answer.ToByteArray())).ConfigureAwait(false);
                    }
                }));
    }

    private static ServerReflectionResponse Answer(ServerReflectionRequest request, ServedServices served, SymbolIndex index)
    {
        var response = new ServerReflectionResponse { ValidHost = request.Host, OriginalRequest = request };
        switch (request.MessageRequestCase)
        {
            case ServerReflectionRequest.MessageRequestOneofCase.ListServices:
                response.ListServicesResponse = new ListServiceResponse();
                response.ListServicesResponse.Service.Add(served.All.Select(service => new ServiceResponse { Name = service.FullName }));
                break;
            case ServerReflectionRequest.MessageRequestOneofCase.FileByFilename:
                Files(response, index.ByFileName(request.FileByFilename), request.FileByFilename);
                break;
            case ServerReflectionRequest.MessageRequestOneofCase.FileContainingSymbol:
                Files(response, index.BySymbol(request.FileContainingSymbol), request.FileContainingSymbol);
                break;
            case ServerReflectionRequest.MessageRequestOneofCase.AllExtensionNumbersOfType:
                // proto3 has no extensions: a known type has none, any other is not found.
                if (index.BySymbol(request.AllExtensionNumbersOfType) is null)
                {
                    Error(response, StatusCode.NotFound, request.AllExtensionNumbersOfType);
                    break;
                }

                response.AllExtensionNumbersResponse = new ExtensionNumberResponse { BaseTypeName = request.AllExtensionNumbersOfType };
                break;
            case ServerReflectionRequest.MessageRequestOneofCase.FileContainingExtension:
                Error(response, StatusCode.NotFound, request.FileContainingExtension.ContainingType);
                break;
            default:
                Error(response, StatusCode.InvalidArgument, "an empty request");
                break;
        }

        return response;
    }

    private static void Files(ServerReflectionResponse response, FileDescriptor? file, string what)
    {
        if (file is null)
        {
            Error(response, StatusCode.NotFound, what);
            return;
        }

        response.FileDescriptorResponse = new FileDescriptorResponse();
        response.FileDescriptorResponse.FileDescriptorProto.Add(SymbolIndex.WithImports(file));
    }

    private static void Error(ServerReflectionResponse response, StatusCode code, string what) =>
        response.ErrorResponse = new ErrorResponse { ErrorCode = (int)code, ErrorMessage = $"{what} is not known here." };
}
