using OpenMosix.Protocol.V1;

namespace OpenMosix.Protocol.Image;

/// <summary>Checks an image that came from elsewhere before anything is allocated or built for it.</summary>
public static class ImageValidation
{
    /// <returns>null when it can be used; else what is wrong with it.</returns>
    public static string? Check(ProcessImage image) => throw new NotImplementedException();
}
