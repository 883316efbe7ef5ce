using System.ComponentModel.DataAnnotations;
using System.ComponentModel;
using Llama.Grains.Membership;
using Microsoft.Extensions.Configuration;

namespace Llama.Grains.Options;

/// <summary>Which model a process works with, and in which cluster.</summary>
public abstract record ClusterOptions : ModelOptions
{
    /// <summary>Where the processes of the cluster find each other; null for files of this machine.</summary>
    [Description("Where the processes find each other, if not in files of this machine: a folder, etcd://host:2379/name, redis://host:6379"
        + " or a gateway's URL.")]
    [ClusterAddress]
    public string? Cluster { get; init; }

    /// <summary>File with user and password for etcd or Redis, or null.</summary>
    [Description($"File with user:password for etcd or Redis, which may be in the variable {StoreLogin.Variable} instead.")]
    public string? ClusterLoginFile { get; init; }

    /// <summary>
    /// The configuration that Orleans gets: what <see cref="Cluster"/> says, else the environment's section <c>Orleans</c>, else files of
    /// this machine.
    /// </summary>
    public IConfiguration ClusterConfiguration()
    {
        IConfiguration environment = new ConfigurationBuilder().AddEnvironmentVariables().Build();
        bool told = environment["Orleans:Clustering:ProviderType"] is { Length: > 0 };
        ClusterAddress? address = ClusterText is { } text ? ClusterAddress.Parse(text) : told ? null : ClusterAddress.OfThisMachine;
        IEnumerable<KeyValuePair<string, string?>> pairs = address?.ToConfiguration() ?? [];

        // An address without a name leaves it to the environment.
        if (address?.ClusterId == ClusterAddress.DefaultClusterId) pairs = pairs.Where(pair => environment[pair.Key] is null or "");
        return new ConfigurationBuilder().AddConfiguration(environment).AddInMemoryCollection(pairs).Build();
    }

    /// <summary>What is wrong with the address of the cluster, beside TLS or its absence.</summary>
    /// <param name="tls">The folder with the certificate; null for no TLS.</param>
    /// <param name="option">The property that has the address.</param>
    protected IEnumerable<ValidationResult> ValidateCluster(string? tls, string option)
    {
        string scheme = ClusterText?.Split("://") is [var first, _] ? first.ToLowerInvariant() : string.Empty;
        if (scheme is "https" or "etcds" && tls is null)
            yield return new ValidationResult("speaks TLS and needs --tls, with a certificate to show there", [option, "Tls"]);
        if (scheme == "http" && tls is not null)
            yield return new ValidationResult("is not encrypted; expected an https URL, because of --tls", [option, "Tls"]);
    }

    /// <summary>The address of the cluster as the process was told it; null when it was not.</summary>
    protected virtual string? ClusterText => Cluster;
}

/// <summary>The text must be an address of a cluster; see <see cref="Membership.ClusterAddress"/>.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class ClusterAddressAttribute() : ValidationAttribute(
    "a folder, http(s)://gateway:port, etcd(s)://host:port,host2:port/name, redis(s)://host:port or memory")
{
    /// <inheritdoc/>
    public override bool IsValid(object? value) => value is null || ClusterAddress.TryParse((string)value, out _, out _);
}
