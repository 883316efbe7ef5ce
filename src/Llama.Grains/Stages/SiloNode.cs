using System.Net;
using Llama.Grains.Answers;
using Llama.Grains.Links;
using Llama.Model.Checkpoints;
using Llama.Model.Kernels;
using Llama.Model.Layers;
using Microsoft.Extensions.Logging;

namespace Llama.Grains.Stages;

/// <summary>What a silo is started with.</summary>
public sealed record SiloSettings
{
    /// <summary>Name, fingerprint and key of this process.</summary>
    public required LinkIdentity Identity { get; init; }

    /// <summary>Opens the model; called once for every load, and the result belongs to the caller.</summary>
    public required Func<Checkpoint> OpenCheckpoint { get; init; }

    /// <summary>The device that holds the layers.</summary>
    public required IDevice Device { get; init; }

    /// <summary>What the device offers for this model.</summary>
    public required DeviceOffer Offer { get; init; }

    /// <summary>Host to listen on.</summary>
    public string ListenHost { get; init; } = "127.0.0.1";

    /// <summary>Port to listen on; 0 for any free one.</summary>
    public int ListenPort { get; init; }

    /// <summary>Host or <c>host:port</c> that others reach the silo by; null for where it listens.</summary>
    public string? Advertise { get; init; }

    /// <summary>How fast the device is.</summary>
    public required MachineRates Rates { get; init; }

    /// <summary>Most bytes that weights and KV may take; null for an equal share of the machine's with the other silos there.</summary>
    public long? Memory { get; init; }

    /// <summary>Most bytes that a log of hidden states may take, from which the next stage can be rebuilt; 0 for none.</summary>
    public long LogMemory { get; init; }
}

/// <summary>
/// A silo's device and the links to it, which live as long as the process: listens for links, holds the layers that it is given, and
/// keeps answers. Grains are its shells.
/// </summary>
public sealed class SiloNode : IAsyncDisposable
{
    /// <summary>The device of a silo, of which it has one, in the key of its grain.</summary>
    private const string Device = "0";

    private readonly LayerRangeHost range;
    private readonly LinkListener listener;
    private readonly Member member;
    private volatile bool drained;

    /// <summary>Starts listening.</summary>
    /// <exception cref="IOException">The address cannot be bound.</exception>
    public SiloNode(SiloSettings settings, ILogger logger)
    {
        ArgumentNullException.ThrowIfNull(settings);
        LinkIdentity self = settings.Identity;
        range = new LayerRangeHost(settings.OpenCheckpoint, settings.Device, self);
        listener = LinkListener.Start(settings.ListenHost, settings.ListenPort, self, ServeAsync, logger);
        member = new Member
        {
            Name = self.Name,
            Address = AdvertisedAddress(settings.Advertise, listener.EndPoint),
            ProcessId = Environment.ProcessId,
            Instance = $"{Guid.NewGuid()}",
            Threads = settings.Offer.Threads,
            Rates = settings.Rates,
            LogMemoryBytes = settings.LogMemory,
            MemoryBytes = settings.Memory ?? settings.Offer.MemoryBytes,
            SharedMemory = settings.Offer.MemoryName,
            IsMemoryGiven = settings.Memory is not null,
            Profile = settings.Offer.Profile,
            LastEpoch = 0,
            KvBlockBytes = settings.Offer.KvBlockBytes,
            LogBlockBytes = settings.Offer.LogBlockBytes,
            ActivationBytes = settings.Offer.ActivationBytes,
            RepeatsShapes = settings.Offer.RepeatsShapes,
            WeightElementBytes = settings.Offer.WeightElementBytes,
        };
    }

    /// <summary>The heartbeat link to the owner of the pipeline has ended: it may be gone, or may just have another plan.</summary>
    public event Action<SiloAddress>? OwnerLost;

    /// <summary>What the silo offers.</summary>
    public Member Member => member with { LastEpoch = range.Epoch, Drained = drained };

    /// <summary>What it keeps of answers.</summary>
    public AnswerStore Answers { get; } = new(TimeProvider.System);

    /// <summary>The key of the grain of a silo's device.</summary>
    /// <param name="silo">The silo's name.</param>
    public static string RangeKey(string silo) => $"{silo}/{Device}";

    /// <inheritdoc cref="ILayerRangeGrain.LoadAsync"/>
    public Task<StageReport> LoadAsync(StageAssignment assignment, CancellationToken cancellationToken) =>
        range.LoadAsync(assignment, cancellationToken);

    /// <inheritdoc cref="ILayerRangeGrain.MarkAsync"/>
    public void Mark(DrainMark mark)
    {
        ArgumentNullException.ThrowIfNull(mark);
        if (mark.Instance == member.Instance) drained = mark.Drained;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await listener.DisposeAsync().ConfigureAwait(false);
        await range.DisposeAsync().ConfigureAwait(false);
    }

    private static string AdvertisedAddress(string? advertise, IPEndPoint endPoint)
    {
        if (advertise is null) return endPoint.ToString();
        return advertise.Contains(':', StringComparison.Ordinal) ? advertise : $"{advertise}:{endPoint.Port}";
    }

    private string Refusal(LinkTicket? shown, LinkTicket? expected)
    {
        if (shown is not { } ticket) return $"A link to a stage of {member.Name} needs the ticket of a plan, and has none.";
        string there = expected is { } stage ? $"a stage of epoch {stage.Epoch}" : "no stage";
        return ticket.Epoch == expected?.Epoch
            ? $"{member.Name} has {there}, but of another plan than the link's."
            : $"{member.Name} has {there}; the link is for one of epoch {ticket.Epoch}.";
    }

    private async Task ServeAsync(Stream stream, LinkTarget target, CancellationToken cancellationToken)
    {
        if (target.Purpose == LinkPurpose.Check)
        {
            await Handshake.AcceptAsync(stream, cancellationToken).ConfigureAwait(false);

            // A peer that keeps it open learns at once when this process ends.
            await stream.ReadAsync(new byte[1], cancellationToken).ConfigureAwait(false);
            return;
        }

        StageConveyor? conveyor = range.Conveyor;
        if (conveyor is null || conveyor.Ticket != target.Ticket)
        {
            await Handshake.RefuseAsync(stream, Refusal(target.Ticket, conveyor?.Ticket), cancellationToken).ConfigureAwait(false);
            return;
        }

        await Handshake.AcceptAsync(stream, cancellationToken).ConfigureAwait(false);
        await (target.Purpose switch
        {
            LinkPurpose.Steps => conveyor.ReceiveAsync(stream, cancellationToken),
            LinkPurpose.Results => conveyor.ReturnResultsAsync(stream, cancellationToken),
            _ => HeartbeatAsync(conveyor, stream, cancellationToken),
        }).ConfigureAwait(false);
    }

    private async Task HeartbeatAsync(StageConveyor conveyor, Stream stream, CancellationToken cancellationToken)
    {
        try
        {
            await conveyor.HeartbeatAsync(stream, TimeProvider.System, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            if (conveyor.Owner is { } owner && !cancellationToken.IsCancellationRequested) OwnerLost?.Invoke(owner);
        }
    }
}
