// The tokens that are still good, as SHA-256 of their secrets with their ends: whoever reads the file cannot join with it.
// (A secret is 128 random bits: a slow hash would add nothing.) Callers hold the admission's lock.
using System.Globalization;
using System.Security.Cryptography;

namespace OpenMosix.Daemon.Cluster;

public enum TokenVerdict
{
    Good,
    Unknown,
    Expired,
}

internal sealed class TokenStore(string file, TimeProvider time)
{
    // An expired token is remembered for a while, so that it can be called expired instead of unknown.
    private static readonly TimeSpan s_remembered = TimeSpan.FromDays(7);

    public void Add(byte[] secret, TimeSpan validity)
    {
        List<(string Hash, DateTimeOffset End)> tokens = Read();
        DateTimeOffset now = time.GetUtcNow();
        tokens.RemoveAll(token => token.End + s_remembered < now);
        tokens.Add((Hash(secret), now + validity));
        PrivateFile.Write(file, string.Concat(tokens.Select(t => $"{t.Hash} {t.End.ToUnixTimeMilliseconds().ToString(CultureInfo.InvariantCulture)}\n")));
    }

    public TokenVerdict Check(byte[] secret)
    {
        byte[] hash = SHA256.HashData(secret);
        foreach ((string known, DateTimeOffset end) in Read())
        {
            if (CryptographicOperations.FixedTimeEquals(hash, Convert.FromHexString(known)))
                return time.GetUtcNow() < end ? TokenVerdict.Good : TokenVerdict.Expired;
        }
        return TokenVerdict.Unknown;
    }

    private static string Hash(byte[] secret) => Convert.ToHexStringLower(SHA256.HashData(secret));

    private List<(string Hash, DateTimeOffset End)> Read()
    {
        var tokens = new List<(string, DateTimeOffset)>();
        if (!File.Exists(file))
            return tokens;
        foreach (string line in File.ReadLines(file))
        {
            string[] fields = line.Split(' ');
            if (fields.Length == 2 && fields[0].Length == 64 && long.TryParse(fields[1], NumberStyles.None, CultureInfo.InvariantCulture, out long end))
                tokens.Add((fields[0], DateTimeOffset.FromUnixTimeMilliseconds(end)));
        }
        return tokens;
    }
}
