using Llama.Grains.Stages;
using Llama.Grains.Tests.Gateway;
using Llama.Grains.Tests.Links;
using Llama.Model.Checkpoints;

namespace Llama.Grains.Tests.Stages;

public sealed class LayerRangeGrainTests : IAsyncDisposable
{
    private readonly LayerRangeGrain grain;
    private int opened;
    private Exception? fault;

    public LayerRangeGrainTests() => grain = new LayerRangeGrain(
        () =>
        {
            opened++;
            return fault is null ? TestModel.Llama3.Open() : throw fault;
        },
        1, LinkPair.Identity("silo-1"));

    public ValueTask DisposeAsync() => grain.DisposeAsync();

    [Fact]
    public async Task LoadAsync_Range_ReportsItsShareOfTheWeights()
    {
        StageReport first = await grain.LoadAsync(Assignment(1, 0, 2), Patience.Token);
        StageReport second = await grain.LoadAsync(Assignment(2, 2, 4), Patience.Token);
        StageReport whole = await grain.LoadAsync(Assignment(3, 0, 4), Patience.Token);
        Assert.True(first.WeightBytes > 0);
        Assert.Equal(first.WeightBytes + second.WeightBytes, whole.WeightBytes);
    }

    [Fact]
    public async Task LoadAsync_SameRangeInTheNextEpoch_KeepsItsWeights()
    {
        await grain.LoadAsync(Assignment(1, 0, 2), Patience.Token);
        await grain.LoadAsync(Assignment(2, 0, 2), Patience.Token);
        Assert.Equal(1, opened);
        await grain.LoadAsync(Assignment(3, 0, 3), Patience.Token);
        await grain.LoadAsync(Assignment(4, 0, 3, kvBlocks: 9), Patience.Token);
        Assert.Equal(3, opened);
        Assert.Equal(4ul, grain.Epoch);
    }

    [Fact]
    public async Task LoadAsync_BlocksOfALineage_AreKeptAsLongAsNothingElseWasLoaded()
    {
        StageAssignment place = Assignment(1, 0, 2) with { Lineage = 1 };
        Assert.False((await grain.LoadAsync(place with { Keeps = true }, Patience.Token)).Kept);
        Assert.True((await grain.LoadAsync(place with { Epoch = 2, Keeps = true }, Patience.Token)).Kept);
        Assert.True((await grain.LoadAsync(place with { Epoch = 3, Keeps = true }, Patience.Token)).Kept);

        // Whoever does not ask for them writes over them.
        Assert.False((await grain.LoadAsync(place with { Epoch = 4, Lineage = 4 }, Patience.Token)).Kept);
        Assert.False((await grain.LoadAsync(place with { Epoch = 5, Keeps = true }, Patience.Token)).Kept);
        Assert.True((await grain.LoadAsync(place with { Epoch = 6, Keeps = true }, Patience.Token)).Kept);
        Assert.Equal(1, opened);
        Assert.False((await grain.LoadAsync(place with { Epoch = 7, Keeps = true, KeepsLog = true }, Patience.Token)).Kept);
        Assert.Equal(2, opened);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(4)]
    [InlineData(5)]
    public async Task LoadAsync_EpochThatIsOver_IsRefusedAndTheStageStays(ulong epoch)
    {
        await grain.LoadAsync(Assignment(5, 0, 2), Patience.Token);
        StageConveyor? before = grain.Conveyor(5);
        InvalidOperationException refusal =
            await Assert.ThrowsAsync<InvalidOperationException>(() => grain.LoadAsync(Assignment(epoch, 0, 2), Patience.Token));
        Assert.Contains($"epoch {epoch} is over", refusal.Message, StringComparison.Ordinal);
        Assert.NotNull(before);
        Assert.Same(before, grain.Conveyor(5));
    }

    [Fact]
    public async Task Conveyor_OtherEpochs_HaveNone()
    {
        Assert.Null(grain.Conveyor(0));
        await grain.LoadAsync(Assignment(5, 0, 2), Patience.Token);
        Assert.Null(grain.Conveyor(4));
        Assert.Null(grain.Conveyor(6));
        await grain.LoadAsync(Assignment(6, 0, 2), Patience.Token);
        Assert.Null(grain.Conveyor(5));
        Assert.NotNull(grain.Conveyor(6));
    }

    [Fact]
    public async Task LoadAsync_CheckpointThatCannotBeOpened_ThrowsAndALaterEpochLoads()
    {
        await grain.LoadAsync(Assignment(1, 0, 2), Patience.Token);
        fault = new CheckpointException("/models/x: there is no such folder");
        CheckpointException thrown =
            await Assert.ThrowsAsync<CheckpointException>(() => grain.LoadAsync(Assignment(2, 2, 4), Patience.Token));
        Assert.Equal(fault.Message, thrown.Message);
        Assert.Null(grain.Conveyor(1));
        Assert.Null(grain.Conveyor(2));
        fault = null;
        await grain.LoadAsync(Assignment(3, 2, 4), Patience.Token);
        Assert.NotNull(grain.Conveyor(3));
    }

    [Theory]
    [InlineData(-1, 2, 8)]
    [InlineData(0, 5, 8)]
    [InlineData(2, 2, 8)]
    [InlineData(0, 2, 0)]
    public async Task LoadAsync_AssignmentThatCannotBe_Throws(int first, int end, int kvBlocks)
    {
        await Assert.ThrowsAnyAsync<ArgumentException>(() => grain.LoadAsync(Assignment(1, first, end, kvBlocks), Patience.Token));
        await grain.LoadAsync(Assignment(2, 0, 2), Patience.Token);
    }

    private static StageAssignment Assignment(ulong epoch, int first, int end, int kvBlocks = 8) => new()
    {
        Epoch = epoch,
        FirstLayer = first,
        EndLayer = end,
        KvBlocks = kvBlocks,
        NextAddress = end == 4 ? null : "127.0.0.1:1",
    };
}
