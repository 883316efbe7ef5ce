using Llama.Grains.Links;
using Llama.Grains.Stages;
using Llama.Grains.Tests.Gateway;
using Llama.Grains.Tests.Links;
using Llama.Grains.Tests.Silos;
using Llama.Model.Layers;
using Microsoft.Extensions.Logging.Abstractions;

namespace Llama.Grains.Tests.Stages;

public sealed class SiloNodeTests
{
    private static readonly LinkIdentity Gateway = LinkPair.Identity("gateway");

    private static readonly StageAssignment Assignment =
        new() { Epoch = 7, FirstLayer = 0, EndLayer = 4, KvBlocks = 8, Ticket = Guid.NewGuid() };

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
        StageReport report = await silo.LoadAsync(Assignment, Patience.Token).Soon();
        Assert.True(report.WeightBytes > 0);
        Assert.Equal(7ul, silo.Member.LastEpoch);
    }

    [Fact]
    public async Task Mark_ThisInstance_IsDrainedUntilItIsTakenBack()
    {
        await using SiloNode silo = Start();
        Assert.False(silo.Member.Drained);
        silo.Mark(new DrainMark(silo.Member.Instance, true));
        Assert.True(silo.Member.Drained);
        silo.Mark(new DrainMark(silo.Member.Instance, false));
        Assert.False(silo.Member.Drained);
    }

    [Fact]
    public async Task Mark_AnotherInstance_IsIgnored()
    {
        await using SiloNode silo = Start();
        silo.Mark(new DrainMark("another", true));
        Assert.False(silo.Member.Drained);
        silo.Mark(new DrainMark(silo.Member.Instance, true));
        silo.Mark(new DrainMark("another", false));
        Assert.True(silo.Member.Drained);
    }

    [Fact]
    public async Task ServeAsync_CheckLink_StaysOpenUntilTheSiloIsDisposedOf()
    {
        SiloNode silo = Start();
        await using Stream check =
            await Dialler.DialAsync(silo.Member.Address, Gateway, new LinkTarget(LinkPurpose.Check), Patience.Token).Soon();
        Task<int> reading = check.ReadAsync(new byte[1], Patience.Token).AsTask();

        // Not even a new epoch ends it.
        await silo.LoadAsync(Assignment, Patience.Token).Soon();
        await silo.LoadAsync(Assignment with { Epoch = 8 }, Patience.Token).Soon();
        Assert.False(reading.IsCompleted);
        await silo.DisposeAsync().Soon();
        Assert.Equal(0, await reading.Soon());
    }

    [Theory]
    [InlineData(LinkPurpose.Steps)]
    [InlineData(LinkPurpose.Results)]
    [InlineData(LinkPurpose.Heartbeat)]
    public async Task ServeAsync_LinkWithoutTheStagesTicket_IsRefusedWithWhatWasAskedAndWhatIsThere(LinkPurpose purpose)
    {
        await using SiloNode silo = Start();
        await RefusedAsync(new LinkTicket(7, Assignment.Ticket), "silo-1 has no stage; the link is for one of epoch 7.");
        await silo.LoadAsync(Assignment, Patience.Token).Soon();
        await RefusedAsync(new LinkTicket(6, Assignment.Ticket), "silo-1 has a stage of epoch 7; the link is for one of epoch 6.");
        await RefusedAsync(new LinkTicket(8, Assignment.Ticket), "silo-1 has a stage of epoch 7; the link is for one of epoch 8.");
        await RefusedAsync(new LinkTicket(7, Guid.NewGuid()), "silo-1 has a stage of epoch 7, but of another plan than the link's.");
        await RefusedAsync(new LinkTicket(7, default), "silo-1 has a stage of epoch 7, but of another plan than the link's.");
        await RefusedAsync(null, "A link to a stage of silo-1 needs the ticket of a plan, and has none.");

        // None of them has taken the place of the one that belongs there.
        await using Stream link = await DialAsync(silo, purpose, Assignment);

        async Task RefusedAsync(LinkTicket? ticket, string expected)
        {
            IOException fault = await Assert.ThrowsAsync<IOException>(
                () => Dialler.DialAsync(silo.Member.Address, Gateway, new LinkTarget(purpose, ticket), Patience.Token).Soon());
            Assert.EndsWith(expected, fault.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task ServeAsync_LinkOfAnEpochThatIsOver_IsRefused()
    {
        await using SiloNode silo = Start();
        await silo.LoadAsync(Assignment, Patience.Token).Soon();
        await using Stream results = await DialAsync(silo, LinkPurpose.Results, Assignment);
        StageAssignment after = Assignment with { Epoch = 8, Ticket = Guid.NewGuid() };
        await silo.LoadAsync(after, Patience.Token).Soon();

        // The old link ends, and no new one opens to what it belonged to.
        Assert.Equal(0, await results.ReadAsync(new byte[1], Patience.Token).Soon());
        await Assert.ThrowsAsync<IOException>(() => DialAsync(silo, LinkPurpose.Results, Assignment));
        await using Stream next = await DialAsync(silo, LinkPurpose.Results, after);
    }

    [Fact]
    public async Task DisposeAsync_WithOpenLinks_Ends()
    {
        SiloNode silo = Start();
        await silo.LoadAsync(Assignment, Patience.Token).Soon();
        await using Stream check =
            await Dialler.DialAsync(silo.Member.Address, Gateway, new LinkTarget(LinkPurpose.Check), Patience.Token).Soon();
        await using Stream steps = await DialAsync(silo, LinkPurpose.Steps, Assignment);
        await using Stream results = await DialAsync(silo, LinkPurpose.Results, Assignment);
        await silo.DisposeAsync().Soon();
        foreach (Stream link in new[] { check, results }) Assert.Equal(0, await link.ReadAsync(new byte[1], Patience.Token).Soon());
    }

    private static Task<Stream> DialAsync(SiloNode silo, LinkPurpose purpose, StageAssignment place) => Dialler.DialAsync(
        silo.Member.Address, Gateway, new LinkTarget(purpose, new LinkTicket(place.Epoch, place.Ticket)), Patience.Token).Soon();

    private static SiloNode Start(string? advertise = null) => new(
        new SiloSettings
        {
            Identity = LinkPair.Identity("silo-1"),
            OpenCheckpoint = TestModel.Llama3.Open,
            Device = new CpuDevice(2),
            Offer = TestModel.Llama3.Offer with { Profile = "cpu", Threads = 2 },
            Rates = Members.Rates,
            LogMemory = 12345,
            Advertise = advertise,
        },
        NullLogger.Instance);
}
