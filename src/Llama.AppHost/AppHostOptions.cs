using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Net;
using System.Net.Sockets;
using Llama.Grains.Certificates;
using Llama.Grains.Hosting;
using Llama.Grains.Options;
using Llama.Grains.Settings;

namespace Llama.AppHost;

/// <summary>The options of a cluster on this machine.</summary>
[Description("Starts a gateway and silos on this machine, and keeps them running.")]
public sealed record AppHostOptions : ServingOptions, IValidatableObject
{
    private const string TlsHost = "localhost";

    /// <summary>Options for the shipped model, where it is found.</summary>
    public AppHostOptions() => Model = ShippedModel.Find() ?? "";

    /// <summary>Silo processes.</summary>
    [Description("Silo processes.")]
    [Range(1, 64)]
    public int Silos { get; init; } = 2;

    /// <summary>Gateway processes.</summary>
    [Description("Gateway processes; the first has --port, the others any free one.")]
    [Range(1, 16)]
    public int Gateways { get; init; } = 1;

    /// <summary>Fronts: gateways that are clients of the cluster.</summary>
    [Description("Fronts: gateways that are only clients of the cluster, without model files; each has any free port.")]
    [Range(0, 16)]
    public int Fronts { get; init; }

    /// <summary>Whether the dashboard stays off.</summary>
    [Description("Start no dashboard, which takes some 140 MB of memory.")]
    public bool NoDashboard { get; init; }

    /// <summary>Threads that compute in each silo; null for the machine's cores divided by the silos.</summary>
    [Description("Threads that compute in each silo, if not the cores divided by the silos.")]
    [Range(1, 1024)]
    public int? Threads { get; init; }

    /// <summary>The cores that the compute threads are pinned to; null to pin none.</summary>
    [Description("Cores that the silos' threads are pinned to, on Linux, if they are; each silo gets its own, in order.")]
    public override string? Cores { get; init; }

    /// <summary>KV memory of one stage at most; null for the gateway's default.</summary>
    [Description("Memory for keys and values of one stage at most, if not the gateway's default.")]
    [Range(typeof(ByteSize), "64KiB", "64TiB")]
    public ByteSize? KvMemory { get; init; }

    /// <summary>Memory of a silo for the hidden states that are kept in case the next one is lost; null for the silos' default.</summary>
    [Description("Memory of a silo for what it sent on, if not its default: if the next one is lost, only its layers are computed again.")]
    [Range(typeof(ByteSize), "0", "64TiB")]
    public ByteSize? LogMemory { get; init; }

    /// <summary>Whether to show all that the processes log, and to have them log details.</summary>
    [Description("Show all that the processes log, and have them log details.")]
    public override bool Verbose { get; init; }

    /// <inheritdoc/>
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (Replicas > Silos)
        {
            yield return new ValidationResult(
                $"is more than there are silos; expected at most {Silos}, or more --silos",
                [nameof(Replicas), nameof(Silos)]);
        }

        if (Ranges?.Split(',').Length is { } ranges && ranges > Silos)
        {
            yield return new ValidationResult(
                $"are more ranges than there are silos; expected at most {Silos}, or more --silos",
                [nameof(Ranges), nameof(Silos)]);
        }

        foreach (ValidationResult fault in CoreList.Validate(Cores, Silos * ThreadsOfSilo, nameof(Cores), nameof(Threads)))
            yield return fault;

        foreach (ValidationResult fault in ValidateCluster(Tls, nameof(Cluster)))
            yield return fault;
        if (Cluster == "memory" || Cluster?.StartsWith("http", StringComparison.OrdinalIgnoreCase) == true)
            yield return new ValidationResult("is the document of a gateway; leave it out for files of this machine", [nameof(Cluster)]);
        ValidationResult[] tlsFaults = [.. CertificateFolder.Validate(Tls)];
        foreach (ValidationResult fault in tlsFaults)
            yield return fault;
        if (tlsFaults.Length == 0 && CertificateFolder.Load(Tls)?.IsFor(TlsHost) == false)
            yield return new ValidationResult($"has a certificate for another host; expected one for {TlsHost}", [nameof(Tls)]);

        if (!IsFree(Port))
            yield return new ValidationResult("is in use by another program; choose another port, or 0 for any free one", [nameof(Port)]);
    }

    /// <summary>Threads that compute in each silo.</summary>
    public int ThreadsOfSilo => Threads ?? Math.Max(1, (CoreList.Parse(Cores)?.Count ?? Environment.ProcessorCount) / Silos);

    /// <summary>The gateway's port: the one that was given, or a free one in place of 0.</summary>
    public int ChoosePort() => Port != 0 ? Port : FreePort.Choose();

    /// <summary>Where a gateway on this machine is reached: by its address, or with TLS by its name, for which certificates are.</summary>
    public string UrlOf(int port) => Tls is null ? $"http://127.0.0.1:{port}" : $"https://{TlsHost}:{port}";

    private static bool IsFree(int port)
    {
        try
        {
            using var listener = new TcpListener(IPAddress.Loopback, port);
            listener.Start();
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
