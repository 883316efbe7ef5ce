using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Text.RegularExpressions;
using Llama.Grains.Certificates;
using Llama.Grains.Membership;
using Llama.Grains.Options;
using Llama.Grains.Settings;

namespace Llama.Silo;

/// <summary>The options of a silo.</summary>
[Description("A silo: holds a range of a model's layers and computes them for the gateway.")]
public sealed partial record SiloOptions : DeviceOptions, IValidatableObject
{
    /// <summary>URL of a gateway whose membership document the silo uses; null for the one that <see cref="ClusterOptions.Cluster"/> names.</summary>
    [Description("URL of a gateway to join through, in place of --cluster. It need not run yet.")]
    [HttpUrl]
    public string? Gateway { get; init; }

    /// <summary>The silo's name; unique in its cluster.</summary>
    [Description("Name of this silo; unique in its cluster.")]
    [RegularExpression("[A-Za-z0-9._-]{1,64}", ErrorMessage = "1 to 64 letters, digits, dots, dashes or underscores")]
    public string Name { get; init; } = DefaultName();

    /// <summary>Where the links to the other stages listen, <c>host:port</c>; port 0 takes any free one.</summary>
    [Description("Where it listens for the other processes; port 0 takes any free one.")]
    [HostPort(PortRule.Required)]
    public string Listen { get; init; } = "127.0.0.1:0";

    /// <summary>Where the others reach it, <c>host</c> or <c>host:port</c>; null for where it listens.</summary>
    [Description("Where the other processes reach it, if not where it listens.")]
    [HostPort(PortRule.Optional)]
    public string? Advertise { get; init; }

    /// <summary>Port for calls of other processes; 0 for any free one.</summary>
    [Description("Port for calls of the other processes, beside that of --listen; 0 takes any free one.")]
    [Range(0, 65535)]
    public int ClusterPort { get; init; }

    /// <summary>Threads that compute.</summary>
    [Description("Threads that compute.")]
    [Range(1, 1024)]
    public int Threads { get; init; } = Math.Min(Environment.ProcessorCount, 1024);

    /// <summary>Memory for the hidden states that are kept in case the next silo is lost.</summary>
    [Description("Memory for what was sent on to the next silo: if that one is lost, only its layers are computed again; 0 keeps nothing.")]
    [Range(typeof(ByteSize), "0", "64TiB")]
    public ByteSize LogMemory { get; init; } = new(512L << 20);

    /// <summary>File with the cluster's key, or null.</summary>
    [Description($"File with the cluster's key, which may be in the variable {ClusterKey.Variable} instead.")]
    public string? ClusterKeyFile { get; init; }

    /// <summary>Folder with this process's certificate; null for no TLS.</summary>
    [Description("Folder with ca.pem, node.pem and node.key, to speak only TLS with other processes.")]
    public string? Tls { get; init; }

    /// <inheritdoc/>
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (Advertise is null && HostPort.TryParse(Listen, out HostPort listen) && listen.IsEveryInterface)
        {
            yield return new ValidationResult(
                "is every address of this machine; say with --advertise which one the others are to connect to",
                [nameof(Listen)]);
        }

        if (Advertise is null && HostPort.TryParse(Listen, out HostPort own) && own.IsLoopback
            && Remote() is { } remote)
        {
            yield return new ValidationResult(
                $"is reached from this machine only, and {remote} is on another one; name an address of this machine",
                [nameof(Listen)]);
        }

        foreach (ValidationResult fault in ClusterKey.Validate(ClusterKeyFile, Listen, nameof(Listen)))
            yield return fault;
        if (Gateway is not null && Cluster is not null)
            yield return new ValidationResult("says where the cluster is, and so does --cluster; leave one out", [nameof(Gateway)]);
        foreach (ValidationResult fault in ValidateCluster(Tls, Gateway is null ? nameof(Cluster) : nameof(Gateway))) yield return fault;
        if (ClusterText == "memory")
            yield return new ValidationResult("is the memory of a gateway; name that with --gateway", [nameof(Cluster)]);
        foreach (ValidationResult fault in CertificateFolder.Validate(Tls)) yield return fault;
        foreach (ValidationResult fault in CoreList.Validate(Cores, Threads, nameof(Cores), nameof(Threads)))
            yield return fault;
    }

    /// <summary>Host that the others reach the silo by; null for where it listens.</summary>
    public string? AdvertisedHost => Advertise is null ? null : HostPort.Parse(Advertise).Host;

    /// <inheritdoc/>
    protected override string? ClusterText => Gateway ?? Cluster;

    /// <summary>Where the cluster is, if that is on another machine.</summary>
    private string? Remote()
    {
        bool isKnown = ClusterAddress.TryParse(ClusterText, out ClusterAddress? address, out _);
        return isKnown && address!.IsOnOtherMachine ? $"the cluster at {ClusterText}" : null;
    }

    private static string DefaultName()
    {
        string process = $"-{Environment.ProcessId}";
        string machine = OutsideOfName().Replace(Environment.MachineName, "-");
        return machine[..Math.Min(machine.Length, 64 - process.Length)] + process;
    }

    [GeneratedRegex("[^A-Za-z0-9._-]")]
    private static partial Regex OutsideOfName();
}
