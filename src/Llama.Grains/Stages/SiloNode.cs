using System.Net;
using Llama.Grains.Answers;
using Llama.Grains.Links;
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

/// <summary>
/// A silo's device and the links to it, which live as long as the process: listens for links, holds the layers that it is given, and
/// keeps answers. Grains are its shells.
/// </summary>
public sealed class SiloNode : IAsyncDisposable
{
    /// <summary>The device of a silo: its processor.</summary>
    public const string Device = "cpu";

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
        range = new LayerRangeHost(settings.OpenCheckpoint, settings.Threads, self, settings.Cores);
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

    private async Task ServeAsync(Stream stream, LinkTarget target, CancellationToken cancellationToken)
    {
        if (target.Purpose == LinkPurpose.Check)
        {
            await Handshake.AcceptAsync(stream, cancellationToken).ConfigureAwait(false);

            // A peer that keeps it open learns at once when this process ends.
            await stream.ReadAsync(new byte[1], cancellationToken).ConfigureAwait(false);
            return;
        }

        if (range.Conveyor(target.Epoch) is not { } conveyor)
        {
            string reason = $"{member.Name} has no stage of epoch {target.Epoch}.";
            await Handshake.RefuseAsync(stream, reason, cancellationToken).ConfigureAwait(false);
            return;
        }

        await Handshake.AcceptAsync(stream, cancellationToken).ConfigureAwait(false);
        await (target.Purpose switch
        {
            LinkPurpose.Steps => conveyor.ReceiveAsync(stream, cancellationToken),
            LinkPurpose.Results => conveyor.ReturnResultsAsync(stream, cancellationToken),
            _ => conveyor.HeartbeatAsync(stream, TimeProvider.System, cancellationToken),
        }).ConfigureAwait(false);
    }
}
