using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Llama.Grains.Membership.Etcd;
using Llama.Grains.Membership.Files;
using Llama.Grains.Settings;

namespace Llama.Grains.Membership;

/// <summary>
/// What <c>--cluster</c> says: where the processes of a cluster find each other. It is a short form of Orleans' configuration section
/// <c>Orleans:Clustering</c>.
/// </summary>
/// <param name="ProviderType">Orleans' name of the store's kind.</param>
/// <param name="ConnectionString">Where the store is; null for the memory of this process.</param>
/// <param name="ClusterId">The cluster's name in the store.</param>
public sealed record ClusterAddress(string ProviderType, string? ConnectionString, string ClusterId)
{
    /// <summary>The name of a cluster whose address has none.</summary>
    public const string DefaultClusterId = "llama";

    /// <summary>Files of this machine.</summary>
    public const string Files = "Files";

    /// <summary>The document that a gateway serves.</summary>
    public const string Gateway = "Gateway";

    /// <summary>A key in etcd.</summary>
    public const string Etcd = "Etcd";

    /// <summary>Orleans' own Redis provider.</summary>
    public const string Redis = "Redis";

    /// <summary>What is said for the memory of this process, in the short form.</summary>
    private const string Memory = "memory";

    private const string Expected =
        "a folder, file:///folder, memory, http(s)://gateway:port, etcd(s)://host:port,host2:port/name or redis(s)://host:port";

    /// <summary>Files of this machine in a folder of this user, which is what is used where nothing is given.</summary>
    public static ClusterAddress OfThisMachine { get; } = new(Files, FileDocument.DefaultRoot, DefaultClusterId);

    /// <summary>The memory of this process, for a gateway that serves the document.</summary>
    public static ClusterAddress OfThisProcess { get; } = new(Gateway, null, DefaultClusterId);

    /// <summary>Whether the store is on another machine: who uses it must be reached from there.</summary>
    public bool IsOnOtherMachine => ProviderType switch
    {
        Gateway => ConnectionString is not null && !new Uri(ConnectionString).IsLoopback,
        Etcd => EtcdAddress.TryParse(ConnectionString!, out EtcdAddress? etcd, out _) && !etcd.EndPoints.All(server => server.IsLoopback),
        Redis => HostPort.TryParse(ConnectionString!.Split(',')[0], out HostPort server) && !server.IsLoopback,
        _ => false,
    };

    /// <summary>Reads an address.</summary>
    /// <exception cref="FormatException">The text is none; the message says what is wrong.</exception>
    public static ClusterAddress Parse(string? text) =>
        TryParse(text, out ClusterAddress? address, out string? fault) ? address : throw new FormatException($"'{text}' {fault}");

    /// <summary>Reads an address; false where the text is none.</summary>
    /// <param name="text">The text; null or empty for <see cref="OfThisMachine"/>.</param>
    /// <param name="address">The address.</param>
    /// <param name="fault">What is wrong with the text, as what is said of it.</param>
    public static bool TryParse(string? text, [NotNullWhen(true)] out ClusterAddress? address, [NotNullWhen(false)] out string? fault)
    {
        fault = null;
        if (string.IsNullOrEmpty(text)) address = OfThisMachine;
        else if (text == Memory) address = OfThisProcess;
        else if (text.IndexOf("://", StringComparison.Ordinal) is >= 0 and var length) address = Read(text[..length], text, out fault);
        else address = new ClusterAddress(Files, Path.GetFullPath(text), DefaultClusterId);
        if (address is null) fault ??= $"is no address of a cluster; expected {Expected}";
        return address is not null;
    }

    /// <summary>The pairs of Orleans' configuration that say the same.</summary>
    public IEnumerable<KeyValuePair<string, string?>> ToConfiguration()
    {
        yield return new("Orleans:ClusterId", ClusterId);
        yield return new("Orleans:ServiceId", ClusterId);
        yield return new("Orleans:Clustering:ProviderType", ProviderType);
        if (ConnectionString is not null) yield return new("Orleans:Clustering:ConnectionString", ConnectionString);
    }

    private static ClusterAddress? Read(string scheme, string text, out string? fault)
    {
        fault = null;
        return scheme.ToLowerInvariant() switch
        {
            "file" => ReadFile(text, out fault),
            "http" or "https" => ReadGateway(text, out fault),
            "etcd" or "etcds" => ReadEtcd(text, out fault),
            "redis" or "rediss" => ReadRedis(text, out fault),
            _ => null,
        };
    }

    private static ClusterAddress? ReadFile(string text, out string? fault)
    {
        bool isUri = Uri.TryCreate(text, UriKind.Absolute, out Uri? uri);
        fault = isUri && uri!.Host.Length == 0 ? null : "is no folder of this machine; expected one like file:///var/lib/llama";
        return fault is null ? new ClusterAddress(Files, Path.GetFullPath(uri!.LocalPath), DefaultClusterId) : null;
    }

    private static ClusterAddress? ReadGateway(string text, out string? fault)
    {
        bool isUri = Uri.TryCreate(text, UriKind.Absolute, out Uri? uri);
        fault = !isUri ? "is no address of a gateway; expected one like http://node-1:8080"
            : uri!.UserInfo.Length > 0 ? SecretFault
            : uri.PathAndQuery != "/" || uri.Fragment.Length > 0 ? "has something after the gateway's port; expected http(s)://host:port"
            : null;
        return fault is null ? new ClusterAddress(Gateway, uri!.GetLeftPart(UriPartial.Authority), DefaultClusterId) : null;
    }

    private static ClusterAddress? ReadEtcd(string text, out string? fault)
    {
        fault = null;
        if (text.Contains('@', StringComparison.Ordinal)) fault = SecretFault;
        else if (EtcdAddress.TryParse(text, out EtcdAddress? address, out fault))
        {
            string name = address.Name ?? DefaultClusterId;
            if (FileDocument.ClusterName().IsMatch(name)) return new ClusterAddress(Etcd, $"{address with { Name = null }}", name);
            fault = $"has the cluster's name '{name}'; expected up to 64 letters, digits, '-', '_' and '.'";
        }

        return null;
    }

    /// <summary>Redis counts its databases; the provider's connection string is StackExchange.Redis' own (its Configuration page).</summary>
    private static ClusterAddress? ReadRedis(string text, out string? fault)
    {
        const int defaultPort = 6379;
        bool secure = text.StartsWith("rediss:", StringComparison.OrdinalIgnoreCase);
        string[] parts = text[(text.IndexOf("://", StringComparison.Ordinal) + 3)..].Split('/');
        int database = 0;
        HostPort server = default;
        fault = text.Contains('@', StringComparison.Ordinal) ? SecretFault
            : !HostPort.TryParse(parts[0], out server) || server.Port == 0 ? $"has the server '{parts[0]}'; expected host or host:port"
            : parts.Length > 2 || (parts.Length == 2 && parts[1].Length > 0
                && !int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out database))
                ? "has something else than the number of a database after its server"
            : null;
        return fault is null ? new ClusterAddress(Redis, Options(server, database, secure), DefaultClusterId) : null;

        static string Options(HostPort server, int database, bool secure) => string.Create(
            CultureInfo.InvariantCulture,
            $"{server with { Port = server.Port ?? defaultPort }},defaultDatabase={database},ssl={secure},abortConnect=False");
    }

    private static string SecretFault =>
        $"holds a user; expected user and password in a file that {StoreLogin.Option} names, or in {StoreLogin.Variable}";
}
