using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Reflection;
using Llama.Grains.Certificates;
using Llama.Grains.Membership;
using Llama.Grains.Options;
using Llama.Grains.Settings;

namespace Llama.Gateway;

/// <summary>The options of a gateway.</summary>
[Description("The gateway: serves a model over HTTP, from its own process or from the silos that join it.")]
public sealed record GatewayOptions : ServingOptions, IValidatableObject
{
    private const string OfGateways = "is given to the gateways with --silos, which own the pipelines";
    private const string OfFiles = "is given to the processes with files of the model: the gateways with --silos, and the silos";
    private const string OfDevices = "is given to the silos, which compute";
    private const string OfSilos = "is of a silo that others connect to, and a front is none";

    /// <summary>What is nothing of a front, and what to do with it instead.</summary>
    private static readonly Dictionary<string, string> NotOfFronts = new()
    {
        [nameof(Model)] = OfFiles,
        [nameof(Context)] = OfFiles,
        [nameof(RopeFactor)] = OfFiles,
        [nameof(Weights)] = OfFiles,
        [nameof(KvType)] = OfFiles,
        [nameof(ModelName)] = OfGateways,
        [nameof(ChatTemplate)] = OfGateways,
        [nameof(Replicas)] = OfGateways,
        [nameof(Ranges)] = OfGateways,
        [nameof(StepTokens)] = OfGateways,
        [nameof(KvMemory)] = OfGateways,
        [nameof(SiloWait)] = OfGateways,
        [nameof(MaxWaiting)] = OfGateways,
        [nameof(MaxWaitingTokens)] = OfGateways,
        [nameof(ClientShare)] = OfGateways,
        [nameof(Silos)] = "makes a gateway that owns pipelines, which is another process",
        [nameof(Name)] = OfSilos,
        [nameof(ClusterPort)] = OfSilos,
        [nameof(FrontPort)] = OfSilos,
        [nameof(Threads)] = OfDevices,
        [nameof(Memory)] = OfDevices,
        [nameof(Cores)] = OfDevices,
        [nameof(Instructions)] = OfDevices,
        [nameof(Devices)] = OfDevices,
        [nameof(Torch)] = OfDevices,
    };

    private static readonly Lazy<GatewayOptions> Defaults = new(() => new GatewayOptions());

    /// <summary>Whether this process serves what the gateways of a cluster own, without a model and a silo of its own.</summary>
    [Description("Serve what the gateways with --silos of the --cluster own, without a model and a silo of its own; start as many as you like.")]
    public bool Front { get; init; }

    /// <inheritdoc/>
    /// <remarks>An attribute of the base holds unless the same one is here: a front has no model.</remarks>
    [Description("Folder or .gguf file of the model's checkpoint on this machine; a --front has none.")]
    [Required(AllowEmptyStrings = true), ExistingCheckpoint]
    public override string Model { get; init; } = "";

    /// <summary>Whether the process has a device of its own, and no cluster.</summary>
    public bool ServesAlone => Silos == 0 && !Front;

    /// <summary>Host name or IP address that HTTP listens on.</summary>
    [Description("Host name or IP address to listen on.")]
    [HostPort(PortRule.None)]
    public string Host { get; init; } = "127.0.0.1";

    /// <summary>Where the other processes of the cluster reach this one; null for where it listens.</summary>
    [Description("Where the other processes of the cluster reach this one, if not where it listens.")]
    [HostPort(PortRule.None)]
    public string? Advertise { get; init; }

    /// <summary>The gateway's name in its cluster.</summary>
    [Description("Name of this gateway; unique in its cluster.")]
    [RegularExpression("[A-Za-z0-9._-]{1,64}", ErrorMessage = "1 to 64 letters, digits, dots, dashes or underscores")]
    public string Name { get; init; } = $"gateway-{Environment.ProcessId}";

    /// <summary>Port for calls of other processes; 0 for any free one.</summary>
    [Description("Port for calls of the other processes, beside that of --port; 0 takes any free one.")]
    [Range(0, 65535)]
    public int ClusterPort { get; init; }

    /// <summary>Port for fronts; 0 for any free one.</summary>
    [Description("Port that fronts connect to, beside that of --port; 0 takes any free one.")]
    [Range(0, 65535)]
    public int FrontPort { get; init; }

    /// <summary>How long answers that have begun may take after the gateway was told to stop.</summary>
    [Description("How long answers that have begun may take when the gateway is told to stop.")]
    [Range(typeof(TimeSpan), "00:00:00", "1.00:00:00")]
    public TimeSpan ShutdownTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Silos to wait for before the first plan; 0 to serve alone, with an embedded silo.</summary>
    [Description("Silos to wait for before layers are handed out; 0 serves alone, with a silo inside this process.")]
    [Range(0, 1024)]
    public int Silos { get; init; }

    /// <summary>Threads of the embedded silo.</summary>
    [Description("Threads that compute in the silo inside this process.")]
    [Range(1, 1024)]
    public int Threads { get; init; } = Math.Min(Environment.ProcessorCount, 1024);

    /// <summary>KV memory of one stage at most.</summary>
    [Description("Memory for keys and values of one stage at most.")]
    [Range(typeof(ByteSize), "64KiB", "64TiB")]
    public ByteSize KvMemory { get; init; } = new(1L << 30);

    /// <summary>How long to wait for <see cref="Silos"/> silos before making do with fewer.</summary>
    [Description("How long to wait for so many silos before making do with fewer.")]
    [Range(typeof(TimeSpan), "00:00:00", "1.00:00:00")]
    public TimeSpan SiloWait { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>How long requests wait for a lost stage to be replaced before they fail.</summary>
    [Description("How long requests wait for a lost silo to be replaced before they fail.")]
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan RecoveryTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Requests that may wait for their turn; more are refused.</summary>
    [Description("Requests that may wait for their turn; more are refused.")]
    [Range(1, 65536)]
    public int MaxWaiting { get; init; } = 256;

    /// <summary>Tokens of requests that may wait for their turn; more are refused.</summary>
    [Description("Tokens of requests that may wait for their turn; more are refused.")]
    [Range(1, int.MaxValue)]
    public int MaxWaitingTokens { get; init; } = 1 << 22;

    /// <summary>Part of <see cref="MaxWaiting"/> that one client may have, percent.</summary>
    [Description("Part of the requests that may wait which one client may have, in percent.")]
    [Range(1, 100)]
    public int ClientShare { get; init; } = 50;

    /// <summary>File with the cluster's key, or null.</summary>
    [Description($"File with the cluster's key, which may be in the variable {ClusterKey.Variable} instead.")]
    public string? ClusterKeyFile { get; init; }

    /// <summary>File of the API's keys; null where none are needed.</summary>
    [Description("File with the keys of the API, as 'llama keys' writes it; it is watched. Without it everybody who reaches the port may use the model.")]
    public string? ApiKeyFile { get; init; }

    /// <summary>Web pages that may call the API; null for this gateway's own alone.</summary>
    [Description("Origins of web pages that may call the API, like https://chat.example.org,http://localhost:3000, or * for all.")]
    [RegularExpression(@"\*|https?://[^/,\s*]+(,\s*https?://[^/,\s*]+)*", ErrorMessage = "origins like https://chat.example.org, or *")]
    public string? CorsOrigins { get; init; }

    /// <summary>Whether each key has a prefix cache of its own.</summary>
    [Description("Let no key find what another one's prompts left in the prefix cache: so it cannot tell from the time that they were asked.")]
    public bool CachePerKey { get; init; }

    /// <summary>The model's name in the API; null for the name of its folder.</summary>
    [Description("Name of the model in the API, if not that of its folder.")]
    [StringLength(256, ErrorMessage = "at most 256 characters")]
    public string? ModelName { get; init; }

    /// <inheritdoc/>
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        foreach (ValidationResult fault in Front ? ValidateFront() : ValidateServing()) yield return fault;
        foreach (ValidationResult fault in ValidateCluster(Tls, nameof(Cluster))) yield return fault;
        foreach (ValidationResult fault in ClusterKey.Validate(ClusterKeyFile, Host, nameof(Host)))
            yield return fault;
        foreach (ValidationResult fault in CertificateFolder.Validate(Tls))
            yield return fault;
        if (ApiKeyFile is not null && !File.Exists(ApiKeyFile))
            yield return new ValidationResult($"is missing: '{ApiKeyFile}'; 'llama keys add' makes it", [nameof(ApiKeyFile)]);
        if (CachePerKey && ApiKeyFile is null)
            yield return new ValidationResult("needs keys; name their file with --api-key-file", [nameof(CachePerKey)]);
        if (Tls is not null && GrpcPort is not null)
            yield return new ValidationResult("is for gRPC without TLS; with --tls gRPC is on --port", [nameof(GrpcPort)]);
        if (GrpcPort is > 0 && GrpcPort == Port)
            yield return new ValidationResult("is the port of HTTP; without TLS gRPC needs one of its own", [nameof(GrpcPort)]);
    }

    private IEnumerable<ValidationResult> ValidateFront()
    {
        foreach ((string option, string instead) in NotOfFronts)
        {
            PropertyInfo property = typeof(GatewayOptions).GetProperty(option)!;
            if (!Equals(property.GetValue(this), property.GetValue(Defaults.Value)))
                yield return new ValidationResult($"is nothing of a --front: it {instead}", [option, nameof(Front)]);
        }

        if (ClusterText is { } text && ClusterAddress.TryParse(text, out ClusterAddress? address, out _) && address == ClusterAddress.OfThisProcess)
        {
            yield return new ValidationResult(
                "is the memory of a gateway; a --front names that gateway, like http://node-1:8080", [nameof(Cluster), nameof(Front)]);
        }
    }

    private IEnumerable<ValidationResult> ValidateServing()
    {
        if (Model.Length == 0) yield return new ValidationResult("is missing; expected a folder or a .gguf file that exists", [nameof(Model)]);
        if (Replicas > Math.Max(1, Silos))
        {
            yield return new ValidationResult(
                $"are more copies than there are silos to hold them; expected at most {Math.Max(1, Silos)}, or more --silos",
                [nameof(Replicas), nameof(Silos)]);
        }

        if (Cluster is not null && Silos == 0)
        {
            yield return new ValidationResult(
                "serves alone, with a device of its own, which a --cluster is not for; say how many silos to wait for", [nameof(Silos)]);
        }

        if (Silos > 0 && Advertise is null && HostPort.Parse(Host).IsEveryInterface)
        {
            yield return new ValidationResult(
                "is every address of this machine; say with --advertise which one the other processes are to connect to", [nameof(Host)]);
        }

        // Where other processes compute, the option may have come to this one by the environment that they share.
        if (Silos > 0) yield break;
        foreach (ValidationResult fault in CoreList.Validate(Cores, Threads, nameof(Cores), nameof(Threads)))
            yield return fault;
    }
}
