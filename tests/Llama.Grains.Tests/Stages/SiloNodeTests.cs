using Llama.Grains.Hosting;
using Llama.Grains.Links;
using Llama.Grains.Stages;
using Llama.Grains.Tests.Gateway;
using Llama.Grains.Tests.Directory;
using Llama.Grains.Tests.Links;
using Microsoft.Extensions.Logging.Abstractions;

namespace Llama.Grains.Tests.Stages;

public sealed class SiloNodeTests
{
    private static readonly LinkIdentity Gateway = LinkPair.Identity("gateway");

    private static readonly StageAssignment Assignment = new() { Epoch = 7, FirstLayer = 0, EndLayer = 4, KvBlocks = 8 };

    [Fact]
    public async Task Member_NewSilo_SaysWhatItIsAndWhereItListens()
    {
        await using SiloNode silo = Start();
        Assert.Equal("silo-1", silo.Member.Name);
        Assert.Equal(
            (2, Environment.ProcessId, "cpu", 0ul),
            (silo.Member.Threads, silo.Member.ProcessId, silo.Member.Profile, silo.Member.LastEpoch));
        Assert.Matches(@"^127\.0\.0\.1:\d+$", silo.Member.Address);
        Assert.True(silo.Member.MemoryBytes > 0);
        Assert.Equal(12345, silo.Member.LogMemoryBytes);
    }

    [Theory]
    [InlineData("node-7:9000", "^node-7:9000$")]
    [InlineData("node-7", @"^node-7:\d+$")]
    public async Task Member_AdvertisedAddress_IsWhatOthersGet(string advertise, string expected)
    {
        await using SiloNode silo = Start(advertise);
        Assert.Matches(expected, silo.Member.Address);
    }

    [Fact]
    public async Task Member_AfterALoad_HasItsEpoch()
    {
        await using SiloNode silo = Start();
        await using GrainLink link = await GrainLink.OpenAsync(silo.Member.Address, Gateway, Patience.Token).Soon();
        StageReport report = await link.Get<ILayerRangeGrain>(SiloNode.StageKey).LoadAsync(Assignment, Patience.Token).Soon();
        Assert.True(report.WeightBytes > 0);
        Assert.Equal(7ul, silo.Member.LastEpoch);
    }

    [Fact]
    public async Task ServeAsync_CallForAnotherDevice_IsRefused()
    {
        await using SiloNode silo = Start();
        await using GrainLink link = await GrainLink.OpenAsync(silo.Member.Address, Gateway, Patience.Token).Soon();
        GrainCallException fault = await Assert.ThrowsAsync<GrainCallException>(
            () => link.Get<ILayerRangeGrain>("cuda-9").LoadAsync(Assignment, Patience.Token).Soon());
        Assert.Contains("'cuda-9'", fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(LinkPurpose.Steps, 7ul)]
    [InlineData(LinkPurpose.Results, 7ul)]
    [InlineData(LinkPurpose.Join, 0ul)]
    public async Task ServeAsync_LinkToAStageThatIsNotThere_IsRefusedWithTheReason(LinkPurpose purpose, ulong epoch)
    {
        await using SiloNode silo = Start();
        IOException fault = await Assert.ThrowsAsync<IOException>(
            () => Dialler.DialAsync(silo.Member.Address, Gateway, new LinkTarget(purpose, epoch), Patience.Token).Soon());
        Assert.Contains($"silo-1 has no stage of epoch {epoch}.", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ServeAsync_LinkOfAnEpochThatIsOver_IsRefused()
    {
        await using SiloNode silo = Start();
        await using GrainLink link = await GrainLink.OpenAsync(silo.Member.Address, Gateway, Patience.Token).Soon();
        ILayerRangeGrain stage = link.Get<ILayerRangeGrain>(SiloNode.StageKey);
        await stage.LoadAsync(Assignment, Patience.Token).Soon();
        await using Stream results = await Dialler.DialAsync(
            silo.Member.Address, Gateway, new LinkTarget(LinkPurpose.Results, 7), Patience.Token).Soon();
        await stage.LoadAsync(Assignment with { Epoch = 8 }, Patience.Token).Soon();

        // The old link ends, and no new one opens to what it belonged to.
        Assert.Equal(0, await results.ReadAsync(new byte[1], Patience.Token).Soon());
        await Assert.ThrowsAsync<IOException>(
            () => Dialler.DialAsync(silo.Member.Address, Gateway, new LinkTarget(LinkPurpose.Results, 7), Patience.Token).Soon());
        await using Stream next = await Dialler.DialAsync(
            silo.Member.Address, Gateway, new LinkTarget(LinkPurpose.Results, 8), Patience.Token).Soon();
    }

    [Fact]
    public async Task DisposeAsync_WithOpenLinks_Ends()
    {
        SiloNode silo = Start();
        await using GrainLink link = await GrainLink.OpenAsync(silo.Member.Address, Gateway, Patience.Token).Soon();
        await link.Get<ILayerRangeGrain>(SiloNode.StageKey).LoadAsync(Assignment, Patience.Token).Soon();
        await using Stream steps =
            await Dialler.DialAsync(silo.Member.Address, Gateway, new LinkTarget(LinkPurpose.Steps, 7), Patience.Token).Soon();
        await using Stream results =
            await Dialler.DialAsync(silo.Member.Address, Gateway, new LinkTarget(LinkPurpose.Results, 7), Patience.Token).Soon();
        await silo.DisposeAsync().Soon();
        await link.Ended.Soon();
    }

    private static SiloNode Start(string? advertise = null) => new(
        new SiloSettings
        {
            Identity = LinkPair.Identity("silo-1"),
            OpenCheckpoint = TestModel.Llama3.Open,
            Profile = "cpu",
            Threads = 2,
            Rates = Members.Rates,
            LogMemory = 12345,
            Advertise = advertise,
        },
        NullLogger.Instance);
}
