using Llama.Grains.Answers;
using Llama.Grains.Silos;
using Llama.Grains.Stages;
using Llama.Grains.Tests.Gateway;
using Llama.Grains.Tests.Links;
using Llama.Model.Layers;
using Microsoft.Extensions.Logging.Abstractions;

namespace Llama.Grains.Tests.Silos;

public sealed class LocalSilosTests
{
    [Fact]
    public async Task Calls_OneSilo_ReachIt()
    {
        await using var node = new SiloNode(
            new SiloSettings
            {
                Identity = LinkPair.Identity("silo-1"),
                OpenCheckpoint = TestModel.Llama3.Open,
                Device = new CpuDevice(1),
                Offer = TestModel.Llama3.Offer,
                Rates = Members.Rates,
            },
            NullLogger.Instance);
        var silos = new LocalSilos(node);
        Assert.Equal([node.Member], silos.View.Members);
        Assert.Equal(silos.View, await silos.WaitForChangeAsync(0, Patience.Token).Soon());

        var assignment = new StageAssignment { Epoch = 7, FirstLayer = 0, EndLayer = 4, KvBlocks = 8, Ticket = Guid.NewGuid() };
        Assert.True((await silos.LoadAsync(node.Member, assignment, Patience.Token).Soon()).WeightBytes > 0);
        Assert.Equal(7ul, node.Member.LastEpoch);
        await silos.MarkAsync(node.Member, true, Patience.Token).Soon();
        Assert.True(node.Member.Drained);
        await silos.MarkAsync(node.Member with { Instance = "another" }, false, Patience.Token).Soon();
        Assert.True(node.Member.Drained);

        Assert.Equal([2], await silos.AppendAsync("silo-1", [new RecordPart("a", 0, new byte[] { 1, 2 })], Patience.Token).Soon());
        Assert.Equal([1, 2], (await silos.ReadAsync("silo-1", new RecordPlace("a", 0), Patience.Token).Soon()).Bytes.ToArray());
    }
}
