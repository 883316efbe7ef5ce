using System.Net;
using Llama.Grains.Directory;
using Llama.Grains.Hosting;
using Llama.Grains.Links;
using Llama.Grains.Records;
using Llama.Model.Checkpoints;
using Llama.Model.Kernels;
using Llama.Model.Machine;
using Microsoft.Extensions.Logging;

namespace Llama.Grains.Stages;

/// <summary>What a silo is started with.</summary>
public sealed record SiloSettings
{
    /// <summary>Name, fingerprint and key of this process.</summary>
    public required LinkIdentity Identity { get; init; }

    /// <summary>Opens the model; called once for every load, and the result belongs to the caller.</summary>
    public required Func<Checkpoint> OpenCheckpoint { get; init; }

    /// <summary>The numeric profile that this process computes in.</summary>
    public required string Profile { get; init; }

    /// <summary>Host to listen on.</summary>
    public string ListenHost { get; init; } = "127.0.0.1";

    /// <summary>Port to listen on; 0 for any free one.</summary>
    public int ListenPort { get; init; }

    /// <summary>Host or <c>host:port</c> that others reach the silo by; null for where it listens.</summary>
    public string? Advertise { get; init; }

    /// <summary>Compute threads.</summary>
    public required int Threads { get; init; }

    /// <summary>What these threads reach together.</summary>
    public required MachineRates Rates { get; init; }

    /// <summary>Most bytes that weights and KV may take; null for an equal share of the machine's with the other silos there.</summary>
    public long? Memory { get; init; }

    /// <summary>Most bytes that a log of hidden states may take, from which the next stage can be rebuilt; 0 for none.</summary>
    public long LogMemory { get; init; }

    /// <summary>Cores that the compute threads are pinned to, in order, at least one for each; null to pin none.</summary>
    public IReadOnlyList<int>? Cores { get; init; }
}

/// <summary>A silo: listens for links, hosts the layer ranges that it is given, and knows what to announce to a directory.</summary>
public sealed class SiloNode : IAsyncDisposable
{
    /// <summary>Key of the stage that a silo hosts: one range a device, and a silo drives one device, its processor.</summary>
    public const string StageKey = "cpu";

    /// <summary>Key of the records that a silo keeps of answers under way.</summary>
    public const string RecordsKey = "answers";

    private readonly GrainHost grains = new();
    private readonly LinkListener listener;
    private readonly Member member;
    private readonly string name;

    /// <summary>Starts listening.</summary>
    /// <exception cref="IOException">The address cannot be bound.</exception>
    public SiloNode(SiloSettings settings, ILogger logger)
    {
        ArgumentNullException.ThrowIfNull(settings);
        LinkIdentity self = settings.Identity;
        name = self.Name;
        grains.Register<ILayerRangeGrain>(device => device == StageKey
            ? new LayerRangeGrain(settings.OpenCheckpoint, settings.Threads, self, settings.Cores)
            : throw new GrainCallException($"{name} has no device '{device}'; expected '{StageKey}'."));
        grains.Register<IRecordsGrain>(key => key == RecordsKey
            ? new RecordsGrain(TimeProvider.System)
            : throw new GrainCallException($"{name} has no records '{key}'; expected '{RecordsKey}'."));
        listener = LinkListener.Start(settings.ListenHost, settings.ListenPort, self, ServeAsync, logger);
        member = new Member
        {
            Name = self.Name,
            Address = AdvertisedAddress(settings.Advertise, listener.EndPoint),
            ProcessId = Environment.ProcessId,
            Instance = $"{Guid.NewGuid()}",
            Threads = settings.Threads,
            Rates = settings.Rates,
            LogMemoryBytes = settings.LogMemory,
            MemoryBytes = settings.Memory ?? MachineMemory.Limit,
            SharedMemory = MachineMemory.Name,
            IsMemoryGiven = settings.Memory is not null,
            Profile = settings.Profile,
            LastEpoch = 0,
        };
    }

    /// <summary>What the silo announces.</summary>
    public Member Member => member with { LastEpoch = Stage?.Epoch ?? 0 };

    private LayerRangeGrain? Stage => (LayerRangeGrain?)grains.Find<ILayerRangeGrain>(StageKey);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await listener.DisposeAsync().ConfigureAwait(false);
        await grains.DisposeAsync().ConfigureAwait(false);
    }

    private static string AdvertisedAddress(string? advertise, IPEndPoint endPoint)
    {
        if (advertise is null) return endPoint.ToString();
        return advertise.Contains(':', StringComparison.Ordinal) ? advertise : $"{advertise}:{endPoint.Port}";
    }

    private async Task ServeAsync(Stream stream, LinkTarget target, CancellationToken cancellationToken)
    {
        if (target.Purpose == LinkPurpose.Calls)
        {
            await Handshake.AcceptAsync(stream, cancellationToken).ConfigureAwait(false);
            await GrainLink.ServeAsync(stream, grains, cancellationToken).ConfigureAwait(false);
            return;
        }

        if (target.Purpose == LinkPurpose.Join || Stage?.Conveyor(target.Epoch) is not { } conveyor)
        {
            string reason = $"{name} has no stage of epoch {target.Epoch}.";
            await Handshake.RefuseAsync(stream, reason, cancellationToken).ConfigureAwait(false);
            return;
        }

        await Handshake.AcceptAsync(stream, cancellationToken).ConfigureAwait(false);
        await (target.Purpose switch
        {
            LinkPurpose.Steps => conveyor.ReceiveAsync(stream, cancellationToken),
            LinkPurpose.Results => conveyor.ReturnResultsAsync(stream, cancellationToken),
            _ => conveyor.PulseAsync(stream, TimeProvider.System, cancellationToken),
        }).ConfigureAwait(false);
    }
}
