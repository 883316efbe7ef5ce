using Llama.Grains.Links;
using Llama.Grains.Stages;
using Llama.Grains.Tests.Gateway;
using Llama.Grains.Tests.Links;
using Llama.Model.Checkpoints;
using Llama.Model.Layers;

namespace Llama.Grains.Tests.Stages;

public sealed class LayerRangeHostTests : IAsyncDisposable
{
    private readonly LayerRangeHost host;
    private int opened;
    private Exception? fault;

    public LayerRangeHostTests() => host = new LayerRangeHost(
        () =>
        {
            opened++;
            return fault is null ? TestModel.Llama3.Open() : throw fault;
        },
        new CpuDevice(1), LinkPair.Identity("silo-1"));

    public ValueTask DisposeAsync() => host.DisposeAsync();

    [Fact]
    public async Task LoadAsync_Range_ReportsItsShareOfTheWeights()
    {
        StageReport first = await host.LoadAsync(Assignment(1, 0, 2), Patience.Token);
        StageReport second = await host.LoadAsync(Assignment(2, 2, 4), Patience.Token);
        StageReport whole = await host.LoadAsync(Assignment(3, 0, 4), Patience.Token);
        Assert.True(first.WeightBytes > 0);
        Assert.Equal(first.WeightBytes + second.WeightBytes, whole.WeightBytes);
    }

    [Fact]
    public async Task LoadAsync_NextEpoch_KeepsTheCheckpointOpenWhateverTheRange()
    {
        await host.LoadAsync(Assignment(1, 0, 2), Patience.Token);
        await host.LoadAsync(Assignment(2, 0, 2), Patience.Token);
        long whole = (await host.LoadAsync(Assignment(3, 0, 4), Patience.Token)).WeightBytes;
        await host.LoadAsync(Assignment(4, 0, 3, kvBlocks: 9), Patience.Token);
        Assert.Equal(whole, (await host.LoadAsync(Assignment(5, 0, 4), Patience.Token)).WeightBytes);
        Assert.Equal(1, opened);
        Assert.Equal(5ul, host.Epoch);
    }

    [Fact]
    public async Task LoadAsync_BlocksOfALineage_AreKeptAsLongAsNothingElseWasLoaded()
    {
        StageAssignment place = Assignment(1, 0, 2) with { Lineage = 1, Logs = [2] };
        StageAssignment again = place with { Inherits = 1 };
        Assert.Equal((0, 0, ""), await KeptAsync(again));
        Assert.Equal((0, 2, "2"), await KeptAsync(again with { Epoch = 2 }));
        Assert.Equal((0, 2, "2"), await KeptAsync(again with { Epoch = 3 }));

        // A load that does not ask for them writes over them.
        Assert.Equal((0, 0, ""), await KeptAsync(place with { Epoch = 4, Lineage = 4 }));
        Assert.Equal((0, 0, ""), await KeptAsync(again with { Epoch = 5 }));
        Assert.Equal((0, 2, "2"), await KeptAsync(again with { Epoch = 6 }));
    }

    [Fact]
    public async Task LoadAsync_OtherRangeOfALineage_KeepsTheLayersAndLogsThatBothHave()
    {
        StageAssignment place = Assignment(1, 0, 2) with { Lineage = 1, Logs = [2] };
        await host.LoadAsync(place, Patience.Token);
        StageAssignment next = Assignment(2, 1, 4) with { Lineage = 1, Inherits = 1, Logs = [2, 3] };
        Assert.Equal((1, 2, "2"), await KeptAsync(next));
        Assert.Equal((1, 4, ""), await KeptAsync(next with { Epoch = 3, Logs = [] }));
        Assert.Equal((0, 0, ""), await KeptAsync(Assignment(4, 0, 1) with { Lineage = 1, Inherits = 1 }));

        // A pool of another size is another lineage, and without word of what goes on there nothing does.
        StageAssignment smaller = Assignment(6, 0, 2, kvBlocks: 3) with { Lineage = 6, Inherits = 1 };
        await host.LoadAsync(place with { Epoch = 5 }, Patience.Token);
        Assert.Equal((0, 2, ""), await KeptAsync(smaller with { Carried = [7, 0, 3] }));
        Assert.Equal((0, 0, ""), await KeptAsync(smaller with { Epoch = 7, Carried = [1] }));
        Assert.Equal((0, 0, ""), await KeptAsync(Assignment(8, 0, 2) with { Lineage = 6, Inherits = 6 }));
        Assert.Equal(1, opened);

        // Nobody may make it read what it has not.
        StageAssignment wrong = smaller with { Epoch = 9, Inherits = 6, Carried = [8] };
        StageException refusal = await Assert.ThrowsAsync<StageException>(() => host.LoadAsync(wrong, Patience.Token));
        Assert.Contains("8", refusal.Message, StringComparison.Ordinal);
        Assert.Equal((0, 0, ""), await KeptAsync(smaller with { Epoch = 10, Inherits = 6, Carried = [0] }));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(4)]
    [InlineData(5)]
    public async Task LoadAsync_EpochThatIsOver_IsRefusedAndTheStageStays(ulong epoch)
    {
        await host.LoadAsync(Assignment(5, 0, 2), Patience.Token);
        StageConveyor? before = host.Conveyor;
        StageException refusal =
            await Assert.ThrowsAsync<StageException>(() => host.LoadAsync(Assignment(epoch, 0, 2), Patience.Token));
        Assert.Equal($"The stage is of epoch 5; epoch {epoch} is over.", refusal.Message);
        Assert.NotNull(before);
        Assert.Same(before, host.Conveyor);
    }

    [Fact]
    public async Task Conveyor_AfterEachLoad_HasThatPlacesTicket()
    {
        Assert.Null(host.Conveyor);
        foreach (ulong epoch in (ulong[])[5, 6])
        {
            StageAssignment place = Assignment(epoch, 0, 2);
            await host.LoadAsync(place, Patience.Token);
            Assert.Equal(new LinkTicket(epoch, place.Ticket), host.Conveyor?.Ticket);
        }
    }

    [Fact]
    public async Task LoadAsync_CheckpointThatCannotBeOpened_ThrowsAndALaterEpochLoads()
    {
        fault = new CheckpointException("/models/x: there is no such folder");
        StageException thrown = await Assert.ThrowsAsync<StageException>(() => host.LoadAsync(Assignment(2, 2, 4), Patience.Token));
        Assert.Equal(fault.Message, thrown.Message);
        Assert.Null(host.Conveyor);
        fault = null;
        await host.LoadAsync(Assignment(3, 2, 4), Patience.Token);
        Assert.NotNull(host.Conveyor);
    }

    [Theory]
    [InlineData(-1, 2, 8)]
    [InlineData(0, 5, 8)]
    [InlineData(2, 2, 8)]
    [InlineData(0, 2, 0)]
    public async Task LoadAsync_AssignmentThatCannotBe_Throws(int first, int end, int kvBlocks)
    {
        await Assert.ThrowsAsync<StageException>(() => host.LoadAsync(Assignment(1, first, end, kvBlocks), Patience.Token));
        await host.LoadAsync(Assignment(2, 0, 2), Patience.Token);
    }

    /// <summary>Nothing above the seam knows what computes: ranges of another backend load, repartition and end as well.</summary>
    [Fact]
    public async Task LoadAsync_AnotherBackend_LoadsOnceAndRepartitionsAfterwards()
    {
        var device = new ToyDevice();
        await using var other = new LayerRangeHost(TestModel.Llama3.Open, device, LinkPair.Identity("silo-1"));
        Assert.Equal(new StageReport(1, 0, 0, [], 0, Step.MaxTokens) with { KeptLogs = [] }, (await other.LoadAsync(Assignment(1, 0, 2), Patience.Token)) with { KeptLogs = [] });
        await other.LoadAsync(Assignment(2, 1, 3), Patience.Token);
        await other.LoadAsync(Assignment(3, 1, 3), Patience.Token);
        Assert.Equal([(0, 2)], device.Loaded);
        Assert.Equal(3ul, other.Conveyor!.Epoch);
    }

    [Fact]
    public async Task DisposeAsync_WhileLoadsWait_EndsThemAndMayBeCalledAgain()
    {
        using var mayLoad = new ManualResetEventSlim();
        var slow = new LayerRangeHost(
            () =>
            {
                mayLoad.Wait(Patience.Token);
                return TestModel.Llama3.Open();
            },
            new CpuDevice(1), LinkPair.Identity("silo-1"));
        Task<StageReport> loading = slow.LoadAsync(Assignment(1, 0, 2), Patience.Token);
        Task disposing = slow.DisposeAsync().AsTask();
        Task<StageReport> waiting = slow.LoadAsync(Assignment(2, 0, 2), Patience.Token);
        Assert.False(disposing.IsCompleted);
        mayLoad.Set();
        await loading.Soon();
        await disposing.Soon();
        await Assert.ThrowsAsync<StageException>(() => waiting.Soon());
        await slow.DisposeAsync().Soon();
        Assert.Null(slow.Conveyor);
    }

    /// <summary>The layers whose blocks were kept, and the logs.</summary>
    private async Task<(int First, int End, string Logs)> KeptAsync(StageAssignment assignment)
    {
        StageReport report = await host.LoadAsync(assignment, Patience.Token);
        return (report.KeptFirst, report.KeptEnd, string.Join(',', report.KeptLogs));
    }

    private static StageAssignment Assignment(ulong epoch, int first, int end, int kvBlocks = 8) => new()
    {
        Epoch = epoch,
        FirstLayer = first,
        EndLayer = end,
        KvBlocks = kvBlocks,
        NextAddress = end == 4 ? null : "127.0.0.1:1",
        Ticket = Guid.NewGuid(),
    };
}
