using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using Llama.Grains.Options;
using Llama.Grains.Settings;

namespace Llama.Bench.Chaos;

/// <summary>Options of <c>Llama.Bench chaos</c>.</summary>
[Description("Runs a cluster on this machine, disturbs it at random, and checks that every answer is the undisturbed one. Linux only.")]
internal sealed record ChaosOptions : IValidatableObject
{
    /// <summary>Where the model lies.</summary>
    [Description("The model's checkpoint on this machine: a folder or a .gguf file, with a tokenizer.")]
    [Required, ExistingCheckpoint]
    public string Model { get; init; } = "";

    /// <summary>Silos that the gateway expects.</summary>
    [Description("Silos that compute.")]
    [Range(1, 16)]
    public int Silos { get; init; } = 3;

    /// <summary>Silos beyond these.</summary>
    [Description("Silos that stand by. One more than these is disturbed at a time, at most.")]
    [Range(0, 16)]
    public int Standbys { get; init; } = 1;

    /// <summary>Clients.</summary>
    [Description("Clients, each of which sends its next request when it has the answer to the last one.")]
    [Range(1, 1000)]
    public int Clients { get; init; } = 8;

    /// <summary>How long the clients go on.</summary>
    [Description("Seconds in which clients begin requests.")]
    [Range(1, 86_400)]
    public int Seconds { get; init; } = 600;

    /// <summary>Events a minute.</summary>
    [Description("Disturbances a minute, on average; 0 for load, cancels and disconnects only.")]
    [Range(0, 600)]
    public int Events { get; init; } = 15;

    /// <summary>Kills of the gateway a minute.</summary>
    [Description("Kills of the gateway, or of two in turn under --fronts, a minute, on average, each until it is started again; clients of a gateway"
        + " then ask again, with the same Idempotency-Key.")]
    [Range(0, 60)]
    public int GatewayKills { get; init; }

    /// <summary>Fronts.</summary>
    [Description("Fronts, before two gateways; clients ask only these, and then nothing twice. 0 for clients that ask one gateway.")]
    [Range(0, 16)]
    public int Fronts { get; init; }

    /// <summary>Kills and standstills of the etcd a minute.</summary>
    [Description("Kills (until it is started again, with its data or without) and standstills of the etcd a minute, on average. It is one of the run's own.")]
    [Range(0, 60)]
    public int EtcdKills { get; init; }

    /// <summary>Seed of the schedule and of the clients' choices.</summary>
    [Description("Seed of what happens when, and of the clients' choices.")]
    [Range(0, int.MaxValue)]
    public int Seed { get; init; } = 1;

    /// <summary>KV memory of one stage at most.</summary>
    [Description("Memory for keys and values of one stage at most; little, so that sequences are preempted.")]
    [Range(typeof(ByteSize), "64KiB", "64TiB")]
    public ByteSize KvMemory { get; init; } = new(1L << 20);

    /// <summary>Where the processes find each other; null for files in a folder of the run's own.</summary>
    [Description("Where the processes find each other, such as etcd://127.0.0.1:2379/chaos, if not in files of the run's own.")]
    [ClusterAddress]
    public string? Cluster { get; init; }

    /// <summary>File for what the processes say.</summary>
    [Description("File for all that the processes say, with the events among it.")]
    public string? Log { get; init; }

    /// <summary>Whether to print JSON.</summary>
    [Description("Print one JSON object instead of a table.")]
    public bool Json { get; init; }

    /// <inheritdoc/>
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (EtcdKills > 0 && Cluster is not null)
        {
            yield return new ValidationResult(
                $"--etcd-kills runs an etcd of its own; --cluster is {Cluster}.", [nameof(EtcdKills), nameof(Cluster)]);
        }
    }
}
