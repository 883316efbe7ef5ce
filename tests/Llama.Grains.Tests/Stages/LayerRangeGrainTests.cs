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
    public async Task LoadAsync_NextEpoch_KeepsTheCheckpointOpenWhateverTheRange()
    {
        await grain.LoadAsync(Assignment(1, 0, 2), Patience.Token);
        await grain.LoadAsync(Assignment(2, 0, 2), Patience.Token);
        long whole = (await grain.LoadAsync(Assignment(3, 0, 4), Patience.Token)).WeightBytes;
        await grain.LoadAsync(Assignment(4, 0, 3, kvBlocks: 9), Patience.Token);
        Assert.Equal(whole, (await grain.LoadAsync(Assignment(5, 0, 4), Patience.Token)).WeightBytes);
        Assert.Equal(1, opened);
        Assert.Equal(5ul, grain.Epoch);
    }

    [Fact]
    public async Task LoadAsync_BlocksOfALineage_AreKeptAsLongAsNothingElseWasLoaded()
    {
        StageAssignment place = Assignment(1, 0, 2) with { Lineage = 1, Logs = [2] };
        StageAssignment again = place with { Inherits = 1 };
        Assert.Equal((0, 0, ""), await KeptAsync(again));
        Assert.Equal((0, 2, "2"), await KeptAsync(again with { Epoch = 2 }));
        Assert.Equal((0, 2, "2"), await KeptAsync(again with { Epoch = 3 }));

        // Whoever does not ask for them writes over them.
        Assert.Equal((0, 0, ""), await KeptAsync(place with { Epoch = 4, Lineage = 4 }));
        Assert.Equal((0, 0, ""), await KeptAsync(again with { Epoch = 5 }));
        Assert.Equal((0, 2, "2"), await KeptAsync(again with { Epoch = 6 }));
    }

    [Fact]
    public async Task LoadAsync_OtherRangeOfALineage_KeepsTheLayersAndLogsThatBothHave()
    {
        StageAssignment place = Assignment(1, 0, 2) with { Lineage = 1, Logs = [2] };
        await grain.LoadAsync(place, Patience.Token);
        StageAssignment next = Assignment(2, 1, 4) with { Lineage = 1, Inherits = 1, Logs = [2, 3] };
        Assert.Equal((1, 2, "2"), await KeptAsync(next));
        Assert.Equal((1, 4, ""), await KeptAsync(next with { Epoch = 3, Logs = [] }));
        Assert.Equal((0, 0, ""), await KeptAsync(Assignment(4, 0, 1) with { Lineage = 1, Inherits = 1 }));

        // A pool of another size is another lineage, and without word of what goes on there nothing does.
        StageAssignment smaller = Assignment(6, 0, 2, kvBlocks: 3) with { Lineage = 6, Inherits = 1 };
        await grain.LoadAsync(place with { Epoch = 5 }, Patience.Token);
        Assert.Equal((0, 2, ""), await KeptAsync(smaller with { Carried = [7, 0, 3] }));
        Assert.Equal((0, 0, ""), await KeptAsync(smaller with { Epoch = 7, Carried = [1] }));
        Assert.Equal((0, 0, ""), await KeptAsync(Assignment(8, 0, 2) with { Lineage = 6, Inherits = 6 }));
        Assert.Equal(1, opened);

        // Nobody may make it read what it has not.
        StageAssignment wrong = smaller with { Epoch = 9, Inherits = 6, Carried = [8] };
        await Assert.ThrowsAsync<ArgumentException>(() => grain.LoadAsync(wrong, Patience.Token));
        Assert.Equal((0, 0, ""), await KeptAsync(smaller with { Epoch = 10, Inherits = 6, Carried = [0] }));
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
        fault = new CheckpointException("/models/x: there is no such folder");
        CheckpointException thrown =
            await Assert.ThrowsAsync<CheckpointException>(() => grain.LoadAsync(Assignment(2, 2, 4), Patience.Token));
        Assert.Equal(fault.Message, thrown.Message);
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

    /// <summary>The layers whose blocks were kept, and the logs.</summary>
    private async Task<(int First, int End, string Logs)> KeptAsync(StageAssignment assignment)
    {
        StageReport report = await grain.LoadAsync(assignment, Patience.Token);
        return (report.KeptFirst, report.KeptEnd, string.Join(',', report.KeptLogs));
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
