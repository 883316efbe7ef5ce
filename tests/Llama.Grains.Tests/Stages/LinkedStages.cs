using System.Text;
using Llama.Grains.Links;
using Llama.Grains.Stages;
using Llama.Grains.Tests.Links;
using Llama.Model.Layers;
using Microsoft.Extensions.Logging.Abstractions;

namespace Llama.Grains.Tests.Stages;

/// <summary>Stages of some layers with real links between them, and the gateway's ends.</summary>
internal sealed class LinkedStages : IAsyncDisposable
{
    public const ulong Epoch = 5;

    public required ILayerRange[] Ranges { get; init; }

    public List<StageConveyor> Conveyors { get; } = [];

    public List<LinkListener> Listeners { get; } = [];

    public Stream Steps { get; private set; } = Stream.Null;

    public Stream Results { get; private set; } = Stream.Null;

    internal static StageAssignment Assignment(int first, int end, string? next) => new()
    {
        Epoch = Epoch,
        FirstLayer = first,
        EndLayer = end,
        KvBlocks = 4,
        NextAddress = next,
        Ticket = Guid.NewGuid(),
    };

    public static async Task<LinkedStages> StartAsync(params ILayerRange[] ranges)
    {
        var stages = new LinkedStages { Ranges = ranges };
        LinkIdentity gateway = LinkPair.Identity("gateway");
        for (int i = ranges.Length - 1; i >= 0; i--)
        {
            string? next = i == ranges.Length - 1 ? null : stages.Listeners[0].EndPoint.ToString();
            LinkIdentity self = LinkPair.Identity($"silo-{i}");
            var conveyor = new StageConveyor(ranges[i], Assignment(ranges[i].FirstLayer, ranges[i].EndLayer, next), self);
            stages.Conveyors.Insert(0, conveyor);
            stages.Listeners.Insert(0, LinkListener.Start("127.0.0.1", 0, self, async (stream, target, cancellationToken) =>
            {
                await Handshake.AcceptAsync(stream, cancellationToken);
                if (target.Purpose == LinkPurpose.Steps) await conveyor.ReceiveAsync(stream, cancellationToken);
                else await conveyor.ReturnResultsAsync(stream, cancellationToken);
            }, NullLogger.Instance));
        }

        stages.Results = await Dialler.DialAsync(
            stages.Listeners[^1].EndPoint.ToString(), gateway, new LinkTarget(LinkPurpose.Results), Patience.Token).Soon();
        stages.Steps = await Dialler.DialAsync(
            stages.Listeners[0].EndPoint.ToString(), gateway, new LinkTarget(LinkPurpose.Steps), Patience.Token).Soon();
        return stages;
    }

    public Task SendAsync(Step step) => StageConveyorTests.SendAsync(Steps, step);

    public async Task<StepResult> ReadAsync()
    {
        (FrameKind kind, byte[] payload) = await Frames.ReadAsync(Results, ResultCodec.MaxBytes, Patience.Token).Soon();
        Assert.True(kind == FrameKind.Result, Encoding.UTF8.GetString(payload));
        return ResultCodec.Read(payload, new SampledTokens());
    }

    public async ValueTask DisposeAsync()
    {
        await Steps.DisposeAsync();
        await Results.DisposeAsync();
        foreach (StageConveyor conveyor in Conveyors) await conveyor.DisposeAsync().Soon();
        foreach (LinkListener listener in Listeners) await listener.DisposeAsync().Soon();
    }
}
